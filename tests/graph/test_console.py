"""The one door of the commands: what fails is told in a line, with an exit code."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from graph.console import run_command


def command(path: Path, *argv: str) -> int:
    parser = argparse.ArgumentParser(prog="mcp-local-llm read")
    parser.add_argument("--json", action="store_true")
    return run_command(parser, argv, lambda _: len(path.read_text("utf-8")))


def test_what_the_system_refuses_is_told_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "missing"
    assert command(missing) == 3
    assert capsys.readouterr().err.startswith("mcp-local-llm read: the system refused")
    assert command(missing, "--json") == 3
    assert json.loads(capsys.readouterr().out)["exit_code"] == 3


def test_a_reader_that_has_gone_is_no_error(tmp_path: Path) -> None:
    script = (
        "import argparse, sys\n"
        "from graph.console import run_command\n"
        "parser = argparse.ArgumentParser()\n"
        "parser.add_argument('--json', action='store_true')\n"
        "sys.exit(run_command(parser, [], lambda _: print('x' * 10**6) or 0))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None and child.stderr is not None
        child.stdout.close()
        said = child.stderr.read()
    assert (child.returncode, said) == (1, b"")
