"""The record types that enter graph state, disk, the index or the wire."""

from __future__ import annotations

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

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


MAX_TEXT: Final = 1_000_000  # characters of one item
_NAMESPACE: Final = uuid.UUID("6f1d4f6e-4a0b-5c43-9a53-2f6d0f2f7a51")


class Kind(StrEnum):
    """What an item of the memory is."""

    FACT = "fact"
    CONCEPT = "concept"
    PATTERN = "pattern"
    DEFINITION = "definition"
    PREFERENCE = "preference"
    CORRECTION = "correction"
    PRESERVATION = "preservation"
    DOCUMENT = "document"
    CODE = "code"
    EPISODE = "episode"


class Status(StrEnum):
    """How far an item has been confirmed."""

    UNVALIDATED = "unvalidated"
    VALIDATED = "validated"
    REJECTED = "rejected"


class Provenance(Record):
    """Who said it and where: a run id, a file with line, a command."""

    source: Literal["user", "run", "index", "import", "night"] = "user"
    where: str = ""


class Item(Record):
    """One piece of what is known, as the journal holds it.

    ``project`` is empty for what holds everywhere. ``key`` says what makes two items the same one
    (a file's path and symbol, for example); without it that is the text, apart from case and white
    space. ``data`` holds the kind's own fields.
    """

    kind: Kind = Kind.FACT
    text: str = Field(min_length=1, max_length=MAX_TEXT)
    project: str = ""
    scope: str = ""
    key: str = ""
    confidence: float = Field(default=1.0, ge=0, le=1)
    status: Status = Status.UNVALIDATED
    level: Level | None = None
    provenance: Provenance = Provenance()
    data: dict[str, JsonValue] = Field(default_factory=dict)

    @property
    def id(self) -> str:
        """The same content has the same id on every machine (uuid5 of project, kind and key)."""
        key = self.key or " ".join(self.text.split()).casefold()
        return str(uuid.uuid5(_NAMESPACE, "\0".join((self.project, self.kind, self.scope, key))))


class Where(Record):
    """Which items a search is about; what is left out does not narrow it.

    ``project`` finds that project's items and those that hold everywhere.
    """

    project: str | None = None
    kinds: tuple[Kind, ...] = ()
    levels: tuple[Level, ...] = ()
    statuses: tuple[Status, ...] = ()
    scope: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class OwnerStatus(Record):
    """How the memory's index is; ``index`` names the server it is on, empty when it is embedded.

    ``applied`` is the journal's position it shows, ``pending`` the number of operations after that;
    ``problem`` says why it does not go on.
    """

    state: Literal["starting", "ready", "failed"]
    problem: str = ""
    index: str = ""
    applied: int = 0
    pending: int = 0
    points: int = 0
    embedder: str = ""
    dimension: int = 0
