"""Finds the sentence of a turn that says what to do, and words it as one imperative.

Only wording that is there is used: a turn that reports a symptom and says nothing of the remedy has
no rule, and neither has "add this rule", whose text is in the answer before it.
"""

from __future__ import annotations

import re
from typing import Final

from agents.capture.cues import TURN

_LONGEST: Final = 300  # characters of a rule
_SENTENCE: Final = re.compile(r"(?<=[.!?;])\s+(?=\S)|\n+|\s+-{1,2}\s+|\s+–\s+")
_STRONG: Final = ("bids_always", "bids_agent", "from_now", "we_state", "remember", "standing")
_PLAIN: Final = (
    "x_not_y", "instead", "should", "dont_do", "asked_for", "dont_want", "correction_verb",
    "more_less", "begins_task", "general", "always",
)  # fmt: skip
_LEAD: Final = re.compile(
    r"""^(?:(?:
        (?:remember|keep\ in\ mind|note|don't\ forget|bear\ in\ mind)
            (?:\ (?:that|this|to|it))?|
        no+|nope|yes|yeah|ok(?:ay)?|but|and|so|well|hm+|wait|stop|actually|great|good|perfect|nice|
        sorry|please|pls|also|then|again|seriously|btw|fyi|fact|note|rule|new\ rule|reminder|
        lesson\ learned|from\ now\ on|going\ forward|in\ (?:the\ )?future|next\ time|
        for\ (?:the\ )?(?:next\ time|future|record)|as\ i\ said|make\ sure\ (?:that\ )?you|
        i\ (?:said|told\ you|meant|asked(?:\ you)?(?:\ to)?|want(?:ed)?(?:\ you)?\ to)|
        (?:can|could)\ you(?:\ please)?|you\ (?:should|must|have\ to|need\ to)(?!\ not)|
        bitte|merk\ dir
    )\b[\s,.:;!…-]*)+""",
    re.IGNORECASE | re.VERBOSE,
)
_REWORDED: Final = tuple(
    (re.compile(rf"^{pattern}\s+", re.IGNORECASE | re.VERBOSE), replacement)
    for pattern, replacement in (
        (
            r"(?:we|i|you|u)\s+(?:do\s*n[o']t|never|dont)\s+(?:ever\s+)?(?:want|like|need)",
            "Do without ",
        ),
        (
            r"(?:we|i|you|u)\s+(?:do\s*n[o']t|dont|(?:should|must|may|can)(?:\s+not|n'?t))",
            "Do not ",
        ),
        (r"(?:we|i)\s+never", "Never "),
        (r"(?:we|i)\s+always", "Always "),
        (r"(?:we|i)(?:'re|\s+are)\s+on", "Use "),
        (r"(?:we|i)(?=\s+(?:use|write|put|keep|name|call|store|prefer|follow|log|run|test)\b)", ""),
        (r"(?:i|we)(?:'d|\s+would)?\s+(?:like|want|need|prefer|rather\s+have)", "Use "),
        (r"(?:don'?t|dont|do\ not)", "Do not "),
        (r"no\s+more", "Do not use any more "),
    )
)
_STATES: Final = re.compile(
    r"^(?:it|this|that|the|all|every|each|these|those|there|only|our|\S+)\s.*?\b(?:should|must|needs?|ought|has|have|"
    r"is|are|goes?|belongs?|live[s]?|ends?)\b",
    re.IGNORECASE,
)
_OUGHT_TO_BE: Final = re.compile(
    r"(\w+)\s+(?:should|must|has\s+to|needs\s+to)\s+be\b", re.IGNORECASE
)
_REFERS: Final = re.compile(
    r"^\W*(?:please\s+|ok\s+|yes\s+)*(?:add|save|store|put|write|apply|remember|note)\s+(?:this|that|the|it)"
    r"(?:\s+(?:rule|one|down|as\s+a\s+rule))*(?:\s+(?:in)?to\s+\S+)?[\s.!]*$",
    re.IGNORECASE,
)


def find_rule(typed: str) -> str | None:
    """Return one imperative sentence in the words of ``typed``, None where there is none."""
    sentences = [s.strip() for s in _SENTENCE.split(typed) if len(s.split()) > 1 or len(s) > 3]
    best = max(sentences, key=_strength, default="")
    if not best or _strength(best) <= 0 or _REFERS.match(best):
        return None
    return _imperative(best)


def _strength(sentence: str) -> float:
    """Return how much ``sentence`` sounds like a directive; the first of two equal ones wins."""
    strong = sum(bool(TURN[name].search(sentence)) for name in _STRONG)
    plain = sum(bool(TURN[name].search(sentence)) for name in _PLAIN)
    asked = sentence.endswith("?")
    return 2 * strong + plain - (2 if asked else 0)


def _imperative(sentence: str) -> str | None:
    text = _LEAD.sub("", " ".join(sentence.split())).strip(" -*>\"'`…")
    for pattern, replacement in _REWORDED:
        changed, count = pattern.subn(replacement, text, count=1)
        if count:
            text = changed
            break
    else:
        if _STATES.match(text) and not TURN["begins_task"].match(text):
            stated = _OUGHT_TO_BE.sub(r"\1 is", text, count=1)
            small = stated[:1].lower() if stated[1:2].islower() else stated[:1]
            text = f"Make sure that {small}{stated[1:]}"
    text = text.rstrip(" .!?,;:")
    if len(text) < 3:
        return None
    if len(text) > _LONGEST:
        text = text[:_LONGEST].rsplit(" ", 1)[0] + " …"
    return f"{text[:1].upper()}{text[1:]}."
