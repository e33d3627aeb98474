"""The demo command: a fresh repository each time, and nothing of the user's replaced."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from graph.demo import main, make_repository
from mcp_local_llm import UsageError


def committed(folder: Path) -> str:
    done = subprocess.run(
        ["git", "status", "--porcelain"], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout


def test_the_demo_repository_is_made_anew_each_time(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    make_repository(folder)
    (folder / "bakery" / "invoice.py").write_text("changed", "utf-8")
    assert make_repository(folder) == folder.resolve()
    assert "def refund_total" in (folder / "bakery" / "invoice.py").read_text("utf-8")
    assert "bakery/invoice.py" not in committed(folder)


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", "utf-8")
    with pytest.raises(UsageError, match="--dir"):
        make_repository(tmp_path)
    assert main(["--dir", str(tmp_path)]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("", "utf-8")
    with pytest.raises(UsageError, match="cannot make"):
        make_repository(blocked / "below")


def test_a_wrong_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--nonsense"]) == 2
    assert "usage" in capsys.readouterr().err
