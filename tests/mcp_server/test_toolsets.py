"""Every tool, resource and prompt by a real client on stdio, in both eras of the protocol."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import CallToolResult

from mcp_local_llm import UsageError
from mcp_server.door import Door
from mcp_server.toolsets import TOOLSETS, build
from tests.mcp_server.conftest import facts, over_http, problem

if TYPE_CHECKING:
    from tests.graph.conftest import Demo, Script
    from tests.mcp_server.conftest import Era

POLICY = """---
policy: shop
version: 1
---
## Purpose
Money is counted right.
## Rules
### SHOP-1 Prices are never floats
- severity: error
- forbids: price as float
"""
LESSON = "Prices are rounded to the cent before they are added, never after."


class Noting(Client):
    """A client that notes which tools it has called."""

    called: set[str]

    async def call_tool(self, name: str, *args: Any, **options: Any) -> CallToolResult:
        self.called.add(name)
        return await super().call_tool(name, *args, **options)


def served(project: Path) -> StdioServerParameters:
    command = str(Path(sys.executable).with_name("mcp-local-llm"))
    sets = "core,memory,policy"
    return StdioServerParameters(
        command=command,
        args=["serve", "--workspace", str(project), "--toolsets", sets],
        env=dict(os.environ),
    )


async def the_memory_is_looked_after(client: Client, project: Path) -> None:
    (project / "docs").mkdir()
    (project / "docs" / "a.md").write_text(f"# Money\n{LESSON}\n")
    (project / "README.md").write_text(f"# Shop\nWelcome.\n# Money\n{LESSON}\n")
    one = facts(await client.call_tool("index_markdown", {"paths": ["docs/a.md"]}))
    assert (one["new"], one["pieces"]) == (1, 1)
    every = facts(await client.call_tool("index_markdown", {}))
    assert (every["new"], every["unchanged"]) == (1, 1)
    gone = await client.call_tool("index_markdown", {"paths": ["../elsewhere.md"]})
    assert "in the workspace" in problem(gone)
    copies = facts(await client.call_tool("find_duplicates", {"kinds": ["document"]}))
    assert [each["places"] for each in copies["shown"]] == [["README.md", "docs/a.md"]] or [
        sorted(each["places"]) for each in copies["shown"]
    ] == [["README.md", "docs/a.md"]]

    await client.call_tool("remember", {"text": "The shop opens at nine.", "scope": "shop"})
    counted = facts(await client.call_tool("memory_scopes", {}))
    assert (counted["kinds"]["document"], counted["scopes"]) == (3, {"shop": 1})
    page = facts(await client.call_tool("memory_items", {"limit": 1}))
    assert (page["items"][0]["text"], page["more"]) == ("The shop opens at nine.", 3)
    rest = facts(await client.call_tool("memory_items", {"before": page["before"]}))
    assert (len(rest["items"]), rest["more"]) == (3, 0)
    narrow = {"scope": "shop", "kinds": ["fact", "definition"]}
    assert len(facts(await client.call_tool("memory_items", narrow))["items"]) == 1
    assert facts(await client.call_tool("memory_health", {}))["sound"] is True


async def policies_are_built_and_documents_held_against_them(client: Client, project: Path) -> None:
    before = facts(await client.call_tool("policy_rules", {}))
    folder = project / ".mcp-local-llm" / "policy"
    folder.mkdir(parents=True)
    (folder / "shop.md").write_text(POLICY.replace("SHOP-1 ", "CREW-1 "))
    assert "taken by" in problem(await client.call_tool("policy_build", {}))
    (folder / "shop.md").write_text(POLICY)
    assert facts(await client.call_tool("policy_rules", {}))["stale"] is True
    built = facts(await client.call_tool("policy_build", {}))
    after = facts(await client.call_tool("policy_rules", {}))
    assert (after["hash"], after["stale"]) == (built["hash"], False)
    assert built["hash"] != before["hash"]

    text = {"text": "# Note\nKeep the price as\nfloat.\n", "path": "docs/note.md", "log": True}
    found = facts(await client.call_tool("policy_check", text))
    assert [(one["rule"], one["line"]) for one in found["findings"]] == [("SHOP-1", 2)]
    assert found["kept"] is False
    clean = facts(await client.call_tool("policy_check", {"text": "# Note\nFine.\n"}))
    assert clean == {"kept": True, "findings": []}
    said = {"rule": "crew-2", "where": "tests/test_cart.py", "why": "a test was rewritten"}
    facts(await client.call_tool("policy_report", said))
    nothing = await client.call_tool("policy_report", {**said, "rule": "NONE-1"})
    assert "there are: CREW-1" in problem(nothing)
    (content,) = (await client.read_resource("local-llm://violations")).contents
    logged = json.loads(content.model_dump()["text"])["violations"]
    assert [one["rule"] for one in logged] == ["CREW-2", "SHOP-1"]


async def texts_are_checked(client: Client) -> None:
    schema = json.dumps({"type": "object", "properties": {"n": {"type": "integer"}}})
    asked = {"document": '{"n": "x"}', "schema": schema}
    found = facts(await client.call_tool("validate_json", asked))
    assert [one["at"] for one in found["mismatches"]] == ["$.n"]
    assert facts(await client.call_tool("validate_json", {**asked, "document": "{}"}))["valid"]
    assert "no JSON" in problem(await client.call_tool("validate_json", {**asked, "schema": "{"}))
    code = {"code": "def auth_user(username, password): return True", "principles": ["security"]}
    flagged = facts(await client.call_tool("validate_principles", code))
    assert (flagged["principle_score"], len(flagged["violations"])) == (0.0, 1)
    unknown = await client.call_tool("validate_principles", {**code, "principles": ["beauty"]})
    assert "input_validation" in problem(unknown)


async def what_is_known_is_asked_corrected_and_erased(client: Client) -> None:
    status = facts(await client.call_tool("learning_status", {}))
    assert (status["stages"]["captured"], status["night"]) == (1, {})
    found = facts(await client.call_tool("recall", {"query": "when the shop opens"}))
    (old,) = [each["id"] for each in found["hits"] if "opens at nine" in each["text"]]
    right = facts(await client.call_tool("correct", {"id": old, "text": "It opens at ten."}))
    assert "relayed" in str(facts(await client.call_tool("why", {"id": right["id"]})))
    assert "opens at ten" in str(facts(await client.call_tool("context_window", {})))
    assert facts(await client.call_tool("forget", {"id": right["id"]}))["erased"] is True
    answer = facts(await client.call_tool("ask", {"question": "What is in the cart?"}))
    assert "local_trained_model" in str(answer)
    guided = facts(await client.call_tool("principle_guided", {"query": "an auth check"}))
    assert guided["reasoning"] == "It depends."


async def a_region_is_protected_and_a_run_begun_and_stopped(client: Client, task: str) -> None:
    facts(await client.call_tool("protect", {"region": "shop/cart.py::total"}))
    assert facts(await client.call_tool("check_preservation", {}))["clean"] is True
    run_id = facts(await client.call_tool("run_start", {"task": task}))["run_id"]
    facts(await client.call_tool("run_cancel", {"run_id": run_id}))
    assert facts(await client.call_tool("run_status", {"run_id": run_id}))["run_id"] == run_id
    answer = {"run_id": run_id, "decision": "approve"}
    assert "answer" in problem(await client.call_tool("run_respond", answer))


async def every_page_is_read(client: Client) -> None:
    pages = (await client.list_resources()).resources
    prompts = (await client.list_prompts()).prompts
    assert (len(pages), len(prompts)) == (10, 8)
    for page in pages:
        (content,) = (await client.read_resource(page.uri)).contents
        assert content.model_dump()["text"]
    for prompt in prompts:
        assert (await client.get_prompt(prompt.name, {})).messages


async def test_everything_there_is_works_on_stdio(
    searched_home: Path, project: Path, script: Script, demo: Demo, era: Era
) -> None:
    script(answer=["It depends."])
    noting = Noting(stdio_client(served(project)), mode=era)
    noting.called = set()
    async with noting as client:
        names = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert len(names) == 26
        assert all(tool.annotations and tool.output_schema for tool in names.values())
        await the_memory_is_looked_after(client, project)
        await a_region_is_protected_and_a_run_begun_and_stopped(client, demo.task)
        await policies_are_built_and_documents_held_against_them(client, project)
        await texts_are_checked(client)
        await what_is_known_is_asked_corrected_and_erased(client)
        await every_page_is_read(client)
    assert noting.called == names.keys()


async def test_code_by_principles_is_checked(door: Door, script: Script) -> None:
    reply = "Everybody passes.\n```python\ndef auth_user(name): return True\n```\n"
    script(answer=[reply])
    asked = {"query": "an auth check", "context": "a shop", "principles": ["security"]}
    async with Client(build(door, ["policy"]), mode="legacy") as client:
        found = facts(await client.call_tool("principle_guided", asked))
        assert found["code"] == "def auth_user(name): return True\n"
        assert (found["reasoning"], found["principles_applied"]) == ("Everybody passes.", [])
        assert [one["principle"] for one in found["violations"]] == ["security"]
        assert found["source"]["source"] == "local_trained_model"
        unknown = {**asked, "principles": ["beauty"]}
        assert "there are: " in problem(await client.call_tool("principle_guided", unknown))
    async with over_http(door) as http:
        again = (await http.post("/v1/code/principle-guided", json=asked)).json()
        assert again["reasoning"] == found["reasoning"] and again["code"] == found["code"]
        assert {"code", "principles_applied", "reasoning", "examples"} <= again.keys()
        script(answer=[])
        without = await http.post("/v1/code/principle-guided", json=asked)
        assert (without.status_code, without.json()["error"]["type"]) == (503, "ModelUnavailable")


def test_an_unknown_toolset_is_refused_with_those_there_are(door: Door) -> None:
    with pytest.raises(UsageError, match="core, memory, policy"):
        build(door, ["core", "none"])
    assert list(TOOLSETS) == ["core", "memory", "policy"]


async def test_the_default_has_learning_and_none_of_the_others(door: Door, era: Era) -> None:
    async with Client(build(door), mode=era) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
    assert "learning_status" in names
    assert names.isdisjoint({"index_markdown", "policy_check", "validate_json"})
