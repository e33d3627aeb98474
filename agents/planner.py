"""The planner: decides goal, steps, files with their levels, and the path of the new test."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

from agents.brief import is_test_path
from agents.reply import Plan
from agents.role import Role, Work
from agents.scopes import SCOPES

_MISSING: Final = (
    "a plan is missing: answer with a <plan> block that has goal:, step:, file: and test: lines, "
    "then the tags line"
)


def _owed(work: Work) -> str:
    why = plan_problem(work.said)
    if not why and work.said is not None and work.said.test in work.existing:
        return f"the plan's test {work.said.test} exists already; name a new file"
    return why


def plan_problem(plan: Plan | None) -> str:
    """Return why ``plan`` can't be worked by, or ""."""
    if plan is None:
        return _MISSING
    if plan.refusal:
        return ""
    if not plan.steps or not plan.files:
        return "the plan needs at least one step: line and one file: line with a level"
    return bad_test_path(plan.test)


def bad_test_path(path: str) -> str:
    """Return why ``path`` can't be the new test of a plan, or ""."""
    pure = PurePosixPath(path)
    inside = path and not pure.is_absolute() and ".." not in pure.parts and "\\" not in path
    if inside and pure.suffix == ".py" and pure.name.startswith("test_") and is_test_path(path):
        return ""
    return f"the plan's test: line is {path!r}; name a new file like tests/test_what_it_checks.py"


PLANNER: Final = Role(
    name="planner",
    duty="Decide goal, steps, files with their levels, and the path of the new test.",
    scope=SCOPES["planner"],
    owed=_owed,
    answers_for_plan=True,
)
