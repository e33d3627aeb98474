"""What a run must not break, and the comparison that each of its walls makes.

The edit tools ask ``of_writes`` before a byte is written, commands and the step border ``put_back``
what they broke, and a delivery asks ``broken_by`` of the very tree that it would offer. All compare
with the files as they were when the run began, so that several small steps get no further than one.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from mcp_local_llm import StoreUnavailable, ToolDenied
from memory.records import Level
from tools import gitfiles
from tools.gitfiles import LINK, SUBMODULE, Entry, shown
from tools.preserve.check import Violation, contracts_of, violations
from tools.preserve.contracts import CONTRACT_FILE, PRODUCT, Contract, Contracts
from tools.preserve.states import Link, MemoryFiles
from tools.repository import Repo

_ALLOWED: Final = {
    Level.STRICT: "nothing there may change: leave it as it was, and put new code elsewhere",
    Level.MODERATE: "there only layout, comments, docstrings, annotations and local names may "
    "change: put new code elsewhere",
    Level.FLEXIBLE: "there only the implementation may change: keep the name, and parameters "
    "with which every present call still works",
}
_KEPT_BYTES: Final = 1_000_000  # a file up to this size is read from git once
_SHOWN: Final = 4  # violations that a message tells in full


class BreaksContract(ToolDenied):
    """A change that contracts do not allow; ``violations`` say which, where and why."""

    def __init__(self, found: tuple[Violation, ...], what: str = "Refused") -> None:
        """Say ``what`` happened to the change that ``found`` tells of."""
        super().__init__(f"{what}: {told(found)}")
        self.violations = found

    @property
    def contracts(self) -> tuple[str, ...]:
        """The ids of the contracts, each once."""
        return tuple(dict.fromkeys(each.contract.id for each in self.violations))


def told(found: tuple[Violation, ...]) -> str:
    """Return in words what ``found`` is about and what is allowed instead."""
    parts = [_words(each) for each in found[:_SHOWN]]
    more = len(found) - len(parts)
    return "; ".join(parts) + (f"; and {more} more" if more else "") + "."


def lifting_commands(contracts: Iterable[Contract], run_id: str) -> tuple[str, ...]:
    """Return the commands by which the user lets the run ``run_id`` break ``contracts``."""
    ids = dict.fromkeys(each.id for each in contracts)
    return tuple(f"`mcp-local-llm unprotect {shlex.quote(name)} --run {run_id}`" for name in ids)


def _words(found: Violation) -> str:
    contract = found.contract
    lines = f" lines {found.first_line}-{found.last_line}" if found.first_line else ""
    if found.first_line == found.last_line != 0:
        lines = f" line {found.first_line}"
    if contract.origin == "product":
        allowed = "it belongs to git or to this program: leave it alone"
    else:
        allowed = _ALLOWED[contract.level]
    where = f"{shown(found.path)}{lines}: {found.problem}"
    return f"{where}; contract {contract.id!r} is {contract.level}, and {allowed}"


@dataclass(frozen=True, slots=True)
class Guard:
    """The contracts of the commit ``base`` and what the user lifted of them.

    ``repo`` holds the files that are changed, ``prefix`` is where the workspace lies in it ("" or
    "sub/folder/"), ``entries`` are the files of ``base`` and ``extra`` contracts that hold besides.
    Paths of violations are those of the repository.
    """

    repo: Repo
    base: str
    prefix: str
    entries: Mapping[str, Entry] = field(repr=False)
    extra: tuple[Contract, ...] = ()
    lifted: frozenset[str] = frozenset()
    _known: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    async def open(
        cls, repo: Repo, base: str, *, prefix: str = "", extra: Iterable[Contract] = ()
    ) -> Self:
        """Return the guard of the commit or tree ``base``. Raises ``StoreUnavailable`` from git."""
        entries: dict[str, Entry] = {}
        listed = await repo.out("ls-tree", "-r", "-z", "--full-tree", base, "--")
        for line in listed.split(b"\0")[:-1]:
            about, _, name = line.partition(b"\t")
            mode, _, sha = about.decode().split()
            entries[os.fsdecode(name)] = Entry(mode, sha)
        return cls(repo, base, prefix, entries, tuple(extra))

    async def contracts(self, paths: Iterable[str]) -> Contracts:
        """Return what holds, markers in the files ``paths`` of the repository among it."""
        wanted = [path for path in paths if path in self.entries]
        return self._contracts(await self._before(wanted), wanted)

    async def named(self, ids: Iterable[str]) -> tuple[Contract, ...]:
        """Return the user's contracts with the ids ``ids`` that are not lifted."""
        wanted = set(ids) - self.lifted
        marked = [name.rpartition("#")[0] for name in wanted]
        held = await self.contracts(marked)
        return tuple(each for each in held if each.id in wanted and each.origin != "product")

    async def about(self, paths: Iterable[str]) -> tuple[Contract, ...]:
        """Return the user's contracts on the files ``paths`` of the workspace, strictest first."""
        files = [self.prefix + path for path in paths]
        held = await self.contracts(files)
        found = dict.fromkeys(each for path in files for each in held.for_path(path))
        return tuple(c for c in found if c.origin != "product" and c.id not in self.lifted)

    async def broken_by(self, tree: str, since: str = "") -> tuple[Violation, ...]:
        """Return what the commit or tree ``tree`` breaks.

        With ``since``, only in files that differ from that tree.
        """
        changes = await self.repo.changes(self.base, tree)
        if since:
            fresh = {change.path for change in await self.repo.changes(since, tree)}
            changes = tuple(change for change in changes if change.path in fresh)
        after = await self._loaded({c.path: c.new for c in changes if c.new is not None})
        return await self._judged([change.path for change in changes], after)

    async def of_writes(self, contents: Mapping[str, bytes | None]) -> tuple[Violation, ...]:
        """Return what writing ``contents`` would break; paths are the workspace's, None deletes."""
        written = {self.prefix + path: data for path, data in contents.items()}
        after = MemoryFiles({path: data for path, data in written.items() if data is not None})
        return await self._judged(written, after)

    async def put_back(self, since: str) -> tuple[Violation, ...]:
        """Restore the files that break a contract to those of the tree ``since``; return why.

        ``since`` is what the work tree was before; a file that breaks nothing stays as it is.
        Whatever nobody could read or enter is opened again, which breaks the contracts on it too.

        Raises:
            StoreUnavailable: it cannot be opened, or git fails.
        """
        closed = await self._reopened()
        now = await self.repo.snapshot()
        found = await self.broken_by(now, since) if now != since else ()
        paths = {each.path for each in found}
        if paths:
            changes = await self.repo.changes(now, since)
            await self.repo.put_on_disk([each for each in changes if each.path in paths])
        return tuple(dict.fromkeys((*found, *closed)))

    async def _reopened(self) -> tuple[Violation, ...]:
        """Undo what keeps files from being compared; return the contracts that it breaks."""
        try:
            closed = await asyncio.to_thread(gitfiles.reopen, self.repo.root)
        except OSError as error:
            raise StoreUnavailable(
                f"{str(error.filename)!r} cannot be read and so not be compared "
                f"({error.strerror}); give yourself access to it, then go on with the run"
            ) from error
        paths = [path for path in self.entries if any(_is_in(path, each) for each in closed)]
        held = await self.contracts(paths) if paths else Contracts()
        return tuple(
            _without_lines(contract, path, "its permissions were taken away")
            for path in paths
            for contract in held.for_path(path)
            if contract.id not in self.lifted
        )

    async def touched(self, tree: str) -> tuple[Contract, ...]:
        """Return the flexible contracts that hold and whose regions differ in ``tree``."""
        changes = await self.repo.changes(self.base, tree)
        paths = [change.path for change in changes]
        before = await self._before(paths)
        after = await self._loaded({c.path: c.new for c in changes if c.new is not None})
        held = [
            each
            for each in self._contracts(before, paths)
            if each.level is Level.FLEXIBLE and each.id not in self.lifted
        ]
        strict = Contracts(tuple(c.model_copy(update={"level": Level.STRICT}) for c in held))
        ids = {each.contract.id for each in violations(strict, before, after, paths)}
        return tuple(each for each in held if each.id in ids)

    async def _judged(self, paths: Iterable[str], after: MemoryFiles) -> tuple[Violation, ...]:
        changed = list(paths)
        twins = self._twins(path for path in changed if after.read(path) is not None)
        looked = [*changed, *(twin for each in twins.values() for twin in each)]
        before = await self._before(looked)
        held = self._contracts(before, looked)
        found = violations(held, before, after, changed, lifted=self.lifted)
        if PRODUCT[1].id not in self.lifted:
            found += _own_file(before, after, changed)
        found += tuple(
            _without_lines(contract, path, f"some file systems take this name for {twin!r}")
            for path, names in twins.items()
            for twin in names
            for contract in held.for_path(twin)
            if contract.id not in self.lifted
        )
        return tuple(dict.fromkeys(found))

    def _contracts(self, before: MemoryFiles, paths: Iterable[str]) -> Contracts:
        held = contracts_of(before, paths)
        return held.joined(each for each in self.extra if each not in held.entries)

    async def _before(self, paths: Iterable[str]) -> MemoryFiles:
        wanted = {*paths, CONTRACT_FILE}
        files = {path: self.entries[path] for path in wanted if path in self.entries}
        fresh = {entry.sha for entry in files.values() if entry.mode != SUBMODULE} - {*self._known}
        found = await self.repo.blobs(fresh)
        self._known.update({sha: data for sha, data in found.items() if len(data) <= _KEPT_BYTES})
        return _files_of(files, {**self._known, **found})

    async def _loaded(self, entries: Mapping[str, Entry]) -> MemoryFiles:
        wanted = (entry.sha for entry in entries.values() if entry.mode != SUBMODULE)
        return _files_of(entries, await self.repo.blobs(wanted))

    def _twins(self, written: Iterable[str]) -> dict[str, list[str]]:
        """Return for each new file the old ones that some file systems take it for."""
        new = [path for path in written if path not in self.entries]
        spelt: dict[str, list[str]] = {}
        for path in self.entries if new else ():
            spelt.setdefault(_folded(path), []).append(path)
        return {path: spelt[_folded(path)] for path in new if _folded(path) in spelt}


def _files_of(entries: Mapping[str, Entry], blobs: Mapping[str, bytes]) -> MemoryFiles:
    return MemoryFiles(
        {
            path: Link(blobs[entry.sha]) if entry.mode == LINK else blobs[entry.sha]
            for path, entry in entries.items()
            if entry.mode != SUBMODULE
        }
    )


def _is_in(path: str, place: str) -> bool:
    return path == place or path.startswith(f"{place}/")


def _folded(path: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())


def _own_file(
    before: MemoryFiles, after: MemoryFiles, changed: Iterable[str]
) -> tuple[Violation, ...]:
    """Refuse any change of the contract file: within a run not even an addition is the crew's."""
    old, new = before.read(CONTRACT_FILE), after.read(CONTRACT_FILE)
    same = old == new and isinstance(old, Link) == isinstance(new, Link)
    if CONTRACT_FILE not in changed or same:
        return ()
    return (_without_lines(PRODUCT[1], CONTRACT_FILE, "only the user changes the contracts"),)


def _without_lines(contract: Contract, path: str, problem: str) -> Violation:
    return Violation(contract=contract, path=path, first_line=0, last_line=0, problem=problem)
