"""Resources and prompts, read by a real client in both eras."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from mcp import Client, MCPError

from agents.crew import ROLES
from agents.scopes import SCOPES
from mcp_server.door import Door
from mcp_server.toolsets import build
from memory.records import Item, Kind

if TYPE_CHECKING:
    from tests.mcp_server.conftest import Era

NAMES = {"context-window", "rules", "memory", "runs", "roles", "health"} | {
    "actions", "learning", "policy", "violations"
}  # fmt: skip


async def read(client: Client, name: str) -> str:
    (content,) = (await client.read_resource(f"local-llm://{name}")).contents
    text: str = content.model_dump()["text"]
    return text


async def told(client: Client, name: str, **arguments: str) -> str:
    (message,) = (await client.get_prompt(name, arguments)).messages
    text: str = message.content.model_dump()["text"]
    return text


def a_rule(door: Door) -> Item:
    rule = Item(kind=Kind.PREFERENCE, text="Never log card numbers.", project=door.memory.project)
    door.memory.put(rule)
    return rule


async def test_every_resource_is_listed_and_tells_how_things_stand(door: Door, era: Era) -> None:
    rule = a_rule(door)
    async with Client(build(door), mode=era) as client:
        listed = (await client.list_resources()).resources
        assert {str(each.uri) for each in listed} == {f"local-llm://{name}" for name in NAMES}
        assert all(each.description for each in listed)
        found: dict[str, Any] = {
            name: json.loads(await read(client, name)) for name in NAMES - {"context-window"}
        }
        window = await read(client, "context-window")
    assert rule.text in window
    assert [each["id"] for each in found["rules"]["rules"]] == [rule.id[:8]]
    assert found["memory"]["journal"]["live"] >= 1
    assert found["runs"] == {"runs": []}
    assert found["roles"]["tester"]["writes"] == SCOPES["tester"].writes
    assert found["roles"]["implementer"]["runs"] == ["cmd.run"]
    assert found["actions"] == {"actions": []}
    assert found["learning"]["stages"]["captured"] == 1
    assert "CREW-1" in str(found["policy"]["policies"])
    assert found["violations"] == {"violations": []}
    assert {each["name"] for each in found["health"]["findings"]} >= {"git", "repository"}


async def test_every_prompt_carries_the_rules_in_force(door: Door, era: Era) -> None:
    rule = a_rule(door)
    async with Client(build(door), mode=era) as client:
        names = {each.name for each in (await client.list_prompts()).prompts}
        assert names == {"start", "correction_guide", "policy_guide", *ROLES}
        assert rule.text in await told(client, "start")
        assert "insights" in await told(client, "correction_guide")
        assert "CREW-1 (error)" in await told(client, "policy_guide")
        for name, role in ROLES.items():
            text = await told(client, name, task="round the total")
            assert (role.duty in text, "round the total" in text) == (True, True)
            assert rule.text in text


async def test_what_is_not_there_is_refused(door: Door, era: Era) -> None:
    async with Client(build(door), mode=era) as client:
        with pytest.raises(MCPError):
            await client.read_resource("local-llm://none")
        with pytest.raises(MCPError, match="there are: correction_guide, doc_writer"):
            await client.get_prompt("none", {})
        with pytest.raises(MCPError, match=r"'start' takes nothing, not \['hour'\]"):
            await told(client, "start", hour="late")
        with pytest.raises(MCPError, match="'tester' takes task, not"):
            await told(client, "tester", job="round the total")
        rulebook = door.policies.folder / "rulebook.json"
        rulebook.parent.mkdir(parents=True)
        rulebook.write_text("{")
        with pytest.raises(MCPError, match="`mcp-local-llm policy build`"):
            await read(client, "policy")
        with pytest.raises(MCPError, match="`mcp-local-llm policy build`"):
            await told(client, "policy_guide")
