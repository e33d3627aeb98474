"""The command ``mcp-local-llm index``."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from graph.bench_index import measured
from graph.index_cli import follow, main, progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MCP_LOCAL_LLM_HOME", str(tmp_path / "home"))
    root = tmp_path / "project"
    root.mkdir()
    for number in range(5):
        (root / f"data{number}.csv").write_text("1\n")
    (root / "cart.py").write_text("def total(): ...\n")
    return root


def test_a_folder_is_indexed_and_what_was_left_out_is_named(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(project)]) == 0
    said = capsys.readouterr().out
    assert "1 new, 0 changed" in said and "data2.csv and 2 more" in said
    assert main([str(project), "--skipped"]) == 0
    assert "data4.csv" in capsys.readouterr().out


def test_json_is_one_object(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(project), "--json"], applied=lambda: 1_000) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["new"] == 1 and len(found["skipped"]["data"]) == 5


def test_a_wrong_folder_is_wrong_input(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(project / "missing")]) == 2
    assert "missing" in capsys.readouterr().err


def test_the_index_is_followed_until_it_has_caught_up() -> None:
    steps = iter([3, 5, 5, 9])
    assert follow(lambda: next(steps), 9, io.StringIO())
    assert not follow(lambda: None, 9, io.StringIO())
    gone = iter([3, None])
    assert not follow(lambda: next(gone), 9, io.StringIO())


def test_a_terminal_gets_a_bar() -> None:
    terminal = Terminal()
    with progress("reading files", terminal) as tell:
        tell(1, 2)
        tell(2, 2)
    assert "reading files" in terminal.getvalue()


def test_the_figures_are_measured_on_a_generated_repository() -> None:
    rows = measured(files=6)
    assert [row.name for row in rows] == [
        "index 6 files, unchanged",
        "index 6 files, one changed",
        "index 6 files, all new",
    ]
