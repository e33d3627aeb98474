"""What people see: progress, report, doctor."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from agents.loop import Exchange
from graph.doctor import main as doctor
from graph.progress import LiveTable, PlainLines, open_display
from graph.report import render_report, time_bars
from graph.runs import RunResult
from graph.state import Step, TestState
from memory.records import ContextWindow, ReplyTags
from tools.context import ToolResult


def step(role: str = "tester", duration_s: float = 2.0) -> Step:
    refused = ToolResult(call="fs.write", ok=False, text="<b>no</b>")
    exchange = Exchange(
        prompt_tokens=100,
        cached_tokens=80,
        completion_tokens=20,
        duration_s=1.0,
        first_token_s=0.1,
        results=(refused,),
    )
    return Step(
        role=role,
        attempt=1,
        status="done",
        duration_s=duration_s,
        started_s=0.0,
        exchanges=(exchange,),
        window=ContextWindow(prompt_id="compact-1"),
        tags=ReplyTags(markers=("concept:list",)),
    )


def result(**fields: object) -> RunResult:
    basics: dict[str, object] = {
        "run_id": "r",
        "status": "failed",
        "task": "<script>alert(1)</script>",
        "workspace": "/w",
    }
    return RunResult.model_validate(basics | fields)


def test_plain_lines_tell_each_turn_with_its_cost() -> None:
    stream = io.StringIO()
    with open_display(stream) as display:
        display.node_started("plan")
        display.node_started("review_plan")
        display.token("x")
        display.pause()
        display.step_ended(step())
    assert isinstance(display, PlainLines)
    assert stream.getvalue().splitlines() == [
        "… planner",
        "  tester: done in 2.0 s, 100 prompt (80 cached) + 20 tokens, 20 tokens/s",
    ]


def test_the_live_table_shows_turns_and_the_one_in_progress() -> None:
    stream = io.StringIO()
    with LiveTable(stream) as display:
        display.node_started("write_test")
        display.token("x")
        display.step_ended(step())
        display.node_started("implement")
        display.token("x")
        picture = io.StringIO()
        Console(file=picture, width=120).print(display.renderable())
        display.pause()
    shown = picture.getvalue()
    assert "tester" in shown and "100" in shown and "80" in shown
    assert "implementer" in shown
    assert "tester" in stream.getvalue()


def test_a_table_without_a_turn_has_no_headings() -> None:
    picture = io.StringIO()
    display = LiveTable(io.StringIO())
    Console(file=picture, width=120).print(display.renderable())
    assert "prompt" not in picture.getvalue()
    display.step_ended(step("doc_writer"))
    Console(file=picture, width=120).print(display.renderable())
    heading, row = picture.getvalue().split("\n")[-3:-1]
    assert heading.split() == ["role", "time", "prompt", "cached", "tokens", "tokens/s"]
    assert row.split() == ["doc", "writer", "done", "2.0", "s", "100", "80", "20", "20"]


def test_the_report_escapes_everything_and_shows_refusals() -> None:
    page = render_report(
        result(
            steps=(step(),),
            notes=("a note",),
            diff="new file mode 100644\n+++ b/a.py\n@@ -1 +1 @@\n-x\n+y\n z",
            tests=TestState(output="E  assert 0 < 1", sandbox="none", failed=1),
        )
    )
    assert "<script>" not in page
    assert "&lt;b&gt;no&lt;/b&gt;" in page
    assert 'class="add">+y<' in page
    assert 'class="head">new file mode 100644<' in page
    assert "WITHOUT a sandbox" in page
    assert "a note" in page
    assert "assert 0 &lt; 1" in page


def test_a_report_of_nothing_is_still_a_page() -> None:
    page = render_report(result())
    assert "No file was changed." in page
    assert "<svg" not in page


def test_time_bars_fill_the_width_and_split_off_the_model() -> None:
    bars = time_bars(result(steps=(step("tester", 1.0), step("implementer", 3.0))))
    assert [bar.role for bar in bars] == ["tester", "implementer"]
    assert bars[0].width * 3 == pytest.approx(bars[1].width)
    assert bars[0].model_width == bars[0].width
    assert bars[1].model_width * 3 == pytest.approx(bars[1].width)
    assert time_bars(result(steps=(step("tester", 0.0),)))[0].width == 0


def test_the_doctor_names_what_is_missing_and_its_mend(
    tmp_path: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MCP_LOCAL_LLM_MODEL__PROFILE", "local")
    monkeypatch.setenv("MCP_LOCAL_LLM_MODEL__MODEL_PATH", str(tmp_path / "no-model"))
    assert doctor(["--workspace", str(tmp_path), "--json"]) == 3
    findings = {f["name"]: f for f in json.loads(capsys.readouterr().out)["findings"]}
    assert findings["git"]["found"] == shutil.which("git")
    assert findings["repository"]["state"] == "warning"
    assert findings["test python"]["state"] == "ok"
    assert findings["model"]["state"] == "missing"
    assert all(f["mend"] for f in findings.values() if f["state"] != "ok")
    monkeypatch.setenv("MCP_LOCAL_LLM_MODEL__PROFILE", "nonsense")
    assert doctor(["--workspace", str(tmp_path / "gone"), "--json"]) == 3
    findings = {f["name"]: f for f in json.loads(capsys.readouterr().out)["findings"]}
    assert "no folder" in findings["repository"]["found"]
    assert findings["model"]["mend"] == "mend the settings"
    monkeypatch.setenv("MCP_LOCAL_LLM_COMMAND__PYTHON", "/no/python")
    assert doctor(["--workspace", str(tmp_path)]) == 3
    assert "missing  test python" in capsys.readouterr().out


def test_the_doctor_is_content_with_a_whole_setup(
    project: Path,
    home: Path,
    random_checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MCP_LOCAL_LLM_MODEL__PROFILE", "local")
    monkeypatch.setenv("MCP_LOCAL_LLM_MODEL__MODEL_PATH", str(random_checkpoint))
    assert doctor(["--workspace", str(project)]) == 0
    assert "ok       model: local" in capsys.readouterr().out
