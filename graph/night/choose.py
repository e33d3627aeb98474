"""What tonight's training would be about, and whether the time for it has come."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from graph.night import machine
from graph.night.collect import collect, resolved
from graph.night.contexts import contexts_in, contexts_of, worth_an_adapter
from graph.night.lineage import start_for
from graph.night.policy import Decision, Facts, decide, refusal
from graph.night.records import Chosen, Collected, NightReport, Resolved
from graph.night.shop import NightShop
from memory.journal import Journal
from memory.records import Item
from tools.sandbox import sandbox_kind


class _News(NamedTuple):
    """What is not in the last night of a context, and what was in it and is gone."""

    fresh: frozenset[str]
    gone: frozenset[str]


def resolve_all(shop: NightShop, journal: Journal, found: Collected, context: str = "") -> Resolved:
    """Return what of ``found`` may be trained together, by the settings and the clock."""
    wait = timedelta(hours=shop.settings.night.conflict_hours)
    return resolved(journal, found.eligible, shop.clock(), wait, context)


def look(shop: NightShop, journal: Journal, *, asked: bool) -> tuple[Collected, Resolved, Chosen]:
    """Return what a night would be about if it began now, without changing anything."""
    found = collect(journal)
    left = resolve_all(shop, journal, found)
    return found, left, choose(shop, journal, found, left, asked=asked)


def choose(
    shop: NightShop, journal: Journal, found: Collected, left: Resolved, *, asked: bool
) -> Chosen:
    """Return what is trained tonight, for everywhere and for contexts, or why nothing is."""
    current = shop.current
    known = set(current.items if current else ())
    news = _news(shop, left.items, "", asked=asked)
    contexts = dict(_contexts(shop, journal, found, asked=asked))
    fresh = news.fresh.union(*(one.fresh for one in contexts.values()))
    gone = news.gone.union(*(one.gone for one in contexts.values()))
    facts = _facts(shop, journal, len(left.items), fresh, len(gone))
    return Chosen(
        decision=decide(facts, shop.settings.night, asked=asked),
        items=left.items,
        earlier=tuple(id for id in left.items if id in known),
        gone=tuple(sorted(known - set(left.items))),
        contexts=tuple(contexts),
        **_onward(shop, "", left.items),
    )


def choose_for(
    shop: NightShop, journal: Journal, found: Collected, left: Resolved, context: str
) -> Chosen:
    """Return what the adapter of ``context`` is taught: nothing where it is not worth one."""
    is_worth = _is_worth(shop, _eligible(journal, found), context)
    mine, items = shop.own(context), left.items if is_worth else ()
    served = shop.served(context)
    known = set(served.items if served else ())
    stored = journal.get(items)
    own = tuple(id for id in items if context in contexts_of(stored[id].item))
    why = (
        f"{len(own)} items are about {context} alone" if items else f"too little is about {context}"
    )
    return Chosen(
        decision=Decision(verdict="go" if items or mine else "not_due", why=why),
        items=items,
        earlier=tuple(id for id in items if id in known),
        gone=tuple(sorted(set(mine.items if mine else ()) - set(items))),
        own=own,
        **_onward(shop, context, items),
    )


def _onward(shop: NightShop, context: str, items: Collection[str]) -> dict[str, Any]:
    """Return the fields of ``Chosen`` that say what the training begins with."""
    start = start_for(shop, context, items)
    return {"start": start.id, "known": start.items} if start else {}


def refused(shop: NightShop) -> Decision | None:
    """Return why this machine should not be used for a night now, None where it may be."""
    return refusal(_machine(shop), shop.settings.night)


def last_try(shop: NightShop, context: str = "") -> NightReport | None:
    """Return the last night that trained something over this base for ``context``."""
    return next(_tries(shop, context), None)


def _tries(shop: NightShop, context: str) -> Iterator[NightReport]:
    for one in shop.store.reports():
        if one.outcome != "nothing" and (one.base, one.context) == (shop.base, context):
            yield one


def _contexts(
    shop: NightShop, journal: Journal, found: Collected, *, asked: bool
) -> Iterator[tuple[str, _News]]:
    """Yield the contexts whose adapter is not what it should be, with what is new there."""
    slots = shop.registry.pointer().slots
    served = {slot.context for slot in slots if slot.context and slot.base == shop.base}
    items = _eligible(journal, found)
    for context in sorted(served | contexts_in(items)):
        is_worth = _is_worth(shop, items, context)
        if not is_worth and context not in served:
            continue
        taught = resolve_all(shop, journal, found, context).items if is_worth else ()
        news = _news(shop, taught, context, asked=asked)
        if news.fresh or news.gone:
            yield context, news


def _is_worth(shop: NightShop, items: Collection[Item], context: str) -> bool:
    return worth_an_adapter(items, context, shop.settings.night.context_examples)


def _eligible(journal: Journal, found: Collected) -> list[Item]:
    return [one.item for one in journal.get(found.eligible).values()]


def _news(shop: NightShop, items: Collection[str], context: str, *, asked: bool) -> _News:
    """Return what is new in ``items`` and what is gone.

    What was judged in the last night is not new, however it came out: the same again would come out
    the same. Whoever asks for a night compares with what is served. What is served and was taken
    back is gone until it is served no more; what is served and all there is needs no night.
    """
    judged = (one for one in _tries(shop, context) if not one.again)
    last, mine = next(judged, None), shop.own(context)
    served = frozenset(mine.items if mine else ())
    if served == frozenset(items):
        return _News(frozenset(), frozenset())
    before = served if last is None or asked else frozenset(last.items)
    return _News(frozenset(items) - before, (served | before) - frozenset(items))


def _facts(
    shop: NightShop, journal: Journal, eligible: int, fresh: Collection[str], gone: int
) -> Facts:
    new, last = journal.get(fresh), last_try(shop)
    active = datetime.fromtimestamp(machine.last_activity(shop.home), UTC)
    here = _machine(shop)
    return here.model_copy(
        update={
            "eligible": eligible,
            "new": len(new),
            "gone": gone,
            "oldest_new": min((one.created for one in new.values()), default=None),
            "last_night": last.ended if last else None,
            "put_off": last is not None and last.again,
            "idle_s": max(0.0, (here.now - active).total_seconds()),
        }
    )


def _machine(shop: NightShop) -> Facts:
    """Return what the machine says, without what is to be trained."""
    return Facts(
        now=shop.clock(),
        on_battery=machine.on_battery(),
        free_disk_gb=machine.free_disk_gb(shop.home),
        free_memory_gb=machine.free_memory_gb(),
        needs_memory_gb=shop.needs_memory_gb(),
        crew=machine.crew_at_work(shop.home),
        may_execute=shop.settings.command.allow_unsandboxed or sandbox_kind() != "none",
    )
