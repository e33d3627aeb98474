"""The one comparison behind every wall: what changed against which contract, and where."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from pydantic import ValidationError

from mcp_local_llm import UsageError
from memory.records import Level, Record
from tools.preserve.contracts import CONTRACT_FILE, PRODUCT, RANK, UNREADABLE, Contract, Contracts
from tools.preserve.file import parse_contracts
from tools.preserve.levels import objection
from tools.preserve.markers import Markers, markers, may_have_markers
from tools.preserve.problems import ContractProblem as ContractProblem
from tools.preserve.problems import problems as problems
from tools.preserve.regions import Region, defined_names, regions, symbol_regions
from tools.preserve.source import Source
from tools.preserve.states import Files as Files
from tools.preserve.states import Link
from tools.preserve.trim import trimmed

_SETTINGS: Final = PRODUCT[1]
_SHOWN_LINES: Final = 40
_SHOWN_CHARS: Final = 300


class Violation(Record):
    """A change that a contract does not allow.

    Lines (from 1) are those of the region as it was; ``diff`` is a short difference for a reader.
    """

    contract: Contract
    path: str
    first_line: int
    last_line: int
    problem: str
    diff: str = ""


def contracts_of(before: Files, paths: Iterable[str] | None = None) -> Contracts:
    """Return what holds in ``before``: its contract file, its markers, the product's own.

    Markers are looked for in ``paths`` only when given (those that changed, say); every other
    contract is there in any case. A contract file that can't be read makes everything strict until
    it is mended. Raises nothing.
    """
    found = [*PRODUCT]
    try:
        found += parse_contracts(before.read(CONTRACT_FILE) or b"")
    except UsageError as error:
        unreadable = Contract(
            id=UNREADABLE,
            region="**",
            level=Level.STRICT,
            reason=str(error),
            origin="product",
        )
        found.append(unreadable)
    for path in sorted(before.paths() if paths is None else paths):
        marked = _markers_of(before, path)
        found += [
            contract
            for each in marked.regions
            if (contract := _of_marker(path, each.id, each.level))
        ]
    return Contracts(tuple(found))


def _markers_of(files: Files, path: str) -> Markers:
    data = files.read(path)
    if data is None or isinstance(data, Link) or not may_have_markers(data):
        return Markers()
    return markers(Source.of(path, data))


def _of_marker(path: str, name: str, level: Level) -> Contract | None:
    try:
        return Contract(
            id=f"{path}#{name}", region=f"{path}::#{name}", level=level, origin="marker"
        )
    except ValidationError:  # a path that no region can name, with a line break in it
        return None


def violations(
    contracts: Contracts,
    before: Files,
    after: Files,
    changed: Iterable[str] | None = None,
    *,
    lifted: Collection[str] = frozenset(),
) -> tuple[Violation, ...]:
    """Return what ``after`` breaks of ``contracts``, which hold in ``before``.

    With ``changed``, only those paths are looked at (deleted and new ones among them). Contracts
    whose id is in ``lifted`` are left out: the user has approved. Raises nothing, whatever the
    files hold.
    """
    looked = {*before.paths(), *after.paths(), *_named(contracts)} if changed is None else changed
    found: list[Violation] = []
    for path in sorted(set(looked)):
        held = [each for each in contracts.for_path(path) if each.id not in lifted]
        if not held:
            continue
        old, new = before.read(path), after.read(path)
        if old == new and isinstance(old, Link) == isinstance(new, Link):
            continue
        if path == CONTRACT_FILE:
            found += _weakened(held, old, new, lifted)
        else:
            found += _broken(held, path, old, new)
    return tuple(found)


def _named(contracts: Contracts) -> Iterator[str]:
    yield CONTRACT_FILE
    yield from (each.path for each in contracts if each.origin != "product" and not each.is_glob)


def _broken(
    held: Iterable[Contract], path: str, old: bytes | None, new: bytes | None
) -> Iterator[Violation]:
    if old is None:
        yield from (
            Violation(
                contract=each, path=path, first_line=0, last_line=0, problem="the file is new"
            )
            for each in held
            if each.level is Level.STRICT and each.path != path and "::" not in each.region
        )
        return
    was = Source.of(path, old)
    if new is None or isinstance(old, Link) or isinstance(new, Link):
        problem = _gone(old, new)
        for each in held:
            yield from (_violation(each, region, problem) for region in regions(each, was))
        return
    now = Source.of(path, new)
    parts = None
    for each in held:
        if each.level is Level.STRICT and not each.symbol and not each.marker:
            if problem := objection(each.level, _whole(was), _whole(now)) or "its bytes changed":
                yield _violation(each, _whole(was), problem, _whole(now))
            continue
        parts = parts or trimmed(was, now)
        one, other, above = (was, now, 0) if _needs_all(each, was, *parts[:2]) else parts
        cut = each.symbol.rpartition(".")[2] if one is not was else ""
        yield from _compared(each, one, other, above, known=bool(cut) and cut in was.plain)


def _needs_all(contract: Contract, was: Source, old: Source, new: Source) -> bool:
    """Say whether what did not change counts too; ``old`` and ``new`` are the parts that did.

    It does for another encoding; for markers, which have lines around them; where a class around a
    symbol is defined again; and for a flexible file that lists its names, or gets a second
    definition of one.
    """
    if old is was or contract.marker or old.text.encoding != new.text.encoding:
        return True
    if contract.symbol:
        outer = contract.symbol.partition(".")[0]
        again = len(symbol_regions(old, outer)) != len(symbol_regions(new, outer))
        return outer != contract.symbol and again
    if contract.level is not Level.FLEXIBLE:
        return False
    more = defined_names(new) - defined_names(old)
    return "__all__" in was.plain or any(name in was.plain for name in more)


def _gone(old: bytes, new: bytes | None) -> str:
    if new is None:
        return "the file is gone"
    if isinstance(new, Link):
        return "its link leads elsewhere" if isinstance(old, Link) else "the file became a link"
    return "the link became a file"


def _whole(source: Source) -> Region:
    return Region(source, 1, len(source.lines))


def _compared(
    contract: Contract, was: Source, now: Source, above: int, *, known: bool
) -> Iterator[Violation]:
    """Compare the region's places one by one; ``above`` lines stand before both sources.

    ``known``: these are parts of files, and the symbol is mentioned in the rest.
    """
    old, new = regions(contract, was), regions(contract, now)
    if not old and not (new and known):
        return  # not there before: the contract's own problem
    if len(old) != len(new):
        gone = "is gone" if not new else f"is there {len(new)} times, {len(old)} before"
        if was.parses and not now.parses:
            gone = "can't be found, as the file no longer parses"
        what = contract.symbol or contract.marker
        yield _violation(contract, (old or [_whole(was)])[0], f"{what!r} {gone}", None, above)
        return
    for one, other in zip(old, new, strict=True):
        problem = _level_lowered(contract, now) or objection(contract.level, one, other)
        if not problem and one.name and was.parses and not now.parses:
            problem = "the file no longer parses"
        if not problem and one.name and was.around(one.first) != now.around(other.first):
            problem = "it was moved into or out of another block"
        if problem:
            yield _violation(contract, one, problem, other, above)


def _level_lowered(contract: Contract, now: Source) -> str | None:
    if not contract.marker:
        return None
    levels = [each.level for each in markers(now).get(contract.marker)]
    lower = any(RANK[level] < RANK[contract.level] for level in levels)
    return f"its marker was weakened from {contract.level}" if lower else None


def _weakened(
    held: Iterable[Contract], old: bytes | None, new: bytes | None, lifted: Collection[str]
) -> Iterator[Violation]:
    """Say what the new contract file takes away; adding and strengthening is fine."""
    own = next((each for each in held if each.id == _SETTINGS.id), None)
    if own is None:
        return
    try:
        before = parse_contracts(old or b"")
    except UsageError:
        before = ()  # it was broken: any that can be read is better
    try:
        kept = {each.id: each for each in parse_contracts(new or b"")}
        unreadable = "it became a link" if isinstance(new, Link) else ""
    except UsageError as error:
        kept, unreadable = {}, str(error)
    region = _whole(Source.of(CONTRACT_FILE, old or b""))
    other = _whole(Source.of(CONTRACT_FILE, new or b""))
    if unreadable:
        yield _violation(own, region, unreadable, other)
        return
    for each in before:
        problem = "" if each.id in lifted else _taken(each, kept.get(each.id))
        if problem:
            yield _violation(own, region, f"contract {each.id!r} {problem}", other)


def _taken(before: Contract, after: Contract | None) -> str:
    if after is None:
        return "was removed"
    if after.region != before.region:
        return f"was moved from {before.region!r} to {after.region!r}"
    if RANK[after.level] < RANK[before.level]:
        return f"was weakened from {before.level} to {after.level}"
    return "lost tests" if set(before.tests) - set(after.tests) else ""


def _violation(
    contract: Contract, old: Region, problem: str, new: Region | None = None, above: int = 0
) -> Violation:
    return Violation(
        contract=contract,
        path=old.source.path,
        first_line=above + old.first,
        last_line=above + max(old.last, old.first),
        problem=problem,
        diff=_difference(old, new.lines if new else [], above),
    )


def _difference(old: Region, new: list[str], above: int) -> str:
    """Return the lines that differ, with those both begin and end with left out."""
    was, now = old.lines, new
    head = 0
    while head < min(len(was), len(now)) and was[head] == now[head]:
        head += 1
    tail = 0
    while tail < min(len(was), len(now)) - head and was[-1 - tail] == now[-1 - tail]:
        tail += 1
    gone, come = was[head : len(was) - tail], now[head : len(now) - tail]
    lines = [f"@@ line {above + old.first + head} @@"]
    for sign, part in (("-", gone), ("+", come)):
        lines += [f"{sign}{_shown(line)}" for line in part[:_SHOWN_LINES]]
        lines += [f"{sign}… {len(part) - _SHOWN_LINES} more lines"] * (len(part) > _SHOWN_LINES)
    return "\n".join(lines)


def _shown(line: str) -> str:
    text = line[:_SHOWN_CHARS].replace("\r", "␍").rstrip("\n")
    return "".join(
        char if char.isprintable() or char == "\t" else repr(char)[1:-1] for char in text
    )
