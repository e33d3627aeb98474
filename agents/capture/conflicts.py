"""Whether two rules agree, narrow each other, contradict each other, or have nothing in common.

Found by their words (wanted and refused things, choices, amounts), by their checks, by where they
hold, and by the likeness of their vectors where there are any. What holds in different places never
conflicts, and what holds in a part of a place narrows it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pydantic import Field

from agents.capture.definitions import definition
from agents.capture.meaning import Meaning, choices, meaning_of, stems
from memory.records import Check, Item, Record, Status

_ALIKE: Final = 0.75  # cosine of sentences that are about the same thing
_SHARED: Final = 0.5  # of the shorter rule's words
_LONGEST: Final = 1_000  # characters of an item that are read
_DIMENSIONS: Final = ("language", "role", "part")
_TOPICS: Final = frozenset({"docstrings", "comments"})


class Relation(StrEnum):
    """What a new rule is to an old one."""

    AGREE = "agree"
    REFINE = "refine"
    CONTRADICT = "contradict"
    UNRELATED = "unrelated"


class Verdict(Record):
    """One old item, what the new one is to it, and the reason when one of them has to yield."""

    old: str
    relation: Relation
    why: str = ""


class Resolution(Record):
    """What becomes of a new item and of those that it meets.

    ``superseded`` are the ids of old items that yield, each with its reason; ``yields_to`` is the
    id of the old item that the new one yields to, and ``why`` its reason.
    """

    verdicts: tuple[Verdict, ...] = ()
    superseded: dict[str, str] = Field(default_factory=dict)
    yields_to: str = ""
    why: str = ""


def resolve(
    new: Item, old_items: Sequence[Item], *, similarity: Mapping[str, float] | None = None
) -> Resolution:
    """Return how ``new`` and ``old_items`` get on; ``similarity`` is by the old items' ids.

    The newest wins, unless the old one is the user's explicit preference and the new one is only
    inferred. Where the new one yields, it supersedes nothing.
    """
    near = similarity or {}
    met = (
        (old, relation(new, old, similarity=near.get(old.id) if near else None))
        for old in old_items
    )
    known = {
        old.id: (old, kind) for old, kind in met if kind is not Relation.UNRELATED
    }  # ids are dear: only of what is related
    known.pop(new.id, None)
    verdicts = tuple(
        Verdict(old=id, relation=kind, why=_reason(new, old) if kind is Relation.CONTRADICT else "")
        for id, (old, kind) in known.items()
    )
    against = [v for v in verdicts if v.relation is Relation.CONTRADICT]
    stronger = next((v for v in against if _explicit(known[v.old][0]) and not _explicit(new)), None)
    return Resolution(
        verdicts=verdicts,
        superseded={} if stronger else {v.old: v.why for v in against},
        yields_to=stronger.old if stronger else "",
        why=stronger.why if stronger else "",
    )


def relation(new: Item, old: Item, *, similarity: float | None = None) -> Relation:
    """Return what ``new`` is to ``old``; ``similarity`` is the cosine of their vectors, if any."""
    terms = _defined(new), _defined(old)
    if terms[0] or terms[1]:
        return _of_definitions(new, old)
    one, other = meaning_of(_words(new)), meaning_of(_words(old))
    in_common = one.about & other.about or one.answers.keys() & other.answers.keys()
    if not in_common and similarity is None and not (new.check and old.check):
        return Relation.UNRELATED
    if _apart(new, old):
        return Relation.UNRELATED
    if clash := _clash(new, old, one, other):
        narrows = clash.narrower or one.excepts or _part_of(new, old) or _part_of(old, new)
        return Relation.REFINE if narrows else Relation.CONTRADICT
    same_check = new.check is not None and new.check == old.check
    alike = same_check or (similarity is not None and similarity >= _ALIKE)
    if not alike and not _akin(one, other):
        return Relation.UNRELATED
    differ = bool(one.amounts) and {v for v, _ in one.amounts} != {v for v, _ in other.amounts}
    adds = differ or one.excepts or _adds(one, other, same_check)
    narrows = _part_of(new, old) or (adds and not other.excepts)
    same = alike or _says_same(one, other, _named_places(new) | _named_places(old))
    return Relation.AGREE if same and not narrows else Relation.REFINE


@dataclass(frozen=True, slots=True)
class _Clash:
    """Why two rules cannot both hold; ``narrower`` when the new one is about fewer things."""

    why: str
    narrower: bool = False


def _clash(new: Item, old: Item, one: Meaning, other: Meaning) -> _Clash | None:
    if new.check and old.check and _turned(new.check, old.check):
        return _Clash("its check forbids what the other's demands")
    if one.acts and other.acts and not one.acts & other.acts:
        return None
    return _other_answer(one, other) or _turned_round(one, other) or _other_amount(one, other)


def _other_answer(one: Meaning, other: Meaning) -> _Clash | None:
    for at in one.answers.keys() & other.answers.keys():
        mine, theirs, choice = one.answers[at], other.answers[at], choices()[at]
        if mine & theirs:
            continue
        known = choice.values | choice.implied
        about, before = one.about - one.instead - known, other.about - other.instead - known
        alone = bool(choice.implied) and not (one.points or other.points)
        narrower = before < about and (alone or bool(before))
        if narrower or (alone and about == before) or _same_thing(one, about, other, before):
            return _Clash(f"{_listed(mine)} instead of {_listed(theirs)}", narrower)
    return None


def _turned_round(one: Meaning, other: Meaning) -> _Clash | None:
    """Return what one of the two wants and the other refuses, if both are about the same thing."""
    for refusing, wanting in ((one, other), (other, one)):
        both = refusing.refused & wanting.wanted
        if len(both) * 2 <= min(len(refusing.refused), len(wanting.wanted)):
            continue
        answers = (choice for choice in choices() if choice.values & both)
        rivals = frozenset().union(*(c.values | c.implied for c in answers)) - both
        if _same_thing(refusing, refusing.about - rivals, wanting, wanting.about - rivals):
            why = f"one wants and the other refuses {_listed(both)}"
            narrower = refusing.circumstances - wanting.about - rivals
            return _Clash(why, bool(narrower))
    return None


def _other_amount(one: Meaning, other: Meaning) -> _Clash | None:
    mine, theirs = _by_unit(one), _by_unit(other)
    for unit in mine.keys() & theirs.keys():
        plain = unit or len(one.about & other.about) > 1
        differ = len(mine[unit]) == len(theirs[unit]) == 1 and mine[unit] != theirs[unit]
        if plain and differ and _same_thing(one, one.about, other, other.about):
            return _Clash(f"{min(mine[unit]):g} instead of {min(theirs[unit]):g}")
    return None


def _by_unit(meaning: Meaning) -> dict[str, set[float]]:
    found: dict[str, set[float]] = {}
    for value, unit in meaning.amounts:
        found.setdefault(unit, set()).add(value)
    return found


def _same_thing(
    one: Meaning, about: frozenset[str], other: Meaning, before: frozenset[str]
) -> bool:
    """Say whether ``about`` and ``before``, words of the two, are plainly about one thing.

    A single word in common is enough only where neither has another one.
    """
    both = len(about & before)
    least = 3 if one.points or other.points else 2
    if both < least:
        return both == 1 and least == 2 and about == before
    return both * 2 > len(about | before)


def _akin(one: Meaning, other: Meaning) -> bool:
    """Say whether the two share more than half of the words of the shorter one."""
    mine, theirs = one.about - one.instead, other.about - other.instead
    both, least = len(mine & theirs), min(len(mine), len(theirs))
    if one.points or other.points:
        return both > 2 and both > _SHARED * least
    return both == least > 0 or both > max(1, _SHARED * least)


def _says_same(one: Meaning, other: Meaning, places: frozenset[str]) -> bool:
    """Say whether neither wants what the other refuses, and most words are common to both.

    Where each of them holds, in ``places``, is looked at elsewhere.
    """
    if one.wanted & other.refused or one.refused & other.wanted:
        return False
    mine, theirs = one.about - one.instead, other.about - other.instead
    both = mine & theirs
    answers = one.answers.keys() & other.answers.keys()
    if any(one.answers[at] != other.answers[at] for at in answers):
        return False
    if len(both) < 2 and one.negated != other.negated:
        return False
    return len(both) * 2 > len((mine | theirs) - ((_implied(one, other) | places) - both))


def _adds(one: Meaning, other: Meaning, same_check: bool) -> bool:
    """Say whether ``one`` says something that neither ``other`` nor a choice of both implies.

    Two with the same check say the same in other words, unless one has all words of the other.
    """
    implied = _implied(one, other)
    extra = one.about - other.about - one.instead - implied
    missing = other.about - one.about - other.instead - implied
    return len(extra) > len(missing) and not (same_check and missing)


def _implied(one: Meaning, other: Meaning) -> frozenset[str]:
    """Return what goes without saying where both choose the same."""
    both = one.about & other.about
    return frozenset().union(*(c.values | c.implied for c in choices() if both & c.values))


def _turned(check: Check, other: Check) -> bool:
    same = (check.regex, check.query, check.command) == (other.regex, other.query, other.command)
    return same and check.must != other.must


def _apart(new: Item, old: Item) -> bool:
    """Say whether the two hold in different places."""
    if (
        new.scope
        and old.scope
        and not (_under(new.scope, old.scope) or _under(old.scope, new.scope))
    ):
        return True
    return any(a and b and a != b for a, b in (_places(new, old, name) for name in _DIMENSIONS))


def _part_of(inner: Item, outer: Item) -> bool:
    """Say whether ``inner`` holds in a part only of where ``outer`` does."""
    if inner.scope != outer.scope and _under(inner.scope, outer.scope):
        return True
    for name in _DIMENSIONS:
        here, there = _places(inner, outer, name)
        if here and not there and not stems(here) & stems(_words(outer)):
            return True
    return False


def _under(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")


def _places(one: Item, other: Item, name: str) -> tuple[str, str]:
    said = (str(one.data.get(name, "")), str(other.data.get(name, "")))
    # What a rule is about is no place: docstrings are everywhere.
    return ("" if said[0] in _TOPICS else said[0], "" if said[1] in _TOPICS else said[1])


def _named_places(item: Item) -> frozenset[str]:
    return stems(" ".join(str(item.data.get(name, "")) for name in _DIMENSIONS))


def _defined(item: Item) -> tuple[str, str] | None:
    return definition(_words(item))


def _of_definitions(new: Item, old: Item) -> Relation:
    mine, theirs = _defined(new), _defined(old)
    if mine is None or theirs is None:
        return _restated(mine or theirs or ("", ""), _words(old if mine else new))
    if mine[0].casefold() != theirs[0].casefold():
        return Relation.UNRELATED
    one, other = stems(mine[1]), stems(theirs[1])
    if len(one & other) * 2 < min(len(one), len(other)):
        return Relation.CONTRADICT
    return Relation.REFINE if other < one else Relation.AGREE


def _restated(defined: tuple[str, str], plain: str) -> Relation:
    """Return what a plain statement is to a definition: "harmony is the balance of …".

    It never contradicts one, for most of what is said of a thing says nothing of its meaning.
    """
    term, sense = defined
    stated = re.match(rf"\W*(?:the\s+)?{re.escape(term)}\s+(?:is|are)\s+(.+)", plain, re.I)
    one, other = stems(stated[1] if stated else ""), stems(sense)
    return Relation.AGREE if len(one & other) * 2 > len(one | other) else Relation.UNRELATED


def _words(item: Item) -> str:
    return str(item.data.get("words") or item.text)[:_LONGEST]


def _listed(words: frozenset[str]) -> str:
    return ", ".join(sorted(words))


def _reason(new: Item, old: Item) -> str:
    """Return why the two cannot both hold."""
    clash = _clash(new, old, meaning_of(_words(new)), meaning_of(_words(old)))
    return clash.why if clash else "another meaning of the same term"


def _explicit(item: Item) -> bool:
    """Say whether the user put ``item`` here on purpose, or confirmed it."""
    return item.provenance.source == "user" or item.status is Status.VALIDATED
