"""A door to a small real project, and clients of both protocol eras."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from mcp_types import CallToolResult

from mcp_server.door import Door
from mcp_server.http import guarded
from mcp_server.toolsets import build
from tests.graph.conftest import demo, home, project, python, script, searched_home

__all__ = ["demo", "home", "project", "python", "script", "searched_home"]

Era = Literal["legacy", "auto"]
ERAS: tuple[Era, ...] = ("legacy", "auto")


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> Era:
    """Which protocol the client speaks: Cursor's, or the one of 2026-07-28."""
    chosen: Era = request.param
    return chosen


@pytest.fixture
def door(searched_home: Path, project: Path) -> Iterator[Door]:
    opened = Door.open(project)
    yield opened
    opened.close()


def over_http(door: Door) -> httpx.AsyncClient:
    """Return a client that talks to the very application that ``serve --http`` serves."""
    token = "t" * 43
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    served = httpx.ASGITransport(guarded(build(door), token))
    return httpx.AsyncClient(
        transport=served, base_url="http://127.0.0.1:8765", headers=headers, timeout=60
    )


def facts(result: CallToolResult) -> dict[str, Any]:
    """Return the ``data`` of an answer that is no error."""
    assert not result.is_error, result.content
    assert result.structured_content is not None
    found: dict[str, Any] = result.structured_content["data"]
    return found


def problem(result: CallToolResult) -> str:
    """Return what an error says."""
    assert result.is_error
    (content,) = result.content
    text: str = content.model_dump()["text"]
    return text
