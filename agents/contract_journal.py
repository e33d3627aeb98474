"""What the journal is told of contracts and lifts, and where it and the contract file differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import JsonValue, ValidationError

from agents.approvals import Lift
from memory.records import Item, Kind, Level, Provenance, Source
from tools.preserve.check import violations
from tools.preserve.contracts import CONTRACT_FILE, PRODUCT, Contract, Contracts
from tools.preserve.file import with_contract
from tools.preserve.states import MemoryFiles

_RECORD: Final = "mcp-local-llm contracts --record"
_ALLOWED: Final = {
    Level.STRICT: "must not change at all",
    Level.MODERATE: "may change in layout, comments, annotations and local names only",
    Level.FLEXIBLE: "may be implemented otherwise, with the same signature and its tests passing",
}


@dataclass(frozen=True, slots=True)
class Journalled:
    """A contract as the journal knows it.

    ``base`` is the commit that was checked out when it was protected. ``unsettled``: it differed
    from that commit already, so that it is compared from the next one on. ``is_typed`` is false
    while only a model has worded it.
    """

    contract: Contract
    base: str = ""
    unsettled: bool = False
    is_typed: bool = True


@dataclass(frozen=True, slots=True)
class Difference:
    """What file and journal do not agree on, and the command that mends it."""

    id: str
    problem: str
    mend: str
    severity: Literal["error", "note"] = "error"


def weakening(before: Contract, after: Contract | None) -> str:
    """Return in words what ``after`` allows that ``before`` does not; empty when nothing."""
    old, new = (
        MemoryFiles({CONTRACT_FILE: with_contract(b"", each)} if each else {})
        for each in (before, after)
    )
    found = violations(Contracts(PRODUCT), old, new, [CONTRACT_FILE])
    return found[0].problem if found else ""


def protect_command(contract: Contract) -> str:
    """Return the command that makes ``contract`` what it is."""
    command = f"mcp-local-llm protect {contract.region!r} --level {contract.level}"
    tests = "".join(f" --test {test!r}" for test in contract.tests)
    return f"{command} --id {contract.id}{tests}"


def contract_item(
    contract: Contract,
    project: str,
    data: Mapping[str, JsonValue],
    why: str = "",
    source: Source = "user",
) -> Item:
    """Return what the journal keeps of ``contract``; of one id the last word counts."""
    text = f"{contract.region} {_ALLOWED[contract.level]}"
    told = contract.model_dump(mode="json", exclude={"origin"})
    return Item.model_validate(
        {
            "kind": Kind.PRESERVATION,
            "text": f"{text}: {contract.reason}" if contract.reason else text,
            "project": project,
            "key": f"contract:{contract.id}",
            "level": contract.level,
            "provenance": Provenance(source=source, where=why or "protect"),
            "data": {"contract": told, **data},
        }
    )


def item_id(name: str, project: str) -> str:
    """Return the id of the journal's item for the contract ``name``."""
    return Item(kind=Kind.PRESERVATION, text="-", project=project, key=f"contract:{name}").id


def lift_item(lift: Lift) -> Item:
    """Return what the journal keeps of ``lift``."""
    for_what = f"the run {lift.run_id}" if lift.run_id else "the next change"
    reason = f": {lift.reason}" if lift.reason else ""
    names = ", ".join(lift.contracts)
    what = f"{names} may be broken by {for_what}"
    if lift.becomes is not None:
        what = f"{names} is {lift.becomes.level} for {lift.becomes.region} from now on"
    return Item(
        kind=Kind.PRESERVATION,
        text=f"{what}{reason}",
        project=lift.project,
        key=f"lift:{lift.id}",
        provenance=Provenance(source="user", where=f"approved at the {lift.approved_by}"),
        data={"lift": lift.model_dump(mode="json")},
    )


def journalled_contract(item: Item) -> Journalled | None:
    """Return the contract that an item tells of; None for another one, whoever wrote it."""
    try:
        contract = Contract.model_validate(item.data.get("contract"))
    except ValidationError:
        return None
    base, unsettled = item.data.get("base"), item.data.get("unsettled")
    return Journalled(contract, str(base or ""), unsettled is True, item.is_typed)


def differences(
    written: Iterable[Contract], told: Mapping[str, Journalled], let_go: Callable[[str], bool]
) -> Iterator[Difference]:
    """Yield where the contracts of the file and those of the journal do not agree.

    ``let_go`` says whether the journal knows that the contract of an id was taken away.
    """
    kept = {each.id: each for each in written}
    for name, contract in kept.items():
        known = told.get(name)
        if known is None and let_go(name):
            why = "was let go by the journal, and is still in the file"
            yield Difference(
                name, why, f"mcp-local-llm unprotect {name}, or {_RECORD} (to keep it)"
            )
        elif known is None:
            why = "is in the file only: a clone, or an edit by hand"
            yield Difference(name, why, _RECORD, "note")
        elif weaker := weakening(known.contract, contract):
            why = f"differs from the journal: {weaker}"
            yield Difference(name, why, protect_command(known.contract))
        elif known.contract != contract:
            why = "is stronger than the journal says, or says more"
            yield Difference(name, why, _RECORD, "note")
    for name, known in told.items():
        if name not in kept:
            why = "is in the journal, and no longer in the file"
            again = f"{protect_command(known.contract)} (to keep it)"
            yield Difference(name, why, f"{again}, or mcp-local-llm unprotect {name}")
