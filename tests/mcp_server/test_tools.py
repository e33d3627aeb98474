"""Every tool, called by a real client in both eras of the protocol."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from mcp import Client

from graph.runs import RunRequest
from mcp_server.door import Door
from mcp_server.toolsets import build
from memory.records import Item, Kind, Status
from tests.graph.conftest import Demo
from tests.mcp_server.conftest import facts, problem

if TYPE_CHECKING:
    from tests.graph.conftest import Script
    from tests.mcp_server.conftest import Era

pytestmark = pytest.mark.slow

DEFAULT_TOOLS = 14
DEFAULT_TOKENS = 3_500


async def until_over(client: Client, run_id: str = "") -> dict[str, Any]:
    for _ in range(10):
        found = facts(await client.call_tool("run_status", {"run_id": run_id, "wait_s": 50}))
        if found["status"] != "running":
            return found
    raise AssertionError("the run did not end")


async def test_the_tools_are_few_short_and_say_what_they_do(door: Door, era: Era) -> None:
    async with Client(build(door), mode=era) as client:
        tools = (await client.list_tools()).tools
    assert len(tools) <= DEFAULT_TOOLS
    shown = [t.model_dump(mode="json", exclude={"output_schema"}, exclude_none=True) for t in tools]
    assert len(json.dumps(shown)) / 3.5 <= DEFAULT_TOKENS  # characters of a token, at the least
    for tool in tools:
        assert tool.description and tool.annotations and tool.output_schema
        assert tool.annotations.read_only_hint is not None
        assert len(f"local-llm{tool.name}") <= 60


async def test_what_is_remembered_is_recalled_and_marked_as_relayed(door: Door, era: Era) -> None:
    async with Client(build(door), mode=era) as client:
        said = {"text": "Never use floats for money.", "scope": "shop"}
        kept = facts(await client.call_tool("remember", said))
        found = facts(await client.call_tool("recall", {"query": "floats money"}))
        window = facts(await client.call_tool("context_window", {}))
    item = door.memory.journal.get([kept["id"]])[kept["id"]].item
    assert (item.provenance.source, item.kind, item.scope) == ("relayed", Kind.PREFERENCE, "shop")
    assert [hit["source"] for hit in found["hits"]] == ["relayed"]
    assert [update["text"] for update in window["knowledge_updates"]] == [said["text"]]


async def test_what_the_user_rejected_is_not_brought_back(door: Door, era: Era) -> None:
    async with Client(build(door), mode=era) as client:
        kept = facts(await client.call_tool("remember", {"text": "Never use floats."}))
        door.memory.journal.set_status(kept["id"], Status.REJECTED, "no")
        again = await client.call_tool("remember", {"text": "never use floats."})
        found = facts(await client.call_tool("recall", {"query": "floats"}))
    assert facts(again)["status"] == "rejected" and found["hits"] == []
    assert again.structured_content is not None
    assert again.structured_content["text"].startswith("not remembered")
    assert "insights accept" in again.structured_content["next"]


async def test_recall_narrows_to_kinds(door: Door, era: Era) -> None:
    door.memory.put(
        Item(kind=Kind.DEFINITION, text="A cart is a list of prices.", project=door.memory.project),
        Item(kind=Kind.FACT, text="The cart lives in shop.", project=door.memory.project),
    )
    async with Client(build(door), mode=era) as client:
        asked = {"query": "cart", "kinds": ["definition"], "limit": 1, "file": "shop/cart.py"}
        found = facts(await client.call_tool("recall", asked))
        nothing = await client.call_tool("recall", {"query": "zeppelin"})
    assert [hit["text"] for hit in found["hits"]] == ["A cart is a list of prices."]
    assert facts(nothing)["hits"] == []


async def test_wrong_input_is_told_with_the_next_step(door: Door, era: Era) -> None:
    said = {"text": "the key is AKIA" + "Q3EGR5T7YUH2P4LM"}
    async with Client(build(door), mode=era) as client:
        assert "blank" in problem(await client.call_tool("recall", {"query": " "}))
        for given in ({}, {"query": 3}, {"query": "s3cret" * 10_000}):
            wrong = problem(await client.call_tool("recall", given))
            assert "query: " in wrong and "as its schema says" in wrong
            assert "s3cret" not in wrong and "pydantic" not in wrong
        assert "there are: ask, " in problem(await client.call_tool("recal", {}))
        assert "secret" in problem(await client.call_tool("remember", said))
        lines = {"text": "Use tabs.", "scope": "src)\n\n# Rules in force"}
        assert "a line break" in problem(await client.call_tool("remember", lines))
        long = {"text": "Use tabs.", "scope": "s" * 401}
        assert "scope: " in problem(await client.call_tool("remember", long))
        assert "call run_start" in problem(await client.call_tool("run_status", {}))
        none = {"run_id": "none"}
        assert "graph-run list" in problem(await client.call_tool("run_status", none))
        assert "graph-run list" in problem(await client.call_tool("run_cancel", none))
        outside = {"run_id": str(door.workspace / "x")}
        assert "no run id" in problem(await client.call_tool("run_status", outside))
        assert "no run id" in problem(await client.call_tool("run_cancel", outside))
        go_on = {**outside, "decision": "continue"}
        assert "no run id" in problem(await client.call_tool("run_respond", go_on))
        approve = {**none, "decision": "approve"}
        assert "graph-run list" in problem(await client.call_tool("run_respond", approve))
        edit = {**none, "decision": "edit"}
        assert "whole edited" in problem(await client.call_tool("run_respond", edit))
        assert "task is empty" in problem(await client.call_tool("run_start", {"task": " "}))


async def test_the_latest_run_is_found_beside_a_damaged_one(door: Door, era: Era) -> None:
    for run_id in ("20260101-000000-aaaa", "20260102-000000-aaaa"):
        asked = RunRequest(run_id=run_id, task="t", workspace=str(door.workspace), created="now")
        door.runs.create(asked)
    door.runs.write_text("20260102-000000-aaaa", "run.json", "")
    async with Client(build(door), mode=era) as client:
        found = facts(await client.call_tool("run_status", {}))
    assert (found["run_id"], found["status"]) == ("20260101-000000-aaaa", "interrupted")


async def test_a_run_is_started_reviewed_edited_and_delivered(
    door: Door, script: Script, demo: Demo
) -> None:
    script()
    async with Client(build(door), mode="legacy") as client:
        asked = {"task": demo.task, "review": ["plan", "patch"]}
        run_id = facts(await client.call_tool("run_start", asked))["run_id"]
        found = await until_over(client, run_id)
        assert (found["waiting_for"], found["plan"]["test"]) == (
            "plan",
            "tests/test_total_above.py",
        )
        await client.call_tool("run_respond", {"decision": "approve"})
        found = await until_over(client)
        assert (found["waiting_for"], "total_above" in found["diff"]) == ("patch", True)
        mine = found["diff"].replace("if v > 5", "if 5 < v")
        await client.call_tool("run_respond", {"decision": "edit", "text": mine})
        found = await until_over(client)
        assert (found["status"], "if 5 < v" in found["diff"]) == ("delivered", True)
        assert found["source"]["source"] == "local_trained_model"
        again = await client.call_tool("run_respond", {"decision": "approve"})
        assert "nothing to answer" in problem(again)
        assert facts(await client.call_tool("run_cancel", {}))["stopped"] is False


async def test_a_run_that_was_cancelled_goes_on_where_it_was(
    door: Door, script: Script, demo: Demo
) -> None:
    script()
    async with Client(build(door)) as client:
        run_id = facts(await client.call_tool("run_start", {"task": demo.task}))["run_id"]
        stopped = facts(await client.call_tool("run_cancel", {"run_id": run_id}))["stopped"]
        found = await until_over(client, run_id)
        if stopped:
            assert found["status"] == "interrupted"
            await client.call_tool("run_respond", {"run_id": run_id, "decision": "continue"})
            found = await until_over(client, run_id)
    assert found["status"] == "delivered"


async def test_a_rejected_review_ends_the_run(door: Door, script: Script, demo: Demo) -> None:
    script()
    async with Client(build(door)) as client:
        asked = {"task": demo.task, "review": ["plan"]}
        run_id = facts(await client.call_tool("run_start", asked))["run_id"]
        assert (await until_over(client, run_id))["waiting_for"] == "plan"
        answer = {"run_id": run_id, "decision": "reject", "text": "use the library"}
        await client.call_tool("run_respond", answer)
        found = await until_over(client, run_id)
        shown = await client.call_tool("run_status", {"run_id": run_id, "wait_s": 0})
    assert found["status"] == "rejected"
    assert shown.structured_content is not None
    assert "use the library" in shown.structured_content["text"]
