"""What every index does: the embedded one, the client's own in memory, and a server where given."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pytest
from qdrant_client import QdrantClient

from mcp_local_llm import StoreUnavailable
from memory.edge_index import EdgeIndex
from memory.index import Index, Point
from memory.records import Kind, Level, Status, Where
from memory.server_index import ServerIndex
from memory.sparse import sparse, sparse_query

DIMENSION = 4
AXES = np.eye(DIMENSION, dtype=np.float32)
SERVER = os.environ.get("MCP_LOCAL_LLM_TEST_QDRANT_URL", "")


@pytest.fixture(
    scope="module",
    params=[
        "edge",
        "memory",
        pytest.param("server", marks=pytest.mark.skipif(not SERVER, reason="no Qdrant URL given")),
    ],
)
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Index]:
    if request.param == "edge":
        edge = EdgeIndex(tmp_path_factory.mktemp("edge") / "index", DIMENSION)
        yield edge
        edge.close()
        return
    client = QdrantClient(url=SERVER) if request.param == "server" else QdrantClient(":memory:")
    name = f"contract-{uuid.uuid4()}"
    server = ServerIndex(client, name, DIMENSION)
    yield server
    client.delete_collection(name)
    server.close()


@pytest.fixture
def index(engine: Index) -> Iterator[Index]:
    assert engine.count() == 0
    yield engine
    engine.delete(nearest(engine, 0, Where(), 10_000))


def point(
    item: str,
    axis: int = 0,
    text: str = "",
    *,
    window: int = 0,
    project: str = "p",
    kind: str = "fact",
    scope: str = "",
    status: str = "unvalidated",
    level: str = "",
    at: float = 0.0,
) -> Point:
    words = sparse(text)
    return Point(item, window, AXES[axis], words, project, kind, scope, status, level, at)


def nearest(index: Index, axis: int, where: Where, limit: int = 9) -> list[str]:
    return [hit.item for hit in index.by_meaning(AXES[axis], where, limit)]


def test_the_nearest_by_cosine_comes_first(index: Index) -> None:
    between = (AXES[0] + AXES[1]) / np.float32(np.sqrt(2))
    index.upsert([point("a", 0), point("b", 1), point("c", 2)])
    index.upsert([Point("ab", 0, between, sparse(""), "p", "fact", "", "", "", 0.0)])
    hits = index.by_meaning(AXES[0], Where(), 2)
    assert [hit.item for hit in hits] == ["a", "ab"]
    assert [hit.score for hit in hits] == pytest.approx([1.0, 2**-0.5], abs=1e-4)


def test_a_point_of_the_same_item_and_window_takes_the_place_of_the_first(index: Index) -> None:
    index.upsert([point("a", 0, "old words", project="p")])
    index.upsert([point("a", 1, "new text", project="q")])
    assert index.count() == 1
    assert nearest(index, 1, Where(project="q")) == ["a"]
    assert nearest(index, 1, Where(project="p")) == []
    assert index.by_words(sparse_query("old"), Where(), 3) == []


def test_an_item_is_found_once_by_its_best_window(index: Index) -> None:
    many = [point("long", 0, "word", window=window) for window in range(40)]
    index.upsert([*many, point("long", 1, window=40), point("b", 1), point("c", 2)])
    hits = index.by_meaning(AXES[0], Where(), 3)
    assert sorted(hit.item for hit in hits) == ["b", "c", "long"]
    assert hits[0].item == "long"
    assert hits[0].score == pytest.approx(1.0, abs=1e-5)
    assert [hit.item for hit in index.by_words(sparse_query("word"), Where(), 3)] == ["long"]


def test_deleting_removes_all_windows_and_ignores_what_is_not_there(index: Index) -> None:
    index.upsert([point("a", 0), point("a", 1, window=1), point("b", 1)])
    index.delete(["a", "never-seen"])
    index.delete([])
    assert index.count() == 1
    assert nearest(index, 0, Where()) == ["b"]


def test_the_rarer_word_weighs_more(index: Index) -> None:
    common = [point(f"i{n}", 0, f"reply number {n}") for n in range(20)]
    index.upsert([*common, point("rare", 0, "the heron")])
    assert index.by_words(sparse_query("reply heron"), Where(), 1)[0].item == "rare"


def test_an_identifier_is_found_however_it_is_written(index: Index) -> None:
    index.upsert([point("camel", 0, "def parseReplies(): pass"), point("other", 0, "def run()")])
    for query in ("parse_reply", "parsing of a reply", "PARSE REPLIES", "parseReplies"):
        assert [h.item for h in index.by_words(sparse_query(query), Where(), 5)] == ["camel"]


def test_words_that_nothing_shares_find_nothing(index: Index) -> None:
    index.upsert([point("a", 0, "some words")])
    assert index.by_words(sparse_query("heron"), Where(), 5) == []
    assert index.by_words(sparse_query(""), Where(), 5) == []


def test_asking_for_several_at_once_finds_what_asking_one_by_one_does(index: Index) -> None:
    index.upsert([point(f"i{n}", n % 4, project="pq"[n % 2]) for n in range(8)])
    index.upsert([point("long", 0, window=window) for window in range(3)])
    where = Where(project="p")
    together = index.by_meanings(list(AXES[:3]), where, 5)
    assert together == [index.by_meaning(axis, where, 5) for axis in AXES[:3]]


def test_a_project_also_sees_what_holds_everywhere(index: Index) -> None:
    index.upsert([point("p", project="p"), point("q", project="q"), point("all", project="")])
    assert sorted(nearest(index, 0, Where(project="p"))) == ["all", "p"]
    assert nearest(index, 0, Where(project="")) == ["all"]
    assert len(nearest(index, 0, Where())) == 3


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (Where(kinds=(Kind.CODE,)), ["code"]),
        (Where(kinds=(Kind.CODE, Kind.CORRECTION)), ["code", "correction"]),
        (Where(statuses=(Status.VALIDATED,)), ["correction"]),
        (Where(levels=(Level.STRICT,)), ["strict"]),
        (Where(scope="src"), ["code", "correction", "strict"]),
        (Where(scope="src/api/x.py"), ["code", "correction", "strict"]),
        (Where(scope="srcs"), ["code", "correction"]),
        (Where(scope=""), ["code", "correction"]),
        (Where(since=datetime.fromtimestamp(20, UTC)), ["correction", "strict"]),
        (Where(until=datetime.fromtimestamp(20, UTC)), ["code", "correction"]),
        (
            Where(
                since=datetime.fromtimestamp(11, UTC),
                until=datetime.fromtimestamp(29, UTC),
                project="p",
                kinds=(Kind.CORRECTION,),
            ),
            ["correction"],
        ),
        (Where(kinds=(Kind.CODE,), statuses=(Status.VALIDATED,)), []),
    ],
)
def test_every_field_narrows_the_search(index: Index, where: Where, found: list[str]) -> None:
    index.upsert(
        [
            point("code", 0, "word", kind="code", at=10),
            point("correction", 0, "word", kind="correction", status="validated", at=20),
            point("strict", 0, "word", level="strict", scope="src", at=30),
        ]
    )
    assert sorted(nearest(index, 0, where)) == found
    assert sorted(hit.item for hit in index.by_words(sparse_query("word"), where, 9)) == found


def test_more_than_one_batch_goes_in_and_comes_out(index: Index) -> None:
    index.upsert([point(f"i{n}", n % 4, f"w{n}") for n in range(600)])
    assert index.count() == 600
    index.delete(f"i{n}" for n in range(599))
    assert nearest(index, 0, Where()) == ["i599"]


def test_a_limit_below_one_finds_nothing(index: Index) -> None:
    index.upsert([point("a")])
    assert index.by_meaning(AXES[0], Where(), 0) == []
    assert index.by_meaning(AXES[0], Where(), -1) == []


def test_nothing_is_a_valid_batch(index: Index) -> None:
    index.upsert([])
    assert index.count() == 0
    assert nearest(index, 0, Where()) == []


@pytest.mark.parametrize(
    "vector", [np.ones(3, np.float32), np.full(4, np.nan, np.float32), np.ones((1, 4), np.float32)]
)
def test_a_vector_that_does_not_fit_is_refused_and_nothing_written(
    index: Index, vector: np.ndarray[tuple[int, ...], np.dtype[np.float32]]
) -> None:
    wrong = Point("bad", 0, vector, sparse(""), "", "fact", "", "", "", 0.0)
    with pytest.raises(StoreUnavailable, match=r"'bad'.*takes 4"):
        index.upsert([point("good"), wrong])
    assert index.count() == 0


def test_a_query_of_another_dimension_is_an_error_with_the_engine_s_reason(index: Index) -> None:
    index.upsert([point("a")])
    with pytest.raises(StoreUnavailable, match="search"):
        index.by_meaning(np.ones(3, np.float32), Where(), 1)


def test_ids_of_items_may_be_any_text(index: Index) -> None:
    odd = ["", "a/b::c", "ü\n", "x" * 5000]
    index.upsert([point(item) for item in odd])
    assert sorted(nearest(index, 0, Where())) == sorted(odd)
    index.delete(odd[:2])
    assert sorted(nearest(index, 0, Where())) == sorted(odd[2:])
