"""From a turn to what is known: what the user taught, and how the answer before was taken.

Only what was typed teaches: what was pasted, quoted or put in by a program is left out before
anything else is looked at. Whatever comes of a turn is stored in one transaction with the turn's
key, so that the same turn counts once, whoever tells it and whenever it is broken off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from agents.capture.conflicts import resolve
from agents.capture.cues import TURN
from agents.capture.decided import decision_in, pattern_in
from agents.capture.detector import Detection, Detector, Label
from agents.capture.feeling import Feelings, Polarity
from agents.capture.parts import Parts, take_apart
from agents.capture.rules import rules_of
from agents.capture.turn import Turn, said_at
from agents.shared_memory import TOLD, SharedMemory
from mcp_local_llm import UsageError
from memory.project import project_id
from memory.records import Item, Kind, Provenance, Record, Status, Where
from memory.secrets import find_secrets
from memory.signals import Signal

_HELD_BACK: Final = "holds a secret"
# What mends one answer contradicts no rule for every task, nor another answer's.
OPPOSABLE: Final = frozenset({Kind.PREFERENCE, Kind.DEFINITION, Kind.PATTERN})
_BATCH: Final = 32  # turns that an embedding model is given at once
_WORDS: Final = 2_000  # characters kept of the user's own words
_SURE: Final = 0.8  # what is said in praise or anger has to be this surely a teaching
_RELAYED_WORDS: Final = 3  # a shorter text is found in a prompt by chance
_WORD: Final = re.compile(r"\w+")
_SENTENCE: Final = re.compile(r"[^.!?\n]+[.!?\n]?")
_DENIED: Final = re.compile(
    r"\b(?:no|not|never|dont|doesnt|wont|cannot|cant|shouldnt|mustnt|without|stop|avoid|instead|"
    r"than|why|if|nicht|nie|kein\w*|ne|pas|nunca)\b"
)
_REWARDS: Final[Mapping[str, float]] = {
    Label.REJECTION: -1.0,
    Label.CORRECTION: -0.5,
    Label.FRUSTRATION_ONLY: -0.5,
    Label.APPROVAL: 0.5,  # praise counts twice as much as consent
}
"""The reward of an answer by what the turn after it is; a flag counts where the label does not."""


class Captured(Record):
    """What came of one turn.

    ``learnt`` is what it taught. ``accepted`` are the ids of what a model had relayed and the user
    has now typed, ``replaced`` of what the learnt took the place of. ``reward`` is the answer's
    before it. ``refused`` says why nothing was learnt though something might have, else empty.
    """

    key: str
    label: str = ""
    learnt: tuple[Item, ...] = ()
    accepted: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    reward: float | None = None
    refused: str = ""


@dataclass(slots=True)
class _Known:
    """What a project's memory holds that a turn may bear on; kept up with what turns add."""

    project: str
    items: dict[str, Item] = field(default_factory=dict)

    @classmethod
    def of(cls, memory: SharedMemory, project: str) -> _Known:
        live = memory.journal.live(Where(project=project, kinds=TOLD))
        return cls(project, {stored.id: stored.item for stored in live})


def take_turn(turn: Turn, memory: SharedMemory, detector: Detector) -> Captured:
    """Store what came of one turn; see ``take_turns``."""
    return next(take_turns([turn], memory, detector))


def take_turns(
    turns: Sequence[Turn], memory: SharedMemory, detector: Detector, *, dry_run: bool = False
) -> Iterator[Captured]:
    """Store what came of each turn, and yield it; with ``dry_run`` nothing is stored.

    Later turns win over earlier ones, so they should come in order. What a turn teaches holds for
    the project of its folder, else for that of ``memory``. A turn that would leave a secret in the
    journal leaves its key alone there, and the rest go on.

    Raises:
        StoreUnavailable: the journal cannot be read or written.
    """
    known: dict[str, _Known] = {}
    for start in range(0, len(turns), _BATCH):
        batch = turns[start : start + _BATCH]
        seen = memory.journal.seen(turn.key for turn in batch)
        wanted = {turn.key: turn for turn in batch if turn.key not in seen}
        found = detector.detect_all([(turn.previous, turn.text) for turn in wanted.values()])
        detected = dict(zip(wanted, found, strict=True))
        for turn in batch:
            detection = detected.pop(turn.key, None)
            if detection is None:
                yield Captured(key=turn.key, refused="seen before")
            elif turn.folder and not Path(turn.folder).is_dir():
                yield Captured(key=turn.key, refused="its folder is gone")
            else:
                project = project_id(Path(turn.folder)) if turn.folder else memory.project
                if project not in known:
                    known[project] = _Known.of(memory, project)
                one = _Taking(turn, detection, known[project])
                yield one.stored(None) if dry_run else one.kept(memory)


class _Taking:
    """One turn on its way into the memory."""

    def __init__(self, turn: Turn, detection: Detection, known: _Known) -> None:
        self._turn = turn
        self._detection = detection
        self._known = known
        self._parts = take_apart(turn.text)

    def kept(self, memory: SharedMemory) -> Captured:
        """Store what comes of the turn, else that there was one: it must not hold up the rest."""
        try:
            return self.stored(memory)
        except UsageError:
            memory.journal.take(self._turn.key)
            return Captured(key=self._turn.key, refused=_HELD_BACK)

    def stored(self, memory: SharedMemory | None) -> Captured:
        """Store what comes of the turn, where there is a memory, and return it."""
        refused = self._refusal()
        is_secret = refused == _HELD_BACK
        items = [] if refused else self._taught()
        accepted = [] if is_secret else self._accepted()
        signal = None if is_secret else self._signal()
        replaced = self._replaced(items)
        everything = list({item.id: item for item in (*accepted, *items)}.values())
        if memory is not None:
            signals = [] if signal is None else [signal]
            memory.journal.take(self._turn.key, everything, signals, replaced)
        self._known.items |= {item.id: item for item in everything}
        losers = {old for old, _, _ in replaced}
        for old in losers:
            self._known.items.pop(old, None)
        learnt = tuple(item for item in items if item.id not in losers)
        if items and not learnt:
            refused = "contradicts what you have taught"
        return Captured(
            key=self._turn.key,
            label=self._detection.label,
            learnt=learnt,
            accepted=tuple(item.id for item in accepted),
            replaced=tuple(sorted(losers)),
            reward=signal.reward if signal else None,
            refused=refused,
        )

    def _replaced(self, items: Sequence[Item]) -> list[tuple[str, str, str]]:
        """Return the losers of contradictions with their winners and the reasons.

        What was said last wins, also when an old chat is read after a newer one.
        """
        replaced: list[tuple[str, str, str]] = []
        olds = {i: one for i, one in self._known.items.items() if one.kind in OPPOSABLE}
        for item in items:
            if item.kind not in OPPOSABLE:
                continue
            met = resolve(item, list(olds.values()))
            later = [i for i in met.superseded if _said(olds[i]) > _when(self._turn)]
            winner = met.yields_to or (later[0] if later else "")
            if winner:
                replaced.append((item.id, winner, met.why or met.superseded[winner]))
            else:
                replaced += [(old, item.id, why) for old, why in met.superseded.items()]
                olds[item.id] = item
        return replaced

    def _refusal(self) -> str:
        """Return why the turn teaches nothing, though it may look so; empty when it may teach."""
        if find_secrets(self._turn.text):
            return _HELD_BACK
        if not self._parts.typed.strip():
            return "nothing typed"
        return "may be sarcasm" if _is_double_edged(self._detection, self._parts) else ""

    def _taught(self) -> list[Item]:
        """Return what the turn teaches or decides and is not known yet."""
        said = Provenance(
            source="chat" if self._turn.origin in {"chat", "hook"} else "user",
            where=self._turn.where,
        )
        items = self._recorded(said)
        if _teaches(self._detection):
            rules = rules_of(self._parts.typed, path=self._turn.file)
            items += [self._sure(rule.item(self._known.project, said)) for rule in rules]
        return [item for item in items if not self._is_known(item)]

    def _recorded(self, said: Provenance) -> list[Item]:
        """Return what the turn decides, and the code that it shows as a pattern."""
        records = (decision_in(self._parts.typed, self._turn.previous), pattern_in(self._turn.text))
        more = {"words": self._parts.typed[:_WORDS], "said": _when(self._turn)}
        items = (record.item(self._known.project) for record in records if record is not None)
        return [
            item.model_copy(update={"provenance": said, "data": {**item.data, **more}})
            for item in items
        ]

    def _sure(self, item: Item) -> Item:
        """Return ``item`` no surer than the turn is a teaching; what mends one answer is no rule
        for every task."""
        once = self._detection.label is Label.CORRECTION and "teaching" not in self._detection.flags
        kind = Kind.CORRECTION if once and item.kind is Kind.PREFERENCE else item.kind
        words = str(item.data.get("words", ""))[:_WORDS]
        return item.model_copy(
            update={
                "kind": kind,
                "confidence": round(item.confidence * self._detection.confidence, 3),
                "data": {**item.data, "words": words, "said": _when(self._turn)},
            }
        )

    def _is_known(self, item: Item) -> bool:
        """Say whether it is known at least as surely, or the user has said no to it."""
        held = self._known.items.get(item.id)
        if held is None or held.provenance.source == "relayed":
            return False
        return held.status is Status.REJECTED or held.confidence >= item.confidence

    def _accepted(self) -> list[Item]:
        """Return what a model relayed and this turn says in the same words, as the user's own."""
        typed = self._parts.typed
        where = f"typed in {self._turn.where}".strip()
        return [
            item.model_copy(update={"provenance": Provenance(source="user", where=where)})
            for item in self._known.items.values()
            if item.provenance.source == "relayed" and _says(typed, item.text)
        ]

    def _signal(self) -> Signal | None:
        reward = _reward(self._detection)
        if reward is None or not self._parts.typed.strip():
            return None
        angry = self._detection.emotion == "frustration"
        if reward > 0 and (angry or _is_double_edged(self._detection, self._parts)):
            return None  # praise in anger is mockery
        return Signal(
            key=f"turn:{self._turn.key}",
            at=said_at(self._turn.at),
            project=self._known.project,
            source="run" if self._turn.origin in {"run", "cli"} else self._turn.origin,
            target=self._turn.key,
            reward=reward,
            feeling=_feeling(self._detection, self._parts.typed),
            evidence={
                "label": self._detection.label,
                "confidence": self._detection.confidence,
                "where": self._turn.where,
                **self._turn.aftermath.evidence,
            },
        )


def _teaches(detection: Detection) -> bool:
    return detection.label in {Label.TEACHING, Label.CORRECTION} or "teaching" in detection.flags


def _is_double_edged(detection: Detection, parts: Parts) -> bool:
    """Say whether a teaching may be mockery: words of it, praise or anger, and not quite sure."""
    scores = detection.scores
    sharp = max(scores["approve"], scores["anger"]) > 0.5 and scores["teach"] < _SURE
    return _teaches(detection) and sharp and bool(TURN["sarcasm"].search(parts.typed))


def _reward(detection: Detection) -> float | None:
    is_praise = detection.label is Label.APPROVAL and detection.emotion == "satisfaction"
    said = (detection.label, *detection.flags)
    return 1.0 if is_praise else next((_REWARDS[each] for each in said if each in _REWARDS), None)


def _feeling(detection: Detection, typed: str) -> float | None:
    """Return what was felt, from -1 to 1; None when nothing was shown.

    Anger at an answer is what the detector was made for; the rest is in the words.
    """
    if detection.emotion == "frustration":
        return -detection.scores["anger"]
    felt = _feelings().read([typed])[0]
    return None if felt.polarity is Polarity.NEUTRAL else felt.value


@cache
def _feelings() -> Feelings:
    return Feelings()


def _when(turn: Turn) -> str:
    return said_at(turn.at).isoformat(timespec="seconds")


def _said(item: Item) -> str:
    """Return when the item was typed, in UTC; empty, which is before all, when that is unknown."""
    return str(item.data.get("said", ""))


def _plain(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold().replace("'", "").replace("’", "")))


def _says(typed: str, text: str) -> bool:
    """Say whether one sentence of ``typed`` holds the words of ``text``, and means them."""
    words = _plain(text)
    if len(words.split()) < _RELAYED_WORDS:
        return False
    for sentence in _SENTENCE.findall(typed):
        before, found, _ = f" {_plain(sentence)} ".partition(f" {words} ")
        if found and not sentence.rstrip().endswith("?") and not _DENIED.search(before):
            return True
    return False
