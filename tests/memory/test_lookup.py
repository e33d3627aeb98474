"""The journal's own word search: names in all spellings, and questions in plain English."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from memory.journal import Journal
from memory.records import Item, Where


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened
        assert opened.verify() == ()


CAMEL = "prices go through roundHalfEven"
SNAKE = "prices go through round_half_even"
OTHER = "the cart is round"


def found(journal: Journal, query: str) -> list[str]:
    hits = journal.find(query)
    known = journal.get(hit.item for hit in hits)
    return [known[hit.item].item.text for hit in hits]


@pytest.mark.parametrize("query", ["round half", "half", "roundHalfEven", "round_half_even"])
@pytest.mark.parametrize("text", [CAMEL, SNAKE])
def test_a_name_is_found_by_its_parts_and_whole_however_it_is_written(
    journal: Journal, text: str, query: str
) -> None:
    journal.put(Item(text=OTHER), Item(text=text))
    assert found(journal, query)[0] == text


def test_a_whole_name_stands_before_its_parts_elsewhere(journal: Journal) -> None:
    parts = "half of them are even, and round"
    journal.put(Item(text=parts), Item(text=CAMEL), Item(text=OTHER))
    assert found(journal, "roundHalfEven")[:2] == [CAMEL, parts]


def test_the_words_that_questions_are_built_with_do_not_decide(journal: Journal) -> None:
    wanted, other = "totals round half to even", "this is what you do with that when it is the one"
    journal.put(Item(text=other), Item(text=wanted))
    journal.put(*(Item(text=f"note {n} on carts") for n in range(8)))
    assert found(journal, "What is it that you do with the totals when this is the case?") == [
        wanted
    ]
    assert found(journal, "what is this") == [other]


def test_hundreds_of_newer_matches_elsewhere_hide_nothing_of_a_project(journal: Journal) -> None:
    both = Item(text="carts and invoices", project="p")
    mine = [Item(text=f"note {n} on carts", project="p") for n in range(300)]
    journal.put(both, *mine, *(Item(text=f"note {n} on carts", project="q") for n in range(700)))
    first, *others = journal.find("cart invoice", Where(project="p"), 5)
    assert first.item == both.id and first.score > others[0].score
    assert {hit.item for hit in others} < {item.id for item in mine} and len(others) == 4


def test_a_journal_of_the_first_format_is_upgraded(journal: Journal, tmp_path: Path) -> None:
    superseded, odd = Item(text="oldName"), Item(text="a nul \0 and after it lateName")
    journal.put(Item(text=CAMEL), superseded, odd)
    journal.supersede(superseded.id, odd.id, "")
    journal.close()
    with contextlib.closing(sqlite3.connect(journal.path)) as old, old:
        for table in ("word", "stage", "signal", "seen"):
            old.execute(f"DROP TABLE {table}")
        old.execute("CREATE VIRTUAL TABLE word USING fts5 (text, tokenize = 'porter unicode61')")
        old.execute("PRAGMA user_version = 1")
    with Journal(journal.path) as upgraded:
        assert found(upgraded, "half") == [CAMEL] and found(upgraded, "old name") == [odd.text]
        assert upgraded.verify() == ()
