"""``mcp-local-llm bench engines``: the index beside others, on the same vectors in the same run.

Compared are the embedded index, qdrant-client's local mode on disk, FAISS's flat index where the
extra ``bench`` is installed, and a NumPy product as the floor. All search exactly, so all must find
the same ten. The vectors are random: how fast a search is does not depend on what they mean.
"""

from __future__ import annotations

import importlib
import json
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from memory.index import Dense, Index, Point, Sparse
from memory.records import Where
from memory.sparse import sparse, sparse_query

POINTS: Final = 20_000
DIMENSION: Final = 384
_PROJECTS: Final = 20
_VOCABULARY: Final = 8_000
_WORDS: Final = 60  # per text; their frequency falls as 1/rank does
_QUERY_WORDS: Final = 6
_LIMIT: Final = 10
_WARM_UP: Final = 3
_QUERIES: Final = 41
_SLOW_QUERIES: Final = 7  # of the engine that takes a second for one
_FLOOR: Final = "NumPy product"

Search = Callable[[int, str | None], Sequence[str]]  # number of the query, project -> items


@dataclass(frozen=True, slots=True)
class Data:
    """What is put into every engine, and what is asked."""

    points: Sequence[Point]
    matrix: NDArray[np.float32]
    queries: Sequence[tuple[Dense, Sparse]]


@dataclass(frozen=True, slots=True)
class Row:
    """One engine: points per second put, median seconds per search, share of the floor's items."""

    name: str
    insert: float
    meaning: float
    filtered: float
    hybrid: float | None
    hybrid_filtered: float | None
    agree: float


def measure(points: int = POINTS) -> list[Row]:
    """Return a row per engine.

    Takes minutes, nearly all of them in the local mode's one commit per point; with ``TMPDIR`` on a
    memory disk less, and then what is put per second says nothing about disks.
    """
    data = _data(points)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        rows = [
            _floor(data),
            *_flat(data),
            _edge(data, Path(name) / "edge"),
            _local(data, Path(name) / "local"),
        ]
    return rows


def compared(rows: Sequence[Row]) -> dict[str, float]:
    """Return how many times faster the embedded index is than the local mode."""
    edge, local = _named(rows, "qdrant-edge-py"), _named(rows, "qdrant-client")
    pairs = {
        "search": (local.meaning, edge.meaning),
        "project's": (local.filtered, edge.filtered),
        "hybrid": (local.hybrid or 0, edge.hybrid or 1),
        "hybrid project's": (local.hybrid_filtered or 0, edge.hybrid_filtered or 1),
    }
    return {name: slow / fast for name, (slow, fast) in pairs.items()}


def main(*, as_json: bool = False) -> int:
    """Measure and print the table, or one JSON object; returns the exit code."""
    show(measure(), POINTS, as_json=as_json)
    return 0


def show(rows: Sequence[Row], points: int, *, as_json: bool = False) -> None:
    """Print ``rows`` as a table, or as one JSON object."""
    ratios = compared(rows)
    if as_json:
        found = {"points": points, "rows": [asdict(row) for row in rows], "ratios": ratios}
        sys.stdout.write(json.dumps(found) + "\n")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(
        *("engine", "put/s", "search", "project", "hybrid", "h. project", "same ten"),
        title=f"{points} points of {DIMENSION} dimensions, exact search, p50 in ms",
    )
    for row in rows:
        times = (row.meaning, row.filtered, row.hybrid, row.hybrid_filtered)
        cells = ("" if one is None else f"{one * 1e3:.2f}" for one in times)
        table.add_row(row.name, f"{row.insert:.0f}", *cells, f"{row.agree:.0%}")
    console = Console()
    console.print(table)
    said = ", ".join(f"{name} {ratio:.0f}x" for name, ratio in ratios.items())
    console.print(f"qdrant-edge-py against qdrant-client's local mode: {said}")
    console.print("aims: put >= 3000/s; hybrid <= 4 ms and >= 30x; project <= 1.5 ms and >= 200x")


def _data(count: int) -> Data:
    random = np.random.default_rng(7)
    matrix = random.normal(size=(count + _QUERIES, DIMENSION)).astype(np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    chances = 1 / np.arange(1, _VOCABULARY + 1)
    chances /= chances.sum()

    def text(words: int) -> str:
        return " ".join(f"w{n}x" for n in random.choice(_VOCABULARY, words, p=chances))

    points = [
        Point(
            *(f"item {n}", 0, matrix[n], sparse(text(_WORDS)), f"project {n % _PROJECTS}"),
            *("code", "", "unvalidated", "", float(n)),
        )
        for n in range(count)
    ]
    queries = [(vector, sparse_query(text(_QUERY_WORDS))) for vector in matrix[count:]]
    return Data(points, matrix[:count], queries)


def _edge(data: Data, folder: Path) -> Row:
    from memory.edge_index import EdgeIndex

    return _row("qdrant-edge-py", data, EdgeIndex(folder, DIMENSION), _QUERIES)


def _local(data: Data, folder: Path) -> Row:
    from qdrant_client import QdrantClient

    from memory.server_index import ServerIndex

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it says itself that it is not for so many
        index = ServerIndex(QdrantClient(path=str(folder)), "bench", DIMENSION)
        return _row("qdrant-client local", data, index, _SLOW_QUERIES)


def _row(name: str, data: Data, index: Index, queries: int) -> Row:
    began = time.perf_counter()
    index.upsert(data.points)
    index.flush()
    insert = len(data.points) / (time.perf_counter() - began)

    def meaning(n: int, project: str | None) -> Sequence[str]:
        where = Where(project=project)
        return [hit.item for hit in index.by_meaning(data.queries[n][0], where, _LIMIT)]

    def hybrid(n: int, project: str | None) -> Sequence[str]:
        where = Where(project=project)
        return [
            *meaning(n, project),
            *(h.item for h in index.by_words(data.queries[n][1], where, _LIMIT)),
        ]

    row = Row(
        name,
        insert,
        _median(meaning, None, queries),
        _median(meaning, "project 3", queries),
        _median(hybrid, None, queries),
        _median(hybrid, "project 3", queries),
        _agreement(data, meaning),
    )
    index.close()
    return row


def _floor(data: Data) -> Row:
    began = time.perf_counter()
    matrix = np.concatenate([data.matrix])
    insert = len(matrix) / (time.perf_counter() - began)
    return _dense_row(_FLOOR, insert, data, _product(data))


def _product(data: Data) -> Search:
    chosen = _members(data)

    def search(n: int, project: str | None) -> Sequence[str]:
        rows = None if project is None else chosen[project]
        scores = (data.matrix if rows is None else data.matrix[rows]) @ data.queries[n][0]
        best = np.argpartition(-scores, _LIMIT)[:_LIMIT]
        best = best[np.argsort(-scores[best])]
        return [data.points[i].item for i in (best if rows is None else rows[best])]

    return search


def _flat(data: Data) -> Iterator[Row]:
    try:
        faiss = importlib.import_module("faiss")
    except ImportError:  # the extra `bench` is not installed
        return
    began = time.perf_counter()
    index: Any = faiss.IndexFlatIP(DIMENSION)
    index.add(data.matrix)
    insert = len(data.points) / (time.perf_counter() - began)
    chosen = {name: faiss.IDSelectorBatch(rows) for name, rows in _members(data).items()}

    def search(n: int, project: str | None) -> Sequence[str]:
        params = None if project is None else faiss.SearchParameters(sel=chosen[project])
        _, found = index.search(data.queries[n][0][None], _LIMIT, params=params)
        return [data.points[i].item for i in found[0]]

    yield _dense_row("FAISS flat", insert, data, search)


def _members(data: Data) -> dict[str, NDArray[np.int64]]:
    projects = np.array([point.project for point in data.points])
    return {str(name): np.flatnonzero(projects == name) for name in np.unique(projects)}


def _dense_row(name: str, insert: float, data: Data, search: Search) -> Row:
    plain, filtered = (_median(search, project, _QUERIES) for project in (None, "project 3"))
    return Row(name, insert, plain, filtered, None, None, _agreement(data, search))


def _median(search: Search, project: str | None, queries: int) -> float:
    times = []
    for n in range(-_WARM_UP, queries):
        began = time.perf_counter()
        search(n, project)
        times.append(time.perf_counter() - began)
    return statistics.median(times[_WARM_UP:])


def _agreement(data: Data, search: Search) -> float:
    floor = _product(data)
    return statistics.mean(
        len({*search(n, project)} & {*floor(n, project)}) / _LIMIT
        for n in range(_SLOW_QUERIES)
        for project in (None, "project 3")
    )


def _named(rows: Sequence[Row], start: str) -> Row:
    return next(row for row in rows if row.name.startswith(start))
