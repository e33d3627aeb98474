"""What a role says beside its tool calls: the planner's plan and every reply's tags line.

A plan is a ``<plan>`` block of ``name: value`` lines; the tags line ends a role's turn::

    <plan>
    goal: return sum of items greater than 5
    step: add total_above(values) to shop/cart.py
    file: shop/cart.py flexible
    test: tests/test_total_above.py
    </plan>
    <tags prompt="compact-1" rules="r1" level="flexible" marks="concept:list pattern:filter"/>

What a model leaves out or gets wrong is repaired by ``repaired_tags``; it never stops a run.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from pydantic import Field

from memory.records import MARKER, MAX_MARKERS, Level, PreservationTag, Record
from tools.preserve.contracts import RANK

_PLAN: Final = re.compile(r"<plan>[ \t]*\n(.*?)\n[ \t]*</plan>", re.DOTALL)
_TAGS: Final = re.compile(r"^<tags((?:\s+\w+=\"[^\"<>]*\")*)\s*/>\s*$", re.MULTILINE)
_ATTRIBUTE: Final = re.compile(r"(\w+)=\"([^\"<>]*)\"")
_MARKER: Final = re.compile(MARKER)

Repair = Literal["missing", "invalid", "prompt", "rule", "level", "marker"]
"""What was wrong with a tags line: it was not there, or not to be read; it named another prompt or
a rule that was not given; its level, or one in the plan, was none or weaker than the contract; a
marker had no category, an impossible name, or was one too many."""


class Plan(Record):
    """What the planner decided: goal, steps, files with their levels, and the new test's path.

    ``refusal`` holds the reason when the planner declines; then there are no steps.
    """

    goal: str
    steps: tuple[str, ...] = ()
    files: tuple[PreservationTag, ...] = ()
    test: str = ""
    refusal: str = ""


class Tags(Record):
    """The tags line as the model wrote it; ``level`` is a level's name."""

    prompt: str
    rules: tuple[str, ...] = ()
    level: Level = Level.FLEXIBLE
    marks: tuple[str, ...] = Field(default=())


def render_plan(plan: Plan) -> str:
    """Return ``plan`` as the block that ``parse_plan`` reads."""
    lines = [f"goal: {plan.goal}"]
    if plan.refusal:
        lines.append(f"refuse: {plan.refusal}")
    lines += [f"step: {step}" for step in plan.steps]
    lines += [f"file: {tag.region} {tag.level}" for tag in plan.files]
    if plan.test:
        lines.append(f"test: {plan.test}")
    return "<plan>\n" + "\n".join(lines) + "\n</plan>"


def _file_tag(value: str) -> PreservationTag:
    region, _, level = value.rpartition(" ")
    if region and level in set(Level):
        return PreservationTag(region=region.strip(), level=Level(level))
    return PreservationTag(region=value, level=Level.FLEXIBLE)


def parse_plan(text: str) -> Plan | None:
    """Return the last plan block of ``text``, or None when there is none with a goal.

    Unknown lines are ignored; a file without a valid level counts as flexible.
    """
    blocks = _PLAN.findall(text)
    if not blocks:
        return None
    fields: dict[str, list[str]] = {}
    for line in blocks[-1].splitlines():
        name, colon, value = line.strip().partition(":")
        if colon and value.strip():
            fields.setdefault(name.strip().lower(), []).append(value.strip())
    if "goal" not in fields:
        return None
    return Plan(
        goal=fields["goal"][0],
        steps=tuple(fields.get("step", ())),
        files=tuple(_file_tag(value) for value in fields.get("file", ())),
        test=fields.get("test", [""])[0],
        refusal=fields.get("refuse", [""])[0],
    )


def render_tags(tags: Tags) -> str:
    """Return ``tags`` as the line that ``parse_tags`` reads."""
    rules = f' rules="{" ".join(tags.rules)}"' if tags.rules else ""
    return (
        f'<tags prompt="{tags.prompt}"{rules} level="{tags.level}" marks="{" ".join(tags.marks)}"/>'
    )


def has_tags(text: str) -> bool:
    """Say whether ``text`` has a tags line, however much there is to repair in it."""
    return _TAGS.search(text) is not None


def without_tags(text: str) -> str:
    """Return ``text`` without its tags lines: what it says to people."""
    return _TAGS.sub("", text).strip()


def parse_tags(text: str) -> Tags | None:
    """Return the last tags line of ``text`` when it is valid, else None; never raises."""
    lines = _TAGS.findall(text)
    if not lines:
        return None
    values = dict(_ATTRIBUTE.findall(lines[-1]))
    marks = tuple(values.get("marks", "").split())
    if not values.get("prompt") or values.get("level") not in set(Level):
        return None
    if marks != _mended_marks(marks):
        return None
    return Tags(
        prompt=values["prompt"],
        rules=tuple(values.get("rules", "").split()),
        level=Level(values["level"]),
        marks=marks,
    )


def _mended_marks(marks: tuple[str, ...]) -> tuple[str, ...]:
    """Return ``marks`` once each, as many as may be, those without a category as concepts."""
    named = (mark if ":" in mark else f"concept:{mark}" for mark in marks)
    return tuple(dict.fromkeys(mark for mark in named if _MARKER.match(mark)))[:MAX_MARKERS]


def repaired_tags(
    text: str, *, prompt_id: str, rules: tuple[str, ...], required: Level = Level.FLEXIBLE
) -> tuple[Tags, tuple[Repair, ...]]:
    """Return valid tags for a reply, and what had to be repaired for that; never raises.

    The prompt id is the one in force, only rules that were given are kept, and the level is at
    least ``required``, whatever the model claims. What it does not claim is not claimed for it.
    """
    lines = _TAGS.findall(text)
    if not lines:
        repair: Repair = "invalid" if "<tags" in text else "missing"
        return Tags(prompt=prompt_id, level=required), (repair,)
    said = dict(_ATTRIBUTE.findall(lines[-1]))
    named, marks = tuple(said.get("rules", "").split()), tuple(said.get("marks", "").split())
    known = said.get("level", "") in set(Level)
    level = Level(said["level"]) if known else required
    true = Tags(
        prompt=prompt_id,
        rules=tuple(dict.fromkeys(rule for rule in named if rule in rules)),
        level=max(level, required, key=RANK.__getitem__),
        marks=_mended_marks(marks),
    )
    wrong: dict[Repair, bool] = {
        "prompt": said.get("prompt") != true.prompt,
        "rule": named != true.rules,
        "level": not known or level != true.level,
        "marker": marks != true.marks,
    }
    return true, tuple(kind for kind, is_wrong in wrong.items() if is_wrong)


def levelled_plan(text: str) -> bool:
    """Say whether every ``file:`` line of the last plan block of ``text`` ends with a level."""
    blocks = _PLAN.findall(text)
    lines = [line.strip() for line in blocks[-1].splitlines()] if blocks else []
    files = [line for line in lines if line.lower().startswith("file:")]
    return all(line.split()[-1] in set(Level) for line in files)
