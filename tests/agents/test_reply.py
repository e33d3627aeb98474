"""Plans and tags lines: what is read, what is repaired, what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.reply import (
    Plan,
    Tags,
    levelled_plan,
    parse_plan,
    parse_tags,
    render_plan,
    render_tags,
    repaired_tags,
)
from memory.records import MAX_MARKERS, Level, PreservationTag, ReplyTags

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


def test_missing_tags_are_filled_in_and_nothing_is_claimed_for_the_model() -> None:
    tags, repairs = repaired_tags("done", prompt_id="full-1", rules=("r1",), required=Level.STRICT)
    assert (tags, repairs) == (Tags(prompt="full-1", level=Level.STRICT), ("missing",))


def test_a_tags_line_that_cannot_be_read_is_told_from_none() -> None:
    assert repaired_tags("<tags prompt=1/>", prompt_id="full-1", rules=())[1] == ("invalid",)


def test_a_claimed_rule_or_prompt_that_was_not_given_is_taken_out() -> None:
    said = '<tags prompt="gpt" rules="r1 r9" level="flexible" marks=""/>'
    tags, repairs = repaired_tags(said, prompt_id="full-1", rules=("r1",))
    assert (tags.prompt, tags.rules, repairs) == ("full-1", ("r1",), ("prompt", "rule"))


@pytest.mark.parametrize("level", ["flexible", "soft", ""])
def test_a_level_weaker_than_the_contract_is_raised(level: str) -> None:
    said = f'<tags prompt="full-1" level="{level}" marks=""/>'
    tags, repairs = repaired_tags(said, prompt_id="full-1", rules=(), required=Level.MODERATE)
    assert (tags.level, repairs) == (Level.MODERATE, ("level",))


def test_a_level_stricter_than_the_contract_is_kept() -> None:
    said = '<tags prompt="full-1" level="strict" marks=""/>'
    tags, repairs = repaired_tags(said, prompt_id="full-1", rules=(), required=Level.MODERATE)
    assert (tags.level, repairs) == (Level.STRICT, ())


def test_markers_get_a_category_a_bound_and_no_doubles() -> None:
    many = " ".join(f"pattern:p{number}" for number in range(30))
    marks = f"list style:short :x A:b style:short {many}"
    said = f'<tags prompt="full-1" level="flexible" marks="{marks}"/>'
    tags, repairs = repaired_tags(said, prompt_id="full-1", rules=())
    assert tags.marks[:3] == ("concept:list", "style:short", "pattern:p0")
    assert (len(tags.marks), repairs) == (MAX_MARKERS, ("marker",))
    assert parse_tags(said) is None
    assert ReplyTags(markers=tags.marks).markers == tags.marks


def test_honest_tags_are_kept_without_repair() -> None:
    said = '<tags prompt="full-1" level="flexible" marks="concept:list"/>'
    assert repaired_tags(said, prompt_id="full-1", rules=())[1] == ()


def test_a_plan_has_to_say_a_level_for_each_file() -> None:
    assert levelled_plan(render_plan(PLAN)) and levelled_plan("no plan at all")
    assert not levelled_plan("<plan>\ngoal: g\nfile: a.py flexible\nFile: b.py\n</plan>")


@given(st.text())
def test_no_text_makes_the_readers_raise(text: str) -> None:
    parse_plan(f"<plan>\n{text}\n</plan>")
    parse_tags(f"<tags {text}/>")
    tags, _ = repaired_tags(f"<tags {text}/>", prompt_id="full-1", rules=("r1",))
    assert parse_tags(render_tags(tags)) == tags
    levelled_plan(f"<plan>\nfile:{text}\n</plan>")


@given(goal=words, steps=st.lists(words), test=words)
def test_every_plan_survives_the_way_through_text(goal: str, steps: list[str], test: str) -> None:
    plan = Plan(goal=goal, steps=tuple(steps), test=test)
    assert parse_plan(render_plan(plan)) == plan
