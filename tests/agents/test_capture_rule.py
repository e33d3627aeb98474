"""A rule is one imperative sentence in the words of the turn."""

import pytest

from agents.capture.rule import find_rule


@pytest.mark.parametrize(
    ("turn", "rule"),
    [
        ("no, use the repository's own logger", "Use the repository's own logger."),
        ("never log a token", "Never log a token."),
        ("from now on, please always run the linter first", "Always run the linter first."),
        ("we don't use semicolons in this repo", "Do not use semicolons in this repo."),
        ("we use tabs everywhere", "Use tabs everywhere."),
        ("Remember that prices are in cents", "Make sure that prices are in cents."),
        ("dont touch the lock file again!", "Do not touch the lock file again."),
        ("the limit should be 20, not 50", "Make sure that the limit is 20, not 50."),
    ],
)
def test_a_directive_is_worded_as_an_imperative(turn: str, rule: str) -> None:
    assert find_rule(turn) == rule


def test_of_several_sentences_the_directive_is_taken() -> None:
    turn = "I looked at it over lunch. Never write to the cache from a view! What is next?"
    assert find_rule(turn) == "Never write to the cache from a view."


@pytest.mark.parametrize("turn", ["", "...", "please add this rule", "hm", "the page is blank"])
def test_where_nothing_is_directed_there_is_no_rule(turn: str) -> None:
    assert find_rule(turn) is None


def test_a_rule_is_kept_short() -> None:
    rule = find_rule("never do this: " + "word " * 200)
    assert rule is not None and len(rule) < 310
