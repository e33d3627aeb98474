"""A journal that rules are taught to, and a clock that can be set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from memory.journal import Journal
from memory.layout import journal_path, memory_folder
from memory.records import Item, Kind, Provenance

Teach = Callable[..., str]


class Clock:
    """The time, which passes when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 4, 3, 20, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def passes(self, **time: float) -> None:
        """Let time pass."""
        self.now += timedelta(**time)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def journal(tmp_path: Path, clock: Clock) -> Iterator[Journal]:
    path = journal_path(memory_folder(tmp_path))
    with Journal(path, clock=lambda: clock().timestamp()) as opened:
        yield opened


@pytest.fixture
def teach(journal: Journal) -> Teach:
    """Return what puts a rule into the journal as the user's, and returns its id."""

    def taught(text: str, **other: object) -> str:
        source = other.pop("source", "user")
        given = {"kind": Kind.PREFERENCE, "provenance": Provenance(source=source), **other}
        item = Item.model_validate({"text": text, **given})
        journal.put(item)
        return item.id

    return taught
