"""LangGraph Studio's server, offline: a run with an interrupt and a resume through its client."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest

if TYPE_CHECKING:
    from tests.graph.conftest import Demo, Script

ROOT = Path(__file__).resolve().parents[2]
OFFLINE = {
    "LANGGRAPH_CLI_NO_ANALYTICS": "1",
    "LANGGRAPH_NO_VERSION_CHECK": "true",
    "LANGSMITH_TRACING": "false",
}
LIMIT_S = 150.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def studio(script: Script, tmp_path: Path) -> Iterator[str]:
    """The address of `langgraph dev`, started with the project's own configuration."""
    script()
    port = free_port()
    folder = tmp_path / "studio"
    folder.mkdir()
    argv = [sys.executable, "-m", "langgraph_cli", "dev", "--no-browser", "--no-reload"]
    argv += ["--allow-blocking", "--config", str(ROOT / "langgraph.json"), "--port", str(port)]
    env = os.environ | OFFLINE | {"PYTHONPATH": str(ROOT)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(argv, cwd=folder, env=env, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + LIMIT_S
    try:
        while not answers(url):
            assert process.poll() is None, (folder / "log").read_text()[-3000:]
            assert time.monotonic() < deadline, (folder / "log").read_text()[-3000:]
            time.sleep(0.1)  # bounded by the deadline
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ok", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_studio_reviews_a_plan_and_goes_on(studio: str, project: Path, demo: Demo) -> None:
    from langgraph_sdk import get_client
    from langgraph_sdk.schema import Command

    given: dict[str, Any] = {"task": demo.task, "workspace": str(project), "review": ["plan"]}
    async with get_client(url=studio, api_key=None) as client:
        thread = (await client.threads.create())["thread_id"]
        stopped = await client.runs.wait(thread, "crew", input=given)
        (question,) = cast(dict[str, Any], stopped)["__interrupt__"]
        assert question["value"]["review"] == "plan"
        assert "goal: add total_above" in question["value"]["text"]
        answer: Command = {"resume": {"decision": "approve"}}
        state = await client.runs.wait(thread, "crew", command=answer)
    ended = cast(dict[str, Any], state)
    assert ended["outcome"]["status"] == "delivered", ended
    assert "total_above" in demo.git(project, "show", f"{ended['outcome']['branch']}:shop/cart.py")

    evil = {"Origin": "https://evil.example"}
    assert "access-control-allow-origin" not in httpx.get(f"{studio}/ok", headers=evil).headers
    asked = {"Origin": "https://smith.langchain.com"}
    allowed = httpx.get(f"{studio}/ok", headers=asked)
    assert allowed.headers["access-control-allow-origin"] == "https://smith.langchain.com"
    assert httpx.post(f"{studio}/mcp", json={}).status_code == 404
