"""The command ``mcp-local-llm validate-principles``: what code does against principles of code.

Exit codes: 0 every principle is kept, 1 one is broken, 2 wrong input.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from graph.console import run_command, text_of, told
from tools.principles import PRINCIPLES, check_principles


def main(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm validate-principles``."""
    parser = argparse.ArgumentParser(
        prog="mcp-local-llm validate-principles",
        description="Check Python code against principles, by its syntax; nothing is run.",
    )
    parser.add_argument("file", nargs="?", default="-", metavar="FILE", help="default: - (stdin)")
    add_principle_option(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return run_command(parser, argv, _check)


def add_principle_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--principle``, which chooses among the principles."""
    parser.add_argument(
        "--principle",
        action="append",
        default=[],
        metavar="NAME",
        help=f"only this one, may be repeated: {', '.join(PRINCIPLES)}",
    )


def _check(options: argparse.Namespace) -> int:
    name = options.file
    report = check_principles(text_of(name), options.principle)
    lines = [
        f"{name}:{each.line}: {each.principle}: {each.what}; {each.suggestion}"
        for each in report.violations
    ]
    text = "\n".join([*lines, f"score {report.principle_score:g}"])
    told(options, text, **report.model_dump(mode="json"))
    return 1 if report.violations else 0
