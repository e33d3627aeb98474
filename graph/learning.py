"""How learning stands: what was captured, waits for training, was proven; and the last night."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import Field, JsonValue

from agents.adapters.registry import Registry
from graph.night.nights import NightStore
from memory.lifecycle import LEARNT, Stage
from memory.records import Record

if TYPE_CHECKING:
    from agents.shared_memory import SharedMemory

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
        StoreUnavailable: the journal or the pointer to the adapter cannot be read.
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
    slots = Registry(home).pointer().slots
    return slots[-1].adapter if slots else ""


def _last_night(home: Path) -> dict[str, JsonValue]:
    """Return what the newest night says of itself; one without a report has not ended."""
    store = NightStore(home)
    night = next(iter(store.ids()), "")
    if not night:
        return {}
    last = store.last()
    if last is None or last.night != night:
        return {"night": night, "outcome": "has not ended"}
    facts = last.model_dump(mode="json", include=set(_NIGHT_TELLS))
    return {"night": night, **{name: facts[name] for name in _NIGHT_TELLS if facts[name]}}
