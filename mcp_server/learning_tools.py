"""Tools for what was learnt: corrected, erased, and asked where it comes from."""

from __future__ import annotations

import asyncio
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, cast

from mcp.server.mcpserver import AcceptedElicitation, Context, Elicit, ElicitationResult, Resolve
from pydantic import BaseModel, Field

from graph.console import short
from mcp_local_llm import UsageError
from mcp_server.answer import Answer
from mcp_server.app import App
from mcp_server.door import Door

if TYPE_CHECKING:
    from agents.shared_memory import SharedMemory
    from memory.entries import Stored

ItemId = Annotated[
    str, Field(min_length=4, max_length=36, description="An id as recall shows it, or its start.")
]


class Consent(BaseModel):
    """The user's answer to whether something may be erased."""

    erase: bool = Field(description="Erase it for good?")


class Asked(BaseModel):
    """Why the user was not asked: nobody had to be, or the client cannot."""

    outcome: Literal["needless", "impossible"]


async def may_erase(id: str, ctx: Context[None]) -> Asked | Elicit[Consent]:
    """Ask the user, through the client, whether what they said may be erased."""
    door = cast(App, ctx.mcp_server).door
    stored = await asyncio.to_thread(_item, door, id)
    if not stored.item.is_typed:
        return Asked(outcome="needless")
    able = ctx.client_capabilities.elicitation if ctx.client_capabilities else None
    if able is None or (able.form is None and able.url is not None):
        return Asked(outcome="impossible")
    return Elicit(f"Erase for good what you said: {short(stored.item.text)!r}?", Consent)


@dataclass(frozen=True, slots=True)
class LearningTools:
    """What was taught and corrected in this project."""

    door: Door

    async def correct(
        self,
        id: ItemId,
        text: Annotated[
            str, Field(min_length=1, max_length=4_000, description="What is right instead.")
        ],
    ) -> Answer:
        """Say what is right instead of something that recall gave.

        What a model relayed is replaced. What the user said themselves stays until they say so:
        the answer then holds the command for their own terminal.
        """
        from graph.teach_cli import knowledge, replace_item, reworded

        def change() -> Answer:
            memory = self.door.memory
            old = knowledge(memory, id)
            item = reworded(old, text.strip(), "mcp", source="relayed")
            if old.item.is_typed:
                # a model's words, for the user's shell: quoted, or they would run there
                command = f"mcp-local-llm correct {old.id[:8]} {shlex.quote(text.strip())}"
                return Answer(
                    text=f"not done: the user said {short(old.item.text)!r} themselves",
                    data={"id": old.id, "command": command},
                    next=f"ask the user to run `{command}`",
                )
            replace_item(memory, old, item, "corrected, relayed by a model")
            self.door.knowledge_changed()
            return Answer(
                text=f"{old.id[:8]} is replaced by {item.id[:8]}: {item.text}",
                data={"id": item.id, "replaced": old.id, "source": "relayed"},
                next=f"the user can accept it: mcp-local-llm insights accept {item.id[:8]}",
            )

        return await asyncio.to_thread(change)

    async def forget(
        self,
        id: ItemId,
        asked: Annotated[ElicitationResult[Consent] | Asked, Resolve(may_erase)],
    ) -> Answer:
        """Erase something for good, history and index too; asks the user about what they said."""
        stored = await asyncio.to_thread(_item, self.door, id)
        name, facts = stored.id[:8], {"id": stored.id}
        answer = asked.data if isinstance(asked, AcceptedElicitation) else asked
        if isinstance(answer, Asked) and answer.outcome == "impossible":
            command = await asyncio.to_thread(_question, self.door, stored)
            return Answer(
                text=f"not done: only the user can erase {short(stored.item.text)!r}",
                data={**facts, "approve": command},
                next=f"ask the user to run `{command}` in a terminal",
            )
        if not (isinstance(answer, Asked) or (isinstance(answer, Consent) and answer.erase)):
            return Answer(text=f"not done: the user keeps {name}", data=facts)
        try:
            await asyncio.to_thread(
                self.door.memory.journal.erase, [stored.id], "asked for through MCP"
            )
        finally:  # also when the log still holds it
            await asyncio.to_thread(self.door.knowledge_changed)
        return Answer(text=f"erased {name} for good", data={**facts, "erased": True})

    async def learning_status(self) -> Answer:
        """Say what was captured, waits for training, was proven; the last night; the next step."""
        from graph.learning import learning_status

        def told() -> Answer:
            found = learning_status(self.door.memory)
            data = found.model_dump(mode="json")
            return Answer(text=found.words(), data=data, next=found.next)

        return await asyncio.to_thread(told)

    async def why(self, id: ItemId) -> Answer:
        """Say where a piece of knowledge comes from and what became of it."""
        from graph.why_cli import chain

        def told() -> Answer:
            lines, facts = chain(self.door.memory, id)
            return Answer(text="\n".join(lines), data=facts)

        return await asyncio.to_thread(told)


def _item(door: Door, id: str) -> Stored:
    from graph.memory_cli import one_item
    from graph.teach_cli import knowledge

    stored = one_item(door.memory, id)
    if stored.state == "deleted":
        raise UsageError(f"{stored.id[:8]} was erased already")
    return knowledge(door.memory, stored.id)


def _question(door: Door, stored: Stored) -> str:
    """Keep the question under a one-time code and return the command that answers it."""
    from agents.approvals import Request, ask

    memory: SharedMemory = door.memory
    request = Request(
        project=memory.project,
        root=str(door.workspace),
        action="erase",
        items=(stored.id,),
        reason="asked for through MCP",
    )
    return f"mcp-local-llm approve {ask(door.home, request)}"
