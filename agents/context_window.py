"""Layer 1, the context window: what a reader of a reply should adopt, and what that costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import prompts
from agents.brief import BriefRule
from memory.records import ContextWindow, Kind, KnowledgeUpdate, Statement, WindowTokens

_LONGEST: Final = 2_000  # characters of one statement; what is longer is for the memory's own tools


def context_window(
    profile: str,
    rules: Iterable[BriefRule],
    updates: Sequence[KnowledgeUpdate],
    count: Callable[[str], int],
) -> ContextWindow:
    """Return the window of the prompt set ``profile`` under ``rules``; ``count`` counts tokens."""
    told = tuple(rules)
    active = tuple(_statement(rule) for rule in told if rule.kind != Kind.DEFINITION)
    definitions = tuple(_statement(rule) for rule in told if rule.kind == Kind.DEFINITION)
    tokens = WindowTokens(
        prompt=count(prompts.render(f"{profile}/system")),
        rules=_counted(active, count),
        definitions=_counted(definitions, count),
        updates=_counted(updates, count),
    )
    return ContextWindow(
        prompt_id=prompts.PROMPT_IDS[profile],
        active_rules=active,
        definitions=definitions,
        knowledge_updates=tuple(updates),
        tokens=tokens,
    )


def _statement(rule: BriefRule) -> Statement:
    text = rule.text if len(rule.text) <= _LONGEST else rule.text[: _LONGEST - 1] + "…"
    return Statement(id=rule.id, text=text)


def _counted(
    parts: Sequence[Statement] | Sequence[KnowledgeUpdate], count: Callable[[str], int]
) -> int:
    return count("\n".join(f"{part.id}: {part.text}" for part in parts)) if parts else 0
