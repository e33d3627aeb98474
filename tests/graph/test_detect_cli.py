"""The command `detect`: JSON lines in, JSON lines out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from graph.detect_cli import main

CLI = [str(Path(sys.executable).parent / "mcp-local-llm"), "detect", "--words-only"]


def test_every_line_gets_one_answer_in_order() -> None:
    lines = [
        {"prev_assistant": "Done.", "text": "no, that's wrong, use a set and not a list"},
        {"text": "thanks!", "whatever": 1},
        {"prev_assistant": None, "prev_assistant_tail": "Shall I?", "text": "\ud800 yes"},
    ]
    given = "\n\n".join(map(json.dumps, lines)).encode()
    done = subprocess.run(CLI, input=given, capture_output=True, timeout=60, check=True)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["label"] for one in found] == ["correction", "approval", "approval"]
    assert found[0]["rule"] and found[0]["polarity"] == "negative"
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b"oops", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[1]", "no JSON object"),
        (b'{"prev_assistant": "x"}', '"text"'),
        (b'{"text": 3}', '"text"'),
        (b'{"text": "x", "prev_assistant": [1]}', "'prev_assistant' is no string"),
    ],
)
def test_a_wrong_line_is_named_by_its_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: bytes, what: str
) -> None:
    file = tmp_path / "turns.jsonl"
    file.write_bytes(b'{"text": "thanks!"}\n' + line + b'\n{"text": "never read"}\n')
    assert main(["--words-only", str(file)]) == 2
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 1
    assert "line 2" in said.err and what in said.err


def test_a_missing_file_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--words-only", str(tmp_path / "none.jsonl")]) == 2
    assert "none.jsonl" in capsys.readouterr().err


def test_a_file_may_be_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.jsonl").touch()
    assert main(["--words-only", str(tmp_path / "empty.jsonl")]) == 0
    assert capsys.readouterr().out == ""


def test_a_model_elsewhere_is_not_asked_and_a_line_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCP_LOCAL_LLM_MODEL__BASE_URL", "https://models.example/v1")
    monkeypatch.setenv("MCP_LOCAL_LLM_MODEL__MODEL", "some-model")
    monkeypatch.setenv("MCP_LOCAL_LLM_MODEL__PROFILE", "remote")
    (tmp_path / "turns.jsonl").write_text('{"text": "thanks!"}\n')
    assert main(["--words-only", "--second-opinion", str(tmp_path / "turns.jsonl")]) == 0
    said = capsys.readouterr()
    assert "another machine" in said.err
    assert json.loads(said.out)["label"] == "approval"
