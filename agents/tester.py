"""The tester: writes one new test that fails before the change."""

from __future__ import annotations

from typing import Final

from agents.brief import is_test_path
from agents.reply import Plan
from agents.role import Role, Work


def _verdict(plan: Plan | None, path: str, before: bytes | None, after: bytes | None) -> str:
    if not is_test_path(path):
        return f"{path}: the tester writes test files only"
    if before is not None and (plan is None or path != plan.test):
        return f"{path}: existing tests stay as they are; write the new test {plan_test(plan)}"
    return ""


def plan_test(plan: Plan | None) -> str:
    """Return the path of the plan's new test, or ""."""
    return plan.test if plan else ""


def _owed(work: Work) -> str:
    wanted = plan_test(work.plan)
    return (
        "" if wanted in work.changed else f"the new test {wanted} is not written yet; use fs.write"
    )


TESTER: Final = Role(
    name="tester",
    duty="Write one new test that fails before the change.",
    writes="test files; existing ones stay as they are",
    tools=("fs.write", "fs.edit", "fs.read", "search.text", "memory.recall"),
    verdict=_verdict,
    owed=_owed,
    answers_for_plan=True,
)
