"""A memory of one project with real git, and turns typed in it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from agents.capture.detector import Detector
from agents.capture.intake import Captured, take_turn
from agents.capture.turn import Turn, event_key
from agents.shared_memory import SharedMemory
from memory.project import project_id

Take = Callable[..., Captured]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    return folder


@pytest.fixture
def memory(tmp_path: Path, project: Path) -> Iterator[SharedMemory]:
    with SharedMemory(tmp_path / "home", project_id(project)) as opened:
        yield opened


@pytest.fixture(scope="session")
def detector() -> Detector:
    return Detector()


@pytest.fixture
def take(memory: SharedMemory, detector: Detector) -> Take:
    """Take in one turn as if the user had typed it a second after the one before."""
    numbers = count()

    def taken(text: str, previous: str = "I have changed it.", **more: object) -> Captured:
        number = next(numbers)
        at = datetime(2026, 5, 1, tzinfo=UTC) + timedelta(seconds=number)
        known = {"at": at, "origin": "chat", "where": "a.md", "key": event_key("t", str(number))}
        turn = Turn.model_validate({"text": text, "previous": previous, **known, **more})
        return take_turn(turn, memory, detector)

    return taken


@pytest.fixture
def texts(memory: SharedMemory) -> Callable[[], list[str]]:
    """Return what is live in the memory."""
    return lambda: [stored.item.text for stored in memory.journal.live()]
