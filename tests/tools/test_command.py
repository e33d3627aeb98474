"""The tool that runs one command for the model."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mcp_local_llm import ToolDenied, ToolRetry
from tools.command import cmd_run, import_roots, python_env
from tools.context import ToolContext
from tools.jail import Jail
from tools.sandbox import CommandPolicy, sandbox_kind
from tools.wire import ToolCall

PYTHON = Path(sys.base_prefix, "bin", "python3")


async def said(line: str, workspace: Path, timeout_s: float = 60.0, cap: int = 8000) -> str:
    policy = CommandPolicy(
        python=PYTHON, allow_unsandboxed=True, timeout_s=timeout_s, output_cap_bytes=cap
    )
    context = ToolContext(jail=Jail(workspace), workspace=workspace, command=policy)
    return await cmd_run(ToolCall(name="cmd.run", args={"argv": line}), context)


async def test_the_code_and_both_outputs_come_back(tmp_path: Path) -> None:
    text = await said("sh -c 'echo out; echo err >&2; exit 3'", tmp_path)
    assert text.splitlines()[0].startswith("exit 3")
    assert text.splitlines()[1:] == ["stdout:", "out", "stderr:", "err"]


async def test_a_command_without_output_says_how_it_ended(tmp_path: Path) -> None:
    assert (await said("true", tmp_path)).startswith("exit 0")


async def test_words_are_split_as_a_shell_does_but_nothing_is_expanded(tmp_path: Path) -> None:
    text = await said("""printf '%s|' "a b" $HOME '*' `id`""", tmp_path)
    assert "a b|$HOME|*|`id`|" in text


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "needs a command"),
        ("   ", "needs a command"),
        ("echo 'open", "cannot be split"),
        ("ls | wc", "no shell"),
        ("ls > out", "no shell"),
        ("a && b", "no shell"),
        ("no-such-program-here", "no command 'no-such-program-here'"),
        ("./absent.sh", "no command './absent.sh'"),
    ],
)
async def test_a_line_that_cannot_run_is_answered_with_what_to_change(
    line: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(ToolRetry, match=words):
        await said(line, tmp_path)


async def test_a_script_of_the_workspace_runs(tmp_path: Path) -> None:
    script = tmp_path / "go.sh"
    script.write_text("#!/bin/sh\necho went\n")
    script.chmod(0o755)
    assert "went" in await said("./go.sh", tmp_path)


@pytest.mark.parametrize("word", ["python", "python3"])
async def test_python_is_the_users_and_imports_the_workspace_first(
    word: str, tmp_path: Path
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "colour.py").write_text("NAME = 'ours'\n")
    script = "import sys, colour; print(colour.NAME, sys.base_prefix, sys.dont_write_bytecode)"
    assert f"ours {sys.base_prefix} True" in await said(f'{word} -c "{script}"', tmp_path)
    assert not list(tmp_path.rglob("*.pyc"))


async def test_pytest_is_run_by_the_users_interpreter(tmp_path: Path) -> None:
    text = await said("pytest --version", tmp_path)
    assert "pytest" in text


async def test_a_command_past_its_time_says_so(tmp_path: Path) -> None:
    text = await said("sh -c 'echo up; sleep 600'", tmp_path, timeout_s=1)
    assert text.startswith("time limit")
    assert "up" in text


async def test_a_long_output_is_cut_in_the_middle(tmp_path: Path) -> None:
    text = await said("seq 1 100000", tmp_path, cap=400)
    assert "bytes dropped" in text
    assert "100000" in text
    assert len(text) < 600


@pytest.mark.skipif(sandbox_kind() != "none", reason="a sandbox works here")
async def test_an_unconfined_command_says_so(tmp_path: Path) -> None:
    assert "not sandboxed" in await said("true", tmp_path)


@pytest.mark.skipif(sandbox_kind() == "none", reason="no sandbox works here")
async def test_a_command_is_confined_where_a_sandbox_works(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (tmp_path / "workspace").mkdir()
    text = await said(f"touch {outside}", tmp_path / "workspace")
    assert "not sandboxed" not in text
    assert not outside.exists()


@pytest.mark.skipif(sandbox_kind() != "none", reason="a sandbox works here")
async def test_without_a_sandbox_and_leave_a_command_is_denied(tmp_path: Path) -> None:
    context = ToolContext(
        jail=Jail(tmp_path), workspace=tmp_path, command=CommandPolicy(python=PYTHON)
    )
    with pytest.raises(ToolDenied):
        await cmd_run(ToolCall(name="cmd.run", args={"argv": "true"}), context)


def test_the_source_folder_is_an_import_root_when_it_is_there(tmp_path: Path) -> None:
    assert import_roots(tmp_path) == (tmp_path,)
    (tmp_path / "src").mkdir()
    assert import_roots(tmp_path) == (tmp_path, tmp_path / "src")
    assert python_env(tmp_path, PYTHON)["PYTHONPATH"] == f"{tmp_path}:{tmp_path / 'src'}"
