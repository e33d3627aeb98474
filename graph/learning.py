"""How learning stands: what was captured, waits for training, was proven; and the last night.

Nights and adapters are read from the state folder where there are any.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field, JsonValue

from memory.lifecycle import Stage
from memory.records import Kind, Record

if TYPE_CHECKING:
    from agents.shared_memory import SharedMemory

_LEFT_OUT: Final = {Kind.CODE, Kind.DOCUMENT, Kind.EPISODE, Kind.PRESERVATION}
LEARNT: Final = tuple(kind for kind in Kind if kind not in _LEFT_OUT)
_NIGHT_TELLS: Final = ("outcome", "why", "adapter", "started", "ended", "advice")


class LearningStatus(Record):
    """Counts of what is live by stage, the adapter that answers, the last night, the next step.

    ``waiting`` says whether hooks have noted what was not taken in yet. ``adapter`` and ``night``
    are empty where there are none.
    """

    stages: dict[str, int]
    waiting: bool
    adapter: str = ""
    night: dict[str, JsonValue] = Field(default_factory=dict)
    next: str

    def words(self) -> str:
        """Return it in a few lines."""
        counts = ", ".join(f"{count} {name}" for name, count in self.stages.items() if count)
        night = ", ".join(f"{name} {value}" for name, value in self.night.items())
        return "\n".join(
            (
                f"learnt: {counts or 'nothing yet'}",
                f"adapter: {self.adapter or 'none; the base model answers'}",
                f"last night: {night or 'none'}",
                f"next: {self.next}",
            )
        )


def learning_status(memory: SharedMemory) -> LearningStatus:
    """Return how learning stands for the project of ``memory``. Blocking.

    Raises:
        StoreUnavailable: the journal cannot be read.
    """
    from agents.capture.spool import is_waiting

    counts = memory.journal.stage_counts(memory.project, [kind.value for kind in LEARNT])
    stages = {stage.value: counts.get(stage, 0) for stage in Stage}
    waiting, night = is_waiting(memory.home), _last_night(memory.home)
    return LearningStatus(
        stages=stages,
        waiting=waiting,
        adapter=_adapter(memory.home),
        night=night,
        next=str(night.get("advice", "")) or _next(counts, waiting),
    )


def _next(counts: dict[Stage, int], waiting: bool) -> str:
    if waiting:
        return "take in what the hooks have noted: mcp-local-llm ingest"
    if counts.get(Stage.DEMOTED):
        return "what failed its probe is recalled again, and queued for the next training"
    if counts.get(Stage.QUEUED):
        return "what is queued is trained in the next training"
    if not any(counts.values()):
        return 'teach: mcp-local-llm teach "a rule in your words"'
    return "what was captured is recalled where it bears on a task: mcp-local-llm insights"


def _adapter(home: Path) -> str:
    """Return the adapter that was promoted last, as the pointer names it."""
    slots = _read(home / "adapters" / "current.json").get("slots")
    last = slots[-1] if isinstance(slots, list) and slots else {}
    return str(last.get("adapter", "")) if isinstance(last, dict) else ""


def _last_night(home: Path) -> dict[str, JsonValue]:
    """Return what the newest night says of itself; one without a report has not ended."""
    begun = sorted((home / "nights").glob("*/begun.json"), key=lambda path: path.stat().st_mtime)
    if not begun:
        return {}
    folder = begun[-1].parent
    told = _read(folder / "report.json")
    facts = {name: told[name] for name in _NIGHT_TELLS if told.get(name)}
    return {"night": folder.name, **(facts or {"outcome": "has not ended"})}


def _read(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; nothing where there is none that can be read."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
