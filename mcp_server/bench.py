"""The command ``mcp-local-llm bench-door``: how long a client of the MCP server waits."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from graph.bench_owner import POINTS, filled, until_applied
from graph.console import run_command
from graph.figures import Figure, show

if TYPE_CHECKING:
    from mcp import Client

    from agents.shared_memory import SharedMemory
    from memory.records import Where

_COLD: Final = 5
_CALLS: Final = 100
_WORDS: Final = ("cart", "invoice", "price", "login", "queue", "report", "index")
_TOKEN: Final = 3.5  # characters of one, at the least: what JSON costs common tokenizers


def main(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm bench-door``."""
    parser = argparse.ArgumentParser(
        prog="mcp-local-llm bench-door",
        description="Measure the MCP server over stdio, on a memory made for it; takes minutes.",
    )
    parser.add_argument("--items", type=int, default=POINTS, metavar="N", help="default: 20000")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return run_command(parser, argv, _bench)


def _bench(options: argparse.Namespace) -> int:
    show(asyncio.run(door_figures(options.items)), as_json=options.json)
    return 0


async def door_figures(items: int) -> list[Figure]:
    """Return the figures with a memory of ``items``; queries are embedded by hashing.

    Raises:
        StoreUnavailable: the memory was not ready in time.
    """
    from agents.home import HOME_VARIABLE
    from agents.lease import stop_resident
    from agents.memory_host import EMBEDDER_VARIABLE
    from agents.shared_memory import SharedMemory
    from memory.project import project_id
    from memory.records import Where

    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        home, workspace = Path(name) / "home", Path(name) / "workspace"
        workspace.mkdir()
        os.environ.update({HOME_VARIABLE: str(home), EMBEDDER_VARIABLE: "hash"})
        greeted, listed, size = await _cold(workspace)
        try:
            project = project_id(workspace)
            with SharedMemory(home, project) as memory:
                status = await until_applied(home, 0)
                await filled(memory, status, items, (project,))
                by_words = _timed_words(memory, Where(project=project))
                calls = await _calls(workspace)
        finally:
            await stop_resident(home)
    return [
        Figure("start to the answer to initialize, cold", f"{_median(greeted):.2f} s", ""),
        Figure("start to the list of tools, cold", f"{_median(listed):.2f} s", "<= 2 s"),
        Figure("the list of tools, without output schemas", f"{size:.0f} tokens", "<= 3500"),
        Figure(f"recall over stdio and socket, {items} items", _ms(calls), "<= 10 ms"),
        Figure("recall by words alone (FTS5)", _ms(by_words), "<= 5 ms"),
    ]


async def _cold(workspace: Path) -> tuple[list[float], list[float], float]:
    """Return the seconds to the first answer and to the list of tools, and its size in tokens."""
    greeted, listed, size = [], [], 0.0
    for _ in range(_COLD):
        began = time.perf_counter()
        async with _client(workspace) as client:
            greeted.append(time.perf_counter() - began)
            tools = (await client.list_tools()).tools
            listed.append(time.perf_counter() - began)
        shown = [
            each.model_dump(mode="json", exclude={"output_schema"}, exclude_none=True)
            for each in tools
        ]
        size = len(json.dumps(shown)) / _TOKEN
    return greeted, listed, size


async def _calls(workspace: Path) -> list[float]:
    times = []
    async with _client(workspace) as client:
        for number in range(_CALLS + 5):
            query = f"{_WORDS[number % 7]} and {_WORDS[number % 5]}"
            began = time.perf_counter()
            await client.call_tool("recall", {"query": query})
            times.append(time.perf_counter() - began)
    return times[5:]  # the first ones open the journal


def _timed_words(memory: SharedMemory, where: Where) -> list[float]:
    times = []
    for number in range(_CALLS):
        began = time.perf_counter()
        memory.journal.find(f"{_WORDS[number % 7]} {_WORDS[number % 5]}", where, 8)
        times.append(time.perf_counter() - began)
    return times


def _client(workspace: Path) -> Client:
    from mcp import Client
    from mcp.client.stdio import StdioServerParameters, stdio_client

    server = StdioServerParameters(
        command=str(Path(sys.executable).with_name("mcp-local-llm")),
        args=["serve", "--workspace", str(workspace)],
        env=dict(os.environ),
    )
    return Client(stdio_client(server), mode="legacy")


def _median(times: Sequence[float]) -> float:
    return statistics.median(times)


def _ms(times: Sequence[float]) -> str:
    late = sorted(times)[int(len(times) * 0.95)]
    return f"{_median(times) * 1e3:.1f} ms (p95 {late * 1e3:.1f})"
