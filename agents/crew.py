"""The five roles in the order in which they work, and how a role is seated at a workspace."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from agents.doc_writer import DOC_WRITER
from agents.implementer import IMPLEMENTER
from agents.levels import required
from agents.loop import Seat
from agents.planner import PLANNER
from agents.refactorer import REFACTORER
from agents.reply import Plan
from agents.role import Role, Work
from agents.tester import TESTER
from memory.records import Level
from tools.context import ToolContext
from tools.preserve.contracts import Contracts

NO_CONTRACTS: Final = Contracts()

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
    contracts: Contracts = NO_CONTRACTS,
) -> Seat:
    """Return the seat of ``role`` under the run's plan, in a workspace with ``existing`` files.

    ``contracts`` are what the levels of its plan and its tags are held to.
    """

    def owed(said: Plan | None, changed: frozenset[str]) -> str:
        return role.owed(Work(plan=plan, said=said, changed=changed, existing=existing))

    def level(said: Plan | None, changed: frozenset[str]) -> Level:
        return required(role.regions(said or plan, sorted(changed)), contracts)

    return Seat(
        role=role.name,
        tools=frozenset(role.scope.tools),
        context=context,
        profile=profile,
        rules=rules,
        verdict=partial(role.scope.verdict, plan),
        owed=owed,
        level=level,
        contracts=contracts,
    )
