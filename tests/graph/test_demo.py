"""The demo command: a fresh repository each time, and nothing of the user's replaced."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from graph.demo import main, make_repository
from mcp_local_llm import UsageError

INVOICE = Path(__file__).resolve().parents[2] / "graph" / "demo_repo" / "bakery" / "invoice.py"


def git(folder: Path, *args: str) -> str:
    done = subprocess.run(["git", *args], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


def test_the_demo_repository_holds_its_files_in_one_commit(tmp_path: Path) -> None:
    folder = make_repository(tmp_path / "deep" / "demo")
    assert git(folder, "log", "--format=%s").splitlines() == ["Demo project"]
    assert git(folder, "status", "--porcelain") == ""
    listed = git(folder, "ls-files").splitlines()
    assert listed == [
        "README.md", "bakery/__init__.py", "bakery/invoice.py", "tests/test_invoice.py",
    ]  # fmt: skip
    assert git(folder, "show", "HEAD:bakery/invoice.py") == INVOICE.read_text("utf-8")


def test_the_demo_repository_is_made_anew_each_time(tmp_path: Path) -> None:
    folder = make_repository(tmp_path / "demo")
    (folder / "bakery" / "invoice.py").write_text("changed", "utf-8")
    (folder / "leftover.txt").write_text("", "utf-8")
    assert make_repository(tmp_path / "demo") == folder
    assert (folder / "bakery" / "invoice.py").read_bytes() == INVOICE.read_bytes()
    assert not (folder / "leftover.txt").exists()
    assert git(folder, "rev-list", "--count", "--all").strip() == "1"


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
