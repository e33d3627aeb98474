"""What tools ask for is written in the part of JSON Schema that every client reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from mcp import Client

from mcp_server.door import Door
from mcp_server.toolsets import TOOLSETS, build

TYPES = {"object", "array", "string", "integer", "number", "boolean"}
SAYS = {"type", "title", "description", "default", "enum", "const"}
BOUNDS = {"minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"}
HOLDS = {"properties", "required", "items", "additionalProperties"}


def unportable(schema: Any, at: str = "") -> Iterator[str]:
    """Yield what some clients refuse: references, unions of types, formats, untyped values.

    The one union allowed is with null, one level deep: pydantic's way to say "or nothing".
    """
    if not isinstance(schema, dict):
        yield f"{at}: {schema!r} is no schema"
        return
    if "anyOf" in schema:
        choices = [each for each in schema["anyOf"] if each != {"type": "null"}]
        if len(choices) != 1 or len(schema["anyOf"]) != 2 or "anyOf" in choices[0]:
            yield f"{at}: a union of types"
        rest = {name: each for name, each in schema.items() if name != "anyOf"}
        yield from unportable({**rest, **choices[0]}, at)
        return
    yield from (f"{at}: {name}" for name in schema.keys() - SAYS - BOUNDS - HOLDS)
    if str(schema.get("type")) not in TYPES:
        yield f"{at}: type {schema.get('type')!r}"
    for name, each in schema.get("properties", {}).items():
        yield from unportable(each, f"{at}.{name}")
    if schema.get("type") == "array":
        yield from unportable(schema.get("items"), f"{at}[]")
    if not isinstance(schema.get("additionalProperties", True), bool):
        yield from unportable(schema["additionalProperties"], f"{at}{{}}")


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/Thing"},
        {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        {"type": ["string", "null"]},
        {"type": "string", "format": "date-time"},
        {"type": "object", "properties": {"x": {}}},
        {"type": "array"},
        {"type": "object", "additionalProperties": {"oneOf": []}},
        {"type": "string", "pattern": "^(?=x)"},
    ],
)
def test_what_is_not_portable_is_found(schema: dict[str, Any]) -> None:
    assert list(unportable(schema))


async def test_every_tool_of_every_set_asks_in_portable_words(door: Door) -> None:
    async with Client(build(door, tuple(TOOLSETS))) as client:
        tools = (await client.list_tools()).tools
    assert [wrong for tool in tools for wrong in unportable(tool.input_schema, tool.name)] == []


async def test_what_tools_answer_needs_no_definitions(door: Door) -> None:
    async with Client(build(door, tuple(TOOLSETS))) as client:
        tools = (await client.list_tools()).tools
    assert all("$defs" not in (tool.output_schema or {}) for tool in tools)
