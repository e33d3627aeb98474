"""One turn that a user is said to have typed, from wherever it came."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Final, Literal

from pydantic import AwareDatetime

from agents.capture.aftermath import Aftermath
from memory.records import Record

_SEEN: Final = 4_000  # characters kept of an answer, from either end
_FIRST: Final = datetime(2020, 1, 1, tzinfo=UTC)
Origin = Literal["chat", "hook", "run", "cli"]


class Turn(Record):
    """What was typed after ``previous``, the answer before it (empty with the first turn).

    ``key`` names the event: the same event has the same one however often it is told. ``folder``
    is where it was typed and ``file`` the only file that the answer changed, both empty when that
    is not known; ``where`` says where it was found. ``aftermath`` is what became of the answer
    before this was typed.
    """

    text: str
    previous: str = ""
    at: AwareDatetime
    origin: Origin
    where: str = ""
    folder: str = ""
    file: str = ""
    key: str
    aftermath: Aftermath = Aftermath()


def event_key(*parts: str) -> str:
    """Return the key of the event that ``parts`` tell from all others."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def speakable(text: str) -> str:
    """Return ``text`` with a mark for every half of a character that JSON may hold."""
    return text.encode(errors="replace").decode()


def ends(answer: str) -> str:
    """Return the beginning and the end of ``answer``: all that judging a turn looks at."""
    if len(answer) <= 2 * _SEEN:
        return answer
    return f"{answer[:_SEEN]}\n{answer[-_SEEN:]}"


def said_at(at: datetime) -> datetime:
    """Return ``at`` in UTC; now for a time that cannot be, since some clock was wrong."""
    now = datetime.now(UTC)
    return at.astimezone(UTC) if _FIRST <= at <= now else now
