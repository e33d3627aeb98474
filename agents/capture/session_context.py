"""What Cursor is told of a project when a session starts: a file that its hook reads.

It is written whenever what is known has changed, so that the hook needs nothing but this file.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

import prompts
from memory.private import private_folder
from memory.records import Kind, Where
from memory.secrets import redacted
from memory.updates import recent_updates
from memory.whole_file import write_whole

if TYPE_CHECKING:
    from agents.shared_memory import SharedMemory
    from memory.journal import Journal

_RULES: Final = 40  # of each kind, the newest
_NEWS: Final = 10
_LINE: Final = 500  # characters of one text
_LONGEST: Final = 12_000  # characters of the whole
_TOLD: Final = (Kind.FACT, Kind.CONCEPT, Kind.PATTERN, Kind.CORRECTION, Kind.DECISION)


def session_file(home: Path, project: str) -> Path:
    """Return where the hook looks for what is known of ``project``."""
    return home / "hooks" / "sessions" / f"{project}.txt"


def refresh_session(memory: SharedMemory) -> bool:
    """Write what a session is to know, where hooks are installed, and say whether that changed.

    Besides the project of ``memory`` those have their file renewed that have one: what holds
    everywhere is theirs as well. That a file cannot be written is logged and harms nobody.

    Raises:
        StoreUnavailable: the journal cannot be read.
    """
    own = session_file(memory.home, memory.project)
    if not own.parents[1].is_dir():
        return False
    changed = [_refresh(memory.journal, file) for file in {own, *own.parent.glob("*.txt")}]
    return any(changed)


def _refresh(journal: Journal, file: Path) -> bool:
    text = _text(journal, file.stem)
    try:
        if file.exists() and file.read_text(encoding="utf-8") == text:
            return False
        private_folder(file.parent)
        write_whole(file, text)
    except (OSError, UnicodeDecodeError) as error:
        structlog.get_logger().warning("session_context.not_written", error=str(error))
        return False
    return True


def _text(journal: Journal, project: str) -> str:
    def said(kind: Kind) -> list[str]:
        where = Where(project=project, kinds=(kind,))
        found = [each for each in journal.live(where) if each.may_answer(where)]
        newest = sorted(found, key=lambda stored: -stored.seq)[:_RULES]
        return [each.item.line(_LINE) for each in reversed(newest)]

    news = recent_updates(journal, project, _TOLD, _NEWS)
    text = prompts.render(
        "cursor/session",
        rules=said(Kind.PREFERENCE),
        definitions=said(Kind.DEFINITION),
        news=[f"{each.kind}: {' '.join(each.text.split())[:_LINE]}" for each in news],
    )
    return redacted(text)[:_LONGEST] + "\n"
