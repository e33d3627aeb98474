"""What may be trained: live knowledge that the user typed or accepted, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from memory.entries import State
from memory.lifecycle import Stage
from memory.records import Item, Kind, Record, Status
from training.dataset.reader import Turn
from training.dataset.scrub import Removed

KINDS: Final = (
    Kind.FACT,
    Kind.CONCEPT,
    Kind.PATTERN,
    Kind.DEFINITION,
    Kind.PREFERENCE,
    Kind.CORRECTION,
    Kind.DECISION,
    Kind.GENERATION,
)
"""What may ever be trained; the rest of the memory is recalled alone."""


class Knowledge(Record):
    """One item of the journal, its state there, and how far it has come."""

    item: Item
    state: State = "live"
    stage: Stage | None = None

    @property
    def id(self) -> str:
        """The item's id in the journal."""
        return self.item.id

    @property
    def problem(self) -> str:
        """Why it may not train, or "".

        What a run wrote may once the user has accepted it, as it was or changed; what a model
        relayed may not, until the user's acceptance makes it the user's own.
        """
        item = self.item
        if self.state != "live":
            return self.state
        if self.stage is Stage.WITHDRAWN:
            return "withdrawn"
        if item.status is Status.REJECTED:
            return "rejected"
        if item.kind is Kind.GENERATION and item.provenance.source == "run":
            accepted = item.data.get("verdict") in ("accept", "modify")
            return "" if accepted else "not accepted"
        if not item.is_typed:
            return f"not typed by the user ({item.provenance.source})"
        return "" if item.kind in KINDS else f"not taught ({item.kind})"


class Transcript(Record):
    """The conversation of one run; ``accepted``: the user has taken over its change.

    ``of`` are the journal's ids of the code that the user kept of it.
    """

    run: str
    messages: tuple[Turn, ...]
    accepted: bool
    of: tuple[str, ...] = ()


def eligible(known: Iterable[Knowledge]) -> tuple[list[Knowledge], list[Removed]]:
    """Return what may train, and the rest with the reasons."""
    kept: list[Knowledge] = []
    removed: list[Removed] = []
    for one in known:
        if why := one.problem:
            removed.append(Removed(id=one.id, why=why))
        else:
            kept.append(one)
    return kept, removed
