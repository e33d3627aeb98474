"""What is at hand in a run (its file, imports, errors) decides between rules that compete."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agents.memory_host import EMBEDDER_VARIABLE
from agents.resident import Resident
from agents.shared_memory import SharedMemory, tend_index
from graph.runner import Runner
from graph.runs import RunRequest, RunResult, RunStore, now
from graph.settings import load_settings
from memory.project import project_id
from memory.records import Item, Provenance

if TYPE_CHECKING:
    from tests.graph.conftest import Demo, Script

pytestmark = pytest.mark.slow

PATIENCE_S = 60.0
REFUSAL = "<plan>\ngoal: g\nrefuse: not today\n</plan>\n"
QUERY = "sum of the values in a cart"


@pytest.fixture
async def memory(
    project: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[SharedMemory]:
    """The project's memory with its index open; searches wait for it, however busy the machine."""
    monkeypatch.setenv(EMBEDDER_VARIABLE, "hash")
    resident = Resident(home)
    task = asyncio.create_task(resident.serve(open_memory=True))
    with SharedMemory(home, project_id(project), patience_s=PATIENCE_S) as opened:
        yield opened
    resident.stop()
    await asyncio.wait_for(task, PATIENCE_S)


async def knows(memory: SharedMemory, *items: Item) -> None:
    memory.put(*(item.model_copy(update={"project": memory.project}) for item in items))
    deadline = time.monotonic() + PATIENCE_S
    while True:
        status = await tend_index(memory.home)
        if status and status.state == "ready" and status.applied == memory.journal.last_seq:
            return
        assert time.monotonic() < deadline, f"the index did not catch up: {status}"
        await asyncio.sleep(0.05)


def note(text: str, where: str = "") -> Item:
    return Item(text=text, provenance=Provenance(where=where))


async def ended(project: Path, home: Path, memory: SharedMemory, task: str) -> RunResult:
    runner = Runner(RunStore(home), load_settings(project), memory=memory)
    request = RunRequest(run_id="r", task=task, workspace=str(project), created=now())
    return await runner.start(request)


@pytest.mark.parametrize("name", ["decimal", "fractions"])
async def test_what_the_file_of_the_task_imports_decides_which_rule_comes_first(
    memory: SharedMemory, project: Path, home: Path, script: Script, demo: Demo, name: str
) -> None:
    cart = project / "shop" / "cart.py"
    cart.write_text(demo.cart.replace("\n\n\ndef", f"\n\nimport {name}\n\n\ndef", 1))
    short = note("Sum of values: decimal")
    long = note(
        "Greater values and lesser ones that any customer may put into a shop cart are kept, as "
        "long as the shop is open and the customer is there, as fractions"
    )
    await knows(memory, short, long)
    script(planner=[REFUSAL + demo.tags])
    result = await ended(project, home, memory, demo.task)
    first, second = result.recalled
    assert name in first.text
    assert "dependency +5%" in first.why and "dependency" not in second.why
    assert first.score > second.score > 0


@pytest.mark.parametrize("at_hand", ["file", "error"])
async def test_a_role_that_asks_the_memory_is_answered_by_what_is_at_hand(
    memory: SharedMemory,
    project: Path,
    home: Path,
    script: Script,
    demo: Demo,
    monkeypatch: pytest.MonkeyPatch,
    at_hand: str,
) -> None:
    monkeypatch.setenv("MCP_LOCAL_LLM_LIMITS__TEST_ATTEMPTS", "2")
    short = note(
        "Sum of values: a check which passes", "shop/cart.py:4" if at_hand == "file" else ""
    )
    long = note(
        "Greater values and lesser ones which any customer may put into a shop cart are kept, as "
        "long as the shop is open and the customer is there, as one sum"
    )
    await knows(memory, short, long)
    ask = f'<tool:memory.recall query="{QUERY}"/>\n'
    passing = demo.new_test.replace("total_above([3, 6, 9])", "total([6, 9])").replace(
        "import total_above", "import total"
    )
    script(tester=[ask + passing, ask + passing.replace("6", "7")])
    result = await ended(project, home, memory, demo.task)
    said = [
        answer.text.splitlines()
        for step in result.steps
        for exchange in step.exchanges
        for answer in exchange.results
        if answer.call == "memory.recall"
    ]
    before, after = [lines[0].removeprefix("- ") for lines in said]
    # The error is there from the second attempt on: that its test passes before the change.
    assert before == (short.text if at_hand == "file" else long.text)
    assert after == short.text
