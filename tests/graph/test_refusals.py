"""What roles are refused, in the violations log: by which rule, what, why, and once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from agents.loop import Exchange, RoleOutcome
from agents.reply import Tags
from graph.refusals import log_refusals, refusals
from memory.policy_store import PolicyStore
from tools.context import ToolResult

TOKEN = "ghp_" + "a1B2" * 9


@pytest.fixture
def store(tmp_path: Path) -> PolicyStore:
    return PolicyStore(tmp_path / "home", "0" * 16, tmp_path)


def turn(role: str, *results: ToolResult) -> RoleOutcome:
    exchange = Exchange(
        prompt_tokens=1, cached_tokens=0, completion_tokens=1, duration_s=0.1, first_token_s=0.1,
        results=results,
    )  # fmt: skip
    tags = Tags(prompt="compact")
    return RoleOutcome(role=role, status="done", talk=(), exchanges=(exchange, exchange), tags=tags)


def refused(call: str, text: str = "no", **more: object) -> ToolResult:
    return ToolResult.model_validate({"call": call, "ok": False, "text": text, **more})


@pytest.mark.parametrize(
    ("role", "result", "rule"),
    [
        ("planner", refused("fs.write", terminal=True), "CREW-1"),
        ("planner", refused("fs.read", terminal=True), "CREW-4"),
        ("implementer", refused("cmd.run", terminal=True), "CREW-1"),
        ("implementer", refused("fs.edit", terminal=True, contracts=("c1",)), "PROT-1"),
        ("implementer", refused("fs.edit", "undone: tests/a.py: tests stay"), "CREW-2"),
        ("tester", refused("fs.write", "undone: a.py: test files only"), "CREW-1"),
        ("doc_writer", refused("fs.edit", "undone: a.py: code changed"), "CREW-5"),
    ],
)
def test_each_refusal_breaks_a_rule_that_is_in_force(
    store: PolicyStore, role: str, result: ToolResult, rule: str
) -> None:
    [found] = refusals(role, turn(role, result), {}, ())
    assert (found.rule, found.what, found.why) == (rule, result.call, result.text)
    assert store.rule(rule).severity == "error"


def test_slips_are_no_refusals_and_what_succeeds_is_none() -> None:
    fine = ToolResult(call="fs.read", ok=True, text="undone: 3 of 4")
    assert refusals("tester", turn("tester", refused("fs.edit"), fine), {}, ()) == ()


def test_a_turn_is_logged_once_in_bounds_and_without_secrets(store: PolicyStore) -> None:
    many = [refused("fs.read", f"{n} {TOKEN} " + "x" * 9_000, terminal=True) for n in range(50)]
    found = refusals("tester", turn("tester", *many), {"../key": "it lies outside"}, ())
    assert len(found) == 20
    for run in ("a", "a", "b"):
        log_refusals(store, f"tester, run {run}", found)
    logged = store.violations()
    assert [one.by for one in logged] == ["tester, run b"] * 20 + ["tester, run a"] * 20
    assert all(TOKEN not in one.why and len(one.why) <= 500 for one in logged)


def test_a_log_that_cannot_be_used_ends_no_run(store: PolicyStore) -> None:
    store.home.write_text("in the way")
    found: Sequence[object] = refusals("planner", turn("planner"), {"a.py": "no files"}, ())
    assert len(found) == 1
    with capture_logs() as logs:
        log_refusals(store, "planner, run a", refusals("planner", turn("planner"), {"a": "no"}, ()))
    assert [entry["event"] for entry in logs] == ["refusals.not_logged"]
