"""The repository through git's plumbing, and the git tools of the crew."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from mcp_local_llm import StoreUnavailable, ToolDenied, ToolRetry, UsageError
from tools import gitfiles
from tools.context import ToolContext
from tools.gitrepo import git_branch, git_commit, git_diff, git_merge, git_status
from tools.jail import Jail
from tools.repository import Repo
from tools.sandbox import CommandPolicy
from tools.wire import ToolCall


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")


def git(folder: Path, *args: str) -> str:
    identity = ["-c", "user.name=User", "-c", "user.email=user@example.invalid"]
    argv = ["git", *identity, *args]
    done = subprocess.run(argv, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with one commit."""
    project = tmp_path / "project"
    project.mkdir()
    git(project, "init", "-q", "-b", "main")
    (project / "a.txt").write_text("one\n")
    git(project, "add", ".")
    git(project, "commit", "-qm", "first")
    return project


@pytest.fixture
def tree(project: Path, tmp_path: Path) -> Path:
    """A linked worktree on no branch, such as a run has."""
    git(project, "worktree", "add", "-q", "--detach", str(tmp_path / "tree"))
    return tmp_path / "tree"


def context_of(workspace: Path) -> ToolContext:
    policy = CommandPolicy(python=Path("/usr/bin/python3"))
    return ToolContext(jail=Jail(workspace), workspace=workspace, command=policy)


def call(tool: str, body: str | None = None, **args: str) -> ToolCall:
    return ToolCall(name=tool, args=args, body=body)


async def test_a_folder_outside_any_repository_offers_to_make_one(tmp_path: Path) -> None:
    assert not await Repo.is_repo(tmp_path)
    with pytest.raises(UsageError, match="--init-git"):
        await Repo.open(tmp_path)
    repo = await Repo.init(tmp_path)
    assert await Repo.is_repo(tmp_path)
    assert repo.root == tmp_path.resolve()
    assert await repo.head() is None


async def test_a_repository_is_found_from_a_folder_within(project: Path) -> None:
    (project / "deep" / "er").mkdir(parents=True)
    repo = await Repo.open(project / "deep" / "er")
    assert repo.root == project.resolve()
    assert not repo.linked
    assert await repo.head() == git(project, "rev-parse", "HEAD")
    assert await repo.branch() == "main"


async def test_a_folder_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="could not be run"):
        await Repo.open(tmp_path / "absent")


async def test_a_bare_repository_is_refused(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "bare.git")
    with pytest.raises(UsageError, match="cannot use"):
        await Repo.open(tmp_path / "bare.git")


async def test_init_where_nothing_can_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("not a folder")
    with pytest.raises(UsageError, match="git init failed"):
        await Repo.init(tmp_path)


async def test_a_failing_git_command_is_told_in_gits_words(project: Path) -> None:
    repo = await Repo.open(project)
    with pytest.raises(StoreUnavailable, match="git read-tree failed"):
        await repo.out("read-tree", "no-such-thing")


async def test_a_snapshot_holds_files_as_bytes_whatever_the_attributes_say(project: Path) -> None:
    (project / ".gitattributes").write_text("* text=auto eol=lf\n*.up filter=upper\n")
    git(project, "config", "filter.upper.clean", "tr a-z A-Z")
    (project / "dos.txt").write_bytes(b"one\r\ntwo\n")
    (project / "x.up").write_bytes(b"low")
    repo = await Repo.open(project)
    snapshot = await repo.snapshot()
    found = {c.path: c.new for c in await repo.changes(await repo.empty_tree(), snapshot)}
    dos, up = found["dos.txt"], found["x.up"]
    assert dos is not None
    assert up is not None
    assert await repo.blob(dos.sha) == b"one\r\ntwo\n"
    assert await repo.blob(up.sha) == b"low"


async def test_a_snapshot_takes_odd_names_links_and_modes(project: Path) -> None:
    odd = ["sp ace", "ümlaut", "new\nline", 'quo"te', "back\\slash", "tab\t", "return\r", "-dash"]
    odd.append(os.fsdecode(b"not-utf8-\xff"))
    for name in odd:
        (project / name).write_text(name.encode("utf-8", "replace").decode())
    (project / "run.sh").write_text("x")
    (project / "run.sh").chmod(0o755)
    (project / "link").symlink_to("a.txt/.//")
    repo = await Repo.open(project)
    snapshot = await repo.snapshot()
    found = {c.path: c.new for c in await repo.changes(await repo.empty_tree(), snapshot) if c.new}
    assert set(found) == {*odd, "run.sh", "link", "a.txt"}
    assert found["run.sh"].mode == gitfiles.EXECUTABLE
    assert found["link"].mode == gitfiles.LINK
    assert await repo.blob(found["link"].sha) == b"a.txt/.//"


async def test_a_snapshot_leaves_out_ignored_files_nested_repositories_and_pipes(
    project: Path,
) -> None:
    (project / ".gitignore").write_text("secret\n")
    (project / "secret").write_text("x")
    (project / "nested").mkdir()
    git(project / "nested", "init", "-q")
    (project / "nested" / "file").write_text("x")
    os.mkfifo(project / "pipe")
    repo = await Repo.open(project)
    changes = await repo.changes("HEAD", await repo.snapshot())
    assert [(c.letter, c.path) for c in changes] == [("A", ".gitignore")]


async def test_a_tracked_file_behind_a_link_counts_as_deleted(
    project: Path, tmp_path: Path
) -> None:
    (project / "folder").mkdir()
    (project / "folder" / "file").write_text("x")
    git(project, "add", ".")
    git(project, "commit", "-qm", "more")
    (project / "folder" / "file").unlink()
    (project / "folder").rmdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("secret")
    (project / "folder").symlink_to(tmp_path / "outside")
    repo = await Repo.open(project)
    changes = await repo.changes("HEAD", await repo.snapshot())
    assert [(c.letter, c.path) for c in changes] == [("A", "folder"), ("D", "folder/file")]


async def test_submodules_stay_at_their_commit(project: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "library")
    git(tmp_path / "library", "commit", "-q", "--allow-empty", "-m", "x")
    url = str(tmp_path / "library")
    git(project, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", url, "sub")
    git(project, "commit", "-qm", "sub")
    repo = await Repo.open(project)
    assert await repo.snapshot() == await repo.tree_of("HEAD")


async def test_a_snapshot_keeps_what_a_sparse_checkout_left_out(project: Path) -> None:
    (project / "kept").mkdir()
    (project / "away").mkdir()
    (project / "kept" / "x").write_text("x")
    (project / "away" / "y").write_text("y")
    git(project, "add", ".")
    git(project, "commit", "-qm", "folders")
    git(project, "sparse-checkout", "set", "kept")
    assert not (project / "away").exists()
    repo = await Repo.open(project)
    assert await repo.snapshot() == await repo.tree_of("HEAD")


async def test_writing_changes_to_disk_replaces_files_folders_and_links(
    project: Path, tree: Path, tmp_path: Path
) -> None:
    repo = await Repo.open(tree)
    (tree / "x").mkdir()
    (tree / "x" / "deep").write_text("deep")
    (tree / "y").write_text("file")
    first = await repo.commit_all("folder x, file y")
    (tree / "x" / "deep").unlink()
    (tree / "x").rmdir()
    (tree / "x").symlink_to(tmp_path)
    (tree / "y").unlink()
    (tree / "y" / "z").mkdir(parents=True)
    (tree / "y" / "z" / "file").write_text("deeper")
    second = await repo.commit_all("link x, folder y")
    for old, new in [(second, first), (first, second), (second, first)]:
        await repo.put_on_disk(await repo.changes(old, new))
        await repo.move_head(new, old)
        assert await repo.snapshot() == await repo.tree_of(new)
    assert (tree / "x" / "deep").read_text() == "deep"
    assert not (tmp_path / "deep").exists()


async def test_a_file_comes_back_where_only_ignored_files_or_a_link_lie(
    tree: Path, tmp_path: Path
) -> None:
    (tree / ".gitignore").write_text("*.log\nway\n")
    (tree / "deep").mkdir()
    (tree / "deep" / "file").write_text("x")
    repo = await Repo.open(tree)
    wanted = await repo.commit_all("files")
    (tree / "a.txt").unlink()
    (tree / "a.txt").mkdir()
    (tree / "a.txt" / "run.log").write_text("x")
    (tree / "deep" / "file").unlink()
    (tree / "deep").rmdir()
    (tree / "deep").symlink_to(tmp_path)
    changes = await repo.changes(await repo.snapshot(), wanted)
    await repo.put_on_disk([change for change in changes if change.new])
    assert await repo.snapshot() == await repo.tree_of(wanted)
    assert not (tmp_path / "file").exists()


def test_names_are_grouped_by_size_and_a_large_one_stands_alone() -> None:
    sizes = [("a", 4), ("b", 5), ("c", 2), ("huge", 50), ("d", 1)]
    assert gitfiles.in_batches(sizes, 10) == [["a", "b"], ["c"], ["huge"], ["d"]]
    assert gitfiles.in_batches([], 10) == []


async def test_a_missing_object_never_makes_git_run_a_fetch(project: Path, tmp_path: Path) -> None:
    mark = tmp_path / "fetched"
    git(project, "config", "remote.evil.url", "ssh://host/x")
    git(project, "config", "remote.evil.promisor", "true")
    git(project, "config", "extensions.partialClone", "evil")
    git(project, "config", "core.sshCommand", f"touch {mark};")
    repo = await Repo.open(project)
    with pytest.raises(StoreUnavailable):
        await repo.out("cat-file", "blob", "1" * 40)
    assert not mark.exists()


async def test_commits_are_refused_on_the_users_own_tree(project: Path) -> None:
    (project / "a.txt").write_text("two\n")
    with pytest.raises(ToolDenied, match="own worktree"):
        await git_commit(call("git.commit", message="no"), context_of(project))
    assert git(project, "log", "--format=%s") == "first"


async def test_status_and_diff_show_what_changed_since_the_commit(tree: Path) -> None:
    context = context_of(tree)
    assert await git_status(call("git.status"), context) == "Nothing changed since the last commit."
    assert await git_diff(call("git.diff"), context) == "Nothing changed since the last commit."
    (tree / "a.txt").write_text("two\n")
    (tree / "new.txt").write_text("x\n")
    assert await git_status(call("git.status"), context) == "M a.txt\nA new.txt"
    diff = await git_diff(call("git.diff"), context)
    assert "-one\n+two" in diff
    assert "+++ b/new.txt" in diff


async def test_paths_are_told_relative_to_the_workspace(tree: Path) -> None:
    (tree / "part").mkdir()
    (tree / "part" / "x.py").write_text("x = 1\n")
    (tree / "a.txt").write_text("elsewhere\n")
    context = context_of(tree / "part")
    assert await git_status(call("git.status"), context) == "A x.py"
    diff = await git_diff(call("git.diff"), context)
    assert "+++ b/x.py" in diff
    assert "elsewhere" not in diff


async def test_a_long_diff_loses_its_middle(tree: Path) -> None:
    (tree / "long.txt").write_text("".join(f"line {n}\n" for n in range(5000)))
    diff = await git_diff(call("git.diff"), context_of(tree))
    assert "characters left out" in diff
    assert "line 4999" in diff
    assert len(diff) < 13_000


async def test_a_commit_takes_everything_without_hooks_or_identity(
    project: Path, tree: Path
) -> None:
    for name in ("pre-commit", "commit-msg", "post-commit", "reference-transaction"):
        hook = project / ".git" / "hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {project}/hook-ran\nexit 1\n")
        hook.chmod(0o755)
    git(project, "config", "core.fsmonitor", f"touch {project}/hook-ran")
    (tree / "a.txt").write_text("two\n")
    (tree / "new.txt").write_text("x\n")
    text = await git_commit(call("git.commit", message="Change both\n\nBody."), context_of(tree))
    assert text.endswith(": Change both")
    assert git(tree, "log", "-1", "--format=%an <%ae> %s") == (
        "local-llm <local-llm@localhost> Change both"
    )
    assert not (project / "hook-ran").exists()
    assert git(tree, "-c", "core.fsmonitor=false", "status", "--porcelain") == ""
    assert git(project, "rev-parse", "main") == git(tree, "rev-parse", "HEAD^")


async def test_the_users_identity_is_used_when_there_is_one(project: Path, tree: Path) -> None:
    git(project, "config", "user.name", "Ada")
    git(project, "config", "user.email", "ada@example.invalid")
    (tree / "a.txt").write_text("two\n")
    await git_commit(call("git.commit", body="From the body\n"), context_of(tree))
    assert git(tree, "log", "-1", "--format=%an <%ae> %s") == (
        "Ada <ada@example.invalid> From the body"
    )


async def test_a_commit_without_message_or_change_is_answered(tree: Path) -> None:
    with pytest.raises(ToolRetry, match="needs a message"):
        await git_commit(call("git.commit"), context_of(tree))
    with pytest.raises(ToolRetry, match="nothing to commit"):
        await git_commit(call("git.commit", message="x"), context_of(tree))


async def test_branches_are_listed_and_made_below_our_name_only(project: Path, tree: Path) -> None:
    context = context_of(tree)
    assert await git_branch(call("git.branch"), context) == "main"
    assert "local-llm/try" in await git_branch(call("git.branch", name="try"), context)
    assert git(project, "branch", "--list", "--format=%(refname:short)") == "local-llm/try\nmain"
    with pytest.raises(ToolRetry, match="exists already"):
        await git_branch(call("git.branch", name="local-llm/try"), context)
    for name in ("../main", "a b", "x..y", "x.lock", "-x"):
        with pytest.raises(ToolRetry, match="no branch name"):
            await git_branch(call("git.branch", name=name), context)


async def test_without_commits_there_is_no_branch_to_make(tmp_path: Path) -> None:
    await Repo.init(tmp_path)
    context = context_of(tmp_path)
    assert await git_branch(call("git.branch"), context) == "There is no branch yet."
    with pytest.raises(ToolRetry, match="no commit yet"):
        await git_branch(call("git.branch", name="x"), context)
    (tmp_path / "x").write_text("x")
    assert await git_status(call("git.status"), context) == "A x"


async def branch_with(tree: Path, name: str, content: str) -> None:
    """Make branch ``name`` with one more commit, and come back to where HEAD was."""
    before = git(tree, "rev-parse", "HEAD")
    (tree / "a.txt").write_text(content)
    git(tree, "commit", "-qam", name)
    git(tree, "branch", name)
    git(tree, "checkout", "-q", "--detach", before)


async def test_a_merge_brings_the_other_branchs_files(tree: Path) -> None:
    await branch_with(tree, "other", "theirs\n")
    (tree / "mine.txt").write_text("mine\n")
    git(tree, "add", ".")
    git(tree, "commit", "-qm", "mine")
    text = await git_merge(call("git.merge", name="other"), context_of(tree))
    assert text.startswith("Merged other as ")
    assert (tree / "a.txt").read_text() == "theirs\n"
    assert (tree / "mine.txt").exists()
    assert git(tree, "status", "--porcelain") == ""
    assert len(git(tree, "log", "-1", "--format=%P").split()) == 2
    assert "already" in await git_merge(call("git.merge", branch="other"), context_of(tree))


async def test_a_merge_with_conflicts_changes_nothing_and_names_the_files(tree: Path) -> None:
    await branch_with(tree, "other", "theirs\n")
    (tree / "a.txt").write_text("ours\n")
    git(tree, "commit", "-qam", "ours")
    with pytest.raises(ToolRetry, match=r"conflicts in a\.txt"):
        await git_merge(call("git.merge", name="other"), context_of(tree))
    assert (tree / "a.txt").read_text() == "ours\n"
    assert git(tree, "status", "--porcelain") == ""


async def test_a_merge_that_cannot_start_is_answered(project: Path, tree: Path) -> None:
    await branch_with(tree, "other", "theirs\n")
    with pytest.raises(ToolRetry, match="no branch 'absent'"):
        await git_merge(call("git.merge", name="absent"), context_of(tree))
    with pytest.raises(ToolDenied, match="own worktree"):
        await git_merge(call("git.merge", name="other"), context_of(project))
    (tree / "a.txt").write_text("not committed\n")
    with pytest.raises(ToolRetry, match=r"git\.commit first"):
        await git_merge(call("git.merge", name="other"), context_of(tree))


async def test_histories_without_a_common_commit_are_not_merged(tree: Path) -> None:
    git(tree, "checkout", "-q", "--orphan", "alien")
    git(tree, "commit", "-qm", "alien")
    git(tree, "checkout", "-q", "--detach", "main")
    with pytest.raises(ToolRetry, match="git could not merge 'alien'"):
        await git_merge(call("git.merge", name="alien"), context_of(tree))


def test_names_are_shown_on_one_printable_line() -> None:
    assert gitfiles.shown("plain ü") == "plain ü"
    assert gitfiles.shown("new\nline") == "'new\\nline'"
    assert gitfiles.shown(os.fsdecode(b"\xff")) == "\\udcff"


def wait_until_settled(folder: Path, *paths: str) -> None:
    """Wait, five seconds at most, until any write to the files is certain to show."""
    until = time.monotonic() + 5
    seen = gitfiles.look(folder, paths)
    assert set(seen) == set(paths)
    while not all(one.settled(time.time_ns()) for one in seen.values()):
        assert time.monotonic() < until
        time.sleep(0.05)


async def test_a_snapshot_reads_again_what_was_written_and_nothing_else(project: Path) -> None:
    for name in ("same.txt", "changed.txt", "mode.txt"):
        (project / name).write_text(f"{name}\n")
    wait_until_settled(project, "same.txt", "changed.txt", "mode.txt")
    repo = await Repo.open(project)
    first = await repo.snapshot()
    blob = git(project, "rev-parse", f"{first}:same.txt")
    kept = project / ".git" / "objects" / blob[:2] / blob[2:]
    kept.unlink()
    assert await repo.snapshot() == first
    assert not kept.exists()  # nobody has read the file
    git(project, "hash-object", "-w", "same.txt")
    before = (project / "changed.txt").stat()
    (project / "changed.txt").write_text("CHANGED.txt\n")  # of the same size, and seemingly as old
    os.utime(project / "changed.txt", ns=(before.st_atime_ns, before.st_mtime_ns))
    (project / "mode.txt").chmod(0o755)
    found = {change.path: change.new for change in await repo.changes(first, await repo.snapshot())}
    changed, mode = found.pop("changed.txt"), found.pop("mode.txt")
    assert changed is not None and await repo.blob(changed.sha) == b"CHANGED.txt\n"
    assert mode is not None and mode.mode == gitfiles.EXECUTABLE
    assert not found


async def test_a_folder_that_became_a_link_holds_no_file(project: Path) -> None:
    (project / "folder").mkdir()
    (project / "folder" / "b.txt").write_text("b\n")
    repo = await Repo.open(project)
    assert "folder/b.txt" in git(project, "ls-tree", "-r", "--name-only", await repo.snapshot())
    (project / "folder").rename(project / "elsewhere")
    (project / "folder").symlink_to("elsewhere")
    names = git(project, "ls-tree", "-r", "--name-only", await repo.snapshot()).splitlines()
    assert names == ["a.txt", "elsewhere/b.txt", "folder"]


def test_a_file_written_just_now_may_be_written_again_unseen() -> None:
    second_ns = 1_000_000_000
    old = gitfiles.Seen(gitfiles.FILE, b"", (1, 10 * second_ns, 10 * second_ns, 1))
    touched = gitfiles.Seen(gitfiles.FILE, b"", (1, 10 * second_ns, 19 * second_ns, 1))
    assert old.settled(20 * second_ns)
    assert not touched.settled(20 * second_ns)
