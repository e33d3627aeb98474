"""The record types that enter graph state, disk, the index or the wire."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

SOURCE: Final = "local_trained_model"


class Record(BaseModel):
    """Base of all records: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Level(StrEnum):
    """How much of a region may change (see the preservation documentation)."""

    STRICT = "strict"
    MODERATE = "moderate"
    FLEXIBLE = "flexible"


class PreservationTag(Record):
    """A region of the workspace and what may change in it.

    ``region`` is ``path`` or ``path::symbol``, relative to the workspace, with ``/``.
    """

    region: str = Field(min_length=1)
    level: Level


class ContextWindow(Record):
    """Layer 1: what the next reader of a reply should adopt."""

    prompt_id: str
    active_rules: tuple[str, ...] = ()
    knowledge_updates: tuple[str, ...] = ()


class ReplyTags(Record):
    """Layer 2: where a reply comes from, what it touched, and which rules it follows.

    ``markers`` are ``concept:*``, ``pattern:*`` or ``definition:*``.
    """

    source: str = SOURCE
    model: str = ""
    adapter: str | None = None
    levels: tuple[PreservationTag, ...] = ()
    markers: tuple[str, ...] = ()


class Insight(Record):
    """One piece of knowledge, in the words it should be recalled in."""

    text: str = Field(min_length=1)
    kind: str = "fact"
    scope: str = "project"


class Recalled(Record):
    """An insight as recalled for a query; a higher ``score`` is nearer (0..1)."""

    insight: Insight
    score: float
    why: str
