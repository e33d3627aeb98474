"""From the journal to a server: whole, resumable, verified."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import QdrantClient

from mcp_local_llm import StoreUnavailable
from memory.journal import Journal
from memory.move import Moved, move, progress_path
from memory.records import Item, Where
from memory.replay import content_hash
from memory.server_index import ServerIndex

MODEL = "random"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


@pytest.fixture
def target() -> Iterator[ServerIndex]:
    opened = ServerIndex(QdrantClient(":memory:"), "moved", 8)
    yield opened
    opened.close()


def fill(journal: Journal, first: int, last: int) -> list[Item]:
    items = [Item(text=f"fact {n}", project="p" if n % 2 else "") for n in range(first, last)]
    journal.put(*items)
    random = np.random.default_rng(first)
    vectors = {}
    for n, item in enumerate(items):
        windows = random.normal(size=(1 + n % 2, 8)).astype(np.float32)
        windows /= np.linalg.norm(windows, axis=1, keepdims=True)
        vectors[content_hash(item.text)] = windows
    journal.keep_vectors(MODEL, vectors)
    return items


def moved(journal: Journal, target: ServerIndex, tmp_path: Path) -> Moved:
    return move(journal, MODEL, target, progress_path(tmp_path, "http://host", "moved"))


def test_all_live_items_with_all_windows_arrive(
    journal: Journal, target: ServerIndex, tmp_path: Path
) -> None:
    items = fill(journal, 0, 200)
    journal.forget(items[0].id, "wrong")
    told: list[tuple[int, int]] = []
    progress = progress_path(tmp_path, "http://host", "moved")
    done = move(journal, MODEL, target, progress, report=lambda *at: told.append(at))
    assert done == Moved(items=199, points=299, sampled=50)
    assert told[-1] == (journal.last_seq, journal.last_seq)
    assert told == sorted(told)


def test_a_second_move_brings_what_changed_since(
    journal: Journal, target: ServerIndex, tmp_path: Path
) -> None:
    old = fill(journal, 0, 10)
    moved(journal, target, tmp_path)
    journal.forget(old[1].id, "wrong")
    fill(journal, 10, 12)
    assert moved(journal, target, tmp_path) == Moved(items=11, points=16, sampled=11)


def test_a_move_that_was_stopped_goes_on(
    journal: Journal, target: ServerIndex, tmp_path: Path
) -> None:
    fill(journal, 0, 70)
    journal.put(Item(text="not embedded yet"))
    with pytest.raises(StoreUnavailable, match="1 texts have no vectors"):
        moved(journal, target, tmp_path)
    assert target.count() > 0
    journal.keep_vectors(MODEL, {content_hash("not embedded yet"): np.eye(1, 8, dtype=np.float32)})
    assert moved(journal, target, tmp_path).problems == ()


def test_an_emptied_target_is_filled_again(
    journal: Journal, target: ServerIndex, tmp_path: Path
) -> None:
    items = fill(journal, 0, 5)
    moved(journal, target, tmp_path)
    target.delete([item.id for item in items])
    assert moved(journal, target, tmp_path) == Moved(items=5, points=7, sampled=5)


def test_what_is_missing_on_the_server_is_said(
    journal: Journal, target: ServerIndex, tmp_path: Path
) -> None:
    items = fill(journal, 0, 5)
    moved(journal, target, tmp_path)
    target.delete([items[2].id])
    problems = moved(journal, target, tmp_path).problems
    assert "7 points were sent and 6 are there" in problems[0]
    assert problems[1] == f"{items[2].id} is not found by its own vector"


def test_many_copies_of_one_text_are_no_problem(
    journal: Journal, target: ServerIndex, tmp_path: Path
) -> None:
    journal.put(*(Item(text="the same", key=str(n)) for n in range(30)))
    journal.keep_vectors(MODEL, {content_hash("the same"): np.eye(1, 8, dtype=np.float32)})
    assert moved(journal, target, tmp_path).problems == ()
    assert len(target.by_meaning(np.eye(1, 8, dtype=np.float32)[0], Where(), 99)) == 30


def test_each_target_has_its_own_progress(tmp_path: Path) -> None:
    names = {progress_path(tmp_path, url, to) for url in ("a", "b") for to in ("x", "y")}
    assert len(names) == 4
