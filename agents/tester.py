"""The tester: writes one new test that fails before the change."""

from __future__ import annotations

from typing import Final

from agents.role import Role, Work
from agents.scopes import SCOPES


def _owed(work: Work) -> str:
    wanted = work.plan.test if work.plan else ""
    return (
        "" if wanted in work.changed else f"the new test {wanted} is not written yet; use fs.write"
    )


TESTER: Final = Role(
    name="tester",
    duty="Write one new test that fails before the change.",
    scope=SCOPES["tester"],
    owed=_owed,
    answers_for_plan=True,
)
