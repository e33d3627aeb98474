"""The contract file, ``.mcp-local-llm/preserve.toml``: readable, and worth committing.

::

    [[contract]]
    id = "rounding"                          # optional: made from the region
    region = "src/money.py::round_half_even"
    level = "strict"
    reason = "checked by the auditors"       # optional
    tests = ["tests/test_money.py"]          # optional: what covers a flexible region
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import tomlkit
from pydantic import ValidationError
from tomlkit.items import AoT

from mcp_local_llm import UsageError
from tools.jail import Jail
from tools.preserve.contracts import CONTRACT_FILE, Contract, slug

_HEAD = "What the crew must not change, and how strictly (strict, moderate or flexible)."


def parse_contracts(data: bytes) -> tuple[Contract, ...]:
    """Return the contracts of a contract file's content.

    Raises :class:`UsageError` that names the line or the entry, and what to do.
    """
    try:
        parsed = tomllib.loads(data.decode("utf-8-sig").replace("\r\n", "\n"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        last = f"at line {len(data.splitlines())}, the last one"
        words = str(error).replace("at end of document", last)
        raise UsageError(
            f"{CONTRACT_FILE!r} can't be read: {words}. Mend that line, or take the file's last "
            "good version from git."
        ) from error
    entries = parsed.pop("contract", [])
    if parsed or not isinstance(entries, list):
        wrong = next(iter(parsed), "contract")
        raise UsageError(f"{CONTRACT_FILE!r} holds {wrong!r}; write [[contract]] entries only.")
    found = tuple(_contract(entry, number) for number, entry in enumerate(entries, 1))
    names = [each.id for each in found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise UsageError(f"{CONTRACT_FILE!r} uses the id {min(twice)!r} twice; change one of them.")
    return found


def _contract(entry: object, number: int) -> Contract:
    if not isinstance(entry, Mapping) or "origin" in entry:
        raise UsageError(f"Entry {number} of {CONTRACT_FILE!r} is none; write [[contract]] above.")
    fields = {"id": slug(str(entry.get("region", ""))), **entry}
    try:
        contract = Contract.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "entry"
        raise UsageError(
            f"Contract {number} of {CONTRACT_FILE!r}: {where}: {first['msg']}. A contract has "
            "region and level (strict, moderate or flexible), and may have id, reason and tests."
        ) from error
    if contract.marker:
        raise UsageError(
            f"Contract {number} of {CONTRACT_FILE!r}: a marker is written in the source itself; "
            "name a path, a glob or path::symbol here."
        )
    return contract


def read_contracts(root: Path) -> tuple[Contract, ...]:
    """Return the contracts of the workspace ``root``; without a file there are none."""
    file = root / CONTRACT_FILE
    return parse_contracts(file.read_bytes()) if file.is_file() else ()


def with_contract(data: bytes, contract: Contract) -> bytes:
    """Return the file's content with ``contract`` in it, in the place of one with its id.

    Comments and the order of the entries stay. Raises :class:`UsageError` for content that can't
    be read.
    """
    document, entries = _document(data)
    table = tomlkit.table()
    for key, value in contract.model_dump(mode="json", exclude={"origin"}).items():
        if value:
            table[key] = value
    at = _index(entries, contract.id)
    if at is None:
        if len(entries):
            entries[-1].add(tomlkit.nl())  # a blank line before the new one
        entries.append(table)
    else:
        entries[at].update(table)
        for key in [key for key in entries[at] if key not in table]:
            del entries[at][key]
    return _checked(document)


def without_contract(data: bytes, name: str) -> bytes:
    """Return the file's content without the contract ``name``; everything else stays.

    Raises :class:`UsageError` when there is none of that id, or the content can't be read.
    """
    document, entries = _document(data)
    at = _index(entries, name)
    if at is None:
        known = ", ".join(each.id for each in parse_contracts(data)) or "none"
        raise UsageError(f"There is no contract {name!r} in {CONTRACT_FILE!r}; it has: {known}.")
    del entries[at]
    if not entries:
        document.remove("contract")
    return _checked(document)


def _document(data: bytes) -> tuple[tomlkit.TOMLDocument, AoT]:
    parse_contracts(data)  # what tomlkit says of a broken file is no help to a user
    document = tomlkit.parse(data.decode("utf-8-sig"))
    if not document:
        document.add(tomlkit.comment(_HEAD))
        document.add(tomlkit.nl())
    entries = document.get("contract")
    if not isinstance(entries, AoT):
        document.pop("contract", None)  # an inline list: `contract = []`
        plain = entries.unwrap() if entries is not None else []
        entries = tomlkit.aot()
        for entry in plain:
            entries.append(tomlkit.item(entry))
        document.append("contract", entries)
    return document, entries


def _index(entries: AoT, name: str) -> int | None:
    names = [entry.get("id") or slug(str(entry["region"])) for entry in entries]
    return names.index(name) if name in names else None


def _checked(document: tomlkit.TOMLDocument) -> bytes:
    data = tomlkit.dumps(document).encode()
    parse_contracts(data)
    return data


def write_contracts(root: Path, data: bytes) -> None:
    """Replace the contract file of the workspace ``root`` in one step.

    For the user's own commands alone. Raises :class:`UsageError` when the folder is a link, and
    :class:`StoreUnavailable` for a full or read-only disk.
    """
    folder = root / Path(CONTRACT_FILE).parent
    if folder.is_symlink():
        raise UsageError(f"{str(folder)!r} is a link; make it a folder of the workspace.")
    folder.mkdir(exist_ok=True)
    Jail(folder).write_bytes(Path(CONTRACT_FILE).name, data)
