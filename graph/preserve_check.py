"""The command ``mcp-local-llm check``: what a change breaks of the contracts.

Exit codes: 0 clean, 1 a violation, 2 wrong input or no git repository, 3 git, the memory or the
user's interpreter cannot be used.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from graph.console import run_command, short, write_json

if TYPE_CHECKING:
    from graph.preserve_compare import Compared
    from tools.preserve.check import Violation
    from tools.preserve.contracts import Contract
    from tools.pytest_run import TestReport
    from tools.repository import Repo

_LIFT: Final = "mcp-local-llm unprotect {} --once"


@dataclass(frozen=True)
class Outcome:
    """What a check found: ``allow`` are the commands that make a violation legal, by its place."""

    what: str
    violations: tuple[Violation, ...]
    allow: tuple[str, ...]
    lifted: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    green: bool | None = None
    notes: tuple[str, ...] = ()


def check(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm check``."""
    parser = argparse.ArgumentParser(
        prog="mcp-local-llm check",
        description="Compare a change with the contracts; ends with 1 when it breaks one.",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--staged", action="store_true", help="check what is about to be committed")
    what.add_argument("--range", metavar="A..B", help="check what B changes of A (for CI)")
    parser.add_argument(
        "--no-tests",
        action="store_true",
        help="do not run the tests that cover changed flexible regions",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return run_command(parser, argv, _check)


def _check(options: argparse.Namespace) -> int:
    from graph.logs import log_to_stderr
    from memory.project import project_root

    log_to_stderr()
    outcome = asyncio.run(
        checked(
            project_root(Path.cwd()),
            staged=options.staged,
            span=options.range,
            tests=not options.no_tests,
        )
    )
    if options.json:
        write_json(facts(outcome))
    else:
        _print(outcome)
    return 1 if outcome.violations else 0


async def checked(
    root: Path, *, staged: bool = False, span: str | None = None, tests: bool = True
) -> Outcome:
    """Compare the working tree of ``root``, what is ``staged``, or the commits ``span`` (A..B).

    Raises:
        UsageError: there is no git repository, or no such commits.
        Unavailable: git, the memory or the user's interpreter cannot be used.
    """
    from graph import preserve_compare as compare

    repo = await compare.opened(root)
    lifted: frozenset[str] = frozenset()
    if span is not None:
        found = await compare.commits(repo, span)
    else:
        found = await (compare.staged(repo) if staged else compare.working_tree(repo))
        found, lifted = await _with_own_words(repo, found)
    broken = found.violations(lifted)
    outcome = Outcome(found.what, broken, _allow(found, broken), tuple(sorted(lifted)))
    if found.skipped:
        names = ", ".join(sorted(found.skipped))
        note = f"{names}: changed before it was protected, so compared from the next commit on"
        outcome = replace(outcome, notes=(note,))
    return await _with_tests(tests, repo.root, found, outcome)


async def _with_own_words(repo: Repo, found: Compared) -> tuple[Compared, frozenset[str]]:
    """Add what this machine knows: contracts of the journal, and lifts that hold here and now."""
    from agents.approvals import changed_contracts, open_lifts
    from agents.protection import Protection
    from graph.console import here
    from graph.preserve_compare import uncommitted

    with here() as memory:
        protection = await Protection.open(repo.root, memory)
        protection.spend()
        head = protection.head
        approved = changed_contracts(memory.home, memory.project, head)
        found = await uncommitted(repo, found, head, protection.journalled(), approved)
        return found, open_lifts(memory.home, memory.project, head=head)


def _allow(found: Compared, broken: Iterable[Violation]) -> tuple[str, ...]:
    """Return for each violation the command that asks the user to allow it."""
    from tools.preserve.contracts import CONTRACT_FILE, UNREADABLE

    taken = _taken(found) if any(each.path == CONTRACT_FILE for each in broken) else {}
    commands = []
    for each in broken:
        if each.contract.id == UNREADABLE:
            commands.append(f"mend {CONTRACT_FILE} and commit that first")
            continue
        in_file = (
            command
            for name, command in taken.items()
            if each.path == CONTRACT_FILE and f"contract {name!r} " in each.problem
        )
        commands.append(next(in_file, _LIFT.format(each.contract.id)))
    return tuple(commands)


def _taken(found: Compared) -> dict[str, str]:
    """Return the commands that make legal what the contract file has lost, by contract id."""
    from agents.contract_journal import protect_command
    from mcp_local_llm import UsageError
    from tools.preserve.contracts import CONTRACT_FILE
    from tools.preserve.file import parse_contracts

    try:
        before, after = (
            {each.id: each for each in parse_contracts(files.read(CONTRACT_FILE) or b"")}
            for files in (found.before, found.after)
        )
    except UsageError:
        return {}
    return {
        name: protect_command(after[name]) if name in after else f"mcp-local-llm unprotect {name}"
        for name in before
    }


# -- the tests of flexible contracts -----------------------------------------------------------


async def _with_tests(wanted: bool, root: Path, found: Compared, outcome: Outcome) -> Outcome:
    from memory.records import Level

    broken = {each.contract.id for each in outcome.violations} | set(outcome.lifted)
    flexible = [c for c in found.contracts() if c.level is Level.FLEXIBLE and c.id not in broken]
    touched = set(found.touched(flexible))
    changed = [each for each in flexible if each.id in touched]
    if not changed:
        return outcome
    from tools.preserve.cover import covering_tests
    from tools.preserve.states import FolderFiles

    names = ", ".join(each.id for each in changed)
    if not (wanted and found.in_place):
        why = "by --no-tests" if not wanted else "as the range does not end at HEAD"
        return _noted(outcome, f"{names}: changed; the covering tests were not run, {why}")
    files = FolderFiles(root)
    tests = {c.id: await asyncio.to_thread(covering_tests, c, files) for c in changed}
    for name in (name for name, ids in tests.items() if not ids):
        hint = "name some with `protect … --test`"
        outcome = _noted(outcome, f"{name}: changed, and no test is known to cover it; {hint}")
    ids = tuple(dict.fromkeys(test for each in tests.values() for test in each))
    if not ids:
        return outcome
    report = await _run(root, ids, sorted(found.changed))
    outcome = replace(outcome, tests=ids, green=report.green)
    if report.green:
        return outcome
    failed = [_failed(each, found, report) for each in changed if tests[each.id]]
    return replace(
        outcome,
        violations=(*outcome.violations, *failed),
        allow=(*outcome.allow, *(_LIFT.format(each.contract.id) for each in failed)),
    )


async def _run(root: Path, ids: Sequence[str], changed: Sequence[str]) -> TestReport:
    from graph.settings import load_settings
    from tools.interpreter import find_python
    from tools.pytest_run import run_tests

    config = load_settings(root).command
    python = await asyncio.to_thread(find_python, root, config.python)
    return await run_tests(root, ids, config.policy(python), changed)


def _failed(contract: Contract, found: Compared, report: TestReport) -> Violation:
    """Return the violation that failing tests are; its lines are those of the changed region."""
    from memory.records import Level

    strict = contract.model_copy(update={"level": Level.STRICT})
    place = next(
        each
        for each in replace(found, extra=(*found.extra, strict)).violations()
        if each.contract == strict
    )
    why = "; ".join(report.failures[:3]) or f"pytest ended with code {report.exit_code}"
    return place.model_copy(
        update={"contract": contract, "problem": f"the tests that cover it fail: {why}"}
    )


def _noted(outcome: Outcome, note: str) -> Outcome:
    return replace(outcome, notes=(*outcome.notes, note))


# -- telling -----------------------------------------------------------------------------------


def _print(outcome: Outcome) -> None:
    for note in outcome.notes:
        sys.stderr.write(f"note: {short(note)}\n")
    if outcome.lifted:
        names = ", ".join(outcome.lifted)
        sys.stderr.write(f"lifted until the next commit: {names}\n")
    sys.stdout.write(told(outcome) + "\n")


def told(outcome: Outcome) -> str:
    """Return ``outcome`` for people: each violation with its place and difference, and the end."""
    lines = []
    for each, allow in zip(outcome.violations, outcome.allow, strict=True):
        lines.append(f"{_place(each)}: {_rule(each.contract)}: {short(each.problem)}")
        lines += [f"    {line}" for line in each.diff.splitlines()]
        lines.append(f"  put it back, or: {allow}")
    if outcome.tests:
        how = "passed" if outcome.green else "failed"
        lines.append(f"tests that cover what changed {how}: {' '.join(outcome.tests)}")
    count = len(outcome.violations)
    result = f"{count} violation{'s' * (count != 1)}" if count else "clean"
    lines.append(f"compared {outcome.what}: {result}")
    return "\n".join(lines)


def _place(violation: Violation) -> str:
    first, last = violation.first_line, violation.last_line
    lines = f":{first}" if first == last else f":{first}-{last}"
    return short(violation.path) + (lines if first else "")


def _rule(contract: Contract) -> str:
    reason = f", {short(contract.reason)}" if contract.reason else ""
    return f"contract {contract.id!r} ({contract.level}{reason})"


def facts(outcome: Outcome) -> dict[str, Any]:
    """Return ``outcome`` for programs."""
    rows = zip(outcome.violations, outcome.allow, strict=True)
    return {
        "clean": not outcome.violations,
        "compared": outcome.what,
        "violations": [{**each.model_dump(mode="json"), "allow": allow} for each, allow in rows],
        "lifted": list(outcome.lifted),
        "tests": {"ran": list(outcome.tests), "passed": outcome.green},
        "notes": list(outcome.notes),
    }
