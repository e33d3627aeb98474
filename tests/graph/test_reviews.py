"""A person decides: approve, edit or reject, on the spot or later."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from graph.progress import PlainLines
from graph.review import TerminalReview, approve_all
from graph.state import Decision
from mcp_local_llm import UsageError

if TYPE_CHECKING:
    from tests.graph.conftest import Demo, Run, Script


def test_a_plan_waits_is_edited_and_the_run_follows_the_edit(
    run: Run, script: Script, tmp_path: Path, demo: Demo
) -> None:
    script(tester=[demo.new_test.replace("test_total_above.py", "test_edited.py")])
    waiting = run(demo.task, "--review", "plan", "--json")
    assert waiting.code == 0
    assert (waiting.result["status"], waiting.result["waiting_for"]) == ("waiting", "plan")
    run_id = waiting.result["run_id"]
    assert run("resume", run_id, "--json").result["status"] == "waiting"

    edited = tmp_path / "plan.txt"
    edited.write_text("<plan>\ngoal: without steps\n</plan>")
    refused = run("resume", run_id, "--edit", str(edited), "--json").result
    assert (refused["status"], "at least one step" in refused["reason"]) == ("waiting", True)

    plan = demo.plan.replace("test_total_above.py", "test_edited.py")
    edited.write_text(plan)
    result = run("resume", run_id, "--edit", str(edited), "--json").result
    assert result["status"] == "delivered"
    assert result["plan"]["test"] == "tests/test_edited.py"
    (correction,) = result["corrections"]
    assert correction["where"] == "plan"
    assert "test_total_above" in correction["original"]
    assert "test_edited" in correction["corrected"]


def test_a_patch_is_edited_and_what_the_user_wrote_is_delivered(
    run: Run, script: Script, tmp_path: Path, demo: Demo
) -> None:
    script()
    waiting = run(demo.task, "--review", "patch", "--json").result
    run_id, patch = waiting["run_id"], waiting["diff"]
    assert waiting["waiting_for"] == "patch"
    edited = tmp_path / "edited.diff"

    edited.write_text("no patch at all\n")
    problem = run("resume", run_id, "--edit", str(edited), "--json").result["reason"]
    assert "does not apply" in problem
    edited.write_text(patch.replace("if v > 5", "if v > 50"))
    problem = run("resume", run_id, "--edit", str(edited), "--json").result["reason"]
    assert "the tests are red" in problem

    edited.write_text(
        patch.replace("sum(v for v in values if v > 5)", "sum(v for v in values if 5 < v)")
    )
    result = run("resume", run_id, "--edit", str(edited), "--json").result
    assert result["status"] == "delivered"
    assert "if 5 < v" in result["diff"]
    assert result["corrections"][0]["where"] == "patch"
    page = Path(result["report"]).read_text()
    assert "Your corrections" in page


def test_a_rejected_patch_ends_the_run_with_the_reason(
    run: Run, script: Script, demo: Demo
) -> None:
    script(refactorer=[demo.tags], doc_writer=[demo.tags])
    waiting = run(demo.task, "--review", "plan,patch", "--json").result
    approved = run("resume", waiting["run_id"], "--approve")
    assert "graph-run resume" in approved.out
    ended = run("resume", waiting["run_id"], "--reject", "wrong place", "--json")
    assert ended.code == 1
    assert ended.result["status"] == "rejected"
    assert ended.result["reason"] == "the patch was rejected: wrong place"
    assert ended.result["branch"] == ""
    assert "+def total_above" in ended.result["diff"]


def test_an_edited_text_that_cannot_be_read_is_a_usage_error(
    run: Run, script: Script, tmp_path: Path, demo: Demo
) -> None:
    script()
    run_id = run(demo.task, "--review", "plan", "--json").result["run_id"]
    missing = run("resume", run_id, "--edit", str(tmp_path / "none.txt"))
    assert (missing.code, "none.txt" in missing.err) == (2, True)
    assert run("resume", run_id, "--approve", "--reject", "x").code == 2
    assert run("resume", run_id, "--reject", "not now", "--json").result["status"] == "rejected"


def test_a_terminal_asks_until_there_is_a_clear_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    said = io.StringIO()
    heard = io.StringIO("what?\na\nr\ntoo long\n")
    review = TerminalReview(PlainLines(said), said, heard)
    assert review("plan", "the plan", "") == Decision(decision="approve")
    assert review("patch", "+x", "it is red") == Decision(decision="reject", text="too long")
    assert review("patch", "+x", "") is None
    assert said.getvalue().count("plan: [a]pprove") == 2
    assert "it is red" in said.getvalue()


def test_the_users_editor_changes_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    editor = tmp_path / "editor.sh"
    editor.write_text('#!/bin/sh\nprintf edited > "$1"\n')
    editor.chmod(0o755)
    review = TerminalReview(PlainLines(io.StringIO()), io.StringIO(), io.StringIO("e\n" * 3))
    monkeypatch.setenv("VISUAL", str(editor))
    assert review("patch", "+x", "") == Decision(decision="edit", text="edited")
    monkeypatch.setenv("VISUAL", "false")
    with pytest.raises(UsageError, match="ended with 1"):
        review("plan", "x", "")
    monkeypatch.setenv("VISUAL", "/no/editor")
    with pytest.raises(UsageError, match="Set EDITOR"):
        review("plan", "x", "")


def test_yes_approves_once_and_leaves_a_problem_to_the_user() -> None:
    assert approve_all("plan", "x", "") == Decision(decision="approve")
    assert approve_all("plan", "x", "does not apply") is None
