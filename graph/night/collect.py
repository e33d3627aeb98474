"""Which knowledge may be trained tonight: what the user typed, without what contradicts itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from agents.adapters.registry import Registry
from agents.adapters.rollback import roll_back, worse_since
from agents.capture.conflicts import resolve
from agents.capture.definitions import definition
from agents.capture.intake import OPPOSABLE
from agents.capture.meaning import meaning_of
from graph.night.contexts import holds_in, project_of
from graph.night.records import Collected, LeftOut, Replaced, Resolved
from mcp_local_llm import StoreUnavailable
from memory.entries import Stored
from memory.journal import Journal
from memory.records import Item, Where
from training.examples.knowledge import KINDS, Knowledge, eligible


def known_of(journal: Journal, stored: Iterable[Stored]) -> list[Knowledge]:
    """Return items with their stages."""
    found = list(stored)
    steps = journal.stages(one.id for one in found)
    return [
        Knowledge(
            item=one.item,
            state=one.state,
            stage=steps[one.id].stage if one.id in steps else None,
        )
        for one in found
    ]


def step_back(registry: Registry, journal: Journal, night: str) -> str:
    """Roll the last promotion back if answers are corrected more often since; say why, or "".

    Asked again by a ``night`` that was killed before it noted that, it says the same. Where the
    adapter before it is damaged or nobody knows it any more, what is served stays, which is
    logged: the night may mend it with a better one.
    """
    now, of = registry.pointer(), f"night {night}: "
    if now.action == "rollback" and now.why.startswith(of):
        return now.why.removeprefix(of)
    if now.action != "promote" or now.at is None:
        return ""
    rates = worse_since(journal.signals(), now.at)
    if rates is None:
        return ""
    try:
        roll_back(registry, journal, why=f"{of}{rates}")
    except StoreUnavailable as error:
        structlog.get_logger().warning("night.not_rolled_back", why=str(rates), error=str(error))
        return ""
    return str(rates)


def collect(journal: Journal, rolled_back: str = "") -> Collected:
    """Return what may be trained of all that is known, and why the rest may not."""
    position = journal.last_seq
    kept, removed = eligible(known_of(journal, journal.live(Where(kinds=KINDS))))
    return Collected(
        journal=position,
        eligible=tuple(one.id for one in kept),
        left_out=tuple(LeftOut(id=one.id, why=one.why) for one in removed),
        rolled_back=rolled_back,
    )


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two items that cannot both hold: the ``loser`` yields to the ``winner``."""

    winner: Stored
    loser: Stored
    why: str

    @property
    def in_one_place(self) -> bool:
        """Whether both hold in the same project, or both everywhere."""
        return self.winner.item.project == self.loser.item.project


def contradictions(found: Sequence[Stored]) -> Iterator[Contradiction]:
    """Yield the contradictions among ``found``, each pair once, the losers' own left out.

    What was said last wins, unless the older one is the user's own preference and the newer one is
    only inferred. What mends one answer contradicts no rule.
    """
    rules = sorted((one for one in found if one.item.kind in OPPOSABLE), key=_said)
    by_word: defaultdict[str, list[str]] = defaultdict(list)
    alive: dict[str, Stored] = {}
    for new in rules:
        words = _words(new.item)
        near = {id: alive[id] for word in words for id in by_word[word] if id in alive}
        met = resolve(new.item, [one.item for one in near.values()])
        if met.yields_to:
            yield Contradiction(near[met.yields_to], new, met.why)
            continue
        for loser, why in met.superseded.items():
            yield Contradiction(new, near[loser], why)
            if near[loser].item.project == new.item.project:
                del alive[loser]
        alive[new.id] = new
        for word in words:
            by_word[word].append(new.id)


def resolved(
    journal: Journal, ids: Sequence[str], now: datetime, patience: timedelta, context: str = ""
) -> Resolved:
    """Return what of ``ids`` may be trained together for ``context``; nothing is changed.

    A rule younger than ``patience`` that contradicts another waits: the user may not have made up
    their mind. Rules of two projects that contradict each other are left to retrieval, which knows
    where it is asked, and to the adapters of those projects, where a project's own rule holds.
    """
    live = [one for one in journal.get(ids).values() if one.state == "live"]
    found = [one for one in live if not context or holds_in(one.item, context)]
    project = project_of(context)
    out: dict[str, LeftOut] = {}
    replaced: dict[str, Replaced] = {}
    for one in contradictions(found):
        if one.in_one_place:
            winner, loser = one.winner.id, one.loser.id
            replaced[loser] = Replaced(id=loser, by=winner, why=one.why)
            continue
        for side, other in ((one.winner, one.loser), (one.loser, one.winner)):
            if side.item.project != project:
                where = (
                    "in one project alone: elsewhere" if side.item.project else "elsewhere: here"
                )
                why = f"holds {where} {one.why}"
                out[side.id] = LeftOut(id=side.id, why=why, by=other.id)
    winners = {one.by for one in replaced.values()}
    for young in _young(journal, found, winners, now - patience):
        why = f"contradicts what was said before, less than {_hours(patience)} ago"
        out.setdefault(young, LeftOut(id=young, why=why))
    kept = (one.id for one in found if one.id not in out and one.id not in replaced)
    return Resolved(
        items=tuple(kept), left_out=tuple(out.values()), replaced=tuple(replaced.values())
    )


def _young(
    journal: Journal, found: Sequence[Stored], winners: set[str], since: datetime
) -> Iterator[str]:
    """Yield the rules that contradict others and were said after ``since``.

    One that the user has put in another's place on purpose contradicts nothing.
    """
    for one in found:
        if one.updated <= since:
            continue
        mended = one.item.data.get("corrects")
        if one.id in winners or any(old != mended for old, _ in journal.replaced_by(one.id)):
            yield one.id


def settle_conflicts(journal: Journal, replaced: Iterable[Replaced]) -> None:
    """Write down which rules took the place of others; again does nothing."""
    for one in replaced:
        both = journal.get([one.id, one.by])
        if all(both[id].state == "live" for id in (one.id, one.by)):
            journal.supersede(one.id, one.by, one.why)


def _said(stored: Stored) -> tuple[str, int]:
    """Return what orders rules by when they were said."""
    said = str(stored.item.data.get("said") or stored.created.isoformat(timespec="seconds"))
    return said, stored.seq


def _words(item: Item) -> frozenset[str]:
    """Return what two rules must share one of to have anything to do with each other."""
    words = str(item.data.get("words") or item.text)
    if term := definition(words):
        return frozenset({f"={term[0].casefold()}"})
    meaning = meaning_of(words[:1_000])
    checks = {"#check"} if item.check else set()
    return meaning.about | {f"?{at}" for at in meaning.answers} | checks


def _hours(patience: timedelta) -> str:
    return f"{patience / timedelta(hours=1):g} h"
