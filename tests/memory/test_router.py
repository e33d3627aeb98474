"""Questions and documents get their class; the labelled sets say how often it is the right one."""

import hashlib
import json
from pathlib import Path

import pytest

from memory.records import DocumentClass
from memory.router import (
    PROFILES,
    QueryClass,
    RuntimeContext,
    classify,
    route,
)

DATA = Path(__file__).parent / "data"
Labelled = list[tuple[str, str]]


def questions() -> Labelled:
    rows = (DATA / "questions.tsv").read_text("utf-8").splitlines()
    return [(label, text) for label, _, text in (row.partition("\t") for row in rows)]


def documents() -> Labelled:
    rows = map(json.loads, (DATA / "documents.jsonl").read_text("utf-8").splitlines())
    return [(row["class"], row["text"]) for row in rows]


def held_out(rows: Labelled) -> Labelled:
    """The half that no cue was fitted to: chosen by hash, so that it stays the same half."""
    return [row for row in rows if hashlib.sha256(row[1].encode()).digest()[0] % 2]


def accuracy(rows: Labelled, answers: list[str]) -> float:
    right = [answer == label for (label, _), answer in zip(rows, answers, strict=True)]
    return sum(right) / len(right)


def test_the_sets_are_large_enough_and_balanced() -> None:
    labels = [label for label, _ in questions()]
    assert len(labels) >= 120
    assert {labels.count(str(one)) for one in QueryClass} == {40}
    assert len({text for _, text in questions()}) == len(labels)
    assert {label for label, _ in documents()} == {str(one) for one in DocumentClass}


def test_most_held_out_questions_get_their_class() -> None:
    rows = held_out(questions())
    assert len(rows) > 60
    assert accuracy(rows, [route(text).to for _, text in rows]) >= 0.9


def test_most_held_out_documents_get_their_class() -> None:
    rows = held_out(documents())
    assert len(rows) > 15
    assert accuracy(rows, [classify(text) for _, text in rows]) >= 0.85


@pytest.mark.parametrize("text", ["", " \n", "\x00", "?" * 100_000, "a" * 1_000_000])
def test_what_says_nothing_is_general(text: str) -> None:
    assert route(text).to is QueryClass.GENERAL
    assert classify(text) is DocumentClass.GENERAL


def test_recent_errors_decide_what_a_question_leaves_open() -> None:
    trouble = RuntimeContext(errors=("ValueError: bad date",))
    slow = RuntimeContext(slow=("render takes 3 s",))
    assert route("the invoice page", trouble).to is QueryClass.DEBUGGING
    assert route("the invoice page", slow).to is QueryClass.DEBUGGING
    assert route("the invoice page", RuntimeContext(errors=(" ",))).to is QueryClass.GENERAL


def test_recent_errors_do_not_overrule_a_clear_question() -> None:
    trouble = RuntimeContext(errors=("ValueError: bad date",))
    assert route("write a function that adds VAT", trouble).to is QueryClass.CODE_GENERATION


def test_a_route_names_its_cues_and_profile() -> None:
    routed = route("why does the import fail")
    assert "fail" in routed.cues
    assert routed.profile is PROFILES[QueryClass.DEBUGGING]
