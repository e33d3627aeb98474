"""Lessons: they follow what they are shown, their code runs, and they keep the hold-out."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from agents.chat import Completion, Message
from agents.reply import parse_plan, parse_tags
from tools.wire import parse_reply
from training.embedded.course import replayed_dialogue, training_dialogue
from training.embedded.curriculum import Turn
from training.embedded.lesson_evaluation import evaluate_lessons
from training.embedded.lessons import asked, done, made, shown
from training.embedded.names import HELD_OUT_WORDS, HeldOutNames, TrainingNames
from training.embedded.taught import BOOK, Fact, book, fact, others

NAMES = TrainingNames()
_RULE = re.compile(r"^rule (r\d): (.*)$", re.MULTILINE)


def lessons(count: int = 300) -> list[list[Turn]]:
    known = book(NAMES, 1, 0)
    drawn = [asked(NAMES, Random(seed), known) for seed in range(count)]
    return drawn + [done(NAMES, Random(seed)) for seed in range(count)]


def test_answers_name_rules_that_they_were_shown_and_can_be_read() -> None:
    named = 0
    for turns in lessons():
        rules = dict(_RULE.findall(turns[1].content))
        for turn in turns:
            if turn.role == "assistant":
                tags = parse_tags(turn.content)
                assert turn.learn and tags is not None
                assert set(tags.rules) <= set(rules)
                assert parse_reply(turn.content).problem is None
                named += bool(tags.rules)
    assert named > 200


def test_a_refusal_gives_the_rule_it_follows_as_its_reason() -> None:
    refusals = 0
    for turns in lessons():
        plan = parse_plan(turns[2].content)
        if plan is not None and plan.refusal:
            tags = parse_tags(turns[2].content)
            rules = dict(_RULE.findall(turns[1].content))
            assert tags is not None
            assert [rules[id].rstrip(".") for id in tags.rules] == [plan.refusal]
            refusals += 1
    assert refusals > 20


def test_the_code_of_a_run_passes_its_own_test(tmp_path: Path) -> None:
    ran, folders = 0, [tmp_path / str(seed) for seed in range(12)]
    for seed, folder in enumerate(folders):
        turns = done(NAMES, Random(seed))
        for path, text in re.findall(
            r"^file: (\S+) .*?\n\n?(.*?)\nend of file$", turns[1].content, re.M | re.S
        ):
            (folder / path).parent.mkdir(parents=True)
            (folder / path).write_text(f"{text}\n")
        for turn in turns:
            for call in parse_reply(turn.content).calls if turn.role == "assistant" else ():
                path = folder / call.args["path"]
                path.parent.mkdir(parents=True, exist_ok=True)
                before = path.read_text() if path.exists() else ""
                path.write_text(f"{before}{call.body}\n")
                ran += path.parent.name == "tests"
    # Their names are random, so that one process can import them all.
    found = [str(folder / "tests") for folder in folders if (folder / "tests").exists()]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *found]
    outcome = subprocess.run(
        [*command, "--import-mode=importlib"],
        cwd=tmp_path, capture_output=True, text=True,
        env={"PYTHONPATH": ":".join(map(str, folders))},
    )  # fmt: skip
    assert outcome.returncode == 0, outcome.stdout
    assert ran > 5


def test_the_book_turns_one_fact_a_page_and_is_the_same_each_time() -> None:
    one, two = book(NAMES, 3, 10), book(NAMES, 3, 11)
    assert one == book(NAMES, 3, 10) and len(one) == BOOK
    assert one[1:] == two[:-1] and one[0] not in two
    assert book(NAMES, 4, 10)[0] != one[0]


def test_what_is_neither_shown_nor_in_the_book_is_not_known() -> None:
    doubts = 0
    for seed in range(400):
        turns = asked(NAMES, Random(seed))
        if turns[2].content.startswith("I do not know"):
            rules = " ".join(text for _, text in _RULE.findall(turns[1].content))
            subject = re.split(r"what | about ", turns[2].content)[1].partition(" means.")[0]
            assert subject.split("\n")[0].rstrip(".") not in rules
            doubts += 1
    assert doubts > 20


@pytest.mark.parametrize("given", [Fact("x means y.", ("y",), "x"), Fact("Keep it.", ("it",))])
def test_nobody_knows_a_fact_by_its_words(given: Fact) -> None:
    assert given.text not in given.unknown()
    assert (given.term or given.topics[0]) in given.unknown()
    assert given.marks == (("definition:x",) if given.term else ())


def test_nothing_of_a_lesson_is_a_word_held_out_for_the_evaluation() -> None:
    said = " ".join(turn.content for turns in lessons() for turn in turns).casefold()
    assert not set(HELD_OUT_WORDS) & set(re.findall("[a-z]+", said))


class Pupil:
    """Says what is right in lessons of one kind, and "no" in all others."""

    model_id, adapter_id = "pupil", None

    def __init__(self, kind: str) -> None:
        self.right: dict[tuple[str, ...], str] = {}
        for n in range(3):
            turns = made(kind, HeldOutNames(), Random(f"1/{kind}/{n}"))
            said = tuple(turn.content for turn in turns)
            self.right |= {said[:at]: said[at] for at in range(1, len(said))}

    async def complete(
        self, messages: Sequence[Message], *, max_tokens: int, on_token: object = None
    ) -> Completion:
        said = self.right.get(tuple(one.content for one in messages), "no")
        return Completion(
            text=said, prompt_tokens=1, cached_tokens=0, completion_tokens=1,
            duration_s=0.0, first_token_s=0.0, finish_reason="stop",
        )  # fmt: skip

    def count(self, messages: Sequence[Message]) -> int:
        return len(messages)


@pytest.mark.parametrize("kind", ["unknown", "name"])
async def test_a_lesson_counts_when_all_of_its_answers_are_right(kind: str) -> None:
    report = await evaluate_lessons(Pupil(kind), seed=1, each=3)
    assert report.kinds[kind].right == 3
    assert {part.right for name, part in report.kinds.items() if name != kind} == {0}
    halved = Pupil(kind)
    halved.right = dict(list(halved.right.items())[:-1])
    report = await evaluate_lessons(halved, seed=1, each=3)
    assert report.kinds[kind].right == 2


def test_what_is_replayed_is_as_a_crew_has_it_when_it_serves() -> None:
    replayed = [replayed_dialogue(NAMES, Random(seed)) for seed in range(200)]
    assert {turns[0].role for turns in replayed} == {"system"}
    asks = sum("role: answer" in turns[1].content for turns in replayed)
    assert 0 < asks < 30
    assert {turns[0].role for turns in map(one_of_the_course, range(50))} == {"system", "user"}


def one_of_the_course(seed: int) -> list[Turn]:
    return training_dialogue(NAMES, Random(seed))


def test_rules_are_numbered_as_a_prompt_shows_them() -> None:
    texts = others(NAMES, Random(5), 4)
    assert [(rule.id, rule.text) for rule in shown(texts)] == [
        (f"r{number}", text) for number, text in enumerate(texts, 1)
    ]
    assert fact(NAMES, Random(2)) == fact(NAMES, Random(2))
