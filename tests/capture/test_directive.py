"""Which sentences direct and can be understood by themselves."""

import pytest

from agents.capture.directive import stands_alone, unheaded
from agents.capture.rules import rules_of


@pytest.mark.parametrize(
    "sentence",
    [
        "Never call print.",
        "no new dependencies",
        "don't translate the product names",
        "use the slim image",
        "we write snake_case in JS too",
        "invoices must carry the tax number",
        "test files never import each other",
        "every endpoint gets a test",
        "amounts in our reports are gross",
        "if a file is empty, skip it",
        "after each phase run the whole suite",
        "from now on: logger, not print",
        "API rule: empty lists are no errors",
        "can you always sign the commits?",
        "ruff, not pylint",
        "secrets only in the vault, also for tests",
        "a plan is mandatory before every migration",
        "Antworte immer auf Deutsch",
    ],
)
def test_a_sentence_that_directs_stands_alone(sentence: str) -> None:
    assert stands_alone(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "for a csv",
        "for every service you add",
        "not in the profile, only here",
        "always",
        "every time",
        "no exceptions please",
        "it answers every message twice",
        "the button never fires",
        "retry button does nothing",
        "readiness never gets green",
        "all optional fields became required",
        "after the upload I see a white page",
        "running it twice gives me duplicates",
        "no errors in the console either",
        "you always apologise and then do it again",
        "I wanted one word changed",
        "that's how we do it everywhere",
        "do that from now on",
        "keep it in mind for all suggestions",
        "should be four at most",
        "do we really need two libraries?",
        "decide which",
        "use that convention throughout",
        "throws an exception on our test file",
        "READ",
        "",
    ],
)
def test_a_fragment_or_a_report_does_not(sentence: str) -> None:
    assert not stands_alone(sentence)
    assert rules_of(sentence) == ()


def test_a_heading_is_no_part_of_the_rule() -> None:
    assert unheaded("New rule: never squash") == "never squash"
    assert unheaded("use https: it is safer") == "use https: it is safer"
    (rule,) = rules_of("As a convention: boolean names begin with is or has")
    assert rule.text == "Make sure that boolean names begin with is or has."


def test_the_sentence_that_stands_alone_is_the_rule_of_a_turn() -> None:
    (rule,) = rules_of("It fails again. Fix the factory, not the test. For the csv as well.")
    assert rule.text == "Fix the factory, not the test."
