"""What becomes of each item after a night: the stages of the journal, each with its evidence.

An item is proven when every question about it was answered right without retrieval by the adapter
that is served. It then leaves the prompt. It is asked again each night, and comes back when it
fails.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from pydantic import JsonValue

from graph.night.records import Chosen, Ended, Settled
from memory.journal import Journal
from memory.lifecycle import Stage

_RIGHT: Final = 1.0
_KNOWN: Final = {Stage.PROVEN, Stage.GRADUATED}
_UNTRAINED: Final = {Stage.CAPTURED, Stage.VALIDATED, Stage.RECALLED, Stage.DEMOTED}


def queue(journal: Journal, night: str, chosen: Chosen) -> None:
    """Say that the chosen items wait for this night's training; again does nothing."""
    demoted = _demoted(journal, night, chosen.items)
    for id, stage in _live_stages(journal, chosen.items).items():
        if stage in _UNTRAINED and id not in demoted:
            journal.advance(id, Stage.QUEUED, night=night)


def settle(
    journal: Journal,
    night: str,
    chosen: Chosen,
    ended: Ended,
    *,
    rates: Mapping[str, float],
    examples: Mapping[str, int],
    dataset: str,
    context: str = "",
) -> Settled:
    """Write down what the night showed of each item, and return it; again adds nothing.

    ``rates`` are the shares of right answers of what is served now, by the journal's id. What the
    adapter of a ``context`` gets wrong says nothing against the one for everywhere: it is recalled
    in that context alone.
    """
    if ended.outcome != "promoted":
        return _kept(journal, night, chosen, ended)
    moved: dict[Stage, list[str]] = {stage: [] for stage in Stage}
    demoted = _demoted(journal, night, chosen.items)
    for id, stage in _live_stages(journal, chosen.items).items():
        facts: dict[str, JsonValue] = {
            "night": night,
            "adapter": ended.adapter,
            "rate": rates.get(id),
            "examples": examples.get(id, 0),
        }
        right = rates.get(id) == _RIGHT
        is_known = bool(context) and not right and stage in _KNOWN
        for then in () if id in demoted or is_known else _path(stage, right):
            more: dict[str, JsonValue] = {"dataset": dataset} if then is Stage.TRAINED else {}
            journal.advance(id, then, **facts, **more)
            moved[then].append(id)
    moved[Stage.DEMOTED] += demoted
    return Settled(
        proven=tuple(moved[Stage.PROVEN]),
        graduated=tuple(moved[Stage.GRADUATED]),
        demoted=tuple(moved[Stage.DEMOTED]),
        queued=tuple(moved[Stage.QUEUED]),
        withdrawn=chosen.gone,
    )


def _path(stage: Stage, right: bool) -> tuple[Stage, ...]:
    """Return the stages that an item goes through which was trained and asked about."""
    if stage is Stage.GRADUATED:
        return (Stage.GRADUATED,) if right else (Stage.DEMOTED,)
    begun = {
        Stage.QUEUED: (Stage.TRAINED,),
        Stage.TRAINED: (Stage.TRAINED,),
        Stage.PROVEN: (Stage.PROVEN,) if right else (Stage.QUEUED, Stage.TRAINED),
    }.get(stage, (Stage.QUEUED, Stage.TRAINED))
    if not right:
        return begun
    proven = () if begun[-1] is Stage.PROVEN else (Stage.PROVEN,)
    return (*begun, *proven, Stage.GRADUATED)


def _kept(journal: Journal, night: str, chosen: Chosen, ended: Ended) -> Settled:
    """What was trained for an adapter that is not served waits for the next one."""
    waiting = []
    for id, stage in _live_stages(journal, chosen.items).items():
        if stage is Stage.QUEUED:
            journal.advance(id, Stage.QUEUED, night=night, refused=ended.why)
            waiting.append(id)
    return Settled(queued=tuple(waiting))


def _demoted(journal: Journal, night: str, ids: Collection[str]) -> list[str]:
    """Return what this night has demoted already, before it was broken off."""
    steps = journal.stages(ids).items()
    return [id for id, s in steps if s.stage is Stage.DEMOTED and s.evidence.get("night") == night]


def _live_stages(journal: Journal, ids: Collection[str]) -> dict[str, Stage]:
    """Return the stages of those of ``ids`` that are live still and not withdrawn."""
    live = [one.id for one in journal.get(ids).values() if one.state == "live"]
    steps = journal.stages(live)
    stages = {id: steps[id].stage if id in steps else Stage.CAPTURED for id in live}
    return {id: stage for id, stage in stages.items() if stage is not Stage.WITHDRAWN}
