"""Finds the sentence of a turn that says what to do, and words it as one imperative.

Only wording that is there is used: a turn that reports a symptom and says nothing of the remedy has
no rule, and neither has "add this rule", whose text is in the answer before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from agents.capture.cues import TURN
from agents.capture.directive import stands_alone
from agents.capture.wording import bare, imperative

_SENTENCE: Final = re.compile(
    r"(?<=[.!?])(?<!\n\d\.)(?<!\A\d\.)(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\betc\.)\s+(?=\S)|\n+|\s+-{1,2}\s+|\s+–\s+"
)
_MARK: Final = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+")
_JOINED: Final = re.compile(
    r"(?:,\s*|\s+)(?:and|but)\s+(?=(?:always|never|don'?t|dont|do\s+not)\s)", re.IGNORECASE
)
_POINT: Final = r"[ \t]*(?:[-*•]|\d{1,2}[.)])[ \t]+\S.*"
_LIST: Final = re.compile(
    r"\b(?:rules?|conventions?|guidelines?|preferences|remember|always|from\s+now\s+on|in\s+mind)\b"
    rf".{{0,60}}:[ \t]*\n+({_POINT}(?:\n+{_POINT})*)",
    re.IGNORECASE,
)
_STRONG: Final = ("bids_always", "bids_agent", "from_now", "we_state", "remember", "standing")
_ENSURES: Final = re.compile(r"\b(?:make\s+sure|ensure)\b", re.IGNORECASE)
_PLAIN: Final = (
    "x_not_y", "instead", "should", "dont_do", "asked_for", "dont_want", "correction_verb",
    "more_less", "begins_task", "general", "always",
)  # fmt: skip
_ASKED: Final = re.compile(
    r"\W*(?:(?:and|but|so|ok)\s+)?(?:can|could)\s+(?:you|we)\b", re.IGNORECASE
)
_CONTEXT: Final = 120  # characters of the sentence before
_REFERS: Final = re.compile(
    r"^\W*(?:please\s+|ok\s+|yes\s+)*(?:add|save|store|put|write|apply|remember|note)\s+(?:this|that|the|it)"
    r"(?:\s+(?:rule|one|down|as\s+a\s+rule))*(?:\s+(?:in)?to\s+\S+)?[\s.!]*$",
    re.IGNORECASE,
)
_POINTS_BACK: Final = re.compile(
    r"(?:\w+\s+){1,3}(?:it|them|this|that|these|those)(?:\s+(?:again|ever|any\s?more|like\s+that))*\.",
    re.IGNORECASE,
)


def find_rule(typed: str) -> str | None:
    """Return one imperative sentence in the words of ``typed``, None where there is none."""
    said = _sentences(typed)
    best = _plainest(said)
    return explained(worded(best), best, said) if best else None


def explained(rule: str | None, sentence: str, said: Sequence[str]) -> str | None:
    """Return ``rule`` with the one of ``said`` before its ``sentence`` where "it" points there.

    None where there is none before it, so that nobody could know what is meant.
    """
    if rule is None or not _POINTS_BACK.fullmatch(rule):
        return rule
    at = said.index(sentence)
    before = bare(said[at - 1]).rstrip(" .!?,") if at else ""
    return f"{rule[:-1]} ({before[:_CONTEXT]})." if len(before.split()) > 2 else None


def sentences(typed: str) -> tuple[str, ...]:
    """Return the sentences and points of ``typed``, joined directives apart."""
    return tuple(part for one in _sentences(typed) for part in _JOINED.split(one))


def directives(typed: str) -> frozenset[str]:
    """Return the ``sentences`` that direct: the plainest one that can be understood by itself, and
    all that are put as something that always holds."""
    said = sentences(typed)
    alone = [one for one in said if stands_alone(one) and worded(one)]
    best = _plainest(alone) or next(iter(alone), "")
    return frozenset(one for one in said if one is best or is_standing(one))


def listed(typed: str) -> frozenset[str]:
    """Return the ``sentences`` that are points of a list of rules."""
    return frozenset(one for found in _LIST.finditer(typed) for one in sentences(found[1]))


def is_standing(sentence: str) -> bool:
    """Say whether ``sentence`` is put as something that holds from now on."""
    return any(TURN[name].search(sentence) for name in _STRONG) and not sentence.endswith("?")


def worded(sentence: str) -> str | None:
    """Return ``sentence`` as an imperative; None when it only points to what was said before."""
    return None if _REFERS.match(sentence) else imperative(sentence)


def _sentences(typed: str) -> list[str]:
    parts = (_MARK.sub("", part).strip() for part in _SENTENCE.split(typed))
    return [part for part in parts if len(part.split()) > 1 or len(part) > 3]


def _plainest(said: Sequence[str]) -> str:
    """Return the one that sounds most like a directive and can be worded as one, if any."""
    ranked = sorted(said, key=_strength, reverse=True)
    return next((one for one in ranked if _strength(one) > 0 and worded(one)), "")


def _strength(sentence: str) -> float:
    """Return how much ``sentence`` sounds like a directive; the first of two equal ones wins."""
    strong = sum(bool(TURN[name].search(sentence)) for name in _STRONG)
    plain = sum(bool(TURN[name].search(sentence)) for name in _PLAIN)
    plain += bool(_ENSURES.search(sentence))
    asked = sentence.endswith("?") and not _ASKED.match(sentence)
    return 2 * strong + plain - (2 if asked else 0)
