"""Words a sentence of a developer as one imperative, in the developer's own words."""

from __future__ import annotations

import re
from typing import Final

from agents.capture.cues import TURN

_LONGEST: Final = 300  # characters of a rule
_LEAD: Final = re.compile(
    r"""^(?:(?:
        (?:remember|keep\ in\ mind|note|don't\ forget|bear\ in\ mind)
            (?:\ (?:that|this|to|it))?|
        no+(?=\W*$|[,.:;!…-]|\ +(?:i|i'm|you|you're|we|it|it's|that|that's|this|these|those|the|
            they|there|he|use|put|not|no|never|always|don'?t|do|please|just|keep|make|revert|stop|leave|
            remove|wait|thanks|why|what|how|if|in|for|only|still|again|but|and|so|take|go|my|our|
            should|must)\b)|
        nope|yes|yeah|ok(?:ay)?|but|and|so|well|hm+|wait|stop(?!\s+\w+ing\b)|actually|
        great|good|perfect|nice|sorry|please|pls|also|then|again|seriously|btw|fyi|fact|note|rule|
        new\ rule|reminder|lesson\ learned|from\ now\ on|going\ forward|next\ time|as\ i\ said|
        in\ (?:the\ )?future(?=\s*,)|for\ (?:the\ )?(?:next\ time|future(?!\ \w)|record)|
        make\ sure\ (?:that\ )?you|
        i\ (?:said|told\ you|meant|asked(?:\ you)?(?:\ to)?|want(?:ed)?(?:\ you)?\ to|think|guess)|
        i(?:'d|\ would)\ like(?:\ you)?\ to|
        what\ i\ want\ is(?:\ that|\ to)?|perhaps|maybe|that\ means|in\ that\ case|
        (?:can|could)\ (?:you|we|u)(?:\ please)?|let'?s(?:\ try)?|
        you\ (?:should|must|have\ to|need\ to)(?!\ not|\ never)|
        (?:is\ there|do\ you\ have|any)\ (?:a|any)?\ ?way\ to|
        bitte|merk\ dir
    )\b[\s,.:;!…-]*)+""",
    re.IGNORECASE | re.VERBOSE,
)
_TRAIL: Final = re.compile(
    r"[\s,;]+(?:please|pls|thanks?(?:\s+you)?|thx|as\s+i\s+(?:said|asked|told\s+you)|"
    r"like\s+i\s+(?:said|asked)|right|ok(?:ay)?|e\.g\.?)[\s.!?]*$",
    re.IGNORECASE,
)
_RULE_ABOUT: Final = re.compile(
    r"""^(?:
        (?:add|create|write|make|put|save|set\s+up)\s+(?:an?|another|one|the)?\s*(?:new\s+|cursor\s+)*
        (?:rule|instruction|guideline|convention)s?\b[^.:]{0,60}?
        (?: (?<!\bto)(?<!\bin)\s+(?:that|which)\s+
                (?:says?\s+(?:to\s+)?|makes\s+(?:sure\s+(?:that\s+)?)?you\s+|you\s+(?!can\b|could\b)|has\s+(?:the\s+)?agents?\s+|agents?\s+)?(?!you\b)
          | :\s* | \s+to\s+(?:always\s+)?(?!this\b|that\b|the\b|my\b|your\b) )
        (?=\w+\s+\w)
      | (?:update|adjust|change|edit|extend)\s+[^.:]{0,60}?(?:instructions?|rules?|memory|\w+\.md)\b
        [^.:]{0,30}?\s+(?:so\s+(?:that\s+)?(?:agents?|you|it)\s+(?:knows?\s+to\s+)?|to\s+)
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_THIRD_PERSON: Final = re.compile(r"^([a-z]{2,}[^s\W])s\s+(?=me|the|a|an|all|every|each|any)\b")
_TOLD_BEFORE: Final = re.compile(
    r"^(?!if\b|when|whenever|in\b|for\b|on\b|before\b|after\b)[^,]{3,120},\s+(?:so\s+|but\s+|and\s+)?"
    r"(?:please\s+)?(?=(?:make\s+sure|ensure|don'?t|do\s+not|use|"
    r"(?:never|always)(?!\W*$|,|\s+(?:in|as|on|at|for|with|by|to|from|the|an?|under|through|via|also|when)\b))\b)",
    re.IGNORECASE,
)
_TWISTED: Final = re.compile(
    r"^(?:instead\s+of|rather\s+than)\s+([^,.;]{2,60}?)\s*,?\s+(?:let'?s\s+(?:try\s+|use\s+)?|use\s+|try\s+|take\s+)"
    r"([^,.;]{2,80})$",
    re.IGNORECASE,
)
_SUBJECT: Final = (
    r"((?!no\b|if\b|when\b|i\b|you\b|we\b|there\b|what\b|why\b|how\b)[^\s,.;:]+(?:\s+(?!but\b|because\b|so\b)[^\s,.;:]+){0,6}?)"
)
_REWORDED: Final = tuple(
    (re.compile(pattern, re.IGNORECASE | re.VERBOSE), replacement)
    for pattern, replacement in (
        (r"^you\s+(?:do\s*n[o']t|dont)\s+(?:have|need)\s+to\s+", "No need to "),
        (r"^(?:do\s+not|don'?t|dont)\s+you\s+(?:dare(?:\s+to)?|ever)\s+", "Never "),
        (
            r"^(?:we|i|you|u)\s+(?:do\s*n[o']t|never|dont)\s+(?:ever\s+)?(?:want|like|need)\s+to\s+",
            "Do not ",
        ),
        (
            r"^(?:we|i|you|u)\s+(?:do\s*n[o']t|never|dont)\s+(?:ever\s+)?(?:want|like|need)\s+",
            "Do without ",
        ),
        (
            r"^(?:we|i|you|u)\s+(?:should|must)(?:\s+not|n'?t)\s+be\s+(?=\w+ing\b)",
            "Avoid ",
        ),
        (
            r"^(?:we|i|you|u)\s+(?:do\s*n[o']t|dont|(?:should|must|may|can)(?:\s+not|n'?t))\s+",
            "Do not ",
        ),
        (r"^(?:(?:we|i)\s+(?:(?:should|must)\s+)?|you\s+(?:should|must)\s+)never\s+", "Never "),
        (r"^(?:(?:we|i)\s+(?:(?:should|must)\s+)?|you\s+(?:should|must)\s+)always\s+", "Always "),
        (r"^(?:we|i)(?:'re|\s+are)\s+on\s+", "Use "),
        (r"^we\s+(?:should|must|need\s+to|have\s+to)\s+(?!not\b|be\b)", ""),
        (
            r"^(?:we|i)\s+(?=(?:use|write|put|keep|name|call|store|prefer|follow|log|run|test)\b)",
            "",
        ),
        (r"^i\s+want\s+" + _SUBJECT + r"\s+to\s+(?=\w)", r"Make \1 "),
        (r"^(?:i|we)(?:'d|\s+would)?\s+(?:like|want|need|prefer|rather\s+have)\s+", "Use "),
        (r"^(?:don'?t|dont|do\s+not)\s+", "Do not "),
        (r"^no\s+more\s+", "Do not use any more "),
        (r"^" + _SUBJECT + r"\s+(?:should|must|may)\s+never\s+(?!be\b)(?=\w)", r"Never let \1 "),
        (
            r"^" + _SUBJECT + r"\s+(?:should(?:n'?t|\s+not)|must(?:n'?t|\s+not)|may\s+not)\s+"
            r"(?!be\b|have\s+been\b)(?=\w)",
            r"Do not let \1 ",
        ),
        (
            r"^" + _SUBJECT + r"\s+(?:should|must|ought\s+to|needs?\s+to|has\s+to|have\s+to)\s+"
            r"(?!be\b|have\b|not\b|also\b|never\b|always\b)(?=\w)",
            r"Make \1 ",
        ),
    )
)
_STATES: Final = re.compile(
    r"^\S+\s.*?\b(?:should|must|needs?|ought|has|have|is|are|goes?|belongs?|live[s]?|ends?)\b",
    re.IGNORECASE,
)
COMMANDS: Final = re.compile(
    r"^(?:fix|revert|check|ensure|make|try|keep|stop|get|skip|drop|avoid|put|set|do|go|start|treat|use|"
    r"never|always|only|just|turn|remove|add|change|move|rename|replace|write|read|run|end|follow|prefer|"
    r"call|store|log|track|apply|delete|return|raise|leave|take|ask|import|include)\b",
    re.IGNORECASE,
)
"""How a sentence begins that is an imperative already."""
_TELLS: Final = re.compile(
    r"^(?:(?:just|now|and|but|so)\s+)*(?:i|you|something|somebody|they|why|how|what|when|where|who)\b|"
    r"^(?:failed|error|warning)\b",
    re.IGNORECASE,
)
_IF: Final = re.compile(r"(?:if|when|whenever|in|for|on|before|after|while)\b", re.IGNORECASE)
_SYMPTOMS: Final = ("wrong", "broken", "symptom", "error_word", "not_working", "still")
NOT_AGAIN: Final = "Make sure that this does not happen: "
"""How a sentence begins that was worded from a symptom."""
_OUGHT: Final = re.compile(r"\b(?:should|must|needs?|ought|has\s+to|have\s+to)\b", re.IGNORECASE)
_OUGHT_TO_BE: Final = re.compile(
    r"(\w+)\s+(?:should|must|has\s+to|have\s+to|needs\s+to|need\s+to)\s+(also\s+|always\s+)?be\b",
    re.IGNORECASE,
)
_DETERMINER: Final = re.compile(
    r"^(?:The|Each|Every|All|This|That|These|Those|Our|Any|It|Tests?)\b"
)
_PLURAL: Final = re.compile(r"(?:[^sui]s|these|those)$", re.IGNORECASE)


_FORBIDDEN: Final = re.compile(
    r"^(?:(?:using|use\s+of)\s+)?(?!it\b|that\b|this\b|they\b|there\b|the\b|which\b|what\b)([^,.;:!?]{0,2}"
    r"(?:[\w.`()*-]+\s+){1,5}?)(?:(?:is|are)\s+(?:strictly\s+|absolutely\s+)?(?:forbidden|banned|"
    r"prohibited|(?:not|never)\s+allowed|off\s+limits|not\s+permitted|disallowed)|(?:must|should|may|can)"
    r"\s*(?:n'?t|\s+not|\s+never)\s+(?:ever\s+)?be\s+used)\b",
    re.IGNORECASE,
)


_AGREED: Final = re.compile(
    r"^(?:we|i|the\s+team)(?:'ve|\s+have)?\s+(?:\w+ly\s+|all\s+)?(?:agreed|decided)\s+to\s+",
    re.IGNORECASE,
)


def active(sentence: str) -> str:
    """Return ``sentence`` with "X is forbidden" said as "never use X", "we agreed to" left out."""
    sentence = _AGREED.sub("", sentence)
    return _FORBIDDEN.sub(lambda found: f"never use {found[1].strip()}", sentence, count=1)


def imperative(sentence: str) -> str | None:
    """Return ``sentence`` as an imperative of at most 300 characters, None where it is none."""
    text = active(bare(" ".join(sentence.split())))
    if twisted := _TWISTED.match(text):
        text = f"use {twisted[2]} instead of {twisted[1]}"
    rule = _RULE_ABOUT.sub("", text, count=1)
    if rule != text:
        text = _THIRD_PERSON.sub(r"\1 ", _LEAD.sub("", rule))
    else:
        text = _reworded(_without_reason(text))
    text = text.rstrip(" .!?,;:")
    if len(text) < 3:
        return None
    if len(text) > _LONGEST:
        text = text[:_LONGEST].rsplit(" ", 1)[0] + " …"
    return f"{text[:1].upper()}{text[1:]}."


def unled(sentence: str) -> str:
    """Return ``sentence`` without what leads up to the directive in it."""
    return active(_without_reason(bare(sentence)))


def _without_reason(text: str) -> str:
    return text if COMMANDS.match(text) else _TOLD_BEFORE.sub("", text, count=1)


def bare(text: str) -> str:
    """Return ``text`` without what only leads up to it, ends it politely, or marks it."""
    if text.isupper() and " " in text:
        text = text.lower()
    text = _LEAD.sub("", text).strip(" -*>…")
    text = _TRAIL.sub("", text)
    for mark in "\"'`":
        if text.count(mark) % 2:
            text = text.strip(mark)
    return text


def _reworded(text: str) -> str:
    if COMMANDS.match(text) and not text.lower().startswith(("do not ", "no more ")):
        return text
    text = _DETERMINER.sub(lambda found: found[0].lower(), text)
    for pattern, replacement in _REWORDED:
        changed, count = pattern.subn(replacement, text, count=1)
        if count:
            return changed
    if (
        _IF.match(text)
        or text.lower().startswith("no need")
        or not _STATES.match(text)
        or TURN["begins_task"].match(text)
    ):
        return text
    small = text[:1].lower() if text[1:2].islower() else text[:1]
    ought = _OUGHT.search(text)
    if not ought and any(TURN[name].search(text) for name in _SYMPTOMS):
        return f"{NOT_AGAIN}{small}{text[1:]}"
    if _TELLS.match(text) and not ought:
        return ""
    return f"Make sure that {_OUGHT_TO_BE.sub(_is, small + text[1:], count=1)}"


def _is(found: re.Match[str]) -> str:
    verb = "are" if _PLURAL.search(found[1]) else "is"
    return f"{found[1]} {verb} {found[2] or ''}".rstrip()
