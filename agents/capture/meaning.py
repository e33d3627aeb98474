"""What a rule wants, what it refuses and what it is about, as sets of words that can be compared.

Words are cut to their stems, and different names of one thing become one. English only: of another
language the words are compared as they stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from agents.capture.meaning_words import ACTS, ALTERNATIVES, EMPTY, NAMES, NUMBERS, UNITS
from agents.capture.wording import COMMANDS

_WORD: Final = re.compile(r"[^\W_](?:[\w+#*.'/-]*[\w+#*])?|===?|\*")
_PLACE: Final = re.compile(
    r"^\W*(?:in|for|on|inside|under)\s+(?:the\s+|our\s+)?(\S+)(?:\s+(?:files?|folder|code))?",
    re.IGNORECASE,
)
KEPT: Final = 16_384
"""How many texts are remembered with what they mean: more than a project has rules."""
_POINTS: Final = re.compile(
    r"\b(?:it|them|they|same|such|there|(?:that|the)(?:\s+\w+)?\s+ones?|"
    r"(?:this|that|these|those|here)(?=\W*$|[,;:.]|'s\b|\s+(?:is|was|way|and|or|in|into|to|for|from|down|as|at|on|"
    r"with|by|every|each|always|when|whenever|so|like|all|now|again|before|after|unless|if|instead|"
    r"please|up|too|there|here|an?|the)\b))\b",
    re.IGNORECASE,
)
_REASON: Final = re.compile(r"\b(?:unless|because|since|so|if)\s+\Z", re.IGNORECASE)
_JOINTS: Final = frozenset(
    {"after", "befor", "until", "unless", "becaus", "first", "then", "note", "against"}
)
_ONE_WORD: Final = re.compile(r"\b(pull|merge)\s+(requests?)\b", re.IGNORECASE)
_PREFERS: Final = re.compile(r"\b(?:prefer|favou?r|choose|pick|rather|use)\b", re.IGNORECASE)
_COLUMN: Final = "column"  # what only lines of text are measured in
_CLAUSE: Final = re.compile(
    r"[,;:()–—]|\.\s|\s-\s|\s(?:but|and\s+(?=never|don'?t|not))\b", re.IGNORECASE
)
_NEGATION: Final = re.compile(
    r"\b(?:no|not|never|don'?t|dont|do\s+not|mustn'?t|shouldn'?t|isn'?t|aren'?t|cannot|can'?t|avoid|"
    r"stop|disable|without|instead\s+of|rather\s+than|over|forbid(?:den)?|ban(?:ned)?|nobody|none|"
    r"drop|remove)\b(?!\s+(?:only|just)\b)",
    re.IGNORECASE,
)
_INSTEAD: Final = frozenset({"instead of", "rather than", "over"})
_CONTEXT: Final = re.compile(
    r"\b(?:for|in|into|on|at|from|to|of|with|by|as|after|before|when|whenever|if|where|while|per|"
    r"below|under|inside|that|which|because|since|so)\b",
    re.IGNORECASE,
)
_EXCEPTION: Final = re.compile(
    r"\b(?:unless|except(?!ions?\b)(?=\s+(?:in|for|when|if|what|the|where|on|to|at|with|from))|"
    r"other\s+than|apart\s+from|but\s+not|only\s+(?:if|when|in|for))\b",
    re.IGNORECASE,
)
_ENDINGS: Final = (
    "ations", "ation", "ating", "ated", "ates", "ate", "ions", "ion", "ing", "ed", "es", "s", "ly",
)  # fmt: skip
_NUMBER: Final = "|".join(NUMBERS)
_UNIT: Final = "|".join(sorted(UNITS, key=len, reverse=True))
_QUANTITY: Final = re.compile(
    rf"\b(\d+(?:\.\d+)?|(?:{_NUMBER})\b)\s*-?\s*({_UNIT})?\b(?!\w|\.\d)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Choice:
    """A question with answers of which one can hold; ``implied`` goes without saying."""

    values: frozenset[str]
    implied: frozenset[str]


@dataclass(frozen=True, slots=True)
class Meaning:
    """A rule as sets of stems.

    ``wanted`` and ``refused`` are what it acts on, ``about`` all its words, and ``instead`` those
    that only say what something else replaces. ``amounts`` are its numbers, each with its unit.
    ``answers`` are what it chooses of each question in ``choices``, by its place there. ``acts``
    tells showing from storing. ``points`` says whether what it is about stands outside of it ("do
    it there"), and ``negated`` whether it refuses anything at all.
    """

    wanted: frozenset[str]
    refused: frozenset[str]
    about: frozenset[str]
    instead: frozenset[str]
    amounts: frozenset[tuple[float, str]]
    excepts: bool
    answers: dict[int, frozenset[str]]
    acts: frozenset[str]
    points: bool
    negated: bool

    @property
    def circumstances(self) -> frozenset[str]:
        """What it neither wants nor refuses, but wants or refuses something in."""
        return self.about - self.wanted - self.refused - self.instead


@lru_cache(maxsize=KEPT)
def meaning_of(text: str) -> Meaning:
    """Return what ``text`` means, as far as its words tell."""
    excepts = bool(_EXCEPTION.search(text))
    amounts, rest = _amounts(_ONE_WORD.sub(r"\1-\2", text.replace("`", "")))
    wanted: set[str] = set()
    refused: set[str] = set()
    instead: set[str] = set()
    about: set[str] = set()
    for said in _CLAUSE.split(_PLACE.sub("", rest)):
        about |= stems(said)
        _read(said, wanted, refused, instead)
    if any(unit == _COLUMN for _, unit in amounts):
        about |= stems("line")
    all_refused = frozenset(refused - wanted) | (refused & instead)
    return Meaning(
        wanted=frozenset(wanted - refused),
        refused=all_refused,
        about=frozenset(about),
        instead=frozenset(instead),
        amounts=frozenset(amounts),
        excepts=excepts,
        answers=_answers((wanted - refused) | (about - all_refused - instead)),
        acts=frozenset(ACTS[word] for word in _WORD.findall(text.lower()) if word in ACTS),
        points=points_elsewhere(text),
        negated=any(_plain(found) not in _INSTEAD for found in _NEGATION.finditer(rest)),
    )


def stems(text: str) -> frozenset[str]:
    """Return the stems of the words in ``text`` that say something."""
    return frozenset(_stems(text))


def points_elsewhere(text: str) -> bool:
    """Say whether ``text`` is about "it" or "that" before it has named anything."""
    for found in _POINTS.finditer(text):
        before = text[: found.start()]
        known = len(stems(before) - _JOINTS)
        if known < (1 if _REASON.search(before) else 2):
            return True
    return False


@cache
def choices() -> tuple[Choice, ...]:
    """Return the questions that two rules may answer differently."""
    return tuple(Choice(stems(values), stems(implied)) for values, implied in ALTERNATIVES)


def _answers(wanted: set[str]) -> dict[int, frozenset[str]]:
    found = ((at, choice.values & wanted) for at, choice in enumerate(choices()))
    return {at: values for at, values in found if values}


def _read(clause: str, wanted: set[str], refused: set[str], instead: set[str]) -> None:
    """Sort the words that ``clause`` acts on; a negation turns what follows, two turn it back."""
    negative = False
    at = 0
    for found in _NEGATION.finditer(clause):
        before = clause[at : found.start()]
        word = _plain(found)
        if word == "over" and (negative or not _PREFERS.search(before)):
            continue
        # A subject is neither wanted nor refused: "tests never sleep".
        if word in _INSTEAD or word == "without" or COMMANDS.match(before.lstrip()):
            (refused if negative else wanted).update(_heads(before))
        if word in _INSTEAD:
            tail = _heads(clause[found.end() :])
            refused |= tail
            instead |= tail
            return
        negative = not negative if word == "without" else True
        at = found.end()
    rest = clause[at:]
    (refused if negative else wanted).update(_heads(rest))


def _plain(found: re.Match[str]) -> str:
    return " ".join(found.group().lower().split())


def _heads(text: str) -> frozenset[str]:
    """Return the stems before the first word that begins a circumstance."""
    found = _CONTEXT.search(text)
    return stems(text[: found.start()] if found else text)


def _amounts(text: str) -> tuple[set[tuple[float, str]], str]:
    found = set()

    def taken(match: re.Match[str]) -> str:
        number = match[1].lower()
        value = NUMBERS[number] if number in NUMBERS else float(number)
        unit = (match[2] or "").lower()
        found.add((value, UNITS.get(unit, "")))
        return " "

    rest = _QUANTITY.sub(taken, text)
    return found, rest


def _stems(text: str) -> Iterable[str]:
    names = _names()
    for word in _WORD.findall(text.lower()):
        if word in EMPTY or word.endswith("n't") or "/" in word:
            continue
        stem = names.get(word) or names.get(stemmed := _stem(word)) or stemmed
        if stem not in EMPTY:
            yield stem


@cache
def _names() -> dict[str, str]:
    return {other: name for name, others in NAMES.items() for other in (name, *others.split())}


def _stem(word: str) -> str:
    """Return ``word`` without its English ending; crude, and the same for both rules."""
    first, hyphen, last = word.rpartition("-")
    if hyphen:
        return f"{first}-{_stem(last)}"
    if not word.isalpha() or len(word) < 4:
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)]
            break
    if word[-1] == word[-2] and word[-1] not in "slaeiou":
        word = word[:-1]
    return word.rstrip("e") if len(word) > 3 else word
