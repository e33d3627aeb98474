"""The five roles in the order in which they work, and how a role is seated at a workspace."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from agents.doc_writer import DOC_WRITER
from agents.implementer import IMPLEMENTER
from agents.loop import Seat
from agents.planner import PLANNER
from agents.refactorer import REFACTORER
from agents.reply import Plan
from agents.role import Role, Work
from agents.tester import TESTER
from tools.context import ToolContext

ROLES: Final[Mapping[str, Role]] = MappingProxyType(
    {role.name: role for role in (PLANNER, TESTER, IMPLEMENTER, REFACTORER, DOC_WRITER)}
)


def seat(
    role: Role,
    context: ToolContext,
    *,
    profile: str,
    rules: tuple[str, ...],
    plan: Plan | None,
    existing: frozenset[str] = frozenset(),
) -> Seat:
    """Return the seat of ``role`` under the run's plan, in a workspace with ``existing`` files."""

    def owed(said: Plan | None, changed: frozenset[str]) -> str:
        return role.owed(Work(plan=plan, said=said, changed=changed, existing=existing))

    return Seat(
        role=role.name,
        tools=frozenset(role.tools),
        context=context,
        profile=profile,
        rules=rules,
        verdict=partial(role.verdict, plan),
        owed=owed,
    )
