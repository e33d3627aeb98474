"""The record types that enter graph state, disk, the index or the wire."""

from __future__ import annotations

import unicodedata
import uuid
from datetime import datetime
from enum import StrEnum
from itertools import accumulate
from typing import Annotated, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    model_validator,
)

SOURCE: Final = "local_trained_model"
MARKER: Final = r"^[a-z][a-z0-9_-]{0,31}:[A-Za-z0-9_.-]{1,64}$"
"""What a compliance marker looks like: a category of any name, a colon, and what is meant."""
MAX_MARKERS: Final = 16
RUN_ID: Final = r"[A-Za-z0-9][A-Za-z0-9_-]{0,80}"
"""What a run's id looks like: it names folders, refs and branches."""


def has_control(text: str) -> bool:
    """Say whether ``text`` holds a line break, another control character or half a character."""
    return any(unicodedata.category(one) in {"Cc", "Cs"} for one in text)


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


class Statement(Record):
    """A rule or a definition that is in force; ``id`` is what a reply calls it by."""

    id: str
    text: str


class KnowledgeUpdate(Record):
    """Something taught or corrected of late: the item's short id, its kind, and when (ISO)."""

    id: str
    kind: str
    text: str
    at: str


class WindowTokens(Record):
    """How many tokens each part of a context window is."""

    prompt: int = 0
    rules: int = 0
    definitions: int = 0
    updates: int = 0

    @property
    def total(self) -> int:
        """All parts together."""
        return self.prompt + self.rules + self.definitions + self.updates


class ContextWindow(Record):
    """Layer 1: what the next reader of a reply should adopt."""

    prompt_id: str
    active_rules: tuple[Statement, ...] = ()
    definitions: tuple[Statement, ...] = ()
    knowledge_updates: tuple[KnowledgeUpdate, ...] = ()
    tokens: WindowTokens = WindowTokens()


class Compliance(Record):
    """Whether a rule is kept, as far as that was found out.

    ``rule`` is its id in the run, ``marker`` the compliance marker that stands for it; one of the
    two may be empty. ``why`` says what was found, or why nothing was.
    """

    rule: str = ""
    marker: str = ""
    verdict: Literal["verified", "violated", "unverified"] = "unverified"
    why: str = ""


class ReplyTags(Record):
    """Layer 2: where a reply comes from, what it touched, and which rules it follows.

    ``rules`` are the ids of those that the reply says it follows, ``markers`` are ``concept:*``,
    ``pattern:*``, ``definition:*`` or of another category; ``compliance`` says of each what it is
    worth.
    """

    source: str = SOURCE
    model: str = ""
    adapter: str | None = None
    levels: tuple[PreservationTag, ...] = ()
    rules: tuple[str, ...] = ()
    markers: tuple[Annotated[str, StringConstraints(pattern=MARKER)], ...] = Field(
        default=(), max_length=MAX_MARKERS
    )
    compliance: tuple[Compliance, ...] = ()


class Check(Record):
    """How it is found out whether a change keeps a rule: by exactly one of three.

    ``regex`` and ``query`` (tree-sitter's language) look at the changed files that the glob
    ``paths`` names: with ``not_match`` no fresh line may match, with ``match`` each of these files
    has to. ``command`` has to end with 0. ``marker`` is the compliance marker that it verifies.
    """

    regex: str = Field(default="", max_length=1_000)
    query: str = Field(default="", max_length=4_000)
    command: tuple[str, ...] = Field(default=(), max_length=64)
    must: Literal["match", "not_match"] = "not_match"
    paths: str = Field(default="**", min_length=1, max_length=400)
    marker: str = Field(default="", pattern=f"^$|{MARKER}")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(map(bool, (self.regex, self.query, self.command))) != 1:
            raise ValueError("a check is one of a regex, a query and a command")
        return self


class Insight(Record):
    """One piece of knowledge, in the words it should be recalled in."""

    text: str = Field(min_length=1)
    kind: str = "fact"
    scope: str = "project"


class Recalled(Record):
    """An insight as recalled for a query; a higher ``score`` is nearer (0..1).

    ``check`` is how its keeping is found out, when the insight is a rule that can be checked;
    ``item`` is the id of the item it comes from, if it is one.
    """

    insight: Insight
    score: float
    why: str
    check: Check | None = None
    item: str = ""


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
    SUCCESS = "success"
    FAILURE = "failure"
    GENERATION = "generation"
    DECISION = "decision"
    DEBUGGING = "debugging"


class Status(StrEnum):
    """How far an item has been confirmed."""

    UNVALIDATED = "unvalidated"
    VALIDATED = "validated"
    REJECTED = "rejected"


Source = Literal["user", "chat", "relayed", "run", "index", "import", "night"]


class Provenance(Record):
    """Who said it and where: a run id, a file with line, a command.

    ``user`` was typed by the user at a command line of ours, ``chat`` by the user in a prompt or a
    transcript of another tool; ``relayed`` was worded by a model that says what the user wants.
    """

    source: Source = "user"
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
    def check(self) -> Check | None:
        """How the keeping of this rule is found out; None when ``data`` holds no usable check."""
        try:
            return Check.model_validate(self.data["check"])
        except (KeyError, ValidationError):
            return None

    @property
    def is_typed(self) -> bool:
        """Whether the user typed it."""
        return self.provenance.source in {"user", "chat"}

    @property
    def trainable(self) -> bool:
        """Whether it may enter a training set: typed by the user, and not rejected."""
        return self.is_typed and self.status is not Status.REJECTED

    def line(self, longest: int = MAX_TEXT) -> str:
        """Return in one line what it says, in ``longest`` characters, and where that holds.

        What cannot be printed is left out: a reader would not see what a model reads.
        """
        text, scope = _in_a_line(self.text)[:longest], _in_a_line(self.scope)
        return f"{text} (in {scope})" if scope else text

    @property
    def id(self) -> str:
        """The same content has the same id on every machine (uuid5 of project, kind and key)."""
        key = self.key or " ".join(self.text.split()).casefold()
        return str(uuid.uuid5(_NAMESPACE, "\0".join((self.project, self.kind, self.scope, key))))


def _in_a_line(text: str) -> str:
    return "".join(one for one in " ".join(text.split()) if one.isprintable())


class DocumentClass(StrEnum):
    """What a text is about: source text, what happened when it ran, or neither."""

    CODE = "code"
    RUNTIME = "runtime"
    GENERAL = "general"


class Where(Record):
    """Which items a search is about; what is left out does not narrow it.

    ``project`` finds that project's items and those that hold everywhere. ``scope`` is a folder or
    file from the project's root, or any other name of a part; see ``scopes``.
    """

    project: str | None = None
    kinds: tuple[Kind, ...] = ()
    levels: tuple[Level, ...] = ()
    statuses: tuple[Status, ...] = ()
    scope: str | None = None
    about: DocumentClass | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that answer: none, ``scope`` and the folders above it; nothing means any."""
        if self.scope is None:
            return ()
        folders = accumulate(self.scope.strip("/").split("/"), "{}/{}".format)
        return tuple(dict.fromkeys(("", *folders)))


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
