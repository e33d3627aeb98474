"""The commands ``protect``, ``unprotect`` and ``contracts`` of ``mcp-local-llm``.

Exit codes: 0 done, 1 not allowed (yet) or, for ``contracts``, something is wrong, 2 wrong input,
3 the memory or the disk cannot be used.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from graph.approve_cli import allowed, facts
from graph.console import here, run_command, short, told, write_json
from mcp_local_llm import UsageError
from memory.project import project_root
from memory.records import Level
from tools.preserve.contracts import PRODUCT, RANK, UNREADABLE, Contract, slug

if TYPE_CHECKING:
    from agents.approvals import Request
    from agents.protection import Protection
    from tools.preserve.check import ContractProblem

_ID: Final = re.compile(r"[\w.\-]{1,80}")
_LEVELS: Final = [level.value for level in sorted(Level, key=lambda one: -RANK[one])]


def protect(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm protect``."""
    parser = _parser("protect", "Say what must not change, and how strictly.")
    parser.add_argument("region", help="a path, a glob, or path::symbol, as in src/cart.py::total")
    parser.add_argument(
        "--level",
        choices=_LEVELS,
        default="strict",
        help="strict: nothing changes (the default); moderate: layout, comments and local names "
        "may; flexible: everything but the signature may, and the tests must pass",
    )
    parser.add_argument("--reason", default="", help="told to whoever wants to change it")
    parser.add_argument("--id", default="", help="a short name; by default made from the region")
    parser.add_argument(
        "--test",
        action="append",
        default=[],
        metavar="TEST",
        help="a pytest id that covers it; more than once for several (flexible)",
    )
    return run_command(parser, argv, _protect)


def unprotect(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm unprotect``."""
    parser = _parser("unprotect", "Take a contract away, or allow one change; asks you first.")
    parser.add_argument("name", metavar="ID|REGION", help="as `mcp-local-llm contracts` shows it")
    parser.add_argument(
        "--once", action="store_true", help="keep it, and allow the next change until its commit"
    )
    parser.add_argument("--run", default="", metavar="RUN", help="keep it, and allow this run")
    parser.add_argument("--reason", default="", help="kept with the history")
    return run_command(parser, argv, _unprotect)


def contracts(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm contracts``."""
    parser = _parser("contracts", "List what is protected, and what is wrong with it.")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--record", action="store_true", help="tell the journal what only the file says"
    )
    what.add_argument(
        "--install-hook", action="store_true", help="check each git commit before it is made"
    )
    what.add_argument("--remove-hook", action="store_true", help="take that git hook away again")
    return run_command(parser, argv, _contracts)


def _parser(name: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"mcp-local-llm {name}", description=description)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser


@contextmanager
def _opened() -> Iterator[Protection]:
    """Give the contracts of the project of the current folder."""
    from agents.protection import Protection

    with here() as memory:
        yield asyncio.run(Protection.open(project_root(Path.cwd()), memory))


# -- protect -----------------------------------------------------------------------------------


def _protect(options: argparse.Namespace) -> int:
    with _opened() as protection:
        contract = contract_for(
            options.region,
            Level(options.level),
            protection,
            name=options.id,
            reason=options.reason,
            tests=tuple(options.test),
        )
        late = asyncio.run(is_unsettled(protection, contract))
        request = protection.protect(contract, unsettled=late)
        if request is not None and not allowed(options, protection, request):
            return 1
        warnings = [each.problem for each in problems_of(protection, contract)]
    if late and request is None:
        warnings.append("it differs from the last commit: compared from the next commit on")
    for warning in warnings:
        sys.stderr.write(f"warning: {short(warning)}\n")
    text = f"protected {contract.id}: {contract.region} ({contract.level})"
    row = contract.model_dump(mode="json")
    return told(options, text, contract=row, warnings=warnings)


def contract_for(
    region: str,
    level: Level,
    protection: Protection,
    *,
    name: str = "",
    reason: str = "",
    tests: tuple[str, ...] = (),
) -> Contract:
    """Return the contract that is asked for, with the id of the one its region has already.

    Raises:
        UsageError: region or id make no sense, or the id is that of another region.
    """
    from pydantic import ValidationError

    if name and not _ID.fullmatch(name):
        raise UsageError(f"the id {name!r} is none; use letters, digits, '-', '_' and '.'")
    region = region_from(region, protection.root)
    written = protection.written()
    same = next((each for each in written if each.region == region), None)
    id = name or (same.id if same else slug(region))
    other = next((each for each in written if each.id == id and each.region != region), None)
    if other is not None and not name:
        raise UsageError(f"the id {id!r} is that of {other.region!r}; give another one with --id")
    reason = reason or (same.reason if same else "")
    tests = tests or (same.tests if same else ())
    try:
        contract = Contract(id=id, region=region, level=level, reason=reason, tests=tests)
    except ValidationError as error:
        raise UsageError(error.errors()[0]["msg"].removeprefix("Value error, ")) from error
    if contract.marker:
        raise UsageError(
            f"{region!r} names a marker, which is written into the source: put the comments "
            "'preserve: strict id=…' and 'preserve: end' around the lines"
        )
    return contract


def region_from(text: str, root: Path) -> str:
    """Return the region ``text`` as seen from the current folder, relative to ``root``.

    Raises:
        UsageError: it is empty or lies outside.
    """
    path, dots, symbol = text.partition("::")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise UsageError(f"the region {text!r} holds bytes that are no UTF-8; rename the file")
    if not path.strip():
        raise UsageError(
            f"the region {text!r} has no path; write src/cart.py or src/cart.py::total"
        )
    whole = os.path.normpath(Path.cwd().resolve() / path)
    inside = os.path.relpath(whole, root)
    if inside == ".." or inside.startswith("../"):
        raise UsageError(f"the region {text!r} lies outside of the project {str(root)!r}")
    return inside + "/" * (path.endswith("/") and inside != ".") + dots + symbol


async def is_unsettled(protection: Protection, contract: Contract) -> bool:
    """Say whether the region differs from the last commit before it is protected."""
    from graph.preserve_compare import opened, working_tree

    if not protection.head:
        return False
    found = await working_tree(await opened(protection.root))
    return bool(found.touched([contract]))


def problems_of(protection: Protection, contract: Contract) -> list[ContractProblem]:
    """Return what is wrong with ``contract``, such as a region that is not there."""
    from tools.preserve.check import contracts_of, problems
    from tools.preserve.states import FolderFiles

    files = FolderFiles(protection.root)
    return [
        each
        for each in problems(contracts_of(files), files)
        if each.contract is not None
        and (each.contract.id == contract.id or f"{contract.id!r} " in each.problem)
    ]


# -- unprotect ---------------------------------------------------------------------


def _unprotect(options: argparse.Namespace) -> int:
    with _opened() as protection:
        request = _asked(options, protection)
        if not allowed(options, protection, request):
            return 1
    return told(options, f"done: {request.words()}", **facts(request))


def _asked(options: argparse.Namespace, protection: Protection) -> Request:
    names = protection.named(options.name) or protection.named(_here(options.name, protection))
    marked = () if names else tuple(_marked(options.name, protection))
    if not names and not marked:
        known = ", ".join(each.id for each in protection.written()) or "none"
        raise UsageError(
            f"nothing protects {options.name!r} here; contracts of the file: {known} "
            "(`mcp-local-llm contracts` shows all)"
        )
    once = bool(options.once or options.run)
    if not once and any(each.id in names for each in PRODUCT):
        raise UsageError(f"{options.name!r} always holds; allow one change of it with --once")
    if options.run:
        _require_run(options.run)
    if marked or once:
        held = marked or [each for name in names for each in protection.held(name)]
        return protection.lifting(held, options.reason, options.run)
    return protection.removal(names, options.reason)


def _here(name: str, protection: Protection) -> str:
    try:
        return region_from(name, protection.root)
    except UsageError:
        return name


def _marked(name: str, protection: Protection) -> Iterator[Contract]:
    """Yield the contracts of markers that ``name`` names: they go when the comments go."""
    from tools.preserve.check import contracts_of
    from tools.preserve.states import FolderFiles

    found = contracts_of(FolderFiles(protection.root))
    wanted = {name, _here(name, protection)}
    yield from (
        each for each in found if each.origin == "marker" and wanted & {each.id, each.region}
    )


def _require_run(run_id: str) -> None:
    from agents.home import state_home
    from graph.runs import RunStore

    if not RunStore(state_home()).knows(run_id):
        raise UsageError(f"there is no run {run_id!r}; `graph-run list` shows them")


# -- contracts ---------------------------------------------------------------------------------


def _contracts(options: argparse.Namespace) -> int:
    if options.install_hook or options.remove_hook:
        return _hook(options)
    with _opened() as protection:
        if options.record:
            ids = protection.record()
            return told(options, f"journalled: {', '.join(ids) or 'nothing new'}", journalled=ids)
        return _listed(options, protection)


def _hook(options: argparse.Namespace) -> int:
    from graph import preserve_hook
    from graph.preserve_compare import opened

    async def act() -> tuple[str, Path | None]:
        repo = await opened(project_root(Path.cwd()))
        if options.install_hook:
            return "installed", await preserve_hook.install(repo)
        return "removed", await preserve_hook.remove(repo)

    done, file = asyncio.run(act())
    text = f"{done} {file}" if file else "there is no hook of ours"
    return told(options, text, hook=str(file) if file else None)


def _listed(options: argparse.Namespace, protection: Protection) -> int:
    from agents.approvals import lifts
    from tools.preserve.check import contracts_of, problems
    from tools.preserve.states import FolderFiles

    files = FolderFiles(protection.root)
    held = contracts_of(files)
    wrong = problems(held, files)
    differing = protection.differences() if held.get(UNREADABLE) is None else ()
    protection.spend()
    open_ = lifts(protection.memory.home, protection.memory.project)
    rows = [each.model_dump(mode="json") for each in held]
    if options.json:
        write_json(
            {
                "contracts": rows,
                "problems": [each.model_dump(mode="json") for each in wrong],
                "differences": [
                    {"id": d.id, "problem": d.problem, "mend": d.mend, "severity": d.severity}
                    for d in differing
                ],
                "lifts": [each.model_dump(mode="json") for each in open_],
            }
        )
    else:
        sys.stdout.write(_table([each for each in held if each.origin != "product"]))
        for each in wrong:
            line = f":{each.line}" if each.line else ""
            sys.stdout.write(f"{each.severity}: {short(each.path)}{line}: {short(each.problem)}\n")
        for one in differing:
            sys.stdout.write(f"{one.severity}: {one.id} {short(one.problem)}\n  {one.mend}\n")
        for lift in open_:
            until = f"the run {lift.run_id}" if lift.run_id else "the next commit"
            what = f"{lift.becomes.level}, before" if lift.becomes else "lifted for"
            sys.stdout.write(f"{what} {until}: {', '.join(lift.contracts)}\n")
    found = [*(each.severity for each in wrong), *(each.severity for each in differing)]
    return int("error" in found)


def _table(held: Sequence[Contract]) -> str:
    if not held:
        return "nothing is protected but .git and .mcp-local-llm; see `mcp-local-llm protect -h`\n"
    rows = [("ID", "REGION", "LEVEL", "FROM", "REASON")]
    rows += [(c.id, c.region, c.level.value, c.origin, c.reason) for c in held]
    cells = [tuple(map(short, row)) for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    lines = (
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]])
        for row in cells
    )
    return "".join(f"{line.rstrip()}\n" for line in lines)
