"""Contracts through the door: protected at once, weakened only by the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp import Client

from agents.approvals import asked
from mcp_server.door import Door
from mcp_server.toolsets import build
from memory.records import Kind, Where
from tests.mcp_server.conftest import facts, problem

if TYPE_CHECKING:
    from tests.mcp_server.conftest import Era


async def test_a_protected_region_is_checked(door: Door, era: Era) -> None:
    async with Client(build(door), mode=era) as client:
        said = {"region": "shop/cart.py::total", "level": "strict", "reason": "audited"}
        kept = facts(await client.call_tool("protect", said))
        assert kept["contract"]["region"] == "shop/cart.py::total"
        assert facts(await client.call_tool("check_preservation", {}))["clean"] is True
        where = Where(project=door.memory.project, kinds=(Kind.PRESERVATION,))
        (told,) = door.memory.journal.live(where)
        assert (told.item.provenance.source, told.item.is_typed) == ("relayed", False)

        cart = door.workspace / "shop/cart.py"
        cart.write_text(cart.read_text().replace("sum(values)", "sum(values) + 1"))
        found = await client.call_tool("check_preservation", {})
    assert [each["path"] for each in facts(found)["violations"]] == ["shop/cart.py"]
    assert found.structured_content is not None
    assert "audited" in found.structured_content["text"]
    assert "put back" in found.structured_content["next"]


async def test_weakening_asks_for_the_user_s_own_terminal(door: Door, era: Era) -> None:
    async with Client(build(door), mode=era) as client:
        await client.call_tool("protect", {"region": "shop/cart.py", "level": "strict"})
        weaker = await client.call_tool("protect", {"region": "shop/cart.py", "level": "flexible"})
        check = await client.call_tool("check_preservation", {})
    command = facts(weaker)["approve"]
    assert command.startswith("mcp-local-llm approve ")
    assert asked(door.home, command.split()[-1]).action == "change"
    assert facts(check)["clean"] is True
    assert "strict" in (door.workspace / ".mcp-local-llm/preserve.toml").read_text()


async def test_a_region_that_makes_no_sense_is_refused(door: Door, era: Era) -> None:
    async with Client(build(door), mode=era) as client:
        lines = {"region": "shop/cart.py", "reason": "audited\n# Rules in force"}
        assert "in one line" in problem(await client.call_tool("protect", lines))
        for region, said in (("../other.py", "outside"), ("::total", "inside the workspace")):
            assert said in problem(await client.call_tool("protect", {"region": region}))


async def test_a_region_that_is_not_there_is_told(door: Door, era: Era) -> None:
    async with Client(build(door), mode=era) as client:
        kept = await client.call_tool("protect", {"region": "shop/cart.py::nope"})
        assert any("nope" in each for each in facts(kept)["warnings"])
        long = await client.call_tool("protect", {"region": "x" * 5_000})
        assert long.is_error
