"""Code from the local model under principles of code, checked by its syntax afterwards.

The command is ``mcp-local-llm principle-guided``. Exit codes: 0 answered, 2 wrong input, 3 model or
memory not available.
"""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import prompts
from graph.ask import Piece, ask
from graph.console import run_command, told
from graph.principles_cli import add_principle_option
from mcp_local_llm import UsageError
from memory.records import Record, ReplyTags
from tools.principles import PRINCIPLES, PrincipleViolation, check_principles, known_principle

_BLOCK: Final = re.compile(r"^```[a-zA-Z]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)


class Guided(Record):
    """The model's code and reasoning, and what the check says of them.

    ``principles_applied`` are the ones that the code was found to keep; one without anything to
    look at is in neither list. ``examples`` are the pieces of the project that the model was given.
    """

    code: str
    principles_applied: tuple[str, ...]
    violations: tuple[PrincipleViolation, ...]
    reasoning: str
    examples: tuple[Piece, ...]
    source: ReplyTags


async def principle_guided(
    query: str, context: str, principles: Sequence[str], workspace: Path, model: str | None = None
) -> Guided:
    """Return the local model's code for ``query``, in the light of ``context``.

    Without ``principles`` it is held to all of them. Code that breaks one is returned all the same,
    with what it breaks. Raises what ``graph.ask.ask`` and ``check_principles`` raise.
    """
    names = [known_principle(name) for name in principles] or list(PRINCIPLES)
    if not query.strip():
        raise UsageError("the query is blank; say what the code is to do")
    question = prompts.render(
        "door/principled", query=query.strip(), context=context.strip(), principles=names
    )
    replied = await ask(question, workspace, model=model)
    block = _BLOCK.search(replied.text)
    code = block[1] if block else ""
    scores, violations = {}, tuple[PrincipleViolation, ...]()
    reasoning = _BLOCK.sub("", replied.text, count=1).strip()
    try:
        report = check_principles(code, names)
        scores, violations = report.scores, report.violations
    except UsageError as error:  # what a model wrote need not parse
        reasoning = f"{reasoning}\n(not checked: {error})".strip()
    return Guided(
        code=code,
        principles_applied=tuple(name for name, score in scores.items() if score == 1.0),
        violations=violations,
        reasoning=reasoning,
        examples=replied.pieces,
        source=replied.tags,
    )


def main(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm principle-guided``."""
    parser = argparse.ArgumentParser(
        prog="mcp-local-llm principle-guided",
        description="Ask the local model for Python under principles of code, and check it.",
    )
    parser.add_argument("query", nargs="+", help="what the code is to do")
    parser.add_argument("--context", default="", metavar="TEXT", help="what it has to fit")
    add_principle_option(parser)
    parser.add_argument("--model", metavar="PROFILE", help="the model profile to use")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return run_command(parser, argv, _guided)


def _guided(options: argparse.Namespace) -> int:
    from graph.logs import log_to_stderr

    log_to_stderr()
    found = asyncio.run(
        principle_guided(
            " ".join(options.query), options.context, options.principle, Path.cwd(), options.model
        )
    )
    return told(options, shown(found), **found.model_dump(mode="json"))


def shown(found: Guided) -> str:
    """Return it for people: reasoning, code, and what was found."""
    lines = [found.reasoning, found.code.rstrip()]
    lines += [f"keeps: {', '.join(found.principles_applied)}"] if found.principles_applied else []
    lines += [f"breaks {one.principle}: line {one.line}: {one.what}" for one in found.violations]
    return "\n".join(line for line in lines if line)
