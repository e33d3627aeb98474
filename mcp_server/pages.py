"""What a user can attach: resources with the state of things, and prompts to begin with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field

import prompts
from mcp_server.door import Door

if TYPE_CHECKING:
    from agents.role import Role

_RUNS: Final = 20
_RULES: Final = 200
_TELLS: Final = ("run_id", "status", "task", "reason", "branch")

Page = Callable[[], Awaitable[str]]
Task = Annotated[str, Field(description="What is to be done, in words.")]


@dataclass(frozen=True, slots=True)
class Pages:
    """Everything readable that is no tool; texts for people, JSON where programs want it."""

    door: Door

    def resources(self) -> tuple[tuple[str, str, Page, str], ...]:
        """Return name, description, content and media type of each resource."""
        return (
            ("context-window", "Rules, definitions and news in force", self.window, "text/plain"),
            ("rules", "Every rule and definition, with its id", self.rules, "application/json"),
            ("memory", "Counts of the memory and its index", self.memory, "application/json"),
            ("runs", "The crew's last runs in this workspace", self.runs, "application/json"),
            ("roles", "What each role may read, write and run", self.roles, "application/json"),
            ("actions", "What the roles did of late", self.actions, "application/json"),
            ("learning", "How learning stands", self.learning, "application/json"),
            ("policy", "The rulebook in force, and its hash", self.policy, "application/json"),
            ("violations", "The policy violations log", self.violations, "application/json"),
            ("health", "What is missing, and what mends it", self.health, "application/json"),
        )

    async def window(self) -> str:
        """Return the context window of the workspace, as text."""
        from graph.context_cli import project_window, shown

        return shown(await project_window(self.door.workspace))

    async def rules(self) -> str:
        """Return rules and definitions in force."""
        from memory.records import Kind, Where

        def listed() -> list[dict[str, Any]]:
            memory = self.door.memory
            where = Where(project=memory.project, kinds=(Kind.PREFERENCE, Kind.DEFINITION))
            found = [one for one in memory.journal.live(where) if one.may_answer(where)]
            found.sort(key=lambda stored: -stored.seq)
            return [
                {"id": one.id[:8], "kind": one.item.kind, "text": one.item.text}
                | {"scope": one.item.scope, "source": one.item.provenance.source}
                for one in found[:_RULES]
            ]

        return _json({"rules": await asyncio.to_thread(listed)})

    async def memory(self) -> str:
        """Return the journal's counts and the index's state."""
        memory = await asyncio.to_thread(lambda: self.door.memory)
        stats = await asyncio.to_thread(memory.journal.stats)
        index = await memory.tend()
        return _json(
            {
                "journal": stats.model_dump(mode="json"),
                "index": index.model_dump(mode="json") if index else None,
            }
        )

    async def runs(self) -> str:
        """Return the last runs of the workspace, newest first."""
        from graph.background import stands

        def listed() -> list[dict[str, Any]]:
            store, here = self.door.runs, str(self.door.workspace)
            mine = [each.run_id for each in store.requests() if each.workspace == here]
            results = [stands(store, run_id).result for run_id in mine[:_RUNS]]
            return [{name: getattr(result, name) for name in _TELLS} for result in results]

        return _json({"runs": await asyncio.to_thread(listed)})

    async def roles(self) -> str:
        """Return what each of the five roles may do: the table that every turn is held to."""
        from agents.crew import ROLES

        return _json({name: _scope(role) for name, role in ROLES.items()})

    async def actions(self) -> str:
        """Return the last turns of the crew's roles in the workspace, newest first."""
        from graph.actions import recent_actions

        here = str(self.door.workspace)
        found = await asyncio.to_thread(recent_actions, self.door.runs, here)
        return _json({"actions": [each.model_dump(mode="json") for each in found]})

    async def learning(self) -> str:
        """Return what was captured, waits, was proven; the last night and the next step."""
        from graph.learning import learning_status

        found = await asyncio.to_thread(lambda: learning_status(self.door.memory))
        return _json(found.model_dump(mode="json"))

    async def policy(self) -> str:
        """Return the rulebook in force."""
        book = await asyncio.to_thread(self.door.policies.current)
        return _json(book.model_dump(mode="json"))

    async def violations(self) -> str:
        """Return the last entries of the violations log, newest first."""
        found = await asyncio.to_thread(self.door.policies.violations)
        return _json({"violations": [each.model_dump(mode="json") for each in found]})

    async def health(self) -> str:
        """Return what ``mcp-local-llm doctor`` finds."""
        from graph.doctor import examine

        found = await asyncio.to_thread(examine, self.door.workspace)
        return _json({"findings": [each.model_dump(mode="json") for each in found]})

    # -- prompts -----------------------------------------------------------------------------------

    def prompts(self) -> tuple[Callable[..., Awaitable[str]], ...]:
        """Return the prompts, named and described by their functions."""
        roles = (self.planner, self.tester, self.implementer, self.refactorer, self.doc_writer)
        return (self.start, self.correction_guide, self.policy_guide, *roles)

    async def start(self) -> str:
        """Begin to work here: how memory, contracts and crew are used, and the rules in force."""
        name = self.door.workspace.name
        return prompts.render("door/start", workspace=name, window=await self.window())

    async def correction_guide(self) -> str:
        """How to correct and teach, so that it is learnt."""
        return prompts.render("door/correction_guide")

    async def policy_guide(self) -> str:
        """The policies in force, and how to write and check one."""
        book = await asyncio.to_thread(self.door.policies.current)
        return prompts.render("door/policy_guide", policies=book.policies)

    async def role(self, name: str, task: str) -> str:
        """Return the prompt that makes a model act as the role ``name``."""
        from agents.crew import ROLES

        role = ROLES[name]
        return prompts.render(
            "door/role",
            role=name,
            duty=role.duty,
            writes=role.scope.writes,
            task=task.strip(),
            window=await self.window(),
        )

    async def planner(self, task: Task = "") -> str:
        """Act as the crew's planner."""
        return await self.role("planner", task)

    async def tester(self, task: Task = "") -> str:
        """Act as the crew's tester."""
        return await self.role("tester", task)

    async def implementer(self, task: Task = "") -> str:
        """Act as the crew's implementer."""
        return await self.role("implementer", task)

    async def refactorer(self, task: Task = "") -> str:
        """Act as the crew's refactorer."""
        return await self.role("refactorer", task)

    async def doc_writer(self, task: Task = "") -> str:
        """Act as the crew's doc writer."""
        return await self.role("doc_writer", task)


def _scope(role: Role) -> dict[str, Any]:
    scope = role.scope
    return {"duty": role.duty, "tools": scope.tools, "writes": scope.writes} | {
        name: getattr(scope, name) for name in ("reads", "edits", "runs")
    }


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)
