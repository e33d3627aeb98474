"""JSON against a schema, in a process that may be slow or refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mcp_local_llm import UsageError
from tools.schemas import mismatches

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["name"],
    "properties": {"tags": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]+$"}}},
}


async def test_each_place_that_does_not_fit_is_named() -> None:
    found = await mismatches('{"tags": ["ok", "NO", 3]}', json.dumps(SCHEMA))
    assert sorted(each.at for each in found) == ["$", "$.tags[1]", "$.tags[2]"]
    assert await mismatches('{"name": 1, "tags": []}', json.dumps(SCHEMA)) == ()


@pytest.mark.parametrize(
    ("document", "schema", "said"),
    [
        ("{", "{}", "document is no JSON"),
        ("{}", "[]", "no JSON Schema"),
        ("{}", '{"type": "thing"}', "no sound JSON Schema"),
        ("{}", '{"$ref": "http://localhost/schema.json"}', "leads out of the schema"),
        (" " * 1_000_001, "{}", "more than 1,000,000"),
    ],
)
async def test_what_cannot_be_compared_is_told(document: str, schema: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        await mismatches(document, schema)
