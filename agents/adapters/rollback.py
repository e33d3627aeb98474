"""The way back: the pointer, and with it what the crew has to be told again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from math import sqrt
from typing import Final

from agents.adapters.records import Pointer
from agents.adapters.registry import Registry
from mcp_local_llm import StoreUnavailable, UsageError
from memory.journal import Journal
from memory.lifecycle import Stage, Transition
from memory.records import Record
from memory.signals import Signal, reward

_BACK: Final[Mapping[Stage, Stage]] = {
    Stage.TRAINED: Stage.QUEUED,
    Stage.PROVEN: Stage.QUEUED,
    Stage.GRADUATED: Stage.DEMOTED,
}
_Z: Final = 1.96  # of a 95 % interval


class Moved(Record):
    """An item that is recalled again, since the adapter that knew it is not served any more."""

    item: str
    text: str
    before: Stage
    after: Stage


class RolledBack(Record):
    """What a rollback changed: what is served now, and which items moved."""

    pointer: Pointer
    gone: tuple[str, ...]
    moved: tuple[Moved, ...]


def roll_back(registry: Registry, journal: Journal, *, why: str) -> RolledBack:
    """Serve what was served before the last promotion, and let the crew be told what that lacks.

    The items move first: killed in between, they are told although the adapter knows them, which
    the same command then mends.

    Raises:
        UsageError: there is nothing to roll back to.
        StoreUnavailable: the adapter before is damaged, or the disk refuses.
    """
    now = registry.pointer()
    past = registry.past(now)
    for id in sorted(past.adapters):
        registry.verify(id)
    gone = now.adapters - past.adapters
    moved = settle(registry, journal, gone=gone, kept=past.adapters, why=why)
    pointer = registry.rollback(why=why, at=now.serial)
    return RolledBack(pointer=pointer, gone=tuple(sorted(gone)), moved=moved)


def settle(
    registry: Registry, journal: Journal, *, gone: Iterable[str], kept: Iterable[str], why: str
) -> tuple[Moved, ...]:
    """Move what only the adapters ``gone`` know back to where it is recalled, and return it.

    An item stays when one of ``kept`` was trained on it, unless an adapter that is gone was the
    one it was proven with (``adapter`` in its last step's evidence). Again does nothing.
    """
    gone = frozenset(gone)
    known = {id for adapter in kept for id in registry.get(adapter).items}
    moved = []
    for step in _affected(registry, journal, gone):
        after = _BACK.get(step.stage)
        if after is None or (step.item in known and step.evidence.get("adapter") not in gone):
            continue
        stored = journal.get([step.item])[step.item]
        if stored.state == "deleted":
            continue
        journal.advance(step.item, after, reason=why, rolled_back=[*sorted(gone)])
        moved.append(Moved(item=step.item, text=stored.item.text, before=step.stage, after=after))
    return tuple(moved)


def _affected(registry: Registry, journal: Journal, gone: frozenset[str]) -> list[Transition]:
    """Return the last steps of what ``gone`` were trained on; of everything if that is lost."""
    items: set[str] = set()
    try:
        for adapter in gone:
            items.update(registry.get(adapter).items)
    except (StoreUnavailable, UsageError):  # damaged, or not there any more
        items.update(stored.id for stored in journal.live())
    return list(journal.stages(sorted(items)).values())


class Rates(Record):
    """How many of the signals before and after a promotion were corrections (a reward below 0)."""

    before: int
    before_of: int
    after: int
    after_of: int

    @property
    def is_worse(self) -> bool:
        """Whether corrections are more frequent after, beyond chance (95 %, two-sided).

        The lower end of the difference of the rates is above 0, by R. G. Newcombe's hybrid score
        method (1998, method 10).
        """
        old, _, old_high = _wilson(self.before, self.before_of)
        new, new_low, _ = _wilson(self.after, self.after_of)
        return new - old > sqrt((new - new_low) ** 2 + (old_high - old) ** 2)

    def __str__(self) -> str:
        """Return it in words."""
        return (
            f"{self.after} of {self.after_of} answers were corrected since the promotion, "
            f"{self.before} of {self.before_of} before it"
        )


def worse_since(
    signals: Iterable[Signal], promoted: datetime, *, days: int = 14, least: int = 10
) -> Rates | None:
    """Return the rates when corrections became more frequent since ``promoted``, else None.

    Up to ``days`` on either side count. With fewer than ``least`` signals on a side nothing is
    concluded.
    """
    reach = timedelta(days=days)
    near = [one for one in signals if abs(one.at - promoted) <= reach]
    bad = {True: 0, False: 0}
    of = {True: 0, False: 0}
    for one in near:
        of[one.at >= promoted] += 1
        bad[one.at >= promoted] += reward(one) < 0
    rates = Rates(before=bad[False], before_of=of[False], after=bad[True], after_of=of[True])
    return rates if min(of.values()) >= least and rates.is_worse else None


def _wilson(count: int, of: int) -> tuple[float, float, float]:
    """Return share, low and high end of its 95 % interval (E. B. Wilson, 1927)."""
    share = count / of
    middle = (share + _Z**2 / (2 * of)) / (1 + _Z**2 / of)
    half = _Z * sqrt(share * (1 - share) / of + _Z**2 / (4 * of**2)) / (1 + _Z**2 / of)
    return share, middle - half, middle + half
