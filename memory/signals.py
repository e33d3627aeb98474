"""Signals: how well an answer, a change or a run was taken, without any knowledge in it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from datetime import datetime
from typing import Final, Literal

from pydantic import Field, JsonValue

from memory.records import Record
from memory.replay import microseconds, moment

IMPLICIT, EMOTIONAL = 0.7, 0.3
"""How much what was done with an answer counts, and how much what was felt about it."""

_COLUMNS: Final = "key, at, project, source, target, reward, feeling, evidence"
_PAGE: Final = 500  # bound values at once


class Signal(Record):
    """One event that says how good something was; ``key`` tells the same event when it comes again.

    ``target`` is what it was about: a run's id, a hunk's id, or the key of a turn. ``reward`` and
    ``feeling`` reach from -1 (bad) to 1 (good); no feeling was shown where it is None.
    """

    key: str = Field(min_length=1)
    at: datetime
    project: str = ""
    source: Literal["chat", "hook", "hunk", "interrupt", "run"]
    target: str
    reward: float = Field(ge=-1, le=1)
    feeling: float | None = Field(default=None, ge=-1, le=1)
    evidence: dict[str, JsonValue] = Field(default_factory=dict)


def reward(signal: Signal, implicit: float = IMPLICIT, emotional: float = EMOTIONAL) -> float:
    """Return the mean of deed and feeling, weighted by ``implicit`` and ``emotional``, in -1..1.

    Without a feeling the deed alone counts: silence is no indifference.
    """
    return mixed(signal.reward, signal.feeling, implicit, emotional)


def mixed(deed: float, feeling: float | None, implicit: float, emotional: float) -> float:
    """Return what ``reward`` does, of a signal's parts."""
    if feeling is None or implicit + emotional <= 0:
        return deed
    return (implicit * deed + emotional * feeling) / (implicit + emotional)


def keep_signals(connection: sqlite3.Connection, signals: Iterable[Signal]) -> int:
    """Write those of ``signals`` whose key is new; return how many that were."""
    before = connection.total_changes
    connection.executemany(
        f"INSERT OR IGNORE INTO signal ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        (
            (one.key, microseconds(one.at), one.project, one.source, one.target, one.reward,
             one.feeling, json.dumps(one.evidence, ensure_ascii=False, separators=(",", ":")))
            for one in signals
        ),
    )  # fmt: skip
    return connection.total_changes - before


def find_signals(
    connection: sqlite3.Connection, project: str | None, target: str | None, since: datetime | None
) -> tuple[Signal, ...]:
    """Return the signals that meet all of what is not None, oldest first."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM signal WHERE (?1 IS NULL OR project = ?1) "  # noqa: S608
        "AND (?2 IS NULL OR target = ?2) AND (?3 IS NULL OR at >= ?3) ORDER BY at, n",
        (project, target, None if since is None else microseconds(since)),
    )
    return tuple(
        Signal(
            key=key, at=moment(at), project=project, source=source, target=target, reward=reward,
            feeling=feeling, evidence=json.loads(evidence),
        )
        for key, at, project, source, target, reward, feeling, evidence in rows
    )  # fmt: skip


def keys_seen(connection: sqlite3.Connection, keys: Iterable[str]) -> set[str]:
    """Return those of ``keys`` that were taken in before."""
    wanted = list(dict.fromkeys(keys))
    found: set[str] = set()
    for start in range(0, len(wanted), _PAGE):
        page = wanted[start : start + _PAGE]
        marks = ", ".join("?" * len(page))
        query = f"SELECT key FROM seen WHERE key IN ({marks})"  # noqa: S608 - question marks
        found.update(key for (key,) in connection.execute(query, page))
    return found


def note_seen(connection: sqlite3.Connection, key: str, at: int) -> bool:
    """Note ``key`` as taken in; False when it was before."""
    row = (key, at)
    return connection.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", row).rowcount > 0
