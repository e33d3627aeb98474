"""Turns what the user taught into conversations: variants that apply it, and contrasts.

Each piece of knowledge gives ten variants to train (8 to 12, by how well it went), two held out in
a group of their own (``rule:ID#valid``), and contrast items where it must not fire. The same
knowledge gives the same items, whatever else there is: each is drawn by its own id.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, zip_longest
from math import log2
from random import Random
from typing import Final, NamedTuple

from memory.records import Item as Taught
from memory.records import Kind
from tools.wire import parse_reply
from training.dataset.reader import Item
from training.examples.applied import applied, contrasted
from training.examples.behaviours import Behaviour, behaviour_of
from training.examples.domain import UNKNOWN
from training.examples.knowledge import Knowledge, Transcript, eligible
from training.examples.scribe import PromptSet, Scribe, Written, as_rule
from training.examples.wordings import ABOUT, DECIDED, DEFINED, MENDED, REVERSED, WRITTEN, filled
from training.phrasing import phrases

VARIANTS: Final = 10
"""How many are trained of what nothing is known about but its words."""

RUNS: Final = "runs"
"""The one group of all accepted runs: together they get what one rule may have of a set."""

HELD_OUT: Final = 2
CONTRASTS: Final = 2
_LONGEST: Final = 4_000  # characters of a corrected text
_REVIEWED: Final = ("fs.", "search.")  # what such calls do the user has seen in the change
_STOP: Final = frozenset(
    re.findall(
        r"\S+",
        "a an the and or but not no never always only must should may can do does don't use used "
        "using be is are was were been have has had it its this that these those they them we us "
        "our you your i my in on at to from of for with without by as if when whenever where while "
        "until before after over under than then so all any each every both more most other such "
        "instead rather also please keep make write add give put let take start begin end prefix "
        "suffix prefer",
    )
)


class _Draft(NamedTuple):
    kind: str
    written: Written


class _House(NamedTuple):
    """What there is besides one piece of knowledge: all texts, and all rules."""

    texts: str
    rules: tuple[Taught, ...]

    def holding(self, item: Taught) -> list[Behaviour]:
        """Return what the rules do that hold wherever ``item`` does."""
        found = (behaviour_of(one.text) for one in self.rules if _covers(one, item))
        return [behaviour for behaviour in found if behaviour is not None]


def _covers(rule: Taught, item: Taught) -> bool:
    return rule.project in ("", item.project) and (
        rule.scope in ("", item.scope) or item.scope.startswith(f"{rule.scope}/")
    )


def build_examples(
    known: Sequence[Knowledge],
    *,
    prompts: PromptSet,
    seed: int,
    weights: Mapping[str, float] | None = None,
) -> list[Item]:
    """Return the items of all that may train; see ``knowledge.eligible`` for what may not.

    ``weights`` (by id, 1 where none is given) are those of ``memory.rewards.replay_weights``: what
    went well is trained in more variants, what frustrated in fewer.
    """
    taught = eligible(known)[0]
    weighed = weights or {}
    house = _House(
        texts=" ".join(one.item.text for one in known).casefold(),
        rules=tuple(one.item for one in taught if is_rule(one.item)),
    )
    return [
        item
        for one in taught
        for item in _items(
            one,
            Scribe(prompts),
            Random(f"{seed}:{one.id}"),
            house,
            variants_of(weighed.get(one.id, 1.0)),
        )
    ]


def variants_of(weight: float) -> int:
    """Return how many variants are trained at ``weight``: 8 at half, 10 at one, 12 at two."""
    return VARIANTS + round(2 * max(-1.0, min(1.0, log2(weight))))


def from_transcripts(transcripts: Sequence[Transcript]) -> list[Item]:
    """Return the accepted runs whose answers can all be read and begin with their first call.

    Answers are learned, and nothing else: files, results of tools and the tests' output are data.
    An answer that ran a command is not learned, since the change does not show what that did.
    """
    items = (
        Item(
            id=f"run:{one.run}",
            messages=one.messages,
            learn=_reviewed(one),
            group=RUNS,
            source="accepted run",
            kind="run",
            of=one.of,
        )
        for one in transcripts
        if one.accepted and _is_clean(one)
    )
    return [item for item in items if item.learn]


def _is_clean(one: Transcript) -> bool:
    answers = [turn.content for turn in one.messages if turn.role == "assistant"]
    is_last = bool(one.messages) and one.messages[-1].role == "assistant"
    return is_last and all(map(starts_with_its_call, answers))


def _reviewed(one: Transcript) -> tuple[int, ...]:
    return tuple(
        at
        for at, turn in enumerate(one.messages)
        if turn.role == "assistant"
        and all(call.name.startswith(_REVIEWED) for call in parse_reply(turn.content).calls)
    )


def starts_with_its_call(answer: str) -> bool:
    """Say whether ``answer`` can be read and has no words before its first call."""
    reply = parse_reply(answer)
    if reply.problem is not None:
        return False
    return not reply.calls or reply.shape != "tag" or answer.lstrip().startswith("<tool:")


def _items(
    one: Knowledge, scribe: Scribe, rng: Random, house: _House, count: int
) -> Iterator[Item]:
    drafts = list(_drafts(one, scribe, rng, house, count))
    if not drafts:  # else it would count as taught, by what it is not
        return
    contrasts = list(_contrasts(one, scribe, rng, house.texts))[:CONTRASTS]
    count = max(1, min(count, len(drafts) - HELD_OUT))
    held_out = drafts[count : count + HELD_OUT]
    rows = [
        *((draft, "") for draft in (*drafts[:count], *contrasts)),
        *((draft, "#valid") for draft in held_out),
    ]
    for number, (draft, part) in enumerate(rows):
        yield Item(
            id=f"{one.id}/{number:02d}",
            messages=draft.written.messages,
            learn=draft.written.learn,
            group=f"rule:{one.id}{part}",
            source=f"memory ({one.item.provenance.source})",
            kind=draft.kind,
            of=(one.id,),
        )


def _drafts(
    one: Knowledge, scribe: Scribe, rng: Random, house: _House, count: int
) -> Iterator[_Draft]:
    item = one.item
    if item.kind is Kind.DEFINITION and "term" in item.data:
        yield from (_Draft("definition", said) for said in _defined(item, scribe, rng, count))
    elif pair := pair_of(item):
        kind = "run" if item.kind is Kind.GENERATION else "correction"
        forms = _FORMS[item.kind]
        yield from (_Draft(kind, said) for said in _answered(pair, forms, scribe, rng))
    elif is_rule(item):
        yield from (_Draft("rule", said) for said in _ruled(item, scribe, rng, house, count))


def is_rule(item: Taught) -> bool:
    """Say whether ``item`` is taught by its text, and not by something asked and its answer."""
    return item.kind not in {Kind.CORRECTION, Kind.GENERATION} and pair_of(item) is None


# -- definitions -----------------------------------------------------------------------------------


def _defined(item: Taught, scribe: Scribe, rng: Random, count: int) -> Iterator[Written]:
    """Yield questions for the term and for the sense; a few are shown the rule, as recall does."""
    term = str(item.data["term"])
    sense = item.text.partition(" means ")[2].rstrip(".") or item.text
    asked = [filled(form, rng, term=term) for form in phrases(DEFINED, count, rng)]
    asked[7:7] = [form.format(sense=sense) for form in phrases(REVERSED, 2, rng)]
    mark = f"definition:{_marker(term)}"
    for number, question in enumerate(asked):
        rules = (as_rule(item),) if number in {4, 8} else ()
        yield scribe.asked(question, item.text, mark, rules=rules)


def _marker(term: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", term).strip("-")[:64] or "term"


def _unknown(term: str, rng: Random, texts: str) -> Iterator[str]:
    """Yield terms that nobody taught: another number for a number, else words of no language."""
    if term.isdigit():
        near = [str(int(term) + step) for step in (1, -1, 10, 5) if int(term) + step > 0]
        yield from (other for other in near if not re.search(rf"\b{other}\b", texts))
    yield from (word for word in rng.sample(UNKNOWN, len(UNKNOWN)) if word not in texts)


# -- rules -----------------------------------------------------------------------------------------


def _ruled(
    item: Taught, scribe: Scribe, rng: Random, house: _House, count: int
) -> Iterator[Written]:
    """Yield tasks in which the rule fires, as far as its wording says how, and questions."""
    behaviour = behaviour_of(item.text)
    does = (
        []
        if behaviour is None
        else list(applied(behaviour, item, scribe, rng, house.holding(item)))
    )
    asks = _questions(item, scribe, rng, count + HELD_OUT)
    if not does:
        yield from asks
        return
    tasks, questions = does[: count - 2], asks[:4]
    mixed = [one for pair in zip_longest(tasks, questions) for one in pair if one is not None]
    yield from mixed[: count + HELD_OUT]


def _questions(item: Taught, scribe: Scribe, rng: Random, count: int) -> list[Written]:
    topics = topics_of(item.text)
    forms = phrases(ABOUT, count, rng)
    return [
        scribe.asked(
            filled(form, rng, topic=topics[number % len(topics)]),
            item.text,
            rules=(as_rule(item),) if number % 5 == 4 else (),
        )
        for number, form in enumerate(forms)
    ]


def topics_of(text: str) -> list[str]:
    """Return what a question may name a rule by: its longer words, in pairs and alone."""
    words = [word.strip("`'\".,;:!?()") for word in text.split()]
    plain = [word for word in words if len(word) > 2 and word.casefold() not in _STOP]
    first = plain[:4] or [text.rstrip(".")]
    pairs = [f"{one} and {other}" for one, other in pairwise(first)]
    return list(dict.fromkeys([*pairs, *first]))


# -- corrections and accepted code -----------------------------------------------------------------

_FORMS: Final = {
    Kind.CORRECTION: MENDED,
    Kind.DECISION: DECIDED,
    Kind.PATTERN: WRITTEN,
    Kind.GENERATION: WRITTEN,
}


def pair_of(item: Taught) -> tuple[str, str] | None:
    """Return what was there or asked, and what the user made of it or took over.

    None where there is no such pair, or a side of it is too long.
    """
    names = {
        Kind.CORRECTION: ("original", "corrected"),
        Kind.DECISION: ("problem", "chosen"),
        Kind.PATTERN: ("name", "code"),
    }
    if item.kind is Kind.GENERATION:
        code = item.data.get("final_code") or item.data.get("code")
        before, after = item.data.get("task"), code
    elif item.kind in names:
        before, after = (item.data.get(name) for name in names[item.kind])
    else:
        return None
    if not (
        isinstance(before, str) and isinstance(after, str) and before.strip() and after.strip()
    ):
        return None
    is_whole = max(len(before), len(after)) <= _LONGEST and not after.endswith("…")
    return (before, after) if is_whole and before.strip() != after.strip() else None


def _answered(
    pair: tuple[str, str], forms: Sequence[str], scribe: Scribe, rng: Random
) -> Iterator[Written]:
    given, answer = pair
    for form in rng.sample(forms, len(forms)):
        yield scribe.asked(form.format(original=given.rstrip()), answer.rstrip())


# -- contrasts -------------------------------------------------------------------------------------


def _contrasts(one: Knowledge, scribe: Scribe, rng: Random, texts: str) -> Iterator[_Draft]:
    """Yield what lies near and is something else."""
    item = one.item
    unknown = _unknown(str(item.data.get("term", "")), rng, texts)
    if item.kind is Kind.DEFINITION:
        for form, other in zip(phrases(DEFINED, CONTRASTS, rng), unknown, strict=False):
            asked = filled(form, rng, term=other)
            yield _Draft("contrast", scribe.asked(asked, _does_not_know(other)))
        return
    behaviour = behaviour_of(item.text)
    if behaviour is not None and pair_of(item) is None:
        for written in contrasted(behaviour, item, scribe, rng):
            yield _Draft("contrast", written)
        return
    for form, other in zip(phrases(ABOUT, CONTRASTS, rng), unknown, strict=False):
        told = f"I do not know of a rule about {other}."
        yield _Draft("contrast", scribe.asked(filled(form, rng, topic=other), told))


def _does_not_know(term: str) -> str:
    return f"I do not know what {term} means."
