"""What was lived through while working: successes, failures, corrections, decisions, bugs.

Each record becomes one item. Its text is what is recalled, with long parts shortened; ``data``
holds the parts for learning, up to a bound. What looks like a secret is replaced by its kind in
both.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar, Final, Literal

from pydantic import AwareDatetime, Field, JsonValue

from memory.records import Item, Kind, Provenance, Record
from memory.replay import content_hash
from memory.secrets import redacted

_SHOWN: Final = 1_000  # characters of one part in an item's text
_KEPT: Final = 20_000  # characters of one part in an item's data
_MANY: Final = 50  # files or constraints

CorrectionType = Literal[
    "style", "naming", "logic", "api", "structure", "tests", "docs", "scope", "fact", "other"
]


class Experience(Record):
    """Base of the records: when, who says so, where (a run, a file), and which files it is about.

    ``at`` is kept in UTC.
    """

    kind: ClassVar[Kind]

    at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    source: Literal["user", "chat", "relayed", "run"] = "run"
    where: str = ""
    files: tuple[str, ...] = ()

    def item(self, project: str) -> Item:
        """Return the experience as an item of ``project``; the same content is the same item."""
        said = self.model_dump(mode="json", exclude={"at", "source", "where"})
        parts = {name: _clean(value, _KEPT) for name, value in said.items()}
        shown = [
            f"{name.replace('_', ' ')}: {_line(value)}"
            for name, value in parts.items()
            if value not in (None, "", [])
        ]
        return Item(
            kind=self.kind,
            text="\n".join(shown),
            project=project,
            key=content_hash(self.model_dump_json(exclude={"at", "source"})),
            provenance=Provenance(source=self.source, where=redacted(self.where)),
            data={**parts, "at": self.at.astimezone(UTC).isoformat(timespec="seconds")},
        )


class Success(Experience):
    """Something that worked out; ``rating`` from 1 to 5."""

    kind = Kind.SUCCESS

    task: str = Field(min_length=1)
    approach: str = ""
    rating: int = Field(ge=1, le=5)


def rating(reward: float) -> int:
    """Return a ``reward`` from -1 to 1 as a rating from 1 to 5."""
    return round(3 + 2 * reward)


class Failure(Experience):
    """Something that did not; ``context`` is what surrounded the error: code, output, attempts."""

    kind = Kind.FAILURE

    task: str = Field(min_length=1)
    error: str = Field(min_length=1)
    context: str = ""


class CorrectionRecord(Experience):
    """What was wrong and what is right instead: a negative example and its target."""

    kind = Kind.CORRECTION

    original: str = Field(min_length=1)
    corrected: str = Field(min_length=1)
    type: CorrectionType = "other"
    comment: str = ""


class CodePattern(Experience):
    """Code that is written like this here, and when."""

    kind = Kind.PATTERN

    name: str = Field(min_length=1)
    use: str = ""
    code: str = Field(min_length=1)
    language: str = ""


class Generation(Experience):
    """Code that was written for a task, and what became of it; ``satisfaction`` from -1 to 1.

    None: it is not known. ``final_code`` is what stood there in the end, if that is something else.
    """

    kind = Kind.GENERATION

    task: str = Field(min_length=1)
    context: str = ""
    code: str
    verdict: Literal["accept", "reject", "modify"]
    final_code: str = ""
    compiles: bool | None = None
    tests_pass: bool | None = None
    satisfaction: float | None = Field(default=None, ge=-1, le=1)


class ArchitectureDecision(Experience):
    """A choice on how to build something: what was suggested, what was chosen, how it went.

    ``constraints`` are the reasons that were given; what nobody said is empty.
    """

    kind = Kind.DECISION

    problem: str = ""
    constraints: tuple[str, ...] = ()
    suggested: str = ""
    chosen: str = Field(min_length=1)
    outcome: str = ""


class Debugging(Experience):
    """A fault that was found; ``effectiveness`` of the fix from 0 to 1, None when not known."""

    kind = Kind.DEBUGGING

    symptoms: str = Field(min_length=1)
    context: str = ""
    approach: str = ""
    root_cause: str = ""
    fix: str = Field(min_length=1)
    effectiveness: float | None = Field(default=None, ge=0, le=1)


def _clean(value: JsonValue, longest: int) -> JsonValue:
    """Return ``value`` without secrets and, after that, shortened: half a secret is none."""
    if isinstance(value, str):
        clean = redacted(value.strip())
        return clean if len(clean) <= longest else clean[: longest - 1] + "…"
    if isinstance(value, list):
        return [_clean(one, _SHOWN) for one in value[:_MANY]]
    return value


def _line(value: JsonValue) -> str:
    """Return one part as it stands in the text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))[:_SHOWN]
    return str(_clean(value, _SHOWN))
