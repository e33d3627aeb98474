"""Brings what a run changed into the user's own files: all of it or nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from mcp_local_llm import StoreUnavailable, UsageError
from tools import gitfiles
from tools.gitfiles import EXECUTABLE, LINK, SUBMODULE, Change, Entry, shown
from tools.preserve.file import read_contracts
from tools.preserve.guard import Guard, lifting_commands, told
from tools.repository import Repo


async def apply(
    repo_root: Path, run_id: str, *, lifted: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """Write the run's changes into the user's working tree; return the paths written.

    Every touched file must be as it was when the run began, or already as the run left it; so a
    second call writes nothing, and a call after a crash completes the first. The index and HEAD
    stay as they are. The change must break no contract, neither of those of when the run began nor
    of the contract file as it is now; those in ``lifted`` are left out.

    Raises:
        UsageError: there is no such run, files have changed since, or a contract forbids it: it
            names them, and nothing was written.
    """
    repo = await Repo.open(repo_root)
    refs = f"refs/local-llm/{run_id}"
    base = await repo.resolve(f"{refs}/base")
    final = await repo.resolve(f"{refs}/final") or await repo.resolve(f"{refs}/tip")
    if base is None or final is None:
        raise UsageError(f"There is no run {run_id!r} in {str(repo.root)!r} to apply.")
    await _require_allowed(repo, run_id, base, final, lifted)
    changes = [c for c in await repo.changes(base, final) if not _is_submodule(c)]
    current = await _on_disk(repo, [change.path for change in changes])
    newer = [c.path for c in changes if current.get(c.path) not in (c.old, c.new)]
    if newer:
        raise UsageError(_newer(newer, run_id))
    todo = [change for change in changes if current.get(change.path) != change.new]
    contents = await repo.blobs(change.new.sha for change in todo if change.new)
    try:
        await asyncio.to_thread(_write, repo, todo, contents)
    except OSError as error:
        raise UsageError(
            f"Run {run_id!r} could not be applied to {str(repo.root)!r}: {error}. Nothing was "
            "changed; mend that and apply again."
        ) from error
    return tuple(shown(change.path) for change in todo)


async def _require_allowed(
    repo: Repo, run_id: str, base: str, final: str, lifted: frozenset[str]
) -> None:
    present = await asyncio.to_thread(read_contracts, repo.root)
    guard = await Guard.open(repo, base, extra=present)
    if broken := await replace(guard, lifted=lifted).broken_by(final):
        raise UsageError(
            f"Run {run_id!r} was not applied, as it breaks contracts: {told(broken)} To allow it: "
            f"{' and '.join(lifting_commands([each.contract for each in broken], run_id))}"
        )


def _is_submodule(change: Change) -> bool:
    return any(entry is not None and entry.mode == SUBMODULE for entry in (change.old, change.new))


async def _on_disk(repo: Repo, paths: list[str]) -> dict[str, Entry]:
    """Return what lies at each path now."""
    entries: dict[str, Entry] = {}
    for path, seen in (await asyncio.to_thread(gitfiles.look, repo.root, paths)).items():
        content = seen.target
        if seen.mode != LINK:
            content = await asyncio.to_thread(gitfiles.content_on_disk, repo.root, path)
        args = ("hash-object", "--no-filters", "--stdin")
        entries[path] = Entry(seen.mode, await repo.word(*args, stdin=content))
    return entries


def _newer(paths: Sequence[str], run_id: str) -> str:
    names = "\n".join(f"    {shown(path)}" for path in paths)
    return (
        f"Run {run_id!r} was not applied, because these files have changed since it began:\n"
        f"{names}\nNothing was written. Merge its branch instead: git merge local-llm/{run_id}"
    )


@contextlib.contextmanager
def _staging(repo: Repo) -> Iterator[Path]:
    """Yield a folder on the file system of the user's tree: only there is a rename atomic."""
    own = repo.common_dir / "local-llm"
    own.mkdir(exist_ok=True)
    same = own.stat().st_dev == repo.root.stat().st_dev
    folder = Path(tempfile.mkdtemp(prefix=".local-llm-", dir=own if same else repo.root))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _write(repo: Repo, todo: Sequence[Change], contents: dict[str, bytes]) -> None:
    """Make all of ``todo`` true on disk, or nothing."""
    if todo:
        with _staging(repo) as stage:
            _swap(repo.root, stage, todo, contents)


def _swap(root: Path, stage: Path, todo: Sequence[Change], contents: dict[str, bytes]) -> None:
    """Stage all new files, keep all old ones, then move; move back when one move fails."""
    order = sorted(todo, key=lambda change: change.new is not None)  # what goes makes room first
    for number, change in enumerate(order):
        if change.new is not None:
            _stage(root, stage / f"new-{number}", change, contents[change.new.sha])
        if change.old is not None:
            _keep(root / change.path, stage / f"old-{number}")
    for number, change in enumerate(order):
        try:
            _move(root, stage / f"new-{number}", change)
        except OSError:
            gitfiles.prune_empty(root, change.path)  # folders made for it
            _move_back(root, stage, order[:number])
            raise


def _stage(root: Path, staged: Path, change: Change, content: bytes) -> None:
    if change.new is None or change.new.mode == LINK:
        staged.symlink_to(os.fsdecode(content))
        return
    executable = change.new.mode == EXECUTABLE
    gitfiles.create_file(staged, content, 0o777 if executable else 0o666)
    if change.old is not None and change.old.mode != LINK:  # keeps who may read and write it
        kept = stat.S_IMODE((root / change.path).stat().st_mode)
        if change.old.mode != change.new.mode:
            kept = kept | 0o100 | (kept & 0o044) >> 2 if executable else kept & ~0o111
        staged.chmod(kept)


def _keep(file: Path, kept: Path) -> None:
    shutil.copy2(file, kept, follow_symlinks=False)


def _move(root: Path, staged: Path, change: Change) -> None:
    target = root / change.path
    if change.new is None:
        gitfiles.remove(root, change.path)
        return
    blocking = gitfiles.parent_in_the_way(root, change.path)
    if blocking is not None:
        raise NotADirectoryError(f"{str(blocking)!r} is no folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    if change.old is None and os.path.lexists(target):
        raise FileExistsError(f"{str(target)!r} has appeared")
    staged.replace(target)


def _move_back(root: Path, stage: Path, moved: Sequence[Change]) -> None:
    """Undo moves, last one first; one that cannot be undone does not keep the others."""
    lost = []
    for number, change in reversed(list(enumerate(moved))):
        target = root / change.path
        try:
            if change.old is None:
                gitfiles.remove(root, change.path)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                (stage / f"old-{number}").replace(target)
        except OSError:
            lost.append(shown(change.path))
    if lost:
        raise StoreUnavailable(
            f"The disk failed while a change was taken back. Check {', '.join(lost)}: git holds "
            "their former content under refs/local-llm/."
        )
