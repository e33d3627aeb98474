"""What a rule does to the crew's work, where its wording is plain enough to write that down.

A rule whose words none of these understands is learnt by questions about it alone.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_TYPE: Final = r"[A-Z]\w*"
_LITERAL: Final = (
    r"(?:`(?P<a>[^`]+)`|\"(?P<b>[^\"]+)\"|'(?P<c>[^']+)'|(?P<d>(?=(?-i:\S*[^a-z\s.,;]))[\w\[#:(][^\s,;]*?))"
)
_LITERAL_END: Final = r"(?=[\s,;!]|\.?\s*$|\.\s)"


class Raises(NamedTuple):
    """Raise ``wanted``; ``unwanted`` is empty where the rule names none, ``when`` if always."""

    wanted: str
    unwanted: str
    when: str = ""


class Named(NamedTuple):
    """Names of ``what`` (function, class, test, constant) begin or end with ``affix``.

    ``kind`` is which of them, as in "helper function"; empty for all.
    """

    what: str
    affix: str
    at_end: bool
    kind: str = ""

    def apply(self, name: str) -> str:
        """Return ``name`` as the rule wants it."""
        joined = f"{name}{self.affix}" if self.at_end else f"{self.affix}{name}"
        return re.sub(r"_{2,}", "_", joined) if not self.affix.startswith("__") else joined


class Commits(NamedTuple):
    """Commit messages begin or end with ``affix``; empty: they are conventional commits."""

    affix: str
    at_end: bool = False


class Refuses(NamedTuple):
    """``action`` is never done, as in "run git push"."""

    action: str


class Prefers(NamedTuple):
    """Use ``wanted`` instead of ``unwanted``."""

    wanted: str
    unwanted: str


Behaviour = Raises | Named | Commits | Refuses | Prefers

_INSTEAD: Final = r"(?:instead\s+of|rather\s+than|over|(?:and\s+|,\s*|;\s*)*(?:not|never))"
_RAISES: Final = (
    re.compile(
        rf"\b[Rr]ais\w*\s+(?:an?\s+|the\s+|our\s+)*`?(?P<wanted>{_TYPE})`?\b.*?\b{_INSTEAD}\s+"
        rf"(?:raise\s+)?(?:an?\s+|bare\s+|plain\s+|the\s+|generic\s+)*`?(?P<unwanted>{_TYPE})\b"
    ),
    re.compile(
        rf"\b(?:[Nn]ever|[Nn]ot|[Dd]on'?t)\s+raise\s+(?:an?\s+|bare\s+|plain\s+|generic\s+)*"
        rf"`?(?P<unwanted>{_TYPE})`?.*?\b(?:raise|use|but)\s+(?:an?\s+)?`?(?P<wanted>{_TYPE})\b"
    ),
    re.compile(
        rf"\b[Rr]aise\s+(?:an?\s+|our\s+)?`?(?P<wanted>{_TYPE}(?:Error|Exception))\b(?P<unwanted>)"
    ),
)
_WHEN: Final = re.compile(
    r"\b(?:when|if|for|while)\s+(?!raising\b|errors?\b(?!\s+(?:of|in|with)))[^.;,]+?"
    r"(?=\s+(?:instead|rather|not|never)\b|[.;,]|\s*$)"
)
_KIND: Final = re.compile(
    r"\bfunctions?\s+((?:that|which|for|of|in|with)\s+(?!`)[^.;:]+?)\s+(?:with|start|begin|end|get|have|"
    r"must|should|are|shall)s?\b",
    re.IGNORECASE,
)
_ADJECTIVE: Final = re.compile(
    r"\b(helper|private|public|async|internal)\s+functions?\b", re.IGNORECASE
)
_WHAT: Final = {
    "function": r"(?:functions?|helpers?|methods?)",
    "class": r"(?:new\s+|error\s+|exception\s+)*(?:class(?:es)?|exceptions?|types?)",
    "test": r"tests?(?:\s+functions?)?",
    "constant": r"constants?",
}
_COMMIT: Final = re.compile(r"\bcommits?\b", re.IGNORECASE)
_CONVENTIONAL: Final = re.compile(r"\bconventional\s+commits?\b", re.IGNORECASE)
_AFFIXED: Final = (
    re.compile(
        rf"\b(?:(?P<start>start|begin|prefix)|(?P<end>end|finish|suffix))(?:s|ed)?\b[^.;:]*?\bwith\s+"
        rf"(?:the\s+|an?\s+)?(?:(?:pre|suf)fix\s+|word\s+|tag\s+|letters?\s+|text\s+)?{_LITERAL}{_LITERAL_END}",
        re.IGNORECASE,
    ),
    re.compile(
        rf"\b(?:have|has|get|carry|use|give|add)\b[^.;:]*?\bthe\s+(?:(?P<start>prefix)|(?P<end>suffix))\s+"
        rf"{_LITERAL}{_LITERAL_END}",
        re.IGNORECASE,
    ),
)
_NEVER: Final = re.compile(
    r"\b(?:never|don'?t|do\s+not|must\s+not|may\s+not)\s+(?P<action>(?:run|call|execute|delete|"
    r"remove|touch|edit|change|modify|push|commit|deploy|install|rename|overwrite|format)\b[^.;,]*)",
    re.IGNORECASE,
)
_PREFERS: Final = re.compile(
    rf"\b(?:use|prefer)\s+`?(?P<wanted>[\w.]+)(?:\(\))?`?[\w ]{{0,25}}?,?\s+{_INSTEAD}\s+"
    r"(?:use\s+)?`?(?P<unwanted>[\w.]+)(?:\(\))?`?",
    re.IGNORECASE,
)


def behaviour_of(text: str) -> Behaviour | None:
    """Return what the rule ``text`` does to the crew's work, None where that is not plain."""
    for pattern in _RAISES:
        if found := pattern.search(text):
            when = _WHEN.search(text)
            return Raises(found["wanted"], found["unwanted"] or "", when[0].strip() if when else "")
    if affixed := _affixed(text):
        return affixed
    if _CONVENTIONAL.search(text):
        return Commits("")
    if found := _PREFERS.search(text):
        return Prefers(found["wanted"].rstrip("."), found["unwanted"].rstrip("."))
    if found := _NEVER.search(text):
        return Refuses(" ".join(found["action"].split()))
    return None


def _affixed(text: str) -> Named | Commits | None:
    found = next((hit for pattern in _AFFIXED if (hit := pattern.search(text))), None)
    if found is None:
        return None
    affix = next(filter(None, (found[name] for name in "abcd")))
    at_end = bool(found["end"])
    if _COMMIT.search(text):
        return Commits(affix, at_end)
    head = text.replace(affix, " ")
    for what, words in _WHAT.items():
        if re.search(rf"\b{words}\b", head, re.IGNORECASE) and re.fullmatch(r"\w+", affix):
            return Named(what, affix, at_end, _kind(head) if what == "function" else "")
    return None


def _kind(head: str) -> str:
    if found := _KIND.search(head):
        return f"function {found[1]}"
    adjective = _ADJECTIVE.search(head)
    return f"{adjective[1].lower()} function" if adjective else ""
