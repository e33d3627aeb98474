"""The command ``mcp-local-llm context-window``, and the window of a project for other readers.

What it prints is layer 1 of every answer: the system prompt's id, rules and definitions in force,
and what was taught of late. No model has to run for it.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from graph.settings import Settings
    from memory.records import ContextWindow

_RULES: Final = 20


def main(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm context-window``; exit codes as in ``graph.memory_cli``."""
    from graph.console import run_command

    parser = argparse.ArgumentParser(
        prog="mcp-local-llm context-window",
        description="Print what a reader of the crew's answers should adopt.",
    )
    parser.add_argument(
        "--task",
        default="",
        metavar="TEXT",
        help="what the rules should bear on (default: those that hold for every task)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return run_command(parser, argv, _print)


async def project_window(workspace: Path, task: str = "") -> ContextWindow:
    """Return the context window of the project ``workspace`` is in, for ``task`` if there is one.

    Raises ``UsageError`` for wrong settings and ``StoreUnavailable`` when the journal can't be
    read.
    """
    from agents.brief import at_hand, brief_rules, relevant_files
    from agents.context_window import context_window
    from agents.home import state_home
    from graph.settings import load_settings
    from graph.workshop import open_memory
    from memory.project import prefix_in_project

    settings = load_settings(workspace)
    profile, count = await asyncio.to_thread(_reader, settings)
    files, _ = await asyncio.to_thread(relevant_files, task, workspace) if task else ((), ())
    here = at_hand(files, prefix=prefix_in_project(workspace))
    with open_memory(settings, workspace, state_home()) as memory:
        known = await memory.recall(task, limit=_RULES, at_hand=here)
        updates = await memory.updates()
    return context_window(profile, brief_rules(known), updates, count)


def _reader(settings: Settings) -> tuple[str, Callable[[str], int]]:
    """Return the prompt set of the configured model and what counts its tokens."""
    from agents.profiles import resolve_profile
    from agents.tokens import EstimatedTokens, open_counter
    from graph.workshop import SCRIPTED
    from mcp_local_llm import ModelUnavailable

    if settings.model.profile == SCRIPTED:
        return settings.model.prompts or "compact", EstimatedTokens().count_text
    try:
        profile = resolve_profile(None, settings.model)
        return profile.prompts, open_counter(profile.model_path).count_text
    except ModelUnavailable:  # its rules hold all the same
        return settings.model.prompts or "full", EstimatedTokens().count_text


def _print(options: argparse.Namespace) -> int:
    from graph.console import told

    window = asyncio.run(project_window(Path.cwd(), " ".join(options.task.split())))
    return told(options, shown(window), **window.model_dump(mode="json"))


def shown(window: ContextWindow) -> str:
    """Return ``window`` for people, a line for each thing."""
    from graph.console import short

    tokens = window.tokens
    lines = [
        f"prompt {window.prompt_id}: {tokens.prompt} tokens",
        f"rules: {len(window.active_rules)}, {tokens.rules} tokens",
        *(f"  {rule.id}  {short(rule.text)}" for rule in window.active_rules),
        f"definitions: {len(window.definitions)}, {tokens.definitions} tokens",
        *(f"  {each.id}  {short(each.text)}" for each in window.definitions),
        f"knowledge updates: {len(window.knowledge_updates)}, {tokens.updates} tokens",
        *(f"  {each.id}  {each.kind}  {short(each.text)}" for each in window.knowledge_updates),
    ]
    return "\n".join(lines)
