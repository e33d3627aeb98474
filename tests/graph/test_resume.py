"""A run that is killed at any node and resumed ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from graph.crew import NODES
from graph.runs import RunStore

if TYPE_CHECKING:
    from tests.graph.conftest import Demo, Script

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
LAUNCH = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); sys.argv[0] = 'graph-run';"
    "from mcp_local_llm import graph_run; raise SystemExit(graph_run())"
)
LIMIT_S = 120.0
OFF_THE_WAY = {"offer_lift", "close"}  # of a run that succeeds
WAY = [name for name in NODES if name not in OFF_THE_WAY]
EVENTS = ("node.started", "node.ended")
STRIDE = int(os.environ.get("RESUME_STRIDE", "3"))  # every third node; `make stress` kills at each


def command(*args: str) -> list[str]:
    return [sys.executable, "-c", LAUNCH, str(ROOT), *args]


def finish(project: Path, *args: str) -> dict[str, object]:
    done = subprocess.run(
        command(*args, "--json"), cwd=project, capture_output=True, text=True, timeout=150
    )
    assert done.stdout, done.stderr
    result: dict[str, object] = json.loads(done.stdout)
    return result


def events(home: Path) -> list[dict[str, object]]:
    logs = list(home.glob("runs/*/events.jsonl"))
    if not logs:
        return []
    complete = logs[0].read_bytes().rpartition(b"\n")[0]
    return [json.loads(line) for line in complete.splitlines()]


def kill_at(process: subprocess.Popen[bytes], home: Path, event: str, node: str) -> None:
    """Wait for the event in the run's log and kill the whole process group at once."""
    deadline = time.monotonic() + LIMIT_S
    while not any(e["event"] == event and e["node"] == node for e in events(home)):
        assert time.monotonic() < deadline, f"no {event} of {node}"
        if process.poll() is not None:
            assert process.returncode == 0, process.stderr and process.stderr.read()
            return
        time.sleep(0.002)  # bounded by the deadline
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)


def killed_on_its_way(project: Path, home: Path, task: str, event: str) -> dict[str, object]:
    """Start a run, kill and resume it at the event of its nodes, and return how it ended."""
    arguments = [task]
    for node in WAY[EVENTS.index(event) % STRIDE :: STRIDE]:
        with subprocess.Popen(
            command(*arguments),
            cwd=project,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            kill_at(process, home, event, node)
        arguments = ["resume", RunStore(home).run_ids()[0]]
    ended = RunStore(home).phase(arguments[1]) == "delivered"
    return finish(project, "show" if ended else "resume", arguments[1])


def change(result: dict[str, object]) -> list[str]:
    return [line for line in str(result["diff"]).splitlines() if not line.startswith("index ")]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("event", EVENTS)
def test_a_run_killed_at_its_nodes_delivers_what_an_undisturbed_one_does(
    project: Path, home: Path, demo: Demo, script: Script, event: str
) -> None:
    script()
    killed = killed_on_its_way(project, home, demo.task, event)
    assert killed["status"] == "delivered"
    subprocess.run(["git", "branch", "-D", str(killed["branch"])], cwd=project, check=True)
    undisturbed = finish(project, demo.task)
    assert change(killed) == change(undisturbed)
    steps, again = killed["steps"], undisturbed["steps"]
    assert isinstance(steps, list) and isinstance(again, list)
    assert [step["role"] for step in steps] == [step["role"] for step in again]
    assert (project / "shop" / "cart.py").read_text() == demo.cart


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_says_how_to_go_on_and_does(
    project: Path, home: Path, demo: Demo, script: Script, number: signal.Signals
) -> None:
    script()
    process = subprocess.Popen(
        command(demo.task), cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + LIMIT_S
    while not any(e["node"] == "check_red" for e in events(home)):
        assert time.monotonic() < deadline
        time.sleep(0.002)  # bounded by the deadline
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    run_id = RunStore(home).run_ids()[0]
    assert process.returncode == 130
    assert f"graph-run resume {run_id}" in said
    assert "Traceback" not in said
    assert RunStore(home).phase(run_id) == "interrupted"
    assert finish(project, "resume", run_id)["status"] == "delivered"
