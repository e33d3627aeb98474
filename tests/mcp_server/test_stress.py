"""What a long day does to the server: many calls at once, nonsense, instances that are killed."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # it ships no types
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.mcp_server.test_serve import COMMAND, HELLO, served

pytestmark = pytest.mark.slow

CALLS = int(os.environ.get("STRESS_CALLS", "100"))
LINES = int(os.environ.get("STRESS_LINES", "900"))
GROWTH_BYTES = 40_000_000  # of a server under nonsense; a leak of the lines alone would be more
GIANT = 500_000  # characters of one line
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def nonsense(count: int) -> Iterator[bytes]:
    """Yield lines that are no requests, or such that cannot be answered as asked."""
    chance = random.Random(0)
    call: dict[str, Any] = {"jsonrpc": "2.0", "id": "n", "method": "tools/call"}
    fixed = [
        b"",
        b"{",
        b"null",
        b"[]",
        b"[" * 5_000,
        b'{"jsonrpc":"2.0"}',
        b'{"jsonrpc":"1.0","id":1,"method":"ping"}',
        b"\xff\xfe\x80",
        b"\x00\x00",
        b'{"jsonrpc":"2.0","id":"n","method":"pi\x00ng"}',
        b'{"jsonrpc":"2.0","id":"n","method":"no/such"}',
        b'{"jsonrpc":"2.0","id":{},"method":7}',
        b'{"jsonrpc":"2.0","id":"n","result":{}}',
        json.dumps({**call, "params": []}).encode(),
        json.dumps({**call, "params": {"name": "no_such_tool"}}).encode(),
        json.dumps({**call, "params": {"name": "recall", "arguments": {"query": 7}}}).encode(),
        json.dumps({**call, "params": {"name": "recall", "arguments": "x"}}).encode(),
    ]
    for number in range(count):
        if number % 500 == 0:
            yield b"x" * GIANT
        elif number % 3:
            yield fixed[number % len(fixed)]
        else:
            yield chance.randbytes(chance.randrange(1, 200)).replace(b"\n", b" ")


def send(process: subprocess.Popen[bytes], *lines: bytes) -> None:
    assert process.stdin
    process.stdin.write(b"".join(line + b"\n" for line in lines))
    process.stdin.flush()


def answers_until(process: subprocess.Popen[bytes], id: str) -> list[dict[str, Any]]:
    """Return what was answered before ``id`` was; every line of it is a message."""
    assert process.stdout
    seen: list[dict[str, Any]] = []
    for line in process.stdout:
        message: dict[str, Any] = json.loads(line)
        assert message["jsonrpc"] == "2.0"
        seen.append(message)
        if message.get("id") == id:
            return seen
    raise AssertionError("the server ended")


def begun(process: subprocess.Popen[bytes]) -> None:
    send(process, json.dumps(HELLO | {"id": "hello"}).encode(), json.dumps(INITIALIZED).encode())
    answers_until(process, "hello")


def ping(id: str) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": id, "method": "ping"}).encode()


async def test_calls_that_are_made_at_once_each_get_their_own_answer(
    searched_home: Path, project: Path
) -> None:
    server = StdioServerParameters(
        command=COMMAND, args=["serve", "--workspace", str(project)], env=dict(os.environ)
    )
    async with Client(stdio_client(server), mode="legacy") as client:
        await client.call_tool("remember", {"text": "The zebra is striped."})

        async def ask(number: int) -> bool:
            if number % 2:
                found = await client.call_tool("recall", {"query": "zebra"})
                return "zebra is striped" in str(found.structured_content)
            missing = await client.call_tool("run_status", {"run_id": f"none{number}"})
            return bool(missing.is_error) and f"none{number}" in str(missing.content)

        assert all(await asyncio.gather(*map(ask, range(CALLS))))


def test_nonsense_neither_ends_nor_fattens_the_server_and_stdout_stays_protocol(
    home: Path, project: Path
) -> None:
    with served("--workspace", str(project)) as process:
        begun(process)
        assert process.stderr
        errors = threading.Thread(target=process.stderr.read)  # so that it never waits for us
        errors.start()
        memory = psutil.Process(process.pid)
        before = 0
        for part in range(3):  # the first part is what has to be loaded anyway
            lines = nonsense(LINES // 3)
            writer = threading.Thread(target=send, args=(process, *lines, ping(f"end{part}")))
            writer.start()
            answered = answers_until(process, f"end{part}")
            writer.join()
            assert answered[-1]["result"] == {}
            assert all("error" in m or m["result"]["isError"] for m in answered[:-1] if "id" in m)
            before = before or memory.memory_info().rss
        assert memory.memory_info().rss - before < GROWTH_BYTES
        process.kill()
        errors.join()


def test_one_of_three_that_is_killed_leaves_the_others_at_work(
    searched_home: Path, project: Path
) -> None:
    say: dict[str, Any] = {"jsonrpc": "2.0", "method": "tools/call"}

    def call(id: str, name: str, **arguments: str) -> bytes:
        params = {"name": name, "arguments": arguments}
        return json.dumps({**say, "id": id, "params": params}).encode()

    options = ("--workspace", str(project))
    with served(*options) as one, served(*options) as two, served(*options) as three:
        for process in (one, two, three):
            begun(process)
        for number in range(10):  # it dies in the midst of writing
            send(two, call(f"w{number}", "remember", text=f"Case {number} of two is known."))
        answers_until(two, "w0")
        two.send_signal(signal.SIGKILL)
        two.wait(30)
        send(one, call("a", "remember", text="The zebra is striped."))
        assert not answers_until(one, "a")[-1]["result"]["isError"]
        send(three, call("b", "recall", query="zebra"))
        assert "zebra is striped" in str(answers_until(three, "b")[-1]["result"])
        send(three, call("c", "recall", query="Case 0 of two"))
        assert "Case 0 of two is known" in str(answers_until(three, "c")[-1]["result"])
