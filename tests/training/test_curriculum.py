"""The curriculum: its answers are right, parse as serving parses them, and keep the hold-out."""

import re
from contextlib import suppress
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.reply import parse_plan, parse_tags
from memory.records import Level
from tools.wire import parse_reply
from training.embedded.behaviour import Behaviour
from training.embedded.course import training_dialogue
from training.embedded.curriculum import dialogue, drill
from training.embedded.names import HELD_OUT_WORDS, HeldOutNames, TrainingNames
from training.embedded.operations import BEHAVIOURS
from training.embedded.tasks import (
    HELD_OUT_COMPOSITIONS,
    DemoTask,
    Function,
    Split,
    faulty_twin,
    generate_task,
)
from training.phrasing import draw, expand, is_held_out

CALLS = {
    "tester": "fs.write",
    "refactorer": "fs.edit",
    "doc_writer": "fs.edit",
}


def outcome(source: str, call: str) -> object:
    scope: dict[str, object] = {}
    exec(source, scope)
    return eval(call, scope)


def trained(seed: int) -> DemoTask:
    return generate_task(Split(TrainingNames()), Random(seed))


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda b: "+".join(b.atoms))
def test_every_example_agrees_with_its_code(behaviour: Behaviour) -> None:
    for k, m in (("2", "7"), ("37", "4"), ("512", "88"), ("limit", "3")):
        function = Function("wanted", "values", behaviour, k, m)
        call, expected = function.example()
        assert outcome(function.source(), call) == eval(expected)


def test_a_faulty_twin_fails_the_example_of_the_right_function() -> None:
    found = 0
    for seed in range(60):
        rng = Random(seed)
        target = trained(seed).target
        twin = faulty_twin(target, rng)
        if twin is None:
            continue
        call, _ = target.example()
        found += 1
        with suppress(ValueError, IndexError):  # failing loudly is telling apart, too
            assert outcome(twin.source(), call) != outcome(target.source(), call)
    assert found > 40


def test_every_behaviour_has_phrases_on_both_sides_of_the_hold_out() -> None:
    for behaviour in BEHAVIOURS:
        for side in (False, True):
            phrase = draw(behaviour.phrases, Random(3), held_out=side, tries=3000)
            assert is_held_out(phrase) == side


def test_training_never_shows_what_is_held_out() -> None:
    words = set(HELD_OUT_WORDS)
    for seed in range(300):
        task = trained(seed)
        assert not is_held_out(task.phrase)
        for function in (task.target, *task.others):
            assert function.behaviour.composition not in HELD_OUT_COMPOSITIONS
            numbers = [n for n in (function.k, function.m) if n.isdigit()]
            assert not any(is_held_out(number) for number in numbers)
            names = {*function.name.split("_"), function.parameter}
            assert not names & words


def test_evaluation_tasks_are_held_out_in_every_respect() -> None:
    words = set(HELD_OUT_WORDS)
    for seed in range(60):
        split = Split(HeldOutNames(), phrasing=True, composition=True, constants=True)
        task = generate_task(split, Random(seed))
        assert is_held_out(task.phrase)
        assert task.target.behaviour.composition in HELD_OUT_COMPOSITIONS
        assert all(is_held_out(n) for n in (task.target.k, task.target.m) if n.isdigit())
        assert set(re.findall(r"[a-z]+", task.path)) <= words | {"py", "src"}


def test_learned_answers_parse_as_serving_parses_them() -> None:
    for seed in range(80):
        rng = Random(seed)
        for turn in dialogue(trained(seed), rng):
            if not turn.learn:
                continue
            tags = parse_tags(turn.content)
            assert tags is not None and tags.marks
            reply = parse_reply(turn.content)
            assert reply.problem is None
            plan = parse_plan(turn.content)
            if plan is None:
                assert [call.name.partition(".")[0] for call in reply.calls] == ["fs"]
                assert reply.shape == "tag"
            else:
                assert reply.calls == ()
                assert bool(plan.refusal) != bool(plan.steps)


def test_a_drill_says_what_the_dialogue_says_without_its_form() -> None:
    for seed in range(40):
        rng = Random(seed)
        task = trained(seed)
        goal, example, code = (turn.content for turn in drill(task, rng) if turn.learn)
        plan = parse_plan(goal)
        assert plan is not None
        assert plan.goal == f"return {task.target.fill(task.target.behaviour.canonical)}"
        scope: dict[str, object] = {}
        exec(f"{code}\n\n{example}\ntest()", scope)


def test_a_strict_target_is_refused_and_nothing_else_is_said() -> None:
    seen = 0
    for seed in range(400):
        task = trained(seed)
        if task.level is not Level.STRICT:
            continue
        turns = list(dialogue(task, Random(seed)))
        plan = parse_plan(turns[-1].content)
        assert plan is not None and plan.refusal == f"{task.region} is strict"
        assert len(turns) == 3
        seen += 1
    assert seen


def test_the_same_seed_gives_the_same_dialogue() -> None:
    one, two = (training_dialogue(TrainingNames(), Random(11)) for _ in range(2))
    assert one == two


@given(st.lists(st.text("abc ", min_size=1, max_size=4), min_size=1, max_size=4), st.integers())
@settings(max_examples=50, deadline=None)
def test_a_phrase_is_always_one_of_its_alternatives(options: list[str], seed: int) -> None:
    phrase = expand("<[" + "|".join(options) + "]>", Random(seed))
    assert phrase in {f"<{option}>" for option in options}


def test_an_impossible_hold_out_is_an_error() -> None:
    only = "one phrase"
    with pytest.raises(ValueError, match="phrase in"):
        draw((only,), Random(0), held_out=not is_held_out(only), tries=5)
