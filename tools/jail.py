"""The workspace as a jail: no path given by a model reaches anything outside it.

A path is walked one component at a time from an open directory (``openat`` with ``O_NOFOLLOW``),
so that swapping a folder for a link between check and use gains nothing. Links are followed by hand
and only while they stay inside. The same walk serves reading, writing and deleting.

Not covered: a hard link to an outside file can be read (it is a file of the workspace by every
test there is); writing replaces the name and leaves the outside file as it was.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mcp_local_llm import StoreUnavailable, ToolDenied, ToolRetry, UsageError
from tools.faults import translated

PROTECTED: Final = frozenset({".git", "git~1", ".mcp-local-llm"})
"""Names that no tool may touch, wherever they stand and however they are spelt."""

TEMP_PREFIX: Final = ".~local-llm-"
_MAX_LINKS: Final = 40
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a fifo must not block
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DRIVE: Final = re.compile(r"[A-Za-z]:")


def is_protected(name: str) -> bool:
    """Say whether some file system takes ``name`` for a protected one (case, dots, Unicode)."""
    visible = "".join(char for char in name if unicodedata.category(char) != "Cf")
    plain = unicodedata.normalize("NFKC", visible).casefold()
    return plain.split(":", 1)[0].rstrip(". ") in PROTECTED


def _check_name(name: str, rel: str) -> None:
    if is_protected(name):
        raise ToolDenied(f"{rel!r} is denied: {name!r} belongs to git or to this program.")
    if name[-1] in ". ":
        raise ToolDenied(f"{rel!r} is denied: {name!r} ends with a dot or a space. Leave it out.")


def components(rel: str) -> list[str]:
    """Split ``rel`` into clean components; ``.`` and the empty path give none.

    Raises :class:`ToolDenied` for every spelling that is not a plain relative path.
    """
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in rel):
        raise ToolDenied(f"{rel!r} is denied: a path holds no control characters.")
    if "\\" in rel or _DRIVE.match(rel):
        raise ToolDenied(f"{rel!r} is denied: write a relative path with '/', like 'src/a.py'.")
    if rel.startswith(("/", "~")):
        raise ToolDenied(
            f"{rel!r} is denied: paths are relative to the workspace, like 'src/a.py'."
        )
    parts = [part for part in rel.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise ToolDenied(f"{rel!r} is denied: write the path without '..'.")
    for part in parts:
        _check_name(part, rel)
    return parts


@dataclass(slots=True)
class Place:
    """A name in an open directory of the workspace; the name itself is no link.

    ``parts`` is the real path from the root. ``absent`` holds what is missing of it when a folder
    on the way does not exist; then nothing can be done here but to say so.
    """

    directory: int
    name: str
    parts: tuple[str, ...]
    absent: tuple[str, ...] = ()
    made: list[tuple[int, str]] = field(default_factory=list)

    @property
    def path(self) -> str:
        """The real path, relative to the workspace, with ``/``."""
        return "/".join(self.parts) or "."

    def status(self) -> os.stat_result | None:
        """Return what ``lstat`` says of the name, None when it is not there."""
        if self.absent:
            return None
        try:
            return os.stat(self.name, dir_fd=self.directory, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def read(self, limit: int | None = None) -> tuple[bytes, os.stat_result]:
        """Return up to ``limit`` bytes of a regular file, and its status."""
        if self.absent:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        handle = os.open(self.name, _FILE, dir_fd=self.directory)
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)
            if stat.S_ISDIR(status.st_mode):
                raise IsADirectoryError(errno.EISDIR, "Is a directory")
            if not stat.S_ISREG(status.st_mode):
                raise ToolDenied(f"{self.path!r} is no regular file; choose another one.")
            return file.read(-1 if limit is None else limit), status

    def stage(self, data: bytes) -> str:
        """Write ``data`` to a new file beside the name, with the name's mode; return its name."""
        before = self.status()
        _check_writable(before, self.path)
        temp = TEMP_PREFIX + secrets.token_hex(8)
        handle = os.open(temp, _NEW, 0o666, dir_fd=self.directory)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                if before is not None:
                    _keep_owner_and_mode(handle, before)
                os.fsync(handle)
        except BaseException:
            self.drop(temp)
            raise
        return temp

    def rename(self, old: str, new: str) -> None:
        """Rename within this place's directory, replacing what is there."""
        os.rename(old, new, src_dir_fd=self.directory, dst_dir_fd=self.directory)

    def drop(self, name: str) -> None:
        """Unlink ``name`` beside this one if it is there."""
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.directory)


def _check_writable(before: os.stat_result | None, path: str) -> None:
    if before is None:
        return
    if stat.S_ISDIR(before.st_mode):
        raise ToolRetry(f"{path!r} is a folder; name a file inside it.")
    if not stat.S_ISREG(before.st_mode):
        raise ToolDenied(f"{path!r} is no regular file; choose another path.")
    if not before.st_mode & 0o222:
        raise ToolRetry(f"{path!r} is marked read-only; leave it alone or ask the user.")


def _keep_owner_and_mode(handle: int, before: os.stat_result) -> None:
    mine = os.fstat(handle)
    if (mine.st_uid, mine.st_gid) != (before.st_uid, before.st_gid):
        with suppress(PermissionError):  # only root may give files away; the content still counts
            os.fchown(handle, before.st_uid, before.st_gid)
    os.fchmod(handle, stat.S_IMODE(before.st_mode))


class _Walk:
    """One walk from the root to a place; owns the directories it opened."""

    def __init__(self, root: Path, rel: str, make_parents: bool) -> None:
        self.root = str(root)
        self.rel = rel
        self.make_parents = make_parents
        self.pending = components(rel)[::-1]
        self.names: list[str] = []
        self.made: list[tuple[int, str]] = []
        self.links = 0
        self.open: list[int] = []
        self.stack: list[int] = []
        self._enter(os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))

    def _enter(self, handle: int) -> None:
        self.open.append(handle)
        self.stack.append(handle)

    def close(self) -> None:
        for handle in self.open:
            os.close(handle)

    def run(self) -> Place:
        while self.pending:
            name = self.pending.pop()
            if name in {"", "."}:
                continue
            if name == "..":
                self._up()
                continue
            _check_name(name, self.rel)
            if self._follow(name):
                continue
            if not any(part not in {"", "."} for part in self.pending):
                return self._place(name)
            if not self._down(name):
                rest = [name, *(part for part in self.pending[::-1] if part not in {"", "."})]
                return self._place(rest[-1], tuple(rest))
        return self._place(".")

    def _place(self, name: str, absent: tuple[str, ...] = ()) -> Place:
        tail = absent or (() if name == "." else (name,))
        return Place(self.stack[-1], name, (*self.names, *tail), absent, self.made)

    def _up(self) -> None:
        if not self.names:
            raise ToolDenied(f"{self.rel!r} is denied: a link on it leads outside the workspace.")
        self.names.pop()
        self.stack.pop()

    def _follow(self, name: str) -> bool:
        try:
            target = os.readlink(name, dir_fd=self.stack[-1])
        except OSError:  # no link, or not there: opening it will tell
            return False
        self.links += 1
        if self.links > _MAX_LINKS:
            raise ToolDenied(f"{self.rel!r} is denied: its links go round in a circle.")
        if target.startswith("/"):
            if not (target + "/").startswith(self.root.rstrip("/") + "/"):
                raise ToolDenied(
                    f"{self.rel!r} is denied: {name!r} is a link that leads outside the workspace."
                )
            target = target[len(self.root) :]
            del self.names[:], self.stack[1:]
        self.pending.extend(target.split("/")[::-1])
        return True

    def _down(self, name: str) -> bool:
        here = self.stack[-1]
        try:
            handle = os.open(name, _FOLDER, dir_fd=here)
        except FileNotFoundError:
            if not self.make_parents:
                return False
            os.mkdir(name, dir_fd=here)
            self.made.append((here, name))
            handle = os.open(name, _FOLDER, dir_fd=here)
        self._enter(handle)
        self.names.append(name)
        return True


class Jail:
    """Reads, writes and deletes files of one workspace by relative paths.

    Every method raises :class:`ToolDenied` for a path that leads outside, into ``.git`` or into the
    program's own folder, :class:`ToolRetry` for what a changed call may mend, and
    :class:`StoreUnavailable` when the disk is full or read-only.
    """

    def __init__(self, root: Path) -> None:
        """Take the existing folder ``root``; raises :class:`UsageError` for anything else."""
        self.root = root.resolve()
        if not self.root.is_dir():
            raise UsageError(f"The workspace {str(root)!r} is no folder: name an existing one.")

    @contextmanager
    def reach(self, rel: str, *, make_parents: bool = False) -> Iterator[Place]:
        """Walk to ``rel`` and hold its directory open for the body of the ``with``."""
        walk = self._walk(rel, make_parents)
        try:
            with translated("reach", rel):
                place = walk.run()
            yield place
        finally:
            walk.close()

    def _walk(self, rel: str, make_parents: bool) -> _Walk:
        try:
            with translated("open", str(self.root)):
                return _Walk(self.root, rel, make_parents)
        except ToolRetry as error:
            raise StoreUnavailable(
                f"The workspace {str(self.root)!r} can't be opened any more: {error}"
            ) from error

    def resolve(self, rel: str) -> Path:
        """Return the real path of ``rel``, which need not exist, inside the workspace."""
        with self.reach(rel) as place:
            return self.root.joinpath(*place.parts)

    def exists(self, rel: str) -> bool:
        """Say whether ``rel`` is there (a file, a folder or anything else)."""
        with self.reach(rel) as place, translated("look at", rel):
            return place.status() is not None

    def read_bytes(self, rel: str, *, limit: int | None = None) -> bytes:
        """Return the content of a regular file, at most ``limit`` bytes of it."""
        with self.reach(rel) as place, translated("read", rel):
            return place.read(limit)[0]

    def write_bytes(self, rel: str, data: bytes) -> None:
        """Create or replace a file in one step; its mode is kept, missing folders are made."""
        with self.reach(rel, make_parents=True) as place, translated("write", rel):
            if place.name == ".":
                raise ToolRetry(f"{rel!r} is a folder; name a file inside it.")
            temp = place.stage(data)
            try:
                place.rename(temp, place.name)
            except BaseException:
                place.drop(temp)
                raise

    def sweep(self) -> int:
        """Delete what a killed process left half-written, and say how many files that were.

        Only for a workspace in which nobody else is writing, such as a run's own on resuming.
        """
        count = 0
        with translated("sweep", str(self.root)):
            for _, _, names, folder in os.fwalk(self.root):
                for name in names:
                    if name.startswith(TEMP_PREFIX):
                        os.unlink(name, dir_fd=folder)
                        count += 1
        return count

    def delete(self, rel: str) -> None:
        """Delete one file; folders are refused."""
        with self.reach(rel) as place, translated("delete", rel):
            before = place.status()
            if before is None:
                raise ToolRetry(f"Cannot delete {rel!r}: there is no such file.")
            _check_writable(before, rel)
            os.unlink(place.name, dir_fd=place.directory)
