"""What the server's index promises beyond the contract: creation, other people's settings."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from qdrant_client import QdrantClient
from qdrant_client.models import Distance, HnswConfigDiff, SparseVectorParams, VectorParams

from mcp_local_llm import StoreUnavailable
from memory.server_index import ServerIndex


@pytest.fixture
def client() -> QdrantClient:
    return QdrantClient(":memory:")


def test_options_of_creation_reach_the_server(client: QdrantClient) -> None:
    dense = VectorParams(size=4, distance=Distance.COSINE, on_disk=True)
    ServerIndex(client, "ours", 4, vectors_config={"dense": dense})
    vectors = client.get_collection("ours").config.params.vectors
    assert isinstance(vectors, dict)
    assert vectors["dense"].on_disk is True


def test_a_misspelt_option_is_an_error(client: QdrantClient) -> None:
    with pytest.raises(StoreUnavailable, match="shard_nr"):
        ServerIndex(client, "ours", 4, shard_nr=3)


def test_a_collection_that_is_there_keeps_its_settings(client: QdrantClient) -> None:
    own = VectorParams(size=4, distance=Distance.DOT, hnsw_config=HnswConfigDiff(m=7))
    client.create_collection(
        "theirs",
        vectors_config={"dense": own, "more": VectorParams(size=2, distance=Distance.EUCLID)},
        sparse_vectors_config={"words": SparseVectorParams()},
    )
    before = client.get_collection("theirs").config
    ServerIndex(client, "theirs", 4, on_disk_payload=True)
    assert client.get_collection("theirs").config == before


def test_a_collection_of_another_dimension_is_refused(client: QdrantClient) -> None:
    ServerIndex(client, "ours", 4)
    with pytest.raises(StoreUnavailable, match="4 dimensions, not 384; name another"):
        ServerIndex(client, "ours", 384)


def test_a_collection_without_our_vectors_is_refused(client: QdrantClient) -> None:
    client.create_collection("notes", VectorParams(size=4, distance=Distance.COSINE))
    with pytest.raises(StoreUnavailable, match="something else"):
        ServerIndex(client, "notes", 4)


def test_a_server_that_is_not_there_is_an_error_with_the_next_step() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(StoreUnavailable, match="see that the Qdrant server runs"):
            ServerIndex(url, "ours", 4)


@pytest.mark.parametrize("answer", [b"<html>", b'{"result": 7}', b""])
def test_what_answers_and_is_no_qdrant_server_is_an_error(answer: bytes) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Other) as listener:
        thread = threading.Thread(target=listener.serve_forever, args=(0.02,))
        thread.start()
        try:
            with pytest.raises(StoreUnavailable, match="its URL and API key are right"):
                ServerIndex(f"http://127.0.0.1:{listener.server_port}", "ours", 4)
        finally:
            listener.shutdown()
            thread.join()


@pytest.mark.parametrize("url", ["no url", "", "http://[", "ftp://host"])
def test_what_is_no_url_is_an_error(url: str) -> None:
    with pytest.raises(StoreUnavailable):
        ServerIndex(url, "ours", 4)
