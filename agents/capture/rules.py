"""The rules and definitions that a developer's turn teaches, each with where it holds.

Deterministic, and only from what was typed (``parts.take_apart``): nothing is made up, and where
the wording doesn't say where a rule holds or how it could be checked, it has neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import Field, JsonValue

from agents.capture.checker import check_of
from agents.capture.definitions import definition
from agents.capture.directive import stands_alone, unheaded
from agents.capture.rule import directives, explained, is_standing, listed, sentences, worded
from agents.capture.scope import place_of
from agents.capture.wording import NOT_AGAIN
from memory.records import Check, Item, Kind, Provenance, Record

_MOST: Final = 20  # rules of one turn


class Rule(Record):
    """One imperative sentence, or one definition; ``words`` are the user's own.

    ``scope`` is a path from the project's root (empty: all of it), ``part`` what was named without
    its folder ("the API"), ``language`` a lower-case name such as ``python``, ``role`` the kind of
    work it is about (``tests``, ``docs``, ``commits`` …), ``term`` what a definition defines.
    ``confidence`` says how plainly it is put as something that holds (0.6 to 0.95), not how sure it
    is that the turn teaches at all: that is the detector's.
    """

    text: str = Field(min_length=1)
    words: str
    kind: Kind = Kind.PREFERENCE
    scope: str = ""
    part: str = ""
    language: str = ""
    role: str = ""
    term: str = ""
    confidence: float = Field(default=0.7, ge=0, le=1)
    check: Check | None = None

    def item(self, project: str, provenance: Provenance) -> Item:
        """Return the rule as an item of ``project``; what items have no field for is ``data``."""
        data: dict[str, JsonValue] = {"words": self.words}
        data |= {n: v for n in ("part", "language", "role", "term") if (v := getattr(self, n))}
        if self.check is not None:
            data["check"] = self.check.model_dump(mode="json", exclude_defaults=True)
        return Item(
            kind=self.kind,
            text=self.text,
            project=project,
            scope=self.scope,
            confidence=self.confidence,
            provenance=provenance,
            data=data,
        )


def rules_of(typed: str, *, path: str = "") -> tuple[Rule, ...]:
    """Return what ``typed`` teaches, in its order; ``path`` is the file that "this file" means.

    At most 20 rules; a text that directs nothing has none.
    """
    said = sentences(typed)
    points = listed(typed)
    directing = directives(typed) | points
    taught = (
        _defined(words)
        or (_directed(words, said, words in points, path) if words in directing else None)
        for words in said
    )
    rules = {rule.text: rule for rule in taught if rule is not None}
    return tuple(rules.values())[:_MOST]


def rule_from(words: str, *, path: str = "") -> Rule:
    """Return ``words`` as one rule or definition, for what is taught on purpose.

    Raises:
        ValueError: ``words`` is blank.
    """
    text = worded(words) or " ".join(words.split())
    return _defined(words) or _placed(text, words, path)


def _directed(words: str, said: Sequence[str], point: bool, path: str) -> Rule | None:
    """Return the rule in ``words``; None where it says nothing without what stands around it.

    A ``point`` of a list under a heading may be a fragment, and so may what is kept together with
    what it points to.
    """
    text = worded(unheaded(words))
    full = explained(text, words, said)
    told = full != text and is_standing(words)
    if text is None or full is None or not (point or told or stands_alone(words)):
        return None
    plain = full.removeprefix(NOT_AGAIN)
    return _placed(f"{plain[:1].upper()}{plain[1:]}", words, path)


def _defined(words: str) -> Rule | None:
    found = definition(words)
    if found is None:
        return None
    term, sense = found
    return Rule(
        text=f"{term} means {sense}.", words=words, kind=Kind.DEFINITION, term=term, confidence=0.9
    )


def _placed(text: str, words: str, path: str) -> Rule:
    place = place_of(words, path=path)
    return Rule(
        text=text,
        words=words,
        scope=place.scope,
        part=place.part,
        language=place.language,
        role=place.role,
        confidence=0.9 if is_standing(words) else 0.7,
        check=check_of(words, place),
    )
