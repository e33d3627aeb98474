"""A state of the workspace to compare: in memory, a folder on disk, a git tree, the git index."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol

from mcp_local_llm import UsageError
from tools import gitfiles
from tools.gitfiles import LINK, SUBMODULE, Entry
from tools.repository import Repo

_NEVER: Final = frozenset({".git", "node_modules", "__pycache__", ".venv", "venv"})


class Link(bytes):
    """The target of a symbolic link; never the same as a file with that content."""


class Files(Protocol):
    """A state of the workspace. Paths are relative, with ``/``."""

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes, a :class:`Link`, or None for what is neither.

        A path below a symbolic link is not there.
        """
        ...

    def paths(self) -> Iterable[str]:
        """Return all paths, for regions that hold several files."""
        ...


class MemoryFiles:
    """A state held in memory."""

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        """Take the bytes (or :class:`Link`) of each path."""
        self._contents = dict(contents)

    def read(self, path: str) -> bytes | None:
        """Return what is at ``path``."""
        return self._contents.get(path)

    def paths(self) -> Iterable[str]:
        """Return all paths."""
        return self._contents.keys()


class FolderFiles:
    """The files below a folder as they are at the moment of reading."""

    def __init__(self, root: Path) -> None:
        """Take the folder ``root``."""
        self._root = root

    def read(self, path: str) -> bytes | None:
        """Return what is at ``path``; a file that can't be read is not there."""
        try:
            if gitfiles.parent_in_the_way(self._root, path) is not None:
                return None
            mode = (self._root / path).lstat().st_mode
            if stat.S_ISLNK(mode):
                return Link(gitfiles.content_on_disk(self._root, path))
            return (self._root / path).read_bytes() if stat.S_ISREG(mode) else None
        except (OSError, ValueError):  # gone, closed to us, or no name for a file
            return None

    def paths(self) -> Iterator[str]:
        """Yield all files and links; git's folder, caches and installed packages are left out."""
        for folder, names, files in os.walk(self._root):
            below = Path(folder).relative_to(self._root).as_posix()
            prefix = "" if below == "." else below + "/"
            links = [name for name in names if Path(folder, name).is_symlink()]
            names[:] = sorted(set(names) - _NEVER - set(links))
            yield from (prefix + name for name in sorted([*files, *links]) if name not in _NEVER)


async def tree_files(repo: Repo, revision: str, paths: Iterable[str] | None = None) -> MemoryFiles:
    """Return the files of a commit or tree; with ``paths``, only those of them.

    Raises :class:`UsageError` for a revision that git does not know.
    """
    done = await repo.run("ls-tree", "-r", "-z", "--full-tree", revision, "--")
    if done.code != 0:
        raise UsageError(f"git knows no commit {revision!r}: {done.stderr.strip()}")
    entries: dict[str, Entry] = {}
    for line in done.raw.split(b"\0")[:-1]:
        about, _, name = line.partition(b"\t")
        mode, _, sha = about.decode().split()
        entries[os.fsdecode(name)] = Entry(mode, sha)
    return await _loaded(repo, entries, paths)


async def index_files(repo: Repo, paths: Iterable[str] | None = None) -> MemoryFiles:
    """Return the files as they are staged; with ``paths``, only those of them.

    A file in conflict is not there: git does not commit it either.
    """
    entries: dict[str, Entry] = {}
    for line in (await repo.out("ls-files", "-z", "--cached", "--stage")).split(b"\0")[:-1]:
        about, _, name = line.partition(b"\t")
        mode, sha, stage = about.decode().split()
        if stage == "0":
            entries[os.fsdecode(name)] = Entry(mode, sha)
    return await _loaded(repo, entries, paths)


async def _loaded(
    repo: Repo, entries: Mapping[str, Entry], paths: Iterable[str] | None
) -> MemoryFiles:
    wanted = set(entries if paths is None else paths)
    chosen = {
        path: entry for path, entry in entries.items() if path in wanted and entry.mode != SUBMODULE
    }
    blobs = await repo.blobs(entry.sha for entry in chosen.values())
    return MemoryFiles(
        {
            path: Link(blobs[entry.sha]) if entry.mode == LINK else blobs[entry.sha]
            for path, entry in chosen.items()
        }
    )
