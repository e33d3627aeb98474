"""A turn and the answer before it as numbers: named features, and hashed n-grams of the words.

Nothing here is learnt, and the same input gives the same numbers on every machine.
"""

from __future__ import annotations

import re
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agents.capture.cues import ANSWER, TURN
from agents.capture.parts import Parts

HASHED: Final = 4096
_WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?|\d+|[!?]+|[,.:]")
_CONTENT: Final = re.compile(r"[^\W\d_]{4,}")
_CAPITALS: Final = re.compile(r"\b[A-Z]{3,}\b")
_IDENTIFIER: Final = re.compile(
    r"`[^`]+`|\b\w+\.\w{1,4}\b|\b\w+_\w+\b|\b[a-z]+[A-Z]\w*\b|\b\w+/\w+"
)
_NUMBERED: Final = re.compile(r"(?:^|\n)\s*(?:\d+[.)]|[-*])\s")
_ENDING: Final = 300  # characters at its end, where it asks or offers
_ANSWER_SEEN: Final = 2_000  # characters from either end of the answer
_ENDS: Final = ("asks", "proposes")  # signs that are looked for where the answer ends
_MEASURES: Final = (
    "bias_answer",
    "length",
    "short",
    "very_short",
    "long",
    "lines",
    "list",
    "capitals",
    "question_marks",
    "identifiers",
    "digits",
    "pasted",
    "pasted_error",
    "only_pasted",
    "machine",
    "only_machine",
    "quoted",
    "mention",
    "overlap",
    "overlap_end",
    "new_words",
    "answer_length",
    "lower_start",
    "ends_dot",
    "ends_colon",
)
_CROSSED: Final = {
    "claims_done": (
        "not_working", "symptom", "i_get", "when_i", "should", "x_not_y", "pasted_error",
        "too_much", "instead", "more_less", "only", "short", "begins_task", "begins_question",
        "error_word", "overlap",
    ),
    "asks": (
        "short", "very_short", "begins_yes", "go_ahead", "option", "begins_no", "list",
        "begins_task", "dont_do", "overlap_end", "answers", "should", "begins_but",
    ),
    "offers": (
        "short", "very_short", "go_ahead", "begins_yes", "begins_task", "option", "begins_no",
        "overlap_end", "consents", "begins_praise",
    ),
    "proposes": (
        "short", "very_short", "long", "begins_yes", "begins_task", "task_verb", "consents_to",
        "yes_points", "overlap_end", "overlap", "ends_question", "begins_question", "dont_do",
        "begins_no", "should", "changed_mind", "also_next", "list",
    ),
    "announces": ("begins_no", "begins_task", "should", "short", "stop", "dont_do"),
    "long": (
        "should", "always", "all_every", "dont_do", "begins_task", "symptom", "not_working",
        "of_the_product", "praise", "request", "but_inside", "bids_always",
    ),
    "begins_task": ("always", "all_every", "dont_do", "only", "of_the_product"),
    "of_the_product": ("always", "bids_always", "should"),
    "thanks": ("ends_question", "begins_task", "request", "task_verb", "very_short"),
    "praise": ("ends_question", "begins_task", "request", "but_inside", "sarcasm", "long"),
    "pasted_error": ("how_do_i", "ends_question", "when_i", "still", "also_next"),
}  # fmt: skip
_OPINION: Final = (
    "begins_no",
    "not_working",
    "wrong",
    "should",
    "dont_do",
    "instead",
    "symptom",
    "too_much",
)
_WISH: Final = ("begins_task", "request", "also_next", "begins_question", "ends_question")
NAMES: Final = (
    *(f"turn:{name}" for name in TURN),
    *(f"answer:{name}" for name in ANSWER),
    *_MEASURES,
    *(f"{a}*{b}" for a, others in _CROSSED.items() for b in others),
    *(f"{a}*{b}" for a in _OPINION for b in _WISH),
)

_NAMED_SCALE: Final = 0.8  # how much a named feature counts beside the words
_HASHED_SCALE: Final = 2.0
_EMBEDDED: Final = 1_000  # characters that an embedding model is given
FINGERPRINT: Final = f"{zlib.crc32('|'.join(NAMES).encode()):08x}-{HASHED}"
"""Weights hold for the features of this fingerprint alone."""


def words_and_cues(parts: Parts, answer: str) -> NDArray[np.float32]:
    """Return the row of a classifier: named features, then hashed words."""
    return np.concatenate([named(parts, answer) * _NAMED_SCALE, hashed(parts) * _HASHED_SCALE])


def read_by_model(parts: Parts) -> str:
    """Return what of a turn is embedded: its beginning, of what was typed if anything was."""
    return (parts.typed or parts.pasted)[:_EMBEDDED]


def named(parts: Parts, answer: str) -> NDArray[np.float32]:
    """Return one number in about -1..2 per entry of ``NAMES``."""
    turn = {name: float(bool(cue.search(parts.typed))) for name, cue in TURN.items()}
    said = _ends(answer)
    before = {name: float(bool(cue.search(said))) for name, cue in ANSWER.items()}
    for name in _ENDS:
        before[name] = float(bool(ANSWER[name].search(said[-_ENDING:])))
    measures = _measures(parts, said)
    seen = {**turn, **before, **measures}
    crossed = [seen[a] * seen[b] for a, others in _CROSSED.items() for b in others]
    crossed += [seen[a] * seen[b] for a in _OPINION for b in _WISH]
    return np.array([*turn.values(), *before.values(), *measures.values(), *crossed], np.float32)


def hashed(parts: Parts) -> NDArray[np.float32]:
    """Return the turn's word n-grams (1 to 3, the first ones marked) in ``HASHED`` places."""
    words = [w.lower() for w in _WORD.findall(parts.typed)][:120]
    marked = ["<s>", *words, "</s>"]
    row = np.zeros(HASHED, np.float32)
    for size in (1, 2, 3):
        for start in range(len(marked) - size + 1):
            gram = " ".join(marked[start : start + size])
            row[zlib.crc32(gram.encode()) % HASHED] = 1.0
    norm = float(np.sqrt(row.sum()))
    return row / norm if norm else row


def _ends(answer: str) -> str:
    if len(answer) <= 2 * _ANSWER_SEEN:
        return answer.strip()
    return (answer[:_ANSWER_SEEN] + "\n" + answer[-_ANSWER_SEEN:]).strip()


def _measures(parts: Parts, answer: str) -> dict[str, float]:
    typed = parts.typed
    words = typed.split()
    count = len(words)
    own = set(_CONTENT.findall(typed.lower()))
    theirs = set(_CONTENT.findall(answer.lower()))
    last = set(_CONTENT.findall(answer[-_ENDING:].lower()))
    values = (
        float(bool(answer)),
        float(np.log1p(count)) / 3,
        float(0 < count <= 4),
        float(0 < count <= 2),
        float(count > 40),
        min(typed.count("\n"), 10) / 5,
        min(len(_NUMBERED.findall(typed)), 6) / 3,
        min(len(_CAPITALS.findall(typed)), 4) / 2,
        min(typed.count("?"), 3) / 2,
        min(len(_IDENTIFIER.findall(typed)), 6) / 3,
        min(sum(c.isdigit() for c in typed), 12) / 6,
        float(bool(parts.pasted)),
        float(parts.errors),
        float(bool(parts.pasted) and count <= 2),
        float(parts.machine),
        float(parts.machine and count == 0),
        float(parts.quoted),
        float("@" in typed or "#terminal" in typed),
        len(own & theirs) / (len(own) or 1),
        len(own & last) / (len(own) or 1),
        min(len(own - theirs), 12) / 6,
        float(np.log1p(len(answer))) / 6,
        float(typed[:1].islower()),
        float(typed.endswith(".")),
        float(typed.endswith(":")),
    )
    return dict(zip(_MEASURES, values, strict=True))
