"""The implementer: makes the new test pass."""

from __future__ import annotations

from typing import Final

from agents.brief import is_test_path
from agents.reply import Plan
from agents.role import Role, Work


def keeps_tests(plan: Plan | None, path: str, before: bytes | None, after: bytes | None) -> str:
    """Refuse any change to a test: who makes a test pass may not rewrite it."""
    if is_test_path(path):
        return f"{path}: tests stay as they are; change the code that they test"
    return ""


def _owed(work: Work) -> str:
    return "" if work.changed else "no file was changed yet; make the edit that the plan asks for"


IMPLEMENTER: Final = Role(
    name="implementer",
    duty="Make the new test pass with the smallest change that is right in general.",
    writes="all files but tests",
    tools=("fs.append", "fs.edit", "fs.write", "fs.read", "search.text", "cmd.run"),
    verdict=keeps_tests,
    owed=_owed,
)
