"""Without a sandbox a command can reach git's hooks and settings: they are put back."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from mcp_local_llm import ToolDenied
from tools.git_settings import ASIDE, GitSettings, kept
from tools.repository import Repo

HOOK = "#!/bin/sh\nexit 0\n"


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")


def git(folder: Path, *args: str) -> None:
    identity = ["-c", "user.name=User", "-c", "user.email=user@example.invalid"]
    subprocess.run(["git", *identity, *args], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    project.mkdir()
    git(project, "init", "-q", "--template=", "-b", "main")
    (project / ".git" / "hooks").mkdir()
    hook = project / ".git" / "hooks" / "pre-commit"
    hook.write_text(HOOK)
    hook.chmod(0o755)
    git(project, "commit", "-qm", "first", "--allow-empty")
    return project


def state(project: Path) -> dict[str, tuple[bytes, int]]:
    """Return the hooks and settings by their names, without what was put aside."""
    folder = project / ".git"
    files = [folder / "config", *folder.glob("hooks/**/*"), *folder.glob("info/*")]
    return {
        str(file.relative_to(folder)): (file.read_bytes(), file.lstat().st_mode)
        for file in files
        if file.is_file() and ASIDE not in str(file)
    }


async def ran(workspace: Path, script: str) -> None:
    async with kept(workspace):
        subprocess.run(["sh", "-c", script], cwd=workspace, check=True)


@pytest.mark.parametrize(
    ("script", "named"),
    [
        ("printf evil > .git/hooks/post-checkout", "post-checkout"),
        ("printf evil > .git/hooks/pre-commit", "pre-commit"),
        ("rm .git/hooks/pre-commit", "pre-commit"),
        ("chmod -x .git/hooks/pre-commit", "pre-commit"),
        ("chmod 000 .git/hooks/pre-commit", "pre-commit"),
        ("ln -sf /bin/true .git/hooks/pre-commit", "pre-commit"),
        ("mv .git/hooks .git/old && ln -s /tmp .git/hooks", "hooks"),
        ("mkdir .git/hooks/more && printf evil > .git/hooks/more/one", "one"),
        ("git config core.fsmonitor 'touch /tmp/evil'", "config"),
        ("rm .git/config", "config"),
        ("mkdir -p .git/info && printf '* filter=evil' > .git/info/attributes", "attributes"),
    ],
)
async def test_what_a_command_changes_is_put_back_and_named(
    project: Path, script: str, named: str
) -> None:
    before = state(project)
    with pytest.raises(ToolDenied, match=f"{named}'.*put back"):
        await ran(project, script)
    assert state(project) == before
    await ran(project, "true")


async def test_what_was_written_is_kept_beside_for_the_user(project: Path) -> None:
    with pytest.raises(ToolDenied, match=ASIDE):
        await ran(project, "printf evil > .git/hooks/pre-push")
    assert (project / ".git" / "hooks" / f"pre-push{ASIDE}").read_text() == "evil"


async def test_a_linked_worktree_keeps_the_settings_of_the_whole_repository(
    project: Path, tmp_path: Path
) -> None:
    before, tree = state(project), tmp_path / "tree"
    git(project, "worktree", "add", "-q", "--detach", str(tree))
    pointer = (tree / ".git").read_bytes()
    with pytest.raises(ToolDenied, match="pre-commit"):
        await ran(tree, f"printf evil > {shlex.quote(str(project))}/.git/hooks/pre-commit")
    with pytest.raises(ToolDenied, match=r"tree/\.git'"):
        await ran(tree, "printf 'gitdir: /tmp' > .git")
    assert state(project) == before
    assert (tree / ".git").read_bytes() == pointer


async def test_other_files_of_git_and_of_the_project_may_change(project: Path) -> None:
    await ran(project, "git commit -q --allow-empty -m more 2>/dev/null || git status; touch new")
    assert (project / "new").exists()


async def test_a_command_that_fails_leaves_nothing_behind_either(project: Path) -> None:
    before = state(project)
    with pytest.raises(subprocess.CalledProcessError):
        await ran(project, "printf evil > .git/hooks/pre-commit; exit 1")
    assert state(project) == before


async def test_a_folder_without_git_has_nothing_to_keep(tmp_path: Path) -> None:
    await ran(tmp_path, "printf text > file")
    assert (tmp_path / "file").read_text() == "text"


async def test_a_link_among_the_hooks_is_put_back_as_a_link(project: Path) -> None:
    hook = project / ".git" / "hooks" / "pre-push"
    hook.symlink_to("pre-commit")
    before = GitSettings.seen(await Repo.open(project))
    hook.unlink()
    assert before.put_back() == (str(hook),)
    assert str(hook.readlink()) == "pre-commit"
