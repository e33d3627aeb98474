"""The implementer: makes the new test pass."""

from __future__ import annotations

from typing import Final

from agents.role import Role, Work
from agents.scopes import SCOPES


def _owed(work: Work) -> str:
    return "" if work.changed else "no file was changed yet; make the edit that the plan asks for"


IMPLEMENTER: Final = Role(
    name="implementer",
    duty="Make the new test pass with the smallest change that is right in general.",
    scope=SCOPES["implementer"],
    owed=_owed,
)
