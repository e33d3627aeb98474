"""Levels that contracts ask of plans and replies, by path and by symbol.

A contract on a whole file (or a folder, or a glob) holds for every change of it; one on a symbol
holds for regions that name this symbol, and is told beside the file that it stands in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agents.reply import Plan
from memory.records import Level, PreservationTag
from tools.preserve.contracts import RANK, Contract, Contracts


def contracts_from(tags: Iterable[PreservationTag]) -> Contracts:
    """Return the contracts that a brief's protected regions stand for."""
    return Contracts(tuple(Contract(id=t.region, region=t.region, level=t.level) for t in tags))


def required(regions: Iterable[str], contracts: Contracts) -> Level:
    """Return the strictest level that ``contracts`` ask for any of ``regions``."""
    asked = [contract.level for each in regions for contract in _covering(each, contracts)]
    return strictest(Level.FLEXIBLE, *asked)


def strictest(*levels: Level) -> Level:
    """Return the one of ``levels`` that allows least."""
    return max(levels, key=RANK.__getitem__)


def raised_plan(plan: Plan, contracts: Contracts) -> Plan:
    """Return ``plan`` with no file or symbol at a weaker level than its contract's."""
    files = tuple(
        tag.model_copy(update={"level": strictest(tag.level, required([tag.region], contracts))})
        for tag in plan.files
    )
    return plan.model_copy(update={"files": files})


def region_levels(
    regions: Iterable[str], level: Level, planned: Sequence[PreservationTag], contracts: Contracts
) -> tuple[PreservationTag, ...]:
    """Return each of ``regions`` with its level, then the contracts on parts of these files.

    A region's level is the plan's, else ``level`` (what the reply said), and never weaker than its
    contract's.
    """
    by_plan = {tag.region: tag.level for tag in planned}
    found: dict[str, Level] = {}
    for region in regions:
        found[region] = strictest(by_plan.get(region, level), required([region], contracts))
    for path in [region.partition("::")[0] for region in found]:
        for contract in contracts.for_path(path):
            if "::" in contract.region:
                known = found.get(contract.region, contract.level)
                found[contract.region] = strictest(known, contract.level)
    return tuple(PreservationTag(region=region, level=held) for region, held in found.items())


def _covering(region: str, contracts: Contracts) -> list[Contract]:
    """Return the contracts that hold for all of ``region``."""
    path, _, symbol = region.partition("::")
    return [
        each
        for each in contracts.for_path(path)
        if not each.marker and (not each.symbol or f"{symbol}.".startswith(f"{each.symbol}."))
    ]
