"""Keeping the code index of a project in step with its files.

Only what changed is read: a file with the size and time it had is taken as it is, any other is
hashed. What the index must not hold is skipped with a reason; if it was in before, it is forgotten.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import stat
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Final

from mcp_local_llm import ToolFault, UsageError
from memory.chunks import CHUNKER, chunks
from memory.code import items_of
from memory.entries import FileState
from memory.journal import Journal
from memory.project import project_id
from memory.secrets import find_secrets
from tools.gitrepo import Repo
from tools.jail import Jail
from tools.textfile import decode
from tools.tree import visible_files

MAX_BYTES: Final = 1_000_000
_LONGEST_LINE: Final = 5_000  # characters; a longer one is for machines
_FRESH_NS: Final = (
    2_000_000_000  # a later write may carry the same time: clocks of disks are coarse
)
_VENDORED: Final = frozenset(
    {"node_modules", "bower_components", "vendor", "third_party", "site-packages", "__pycache__"}
    | {".venv", "venv", ".git", ".mcp-local-llm"}
)
_GENERATED: Final = (
    *("*.min.js", "*.min.css", "*.map", "*.lock", "package-lock.json", "pnpm-lock.yaml"),
    *("npm-shrinkwrap.json", "go.sum"),
)
_GENERATED_HEAD: Final = re.compile(
    r"^\W*(?:Code generated .* DO NOT EDIT|.*@generated\b)", re.MULTILINE
)
_HEAD_CHARS: Final = 1_000
_DATA: Final = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".ipynb", ".svg", ".snap"})
_SECRET_NAMES: Final = (
    *(".env", ".env.*", "*.pem", "*.key", "*.p12", "*.pfx", "*.kdbx", "*.keystore", "id_rsa*"),
    *("id_ed25519*", "id_ecdsa*", ".netrc", ".npmrc", ".pypirc", ".htpasswd", ".git-credentials"),
)
_SKIPPED: Final = "skipped: "


@dataclass(frozen=True, slots=True)
class Place:
    """A folder to index and the project it belongs to; ``prefix`` is "" or ``sub/folder/``."""

    root: Path
    prefix: str
    repo: Repo | None

    @classmethod
    async def of(cls, folder: Path) -> Place:
        """Find the project of ``folder``: its git repository, else the folder itself.

        Raises:
            UsageError: there is no such folder.
        """
        here = Jail(folder).root
        try:
            repo = await Repo.open(here)
        except UsageError:
            return cls(here, "", None)
        inside = here.relative_to(repo.root.resolve()).as_posix()
        return cls(repo.root.resolve(), "" if inside == "." else inside + "/", repo)

    async def paths(self) -> list[str]:
        """Return the files to look at, relative to the root: tracked, or not ignored."""
        if self.repo is None:
            return list(visible_files(Jail(self.root)))
        asked = ("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--")
        listed = await self.repo.out(*asked, self.prefix or ".")
        return sorted({os.fsdecode(name) for name in listed.split(b"\0") if name})


@dataclass(slots=True)
class Indexed:
    """What one pass did; ``skipped`` maps a reason to its files, ``chunks`` are of files read."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    chunks: int = 0
    skipped: dict[str, list[str]] = field(default_factory=dict)

    def skip(self, reason: str, path: str) -> None:
        """Note that ``path`` was left out."""
        self.skipped.setdefault(reason, []).append(path)


Tell = Callable[[int, int], None]
"""Is told how many files are done, and of how many."""


Only = Callable[[str], bool]
"""Says of a path from the project's root whether a pass is about it."""


def index_folder(
    folder: Path,
    journal: Journal,
    tell: Tell = lambda done, of: None,
    only: Only = lambda path: True,
) -> Indexed:
    """Bring what ``journal`` knows of the files below ``folder`` up to date; ``only`` of some.

    Interrupted, it goes on where it stopped when it is called again: each file is one transaction.
    Links are not followed, submodules and nested repositories are not entered. Blocking, and not
    for a thread that runs an event loop.

    Raises:
        UsageError: there is no such folder.
        StoreUnavailable: git fails, or the journal cannot be written.
    """
    place, paths = asyncio.run(_listed(folder))
    return _Pass(place, journal, only).run([path for path in paths if only(path)], tell)


async def _listed(folder: Path) -> tuple[Place, list[str]]:
    place = await Place.of(folder)
    return place, await place.paths()


class _Pass:
    """One pass over the files of a place."""

    def __init__(self, place: Place, journal: Journal, only: Only) -> None:
        self._root = str(place.root)
        self._jail = Jail(place.root)
        self._journal = journal
        self._project = project_id(place.root)
        known = journal.file_states(self._project)
        mine = (path for path in known if path.startswith(place.prefix) and only(path))
        self._known = {path: known[path] for path in mine}
        self._done = Indexed()

    def run(self, paths: list[str], tell: Tell) -> Indexed:
        kept = set()
        tell(0, len(paths))
        for number, path in enumerate(paths, 1):
            if self._look_at(path):
                kept.add(path)
            tell(number, len(paths))
        for path in sorted(self._known.keys() - kept):
            self._journal.index_file(self._project, path, None, ())
            self._done.removed += 1
        return self._done

    def _look_at(self, path: str) -> bool:
        """Bring one file up to date; False when nothing of it is to be known."""
        try:
            status = os.lstat(f"{self._root}/{path}")
        except (OSError, ValueError):  # gone meanwhile, or in a folder that is closed to us
            return False
        reason = _unwanted(path, status)
        if reason:
            self._done.skip(reason, path)
            return False
        known = self._known.get(path, FileState())
        seen = (status.st_size, status.st_mtime_ns)
        if (known.size, known.mtime_ns) == seen and known.hash.startswith(f"{CHUNKER} "):
            self._count(path, known.hash, known)
            return True
        return self._read(path, known)

    def _read(self, path: str, known: FileState) -> bool:
        began = time.time_ns()
        try:
            with self._jail.reach(path) as place:
                data, status = place.read(MAX_BYTES + 1)
        except (OSError, ToolFault):
            self._done.skip("cannot be read", path)
            return False
        reason, text = _text_of(path, data)
        mark = _SKIPPED + reason if reason else hashlib.blake2b(data, digest_size=16).hexdigest()
        mark = f"{CHUNKER} {mark}"
        settled = began - status.st_mtime_ns > _FRESH_NS
        state = FileState(
            size=status.st_size, mtime_ns=status.st_mtime_ns if settled else 0, hash=mark
        )
        items = items_of(self._project, chunks(path, text))
        self._journal.index_file(self._project, path, state, items)
        self._done.chunks += len(items)
        self._count(path, mark, known)
        return True

    def _count(self, path: str, mark: str, known: FileState) -> None:
        _, skipped, reason = mark.partition(_SKIPPED)
        if skipped:
            self._done.skip(reason, path)
        elif known.hash == mark:
            self._done.unchanged += 1
        elif path in self._known:
            self._done.changed += 1
        else:
            self._done.new += 1


def _unwanted(path: str, status: os.stat_result) -> str:
    """Return why a file is left out by what can be seen from outside, else nothing."""
    name = PurePosixPath(path).name
    if not path.isprintable():  # nor can such a name be stored or typed
        return "a name that is not readable text"
    if stat.S_ISLNK(status.st_mode):
        return "links"
    if not stat.S_ISREG(status.st_mode):
        return "no regular files"
    if not _VENDORED.isdisjoint(path.split("/")):
        return "not the project's own"
    if _matches(name, _SECRET_NAMES):
        return "may hold secrets"
    if _matches(name, _GENERATED):
        return "generated"
    if PurePosixPath(path).suffix.lower() in _DATA:
        return "data"
    return f"more than {MAX_BYTES // 1_000_000} MB" if status.st_size > MAX_BYTES else ""


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name.lower(), pattern) for pattern in patterns)


def _text_of(path: str, data: bytes) -> tuple[str, str]:
    """Return why the content is left out, and an empty text; or nothing, and the text."""
    try:
        text = decode(data, path).content
    except ToolFault:
        return ("binary" if b"\0" in data else "neither UTF-8 nor UTF-16 with a mark"), ""
    if _GENERATED_HEAD.search(text[:_HEAD_CHARS]):
        return "generated", ""
    if any(len(line) > _LONGEST_LINE for line in text.splitlines()):
        return "minified, or data in very long lines", ""
    if find_secrets(text):
        return "may hold secrets", ""
    return "", text
