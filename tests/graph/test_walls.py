"""Contracts within a run: what roles see, what is refused, and how a user lets a run go on."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agents.brief import render_brief
from agents.protection import Protection
from agents.shared_memory import SharedMemory
from graph.nodes import Nodes
from graph.progress import PlainLines
from graph.review import TerminalReview, approve_all
from graph.runner import Runner
from graph.runs import RunRequest, RunStore, now
from graph.settings import load_settings
from graph.state import LIFT, RunState
from graph.workshop import Workshop
from memory.project import project_id
from memory.records import Kind, Level, PreservationTag, Where

if TYPE_CHECKING:
    from tests.graph.conftest import Demo, Run, Script

pytestmark = pytest.mark.slow

STRICT = (
    '[[contract]]\nid = "cart"\nregion = "shop/cart.py"\nlevel = "strict"\nreason = "audited"\n'
)


def protect(project: Path, demo: Demo, text: str = STRICT) -> None:
    (project / ".mcp-local-llm").mkdir(exist_ok=True)
    (project / ".mcp-local-llm" / "preserve.toml").write_text(text)
    demo.git(project, "add", "--all")
    demo.git(project, "commit", "--quiet", "--message=protect")


def lift(project: Path, home: Path, run_id: str) -> None:
    """Do what the user's `unprotect --run` does once it is confirmed."""
    with SharedMemory(home, project_id(project)) as memory:
        protection = asyncio.run(Protection.open(project, memory))
        request = protection.lifting(protection.held("cart"), "", run_id)
        protection.carry_out(request, "terminal")


def test_a_protected_file_is_not_changed_and_the_run_says_how_to_allow_it(
    run: Run, script: Script, project: Path, home: Path, demo: Demo
) -> None:
    protect(project, demo)
    script(implementer=[demo.code] * 12)
    ended = run(demo.task, "--yes", "--json")
    result = ended.result
    run_id = result["run_id"]
    assert (ended.code, result["status"], result["waiting_for"]) == (1, "failed", LIFT)
    assert f"mcp-local-llm unprotect cart --run {run_id}" in result["reason"]
    assert "strict shop/cart.py (audited)" in result["reason"]
    assert (project / "shop/cart.py").read_text() == demo.cart
    refused = [
        one for step in result["steps"] for e in step["exchanges"] for one in e["results"]
        if one["contracts"] == ["cart"]
    ]  # fmt: skip
    assert "contract 'cart' is strict" in refused[0]["text"]

    option = run("resume", run_id, "--approve")
    assert (option.code, "not lifted by an option" in option.err) == (2, True)
    assert run("resume", run_id, "--yes", "--json").result["waiting_for"] == LIFT

    lift(project, home, run_id)
    again = run("resume", run_id, "--json").result
    assert again["status"] == "delivered"
    assert "the user lifted cart" in again["notes"]
    assert run("apply", run_id).code == 0
    assert "total_above" in (project / "shop/cart.py").read_text()


def test_a_planner_that_refuses_for_a_contract_may_plan_again_once_it_is_lifted(
    run: Run, script: Script, project: Path, home: Path, demo: Demo
) -> None:
    protect(project, demo)
    refusal = f"<plan>\ngoal: none\nrefuse: shop/cart.py is strict\n</plan>\n{demo.tags}"
    script(planner=[refusal])
    result = run(demo.task, "--json").result
    assert (result["status"], result["waiting_for"]) == ("refused", LIFT)
    lift(project, home, result["run_id"])
    script()
    assert run("resume", result["run_id"], "--json").result["status"] == "delivered"


def test_a_refused_lift_ends_the_run_as_it_was(
    run: Run, script: Script, project: Path, demo: Demo
) -> None:
    protect(project, demo)
    script(implementer=[demo.code] * 12)
    run_id = run(demo.task, "--json").result["run_id"]
    ended = run("resume", run_id, "--reject", "no", "--json").result
    assert (ended["status"], ended["waiting_for"]) == ("failed", "")
    assert "still red" in ended["reason"]


async def test_a_person_on_a_terminal_lifts_and_it_is_journalled(
    script: Script, project: Path, home: Path, demo: Demo
) -> None:
    protect(project, demo)
    script(implementer=[demo.code] * 12)
    said, answers = io.StringIO(), io.StringIO("e\na\n")
    ask = TerminalReview(PlainLines(said), said, answers)
    runner = Runner(RunStore(home), load_settings(project, {}), ask=ask)
    request = RunRequest(run_id="r1", task=demo.task, workspace=str(project), created=now())
    result = await runner.start(request)
    assert result.status == "delivered"
    assert "lift: [a]pprove, [r]eject?" in said.getvalue()
    with SharedMemory(home, project_id(project)) as memory:
        kept = memory.journal.live(Where(project=memory.project, kinds=(Kind.PRESERVATION,)))
        told = [stored.item.text for stored in kept]
    assert any("cart may be broken by the run r1" in text for text in told)


def test_yes_answers_reviews_and_never_a_lift() -> None:
    assert approve_all("plan", "", "") is not None
    assert approve_all(LIFT, "", "") is None


def test_a_flexible_region_needs_its_own_tests_even_if_they_failed_before(
    run: Run, script: Script, project: Path, demo: Demo
) -> None:
    (project / "tests" / "test_broken.py").write_text("def test_it():\n    assert False\n")
    protect(
        project,
        demo,
        '[[contract]]\nid = "cart"\nregion = "shop/cart.py"\nlevel = "flexible"\n'
        'tests = ["tests/test_broken.py"]\n',
    )
    script(implementer=[demo.code] * 12)
    result = run(demo.task, "--json").result
    assert result["status"] == "failed"
    assert result["tests"]["failed"] == 1
    assert "assert False" in json.dumps(result["tests"])


def test_a_contract_added_after_the_run_keeps_it_from_being_applied(
    run: Run, script: Script, project: Path, demo: Demo
) -> None:
    script()
    run_id = run(demo.task, "--json").result["run_id"]
    protect(project, demo)
    refused = run("apply", run_id)
    assert (refused.code, "breaks contracts" in refused.err) == (2, True)
    assert (project / "shop/cart.py").read_text() == demo.cart


async def test_the_brief_names_what_is_protected_in_the_files_it_shows(
    script: Script, project: Path, home: Path, demo: Demo
) -> None:
    elsewhere = '[[contract]]\nregion = "docs/**"\nlevel = "strict"\n'
    protect(project, demo, STRICT + elsewhere)
    script()
    shop = Workshop(load_settings(project, {}), RunStore(home))
    state: RunState = {"run_id": "r2", "task": demo.task, "workspace": str(project)}
    prepared = await Nodes(shop).prepare(state)
    assert [str(tag) for tag in prepared["brief"].protected] == [
        str(PreservationTag(region="shop/cart.py", level=Level.STRICT))
    ]
    assert "strict: shop/cart.py" in render_brief(prepared["brief"], "compact")
