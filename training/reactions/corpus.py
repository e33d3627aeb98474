"""The labelled turns, and which of the classifier's questions each answers with yes."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from pydantic import ConfigDict, ValidationError

from mcp_local_llm import UsageError
from memory.records import Record

CORPUS: Final = Path(__file__).parent / "corpus.jsonl"
_JOINTS: Final = (". ", "\n", " ", ", ", ".\n\n", "... ")
_FIX: Final = frozenset({"correction", "rejection"})
_Labelled = TypeVar("_Labelled", bound=Record)


class Turn(Record):
    """One labelled pair of an answer and the user turn after it; other fields are not looked at."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    text: str
    label: str
    flags: tuple[str, ...] = ()
    prev_assistant: str | None = ""
    prev_assistant_tail: str | None = ""
    scene: int = 0
    repo: str = ""
    stratum: str = ""

    @property
    def previous(self) -> str:
        """The answer before it: its beginning, and its end where that is given apart."""
        head, tail = self.prev_assistant or "", self.prev_assistant_tail or ""
        return head if not tail or tail in head else f"{head}\n{tail}"


def _labelled(*names: str) -> Callable[[Turn], bool]:
    return lambda turn: turn.label in names or not set(names).isdisjoint(turn.flags)


HOLDS: Final[dict[str, Callable[[Turn], bool]]] = {
    "fix": lambda turn: turn.label in _FIX or "correction" in turn.flags,
    "teach": _labelled("teaching"),
    "approve": _labelled("approval"),
    "anger": _labelled("frustration_only", "frustration"),
    "rejection": lambda turn: turn.label == "rejection",
    "accepts": lambda turn: turn.label == "approval",
    **{
        name: _labelled(name)
        for name in ("directive_fix", "defect_report", "preference", "go_ahead", "question")
    },
}
"""What each head of the classifier is asked of a turn."""


def read_turns(path: Path = CORPUS) -> list[Turn]:
    """Return the labelled turns in ``path``, one JSON object per line.

    Raises:
        UsageError: the file cannot be read, or a line is no labelled turn; the line is named.
    """
    return read_labelled(path, Turn)


def read_labelled(path: Path, kind: type[_Labelled]) -> list[_Labelled]:
    """Return the records of a ``kind`` in ``path``, one JSON object per line.

    Raises:
        UsageError: the file cannot be read, or a line is no such record; the line is named.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {str(path)!r} ({error}); name a JSONL file") from error
    records = []
    for number, line in enumerate(lines, 1):
        try:
            records.append(kind.model_validate_json(line))
        except ValidationError as error:
            what = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise UsageError(
                f"line {number} of {str(path)!r} is no labelled {kind.__name__.lower()} ({what})"
            ) from None
    return records


def joined(turns: Sequence[Turn], seed: int) -> list[Turn]:
    """Return each turn together with another of its scene, or with a wish from anywhere.

    Real turns say several things at once. Of two that are joined, the flags of both hold.
    """
    chance = random.Random(seed)  # noqa: S311  # a seeded choice is the point
    scenes: dict[int, list[Turn]] = defaultdict(list)
    for turn in turns:
        scenes[turn.scene].append(turn)
    wishes = [turn for turn in turns if turn.label == "neutral_request"]
    pairs = []
    for turn in turns:
        other = chance.choice(scenes[turn.scene] if chance.random() < 0.5 else wishes)
        first, second = (turn, other) if chance.random() < 0.7 else (other, turn)
        if other is not turn:
            pairs.append(_join(first, second, chance.choice(_JOINTS)))
    return pairs


def _join(first: Turn, second: Turn, joint: str) -> Turn:
    flags = {*first.flags, *second.flags, first.label, second.label} - {"neutral_request"}
    if flags & _FIX:
        flags.add("correction")
    return Turn(
        text=first.text.rstrip(".") + joint + second.text,
        label="neutral_request",
        flags=tuple(sorted(flags)),
        prev_assistant=first.prev_assistant,
        scene=first.scene,
    )
