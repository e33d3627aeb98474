"""The context window: what it holds, and that it says what it costs."""

from __future__ import annotations

import prompts
from agents.brief import brief_rules
from agents.context_window import context_window
from agents.tokens import EstimatedTokens
from memory.records import Insight, KnowledgeUpdate, Recalled, Statement

NEWS = KnowledgeUpdate(id="abc", kind="correction", text="Use cents", at="2026-01-01T00:00:00")


def recalled(text: str, kind: str) -> Recalled:
    return Recalled(insight=Insight(text=text, kind=kind), score=1, why="because")


def test_rules_and_definitions_are_told_apart_and_keep_their_numbers() -> None:
    rules = brief_rules([recalled("A net", "definition"), recalled("Never print", "preference")])
    count = EstimatedTokens().count_text
    window = context_window("full", rules, [NEWS], count)
    assert window.prompt_id == prompts.PROMPT_IDS["full"]
    assert window.definitions == (Statement(id="r1", text="A net"),)
    assert window.active_rules == (Statement(id="r2", text="Never print"),)
    assert window.knowledge_updates == (NEWS,)
    tokens = window.tokens
    assert tokens.prompt == count(prompts.render("full/system"))
    assert tokens.rules == count("r2: Never print")
    assert tokens.total == sum((tokens.prompt, tokens.rules, tokens.definitions, tokens.updates))
    assert min(tokens.definitions, tokens.updates) > 0


def test_nothing_known_costs_nothing_and_long_texts_are_cut() -> None:
    count = EstimatedTokens().count_text
    tokens = context_window("compact", (), (), count).tokens
    assert (tokens.rules, tokens.definitions, tokens.updates) == (0, 0, 0)
    window = context_window("compact", brief_rules([recalled("x" * 5_000, "fact")]), (), count)
    (rule,) = window.active_rules
    assert len(rule.text) == 2_000 and rule.text.endswith("…")
