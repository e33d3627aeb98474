"""The walls against files that nobody can read, and against commands outside of any sandbox."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_local_llm import ToolDenied
from tools.command import cmd_run
from tools.context import ToolContext
from tools.jail import Jail
from tools.preserve.guard import BreaksContract, Guard
from tools.sandbox import CommandPolicy, sandbox_kind
from tools.wire import ToolCall
from tools.worktree import RunTree, create

CONTRACTS = '[[contract]]\nid = "money"\nregion = "shop/money.py"\nlevel = "strict"\n'


def git(folder: Path, *args: str) -> None:
    identity = ["-c", "user.name=User", "-c", "user.email=user@example.invalid"]
    subprocess.run(["git", *identity, *args], cwd=folder, check=True, capture_output=True)


@pytest.fixture
async def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunTree:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    project = tmp_path / "project"
    (project / "shop").mkdir(parents=True)
    (project / ".mcp-local-llm").mkdir()
    (project / "shop" / "money.py").write_text("RATE = 19\n")
    (project / "shop" / "free.py").write_text("x = 1\n")
    (project / ".mcp-local-llm" / "preserve.toml").write_text(CONTRACTS)
    git(project, "init", "-q", "-b", "main")
    git(project, "add", ".")
    git(project, "commit", "-qm", "first")
    return await create(project, "r1", tmp_path / "tree")


def context(tree: RunTree, guard: Guard) -> ToolContext:
    policy = CommandPolicy(python=Path(sys.executable), allow_unsandboxed=True)
    return ToolContext(Jail(tree.workspace), tree.workspace, policy, guard=guard)


def command(line: str) -> ToolCall:
    return ToolCall(name="cmd.run", args={"argv": line})


@pytest.mark.parametrize("closed", ["shop/money.py", "shop"])
async def test_a_command_that_takes_permissions_away_breaks_the_contract(
    tree: RunTree, closed: str
) -> None:
    guard = await tree.guard()
    with pytest.raises(BreaksContract, match=r"shop/money\.py: its permissions were taken away"):
        await cmd_run(command(f"chmod 000 {closed}"), context(tree, guard))
    assert (tree.workspace / "shop" / "money.py").stat().st_mode & stat.S_IRUSR
    assert (tree.workspace / "shop" / "money.py").read_text() == "RATE = 19\n"


async def test_between_steps_it_is_found_at_the_border_and_the_rest_is_kept(
    tree: RunTree,
) -> None:
    guard = await tree.guard()
    (tree.workspace / "shop" / "free.py").write_text("x = 2\n")
    (tree.workspace / "shop" / "money.py").chmod(0)
    (tree.workspace / "shop").chmod(0)
    made, broken = await tree.commit_within(guard, tree.base, "step")
    assert {each.contract.id for each in broken} == {"money"}
    assert [change.path for change in await tree.tree.changes(tree.base, made)] == ["shop/free.py"]


async def test_a_file_that_no_contract_names_is_opened_again_without_a_word(
    tree: RunTree,
) -> None:
    guard = await tree.guard()
    (tree.workspace / "shop" / "free.py").chmod(0)
    assert await guard.put_back(tree.base) == ()
    assert (tree.workspace / "shop" / "free.py").stat().st_mode & stat.S_IRUSR


@pytest.fixture
def no_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine on which no program for sandboxes is found."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("git", "sh"):
        (folder / name).symlink_to(shutil.which(name) or "")
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(folder))
        sandbox_kind.cache_clear()
        yield
    sandbox_kind.cache_clear()


@pytest.mark.skipif(sys.platform == "darwin", reason="its sandbox is always there")
@pytest.mark.usefixtures("no_sandbox")
async def test_a_command_that_reaches_for_a_hook_is_denied_and_its_other_damage_undone(
    tree: RunTree,
) -> None:
    hook = tree.repo.common_dir / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    line = f"sh -c 'echo 1 > shop/money.py; echo evil > {hook}'"
    with pytest.raises(ToolDenied, match="git's own files"):
        await cmd_run(command(line), context(tree, await tree.guard()))
    assert not hook.exists()
    assert (tree.workspace / "shop" / "money.py").read_text() == "RATE = 19\n"
