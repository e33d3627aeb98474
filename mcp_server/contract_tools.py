"""Tools for preservation contracts: adding one, and checking that a change keeps them."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from mcp_server.answer import Answer
from mcp_server.door import Door

if TYPE_CHECKING:
    from agents.approvals import Request
    from agents.protection import Protection


@dataclass(frozen=True, slots=True)
class ContractTools:
    """The contracts of the workspace."""

    door: Door

    async def protect(
        self,
        region: Annotated[
            str,
            Field(
                min_length=1,
                max_length=400,
                description="A path, a glob or path::symbol, from the workspace.",
            ),
        ],
        level: Annotated[
            Literal["strict", "moderate", "flexible"],
            Field(description="strict: no byte; moderate: no meaning; flexible: no signature."),
        ] = "strict",
        reason: Annotated[
            str, Field(max_length=500, description="Told to whoever wants to change it.")
        ] = "",
    ) -> Answer:
        """Say that a region must not change. Making it stricter works at once.

        Weakening is the user's: the answer then holds a command for their own terminal.
        """
        from agents.protection import Protection
        from graph.preserve_cli import contract_for, is_unsettled, problems_of
        from memory.project import project_root
        from memory.records import Level

        memory = await asyncio.to_thread(lambda: self.door.memory)
        root = project_root(self.door.workspace)
        protection = await Protection.open(root, memory)
        inside = os.path.join(self.door.workspace, region)  # noqa: PTH118  # it may end in "/"
        contract = contract_for(inside, Level(level), protection, reason=reason)
        unsettled = await is_unsettled(protection, contract)
        request = await asyncio.to_thread(
            protection.protect, contract, unsettled=unsettled, source="relayed"
        )
        if request is not None:
            return _to_be_allowed(protection, request)
        await asyncio.to_thread(self.door.knowledge_changed)
        found = await asyncio.to_thread(problems_of, protection, contract)
        warnings = [each.problem for each in found]
        return Answer(
            text="; ".join(
                [f"protected {contract.id}: {contract.region} ({contract.level})", *warnings]
            ),
            data={
                "contract": contract.model_dump(mode="json"),
                "from_next_commit": unsettled,
                "warnings": warnings,
            },
            next="name a region that is there, or make it" if warnings else "",
        )

    async def check_preservation(
        self,
        staged: Annotated[bool, Field(description="Check what is staged, not all files.")] = False,
    ) -> Answer:
        """Compare the workspace with its contracts. Call it before saying that work is done."""
        from graph.preserve_check import checked, facts, told
        from memory.project import project_root

        root = project_root(self.door.workspace)
        outcome = await checked(root, staged=staged, tests=False)
        broken = bool(outcome.violations)
        return Answer(
            text=told(outcome),
            data=facts(outcome),
            next=(
                "put back what is named, or tell the user the command that allows it"
                if broken
                else ""
            ),
        )


def _to_be_allowed(protection: Protection, request: Request) -> Answer:
    """Keep the question under a one-time code for the user's terminal."""
    from agents.approvals import VALID_S, ask
    from graph.approve_cli import facts

    command = f"mcp-local-llm approve {ask(protection.memory.home, request)}"
    data: dict[str, Any] = {"approve": command, **facts(request)}
    return Answer(
        text=f"not done: {request.words()}: only the user can allow that",
        data=data,
        next=f"ask the user to run `{command}` in a terminal, within {VALID_S // 60} minutes",
    )
