"""The command ``mcp-local-llm ask``: the local model answers, with what is known at hand.

Exit codes: 0 answered, 2 wrong input, 3 model or memory not available.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from memory.records import ContextWindow, Record, ReplyTags

if TYPE_CHECKING:
    from agents.brief import BriefRule
    from agents.chat import Message
    from graph.workshop import OpenModel
    from memory.session import Memory

LONGEST: Final = 8_000  # characters of a question
_PIECES: Final = 4
_RULES: Final = 12
_PIECE: Final = 1_500  # characters of one piece of code or document
_DEMO: Final = (
    "the demo model knows 36 operations on lists, texts and numbers and answers no questions; "
    "choose another model with --model or `mcp-local-llm model`"
)


class Piece(Record):
    """Something of the project that the model was given, and where it is from."""

    text: str
    why: str


class Replied(Record):
    """An answer with both layers: what its reader should adopt, and where it comes from."""

    text: str
    window: ContextWindow
    tags: ReplyTags
    pieces: tuple[Piece, ...] = ()
    seconds: float = 0.0
    note: str = ""


def main(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm ask``."""
    from graph.console import run_command

    parser = argparse.ArgumentParser(
        prog="mcp-local-llm ask",
        description="Ask the local model; it is given the rules and what is known about it.",
    )
    parser.add_argument("question", nargs="+", help="in your words")
    parser.add_argument("--model", metavar="PROFILE", help="the model profile to use")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return run_command(parser, argv, _ask)


def _ask(options: argparse.Namespace) -> int:
    import sys

    from graph.console import told
    from graph.logs import log_to_stderr

    log_to_stderr()
    replied = asyncio.run(ask(" ".join(options.question), Path.cwd(), model=options.model))
    if replied.note:
        sys.stderr.write(f"note: {replied.note}\n")
    facts = replied.model_dump(mode="json", exclude={"text"})
    return told(options, replied.text, answer=replied.text, **facts)


async def ask(question: str, workspace: Path, *, model: str | None = None) -> Replied:
    """Return the local model's answer to ``question`` about the project of ``workspace``.

    Raises:
        UsageError: the question is empty or too long, or the settings are wrong.
        ModelUnavailable: no model can be served, or it does not answer.
        StoreUnavailable: the memory cannot be read.
    """
    from agents.home import state_home
    from graph.settings import load_settings
    from graph.workshop import open_memory, open_model
    from mcp_local_llm import UsageError

    question = question.strip()
    if not question or len(question) > LONGEST:
        raise UsageError(
            f"the question has {len(question)} characters; ask in 1 to {LONGEST:,}"
            + (", and put long texts into a file of the project" if question else "")
        )
    overrides: dict[str, Any] = {"model": {"profile": model}} if model else {}
    settings = await asyncio.to_thread(load_settings, workspace, overrides)
    async with AsyncExitStack() as leases:
        opened = await open_model(settings, leases, workspace)
        with open_memory(settings, workspace, state_home()) as memory:
            return await _answered(question, opened, memory)


async def _answered(question: str, model: OpenModel, memory: Memory) -> Replied:
    from agents.brief import brief_rules
    from agents.context_window import context_window
    from agents.reply import repaired_tags, without_tags
    from agents.talk import system

    known = await memory.recall(question, limit=_RULES, adapter=model.chat.adapter_id)
    rules = brief_rules(known)
    pieces = await _pieces(question, memory)
    window = context_window(model.prompts, rules, await memory.updates(), model.count_text)
    completion = await model.chat.complete(
        [system(model.prompts), _fitted(question, rules, pieces, model)],
        max_tokens=model.max_tokens,
    )
    said, _ = repaired_tags(
        completion.text, prompt_id=window.prompt_id, rules=tuple(rule.id for rule in rules)
    )
    return Replied(
        text=without_tags(completion.text),
        window=window,
        tags=ReplyTags(
            model=model.chat.model_id,
            adapter=model.chat.adapter_id,
            rules=said.rules,
            markers=said.marks,
        ),
        pieces=pieces,
        seconds=round(completion.duration_s, 3),
        note=_DEMO if model.is_compact and model.chat.model_id == "embedded" else "",
    )


async def _pieces(question: str, memory: Memory) -> tuple[Piece, ...]:
    found = await memory.search_code(question, limit=_PIECES)
    return tuple(
        Piece(text=hit.text[:_PIECE], why=f"{hit.path}:{hit.line}-{hit.last}") for hit in found
    )


def _fitted(
    question: str, rules: Sequence[BriefRule], pieces: Sequence[Piece], model: OpenModel
) -> Message:
    """Return the message with as many pieces, then rules, as leave room for an answer."""
    from agents import talk

    room = model.context_tokens - model.max_tokens
    kept_rules, kept = list(rules), list(pieces)
    while True:
        asked = talk.question(model.prompts, question, kept_rules, kept)
        if model.count_text(asked.content) <= room or not (kept or kept_rules):
            return asked
        (kept or kept_rules).pop()
