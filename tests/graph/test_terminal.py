"""Reviews on a real (pseudo) terminal: approve, edit in $EDITOR, reject, and walking away."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from graph import background
from graph.runs import RunStore
from tests import terminal

if TYPE_CHECKING:
    from tests.graph.conftest import Demo, Script

ROOT = Path(__file__).resolve().parents[2]
LAUNCH = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); sys.argv[0] = 'graph-run';"
    "from mcp_local_llm import graph_run; raise SystemExit(graph_run())"
)
LIMIT_S = 150.0


def converse(cwd: Path, answers: list[bytes], *args: str) -> tuple[int, str]:
    """Run graph-run on a terminal of its own and give an answer at each question."""
    asked = 0

    def answer(heard: bytes) -> bytes:
        nonlocal asked
        if not answers or heard.count(b"? ") + heard.count(b"reason: ") <= asked:
            return b""
        asked += 1
        return answers.pop(0)

    return terminal.converse([sys.executable, "-c", LAUNCH, str(ROOT), *args], cwd, answer, LIMIT_S)


@pytest.mark.slow
def test_a_person_edits_the_plan_and_rejects_the_patch(
    project: Path,
    home: Path,
    script: Script,
    tmp_path: Path,
    demo: Demo,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script(tester=[demo.new_test.replace("test_total_above", "test_mine")])
    editor = tmp_path / "editor.sh"
    editor.write_text('#!/bin/sh\nsed -i.bak s/test_total_above/test_mine/ "$1"\n')
    editor.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(editor))
    monkeypatch.delenv("VISUAL", raising=False)
    answers = [b"?\n", b"e\n", b"r\n", b"not like this\n"]
    code, said = converse(project, answers, demo.task, "--review", "plan,patch")
    assert code == 1, said
    result = RunStore(home).result(RunStore(home).run_ids()[0])
    assert result is not None
    assert result.status == "rejected"
    assert "not like this" in result.reason
    assert result.plan is not None and result.plan.test == "tests/test_mine.py"
    assert "implementer" in said


@pytest.mark.slow
def test_the_end_of_input_leaves_the_run_waiting(
    project: Path, home: Path, script: Script, demo: Demo
) -> None:
    script()
    code, said = converse(project, [b"\x04"], demo.task, "--review", "plan")
    assert code == 0, said
    assert RunStore(home).phase(RunStore(home).run_ids()[0]) == "waiting"
    assert "graph-run resume" in said


@pytest.mark.slow
def test_a_run_that_is_stopped_at_a_question_ends_at_once_and_asks_again_later(
    project: Path, home: Path, script: Script, demo: Demo
) -> None:
    script()
    code, said = converse(project, [b"\x03"], demo.task, "--review", "plan")
    assert code == 130, said
    run_id = RunStore(home).run_ids()[0]
    assert RunStore(home).phase(run_id) == "interrupted"
    assert f"go on with: graph-run resume {run_id}" in said
    assert "Fatal" not in said and "Traceback" not in said

    stopped: list[bool] = []

    def cancel(heard: bytes) -> bytes:
        if b"? " in heard and not stopped:
            stopped.append(background.stop(RunStore(home), run_id))
        return b""

    argv = [sys.executable, "-c", LAUNCH, str(ROOT), "resume", run_id]
    code, said = terminal.converse(argv, project, cancel, LIMIT_S)
    assert (code, stopped) == (130, [True]), said
    assert "go on with" in said
    code, said = converse(project, [b"r\n", b"no\n"], "resume", run_id)
    assert code == 1, said
    assert "rejected" in said
