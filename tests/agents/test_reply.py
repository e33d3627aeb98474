"""Plans and tags lines: what is read, what is repaired, what is refused."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agents.reply import (
    Plan,
    Tags,
    parse_plan,
    parse_tags,
    render_plan,
    render_tags,
    repaired_tags,
)
from memory.records import Level, PreservationTag

PLAN = Plan(
    goal="add total_above",
    steps=("add it", "test it"),
    files=(PreservationTag(region="shop/cart.py", level=Level.MODERATE),),
    test="tests/test_total_above.py",
)
words = st.text("abcdefghij_/.-", min_size=1, max_size=20)


def test_a_rendered_plan_is_read_back_unchanged() -> None:
    assert parse_plan(render_plan(PLAN)) == PLAN


def test_a_refusal_has_a_reason_and_no_steps() -> None:
    refusal = Plan(goal="change the rounding", refusal="shop/money.py is strict")
    assert parse_plan(render_plan(refusal)) == refusal


def test_the_last_of_several_plans_counts() -> None:
    text = render_plan(PLAN.model_copy(update={"goal": "first"})) + "\n" + render_plan(PLAN)
    assert parse_plan(text) == PLAN


def test_a_file_without_a_valid_level_is_flexible() -> None:
    plan = parse_plan("<plan>\ngoal: g\nfile: a b.py loose\n</plan>")
    assert plan is not None
    assert plan.files == (PreservationTag(region="a b.py loose", level=Level.FLEXIBLE),)


def test_unknown_lines_and_empty_values_are_ignored() -> None:
    plan = parse_plan("<plan>\nmood: good\ngoal: g\nstep:\njust words\n</plan>")
    assert plan == Plan(goal="g")


def test_a_block_without_a_goal_is_no_plan() -> None:
    assert parse_plan("<plan>\nstep: s\n</plan>") is None
    assert parse_plan("no plan at all") is None


def test_rendered_tags_are_read_back_unchanged() -> None:
    tags = Tags(prompt="full-1", rules=("r1", "r2"), level=Level.STRICT, marks=("concept:list",))
    assert parse_tags(render_tags(tags)) == tags


def test_tags_with_a_wrong_level_or_marker_are_not_valid() -> None:
    assert parse_tags('<tags prompt="full-1" level="soft" marks=""/>') is None
    assert parse_tags('<tags prompt="full-1" level="strict" marks="list"/>') is None
    assert parse_tags('<tags level="strict" marks=""/>') is None


def test_missing_tags_are_filled_in_and_said_to_be_repaired() -> None:
    tags, repaired = repaired_tags("done", prompt_id="full-1", rules=("r1",))
    assert (tags, repaired) == (Tags(prompt="full-1", rules=("r1",)), True)


def test_a_claimed_rule_or_prompt_that_was_not_given_is_taken_out() -> None:
    said = '<tags prompt="gpt" rules="r1 r9" level="flexible" marks=""/>'
    tags, repaired = repaired_tags(said, prompt_id="full-1", rules=("r1",))
    assert (tags.prompt, tags.rules, repaired) == ("full-1", ("r1",), True)


def test_honest_tags_are_kept_without_repair() -> None:
    said = '<tags prompt="full-1" level="flexible" marks="concept:list"/>'
    assert repaired_tags(said, prompt_id="full-1", rules=())[1] is False


@given(st.text())
def test_no_text_makes_the_readers_raise(text: str) -> None:
    parse_plan(f"<plan>\n{text}\n</plan>")
    parse_tags(f"<tags {text}/>")
    repaired_tags(text, prompt_id="full-1", rules=())


@given(goal=words, steps=st.lists(words), test=words)
def test_every_plan_survives_the_way_through_text(goal: str, steps: list[str], test: str) -> None:
    plan = Plan(goal=goal, steps=tuple(steps), test=test)
    assert parse_plan(render_plan(plan)) == plan
