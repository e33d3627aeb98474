"""Decisions and patterns are kept where a turn plainly says so, with their parts, and else not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agents.capture.decided import decision_from, decision_in, pattern_in
from agents.capture.intake import Captured
from agents.shared_memory import SharedMemory
from memory.records import Kind

ADVICE = "I compared three brokers. I recommend Kafka, since it scales. Which broker should we use?"


def test_a_choice_with_its_reason_is_a_decision_with_its_parts() -> None:
    said = "let's go with Redis streams instead of Kafka because nobody here can run a cluster"
    found = decision_in(said, ADVICE)
    assert found is not None
    assert (found.chosen, found.problem) == ("Redis streams", "Which broker should we use?")
    assert found.suggested == "I recommend Kafka, since it scales"
    assert found.constraints == ("nobody here can run a cluster",)


def test_what_was_decided_needs_no_alternative_and_may_tell_its_outcome() -> None:
    said = (
        "For the cache, we decided to use SQLite since it must work offline. It halved the start."
    )
    found = decision_in(said, ADVICE)
    assert found is not None
    assert (found.chosen, found.problem, found.suggested) == ("SQLite", "the cache", "")
    assert (found.constraints, found.outcome) == (("it must work offline",), "It halved the start")


@pytest.mark.parametrize(
    ("said", "chosen"),
    [
        ("Decision: a monorepo, because releases have to be atomic", "a monorepo"),
        ("for the queue, we'll use SQS rather than RabbitMQ as we have no ops team", "SQS"),
        ("The team settled on hexagonal architecture.", "hexagonal architecture"),
        ("ok, let's stick with REST over GraphQL since partners have clients for it", "REST"),
    ],
)
def test_natural_wordings_are_understood(said: str, chosen: str) -> None:
    found = decision_in(said)
    assert found is not None and found.chosen == chosen


@pytest.mark.parametrize(
    "said",
    [
        "should we go with Postgres instead of MySQL because of JSON?",
        "if we go with Redis instead of Kafka because of costs then it breaks",
        "we haven't decided to use redis yet",
        "let's go with option 2",
        "let's use a dict instead of a list",
        "use uv instead of pip",
        "we decided on that",
    ],
)
def test_a_question_a_pointer_or_a_bare_wish_decides_nothing(said: str) -> None:
    assert decision_in(said, ADVICE) is None


def test_what_is_called_a_decision_on_purpose_is_one_whatever_its_words() -> None:
    assert decision_from("one  binary for all").chosen == "one binary for all"


def test_a_typed_decision_is_kept_and_may_train(
    memory: SharedMemory, take: Callable[..., Captured]
) -> None:
    said = "We decided to use SQLite instead of Postgres because it has to work offline."
    first = take(said, ADVICE)
    decision = next(item for item in first.learnt if item.kind is Kind.DECISION)
    assert (decision.provenance.source, decision.trainable) == ("chat", True)
    assert (decision.data["chosen"], decision.data["suggested"]) == ("SQLite", "Postgres")
    assert decision.data["words"] == said
    again = take(said, ADVICE)
    assert not [item for item in again.learnt if item.kind is Kind.DECISION]


def test_a_quoted_decision_is_nobodys(take: Callable[..., Captured]) -> None:
    assert take("> We decided to use SQLite instead of Postgres.\n\nwho wrote that?").learnt == ()


PATTERN = "This is the pattern to follow for repositories:\n```python\nclass Users:\n    pass\n```"


def test_code_that_is_shown_as_the_pattern_is_kept_with_its_use(
    take: Callable[..., Captured],
) -> None:
    item = next(item for item in take(PATTERN).learnt if item.kind is Kind.PATTERN)
    assert (item.data["name"], item.data["language"]) == ("repositories", "python")
    assert item.data["code"] == "class Users:\n    pass"
    assert item.trainable


@pytest.mark.parametrize(
    "said",
    [
        PATTERN.replace("This is", "Is this").replace("repositories:", "repositories?"),
        "don't follow this pattern\n```py\nx = 1\n```",
        "this fails\n```py\nx = 1\n```",
        "this is the pattern to follow",
        "this is the pattern to follow:\n```\n\n```",
    ],
)
def test_other_code_is_no_pattern(said: str) -> None:
    assert pattern_in(said) is None
