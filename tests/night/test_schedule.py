"""The timer: what it is written as, and that it goes without a trace."""

from __future__ import annotations

import json
import os
import plistlib
import stat
from pathlib import Path

import pytest

from graph.night.schedule import (
    Timer,
    cron_text,
    launchd_text,
    service_text,
    with_block,
    without_block,
)
from graph.schedule_cli import main

TIMER = Timer(
    ("/opt/my app/bin/mcp-local-llm", "nightly"), {"MCP_LOCAL_LLM_HOME": "/h/a 50%"}, Path("/h/log")
)


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home folder of our own, and a state folder in it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MCP_LOCAL_LLM_HOME", str(tmp_path / "state"))
    return tmp_path


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_launchd_is_told_command_environment_and_interval() -> None:
    content = plistlib.loads(launchd_text(TIMER).encode())
    assert content["ProgramArguments"] == ["/opt/my app/bin/mcp-local-llm", "nightly"]
    assert content["EnvironmentVariables"] == {"MCP_LOCAL_LLM_HOME": "/h/a 50%"}
    assert content["StartInterval"] == 900


def test_systemd_words_are_quoted_and_percent_is_doubled() -> None:
    text = service_text(TIMER)
    assert 'ExecStart="/opt/my app/bin/mcp-local-llm" "nightly"' in text
    assert 'Environment="MCP_LOCAL_LLM_HOME=/h/a 50%%"' in text


def test_a_crontab_line_is_one_line_with_its_percent_escaped() -> None:
    lines = cron_text(TIMER).splitlines()
    assert len(lines) == 3
    assert r"50\%" in lines[1]
    assert lines[1].startswith("*/15 * * * * ")


@pytest.mark.parametrize("before", ["", "0 1 * * * mine\n", "0 1 * * * mine"])
def test_a_crontab_is_as_it_was_after_the_block_is_gone(before: str) -> None:
    block = cron_text(TIMER)
    once = with_block(before, block)
    assert with_block(once, block) == once
    assert without_block(once).rstrip("\n") == before.rstrip("\n")


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        ("launchd", {"Library/LaunchAgents/mcp-local-llm.nightly.plist"}),
        (
            "systemd",
            {
                ".config/systemd/user/mcp-local-llm-nightly.service",
                ".config/systemd/user/mcp-local-llm-nightly.timer",
            },
        ),
    ],
)
def test_files_are_written_shown_and_removed(
    user: Path, kind: str, files: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", "--kind", kind]) == 0
    assert "not installed" in capsys.readouterr().out
    assert files_below(user) == set()
    assert main(["install", "--kind", kind]) == 0
    shown = capsys.readouterr().out
    assert files_below(user) == files
    for name in files:
        assert (user / name).read_text("utf-8") in shown
        assert str(user / "state") in (user / next(iter(sorted(files)))).read_text("utf-8")
    stamps = {name: (user / name).stat().st_mtime_ns for name in files}
    assert main(["install", "--kind", kind]) == 0
    assert {name: (user / name).stat().st_mtime_ns for name in files} == stamps
    capsys.readouterr()
    assert main(["show", "--kind", kind, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["installed"] is True
    assert main(["remove", "--kind", kind]) == 0
    assert files_below(user) == set()
    capsys.readouterr()
    assert main(["remove", "--kind", kind]) == 0
    assert "nothing was installed" in capsys.readouterr().out


CRONTAB = """#!/bin/sh
case "$1" in
-l) if [ -f "$HOME/tab" ]; then cat "$HOME/tab"; else echo "no crontab for me" >&2; exit 1; fi ;;
-) if [ -e "$HOME/full" ]; then echo "disk full" >&2; exit 1; fi; cat > "$HOME/tab" ;;
esac
"""


@pytest.fixture
def crontab(user: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A crontab program that keeps its table in the home folder; returns the table's path."""
    program = user / "bin" / "crontab"
    program.parent.mkdir()
    program.write_text(CRONTAB)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return user / "tab"


def test_the_crontab_keeps_the_lines_of_the_user(
    crontab: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crontab.write_text("0 1 * * * mine\n")
    assert main(["install", "--kind", "cron"]) == 0
    installed = crontab.read_text()
    assert installed.startswith("0 1 * * * mine\n# >>>")
    assert main(["install", "--kind", "cron"]) == 0
    assert crontab.read_text() == installed
    capsys.readouterr()
    assert main(["show", "--kind", "cron", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["installed"] is True
    assert main(["remove", "--kind", "cron"]) == 0
    assert crontab.read_text() == "0 1 * * * mine\n"


def test_a_crontab_that_cannot_be_written_is_told_with_what_to_do(
    crontab: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (crontab.parent / "full").touch()
    assert main(["install", "--kind", "cron"]) == 3
    said = capsys.readouterr().err
    assert "disk full" in said
    assert "crontab -e" in said
    assert not crontab.exists()


def test_without_a_crontab_another_way_is_named(
    user: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(user))
    assert main(["install", "--kind", "cron"]) == 2
    assert "no crontab here" in capsys.readouterr().err
