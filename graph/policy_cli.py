"""The command ``mcp-local-llm policy``: the rulebook, documents held against it, the violations.

Exit codes: 0 done and kept, 1 a checked document breaks a rule of severity error, 2 wrong input,
3 the disk does not play along.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from graph.console import run_command, short, text_of, told
from mcp_local_llm import UsageError
from memory.policy import Severity, check_document

if TYPE_CHECKING:
    from memory.policy_store import PolicyStore


def main(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm policy``."""
    parser = argparse.ArgumentParser(
        prog="mcp-local-llm policy",
        description="Show the rules that work here is held to, add your own, check documents. Your "
        "own are Markdown files in .mcp-local-llm/policy; they count once the rulebook is built.",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.set_defaults(action=_show)
    commands = parser.add_subparsers(dest="command", metavar="[COMMAND]")
    for name, text, action in (
        ("show", "print the rulebook in force (default)", _show),
        ("build", "make the policy files the rulebook in force, all of them or none", _build),
        ("check", "hold a document, or a policy file, against the rulebook", _check),
        ("violations", "print the log of violations, newest first", _violations),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
        command.set_defaults(action=action)
        if name == "check":
            command.add_argument("files", nargs="+", metavar="FILE", help="- reads standard input")
            command.add_argument("--log", action="store_true", help="enter findings in the log")
        if name == "violations":
            command.add_argument("--limit", type=int, default=50, metavar="N", help="default: 50")
    return run_command(parser, argv, lambda options: int(options.action(options)))


def _store() -> PolicyStore:
    from agents.home import state_home
    from memory.policy_store import PolicyStore
    from memory.project import project_id, project_root

    here = Path.cwd()
    return PolicyStore(state_home(), project_id(here), project_root(here))


def _show(options: argparse.Namespace) -> int:
    store = _store()
    book, stale = store.current(), store.is_stale()
    lines = [f"rulebook {book.hash[:12]}"]
    for policy in book.policies:
        lines += ["", f"{policy.name} {policy.version}"]
        lines += [
            f"  {rule.id:<8} {rule.severity:<8} {rule.title}"
            + (f"  [kept by: {rule.enforced}]" if rule.enforced else "")
            for rule in policy.rules
        ]
    lines += (
        ["", "the policy files say something else: mcp-local-llm policy build"] if stale else []
    )
    return told(options, "\n".join(lines), **book.model_dump(mode="json"), stale=stale)


def _build(options: argparse.Namespace) -> int:
    book = _store().build()
    names = [f"{policy.name} {policy.version}" for policy in book.policies]
    text = f"built {book.hash[:12]}: {len(book.rules())} rules of {', '.join(names)}"
    return told(options, text, hash=book.hash, policies=names, rules=len(book.rules()))


def _check(options: argparse.Namespace) -> int:
    store = _store()
    book = store.current()
    lines, rows, errors = list[str](), list[dict[str, object]](), False
    for name in options.files:
        path = _path(name, store.root)
        found = check_document(text_of(name), path, book)
        errors |= any(each.severity is Severity.ERROR for each in found)
        lines += [f"{path}:{one.line}: {one.severity} {one.rule}: {one.why}" for one in found]
        rows += [{"path": path, **each.model_dump(mode="json")} for each in found]
        if options.log:
            store.log(found, path, "cli")
    text = "\n".join(map(short, lines)) or "every rule is kept"
    told(options, text, kept=not errors, findings=rows, rulebook=book.hash)
    return 1 if errors else 0


def _violations(options: argparse.Namespace) -> int:
    if options.limit < 1:
        raise UsageError(f"--limit is {options.limit}; give a number from 1")
    found = _store().violations(options.limit)
    lines = [
        f"{one.at}  {one.severity:<7} {one.rule:<8} "
        f"{short(f'{one.by}: {one.where}: {one.why}')}"
        for one in found
    ]
    rows = [each.model_dump(mode="json") for each in found]
    return told(options, "\n".join(lines) or "no violation was logged", violations=rows)


def _path(name: str, root: Path) -> str:
    """Return what rules call a document: its path from the project's root, else its name."""
    path = Path(name).resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
