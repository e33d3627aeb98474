"""The part of Qdrant's REST interface that the memory uses, before the client's own local engine.

It stands in where no server is at hand: what is sent over the wire, and the key with it, is real.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from pydantic import BaseModel, TypeAdapter
from qdrant_client import QdrantClient, models

_LISTED: TypeAdapter[models.PointsList] = TypeAdapter(models.PointsList)
_CHOSEN: TypeAdapter[models.FilterSelector] = TypeAdapter(models.FilterSelector)
_QUERY: TypeAdapter[models.QueryRequest] = TypeAdapter(models.QueryRequest)
_QUERIES: TypeAdapter[models.QueryRequestBatch] = TypeAdapter(models.QueryRequestBatch)


class Listener(HTTPServer):
    """Answers for ``engine`` those who bring ``key``, and keeps what was asked."""

    def __init__(self, port: int, key: str) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.engine = QdrantClient(":memory:")
        self.key = key
        self.created: list[dict[str, Any]] = []
        self.loses_points = False
        self.ends_after_a_search = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def reply(self, method: str, path: str, body: bytes) -> Any:
        _, _, name, *rest = path.partition("?")[0].split("/")
        engine, what = self.engine, (method, *rest)
        if what == ("GET", "exists"):
            return {"exists": engine.collection_exists(name)}
        if what == ("PUT",):
            wanted = models.CreateCollection.model_validate_json(body)
            self.created.append(json.loads(body))
            return engine.create_collection(
                name,
                vectors_config=wanted.vectors,
                sparse_vectors_config=wanted.sparse_vectors,
            )
        if what == ("GET",):
            return engine.get_collection(name)
        if what == ("PUT", "points"):
            listed = _LISTED.validate_json(body).points
            return engine.upsert(name, listed[1:] if self.loses_points else listed)
        if what == ("POST", "points", "delete"):
            return engine.delete(name, _CHOSEN.validate_json(body))
        if what == ("POST", "points", "count"):
            return engine.count(name)
        if what == ("POST", "points", "query"):
            if self.ends_after_a_search:
                self.key = "of somebody else"
            return self._found(name, _QUERY.validate_json(body))
        if what == ("POST", "points", "query", "batch"):
            return [self._found(name, asked) for asked in _QUERIES.validate_json(body).searches]
        assert what == ("PUT", "index"), what
        return models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED)

    def _found(self, name: str, asked: models.QueryRequest) -> models.QueryResponse:
        return self.engine.query_points(
            name,
            asked.query,
            using=asked.using,
            query_filter=asked.filter,
            limit=asked.limit or 10,
            with_payload=asked.with_payload or False,
        )


class _Handler(BaseHTTPRequestHandler):
    server: Listener

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.headers.get("api-key", "") != self.server.key:
            self._send(401, {"status": {"error": f"wrong key {self.headers.get('api-key')}"}})
            return
        result = self.server.reply(self.command, self.path, body)
        self._send(200, {"result": _plain(result), "status": "ok", "time": 0.0})

    do_GET = do_PUT = do_POST = _answer

    def _send(self, code: int, value: Any) -> None:
        raw = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _plain(result: Any) -> Any:
    if isinstance(result, list):
        return [_plain(one) for one in result]
    return result.model_dump(mode="json") if isinstance(result, BaseModel) else result


@contextmanager
def qdrant_over_http(key: str = "", port: int = 0) -> Iterator[Listener]:
    """Listen until the end of the block."""
    with Listener(port, key) as listener:
        thread = threading.Thread(target=listener.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield listener
        finally:
            listener.shutdown()
            thread.join()
            listener.engine.close()
