"""The routes below /v1/code/ as a client on this machine meets them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mcp_server.door import Door
from tests.mcp_server.conftest import over_http

GUIDED, VALIDATE = "/v1/code/principle-guided", "/v1/code/validate-principles"
AUTH = "def auth_user(username, password): return True"


@pytest.fixture
def shut(home: Path, project: Path) -> Door:
    """A door of which nothing is opened: no route but the guided one needs more."""
    return Door.open(project)


async def test_code_is_held_against_principles(shut: Door) -> None:
    names = ["input_validation", "error_handling", "security"]
    async with over_http(shut) as http:
        answer = await http.post(VALIDATE, json={"code": AUTH, "principles": names})
        found = answer.json()
        assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
        assert {"violations", "suggestions", "principle_score"} <= found.keys()
        assert {one["principle"] for one in found["violations"]} >= {"input_validation", "security"}
        assert found["principle_score"] < 0.5 and found["suggestions"]
        fine = (await http.post(VALIDATE, json={"code": "x = 1\n"})).json()
        assert (fine["violations"], fine["principle_score"]) == ([], 1.0)


WRONG: tuple[tuple[str, bytes, dict[str, str], int, str], ...] = (
    (VALIDATE, b"{}", {"authorization": "Bearer guess"}, 401, "token"),
    (VALIDATE, b"{}", {"host": "example.org"}, 421, "127.0.0.1"),
    (VALIDATE, b"{}", {"origin": "https://example.org"}, 403, "no foreign page"),
    (VALIDATE, b"{}", {"content-type": "text/plain"}, 400, "application/json"),
    (VALIDATE, b'{"code": "' + b"x" * 1_000_000 + b'"}', {}, 413, "in parts"),
    (VALIDATE, b"", {}, 400, "send a JSON object with code, principles"),
    (VALIDATE, b"\xff\xfe", {}, 400, "send a JSON object"),
    (VALIDATE, b"[" * 100_000, {}, 400, "send a JSON object"),
    (VALIDATE, b'{"code": 3}', {}, 400, "code: "),
    (VALIDATE, b'{"code": "x", "shell": "s3cret"}', {}, 400, "shell: "),
    (VALIDATE, b'{"code": "x = ("}', {}, 400, "mend it first"),
    (VALIDATE, b'{"code": "x", "principles": ["beauty"]}', {}, 400, "there are: "),
    (GUIDED, b'{"context": "a shop"}', {}, 400, "query: "),
    (GUIDED, b'{"query": "  "}', {}, 400, "say what the code is to do"),
    ("/v1/code/other", b"{}", {}, 404, GUIDED),
)


@pytest.mark.parametrize(("path", "body", "headers", "status", "said"), WRONG)
async def test_what_is_refused_is_told_as_json(
    shut: Door, path: str, body: bytes, headers: dict[str, str], status: int, said: str
) -> None:
    async with over_http(shut) as http:
        answer = await http.post(path, content=body, headers=headers)
    error: dict[str, Any] = json.loads(answer.content)["error"]
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    assert said in error["message"] and error["type"]
    assert "s3cret" not in error["message"], "what was sent is not told again"


async def test_a_route_is_asked_by_post_alone(shut: Door) -> None:
    async with over_http(shut) as http:
        answer = await http.get(VALIDATE)
    assert (answer.status_code, "POST to" in answer.json()["error"]["message"]) == (405, True)
