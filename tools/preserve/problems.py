"""What is wrong with the contracts themselves: a region that is not there, a marker left open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Literal

from mcp_local_llm import UsageError
from memory.records import Record
from tools.preserve.contracts import CONTRACT_FILE, RANK, Contract, Contracts
from tools.preserve.file import parse_contracts
from tools.preserve.markers import markers
from tools.preserve.regions import Region, regions
from tools.preserve.source import Source
from tools.preserve.states import Files, Link


class ContractProblem(Record):
    """Something wrong with a contract itself; a ``note`` is worth knowing and no mistake.

    ``contract`` is None when none could be read; ``line`` counts from 1, 0 means the whole file.
    """

    contract: Contract | None
    path: str
    line: int
    problem: str
    severity: Literal["error", "note"] = "error"


def problems(contracts: Contracts, files: Files) -> tuple[ContractProblem, ...]:
    """Return what is wrong with ``contracts``, which hold in ``files``. Raises nothing.

    Told are: a contract file that can't be read, a region that is not there, a file that does not
    parse, markers left open or misspelt, and (as notes) overlaps of different levels, where the
    stricter one holds.
    """
    found = list(_of_the_file(files))
    everything = sorted(files.paths())
    for path in everything:
        held = [each for each in contracts.for_path(path) if each.origin != "product"]
        data = files.read(path) if held else None
        if data is not None and not isinstance(data, Link):
            found += _of_path(Source.of(path, data), held)
    for each in contracts:
        if each.origin == "file" and not _is_there(each, everything, files):
            problem = f"nothing lies at {each.path!r}; mend the region or remove the contract"
            found.append(_problem(each, each.path, 0, problem))
    return tuple(found)


def _is_there(contract: Contract, paths: Sequence[str], files: Files) -> bool:
    """Say whether the region has a file; files that are not listed can be named all the same."""
    only = Contracts((contract,))
    return files.read(contract.path) is not None or any(
        contract in only.for_path(path) for path in paths
    )


def _of_the_file(files: Files) -> Iterator[ContractProblem]:
    try:
        parse_contracts(files.read(CONTRACT_FILE) or b"")
    except UsageError as error:
        yield _problem(None, CONTRACT_FILE, 0, str(error))


def _of_path(source: Source, held: Sequence[Contract]) -> Iterator[ContractProblem]:
    if any(each.marker for each in held):
        own = next(each for each in held if each.marker)
        for line, words in markers(source).problems:
            yield _problem(own, source.path, line, words)
    places: list[tuple[Contract, Region]] = []
    for each in held:
        found = regions(each, source)
        places += [(each, region) for region in found]
        if not found:
            yield _problem(each, source.path, 0, _missing(each, source))
    for (one, here), (other, there) in combinations(places, 2):
        both = here.first <= there.last and there.first <= here.last
        if both and one.level != other.level:
            strict = max(one, other, key=lambda each: RANK[each.level])
            words = f"{one.id!r} and {other.id!r} overlap; {strict.id!r} ({strict.level}) holds"
            line = max(here.first, there.first)
            yield _problem(one, source.path, line, words, severity="note")


def _missing(contract: Contract, source: Source) -> str:
    if source.parses:
        return f"{contract.symbol!r} is not in the file; mend the region or remove the contract"
    if source.is_understood:
        return f"the file does not parse, so {contract.symbol!r} can't be found; mend the file"
    return "symbols can't be found in this kind of file; use markers, or name the whole file"


def _problem(
    contract: Contract | None,
    path: str,
    line: int,
    words: str,
    severity: Literal["error", "note"] = "error",
) -> ContractProblem:
    return ContractProblem(
        contract=contract, path=path, line=line, problem=words, severity=severity
    )
