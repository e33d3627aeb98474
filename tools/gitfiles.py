"""Files of a git tree as bytes on disk: what git's own checkout would pass through filters.

Paths are relative to the work tree with ``/``, as ``os.fsdecode`` gives them (a name that is not
UTF-8 survives). No symbolic link is ever followed on the way to a path.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LINK: Final = "120000"
FILE: Final = "100644"
EXECUTABLE: Final = "100755"
SUBMODULE: Final = "160000"
_COARSEST_TICK_NS: Final = 2_000_000_000  # FAT keeps times to two seconds


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a tree: its git mode and the id of its blob."""

    mode: str
    sha: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What lies at a path: its git mode, a link's target, and what any write to it changes.

    ``stamp`` is size, mtime, ctime (both in ns) and inode.
    """

    mode: str
    target: bytes
    stamp: tuple[int, int, int, int]

    def settled(self, now_ns: int) -> bool:
        """Say whether a write after ``now_ns`` is certain to change the stamp.

        A second write within the same tick of a coarse clock would leave the stamp as it is.
        """
        _, mtime_ns, ctime_ns, _ = self.stamp
        return max(mtime_ns, ctime_ns) + _COARSEST_TICK_NS < now_ns


@dataclass(frozen=True, slots=True)
class Change:
    """One path that differs between two trees; None means that the path is not there."""

    path: str
    old: Entry | None
    new: Entry | None

    @property
    def letter(self) -> str:
        """A(dded), D(eleted) or M(odified)."""
        return "A" if self.old is None else "D" if self.new is None else "M"


def shown(path: str) -> str:
    """Return ``path`` fit for a message: one line, printable, valid UTF-8."""
    text = path.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if text.isprintable() else repr(text)


def quoted(path: str) -> bytes:
    """Return ``path`` quoted as git's ``--stdin-paths`` reads it (newlines survive)."""
    plain = (f"{b:c}" if 32 <= b < 127 and b not in b'"\\' else f"\\{b:03o}" for b in _raw(path))
    return ('"' + "".join(plain) + '"').encode("ascii")


def _raw(path: str) -> bytes:
    return os.fsencode(path)


def parent_in_the_way(root: Path, path: str) -> Path | None:
    """Return the first parent of ``path`` that is no real folder; missing ones are fine."""
    folder = root
    for part in path.split("/")[:-1]:
        folder = folder / part
        try:
            if not stat.S_ISDIR(folder.lstat().st_mode):
                return folder
        except FileNotFoundError:
            return None
    return None


def reopen(root: Path) -> tuple[str, ...]:
    """Let the owner read all files below ``root`` and use all folders; return what was closed.

    Git keeps no such permissions, so nothing is lost by it; its own folder is left out.
    """
    closed = []
    for at, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name != ".git"]
        wanted = [(name, stat.S_IRWXU) for name in folders] + [
            (name, stat.S_IRUSR) for name in files
        ]
        for name, needed in wanted:
            path = f"{at}/{name}"
            mode = os.lstat(path).st_mode
            plain = stat.S_ISDIR(mode) or stat.S_ISREG(mode)
            if plain and mode & needed != needed:
                os.chmod(path, stat.S_IMODE(mode) | needed)  # noqa: PTH101 - for every file
                closed.append(os.path.relpath(path, root))
    return tuple(closed)


def look(root: Path, paths: Iterable[str]) -> dict[str, Seen]:
    """Return what lies at each path; those with nothing, a folder or a device are left out.

    A path below a symbolic link counts as not there, as git has it.
    """
    folders: dict[str, bool] = {}
    found: dict[str, Seen] = {}
    for path in paths:
        if not _in_real_folders(root, path, folders):
            continue
        try:
            about = os.lstat(f"{root}/{path}")  # no Path: this is called for every file
        except (FileNotFoundError, NotADirectoryError):
            continue
        mode = _mode(about.st_mode)
        if mode is not None:
            stamp = (about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino)
            found[path] = Seen(mode, content_on_disk(root, path) if mode == LINK else b"", stamp)
    return found


def _mode(mode: int) -> str | None:
    """Return git's mode for the file mode ``mode``, or None for what git does not keep."""
    if stat.S_ISLNK(mode):
        return LINK
    if not stat.S_ISREG(mode):
        return None
    return EXECUTABLE if mode & stat.S_IXUSR else FILE


def _in_real_folders(root: Path, path: str, known: dict[str, bool]) -> bool:
    """Say whether all parents of ``path`` are there and no links; ``known`` keeps the answers."""
    folder, _, _ = path.rpartition("/")
    if folder not in known:
        parent = (root / path).parent
        known[folder] = parent_in_the_way(root, path) is None and parent.is_dir()
    return known[folder]


def content_on_disk(root: Path, path: str) -> bytes:
    """Return the bytes of a file, or the target of a symbolic link."""
    full = root / path
    if full.is_symlink():
        return _raw(os.readlink(full))  # noqa: PTH115 - Path would normalise the target
    return full.read_bytes()


def put(root: Path, path: str, mode: str, content: bytes) -> None:
    """Write one file of our own work tree, replacing whatever lies there."""
    blocking = parent_in_the_way(root, path)
    if blocking is not None:
        blocking.unlink()
    full = root / path
    full.parent.mkdir(parents=True, exist_ok=True)
    if full.is_dir() and not full.is_symlink():
        shutil.rmtree(full)
    full.unlink(missing_ok=True)
    if mode == LINK:
        full.symlink_to(os.fsdecode(content))
        return
    create_file(full, content, 0o777 if mode == EXECUTABLE else 0o666)


def put_all(root: Path, entries: Mapping[str, Entry], contents: Mapping[str, bytes]) -> None:
    """Write several files; ``contents`` is by blob."""
    for path, entry in entries.items():
        put(root, path, entry.mode, contents[entry.sha])


def remove_old(root: Path, changes: Iterable[Change]) -> None:
    """Remove the files that ``changes`` delete or turn into another kind."""
    for change in changes:
        if change.new is None or (change.old and change.old.mode != change.new.mode):
            remove(root, change.path)


def create_file(full: Path, content: bytes, permissions: int) -> None:
    """Create a file that is not there yet; the umask applies to ``permissions``."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(full, flags, permissions), "wb") as file:
        file.write(content)


def remove(root: Path, path: str) -> None:
    """Remove one file and the folders it leaves empty; nothing there is fine."""
    if parent_in_the_way(root, path) is not None:
        return
    (root / path).unlink(missing_ok=True)
    prune_empty(root, path)


def prune_empty(root: Path, path: str) -> None:
    """Remove the parents of ``path`` that are empty, as git does; ``root`` stays."""
    for folder in (root / path).parents:
        if folder == root:
            return
        try:
            folder.rmdir()
        except FileNotFoundError:
            continue
        except OSError:  # not empty
            return


def in_batches(sizes: Iterable[tuple[str, int]], limit: int) -> list[list[str]]:
    """Group names so that each group's sizes stay below ``limit`` (one large name is a group)."""
    groups: list[list[str]] = [[]]
    filled = 0
    for name, size in sizes:
        if groups[-1] and filled + size > limit:
            groups.append([])
            filled = 0
        groups[-1].append(name)
        filled += size
    return [group for group in groups if group]
