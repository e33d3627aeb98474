"""Knowledge updates: what is new since the last run and of the last week, newest first."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from memory.journal import Journal
from memory.records import Item, Kind, Status
from memory.updates import recent_updates

KINDS = (Kind.FACT, Kind.CORRECTION)
DAY_S = 86_400


class Told:
    """A journal to which things are said as of some days ago."""

    def __init__(self, path: Path) -> None:
        self.days_ago = 0.0
        self.journal = Journal(path, clock=lambda: time.time() - self.days_ago * DAY_S)

    def say(self, text: str, days_ago: float, kind: Kind = Kind.FACT, project: str = "p") -> Item:
        self.days_ago = days_ago
        item = Item(text=text, kind=kind, project=project)
        self.journal.put(item)
        return item

    def texts(self, limit: int = 20) -> list[str]:
        return [update.text for update in recent_updates(self.journal, "p", KINDS, limit)]


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    found = Told(tmp_path / "journal.sqlite")
    yield found
    found.journal.close()


def test_without_a_run_it_is_the_last_week(told: Told) -> None:
    told.say("old", 20)
    told.say("of this week", 3)
    told.say("everywhere", 2, project="")
    told.say("another project's", 1, project="q")
    told.say("another kind", 1, kind=Kind.CODE)
    told.say("mended", 0, kind=Kind.CORRECTION)
    assert told.texts() == ["mended", "everywhere", "of this week"]
    assert told.texts(limit=1) == ["mended"]
    first = recent_updates(told.journal, "p", KINDS, 1)[0]
    assert (first.kind, len(first.id)) == ("correction", 8)


def test_after_a_run_of_long_ago_it_is_all_since_then(told: Told) -> None:
    told.say("before", 40)
    told.say("a run", 30, kind=Kind.EPISODE)
    told.say("since", 20)
    told.say("lately", 1)
    assert told.texts() == ["lately", "since"]


def test_a_run_of_a_moment_ago_does_not_hide_the_week(told: Told) -> None:
    told.say("before", 20)
    told.say("in the week", 3)
    told.say("a run", 0, kind=Kind.EPISODE)
    assert told.texts() == ["in the week"]


def test_what_was_taken_back_or_rejected_is_no_news_and_long_texts_are_cut(told: Told) -> None:
    told.journal.forget(told.say("gone", 1).id, "wrong")
    told.journal.set_status(told.say("doubted", 1).id, Status.REJECTED, "no")
    told.say("long " * 200, 1)
    (text,) = told.texts()
    assert len(text) == 300 and text.endswith("…")
