"""The host of a memory whose index is on a server that comes and goes."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.memory_host import MemoryHost
from agents.protocol import Embed, Search, Tend
from memory.embedder import HashEmbedder
from memory.journal import Journal
from memory.layout import journal_path
from memory.place import ServerPlace, write_place
from memory.records import Item, OwnerStatus
from memory.retrieval import Query
from tests.memory.qdrant_over_http import qdrant_over_http


async def status_of(host: MemoryHost, state: str) -> OwnerStatus:
    deadline = time.monotonic() + 60
    while True:
        status = (await host.answer(Tend())).memory
        assert status is not None
        if status.state == state and not status.pending:
            return status
        assert time.monotonic() < deadline, status
        await asyncio.sleep(0.05)


async def test_a_server_that_was_away_is_used_again_and_has_missed_nothing(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    folder = tmp_path / "memory"
    loaded: list[HashEmbedder] = []

    def embedder() -> HashEmbedder:
        loaded.append(HashEmbedder(64))
        return loaded[-1]

    host = MemoryHost(folder, embedder, retry_s=0.5)
    with Journal(journal_path(folder)) as journal:
        write_place(folder, ServerPlace(url=f"http://127.0.0.1:{port}", collection="ours"))
        item = Item(text="Prices are in cents")
        journal.put(item)
        away = await status_of(host, "failed")
        assert "see that the Qdrant server runs" in away.problem
        with qdrant_over_http(port=port):
            assert (await status_of(host, "ready")).points == 1
            journal.put(Item(text="Totals are net"))
            assert (await status_of(host, "ready")).points == 2
        journal.put(Item(text="Carts hold prices"))
        await status_of(host, "failed")
        with qdrant_over_http(port=port):
            assert (await status_of(host, "ready")).points == 3
            reply = await host.answer(Search(query=Query(text="prices in cents")))
            assert reply.found[0].id == item.id
        await host.close()
    assert len(loaded) == 1


class _Breaking(HashEmbedder):
    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        raise RuntimeError("no memory is left")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_request_that_breaks_the_thread_is_answered_and_the_next_opens_anew(
    tmp_path: Path,
) -> None:
    host = MemoryHost(tmp_path, _Breaking, retry_s=0)
    await status_of(host, "ready")
    async with asyncio.timeout(60):
        reply = await host.answer(Embed(texts=("harbour",)))
    assert reply.memory is not None
    assert (reply.memory.state, "thread broke" in reply.memory.problem) == ("failed", True)
    await status_of(host, "ready")
    await host.close()
