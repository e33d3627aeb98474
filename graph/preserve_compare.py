"""What ``check`` compares: two states of a repository, and the contracts that hold between them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from agents.contract_journal import Journalled, weakening
from mcp_local_llm import UsageError
from memory.records import Level
from tools import process
from tools.gitfiles import SUBMODULE, Change
from tools.preserve.check import Violation, contracts_of, violations
from tools.preserve.contracts import CONTRACT_FILE, Contract, Contracts
from tools.preserve.file import parse_contracts, with_contract
from tools.preserve.states import Files, MemoryFiles, tree_files
from tools.repository import Repo

_INDEX: Final = "GIT_INDEX_FILE"  # a commit of some paths only has an index of its own


@dataclass(frozen=True)
class Compared:
    """Two states and the paths in which they differ, as git would commit them.

    ``in_place`` says whether the second one is what lies in the work tree, about. ``extra`` are
    contracts that hold although the first state does not have them, and ``skipped`` those that
    do not hold yet.
    """

    what: str
    before: Files
    after: Files
    changed: frozenset[str]
    in_place: bool = True
    extra: tuple[Contract, ...] = ()
    skipped: frozenset[str] = frozenset()

    def contracts(self) -> Contracts:
        """Return everything that holds between the two states."""
        held = contracts_of(self.before, self.changed).joined(self.extra)
        return Contracts(tuple(each for each in held if each.id not in self.skipped))

    def violations(self, lifted: Collection[str] = frozenset()) -> tuple[Violation, ...]:
        """Return what the second state breaks, apart from the contracts ``lifted``."""
        found = violations(
            self.contracts(), self.before, self.after, self.changed, lifted=frozenset(lifted)
        )
        return tuple(dict.fromkeys(found))

    def touched(self, contracts: Iterable[Contract]) -> tuple[str, ...]:
        """Return the ids of those of ``contracts`` whose regions differ in any byte."""
        strict = tuple(c.model_copy(update={"level": Level.STRICT}) for c in contracts)
        found = violations(Contracts(strict), self.before, self.after, self.changed)
        mine = {each.id for each in strict}
        return tuple(dict.fromkeys(each.contract.id for each in found if each.contract.id in mine))


async def opened(root: Path) -> Repo:
    """Return the repository of ``root``. Raises UsageError when there is none."""
    if not await Repo.is_repo(root):
        raise UsageError(
            f"{str(root)!r} is not in a git repository that can be used, and a check compares with "
            "a commit; change to the project, or make it one with `git init` and commit"
        )
    return await Repo.open(root)


async def working_tree(repo: Repo) -> Compared:
    """Return HEAD and the work tree, ignored files left out."""
    base = await _base(repo)
    differing = await repo.changes(base, await repo.snapshot())
    changed = {each.path for each in differing if not _is_submodule(each)}
    if (repo.root / CONTRACT_FILE).is_file():
        changed.add(CONTRACT_FILE)  # it counts where it is ignored too
    after = await repo.added_tree(base, changed, repo.root)
    return await _compared(repo, "the working tree with HEAD", base, after)


async def staged(repo: Repo) -> Compared:
    """Return HEAD and what is staged; within a hook, what is about to be committed.

    Raises:
        UsageError: there are conflicts in the index.
    """
    base = await _base(repo)
    index = _index(repo)
    async with process.scratch_folder() as folder:
        if index.is_file():
            shutil.copyfile(index, folder / "index")  # git may write it, and it is the user's
        done = await repo.run("write-tree", env={_INDEX: str(folder / "index")})
    if done.code != 0:
        raise UsageError(f"what is staged cannot be committed yet: {done.stderr.strip()}")
    return await _compared(repo, "what is staged with HEAD", base, done.stdout.strip())


async def commits(repo: Repo, text: str) -> Compared:
    """Return the two ends of ``A..B`` (or ``A...B``: from where they parted).

    Raises:
        UsageError: it is no range, or git does not know an end.
    """
    first, dots, last = text.partition("...") if "..." in text else text.partition("..")
    ends = [await repo.resolve(end or "HEAD") for end in (first, last)]
    if not dots or None in ends or text.startswith("-"):
        raise UsageError(
            f"{text!r} is no range of commits that git knows here; write it as main..HEAD (in a "
            "shallow clone, fetch the commits first)"
        )
    old, new = str(ends[0]), str(ends[1])
    if dots == "...":
        merge = await repo.run("merge-base", old, new)
        if merge.code != 0:
            raise UsageError(f"the ends of {text!r} have no commit in common; write it with '..'")
        old = merge.stdout.strip()
    found = await _compared(repo, f"the commits {text}", old, new)
    return replace(found, in_place=new == await repo.head())


async def uncommitted(
    repo: Repo,
    found: Compared,
    head: str,
    told: Mapping[str, Journalled],
    approved: Mapping[str, Contract],
) -> Compared:
    """Add to ``found`` the contracts that no commit has yet: of the journal and of the file.

    One that was in the journal at this commit, or whose file git ignores, holds even if it was
    taken out of the file by hand; one of ``approved`` is that already. A region that had been
    changed before it was protected is compared from the next commit on; before the first one,
    nothing is.
    """
    if not head:
        return found
    data = found.before.read(CONTRACT_FILE) or b""
    try:
        known = {each.id: each for each in parse_contracts(data)}
    except UsageError:
        return found  # then everything is strict already
    known |= approved
    asked = ("--no-literal-pathspecs", "check-ignore", "--quiet", CONTRACT_FILE)
    ignored = (await repo.run(*asked)).code == 0
    here = {name: each for name, each in told.items() if ignored or each.base == head}
    added = {name: each for name, each in here.items() if _adds(each, known.get(name))}
    known |= {name: each.contract for name, each in added.items()}
    skipped = {name for name, each in added.items() if each.unsettled and each.base == head}
    for contract in known.values():
        data = with_contract(data, contract)
    before = Overlaid(found.before, {CONTRACT_FILE: data}) if known else found.before
    extra = _fresh(found.after, known)
    changed = found.changed | {CONTRACT_FILE}
    return replace(
        found, before=before, extra=extra, skipped=frozenset(skipped), changed=frozenset(changed)
    )


def _adds(told: Journalled, old: Contract | None) -> bool:
    return old is None or not (told.unsettled or weakening(old, told.contract))


class Overlaid:
    """A state in which some files are others."""

    def __init__(self, files: Files, contents: Mapping[str, bytes]) -> None:
        """Take the state and the files that stand in front of it."""
        self._files, self._front = files, MemoryFiles(contents)

    def read(self, path: str) -> bytes | None:
        """Return what is at ``path``."""
        found = self._front.read(path)
        return self._files.read(path) if found is None else found

    def paths(self) -> Iterable[str]:
        """Return all paths."""
        return {*self._files.paths(), *self._front.paths()}


def _fresh(after: Files, known: Mapping[str, Contract]) -> tuple[Contract, ...]:
    """Return the contracts that the second state adds or strengthens by hand."""
    try:
        written = parse_contracts(after.read(CONTRACT_FILE) or b"")
    except UsageError:
        return ()  # which is a violation by itself
    return tuple(
        each
        for each in written
        if each.id not in known or (each != known[each.id] and not weakening(known[each.id], each))
    )


def _index(repo: Repo) -> Path:
    return Path(os.environ.get(_INDEX) or repo.git_dir / "index").absolute()


async def _base(repo: Repo) -> str:
    return await repo.head() or await repo.empty_tree()


def _is_submodule(change: Change) -> bool:
    return any(entry is not None and entry.mode == SUBMODULE for entry in (change.old, change.new))


async def _compared(repo: Repo, what: str, old: str, new: str) -> Compared:
    changed = frozenset(each.path for each in await repo.changes(old, new))
    wanted = changed | {CONTRACT_FILE}
    before, after = [await tree_files(repo, tree, wanted) for tree in (old, new)]
    return Compared(what, before, after, changed)
