"""The stages of what was learnt: from being captured to being in the weights, and out again.

Every step is kept with its evidence in an append-only table; the last one is an item's stage. What
was only put into the memory, by ``remember`` for example, counts as captured.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

from pydantic import Field, JsonValue

from memory.records import Kind, Record
from memory.replay import moment

LEARNT: Final = tuple(
    kind for kind in Kind if kind not in {Kind.CODE, Kind.DOCUMENT, Kind.EPISODE, Kind.PRESERVATION}
)
"""The kinds that are learnt, step by step; the others are looked up."""


class Stage(StrEnum):
    """How far a piece of knowledge has come.

    ``recalled`` works through retrieval, ``queued`` waits for training, ``proven`` answers without
    retrieval, ``graduated`` has left the prompt, ``demoted`` is back in it after a failed probe.
    """

    CAPTURED = "captured"
    VALIDATED = "validated"
    RECALLED = "recalled"
    QUEUED = "queued"
    TRAINED = "trained"
    PROVEN = "proven"
    GRADUATED = "graduated"
    DEMOTED = "demoted"
    WITHDRAWN = "withdrawn"


class Transition(Record):
    """One step of ``item``: the stage it reached, when, and what speaks for it."""

    item: str
    stage: Stage
    at: datetime
    evidence: dict[str, JsonValue] = Field(default_factory=dict)


# Besides these, every stage may be said again with new evidence, and leads to withdrawn.
_NEXT: Final[Mapping[Stage, frozenset[Stage]]] = {
    Stage.CAPTURED: frozenset({Stage.VALIDATED, Stage.RECALLED, Stage.QUEUED}),
    Stage.VALIDATED: frozenset({Stage.RECALLED, Stage.QUEUED}),
    Stage.RECALLED: frozenset({Stage.VALIDATED, Stage.QUEUED}),
    Stage.QUEUED: frozenset({Stage.TRAINED}),
    Stage.TRAINED: frozenset({Stage.PROVEN, Stage.QUEUED}),
    Stage.PROVEN: frozenset({Stage.GRADUATED, Stage.QUEUED}),
    Stage.GRADUATED: frozenset({Stage.DEMOTED}),
    Stage.DEMOTED: frozenset({Stage.QUEUED}),
    Stage.WITHDRAWN: frozenset({Stage.CAPTURED}),
}


def may_follow(now: Stage, then: Stage) -> bool:
    """Say whether ``then`` may come after ``now``."""
    return then in {now, Stage.WITHDRAWN} or then in _NEXT[now]


def next_stages(now: Stage) -> list[str]:
    """Return the names of what may come after ``now``, apart from itself."""
    return sorted({*_NEXT[now], Stage.WITHDRAWN} - {now})


def append_step(
    connection: sqlite3.Connection, at: int, id: str, stage: Stage, evidence: Mapping[str, object]
) -> None:
    """Write a step, of ``at`` microseconds since the epoch; it is not asked whether it may be."""
    row = (id, stage, at, json.dumps(evidence, ensure_ascii=False, separators=(",", ":")))
    connection.execute("INSERT INTO stage (item, stage, at, evidence) VALUES (?, ?, ?, ?)", row)


def latest_steps(connection: sqlite3.Connection, ids: Iterable[str]) -> dict[str, Transition]:
    """Return the last step of each of ``ids`` that has any; the order is that of writing."""
    query = (
        "SELECT item, stage, at, evidence FROM stage WHERE n = "
        "(SELECT max(n) FROM stage WHERE item = ?)"
    )
    rows = (connection.execute(query, (id,)).fetchone() for id in dict.fromkeys(ids))
    return {row[0]: _transition(row) for row in rows if row is not None}


def all_steps(connection: sqlite3.Connection, id: str) -> tuple[Transition, ...]:
    """Return every step of one item, oldest first."""
    query = "SELECT item, stage, at, evidence FROM stage WHERE item = ? ORDER BY n"
    return tuple(map(_transition, connection.execute(query, (id,))))


def graduated_by(connection: sqlite3.Connection, adapter: str) -> frozenset[str]:
    """Return what has graduated and, at some time, did so with the adapter ``adapter``."""
    query = (
        "SELECT item FROM stage AS last WHERE stage = ?1 "
        "AND n = (SELECT max(n) FROM stage WHERE item = last.item) "
        "AND EXISTS (SELECT 1 FROM stage AS step WHERE step.item = last.item AND step.stage = ?1 "
        "AND json_extract(step.evidence, '$.adapter') = ?2)"
    )
    return frozenset(row[0] for row in connection.execute(query, (Stage.GRADUATED, adapter)))


def stage_counts(
    connection: sqlite3.Connection, project: str, kinds: Iterable[str]
) -> dict[Stage, int]:
    """Return how many live items of ``kinds`` that hold in ``project`` are at each stage."""
    wanted = json.dumps([*kinds])
    # Of a group with one max() SQLite takes the other columns from the row that has it.
    query = (
        "SELECT coalesce(step.stage, ?), count(*) FROM item LEFT JOIN "
        "(SELECT item, stage, max(n) FROM stage GROUP BY item) step ON step.item = item.id "
        "WHERE item.state = 'live' AND item.project IN (?, '') "
        "AND item.kind IN (SELECT value FROM json_each(?)) GROUP BY 1"
    )
    rows = connection.execute(query, (Stage.CAPTURED, project, wanted))
    return {Stage(stage): int(count) for stage, count in rows}


def _transition(row: tuple[str, str, int, str]) -> Transition:
    item, stage, at, evidence = row
    return Transition(item=item, stage=Stage(stage), at=moment(at), evidence=json.loads(evidence))
