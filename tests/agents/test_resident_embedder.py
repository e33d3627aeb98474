"""The resident process lends its embedding model: the same vectors, and nothing is started."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.capture.spool import spool_file
from agents.capture.waiting import take_hooks
from agents.memory_host import MemoryHost
from agents.resident import Resident
from agents.resident_embedder import ResidentEmbedder
from agents.shared_memory import SharedMemory, tend_index
from mcp_local_llm import ModelUnavailable
from memory.embedder import HashEmbedder
from memory.layout import memory_folder


class NamedAsTheRealOne(HashEmbedder):
    """Stands in for the model that the detector was trained with."""

    asked = 0

    @property
    def name(self) -> str:
        return "all-MiniLM-L6-v2:0"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        type(self).asked += len(texts)
        return super().embed(texts)


class Broken(NamedAsTheRealOne):
    """Fails as soon as there is anything to embed."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        raise ModelUnavailable("the weights are gone")


@contextlib.asynccontextmanager
async def resident(
    home: Path, embedder: type[HashEmbedder] = HashEmbedder
) -> AsyncIterator[Resident]:
    one = Resident(home)
    one.memory = MemoryHost(memory_folder(home), embedder)
    task = asyncio.create_task(one.serve(open_memory=True))
    deadline = time.monotonic() + 60
    try:
        while (status := await tend_index(home)) is None or status.state != "ready":
            assert time.monotonic() < deadline, status
            await asyncio.sleep(0.05)
        yield one
    finally:
        one.stop()
        await asyncio.wait_for(task, 60)


async def test_it_gives_the_vectors_of_the_loaded_model(tmp_path: Path) -> None:
    texts = [f"never call print {number}" for number in range(20)] + ["é" * 5_000]
    own = HashEmbedder()
    async with resident(tmp_path):
        lent = await asyncio.to_thread(ResidentEmbedder.open, tmp_path)
        assert lent is not None
        assert (lent.name, lent.dimension) == (own.name, own.dimension)
        vectors = await asyncio.to_thread(lent.embed, texts)
        assert np.allclose(vectors, own.embed([text[:1_000] for text in texts]))
        assert (await asyncio.to_thread(lent.embed, [])).shape == (0, own.dimension)
        assert lent.windows("a text") == ["a text"]
    with pytest.raises(ModelUnavailable, match="embeds no more"):
        await asyncio.to_thread(lent.embed, texts)


def test_where_no_process_runs_there_is_none_and_none_is_started(tmp_path: Path) -> None:
    assert ResidentEmbedder.open(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def note(home: Path, said: str) -> None:
    """Note a prompt as Cursor's hook does."""
    event = {"hook_event_name": "beforeSubmitPrompt", "conversation_id": "c", "at": 1.77e9}
    event |= {"generation_id": "g", "root": str(home), "text": said}
    spool_file(home).parent.mkdir(parents=True, exist_ok=True)
    spool_file(home).write_text(json.dumps(event) + "\n", "utf-8")


async def learnt(home: Path) -> list[str]:
    note(home, "From now on always use tenacity for every retry.")
    texts: list[str] = []
    with SharedMemory(home, "shop") as memory:
        await asyncio.to_thread(
            take_hooks, memory, lambda one: texts.extend(item.text for item in one.learnt)
        )
    return texts


async def test_hooks_are_judged_with_the_resident_model_where_it_is_loaded(tmp_path: Path) -> None:
    async with resident(tmp_path, NamedAsTheRealOne):
        await learnt(tmp_path)
    assert NamedAsTheRealOne.asked


@pytest.mark.parametrize("embedder", [Broken, HashEmbedder])
async def test_with_another_model_or_a_broken_one_words_decide(
    tmp_path: Path, embedder: type[HashEmbedder]
) -> None:
    async with resident(tmp_path, embedder):
        assert any("tenacity" in text for text in await learnt(tmp_path))
