"""One imperative in the developer's own words."""

import pytest

from agents.capture.rule import find_rule
from agents.capture.wording import imperative


@pytest.mark.parametrize(
    ("sentence", "rule"),
    [
        ("tests should never reach the network", "Never let tests reach the network."),
        ("The importer should not guess encodings.", "Do not let the importer guess encodings."),
        ("the export must keep the order", "Make the export keep the order."),
        ("All amounts must be positive", "Make sure that all amounts are positive."),
        ("every amount must always be positive", "Make sure that every amount is always positive."),
        ("you should not be editing that folder", "Avoid editing that folder."),
        ("we must never guess", "Never guess."),
        ("i don't want to see stack traces", "Do not see stack traces."),
        ("I don't want any popups as I said", "Do without any popups."),
        ("i want the list to stay sorted", "Make the list stay sorted."),
        ("can you make it shorter please?", "Make it shorter."),
        ("Instead of tabs let's use cards", "Use cards instead of tabs."),
        ("stop adding comments", "Stop adding comments."),
        ("no new dependencies", "No new dependencies."),
        ("no, use the old client", "Use the old client."),
        ("no need to rebuild every time", "No need to rebuild every time."),
        ("don't you dare drop the index", "Never drop the index."),
        ("you don't have to ask for each file", "No need to ask for each file."),
        ("I'd like you to always sort imports", "Always sort imports."),
        (
            "prompts live in prompts/, never in code",
            "Make sure that prompts live in prompts/, never in code.",
        ),
        ("add a rule that says to ask before pushing", "Ask before pushing."),
        ("update AGENTS.md so agents know to run make lint", "Run make lint."),
        ("create a rule which lists the open points", "List the open points."),
        ("it is one file already, make sure it stays one", "Make sure it stays one."),
        ("ALWAYS USE THE SHARED CLIENT", "Always use the shared client."),
        ("use `uv sync`", "Use `uv sync`."),
        ("fix the total, it should be net", "Fix the total, it should be net."),
        ("if a file is empty, skip it", "If a file is empty, skip it."),
        (
            "the export is broken on Windows again",
            "Make sure that this does not happen: the export is broken on Windows again.",
        ),
    ],
)
def test_a_sentence_is_worded_as_an_imperative(sentence: str, rule: str) -> None:
    assert imperative(sentence) == rule


@pytest.mark.parametrize("sentence", ["", "ok", "I have a dog", "- ", "``"])
def test_what_directs_nothing_is_no_imperative(sentence: str) -> None:
    assert imperative(sentence) is None


def test_a_rule_that_points_back_tells_to_what() -> None:
    turn = "There are coloured dots in the list. I don't want them."
    assert find_rule(turn) == "Do without them (There are coloured dots in the list)."
    assert find_rule("I don't want them.") is None


def test_the_next_best_sentence_is_taken_where_the_best_directs_nothing() -> None:
    assert find_rule("Remember this rule. Use the shared client instead.") == (
        "Use the shared client instead."
    )
