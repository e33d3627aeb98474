"""The options of ``remember`` by which a rule gets a checker."""

from __future__ import annotations

import argparse
import asyncio
import shlex

from pydantic import ValidationError

from mcp_local_llm import UsageError
from memory.records import Check, Item, Kind
from memory.secrets import refuse_secrets

_PYTHON = "**/*.py"  # what a query is about when nothing else is said


def rule_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to ``parser``."""
    group = parser.add_argument_group("how a run finds out whether the rule is kept (one of three)")
    group.add_argument("--check-regex", metavar="REGEX", help="no fresh line may match this")
    group.add_argument(
        "--check-query",
        metavar="QUERY",
        help="this tree-sitter query may find nothing fresh, for example "
        "'((call function: (identifier) @f) (#eq? @f \"eval\"))'",
    )
    group.add_argument(
        "--check-command", metavar="COMMAND", help="this has to end with 0, in the sandbox"
    )
    group.add_argument(
        "--check-must-match",
        action="store_true",
        help="turn it round: every changed file has to match the regex or query",
    )
    group.add_argument(
        "--check-paths",
        metavar="GLOB",
        help="the files that it is about (default: all; for a query **/*.py)",
    )
    group.add_argument(
        "--marker",
        metavar="CATEGORY:NAME",
        help="the compliance marker that this check verifies, such as pattern:pure-functions",
    )


def checkable(item: Item, options: argparse.Namespace) -> Item:
    """Return ``item`` with the check that ``options`` ask for, if any; see ``rule_options``.

    It then holds for every task, unless its kind was given.

    Raises:
        UsageError: no check can be made of the options.
    """
    given = [options.check_regex, options.check_query, options.check_command]
    if all(one is None for one in given):
        if options.check_must_match or options.check_paths is not None or options.marker:
            raise UsageError(
                "--check-must-match, --check-paths and --marker belong to a check; give one of "
                "--check-regex, --check-query and --check-command too"
            )
        return item
    check = _check(options)
    kind = item.kind if options.kind else Kind.PREFERENCE
    data = {**item.data, "check": check.model_dump(mode="json", exclude_defaults=True)}
    return item.model_copy(update={"kind": kind, "data": data})


def _check(options: argparse.Namespace) -> Check:
    from tools.rule_checks import require_valid

    try:
        check = Check(
            regex=options.check_regex or "",
            query=options.check_query or "",
            command=tuple(shlex.split(options.check_command or "")),
            must="match" if options.check_must_match else "not_match",
            paths=options.check_paths or (_PYTHON if options.check_query else "**"),
            marker=options.marker or "",
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(
            f"this is no check ({where + ': ' if where else ''}{first['msg']}); give exactly one "
            "of --check-regex, --check-query and --check-command"
        ) from error
    except ValueError as error:  # shlex
        raise UsageError(
            f"--check-command {options.check_command!r} cannot be split: {error}"
        ) from error
    if check.command and check.must == "match":
        raise UsageError(
            "--check-must-match is for a regex or a query; a command has to end with 0"
        )
    for text in (check.regex, check.query, *check.command):
        refuse_secrets(text)
    asyncio.run(require_valid(check))
    return check
