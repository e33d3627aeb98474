"""What was learnt, through the door: the user's own words are the user's to change."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Literal

import pytest
from mcp import Client
from mcp_types import ElicitRequestParams, ElicitResult

from agents.approvals import use
from mcp_server.door import Door
from mcp_server.toolsets import build
from memory.records import Item, Kind, Provenance, Source
from tests.mcp_server.conftest import facts, problem

if TYPE_CHECKING:
    from mcp.client import ClientRequestContext

    from tests.mcp_server.conftest import Era


def kept(door: Door, text: str, source: Source) -> str:
    said = Provenance(source=source)
    item = Item(kind=Kind.PREFERENCE, text=text, project=door.memory.project, provenance=said)
    door.memory.put(item)
    return item.id


def is_known(door: Door, id: str) -> bool:
    return door.memory.journal.get([id])[id].state == "live"


async def test_what_a_model_relayed_may_be_corrected_and_erased(door: Door, era: Era) -> None:
    id = kept(door, "Use tabs.", "relayed")
    async with Client(build(door), mode=era) as client:
        right = facts(await client.call_tool("correct", {"id": id, "text": "Use spaces."}))
        chain = await client.call_tool("why", {"id": right["id"][:8]})
        erased = facts(await client.call_tool("forget", {"id": right["id"]}))
        again = await client.call_tool("forget", {"id": right["id"]})
    assert (right["replaced"], right["source"]) == (id, "relayed")
    assert "said by      relayed mcp" in str(chain.structured_content)
    assert erased["erased"] is True
    assert "erased already" in problem(again)


async def test_what_the_user_said_waits_for_their_terminal(door: Door, era: Era) -> None:
    id = kept(door, "Use tabs.", "user")
    hidden = 'Use "spaces"; $(touch owned) `id` it\'s'
    async with Client(build(door), mode=era) as client:
        right = facts(await client.call_tool("correct", {"id": id, "text": "Use spaces."}))
        risky = facts(await client.call_tool("correct", {"id": id, "text": hidden}))
        gone = facts(await client.call_tool("forget", {"id": id}))
    assert right["command"] == f"mcp-local-llm correct {id[:8]} 'Use spaces.'"
    shown = subprocess.run(
        ["sh", "-c", risky["command"].replace("mcp-local-llm correct", "printf '%s|'")],
        capture_output=True,
        text=True,
        check=True,
        cwd=door.workspace,
    )
    assert shown.stdout == f"{id[:8]}|{hidden}|"
    assert not (door.workspace / "owned").exists()
    assert is_known(door, id)
    request = use(door.home, gone["approve"].split()[-1])
    assert (request.action, request.items) == ("erase", (id,))


@pytest.mark.parametrize(
    ("action", "erase", "known"),
    [("accept", True, False), ("accept", False, True), ("decline", True, True)],
)
async def test_a_client_that_can_ask_the_user_asks(
    door: Door, era: Era, action: Literal["accept", "decline"], erase: bool, known: bool
) -> None:
    id = kept(door, "Use tabs.", "user")
    asked = []

    async def answer(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action=action, content={"erase": erase} if action == "accept" else None)

    async with Client(build(door), mode=era, elicitation_callback=answer) as client:
        await client.call_tool("forget", {"id": id[:8]})
    assert asked == ["Erase for good what you said: 'Use tabs.'?"]
    assert is_known(door, id) is known


async def test_contracts_and_indexed_code_are_not_forgotten_here(door: Door, era: Era) -> None:
    project = door.memory.project
    contract = Item(kind=Kind.PRESERVATION, text="cart is strict", project=project)
    code = Item(kind=Kind.CODE, text="def total(): ...", project=project)
    door.memory.put(contract, code)
    async with Client(build(door), mode=era) as client:
        said = [problem(await client.call_tool("forget", {"id": x.id})) for x in (contract, code)]
    assert "unprotect" in said[0] and "mcp-local-llm index" in said[1]
    assert is_known(door, contract.id) and is_known(door, code.id)
