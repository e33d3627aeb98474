"""What a confined command can and cannot do."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it ships no types
import pytest

from mcp_local_llm import ToolDenied
from tools.process import Finished, run
from tools.sandbox import macos_profile, sandbox_kind, wrap

confined = pytest.mark.skipif(
    sandbox_kind() != "bubblewrap", reason="bubblewrap does not work here"
)
PYTHON = os.path.realpath(sys.executable)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with a secret and a project in it."""
    home = tmp_path / "home"
    (home / "project").mkdir(parents=True)
    (home / "secret").write_text("hidden")
    monkeypatch.setenv("HOME", str(home))
    return home


async def inside(
    argv: Sequence[str],
    workspace: Path,
    *,
    readable: Sequence[Path] = (),
    scratch: Path | None = None,
    network: bool = False,
) -> Finished:
    wrapped = wrap(argv, workspace=workspace, readable=readable, scratch=scratch, network=network)
    assert wrapped.kind == "bubblewrap"
    return await run(wrapped.argv, cwd=workspace, timeout_s=60)


@confined
async def test_the_workspace_is_writable_and_the_current_folder(home: Path) -> None:
    done = await inside(["sh", "-c", "pwd; echo new > made"], home / "project")
    assert done.stdout.strip() == str((home / "project").resolve())
    assert (home / "project" / "made").read_text() == "new\n"


@confined
async def test_nothing_outside_the_workspace_can_be_written(home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    script = f"echo x > /etc/made; echo x > {other}/made; echo x > {home}/made; rm {home}/secret"
    await inside(["sh", "-c", script], home / "project", readable=[other])
    assert not Path("/etc/made").exists()
    assert not (other / "made").exists()
    assert not (home / "made").exists()
    assert (home / "secret").exists()


@confined
async def test_home_is_hidden_but_for_what_is_named(home: Path) -> None:
    (home / "tool").mkdir()
    (home / "tool" / "data").write_text("seen")
    script = f"cat {home}/secret; cat {home}/tool/data; echo x > {home}/tool/data"
    done = await inside(["sh", "-c", script], home / "project", readable=[home / "tool"])
    assert done.stdout == "seen"
    assert "hidden" not in done.stdout
    assert (home / "tool" / "data").read_text() == "seen"


@confined
@pytest.mark.parametrize("above", ["", "..", "../.."])
async def test_naming_home_or_a_folder_above_it_does_not_uncover_it(home: Path, above: str) -> None:
    done = await inside(["cat", f"{home}/secret"], home / "project", readable=[home / above])
    assert done.code != 0
    assert done.stdout == ""


@confined
async def test_tmp_and_run_are_private(home: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    script = f"ls {tmp_path}/mine; ls -A /run; echo x > /tmp/made-inside"
    done = await inside(["sh", "-c", script], home / "project")
    assert done.stdout == ""
    assert not Path("/tmp/made-inside").exists()


@confined
async def test_there_is_no_network_unless_it_is_asked_for(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        script = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)"
        readable = [Path(sys.base_prefix)]
        argv = [PYTHON, "-I", "-c", script]
        refused = await inside(argv, home / "project", readable=readable)
        allowed = await inside(argv, home / "project", readable=readable, network=True)
    assert refused.code != 0
    assert allowed.code == 0, allowed.stderr


@confined
async def test_the_git_folder_of_the_workspace_is_read_only(home: Path) -> None:
    (home / "project" / ".git").write_text("gitdir: /elsewhere\n")
    script = "echo evil > .git; rm -f .git; mv .git gone"
    done = await inside(["sh", "-c", script], home / "project")
    assert done.code != 0
    assert (home / "project" / ".git").read_text() == "gitdir: /elsewhere\n"


@confined
async def test_a_workspace_within_a_work_tree_can_read_the_rest_of_it(home: Path) -> None:
    project = home / "project"
    (project / ".git").mkdir()
    (project / "part").mkdir()
    (project / "conftest.py").write_text("shared")
    script = "cat ../conftest.py; echo x > ../conftest.py"
    done = await inside(["sh", "-c", script], project / "part")
    assert done.stdout == "shared"
    assert (project / "conftest.py").read_text() == "shared"


@confined
async def test_a_scratch_folder_is_writable(home: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    await inside(["sh", "-c", f"echo x > {scratch}/made"], home / "project", scratch=scratch)
    assert (scratch / "made").exists()


@confined
async def test_a_process_that_leaves_the_group_ends_with_the_sandbox(home: Path) -> None:
    mark = "86421.97531"
    script = (
        f"import subprocess; subprocess.Popen(['sleep', '{mark}'], start_new_session=True);"
        "print('started', flush=True)"
    )
    argv = [PYTHON, "-I", "-W", "ignore", "-c", script]
    done = await inside(argv, home / "project", readable=[Path(sys.base_prefix)])
    assert done.stdout == "started\n", done.stderr
    found = [p for p in psutil.process_iter(["cmdline"]) if mark in (p.info["cmdline"] or [])]
    _, alive = psutil.wait_procs(found, timeout=10)
    assert not alive


@confined
async def test_processes_outside_are_not_seen(home: Path) -> None:
    done = await inside(["sh", "-c", "ls -d /proc/[0-9]*"], home / "project")
    assert 0 < len(done.stdout.split()) < 10


@confined
def test_a_workspace_that_holds_home_is_refused(home: Path) -> None:
    with pytest.raises(ToolDenied, match="holds the home folder"):
        wrap(["true"], workspace=home)
    with pytest.raises(ToolDenied, match="holds the home folder"):
        wrap(["true"], workspace=Path("/"), kind="sandbox-exec")


def test_without_a_sandbox_a_command_is_refused_with_what_to_configure(tmp_path: Path) -> None:
    with pytest.raises(ToolDenied, match="allow_unsandboxed = true"):
        wrap(["rm", "-rf", "x"], workspace=tmp_path, kind="none")


def test_without_a_sandbox_a_command_runs_bare_when_the_user_allows_it(tmp_path: Path) -> None:
    wrapped = wrap(["ls"], workspace=tmp_path, kind="none", allow_unsandboxed=True)
    assert (wrapped.argv, wrapped.kind, dict(wrapped.env)) == (("ls",), "none", {})


def test_the_sandbox_found_is_one_that_is_installed() -> None:
    assert sandbox_kind() in {"bubblewrap", "sandbox-exec", "none"}
    if sandbox_kind() == "bubblewrap":
        assert shutil.which("bwrap")


def test_the_macos_profile_denies_first_and_allows_after() -> None:
    lines = macos_profile(
        [Path("/Users/me")], [Path("/Users/me/.venv")], [Path("/Users/me/project")]
    ).splitlines()
    assert lines[:2] == ["(version 1)", "(allow default)"]
    order = [
        "(deny file-write*)",
        "(deny network*)",
        '(deny file-read-data (subpath "/Users/me"))',
        '(allow file-read* (subpath "/Users/me/.venv"))',
        '(allow file-read* (subpath "/Users/me/project"))',
        '(allow file-write* (subpath "/Users/me/project"))',
        '(deny file-write* (subpath "/Users/me/project/.git"))',
    ]
    assert [lines.index(line) for line in order] == sorted(lines.index(line) for line in order)


def test_the_macos_profile_quotes_paths_and_may_leave_the_network() -> None:
    profile = macos_profile([Path("/h")], [Path('/a"b\\c')], [], network=True)
    assert r'(subpath "/a\"b\\c")' in profile
    assert "network" not in profile


def test_the_macos_command_names_a_writable_temporary_folder(tmp_path: Path, home: Path) -> None:
    wrapped = wrap(["ls"], workspace=home / "project", scratch=tmp_path, kind="sandbox-exec")
    assert wrapped.argv[:2] == ("/usr/bin/sandbox-exec", "-p")
    assert wrapped.argv[3:] == ("ls",)
    assert wrapped.env == {"TMPDIR": str(tmp_path.resolve())}
