"""What a developer's turn decides, and which code it shows as the way to write things here.

Only plain words count: "we decided to use …", "let's go with X instead of Y because …", "this is
the pattern to follow". A wish, a question and the choice of "option 2" decide nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from agents.capture.parts import take_apart
from agents.capture.rule import sentences
from agents.capture.scope import language_name
from agents.capture.wording import bare
from memory.experience import ArchitectureDecision, CodePattern

_LONGEST: Final = 300  # characters of one part
_REASON: Final = re.compile(
    r"[,;:]?\s+(?:because|since|as(?=\s+(?:it|we|they|that|this|the|our|all|nobody)\b)|so\s+that|"
    r"given\s+that|due\s+to|for\s+the\s+sake\s+of)\s+",
    re.IGNORECASE,
)
_RATHER: Final = re.compile(
    r"[,;]?\s+(?:instead\s+of|rather\s+than|over|and\s+not|(?<=,)\s*not|in\s+place\s+of)\s+"
    r"(?:using\s+|with\s+)?",
    re.IGNORECASE,
)
_DECIDED: Final = re.compile(
    r"\b(?:(?:we|i|the\s+team|they)(?:'ve|\s+have|\s+had)?\s+(?:\w+ly\s+|all\s+|just\s+|now\s+)?"
    r"(?:decided|agreed|settled|chose|opted)|(?:our|the|my|final)\s+decision\s+(?:is|was)|"
    r"it(?:'s|\s+is|\s+was)\s+(?:been\s+)?(?:decided|agreed))\s*(?:,\s*)?"
    r"(?:that\s+(?:we\s+)?(?:will\s+|should\s+)?|to\s+|on\s+|for\s+|upon\s+)?"
    r"(?:go\s+(?:with|for)\s+|use\s+|using\s+|using\s+)?|"
    r"^\W*(?:architecture\s+|design\s+)?decision\s*:\s*(?:use\s+|go\s+with\s+)?",
    re.IGNORECASE,
)
_CHOSEN: Final = re.compile(
    r"\b(?:(?:let'?s|lets|we(?:'ll|\s+will|\s+should)?|i(?:'ll|\s+will|'d)|please|then|ok(?:ay)?,?|so)"
    r"\s+(?:rather\s+|better\s+)?)(?:go\s+(?:with|for)|use|pick|choose|take|stick\s+(?:with|to)|"
    r"stay\s+with|switch\s+to|move\s+to|build\s+(?:it\s+)?on)\s+",
    re.IGNORECASE,
)
_FOR: Final = re.compile(r"^\W*(?:for|regarding|about|on)\s+(.{3,80}?)[,:]\s", re.IGNORECASE)
_POINTS: Final = re.compile(
    r"(?:it|that|this|them|both|all|yours?|mine|not|no|either|neither|the\s+(?:first|second|third|last|"
    r"former|latter|other)(?:\s+(?:one|option|approach))?|(?:option|plan|variant|approach|number)?\s*"
    r"(?:[a-e]|\d))\b[\s.!,]*$",
    re.IGNORECASE,
)
_UNSURE: Final = re.compile(
    r"^\W*(?:if|what\s+if|should|shall|do|did|have|would|could|can|why|who|when|maybe|perhaps)\b|"
    r"\b(?:not|n't|never|haven't|yet\s+to)\s+(?:yet\s+)?(?:decided?|agreed?|settled?)\b",
    re.IGNORECASE,
)
_BOUND: Final = re.compile(
    r"\b(?:must|has\s+to|have\s+to|needs?\s+to|can'?t|cannot|may\s+not|only\s+have|at\s+most|at\s+least|"
    r"no\s+more\s+than|budget|deadline)\b",
    re.IGNORECASE,
)
_OUTCOME: Final = re.compile(
    r"\b(?:it|that|this|which)\s+(?:has\s+|have\s+)?(?:worked|cut|halved|doubled|reduced|solved|saved|"
    r"turned\s+out|paid\s+off|fixed|failed|broke)\b",
    re.IGNORECASE,
)
_ADVISES: Final = re.compile(
    r"\b(?:suggest|recommend|propose|advise|i'?d\s+(?:use|go|pick|choose)|best\s+(?:choice|option)|"
    r"should\s+use|could\s+use|would\s+use|i(?:'ve|\s+have)?\s+(?:used|chosen|added|picked))\b",
    re.IGNORECASE,
)
_SAID: Final = re.compile(r"(?<=[.!?])\s+|\n+")
_PATTERN: Final = re.compile(
    r"\b(?:this|that|here|the\s+following|below)\b[^.?!\n]{0,40}\b(?:patterns?|template|blueprint|idiom|"
    r"reference\s+(?:implementation|example))\b(?:[^.?!\n]{0,40}\b(?:follow|use|copy|stick|prefer|we|our|"
    r"here|for)\b)?|"
    r"\b(?:follow|use|copy|stick\s+to)\s+(?:this|the\s+following)\s+(?:code\s+)?(?:pattern|template|"
    r"structure|style|idiom)\b|"
    r"\b(?:this|here)\s+is\s+how\s+we\s+(?:\w+\s+){0,3}(?:write|do|build|structure|name|handle|test)\b|"
    r"\b(?:write|structure|do)\s+(?:it|them|all\s+\w+|every\s+\w+|new\s+\w+)\s+like\s+this\b",
    re.IGNORECASE,
)
_WRONG_PATTERN: Final = re.compile(
    r"\b(?:not|never|avoid|anti-?pattern|stop|wrong|bad)\b|n't\b", re.IGNORECASE
)
_FENCED: Final = re.compile(r"(?:```|~~~)([\w+#-]*)[^\n]*\n(.*?)(?:```|~~~|\Z)", re.DOTALL)
_NAMED: Final = re.compile(
    r"\b(?:pattern|template|how\s+we)\s+(?:we\s+(?:use|follow)\s+)?(?:for|to\s+follow\s+for|of)?\s*"
    r"([\w -]{3,60})",
    re.IGNORECASE,
)


def decision_in(typed: str, previous: str = "") -> ArchitectureDecision | None:
    """Return what ``typed`` decides after the answer ``previous``; None where it decides nothing.

    "We decided" is enough; a bare choice ("let's go with X") has to name what it is chosen over and
    why, since most of these are about the next step alone. Of several the first one counts.
    """
    said = sentences(typed)
    for one in said:
        if one.rstrip().endswith("?") or _UNSURE.search(one):
            continue
        found = _DECIDED.search(one)
        if found is None:
            found = _CHOSEN.search(one)
            if found is None or not (_RATHER.search(one) and _REASON.search(one)):
                continue
        decided = _decided(one, found, said, previous)
        if decided is not None:
            return decided
    return None


def decision_from(typed: str) -> ArchitectureDecision:
    """Return ``typed`` as a decision, for what is said to be one on purpose."""
    return decision_in(typed) or ArchitectureDecision(chosen=" ".join(typed.split()))


def pattern_in(text: str) -> CodePattern | None:
    """Return the code block that ``text`` says to write things like; None where it says no such."""
    block = _FENCED.search(text)
    if block is None or not block[2].strip():
        return None
    said = [one for one in sentences(take_apart(text).typed) if _PATTERN.search(one)]
    plain = [one for one in said if not one.endswith("?") and not _WRONG_PATTERN.search(one)]
    if not plain:
        return None
    named = _NAMED.search(plain[0])
    return CodePattern(
        name=" ".join(named[1].split()) if named else "the pattern to follow",
        use=plain[0][:_LONGEST],
        code=block[2].strip("\n"),
        language=language_name(block[1]),
    )


def _decided(
    sentence: str, found: re.Match[str], said: Sequence[str], previous: str
) -> ArchitectureDecision | None:
    """Return the decision of ``sentence``, whose choice begins after ``found``."""
    rest, *reasons = _REASON.split(sentence[found.end() :], maxsplit=1)
    chosen, *refused = _RATHER.split(rest, maxsplit=1)
    chosen = _cut(chosen)
    if len(chosen) < 2 or _POINTS.match(chosen):
        return None
    topic = _FOR.match(sentence)
    if not _names(previous, chosen) and not (refused and _names(previous, refused[0])):
        previous = ""  # it is about something else
    bounds = [_cut(one) for one in said if one != sentence and _BOUND.search(one)]
    instead = _cut(refused[0]) if refused else ""
    return ArchitectureDecision(
        problem=_cut(topic[1]) if topic else _problem(previous),
        constraints=tuple(filter(None, [*map(_cut, reasons), *bounds])),
        suggested=_suggested(previous, instead),
        chosen=chosen,
        outcome=next((_cut(one) for one in said if _OUTCOME.search(one)), ""),
    )


def _problem(previous: str) -> str:
    """Return what the answer asked last, as what was to be decided."""
    asked = [one for one in _SAID.split(previous) if one.rstrip().endswith("?")]
    return _cut(asked[-1]) + "?" if asked else ""


def _names(previous: str, choice: str) -> bool:
    """Say whether ``previous`` speaks of ``choice``, by one of its names or longer words."""
    words = re.findall(r"\b(?:[A-Z]\w+|\w{5,})", choice)
    return any(re.search(rf"\b{re.escape(word)}\b", previous, re.IGNORECASE) for word in words)


def _suggested(previous: str, instead: str) -> str:
    """Return what the answer spoke for: where it names what was refused, else where it advises."""
    spoken = [one for one in _SAID.split(previous) if not one.rstrip().endswith("?")]
    naming = [one for one in spoken if instead and instead.casefold() in one.casefold()]
    advising = [one for one in naming or spoken if _ADVISES.search(one)]
    return next((_cut(one) for one in [*advising, *naming]), instead)


def _cut(text: str) -> str:
    return bare(text).strip(" .!?,;:*`'\"")[:_LONGEST]
