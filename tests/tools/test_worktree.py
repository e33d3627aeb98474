"""A run's worktree: what it takes from the user, and what it never touches."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx

from mcp_local_llm import LocalLLMError, UsageError
from tools.worktree import RunTree, apply, create, discard, ref

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")


def git(folder: Path, *args: str) -> str:
    identity = ["-c", "user.name=User", "-c", "user.email=user@example.invalid"]
    argv = ["git", "--no-optional-locks", *identity, *args]
    done = subprocess.run(argv, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip("\n")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with one commit and nothing uncommitted."""
    project = tmp_path / "project"
    project.mkdir()
    git(project, "init", "-q", "-b", "main")
    (project / "code.py").write_text("x = 1\n")
    (project / "keep.txt").write_text("kept\n")
    (project / "old.txt").write_text("old\n")
    (project / ".gitignore").write_text("ignored\n")
    git(project, "add", ".")
    git(project, "commit", "-qm", "first")
    return project


def make_dirty(project: Path) -> None:
    """Leave changes of every kind: staged, unstaged, both, deleted, untracked, ignored."""
    (project / "code.py").write_text("x = 2\n")
    git(project, "add", "code.py")
    (project / "code.py").write_text("x = 3\n")
    (project / "staged.txt").write_text("staged\n")
    git(project, "add", "staged.txt")
    (project / "untracked.txt").write_text("untracked\n")
    (project / "old.txt").unlink()
    (project / "ignored").write_text("secret\n")


def state_of(project: Path) -> dict[str, object]:
    """Return all that a run must leave alone, byte for byte."""
    files = {
        str(path.relative_to(project)): (
            str(path.readlink()) if path.is_symlink() else path.read_bytes(),
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
        )
        for path in project.rglob("*")
        if ".git" not in path.parts and (path.is_symlink() or path.is_file())
    }
    index = project / ".git" / "index"
    return {
        "files": files,
        "index": index.read_bytes() if index.exists() else None,
        "HEAD": (project / ".git" / "HEAD").read_bytes(),
        "status": git(project, "status", "--porcelain=v2", "--branch"),
        "stash": git(project, "stash", "list"),
        "branches": git(project, "for-each-ref", "refs/heads", "refs/tags"),
        "config": (project / ".git" / "config").read_bytes(),
    }


def change(tree: RunTree) -> None:
    """Do what a run may do: modify, add, delete."""
    (tree.workspace / "code.py").write_text("x = 100\n")
    (tree.workspace / "made").mkdir(exist_ok=True)
    (tree.workspace / "made" / "new.py").write_text("y = 1\n")
    (tree.workspace / "keep.txt").unlink()


def files_of(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in found
        if ".git" not in path.relative_to(folder).parts
    }


async def test_a_run_starts_from_the_users_files_as_they_are(project: Path, tmp_path: Path) -> None:
    make_dirty(project)
    tree = await create(project, "r1", tmp_path / "tree")
    assert tree.workspace == tmp_path / "tree"
    assert files_of(tree.workspace) == {
        ".gitignore": b"ignored\n",
        "code.py": b"x = 3\n",
        "keep.txt": b"kept\n",
        "staged.txt": b"staged\n",
        "untracked.txt": b"untracked\n",
    }
    assert await tree.diff() == ""
    assert await tree.changed_files() == ()


async def test_a_whole_run_leaves_the_users_tree_index_head_and_stash_alone(
    project: Path, tmp_path: Path
) -> None:
    (project / "code.py").write_text("stashed\n")
    git(project, "stash")
    make_dirty(project)
    before = state_of(project)
    tree = await create(project, "r1", tmp_path / "tree")
    assert state_of(project) == before
    change(tree)
    await tree.commit("step")
    await tree.diff()
    await tree.reset_to(tree.base)
    change(tree)
    assert state_of(project) == before
    await tree.deliver()
    after = state_of(project)
    assert git(project, "branch", "--list", "--format=%(refname:short)") == "local-llm/r1\nmain"
    assert {**after, "branches": None} == {**before, "branches": None}
    await discard(project, "r1")
    assert state_of(project) == before


async def test_commits_are_made_once_and_can_be_gone_back_to(project: Path, tmp_path: Path) -> None:
    tree = await create(project, "r1", tmp_path / "tree")
    assert await tree.commit("nothing") == tree.base
    change(tree)
    first = await tree.commit("first step")
    assert await tree.commit("again") == first
    assert set(await tree.changed_files()) == {"code.py", "made/new.py", "keep.txt"}
    assert "-x = 1\n+x = 100\n" in await tree.diff()
    (tree.workspace / "code.py").write_text("x = bad\n")
    (tree.workspace / "made" / "worse.py").write_text("")
    await tree.reset_to(first)
    assert files_of(tree.workspace)["code.py"] == b"x = 100\n"
    assert not (tree.workspace / "made" / "worse.py").exists()
    await tree.reset_to(tree.base)
    assert files_of(tree.workspace) == files_of(project)
    assert not (tree.workspace / "made").exists()


async def test_going_back_leaves_ignored_files(project: Path, tmp_path: Path) -> None:
    tree = await create(project, "r1", tmp_path / "tree")
    (tree.workspace / "ignored").write_text("cache")
    await tree.reset_to(tree.base)
    assert (tree.workspace / "ignored").read_text() == "cache"


async def test_a_clean_tree_gets_one_commit_on_the_users_head(
    project: Path, tmp_path: Path
) -> None:
    tree = await create(project, "r1", tmp_path / "tree")
    change(tree)
    await tree.commit("step one")
    (tree.workspace / "code.py").write_text("x = 101\n")
    assert await tree.deliver("Make x larger") == "local-llm/r1"
    log = git(project, "log", "--format=%s", "local-llm/r1")
    assert log == "Make x larger\nfirst"
    shown = git(project, "show", "--name-status", "--format=", "local-llm/r1")
    assert sorted(shown.splitlines()) == ["A\tmade/new.py", "D\tkeep.txt", "M\tcode.py"]
    assert git(project, "show", "local-llm/r1:code.py") == "x = 101"


async def test_a_dirty_tree_gets_its_changes_recorded_below_the_runs_commit(
    project: Path, tmp_path: Path
) -> None:
    make_dirty(project)
    tree = await create(project, "r1", tmp_path / "tree")
    change(tree)
    await tree.deliver("Make x larger")
    log = git(project, "log", "--format=%s", "local-llm/r1").splitlines()
    assert log == ["Make x larger", "Uncommitted changes when run r1 began", "first"]
    below = git(project, "show", "--name-status", "--format=", "local-llm/r1^").splitlines()
    assert sorted(below) == ["A\tstaged.txt", "A\tuntracked.txt", "D\told.txt", "M\tcode.py"]
    assert git(project, "diff", "--stat", "local-llm/r1^", "--", "code.py") == ""


async def test_delivering_again_is_the_same_until_something_changes(
    project: Path, tmp_path: Path
) -> None:
    tree = await create(project, "r1", tmp_path / "tree")
    change(tree)
    await tree.deliver("one")
    first = git(project, "rev-parse", "local-llm/r1")
    await tree.deliver("one")
    assert git(project, "rev-parse", "local-llm/r1") == first
    (tree.workspace / "code.py").write_text("x = 102\n")
    await tree.deliver("two")
    assert git(project, "log", "--format=%s", "local-llm/r1") == "two\nfirst"


async def test_a_run_without_changes_delivers_nothing(project: Path, tmp_path: Path) -> None:
    tree = await create(project, "r1", tmp_path / "tree")
    with pytest.raises(LocalLLMError, match="changed nothing"):
        await tree.deliver()
    assert git(project, "branch", "--list", "local-llm/*") == ""


async def test_a_branch_the_user_has_moved_or_checked_out_is_not_overwritten(
    project: Path, tmp_path: Path
) -> None:
    tree = await create(project, "r1", tmp_path / "tree")
    change(tree)
    await tree.deliver("one")
    git(project, "checkout", "-q", "local-llm/r1")
    (tree.workspace / "code.py").write_text("x = 102\n")
    with pytest.raises(UsageError, match="is checked out"):
        await tree.deliver("two")
    git(project, "commit", "-q", "--allow-empty", "-m", "the user's")
    git(project, "checkout", "-q", "main")
    with pytest.raises(UsageError, match="not this run's"):
        await tree.deliver("two")
    await discard(project, "r1")
    assert git(project, "log", "-1", "--format=%s", "local-llm/r1") == "the user's"


async def test_delivering_a_discarded_run_is_an_error(project: Path, tmp_path: Path) -> None:
    tree = await create(project, "r1", tmp_path / "tree")
    change(tree)
    git(project, "update-ref", "-d", ref("r1", "parent"))
    with pytest.raises(UsageError, match="was discarded"):
        await tree.deliver()


async def test_a_detached_head_is_fine(project: Path, tmp_path: Path) -> None:
    git(project, "checkout", "-q", "--detach")
    before = state_of(project)
    tree = await create(project, "r1", tmp_path / "tree")
    change(tree)
    await tree.deliver()
    await discard(project, "r1")
    assert state_of(project) == before


async def test_a_repository_without_commits_is_fine(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    git(project, "init", "-q", "-b", "main")
    (project / "code.py").write_text("x = 1\n")
    (project / "keep.txt").write_text("x\n")
    tree = await create(project, "r1", tmp_path / "tree")
    change(tree)
    await tree.deliver("Change")
    log = git(project, "log", "--format=%s", "local-llm/r1").splitlines()
    assert log == ["Change", "Uncommitted changes when run r1 began"]
    assert await apply(project, "r1") == ("code.py", "keep.txt", "made/new.py")
    assert not (project / ".git" / "index").exists()
    assert git(project, "symbolic-ref", "HEAD") == "refs/heads/main"


async def test_an_empty_repository_is_fine(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    git(project, "init", "-q")
    tree = await create(project, "r1", tmp_path / "tree")
    (tree.workspace / "first.py").write_text("")
    await tree.deliver()
    assert await apply(project, "r1") == ("first.py",)


async def test_a_folder_without_git_is_refused_with_what_to_add(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--init-git"):
        await create(tmp_path, "r1", tmp_path / "tree")


async def test_a_workspace_within_the_repository_is_found_in_the_worktree(
    project: Path, tmp_path: Path
) -> None:
    (project / "part").mkdir()
    (project / "part" / "code.py").write_text("x = 1\n")
    (project / "part" / "keep.txt").write_text("x\n")
    tree = await create(project / "part", "r1", tmp_path / "tree")
    assert tree.workspace == tmp_path / "tree" / "part"
    change(tree)
    assert set(await tree.changed_files()) == {"code.py", "keep.txt", "made/new.py"}
    await tree.deliver()
    assert len(await apply(project / "part", "r1")) == 3
    assert (project / "part" / "code.py").read_text() == "x = 100\n"
    assert (project / "code.py").read_text() == "x = 1\n"
    (project / "bare").mkdir()
    assert (await create(project / "bare", "r2", tmp_path / "tree2")).workspace.is_dir()


async def test_the_users_own_linked_worktree_is_fine(project: Path, tmp_path: Path) -> None:
    git(project, "worktree", "add", "-q", "-b", "feature", str(tmp_path / "feature"))
    tree = await create(tmp_path / "feature", "r1", tmp_path / "tree")
    change(tree)
    await tree.deliver()
    await apply(tmp_path / "feature", "r1")
    assert (tmp_path / "feature" / "code.py").read_text() == "x = 100\n"
    assert (project / "code.py").read_text() == "x = 1\n"
    await discard(tmp_path / "feature", "r1")
    assert "feature" in git(project, "worktree", "list")


async def test_odd_names_modes_and_links_survive_the_whole_way(
    project: Path, tmp_path: Path
) -> None:
    names = ["sp ace", "ümläut", "new\nline", 'quo"te', "back\\slash", "-dash", ":colon", "*star"]
    names.append(os.fsdecode(b"not-utf8-\xff"))
    for name in names:
        (project / name).write_bytes(b"old")
    (project / "run.sh").write_text("x")
    (project / "run.sh").chmod(0o755)
    (project / "link").symlink_to("code.py")
    tree = await create(project, "r1", tmp_path / "tree")
    assert os.access(tree.workspace / "run.sh", os.X_OK)
    assert (tree.workspace / "link").readlink() == Path("code.py")
    for name in names:
        (tree.workspace / name).write_bytes(b"new")
    (tree.workspace / "run.sh").chmod(0o644)
    (tree.workspace / "code.py").chmod(0o755)
    (tree.workspace / "link").unlink()
    (tree.workspace / "link").symlink_to("keep.txt")
    await tree.deliver()
    (project / "code.py").chmod(0o640)
    assert len(await apply(project, "r1")) == len(names) + 3
    assert all((project / name).read_bytes() == b"new" for name in names)
    assert (project / "run.sh").stat().st_mode & 0o777 == 0o644
    assert (project / "code.py").stat().st_mode & 0o777 == 0o750
    assert (project / "link").readlink() == Path("keep.txt")


@pytest.mark.parametrize(
    ("setting", "attributes"),
    [
        ("core.autocrlf=true", ""),
        ("core.autocrlf=input", ""),
        ("core.eol=crlf", "* text=auto\n"),
        ("core.eol=lf", "* text eol=crlf\n"),
        ("filter.rot.clean=tr a-z n-za-m", "*.py filter=rot\n"),
    ],
)
async def test_line_ending_settings_and_filters_do_not_alter_a_byte(
    setting: str, attributes: str, project: Path, tmp_path: Path
) -> None:
    git(project, "config", *setting.split("=", 1))
    if attributes:
        (project / ".gitattributes").write_text(attributes)
    contents = {"dos.py": b"a\r\nb\r\n", "mixed.py": b"a\r\nb\n", "unix.py": b"a\nb\n"}
    for name, content in contents.items():
        (project / name).write_bytes(content)
    git(project, "add", ".")
    git(project, "commit", "-qm", "endings")
    tree = await create(project, "r1", tmp_path / "tree")
    assert {name: (tree.workspace / name).read_bytes() for name in contents} == contents
    for name, content in contents.items():
        (tree.workspace / name).write_bytes(content + b"c\r\n")
    await tree.deliver()
    assert git(project, "diff", "--numstat", "main", "local-llm/r1") == "\n".join(
        f"1\t0\t{name}" for name in contents
    )
    assert await apply(project, "r1") == tuple(contents)
    assert all((project / n).read_bytes() == c + b"c\r\n" for n, c in contents.items())
    git(project, "add", ".")
    assert git(project, "write-tree") == git(project, "rev-parse", "local-llm/r1^{tree}")


async def test_no_hook_of_the_user_runs(project: Path, tmp_path: Path) -> None:
    mark = project / ".git" / "hook-ran"
    hooks = project / "hooks"
    hooks.mkdir()
    names = ["pre-commit", "post-commit", "post-checkout", "reference-transaction", "post-rewrite"]
    for name in [*names, "post-index-change", "prepare-commit-msg", "commit-msg"]:
        for folder in (hooks, project / ".git" / "hooks"):
            (folder / name).write_text(f"#!/bin/sh\ntouch {mark}\nexit 1\n")
            (folder / name).chmod(0o755)
    for hooks_path in ("hooks", ".git/hooks"):
        git(project, "config", "core.hooksPath", str(project / hooks_path))
        tree = await create(project, "r1", tmp_path / "tree")
        change(tree)
        await tree.commit("x")
        await tree.deliver()
        await discard(project, "r1")
    assert not mark.exists()


async def test_a_commit_needs_no_identity_and_no_signature(project: Path, tmp_path: Path) -> None:
    git(project, "config", "user.useConfigOnly", "true")
    git(project, "config", "commit.gpgSign", "true")
    git(project, "config", "gpg.program", "false")
    tree = await create(project, "r1", tmp_path / "tree")
    change(tree)
    await tree.deliver()
    shown = git(project, "log", "-1", "--format=%an <%ae>", "local-llm/r1")
    assert shown == "local-llm <local-llm@localhost>"


async def test_what_a_run_needs_survives_garbage_collection(project: Path, tmp_path: Path) -> None:
    make_dirty(project)
    tree = await create(project, "r1", tmp_path / "tree")
    change(tree)
    await tree.deliver()
    shutil.rmtree(tmp_path / "tree")
    git(project, "gc", "-q", "--prune=now")
    git(project, "worktree", "prune")
    again = await create(project, "r1", tmp_path / "tree")
    assert (again.workspace / "code.py").read_text() == "x = 100\n"
    assert len(await apply(project, "r1")) == 3


async def test_applying_writes_the_runs_changes_and_only_those(
    project: Path, tmp_path: Path
) -> None:
    make_dirty(project)
    tree = await create(project, "r1", tmp_path / "tree")
    change(tree)
    await tree.deliver()
    (project / "later.txt").write_text("the user went on\n")
    index = (project / ".git" / "index").read_bytes()
    expected = {**files_of(project), "code.py": b"x = 100\n", "made/new.py": b"y = 1\n"}
    del expected["keep.txt"]
    assert await apply(project, "r1") == ("code.py", "keep.txt", "made/new.py")
    assert files_of(project) == expected
    assert (project / ".git" / "index").read_bytes() == index
    assert git(project, "branch", "--show-current") == "main"
    assert await apply(project, "r1") == ()
    assert files_of(project) == expected


async def test_applying_before_delivery_takes_the_last_commit(
    project: Path, tmp_path: Path
) -> None:
    tree = await create(project, "r1", tmp_path / "tree")
    change(tree)
    await tree.commit("x")
    assert len(await apply(project, "r1")) == 3


def edit_code(project: Path) -> None:
    (project / "code.py").write_text("x = 7\n")


def delete_code(project: Path) -> None:
    (project / "code.py").unlink()


def edit_deleted(project: Path) -> None:
    (project / "keep.txt").write_text("still needed\n")


def make_same_file(project: Path) -> None:
    (project / "made").mkdir()
    (project / "made" / "new.py").write_text("mine\n")


def change_mode(project: Path) -> None:
    (project / "code.py").chmod(0o755)


@pytest.mark.parametrize(
    ("newer", "name"),
    [
        (edit_code, "code.py"),
        (delete_code, "code.py"),
        (edit_deleted, "keep.txt"),
        (make_same_file, "made/new.py"),
        (change_mode, "code.py"),
    ],
)
async def test_newer_work_is_never_overwritten(
    newer: Callable[[Path], None], name: str, project: Path, tmp_path: Path
) -> None:
    tree = await create(project, "r1", tmp_path / "tree")
    change(tree)
    await tree.deliver()
    newer(project)
    before = state_of(project)
    with pytest.raises(UsageError, match=name) as refusal:
        await apply(project, "r1")
    others = {"code.py", "keep.txt", "made/new.py"} - {name}
    assert not any(other in str(refusal.value) for other in others)
    assert "git merge local-llm/r1" in str(refusal.value)
    assert state_of(project) == before


async def test_a_folder_of_the_user_that_became_a_link_is_not_followed(
    project: Path, tmp_path: Path
) -> None:
    tree = await create(project, "r1", tmp_path / "tree")
    change(tree)
    await tree.deliver()
    (tmp_path / "outside").mkdir()
    (project / "made").symlink_to(tmp_path / "outside")
    before = state_of(project)
    with pytest.raises(UsageError, match="Nothing was changed"):
        await apply(project, "r1")
    assert state_of(project) == before
    assert not list((tmp_path / "outside").iterdir())
    assert not list((project / ".git").rglob(".local-llm-*"))


async def test_applying_is_all_or_nothing_when_the_disk_says_no(
    project: Path, tmp_path: Path
) -> None:
    (project / "z").mkdir()
    tree = await create(project, "r1", tmp_path / "tree")
    change(tree)
    (tree.workspace / "z").write_text("a file where the user has a folder\n")
    await tree.deliver()
    (project / "z" / "ignored").write_text("the user's\n")
    before = state_of(project)
    with pytest.raises(UsageError, match="could not be applied"):
        await apply(project, "r1")
    assert state_of(project) == before
    assert not (project / "made").exists()


async def test_a_half_applied_run_is_completed(project: Path, tmp_path: Path) -> None:
    tree = await create(project, "r1", tmp_path / "tree")
    change(tree)
    await tree.deliver()
    (project / "code.py").write_text("x = 100\n")  # as after a kill between two renames
    assert await apply(project, "r1") == ("keep.txt", "made/new.py")


async def test_files_folders_and_links_may_change_into_each_other(
    project: Path, tmp_path: Path
) -> None:
    (project / "a").mkdir()
    (project / "a" / "b").write_text("in a folder\n")
    (project / "l").symlink_to("a")
    tree = await create(project, "r1", tmp_path / "tree")
    shutil.rmtree(tree.workspace / "a")
    (tree.workspace / "a").write_text("a file\n")
    (tree.workspace / "code.py").unlink()
    (tree.workspace / "code.py").mkdir()
    (tree.workspace / "code.py" / "part").write_text("a folder\n")
    (tree.workspace / "l").unlink()
    (tree.workspace / "l").mkdir()
    (tree.workspace / "l" / "m").write_text("no link\n")
    await tree.deliver()
    await apply(project, "r1")
    assert (project / "a").read_text() == "a file\n"
    assert (project / "code.py" / "part").read_text() == "a folder\n"
    assert (project / "l" / "m").read_text() == "no link\n"
    assert await apply(project, "r1") == ()


async def test_applying_an_unknown_run_is_an_error(project: Path) -> None:
    with pytest.raises(UsageError, match="no run 'r9'"):
        await apply(project, "r9")


async def test_discarding_removes_every_trace_and_may_be_repeated(
    project: Path, tmp_path: Path
) -> None:
    before = sorted(str(p) for p in (project / ".git").rglob("*") if "objects" not in p.parts)
    tree = await create(project, "r1", tmp_path / "tree")
    other = await create(project, "r2", tmp_path / "tree2")
    change(tree)
    await tree.deliver()
    await discard(project, "r1")
    assert not (tmp_path / "tree").exists()
    assert other.workspace.exists()
    await discard(project, "r1")
    await discard(project, "r2")
    await discard(project, "never-there")
    after = sorted(str(p) for p in (project / ".git").rglob("*") if "objects" not in p.parts)
    empty = {f"{project}/.git/refs/local-llm", f"{project}/.git/refs/heads/local-llm"}
    assert set(after) - empty == set(before)


async def test_discarding_a_half_removed_worktree_completes_it(
    project: Path, tmp_path: Path
) -> None:
    await create(project, "r1", tmp_path / "tree")
    (tmp_path / "tree" / ".git").unlink()
    await discard(project, "r1")
    assert not (tmp_path / "tree").exists()
    assert "tree" not in git(project, "worktree", "list", "--porcelain").splitlines()[3:]


@pytest.mark.parametrize("run_id", ["", "a/b", "..", "-x", "a b", "x.lock", "a\n"])
async def test_a_run_id_that_is_no_plain_word_is_refused(
    run_id: str, project: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="is no run id"):
        await create(project, run_id, tmp_path / "tree")


async def test_a_folder_in_use_is_not_taken(project: Path, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "mine").write_text("x")
    with pytest.raises(UsageError, match="is not empty"):
        await create(project, "r1", tmp_path / "tree")
    assert (tmp_path / "tree" / "mine").read_text() == "x"


async def test_a_run_has_one_worktree(project: Path, tmp_path: Path) -> None:
    await create(project, "r1", tmp_path / "tree")
    with pytest.raises(UsageError, match="Discard it first"):
        await create(project, "r1", tmp_path / "other")


async def test_creating_again_opens_the_worktree_as_it_is(project: Path, tmp_path: Path) -> None:
    tree = await create(project, "r1", tmp_path / "tree")
    change(tree)
    (project / "code.py").write_text("x = 50\n")  # the user goes on; the run does not follow
    assert await create(project, "r1", tmp_path / "tree") == tree
    assert (tree.workspace / "code.py").read_text() == "x = 100\n"


async def test_a_half_made_worktree_is_made_anew(project: Path, tmp_path: Path) -> None:
    tree = await create(project, "r1", tmp_path / "tree")
    git(project, "update-ref", "-d", ref("r1", "tip"))  # as before the last step of making it
    (tree.tree.git_dir / "locked").write_text("initializing")
    (tree.workspace / "code.py").write_text("x =")
    (tree.workspace / "keep.txt").unlink()
    again = await create(project, "r1", tmp_path / "tree")
    assert again.base == tree.base
    assert files_of(again.workspace) == files_of(project)


async def test_submodules_and_their_commits_are_left_alone(project: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "library")
    git(tmp_path / "library", "commit", "-q", "--allow-empty", "-m", "x")
    allow = ("-c", "protocol.file.allow=always")
    git(project, *allow, "submodule", "--quiet", "add", str(tmp_path / "library"), "sub")
    git(project, "commit", "-qm", "sub")
    tree = await create(project, "r1", tmp_path / "tree")
    change(tree)
    await tree.deliver()
    assert git(project, "log", "--format=%s", "local-llm/r1").splitlines()[1] == "sub"
    shown = git(project, "ls-tree", "local-llm/r1", "sub")
    assert shown.startswith("160000")
    assert len(await apply(project, "r1")) == 3


LIFE = """
import asyncio, json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tools.worktree import apply, create
async def life():
    project, dest = Path(sys.argv[2]), Path(sys.argv[3])
    tree = await create(project, "r1", dest)
    (tree.workspace / "code.py").write_text("x = 100\\n")
    await tree.commit("one")
    (tree.workspace / "made").mkdir(exist_ok=True)
    (tree.workspace / "made" / "new.py").write_text("y = 1\\n")
    (tree.workspace / "keep.txt").unlink(missing_ok=True)
    await tree.deliver("Deliver")
    await apply(project, "r1")
asyncio.run(life())
"""


@pytest.mark.slow
async def test_a_run_killed_at_any_moment_ends_the_same_when_repeated(
    project: Path, tmp_path: Path
) -> None:
    make_dirty(project)
    argv = [sys.executable, "-P", "-c", LIFE, str(ROOT), str(project), str(tmp_path / "tree")]
    for tenths in range(2, 14):
        child = subprocess.Popen(argv, stderr=subprocess.PIPE)
        try:
            _, said = child.communicate(timeout=tenths / 10)
            assert child.returncode == 0, said.decode()
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    log = git(project, "log", "--format=%s", "local-llm/r1").splitlines()
    assert log == ["Deliver", "Uncommitted changes when run r1 began", "first"]
    shown = git(project, "show", "--name-status", "--format=", "local-llm/r1").splitlines()
    assert sorted(shown) == ["A\tmade/new.py", "D\tkeep.txt", "M\tcode.py"]
    assert files_of(project) == {
        **files_of(tmp_path / "tree"),
        "ignored": b"secret\n",
    }
    assert git(project, "fsck", "--no-dangling", "--no-progress") == ""
    await discard(project, "r1")
    assert git(project, "worktree", "list").count("\n") == 0


async def test_a_record_of_another_place_that_is_gone_does_not_block(
    project: Path, tmp_path: Path
) -> None:
    note = project / ".git" / "local-llm" / "r1.json"
    note.parent.mkdir()
    note.write_text(json.dumps({"dest": str(tmp_path / "long-gone")}))
    tree = await create(project, "r1", tmp_path / "tree")
    assert tree.workspace.is_dir()


async def test_nothing_here_blocks_the_event_loop(project: Path, tmp_path: Path) -> None:
    make_dirty(project)
    names = ("worktree", "repository", "gitfiles", "apply", "process")
    with blockbuster_ctx([f"tools.{name}" for name in names]):
        tree = await create(project, "r1", tmp_path / "tree")
        change(tree)
        await tree.commit("x")
        await tree.reset_to(tree.base)
        change(tree)
        await tree.deliver()
        await apply(project, "r1")
        await discard(project, "r1")
