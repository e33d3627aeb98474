"""The index in a folder of this machine: Qdrant's engine in the own process, by ``qdrant-edge-py``.

Who opens it owns the folder: keep other processes out before, since even an opening that the engine
refuses can disturb the first. The engine itself is not loaded before an index is opened.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mcp_local_llm import StoreUnavailable
from memory import points as shape
from memory.index import Dense, Hit, NoRoom, Point, Sparse
from memory.private import private_folder
from memory.records import Where
from memory.whole_file import write_whole

if TYPE_CHECKING:
    from qdrant_edge import EdgeConfig, EdgeShard, Filter, Query, QueryRequest, ScoredPoint

_LAYOUT: Final = 3  # raise it whenever a point would be written differently
_MANIFEST: Final = "index.json"
_SHARD: Final = "shard"
# The engine writes through memory maps, and a full disk then kills the process (SIGBUS): so it is
# asked for nothing when less than some batches and one flush would need is free.
_RESERVE_BYTES: Final = 200_000_000
_AGAIN: Final = 2.0  # times the hits asked for are compared again in 16 bits
_NEXT: Final = "run `mcp-local-llm memory rebuild` to make the index anew from the journal"


def index_version() -> str:
    """Return what an index folder must have been written by to be opened again."""
    return f"{_LAYOUT}/{version('qdrant-edge-py')}"


class EdgeIndex:
    """An :class:`memory.index.Index` kept in ``folder``, which is made when it is not there.

    It takes no lock, and is not safe to use from two threads. What was written is there again after
    a ``kill -9``; what was flushed also after a loss of power. A search compares every vector in 8
    bits, and the nearest again in 16. A manifest beside the engine's files tells how many points
    were flushed, so that lost files are noticed on opening; changed bytes inside a vector are not.

    Raises:
        StoreUnavailable: the folder is of another version or dimension, damaged, or cannot be
            written. The folder can be deleted and rebuilt.
        NoRoom: less than ``reserve_bytes`` are free.
    """

    reserve_bytes = _RESERVE_BYTES
    """Free space that opening and writing leave alone; searching needs none."""

    def __init__(self, folder: Path, dimension: int) -> None:
        """Open the index in ``folder``, or make it."""
        self._folder = folder
        self._dimension = dimension
        self._clean = self._closed = False
        self._room()
        with self._engine("open"):
            self._shard = self._open()

    @property
    def dimension(self) -> int:
        """Components of a dense vector."""
        return self._dimension

    def upsert(self, points: Sequence[Point]) -> None:
        """Add ``points``, in place of those of the same item and window."""
        import qdrant_edge as edge

        for batch in shape.batches(points, self._dimension):
            self._room()
            self._touch()
            with self._engine("write to"):
                found = [_engine_point(point) for point in batch]
                self._shard.update(edge.UpdateOperation.upsert_points(found))

    def delete(self, items: Iterable[str]) -> None:
        """Remove all points of ``items``; unknown ones are ignored."""
        import qdrant_edge as edge

        gone = list(items)
        for start in range(0, len(gone), shape.BATCH):
            chosen = edge.Filter(must=[_is_one_of(shape.ITEM, gone[start : start + shape.BATCH])])
            self._room()
            self._touch()
            with self._engine("delete from"):
                self._shard.update(edge.UpdateOperation.delete_points_by_filter(chosen))

    def by_meaning(self, vector: Dense, where: Where, limit: int) -> list[Hit]:
        """Return the nearest items by cosine, best first, each once."""
        from qdrant_edge import Query

        nearest = Query.Nearest(vector.tolist(), using=shape.DENSE)
        return self._search(nearest, where, limit, spare=2)

    def by_meanings(self, vectors: Sequence[Dense], where: Where, limit: int) -> list[list[Hit]]:
        """Return what ``by_meaning`` does for each of ``vectors``: one pass over the points."""
        from qdrant_edge import Query, QueryBatchRequest

        chosen = _filter(where)
        requests = [
            _request(Query.Nearest(vector.tolist(), using=shape.DENSE), chosen, 2 * limit)
            for vector in vectors
        ]
        with self._engine("search"):
            found = self._shard.query_batch(QueryBatchRequest(requests))
        return [shape.grouped(_hits(points), limit) for points in found]

    def by_words(self, words: Sparse, where: Where, limit: int) -> list[Hit]:
        """Return the items that share the weightiest words (idf over the index), best first."""
        from qdrant_edge import Query

        asked = _engine_words(words)
        return self._search(Query.Nearest(asked, using=shape.WORDS), where, limit, spare=1)

    def count(self) -> int:
        """Return the number of points."""
        with self._engine("count"):
            return _count(self._shard)

    def flush(self) -> None:
        """Make everything so far durable."""
        if self._clean:
            return
        with self._engine("flush"):
            self._shard.flush()
            self._note(_count(self._shard))
            self._clean = True

    def close(self) -> None:
        """Flush and let go of the engine; a second call does nothing."""
        if not self._closed:
            self.flush()
            self._closed = True
            self._shard.close()

    def _open(self) -> EdgeShard:
        from qdrant_edge import (
            EdgeShard,
            QuantizationSearchParams,
            Query,
            QueryRequest,
            SearchParams,
        )

        shard, manifest = self._folder / _SHARD, self._folder / _MANIFEST
        if not manifest.exists():
            if shard.exists():
                raise self._unusable("it has no manifest: it was not made whole")
            return self._create(shard)
        noted = json.loads(manifest.read_bytes())
        if noted["version"] != index_version():
            raise self._unusable(f"version {noted['version']}, not {index_version()}")
        if noted["dimension"] != self._dimension:
            raise self._unusable(f"{noted['dimension']} dimensions, not {self._dimension}")
        opened = EdgeShard.load(str(shard), _config(self._dimension))
        any_vector = Query.Nearest([1.0] * self._dimension, using=shape.DENSE)
        for exact in (False, True):  # compared with all, so that all are read once, of either size
            asked = SearchParams(quantization=QuantizationSearchParams(ignore=exact))
            opened.query(QueryRequest(limit=1, query=any_vector, params=asked))
        found = _count(opened)
        if noted["points"] not in (None, found):
            opened.close()
            raise self._unusable(f"{noted['points']} points were flushed and {found} are there")
        self._clean = noted["points"] is not None
        return opened

    def _create(self, shard: Path) -> EdgeShard:
        import qdrant_edge as edge

        private_folder(self._folder)
        made = edge.EdgeShard.create(str(shard), _config(self._dimension))
        kinds = dict.fromkeys(shape.KEYWORDS, edge.PayloadSchemaType.Keyword)
        for field, kind in (kinds | {shape.AT: edge.PayloadSchemaType.Float}).items():
            made.update(edge.UpdateOperation.create_field_index(field, kind))
        self._note(None)
        return made

    def _search(self, query: Query, where: Where, limit: int, spare: int) -> list[Hit]:
        chosen = _filter(where)

        def fetch(count: int) -> list[Hit]:
            return _hits(self._shard.query(_request(query, chosen, count)))

        with self._engine("search"):
            return shape.best_per_item(fetch, limit, spare)

    def _room(self) -> None:
        place = next(p for p in (self._folder, *self._folder.absolute().parents) if p.exists())
        free = shutil.disk_usage(place).free
        if free < self.reserve_bytes:
            raise NoRoom(
                f"indexing waits: {free // 1_000_000} MB are free in {str(self._folder)!r} and "
                f"{self.reserve_bytes // 1_000_000} MB are kept in reserve; free some space"
            )

    def _touch(self) -> None:
        """Note that what is on disk is no longer what was flushed."""
        if self._clean:
            with self._engine("write to"):
                self._note(None)
            self._clean = False

    def _note(self, points: int | None) -> None:
        noted = {"version": index_version(), "dimension": self._dimension, "points": points}
        write_whole(self._folder / _MANIFEST, json.dumps(noted))

    def _unusable(self, reason: str) -> StoreUnavailable:
        return StoreUnavailable(
            f"the index {str(self._folder)!r} cannot be used: {reason}; {_NEXT}"
        )

    @contextmanager
    def _engine(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (StoreUnavailable, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # it raises bare Exception, and a panic is not even that
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise StoreUnavailable(
                f"could not {doing} the index {str(self._folder)!r} ({reason}); {_NEXT}"
            ) from error


def _config(dimension: int) -> EdgeConfig:
    import qdrant_edge as edge

    # A search reads every vector: 8-bit ones take half the time of 16-bit ones, and what they find
    # is compared again in 16 bits, where a cosine is off by less than 0.0001.
    bits = edge.TurboQuantBitSize.Bits8
    dense = edge.EdgeVectorParams(
        size=dimension,
        distance=edge.Distance.Cosine,
        datatype=edge.VectorStorageDatatype.Float16,
        quantization_config=edge.TurboQuantQuantizationConfig(bits=bits),
    )
    # Below its threshold the engine reads a project's words point by point: at 1000 points that
    # takes three times as long as its inverted index, and its own threshold is 5000.
    words = edge.EdgeSparseVectorParams(full_scan_threshold=100, modifier=edge.Modifier.Idf)
    # With one thread a search runs in the caller's own. To hand it over takes 0.2 ms, and on a busy
    # machine several; and all points are in one segment, which one thread reads.
    return edge.EdgeConfig(
        vectors={shape.DENSE: dense}, sparse_vectors={shape.WORDS: words}, max_search_threads=1
    )


def _engine_point(point: Point) -> Any:
    import qdrant_edge as edge

    vectors: dict[str, Any] = {
        shape.DENSE: point.dense.tolist(),
        shape.WORDS: _engine_words(point.sparse),
    }
    return edge.Point(shape.point_id(point.item, point.window), vectors, shape.payload(point))


def _engine_words(words: Sparse) -> Any:
    from qdrant_edge import SparseVector

    return SparseVector(indices=list(words.indices), values=list(words.values))


def _request(query: Query, chosen: Filter | None, limit: int) -> QueryRequest:
    from qdrant_edge import QuantizationSearchParams, QueryRequest, SearchParams

    again = QuantizationSearchParams(rescore=True, oversampling=_AGAIN)
    return QueryRequest(
        limit=limit,
        query=query,
        filter=chosen,
        with_payload=[shape.ITEM],
        params=SearchParams(quantization=again),
    )


def _hits(found: Sequence[ScoredPoint]) -> list[Hit]:
    return [Hit((point.payload or {})[shape.ITEM], point.score) for point in found]


def _is_one_of(field: str, values: list[str]) -> Any:
    import qdrant_edge as edge

    return edge.FieldCondition(key=field, match=edge.MatchAny(any=values))


def _filter(where: Where) -> Filter | None:
    import qdrant_edge as edge

    fields = shape.allowed(where)
    # The last field, a project if one is asked for, as alternatives: "any of" takes the engine
    # half as long again.
    last, values = fields.popitem() if fields else ("", [])
    should: list[Any] = [
        edge.FieldCondition(key=last, match=edge.MatchValue(one)) for one in values
    ]
    must = [_is_one_of(field, some) for field, some in fields.items()]
    since, until = shape.period(where)
    if since is not None or until is not None:
        between = edge.RangeFloat(gte=since, lte=until)
        must.append(edge.FieldCondition(key=shape.AT, range=between))
    return edge.Filter(must=must, should=should) if must or should else None


def _count(shard: EdgeShard) -> int:
    from qdrant_edge import CountRequest

    return shard.count(CountRequest(exact=True))
