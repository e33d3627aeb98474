"""The index on a Qdrant server or cluster, reached by ``qdrant-client``."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from mcp_local_llm import StoreUnavailable
from memory import points as shape
from memory.index import Dense, Hit, Point, Sparse
from memory.place import ServerPlace
from memory.records import Where

if TYPE_CHECKING:
    from qdrant_client import QdrantClient
    from qdrant_client.models import (
        CollectionInfo,
        FieldCondition,
        Filter,
        ScoredPoint,
        SparseVector,
    )

_TIMEOUT_S: Final = 30


class ServerIndex:
    """An :class:`memory.index.Index` in one collection for all projects, told apart by a tenant.

    ``server`` is a URL, let in by ``api_key``, or a client of one's own (for gRPC, ``":memory:"``).
    A missing collection is created with ``options``, which go to the client's
    ``create_collection`` as they are (shards, replicas, quantization, …). One that is there keeps
    all its settings: it only gets the payload indices it has not got, and must have our two
    vectors, ``dense`` of this dimension and ``words``.

    Raises:
        StoreUnavailable: the server does not answer or refuses, or the collection does not fit.
    """

    def __init__(
        self,
        server: str | QdrantClient,
        collection: str,
        dimension: int,
        *,
        api_key: str = "",
        **options: Any,
    ) -> None:
        """Connect, and create the collection when it is not there."""
        self._collection = collection
        self._dimension = dimension
        self._client = _connect(server, api_key) if isinstance(server, str) else server
        with self._server("open"):
            if not self._client.collection_exists(collection):
                self._create(options)
            info = self._client.get_collection(collection)
        self._fits(info)
        self._index_payload(info)

    @property
    def dimension(self) -> int:
        """Components of a dense vector."""
        return self._dimension

    def upsert(self, points: Sequence[Point]) -> None:
        """Add ``points``, in place of those of the same item and window."""
        for batch in shape.batches(points, self._dimension):
            with self._server("write to"):
                found = [_server_point(point) for point in batch]
                self._client.upsert(self._collection, found, wait=True)

    def delete(self, items: Iterable[str]) -> None:
        """Remove all points of ``items``; unknown ones are ignored."""
        from qdrant_client.models import Filter, FilterSelector

        gone = list(items)
        for start in range(0, len(gone), shape.BATCH):
            chosen = Filter(must=[_is_one_of(shape.ITEM, gone[start : start + shape.BATCH])])
            with self._server("delete from"):
                self._client.delete(self._collection, FilterSelector(filter=chosen), wait=True)

    def by_meaning(self, vector: Dense, where: Where, limit: int) -> list[Hit]:
        """Return the nearest items by cosine, best first, each once."""
        return self._search(vector.tolist(), shape.DENSE, where, limit)

    def by_meanings(self, vectors: Sequence[Dense], where: Where, limit: int) -> list[list[Hit]]:
        """Return what ``by_meaning`` does for each of ``vectors``, in one request."""
        from qdrant_client.models import QueryRequest

        requests = [
            QueryRequest(
                query=vector.tolist(),
                using=shape.DENSE,
                filter=_filter(where),
                limit=2 * limit,
                with_payload=[shape.ITEM],
            )
            for vector in vectors
        ]
        with self._server("search"):
            found = self._client.query_batch_points(self._collection, requests)
        return [shape.grouped(_hits(one.points), limit) for one in found]

    def by_words(self, words: Sparse, where: Where, limit: int) -> list[Hit]:
        """Return the items that share the weightiest words (idf over the index), best first."""
        return self._search(_server_words(words), shape.WORDS, where, limit)

    def count(self) -> int:
        """Return the number of points, other users' of the same collection included."""
        with self._server("count"):
            return self._client.count(self._collection, exact=True).count

    def flush(self) -> None:
        """Do nothing: a server has made durable what it acknowledged."""

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def _create(self, options: dict[str, Any]) -> None:
        from qdrant_client.http.exceptions import UnexpectedResponse
        from qdrant_client.models import Distance, Modifier, SparseVectorParams, VectorParams

        vectors = {shape.DENSE: VectorParams(size=self._dimension, distance=Distance.COSINE)}
        words = {shape.WORDS: SparseVectorParams(modifier=Modifier.IDF)}
        settings: dict[str, Any] = {"vectors_config": vectors, "sparse_vectors_config": words}
        try:
            self._client.create_collection(self._collection, **(settings | options))
        except UnexpectedResponse as error:
            if error.status_code != 409:  # somebody else has just made it
                raise

    def _fits(self, info: CollectionInfo) -> None:
        vectors, words = info.config.params.vectors, info.config.params.sparse_vectors
        dense = vectors.get(shape.DENSE) if isinstance(vectors, dict) else None
        if dense is None or shape.WORDS not in (words or {}):
            raise self._unusable("it has no vectors `dense` and `words`: it is something else's")
        if dense.size != self._dimension:
            raise self._unusable(f"its vectors have {dense.size} dimensions, not {self._dimension}")

    def _index_payload(self, info: CollectionInfo) -> None:
        from qdrant_client.models import KeywordIndexParams, PayloadSchemaType

        kinds: dict[str, Any] = dict.fromkeys(shape.KEYWORDS, PayloadSchemaType.KEYWORD)
        kinds[shape.PROJECT] = KeywordIndexParams(type="keyword", is_tenant=True)
        kinds[shape.AT] = PayloadSchemaType.FLOAT
        with self._server("open"), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # ":memory:" says that it needs none
            for field, kind in kinds.items():
                if field not in info.payload_schema:
                    self._client.create_payload_index(self._collection, field, kind)

    def _search(
        self, query: list[float] | SparseVector, using: str, where: Where, limit: int
    ) -> list[Hit]:
        chosen = _filter(where)

        def fetch(count: int) -> list[Hit]:
            found = self._client.query_points(
                self._collection,
                query,
                using=using,
                query_filter=chosen,
                limit=count,
                with_payload=[shape.ITEM],
            )
            return _hits(found.points)

        with self._server("search"):
            return shape.best_per_item(fetch, limit)

    def _unusable(self, reason: str) -> StoreUnavailable:
        return StoreUnavailable(
            f"the collection {self._collection!r} cannot be used: {reason}; name another collection"
        )

    @contextmanager
    def _server(self, doing: str) -> Iterator[None]:
        from grpc import RpcError  # type: ignore[import-untyped]
        from qdrant_client.http.exceptions import ApiException

        try:
            yield
        except (ApiException, RpcError, AssertionError, RuntimeError, ValueError) as error:
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise StoreUnavailable(
                f"could not {doing} the collection {self._collection!r} ({reason}); see that the "
                "Qdrant server runs and that its URL and API key are right"
            ) from error


def open_place(place: ServerPlace, dimension: int) -> ServerIndex:
    """Return the index at ``place``, which is created where it is missing.

    Raises:
        UsageError: the place makes no sense, or its API key is not where it should be.
        StoreUnavailable: as :class:`ServerIndex`.
    """
    place.check()
    return ServerIndex(
        place.url, place.collection, dimension, api_key=place.api_key(), **place.options
    )


def _connect(url: str, api_key: str) -> QdrantClient:
    from qdrant_client import QdrantClient

    key = api_key or None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a key without https: checked before
            return QdrantClient(url=url, api_key=key, timeout=_TIMEOUT_S, check_compatibility=False)
    except ValueError as error:
        raise StoreUnavailable(
            f"{url!r} is no URL of a Qdrant server ({error}); write it as http://127.0.0.1:6333"
        ) from error


def _server_point(point: Point) -> Any:
    from qdrant_client.models import PointStruct

    vectors: dict[str, Any] = {
        shape.DENSE: point.dense.tolist(),
        shape.WORDS: _server_words(point.sparse),
    }
    id_ = shape.point_id(point.item, point.window)
    return PointStruct(id=id_, vector=vectors, payload=shape.payload(point))


def _server_words(words: Sparse) -> SparseVector:
    from qdrant_client.models import SparseVector

    return SparseVector(indices=list(words.indices), values=list(words.values))


def _hits(found: Sequence[ScoredPoint]) -> list[Hit]:
    return [Hit((point.payload or {})[shape.ITEM], point.score) for point in found]


def _is_one_of(field: str, values: list[str]) -> FieldCondition:
    from qdrant_client.models import FieldCondition, MatchAny

    return FieldCondition(key=field, match=MatchAny(any=values))


def _filter(where: Where) -> Filter | None:
    from qdrant_client.models import FieldCondition, Filter, Range

    must = [_is_one_of(field, values) for field, values in shape.allowed(where).items()]
    since, until = shape.period(where)
    if since is not None or until is not None:
        must.append(FieldCondition(key=shape.AT, range=Range(gte=since, lte=until)))
    return Filter(must=list(must)) if must else None
