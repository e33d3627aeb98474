"""Figures of the memory as its users see it: through the socket, embedding included, and cold."""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from agents.lease import ask_resident, start_resident, stop_resident
from agents.memory_host import EMBEDDER_VARIABLE
from agents.protocol import Search, pack
from agents.shared_memory import SharedMemory, tend_index
from graph.figures import Figure
from mcp_local_llm import StoreUnavailable
from memory.embedder import normalized
from memory.records import Item, OwnerStatus, Where
from memory.replay import content_hash
from memory.retrieval import Query
from tools.process import Spawned, run, scrubbed_env

POINTS: Final = 20_000
_PROJECTS: Final = tuple(f"bench{number}" for number in range(10))
PROJECT: Final = _PROJECTS[0]
_REPEATS: Final = 50
_COLD: Final = 5
_LIMIT_S: Final = 300.0
_TOPICS: Final = ("cart", "invoice", "price", "user", "login", "cache", "queue", "report", "index")


async def owner_figures(points: int = POINTS, embedder: str = "") -> list[Figure]:
    """Return the figures with ``points`` items, in a folder of their own; takes minutes.

    ``embedder`` is what ``EMBEDDER_VARIABLE`` says; by default the installed model.

    Raises:
        StoreUnavailable: the memory could not be opened in time.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        home = Path(name)
        cold = await _cold(home, embedder)
        try:
            with SharedMemory(home, PROJECT, patience_s=_LIMIT_S) as memory:
                status = await until_applied(home, 0)
                indexing = await filled(memory, status, points)
                socket = await _through_the_socket(memory, status.dimension, PROJECT)
                anywhere = await _through_the_socket(memory, status.dimension, None)
                whole = await _end_to_end(memory)
                taught = await _taught(memory)
        finally:
            await stop_resident(home)
    return [
        Figure("recall, cold", _seconds(cold), "<= 1 s"),
        Figure(f"index {points} items with vectors", f"{points / indexing:.0f} items/s", ""),
        Figure(
            f"recall through the socket, vector given, {points} items", _ms(anywhere), "<= 6 ms"
        ),
        Figure("the same in one of ten projects", _ms(socket), "<= 6 ms"),
        Figure("recall with embedding", _ms(whole), "<= 50 ms"),
        Figure("taught to recalled", _ms(taught), "< 1 s"),
    ]


def _ms(times: list[float]) -> str:
    ordered = sorted(times)
    late = ordered[int(len(ordered) * 0.95)]
    return f"{statistics.median(times) * 1e3:.1f} ms (p95 {late * 1e3:.1f})"


def _seconds(times: list[float]) -> str:
    return f"{statistics.median(times):.2f} s"


async def _cold(home: Path, embedder: str) -> list[float]:
    """Time the command with nothing running."""
    command = [str(Path(sys.executable).parent / "mcp-local-llm")]
    env = scrubbed_env({"MCP_LOCAL_LLM_HOME": str(home), EMBEDDER_VARIABLE: embedder})
    await run([*command, "remember", "prices are net"], cwd=home, env=env, timeout_s=60)
    times = []
    for _ in range(_COLD):
        await stop_resident(home)
        done = await run([*command, "recall", "prices"], cwd=home, env=env, timeout_s=60)
        times.append(done.duration_s)
    return times


async def until_applied(home: Path, seq: int) -> OwnerStatus:
    """Start the owner of ``home`` if need be, and return its status once it shows ``seq``.

    Raises:
        StoreUnavailable: it failed, or did not get there in five minutes.
    """
    started: Spawned | None = None
    deadline = time.monotonic() + _LIMIT_S
    while time.monotonic() < deadline:
        status = await tend_index(home)
        if status is None:
            if started is None or started.poll() is not None:  # else it is on its way
                started = await asyncio.to_thread(start_resident, home)
        elif status.state == "failed":
            raise StoreUnavailable(f"the memory cannot be measured: {status.problem}")
        elif status.state == "ready" and status.applied >= seq and not status.pending:
            return status
        await asyncio.sleep(0.1)
    raise StoreUnavailable(f"the memory was not ready in {_LIMIT_S:g} s; end other work, try again")


async def filled(
    memory: SharedMemory, status: OwnerStatus, points: int, projects: Sequence[str] = _PROJECTS
) -> float:
    """Put ``points`` items of ``projects``, with random vectors; return the seconds it took."""
    random = np.random.default_rng(0)
    vectors = normalized(random.normal(size=(points, 1, status.dimension)).astype(np.float32)[:, 0])
    items = [
        Item(
            text=f"note {n} on {_TOPICS[n % 9]} and {_TOPICS[n // 9 % 9]}",
            project=projects[n % len(projects)],
        )
        for n in range(points)
    ]
    cached = {content_hash(i.text): v[None] for i, v in zip(items, vectors, strict=True)}
    memory.journal.keep_vectors(status.embedder, cached)
    memory.put(*items)
    began = time.perf_counter()
    await until_applied(memory.home, memory.journal.last_seq)
    return time.perf_counter() - began


async def _timed(action: Callable[[int], Awaitable[object]]) -> list[float]:
    times = []
    for number in range(_REPEATS):
        began = time.perf_counter()
        await action(number)
        times.append(time.perf_counter() - began)
    return times


async def _through_the_socket(
    memory: SharedMemory, dimension: int, project: str | None
) -> list[float]:
    random = np.random.default_rng(1)
    vectors = normalized(random.normal(size=(_REPEATS, dimension)).astype(np.float32))

    async def ask(number: int) -> object:
        text = f"{_TOPICS[number % 9]} and {_TOPICS[number % 7]}"
        query = Query(text=text, where=Where(project=project))
        return await ask_resident(
            memory.home, Search(query=query, vector=pack(vectors[number])), _LIMIT_S
        )

    return await _timed(ask)


async def _end_to_end(memory: SharedMemory) -> list[float]:
    where = Where(project=PROJECT)
    return await _timed(
        lambda n: memory.find(Query(text=f"how is the {_TOPICS[n % 9]} of case {n}?", where=where))
    )


async def _taught(memory: SharedMemory) -> list[float]:
    async def teach(number: int) -> None:
        memory.put(Item(text=f"the zebra of case {number} is striped", project=PROJECT))
        where = Where(project=PROJECT)
        answer = await memory.find(Query(text=f"zebra of case {number}", where=where))
        if not any(f"case {number} " in hit.stored.item.text for hit in answer.hits):
            raise StoreUnavailable("what was taught was not recalled; run `memory verify`")

    return await _timed(teach)
