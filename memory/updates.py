"""Knowledge updates: what was taught or corrected of late, for readers who were not there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from memory.journal import Journal
from memory.records import Kind, KnowledgeUpdate, Where

LATELY: Final = timedelta(days=7)
_LONGEST: Final = 300  # characters of one update


def recent_updates(
    journal: Journal, project: str, kinds: Sequence[Kind], limit: int
) -> tuple[KnowledgeUpdate, ...]:
    """Return up to ``limit`` live items of ``kinds`` that are new or changed, newest first.

    New is what came since the project's last run, and all of the last seven days.
    """
    where = Where(project=project, kinds=tuple(kinds), since=_since(journal, project))
    found = [stored for stored in journal.live(where) if stored.may_answer(where)]
    found.sort(key=lambda stored: -stored.seq)
    return tuple(
        KnowledgeUpdate(
            id=stored.id[:8],
            kind=stored.item.kind.value,
            text=_cut(stored.item.text),
            at=stored.updated.isoformat(timespec="seconds"),
        )
        for stored in found[:limit]
    )


def _since(journal: Journal, project: str) -> datetime:
    """Return when the last run was recorded, or seven days ago when that is earlier."""
    lately = datetime.now(UTC) - LATELY
    runs = Where(project=project, kinds=(Kind.EPISODE,))
    if any(journal.live(runs.model_copy(update={"since": lately}))):
        return lately
    return max((stored.updated for stored in journal.live(runs)), default=lately)


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
