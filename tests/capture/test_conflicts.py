"""Which rules say the same, narrow each other, contradict each other, or have nothing in common."""

from __future__ import annotations

import json
import sys
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Literal

import pytest

from agents.capture.conflicts import Relation, relation, resolve
from agents.capture.parts import take_apart
from agents.capture.rules import rule_from, rules_of
from memory.records import Item, Provenance, Status
from training.reactions.corpus import read_turns

PAIRS = [
    json.loads(line)
    for line in Path(__file__).with_name("pairs.jsonl").read_text("utf-8").splitlines()
]
APART = [
    json.loads(line)
    for line in Path(__file__).with_name("apart.jsonl").read_text("utf-8").splitlines()
]
AT_LEAST = 0.95
AT_MOST = 0.0005  # of unrelated rules may contradict each other
SCENES = 4  # one of so many in the corpus is looked at


def item(words: str, source: Literal["user", "run"] = "user", path: str = "") -> Item:
    return rule_from(words, path=path).item("shop", Provenance(source=source))


def test_the_suite_has_enough_pairs_of_every_relation() -> None:
    counts = Counter(pair["relation"] for pair in PAIRS)
    assert len(PAIRS) >= 120
    assert set(counts) == set(Relation)
    assert min(counts.values()) >= 30


def test_nearly_all_labelled_pairs_are_told_right() -> None:
    wrong = [
        f"{found} is {pair['relation']}: {pair['old']} | {pair['new']}"
        for pair in PAIRS
        if (found := relation(item(pair["new"]), item(pair["old"]))) != pair["relation"]
    ]
    right = 1 - len(wrong) / len(PAIRS)
    sys.stdout.write("\n".join([f"{right:.1%} of {len(PAIRS)} pairs are right", *wrong, ""]))
    assert right >= AT_LEAST


def test_there_are_enough_pairs_that_only_look_like_contradictions() -> None:
    assert len(APART) >= 60


@pytest.mark.parametrize("pair", APART, ids=lambda pair: pair["new"])
def test_a_word_in_common_makes_no_contradiction(pair: dict[str, str]) -> None:
    old, new = item(pair["old"]), item(pair["new"])
    both_stay = {Relation.UNRELATED, Relation.REFINE}
    assert {relation(new, old), relation(old, new)} <= both_stay


def test_rules_of_different_scenes_hardly_ever_contradict_each_other() -> None:
    turns = [turn for turn in read_turns() if turn.scene % SCENES == 0]
    rules = {
        rule.text: (turn.scene, rule.item("shop", Provenance(source="chat")))
        for turn in turns
        for rule in rules_of(take_apart(turn.text).typed)
    }
    pairs = [(a[1], b[1]) for a, b in combinations(rules.values(), 2) if a[0] != b[0]]
    against = [pair for pair in pairs if relation(*pair) is Relation.CONTRADICT]
    sys.stdout.write(f"{len(against)} of {len(pairs)} pairs of {len(rules)} rules\n")
    assert len(pairs) > 5_000
    assert len(against) < AT_MOST * len(pairs), [(a.text, b.text) for a, b in against]


@pytest.mark.parametrize("pair", PAIRS[::7], ids=lambda pair: pair["new"])
def test_what_was_said_twice_agrees_with_itself(pair: dict[str, str]) -> None:
    assert relation(item(pair["new"]), item(pair["new"])) in {Relation.AGREE, Relation.REFINE}


def test_rules_for_different_places_never_conflict() -> None:
    here = item("In this file use tabs.", path="src/a.py")
    there = item("In this file use spaces.", path="src/b.py")
    assert relation(here, there) is Relation.UNRELATED
    inside = item("In src/ use spaces.")
    assert relation(here, inside) is Relation.REFINE
    assert relation(inside, here) is Relation.REFINE


def test_a_check_that_forbids_what_the_other_demands_contradicts() -> None:
    def checked(text: str, must: str) -> Item:
        return Item(text=text, data={"check": {"regex": "^# licence", "must": must}})

    wanted = checked("Begin files with the licence.", "match")
    refused = checked("Files have no preamble of any kind.", "not_match")
    assert relation(refused, wanted) is Relation.CONTRADICT
    assert resolve(refused, [wanted]).superseded == {
        wanted.id: "its check forbids what the other's demands"
    }


def test_likeness_of_vectors_relates_what_shares_no_words() -> None:
    new, old = item("Never phone home."), item("Send no telemetry.")
    assert relation(new, old) is Relation.UNRELATED
    assert relation(new, old, similarity=0.9) is not Relation.UNRELATED
    assert resolve(new, [old], similarity={old.id: 0.9}).verdicts[0].old == old.id


def test_the_newest_wins_and_the_loser_gets_the_reason() -> None:
    old, other = item("Use npm."), item("Prices are in cents.")
    new = item("We use pnpm, not npm.")
    result = resolve(new, [old, other, new])
    assert result.superseded == {old.id: "pnpm instead of npm"}
    assert [(v.old, v.relation) for v in result.verdicts] == [(old.id, Relation.CONTRADICT)]
    assert not result.yields_to


def test_an_explicit_preference_is_not_overridden_by_something_inferred() -> None:
    old = item("Use npm.")
    inferred = item("We use pnpm, not npm.", source="run")
    result = resolve(inferred, [old])
    assert (result.yields_to, result.why) == (old.id, "pnpm instead of npm")
    assert result.superseded == {}
    confirmed = inferred.model_copy(update={"status": Status.VALIDATED})
    assert resolve(confirmed, [old]).superseded
    assert resolve(inferred, [item("Use npm.", source="run")]).superseded


def test_what_says_the_same_is_named() -> None:
    old = item("Lines are at most 100 characters.")
    result = resolve(item("Max line length is 100."), [old])
    assert [(one.old, one.relation) for one in result.verdicts] == [(old.id, Relation.AGREE)]
    assert result.superseded == {}


def test_another_meaning_of_a_term_contradicts_the_first() -> None:
    old = item("quorum means three of five nodes")
    new = item("By quorum we mean every single replica that answers in time")
    result = resolve(new, [old])
    assert result.superseded == {old.id: "another meaning of the same term"}
    assert relation(item("Quorum means three of five nodes in one zone"), old) is Relation.REFINE
    assert relation(item("Never call print."), old) is Relation.UNRELATED


@pytest.mark.parametrize("text", ["…", "не используй print", "1" * 3000, "a " * 3000, "`" * 50])
def test_any_text_can_be_compared(text: str) -> None:
    assert relation(Item(text=text), Item(text="Use tabs.")) is Relation.UNRELATED
