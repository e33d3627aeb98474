"""What tonight's training would be about, and whether the time for it has come."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from agents.adapters.records import Manifest
from graph.night import machine
from graph.night.collect import collect, resolved
from graph.night.policy import Facts, decide
from graph.night.records import Chosen, Collected, NightReport, Resolved
from graph.night.shop import NightShop
from memory.journal import Journal


def resolve_all(shop: NightShop, journal: Journal, found: Collected) -> Resolved:
    """Return what of ``found`` may be trained together, by the settings and the clock."""
    wait = timedelta(hours=shop.settings.night.conflict_hours)
    return resolved(journal, found.eligible, shop.clock(), wait)


def look(shop: NightShop, journal: Journal, *, asked: bool) -> tuple[Collected, Resolved, Chosen]:
    """Return what a night would be about if it began now, without changing anything."""
    found = collect(journal)
    left = resolve_all(shop, journal, found)
    return found, left, choose(shop, journal, left, asked=asked)


def choose(shop: NightShop, journal: Journal, left: Resolved, *, asked: bool) -> Chosen:
    """Return what is trained tonight, or why nothing is."""
    current, last = shop.current, last_try(shop)
    before = _before(current, last, asked=asked)
    known = set(current.items if current else ())
    fresh = [id for id in left.items if id not in before]
    facts = _facts(shop, journal, left.items, fresh, len(before - set(left.items)), last)
    return Chosen(
        decision=decide(facts, shop.settings.night, asked=asked),
        items=left.items,
        earlier=tuple(id for id in left.items if id in known),
        gone=tuple(sorted(known - set(left.items))),
    )


def last_try(shop: NightShop) -> NightReport | None:
    """Return the last night that trained something over this base."""
    tried = (one for one in shop.store.reports() if one.outcome != "nothing")
    return next((one for one in tried if one.base == shop.base), None)


def _before(current: Manifest | None, last: NightReport | None, *, asked: bool) -> set[str]:
    """Return what counts as not new.

    That is what the last night was about, however it came out: the same again would come out the
    same. Whoever asks for a night compares with what is served.
    """
    if last is None or asked:
        return set(current.items if current else ())
    return set(last.items)


def _facts(
    shop: NightShop,
    journal: Journal,
    items: Iterable[str],
    fresh: Iterable[str],
    gone: int,
    last: NightReport | None,
) -> Facts:
    new = journal.get(fresh)
    now, active = shop.clock(), machine.last_activity(shop.home)
    return Facts(
        now=now,
        eligible=len(tuple(items)),
        new=len(new),
        gone=gone,
        oldest_new=min((one.created for one in new.values()), default=None),
        last_night=last.ended if last else None,
        idle_s=max(0.0, (now - datetime.fromtimestamp(active, UTC)).total_seconds()),
        on_battery=machine.on_battery(),
        free_disk_gb=machine.free_disk_gb(shop.home),
        free_memory_gb=machine.free_memory_gb(),
        needs_memory_gb=shop.needs_memory_gb(),
        crew=machine.crew_at_work(shop.home),
    )
