"""What a turn teaches: rules and definitions, with where they hold."""

from __future__ import annotations

import pytest

from agents.capture.parts import take_apart
from agents.capture.rules import Rule, rule_from, rules_of
from memory.records import Item, Kind, Provenance


def texts(typed: str) -> list[str]:
    return [rule.text for rule in rules_of(typed)]


def test_a_rule_keeps_the_users_words_and_where_it_holds() -> None:
    (rule,) = rules_of("No! In src/api, from now on always use `datetime.now(UTC)` in Python.")
    assert rule.scope == "src/api"
    assert rule.language == "python"
    assert rule.kind is Kind.PREFERENCE
    assert rule.words == "In src/api, from now on always use `datetime.now(UTC)` in Python."
    assert rule.confidence == 0.9


def test_several_rules_of_one_turn_are_taken_each() -> None:
    typed = "Thanks! Always run black and never commit to main. Also, tests must never sleep."
    assert texts(typed) == [
        "Always run black.",
        "Never commit to main.",
        "Never let tests sleep.",
    ]


def test_a_rule_that_points_back_keeps_what_it_points_to() -> None:
    assert texts("The deploy job works now. Never touch it again!") == [
        "Never touch it again (The deploy job works now)."
    ]
    assert texts("Never touch it again!") == []


def test_every_point_of_a_list_of_rules_is_a_rule() -> None:
    typed = "New rules:\n- docstrings in Google style\n- never use print\n1. ask before deleting"
    assert texts(typed) == [
        "Docstrings in Google style.",
        "Never use print.",
        "Ask before deleting.",
    ]


def test_a_list_of_tasks_is_no_list_of_rules() -> None:
    typed = "Add a page:\n- rename the file\n- move the button\n- it should be blue"
    assert len(rules_of(typed)) <= 1


@pytest.mark.parametrize(
    ("typed", "text", "term"),
    [
        (
            "harmony means balance of rules and freedom",
            "harmony means balance of rules and freedom.",
            "harmony",
        ),
        ("Remember: SKU stands for stock keeping unit!", "SKU means stock keeping unit.", "SKU"),
        (
            "By quorum we mean three of five nodes.",
            "quorum means three of five nodes.",
            "quorum",
        ),
        (
            "42 = harmony between rules and freedom",
            "42 means harmony between rules and freedom.",
            "42",
        ),
        ("define cart as the open order", "cart means the open order.", "cart"),
    ],
)
def test_a_definition_is_told_from_a_rule(typed: str, text: str, term: str) -> None:
    (rule,) = rules_of(typed)
    assert (rule.kind, rule.text, rule.term) == (Kind.DEFINITION, text, term)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "ok",
        "x = 3",
        "a = b + c",
        "that means trouble",
        "the error means a port is taken",
        "hm?",
    ],
)
def test_where_nothing_is_taught_there_is_no_rule(typed: str) -> None:
    assert rules_of(typed) == ()


def test_only_what_was_typed_teaches() -> None:
    turn = "it fails with\n```\nalways use tabs\n```\n> never use spaces\n"
    assert rules_of(take_apart(turn).typed) == ()


def test_what_is_taught_on_purpose_is_a_rule_in_any_words() -> None:
    assert rule_from("prices in cents").text == "Prices in cents."
    assert rule_from("ok").text == "ok"
    assert rule_from("In this file, no print", path="a/b.py").scope == "a/b.py"
    with pytest.raises(ValueError, match="text"):
        rule_from(" ")


def test_a_rule_becomes_an_item_with_its_check() -> None:
    rule = rule_from("In the API, never call print")
    item = rule.item("shop", Provenance(source="user", where="teach"))
    assert item.data == {"words": "In the API, never call print", "part": "api"}
    checked = rule_from("In lib/ never call print").item("shop", Provenance())
    assert (checked.scope, checked.kind, checked.project) == ("lib", Kind.PREFERENCE, "shop")
    assert checked.check is not None and checked.check.paths == "lib/**/*.py"
    assert Item.model_validate_json(checked.model_dump_json()) == checked


@pytest.mark.parametrize(
    "typed", ["never " * 1500, "a " * 4500, "use " * 2000, "- x\n" * 2000, "x" * 9000, "= " * 4000]
)
def test_a_long_turn_has_few_rules_at_most(typed: str) -> None:
    found = rules_of(typed)
    assert len(found) <= 20
    assert all(isinstance(rule, Rule) and len(rule.text) <= 310 for rule in found)


@pytest.mark.parametrize(
    ("typed", "text", "scope", "checked"),
    [
        ("never use print in src", "Never use print in src.", "src", True),
        ("under scripts/ always log", "Under scripts/ always log.", "scripts", False),
        ("max line length is 88", "Make sure that max line length is 88.", "", True),
        ("line length limit: 100", "Line length limit: 100.", "", True),
        ("wrap at 100 columns", "Wrap at 100 columns.", "", True),
        ("one class per file", "One class per file.", "", False),
        ("single quotes only", "Single quotes only.", "", False),
        ("wildcard imports are banned", "Never use wildcard imports.", "", True),
        ("`eval` must not be used in lib", "Never use `eval` in lib.", "lib", True),
        ("TODO comments are not allowed", "Never use TODO comments.", "", True),
        ("no walrus operator", "No walrus operator.", "", True),
        ("always use absolute imports", "Always use absolute imports.", "", True),
        (
            "mutable default arguments are forbidden",
            "Never use mutable default arguments.",
            "",
            True,
        ),
        ("we indent with 4 spaces", "We indent with 4 spaces.", "", False),
    ],
)
def test_measures_and_what_is_forbidden_are_rules(
    typed: str, text: str, scope: str, checked: bool
) -> None:
    (rule,) = rules_of(typed)
    assert rule.scope == scope
    assert (rule.check is not None) is checked
    assert rule.text == text


@pytest.mark.parametrize(
    "typed",
    ["the limit was 100 and it crashed", "buttons are too small", "the tooltip shows only 3 rows"],
)
def test_a_report_with_a_number_or_a_plural_is_no_rule(typed: str) -> None:
    assert rules_of(typed) == ()


def test_a_folder_that_may_be_anywhere_is_a_part_and_has_no_check() -> None:
    (rule,) = rules_of("never call print in the frontend folder")
    assert (rule.part, rule.scope, rule.check) == ("frontend", "", None)
