"""A run's own git worktree, on top of the user's current state, and what becomes of it.

``create`` records the user's files as they are (committed or not, untracked but not ignored) as
a commit on a private ref, byte for byte, and lays a linked worktree on it. Nothing of the user's
changes: not the tree, not the index, not HEAD, not the stash. ``RunTree.deliver`` makes the branch
``local-llm/<run-id>``; ``apply`` brings the run's changes into the user's files; ``discard``
removes every trace. All can be killed at any point and called again.

What a run keeps in the repository (``<run>`` is its id)::

    refs/local-llm/<run>/base        the user's files when the run began, as bytes
    refs/local-llm/<run>/parent      what the delivered commit stands on
    refs/local-llm/<run>/tip         the run's last commit; set once the worktree is complete
    refs/local-llm/<run>/final       the run's files when it was delivered
    refs/local-llm/<run>/delivered   the delivered commit
    refs/heads/local-llm/<run>       the branch, the same commit
    .git/local-llm/<run>.json        where the worktree lies

Not covered: submodules stay at their commit and are not checked out in the worktree; LFS files
are recorded with their content; ignored files (``.env``, ``.venv``) are not in the worktree.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from mcp_local_llm import LocalLLMError, UsageError
from memory.records import RUN_ID
from memory.whole_file import write_whole
from tools.apply import apply as apply  # the third thing that becomes of a run
from tools.preserve.check import Violation
from tools.preserve.contracts import CONTRACT_FILE
from tools.preserve.file import read_contracts
from tools.preserve.guard import BreaksContract, Guard
from tools.repository import Repo


def ref(run_id: str, name: str) -> str:
    """Return a private ref of the run."""
    return f"refs/local-llm/{run_id}/{name}"


@dataclass(frozen=True, slots=True)
class RunTree:
    """A run's worktree. ``workspace`` is where in it the user's chosen folder lies."""

    run_id: str
    repo: Repo  # the user's
    tree: Repo  # the run's
    workspace: Path
    base: str

    @property
    def branch(self) -> str:
        """The branch that ``deliver`` makes."""
        return f"local-llm/{self.run_id}"

    def is_there(self) -> bool:
        """Say whether the worktree still lies where it was made. Blocking."""
        return self.workspace.is_dir() and (self.tree.root / ".git").exists()

    async def commit(self, message: str) -> str:
        """Commit all of the worktree and return the commit; without changes, the last one."""
        made = await self.tree.commit_all(message)
        await self.repo.out("update-ref", ref(self.run_id, "tip"), made)
        return made

    async def commit_within(
        self, guard: Guard, since: str, message: str
    ) -> tuple[str, tuple[Violation, ...]]:
        """Commit what was done since the commit ``since``, but for what breaks a contract.

        Returns the commit, and what broke which contract: those files are as in ``since`` again.
        """
        undone = await guard.put_back(since)
        made = await self.commit(message)
        left = await guard.broken_by(made)
        if left:  # it was changed while it was looked at: nothing of it is kept
            await self.reset_to(since)
            made = since
        return made, (*undone, *left)

    async def diff(self) -> str:
        """Return what the run changed so far, committed or not, as a diff of the repository."""
        return await self.tree.diff(self.base, await self.tree.snapshot())

    async def changed_files(self) -> tuple[str, ...]:
        """Return the paths the run changed so far, relative to the workspace they lie in."""
        changes = await self.tree.changes(self.base, await self.tree.snapshot())
        prefix = self.workspace.relative_to(self.tree.root).as_posix() + "/"
        return tuple(c.path.removeprefix(prefix) for c in changes)

    async def reset_to(self, sha: str) -> None:
        """Bring files and HEAD back to the commit ``sha``; ignored files stay as they are."""
        head = await self.tree.head()
        await self.tree.put_on_disk(await self.tree.changes(await self.tree.snapshot(), sha))
        await self.tree.move_head(sha, head or sha, mark=ref(self.run_id, "tip"))

    async def guard(self) -> Guard:
        """Return what the run must not break: the contracts of its base.

        A contract file that git does not hold counts as well, as it lies in the user's folder.
        Raises ``UsageError`` when that can't be read.
        """
        inside = self.workspace.relative_to(self.tree.root).as_posix()
        guard = await Guard.open(self.tree, self.base, prefix="" if inside == "." else inside + "/")
        if CONTRACT_FILE in guard.entries:
            return guard
        return replace(guard, extra=await asyncio.to_thread(read_contracts, self.repo.root))

    async def deliver(self, message: str = "", guard: Guard | None = None) -> str:
        """Make the branch ``local-llm/<run-id>`` and return its name.

        It holds one commit with the run's changes. Its parent is the user's HEAD of when the run
        began; if the user had uncommitted changes then, its parent is a commit of those, on top
        of that HEAD. The user's filters (line endings, LFS) apply as in their own ``git add``.
        Delivering again replaces the commit, unless the user has moved the branch.

        Raises:
            LocalLLMError: the run changed nothing.
            UsageError: the branch was moved by the user, or is checked out.
            BreaksContract: what would be delivered breaks a contract of ``guard``: there is no
                branch then.
        """
        final = await self.commit(message or f"Run {self.run_id}")
        changes = await self.tree.changes(self.base, final)
        if not changes:
            raise LocalLLMError(f"Run {self.run_id!r} changed nothing, so there is no branch.")
        parent = await self.repo.resolve(ref(self.run_id, "parent"))
        if parent is None:
            raise UsageError(f"Run {self.run_id!r} was discarded. Start a new one.")
        paths = [change.path for change in changes]
        tree = await self.repo.added_tree(parent, paths, self.tree.root)
        if guard is not None:
            await self._require_whole(guard, final, parent, tree)
        delivered = await self._current_delivery(parent, tree)
        if delivered is None:
            text = message or f"local-llm: run {self.run_id}"
            delivered = await self.repo.commit_tree(tree, [parent], text)
        await self._publish(delivered, final)
        return self.branch

    async def _require_whole(self, guard: Guard, final: str, parent: str, tree: str) -> None:
        """Refuse a delivery that breaks a contract, as the run left it or as git would keep it.

        The latter differs where filters apply, which the run may have changed.
        """
        kept = await Guard.open(self.repo, parent, extra=guard.extra)
        kept = replace(kept, lifted=guard.lifted)
        broken = (*await guard.broken_by(final), *await kept.broken_by(tree))
        if broken:
            raise BreaksContract(tuple(dict.fromkeys(broken)), "Not delivered")

    async def _current_delivery(self, parent: str, tree: str) -> str | None:
        """Return the earlier delivery if it is the same as this one."""
        earlier = await self.repo.resolve(ref(self.run_id, "delivered"))
        if earlier is None or await self.repo.tree_of(earlier) != tree:
            return None
        return earlier if await self.repo.resolve(f"{earlier}^") == parent else None

    async def _publish(self, delivered: str, final: str) -> None:
        """Move the branch and what we know of it in one transaction."""
        ours = await self.repo.resolve(ref(self.run_id, "delivered"))
        there = await self.repo.resolve(f"refs/heads/{self.branch}")
        if there not in {None, ours, delivered}:
            raise UsageError(
                f"Branch {self.branch!r} has commits that are not this run's. Rename it "
                f"(git branch -m {self.branch} NAME) and deliver again."
            )
        if there not in {None, delivered} and await _checked_out(self.repo, self.branch):
            raise UsageError(f"Branch {self.branch!r} is checked out. Switch to another first.")
        zero = "0" * len(delivered)
        lines = [
            f"update refs/heads/{self.branch} {delivered} {there or zero}",
            f"update {ref(self.run_id, 'delivered')} {delivered}",
            f"update {ref(self.run_id, 'final')} {final}",
        ]
        await self.repo.out("update-ref", "--stdin", stdin="\n".join(lines).encode() + b"\n")


async def create(repo_root: Path, run_id: str, dest: Path) -> RunTree:
    """Make the run's worktree at ``dest``, or complete or open the one that is there.

    ``repo_root`` may be a folder within the repository: it is then the workspace.

    Raises:
        UsageError: not a git repository (offers ``--init-git``), a bad run id, or ``dest`` is in
            use by something else.
        StoreUnavailable: git or the disk failed.
    """
    if not re.fullmatch(RUN_ID, run_id):
        raise UsageError(f"{run_id!r} is no run id: use letters, digits, '-' and '_'.")
    repo = await Repo.open(repo_root)
    dest, inside = await asyncio.to_thread(_note_place, repo, run_id, dest, repo_root)
    base = await repo.resolve(ref(run_id, "base")) or await _record_base(repo, run_id)
    tip = await repo.resolve(ref(run_id, "tip"))
    if tip is None or not await asyncio.to_thread((dest / ".git").exists):
        tree = await _lay_out(repo, dest, tip or base)
        await repo.out("update-ref", ref(run_id, "tip"), tip or base)
    else:
        tree = await Repo.open(dest)
    workspace = dest / inside
    await asyncio.to_thread(workspace.mkdir, parents=True, exist_ok=True)  # it may hold no file
    return RunTree(run_id, repo, tree, workspace, base)


async def discard(repo_root: Path, run_id: str) -> None:
    """Remove the run's worktree, refs and branch; what is already gone is fine.

    The branch stays when the user has moved it or has it checked out.
    """
    repo = await Repo.open(repo_root)
    dest = await asyncio.to_thread(_noted_place, repo, run_id)
    if dest is not None:
        await _remove_tree(repo, dest)
    branch = f"local-llm/{run_id}"
    delivered = await repo.resolve(ref(run_id, "delivered"))
    same = delivered is not None and delivered == await repo.resolve(f"refs/heads/{branch}")
    if same and not await _checked_out(repo, branch):
        await repo.out("update-ref", "-d", f"refs/heads/{branch}", delivered or "")
    listed = await repo.word("for-each-ref", "--format=delete %(refname)", ref(run_id, ""))
    if listed:
        await repo.out("update-ref", "--stdin", stdin=listed.encode() + b"\n")
    await asyncio.to_thread(_forget_place, repo, run_id)


async def _remove_tree(repo: Repo, dest: Path) -> None:
    """Remove the linked worktree at ``dest``, if git knows one there."""
    if await asyncio.to_thread(_entry, repo, dest) is not None:
        # the files first: git refuses a worktree that a kill left half removed
        await asyncio.to_thread(shutil.rmtree, dest, ignore_errors=True)
        # forced twice: git locks a worktree while it makes it, and a kill leaves the lock
        await repo.out("worktree", "remove", "--force", "--force", str(dest))


async def _record_base(repo: Repo, run_id: str) -> str:
    """Record the user's files and what a delivery will stand on; return the former."""
    head = await repo.head()
    parents = [head] if head else []
    base = await repo.commit_tree(await repo.snapshot(), parents, f"Run {run_id}: files as found")
    parent = head if head and await _clean(repo) else await _added(repo, base, head, run_id)
    lines = [f"create {ref(run_id, 'base')} {base}", f"create {ref(run_id, 'parent')} {parent}"]
    await repo.out("update-ref", "--stdin", stdin="\n".join(lines).encode() + b"\n")
    return base


async def _clean(repo: Repo) -> bool:
    """Say whether git, with the user's own settings, sees no uncommitted change."""
    asked = ["status", "--porcelain=v2", "-z", "--untracked-files=normal"]
    return not await repo.out(*asked, "--ignore-submodules=all")


async def _added(repo: Repo, base: str, head: str | None, run_id: str) -> str:
    """Commit the files of ``base`` as the user's own ``git add --all`` would."""
    onto = head or await repo.empty_tree()
    paths = [change.path for change in await repo.changes(onto, base)]
    tree = await repo.added_tree(onto, paths, repo.root)
    text = f"Uncommitted changes when run {run_id} began"
    return await repo.commit_tree(tree, [head] if head else [], text)


async def _lay_out(repo: Repo, dest: Path, commit: str) -> Repo:
    """Make a linked worktree of ``commit`` at ``dest``, replacing a half-made one."""
    await _remove_tree(repo, dest)
    if await asyncio.to_thread(_in_use, dest):
        raise UsageError(f"{str(dest)!r} is not empty and no worktree of this run. Remove it.")
    flags = ["--force", "--force", "--no-checkout", "--detach"]
    await repo.out("worktree", "add", *flags, str(dest), commit)
    tree = await Repo.open(dest)
    await tree.put_on_disk(await tree.changes(await repo.empty_tree(), commit))
    await tree.out("read-tree", commit)
    return tree


def _entry(repo: Repo, dest: Path) -> Path | None:
    """Return git's own folder for the linked worktree at ``dest``, if there is one."""
    for pointer in repo.common_dir.glob("worktrees/*/gitdir"):
        target = Path(pointer.read_text(errors="surrogateescape").strip())
        if (pointer.parent / target).parent == dest:
            return pointer.parent
    return None


def _place_file(repo: Repo, run_id: str) -> Path:
    return repo.common_dir / "local-llm" / f"{run_id}.json"


def _noted_place(repo: Repo, run_id: str) -> Path | None:
    place = _place_file(repo, run_id)
    return Path(json.loads(place.read_text())["dest"]) if place.exists() else None


def _note_place(repo: Repo, run_id: str, dest: Path, workspace: Path) -> tuple[Path, Path]:
    """Write down where the worktree is going to be, before it is there.

    Returns ``dest`` without symbolic links, and where the workspace lies in the repository.
    """
    dest = dest.parent.resolve() / dest.name
    noted = _noted_place(repo, run_id)
    if noted not in {None, dest} and _entry(repo, noted or dest) is not None:
        raise UsageError(f"Run {run_id!r} has its worktree in {str(noted)!r}. Discard it first.")
    if noted != dest:
        place = _place_file(repo, run_id)
        place.parent.mkdir(exist_ok=True)
        write_whole(place, json.dumps({"dest": str(dest)}))
    return dest, workspace.resolve().relative_to(repo.root)


def _forget_place(repo: Repo, run_id: str) -> None:
    place = _place_file(repo, run_id)
    place.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # other runs keep theirs there
        place.parent.rmdir()


def _in_use(dest: Path) -> bool:
    return dest.exists() and (not dest.is_dir() or any(dest.iterdir()))


async def _checked_out(repo: Repo, branch: str) -> bool:
    listed = await repo.out("worktree", "list", "--porcelain")
    return f"branch refs/heads/{branch}".encode() in listed.splitlines()
