"""The command ``graph-run``. Exit codes: 0 done or waiting for your review, 1 tests red, failed,
refused or rejected, 2 wrong input, 3 model or store unavailable, 130 interrupted.

Only the standard library is imported before the arguments are known, so that ``--help`` is quick.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mcp_local_llm import LocalLLMError

_COMMANDS: Final = ("list", "show", "resume", "apply", "discard")
_REVIEWS: Final = ("plan", "patch")
_DESCRIPTION: Final = """\
Let the local crew turn a task into a tested change.

  graph-run "add total_above(values) to shop/cart.py"
  graph-run list | show ID | resume ID | apply ID | discard ID
"""
_EPILOG: Final = """\
exit codes: 0 done (or waiting for a review), 1 tests red, failed, refused or rejected,
2 wrong input, 3 model or store unavailable, 130 interrupted. A run that was interrupted goes on
with `graph-run resume ID`.
"""


def _reviews(text: str) -> list[str]:
    asked = [word.strip() for word in text.split(",") if word.strip()]
    wrong = [word for word in asked if word not in _REVIEWS]
    if wrong:
        raise argparse.ArgumentTypeError(f"no review {wrong[0]!r}; choose from plan,patch")
    return asked


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="graph-run",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("task", help="what to change, in your words")
    parser.add_argument("--review", type=_reviews, metavar="plan,patch", help="stop to be asked")
    parser.add_argument("--init-git", action="store_true", help="make the workspace a repository")
    parser.add_argument("--detach", action="store_true", help="run in the background, print the id")
    _workspace_option(parser)
    _shared_options(parser)
    return parser


def _command_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="graph-run", epilog=_EPILOG)
    commands = parser.add_subparsers(dest="command", required=True)
    listed = commands.add_parser("list", help="show the runs, newest first")
    listed.add_argument("--json", action="store_true", help="one JSON object on stdout")
    for name, text in (
        ("show", "show a run's plan, tests and change"),
        ("apply", "bring a delivered change into the workspace"),
        ("discard", "remove a run, its worktree and its branch"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("run_id", metavar="ID")
        command.add_argument("--json", action="store_true", help="one JSON object on stdout")
    resume = commands.add_parser("resume", help="go on with a run, or answer its review")
    resume.add_argument("run_id", metavar="ID")
    answer = resume.add_mutually_exclusive_group()
    answer.add_argument("--approve", action="store_true", help="accept what waits for review")
    answer.add_argument("--reject", metavar="REASON", help="end the run")
    answer.add_argument("--edit", metavar="FILE", type=Path, help="take this text instead")
    resume.add_argument("--relayed", action="store_true", help="a model tells this answer")
    _shared_options(resume)
    return parser


def _workspace_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workspace", type=Path, default=Path(), metavar="DIR", help="the project (default: here)"
    )


def _shared_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="PROFILE", help="the model profile to use")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument(
        "--yes", action="store_true", help="approve reviews and apply the change without asking"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` and return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    is_command = bool(words) and words[0] in _COMMANDS
    try:
        options = (_command_parser() if is_command else _parser()).parse_args(words)
    except SystemExit as stopped:  # argparse has said what is wrong
        return int(stopped.code or 0)
    from graph import commands

    try:
        return commands.execute(options)
    except LocalLLMError as error:
        sys.stderr.write(f"graph-run: {error}\n")
        if options.json:
            commands.write_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("graph-run: interrupted\n")
        return 130
    except BrokenPipeError:  # the reader has gone: nothing is left to say, or to say it to
        sys.stderr.close()
        return 1
    except Exception as error:  # noqa: BLE001  # the outermost door: no traceback for users
        return commands.unexpected(error, options.json)
