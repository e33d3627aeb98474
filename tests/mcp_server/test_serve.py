"""The served process itself: stdio, HTTP, its ends, and several of them at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.mcp_server.conftest import Era

COMMAND = str(Path(sys.executable).with_name("mcp-local-llm"))
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
ACCEPTS = {"accept": "application/json, text/event-stream"}


@contextmanager
def served(*options: str) -> Iterator[subprocess.Popen[bytes]]:
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [COMMAND, "serve", *options], stdin=pipe, stdout=pipe, stderr=pipe, env=dict(os.environ)
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def greeted(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdin and process.stdout
    process.stdin.write(json.dumps(HELLO).encode() + b"\n")
    process.stdin.flush()
    return process.stdout.readline()


async def test_a_client_on_stdio_lists_and_calls(
    searched_home: Path, project: Path, era: Era
) -> None:
    server = StdioServerParameters(
        command=COMMAND, args=["serve", "--workspace", str(project)], env=dict(os.environ)
    )
    async with Client(stdio_client(server), mode=era) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        said = await client.call_tool("remember", {"text": "The shop opens at nine."})
        found = await client.call_tool("recall", {"query": "shop opens"})
    assert {"recall", "remember", "run_start"} <= names
    assert not said.is_error
    assert "opens at nine" in str(found.structured_content)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, None])
def test_it_ends_in_order_on_signals_and_at_the_end_of_input(
    home: Path, project: Path, number: signal.Signals | None
) -> None:
    with served("--workspace", str(project)) as process:
        assert json.loads(greeted(process))["result"]["serverInfo"]["name"] == "local-llm"
        assert not (home / "memory").exists()  # greeting opens nothing
        if number is None:
            assert process.stdin
            process.stdin.close()
        else:
            process.send_signal(number)
        assert process.wait(30) == 0
        assert process.stdout and process.stderr
        assert (process.stdout.read(), process.stderr.read()) == (b"", b"")


def test_malformed_lines_are_answered_or_passed_over_and_it_goes_on(
    home: Path, project: Path
) -> None:
    with served("--workspace", str(project)) as process:
        greeted(process)
        assert process.stdin and process.stdout
        lines = [b"", b"{", b"null", b"[]", b'{"jsonrpc":"2.0"}', b"\xff\xfe", b"x" * 5_000]
        for number in range(1_000):
            process.stdin.write(lines[number % len(lines)] + b"\n")
        ping = {"jsonrpc": "2.0", "id": 77, "method": "ping"}
        process.stdin.write(json.dumps(ping).encode() + b"\n")
        process.stdin.flush()
        for line in process.stdout:
            if json.loads(line).get("id") == 77:
                break
        else:
            raise AssertionError("the server ended")
        assert process.poll() is None


def test_over_http_only_the_token_s_owner_on_this_machine_is_answered(
    home: Path, project: Path, tmp_path: Path
) -> None:
    token_file = tmp_path / "token"
    options = ("--workspace", str(project), "--http", "0", "--token-file", str(token_file))
    with served(*options) as process:
        assert process.stderr
        address = process.stderr.readline().decode().split()[1].rstrip(";")
        assert token_file.stat().st_mode & 0o777 == 0o600
        allowed = ACCEPTS | {"authorization": f"Bearer {token_file.read_text().strip()}"}
        with httpx.Client(timeout=30, trust_env=False) as http:
            assert http.post(address, json=HELLO, headers=ACCEPTS).status_code == 401
            wrong = ACCEPTS | {"authorization": "Bearer guess"}
            assert http.post(address, json=HELLO, headers=wrong).status_code == 401
            foreign = allowed | {"origin": "https://example.org"}
            assert http.post(address, json=HELLO, headers=foreign).status_code == 403
            rebound = allowed | {"host": "example.org"}
            assert http.post(address, json=HELLO, headers=rebound).status_code == 421
            huge = HELLO | {"padding": "x" * 1_100_000}
            assert http.post(address, json=huge, headers=allowed).status_code == 413
            answer = http.post(address, json=HELLO, headers=allowed)
            assert (answer.status_code, "local-llm" in answer.text) == (200, True)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) in {0, -signal.SIGTERM}


def test_wrong_input_is_refused_in_a_sentence(home: Path, tmp_path: Path) -> None:
    for options, said in (
        (("--workspace", str(tmp_path / "none")), "is no folder"),
        (("--workspace", str(tmp_path), "--http", "70000"), "is no port"),
        (("--workspace", str(tmp_path), "--http", "0", "--token-file", "/dev/null/x"), "token"),
    ):
        done = subprocess.run(
            [COMMAND, "serve", *options], input=b"", capture_output=True, timeout=60, check=False
        )
        assert done.returncode in {2, 3}
        assert said in done.stderr.decode()
        assert b"Traceback" not in done.stderr
