"""A door to a small real project, and clients of both protocol eras."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from mcp_server.door import Door
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
