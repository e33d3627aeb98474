"""The index's owner: it follows the journal, refuses a second one, and trusts nothing on disk."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from mcp_local_llm import StoreUnavailable, UsageError
from memory.edge_index import EdgeIndex
from memory.embedder import HashEmbedder
from memory.index import NoRoom
from memory.journal import Journal
from memory.layout import index_folder, journal_path
from memory.owner import MemoryOwner
from memory.records import Item, Kind, Where
from memory.replay import content_hash
from memory.retrieval import Query

ROOT = Path(__file__).resolve().parents[2]
LESSONS = (
    "Prices are integers, in cents",
    "The cart rounds totals half to even",
    "Invoices are numbered per year",
)


@contextmanager
def owned(folder: Path, dimension: int = 64) -> Iterator[MemoryOwner]:
    with MemoryOwner(folder, lambda: HashEmbedder(dimension)) as owner:
        owner.catch_up()
        yield owner


def texts(owner: MemoryOwner, folder: Path, query: str, **where: object) -> list[str]:
    asked = Query(text=query, where=Where.model_validate(where))
    ids = [found.id for found in owner.search(asked)]
    with Journal(journal_path(folder)) as journal:
        return [stored.item.text for stored in journal.get(ids).values()]


def journal_windows(folder: Path, item: Item) -> int:
    key = content_hash(item.text)
    with Journal(journal_path(folder)) as journal:
        return len(journal.vectors([key], HashEmbedder(64).name)[key])


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A memory with an index: opening a copy is much quicker than making one."""
    folder = tmp_path_factory.mktemp("indexed") / "memory"
    with Journal(journal_path(folder)) as journal:
        journal.put(*(Item(text=text, project="p") for text in LESSONS))
    with owned(folder):
        pass
    return folder


@pytest.fixture
def folder(indexed: Path, tmp_path: Path) -> Path:
    return shutil.copytree(indexed, tmp_path / "memory")


def test_what_the_journal_says_is_found_and_what_it_takes_back_is_not(folder: Path) -> None:
    with owned(folder) as owner, Journal(journal_path(folder)) as journal:
        assert texts(owner, folder, "prices in cents")[0] == LESSONS[0]
        new = Item(text="Prices are decimals with two places", project="p")
        journal.put(new)
        old = Item(text=LESSONS[0], project="p")
        journal.supersede(old.id, new.id, "changed")
        assert LESSONS[0] not in texts(owner, folder, "prices in cents")
        assert texts(owner, folder, "prices")[0] == new.text
        journal.forget(new.id, "wrong")
        assert new.text not in texts(owner, folder, "prices")
        assert texts(owner, folder, "invoices", project="other") == []


def test_a_new_owner_goes_on_where_the_last_one_was(folder: Path) -> None:
    with capture_logs() as logs, owned(folder) as owner:
        assert owner.status().applied == len(LESSONS)
        assert owner.status().points == len(LESSONS)
    assert logs == []


def test_two_owners_of_one_folder_are_refused(folder: Path) -> None:
    with owned(folder) as owner:
        with pytest.raises(StoreUnavailable, match="another process has the memory"):
            MemoryOwner(folder, HashEmbedder)
        assert texts(owner, folder, "invoices")[0] == LESSONS[2]
    with owned(folder):
        pass


def _other_version(folder: Path) -> None:
    path = index_folder(folder) / "applied.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"layout": "0"}))


def _no_position(folder: Path) -> None:
    (index_folder(folder) / "applied.json").write_text("{")


def _rubbish(folder: Path) -> None:
    for path in (index_folder(folder) / "shard").rglob("*"):
        if path.is_file():
            path.write_bytes(b"rubbish")


def _empty_shard(folder: Path) -> None:
    shutil.rmtree(index_folder(folder) / "shard")


def _ahead(folder: Path) -> None:
    path = index_folder(folder) / "applied.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"seq": 99}))


DAMAGES = [_other_version, _no_position, _rubbish, _empty_shard, _ahead]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__.strip("_"))
def test_a_folder_that_does_not_fit_is_made_anew(
    folder: Path, damage: Callable[[Path], None]
) -> None:
    damage(folder)
    with capture_logs() as logs, owned(folder) as owner:
        assert [texts(owner, folder, text)[0] for text in LESSONS] == list(LESSONS)
        assert owner.status().points == len(LESSONS)
    assert [entry["event"] for entry in logs] == ["index.rebuilding"]


def test_another_embedding_model_makes_all_vectors_anew(folder: Path) -> None:
    with capture_logs() as logs, owned(folder, dimension=32) as owner:
        assert owner.status().embedder == "hash-1-32"
        assert texts(owner, folder, "rounds totals")[0] == LESSONS[1]
    assert [entry["event"] for entry in logs] == ["index.rebuilding"]


def test_rebuilding_on_demand_loses_nothing(folder: Path) -> None:
    with owned(folder) as owner:
        owner.rebuild()
        assert owner.status().pending == len(LESSONS)
        owner.catch_up()
        assert texts(owner, folder, "invoices")[0] == LESSONS[2]


def test_near_duplicates_are_linked_and_found_once(folder: Path) -> None:
    one = Item(text="Always close files that were opened", project="p")
    other = Item(text="always close files, that were opened", project="p", scope="io")
    with owned(folder) as owner, Journal(journal_path(folder)) as journal:
        journal.put(one, other)
        owner.catch_up()
        assert journal.links(one.id) == ((other.id, "near"),)
        found = owner.search(Query(text="close files"))
        assert len({one.id, other.id} & {hit.id for hit in found}) == 1
        assert found[0].why.copies


def test_a_project_finds_nothing_of_another_one_that_comes_or_goes(folder: Path) -> None:
    mine, other = (Item(text=f"the zebra of {name}", project=name) for name in ("a", "b"))
    with owned(folder) as owner, Journal(journal_path(folder)) as journal:
        journal.put(mine)
        owner.catch_up()
        assert texts(owner, folder, "zebra", project="a")[0] == mine.text
        assert mine.text not in texts(owner, folder, "zebra", project="b")
        journal.put(other)
        assert other.text not in texts(owner, folder, "zebra", project="a")
        journal.forget(other.id, "")
        assert other.text not in texts(owner, folder, "zebra", project="a")


def test_a_long_text_is_found_by_its_end(folder: Path) -> None:
    filler = "\n".join(f"line {number} of nothing" for number in range(2_000))
    with owned(folder) as owner, Journal(journal_path(folder)) as journal:
        journal.put(Item(text=f"{filler}\nthe zebra eats grass", kind=Kind.DOCUMENT, project="p"))
        owner.catch_up()
        assert owner.status().points > len(LESSONS) + 10
        assert texts(owner, folder, "zebra grass")[0].endswith("grass")


def test_long_texts_do_not_keep_searches_waiting_and_are_indexed_in_the_end(folder: Path) -> None:
    long = [Item(text=f"part {n}\n" + "a b c d e f g h\n" * 9_000) for n in range(2)]
    with owned(folder) as owner, Journal(journal_path(folder)) as journal:
        before = owner.status().points
        journal.put(*long)
        assert owner.step()
        for _ in range(5):
            assert texts(owner, folder, "invoices")[0] == LESSONS[2]
        assert owner.status().pending == 2  # searches leave it to the steps in between
        assert owner.step()
    with owned(folder) as again:
        assert again.status().pending == 0
        windows = sum(journal_windows(folder, item) for item in long)
        assert again.status().points - before == windows > 512


def test_a_clock_that_goes_backwards_changes_no_order(tmp_path: Path) -> None:
    folder = tmp_path / "memory"
    seconds = iter([2e9, 1e9, 1.0])
    with (
        Journal(journal_path(folder), clock=lambda: next(seconds)) as journal,
        owned(folder) as own,
    ):
        for value in ("one", "two", "three"):
            journal.put(Item(text=f"the port is {value}", key="port", project="p"))
        assert texts(own, folder, "port") == ["the port is three"]
        assert own.status().pending == 0
    since = datetime(2000, 1, 1, tzinfo=UTC)
    with owned(folder) as again:
        assert texts(again, folder, "port", since=since) == []


def test_indexing_leaves_a_reserve_of_disk_space_and_searching_goes_on(folder: Path) -> None:
    opened: list[EdgeIndex] = []

    def open_index(place: Path, dimension: int) -> EdgeIndex:
        opened.append(EdgeIndex(place, dimension))
        return opened[0]

    with (
        MemoryOwner(folder, lambda: HashEmbedder(64), open_index) as owner,
        Journal(journal_path(folder)) as journal,
    ):
        opened[0].reserve_bytes = 2**60
        journal.put(Item(text="one more", project="p"))
        owner.catch_up()
        assert texts(owner, folder, "invoices")[0] == LESSONS[2]
        status = owner.status()
        assert status.pending == 1
        assert "free some space" in status.problem
        opened[0].reserve_bytes = 0
        owner.catch_up()
        assert (owner.status().pending, owner.status().problem) == (0, "")


def test_a_full_disk_on_opening_is_no_reason_to_throw_the_index_away(folder: Path) -> None:
    class Cautious(EdgeIndex):
        reserve_bytes = 2**60

    with pytest.raises(NoRoom, match="free some space"):
        MemoryOwner(folder, lambda: HashEmbedder(64), Cautious)
    with capture_logs() as logs, owned(folder) as owner:
        assert owner.status().pending == 0
    assert logs == []


def test_a_vector_of_another_dimension_is_refused(folder: Path) -> None:
    with owned(folder) as owner, pytest.raises(UsageError, match="3 components"):
        owner.search(Query(text="x"), HashEmbedder(3).embed(["x"])[0])


def test_a_disk_that_fills_up_while_indexing_costs_nothing(folder: Path) -> None:
    with Journal(journal_path(folder)) as journal:
        journal.put(*(Item(text=f"lesson {n} about carts", project="p") for n in range(300)))
    code = f"""
import resource, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from mcp_local_llm import StoreUnavailable
from memory.edge_index import EdgeIndex
from memory.embedder import HashEmbedder
from memory.index import NoRoom
from memory.owner import MemoryOwner
with MemoryOwner(Path({str(folder)!r}), lambda: HashEmbedder(64)) as owner:
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
    try:
        owner.catch_up()
    except StoreUnavailable as error:
        print(f"refused: {{error}}")
        raise SystemExit(3)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith("refused: ")
    with owned(folder) as owner:
        assert owner.status().points == len(LESSONS) + 300
        assert texts(owner, folder, "lesson 17 carts")[0] == "lesson 17 about carts"
