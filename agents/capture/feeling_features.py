"""A developer's text as numbers for the classifier of feelings: named signs and a few measures.

Nothing here is learnt, and the same text gives the same numbers on every machine.
"""

from __future__ import annotations

import re
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agents.capture.feeling_cues import SIGNS
from agents.capture.parts import take_apart

_READ: Final = 1_500  # characters of prose that are looked at
_EMBEDDED: Final = 600  # characters of it that an embedding model is given
_COMMENT: Final = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_REPLIED_TO: Final = re.compile(r"^On\s.{5,160}?\bwrote:.*\Z", re.DOTALL | re.MULTILINE)
_FORM: Final = re.compile(r"^\s*[-*]\s\[[ xX]?\].*$|^\#+\s.*$|^\s*\|.*\|\s*$", re.MULTILINE)
_LINK: Final = re.compile(r"!?\[([^\]\n]*)\]\([^)\n]*\)")
_ADDRESS: Final = re.compile(r"<?https?://\S+|\b[0-9a-f]{7,40}\b")
_CODE: Final = re.compile(r"`[^`\n]*`")
_MENTION: Final = re.compile(r"(?<!\w)@[\w-]+")
_BLANKS: Final = re.compile(r"[ \t]+")
_CAPITALS: Final = re.compile(r"\b[A-Z]{3,}\b")
_REPEATED: Final = re.compile(r"[!?]{2,}|\.\.\.")
_MEASURES: Final = (
    "length", "short", "long", "exclamations", "questions", "capitals", "repeated_marks",
    "ends_question", "lower_start", "lines",
)  # fmt: skip
NAMES: Final = (*SIGNS, *_MEASURES)
FINGERPRINT: Final = (
    f"{zlib.crc32(repr([(n, p.pattern) for n, p in SIGNS.items()]).encode()):08x}-{len(NAMES)}"
)
"""Weights hold for the features of this fingerprint alone."""


def prose(text: str) -> str:
    """Return what somebody wrote in ``text`` without code, logs, quotes, forms and addresses."""
    plain = _REPLIED_TO.sub("", _COMMENT.sub("", text.replace("\r\n", "\n")))
    typed = take_apart(_FORM.sub("", plain)).typed
    typed = _CODE.sub(" x ", _ADDRESS.sub(" ", _LINK.sub(r"\1", typed)))
    return _BLANKS.sub(" ", _MENTION.sub("@", typed)).strip()[:_READ]


def read_by_model(written: str) -> str:
    """Return the part of some prose that is embedded."""
    return written[:_EMBEDDED]


def signs(written: str) -> NDArray[np.float32]:
    """Return one number in 0 to about 2 per entry of ``NAMES`` for some prose."""
    seen = [float(bool(sign.search(written))) for sign in SIGNS.values()]
    return np.array([*seen, *_measures(written)], np.float32)


def _measures(written: str) -> tuple[float, ...]:
    count = len(written.split())
    return (
        float(np.log1p(count)) / 3,
        float(count <= 4),
        float(count > 60),
        min(written.count("!"), 3) / 2,
        min(written.count("?"), 3) / 2,
        min(len(_CAPITALS.findall(written)), 3) / 2,
        float(bool(_REPEATED.search(written))),
        float(written.endswith("?")),
        float(written[:1].islower()),
        min(written.count("\n"), 10) / 5,
    )
