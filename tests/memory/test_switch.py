"""An owner that uses a server: it goes on there and, after moving back, where it was before."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from qdrant_client import QdrantClient
from structlog.testing import capture_logs

from mcp_local_llm import StoreUnavailable, UsageError
from memory.embedder import HashEmbedder
from memory.index import Index
from memory.journal import Journal
from memory.layout import index_folder, journal_path
from memory.move import move, progress_path
from memory.owner import MemoryOwner
from memory.place import ServerPlace, write_place
from memory.records import Item
from memory.retrieval import Query
from memory.server_index import ServerIndex, open_place
from tests.memory.qdrant_over_http import qdrant_over_http

PLACE = ServerPlace(url="http://127.0.0.1:1", collection="ours")
EMBEDDER = HashEmbedder(64)
LESSONS = ("Prices are integers, in cents", "Invoices are numbered per year")


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A memory that was moved to a server, which is a folder of the client's local engine."""
    folder = tmp_path_factory.mktemp("moved") / "memory"
    with Journal(journal_path(folder)) as journal:
        journal.put(*(Item(text=text, project="p") for text in LESSONS))
        with owned(folder) as owner:
            owner.catch_up()
        target = server(folder)
        try:
            progress = progress_path(folder, PLACE.url, PLACE.collection)
            assert move(journal, EMBEDDER.name, target, progress).problems == ()
        finally:
            target.close()
    write_place(folder, PLACE)
    return folder


@pytest.fixture
def folder(moved: Path, tmp_path: Path) -> Path:
    return shutil.copytree(moved, tmp_path / "memory")


def server(folder: Path) -> ServerIndex:
    return ServerIndex(QdrantClient(path=str(folder / "server")), PLACE.collection, 64)


@contextmanager
def owned(folder: Path) -> Iterator[MemoryOwner]:
    def opened(place: ServerPlace, dimension: int) -> Index:
        assert (place, dimension) == (PLACE, 64)
        return server(folder)

    with MemoryOwner(folder, lambda: EMBEDDER, open_server=opened) as owner:
        yield owner


def texts(owner: MemoryOwner, folder: Path, query: str) -> list[str]:
    ids = [found.id for found in owner.search(Query(text=query))]
    with Journal(journal_path(folder)) as journal:
        return [stored.item.text for stored in journal.get(ids).values()]


def put(folder: Path, *items: Item) -> None:
    with Journal(journal_path(folder)) as journal:
        journal.put(*items)


def test_after_a_move_the_owner_goes_on_there_from_the_moves_position(folder: Path) -> None:
    with owned(folder) as owner:
        assert owner.status().index == str(PLACE)
        assert owner.status().pending == 0
        put(folder, Item(text="Totals are rounded half to even", project="p"))
        owner.catch_up()
        assert texts(owner, folder, "round totals")[0] == "Totals are rounded half to even"
        assert owner.status().points == 3
    with owned(folder) as again:
        assert (again.status().pending, again.status().points) == (0, 3)


def test_each_index_has_its_own_position(folder: Path) -> None:
    put(folder, Item(text="Totals are rounded half to even", project="p"))
    with owned(folder) as owner:
        owner.catch_up()
    write_place(folder, None)
    with capture_logs() as logs, owned(folder) as owner:
        assert owner.status().index == ""
        assert owner.status().pending == 1
        owner.catch_up()
        assert owner.status().points == 3
        put(folder, Item(text="Carts hold prices", project="p"))
        owner.catch_up()
    write_place(folder, PLACE)
    with owned(folder) as owner:
        assert owner.status().pending == 1
        owner.catch_up()
        assert owner.status().points == 4
    assert logs == []


def test_rebuilding_writes_everything_to_the_server_again(folder: Path) -> None:
    lost = Item(text=LESSONS[0], project="p").id
    target = server(folder)
    target.delete([lost])
    target.close()
    with owned(folder) as owner:
        assert owner.status().points == 1
        owner.rebuild()
        assert owner.status().pending == 2
        owner.catch_up()
        assert owner.status().points == 2


def test_a_server_that_lost_its_collection_is_filled_again(folder: Path) -> None:
    client = QdrantClient(path=str(folder / "server"))
    client.delete_collection(PLACE.collection)
    client.close()
    with owned(folder) as owner:
        assert owner.status().pending == 2
        owner.catch_up()
        assert texts(owner, folder, "invoices")[0] == LESSONS[1]


def test_what_another_journal_has_put_there_does_no_harm(folder: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    with Journal(journal_path(theirs)) as journal:
        journal.put(Item(text="always close files that were opened", project="p", scope="io"))
        with MemoryOwner(theirs, lambda: EMBEDDER) as owner:
            owner.catch_up()
        target = server(folder)
        try:
            move(journal, EMBEDDER.name, target, tmp_path / "progress.json")
        finally:
            target.close()
    ours = Item(text="Always close files that were opened", project="p")
    put(folder, ours)
    with owned(folder) as owner, Journal(journal_path(folder)) as journal:
        owner.catch_up()
        assert owner.status().points == 4
        assert texts(owner, folder, "close files")[0] == ours.text
        assert journal.links(ours.id) == ()


def test_a_server_that_is_not_there_is_said_and_the_embedded_index_stays(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = PLACE.model_copy(update={"url": f"http://127.0.0.1:{taken.getsockname()[1]}"})
        write_place(folder, closed)
        with pytest.raises(StoreUnavailable, match="memory move --embedded"):
            MemoryOwner(folder, lambda: EMBEDDER)
    assert (index_folder(folder) / "applied.json").is_file()
    write_place(folder, None)
    with owned(folder) as owner:
        assert (owner.status().pending, owner.status().points) == (0, 2)


def test_the_key_and_the_options_of_creation_reach_the_server(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUR_KEY", "k3y")
    with qdrant_over_http(key="k3y") as listener:
        options = {"shard_number": 3, "hnsw_config": {"m": 0}}
        place = ServerPlace(
            url=listener.url, collection="new", api_key_env="OUR_KEY", options=options
        )
        write_place(folder, place)
        with MemoryOwner(folder, lambda: EMBEDDER) as owner:
            owner.catch_up()
            assert owner.status().points == 2
            assert texts(owner, folder, "invoices")[0] == LESSONS[1]
        [created] = listener.created
        assert (created["shard_number"], created["hnsw_config"]["m"]) == (3, 0)
        assert b"k3y" not in b"".join(
            path.read_bytes() for path in folder.rglob("*") if path.is_file()
        )


def test_a_wrong_key_is_an_error_that_does_not_show_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUR_KEY", "wr0ng")
    with qdrant_over_http(key="k3y") as listener:
        place = ServerPlace(url=listener.url, collection="new", api_key_env="OUR_KEY")
        with pytest.raises(StoreUnavailable, match="401") as refused:
            open_place(place, 64)
    assert "wr0ng" not in str(refused.value)
    monkeypatch.delenv("OUR_KEY")
    write_place(folder, place)
    with pytest.raises(UsageError, match="holds no API key"):
        MemoryOwner(folder, lambda: EMBEDDER)
