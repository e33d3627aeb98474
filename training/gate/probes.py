"""Probes about a rule, drawn from what the user taught: none shows the rule, none was trained."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, Final

from agents import talk
from agents.brief import Brief, BriefFile, module_name, render_brief
from agents.chat import Message
from agents.crew import ROLES
from agents.profiles import PromptSet
from memory.records import Item, Kind
from prompts import PROMPT_IDS
from training.examples.behaviours import Commits, Named, Prefers, Raises, Refuses, behaviour_of
from training.examples.build import is_rule, pair_of, topics_of
from training.examples.knowledge import Knowledge
from training.examples.scribe import placed
from training.gate import checks
from training.gate import wordings as w
from training.gate.records import Probe

PHRASINGS: Final = 4  # of each rule
_TOKENS: Final = 256
CODERS: Final = ("tester", "implementer")
_CONVENTIONAL: Final = (
    r"(?:feat|fix|docs|test|refactor|perf|chore|style|build|ci)(?:\([\w-]+\))?!?: "
)
_BEFORE: Final = r"(?:\S+ ){0,2}"  # other rules may have something to say there too

# messages, roles that speak after them, check
_Draft = tuple[tuple[Message, ...], tuple[str, ...], Any]


def probes_of(
    known: Sequence[Knowledge], *, prompts: PromptSet, seed: int, suite: str
) -> tuple[Probe, ...]:
    """Return ``suite``: four probes for each rule, definition or correction in ``known``.

    The same arguments give the same probes. What can be done is asked for as work, and its result
    is executed or looked at as a syntax tree. Kinds that nothing asks about have no probe.
    """
    return tuple(
        probe
        for one in known
        for probe in _probes(one.item, prompts, Random(f"{seed}:{one.id}"), suite)  # noqa: S311
    )


def _probes(item: Item, prompts: PromptSet, rng: Random, suite: str) -> Iterator[Probe]:
    for number, (messages, then, check) in enumerate(_drafts(item, prompts, rng)):
        pair = f"{item.id}/{number}" if checks.needs_pair(check) else ""
        shared: dict[str, Any] = {
            "suite": suite, "of": item.id, "pair": pair, "max_tokens": _TOKENS,
            "prompts": prompts, "category": str(item.kind),
        }  # fmt: skip
        yield Probe(
            id=f"{suite}/{item.id}/{number}", messages=messages, then=then, check=check, **shared
        )
        if pair:
            ordinary = checks.RoleReply(role="planner", prompt=PROMPT_IDS[prompts])
            yield Probe(
                id=f"{suite}/{item.id}/{number}/ordinary",
                messages=wished(prompts, w.ORDINARY),
                check=ordinary,
                **shared,
            )


def _drafts(item: Item, prompts: PromptSet, rng: Random) -> Iterator[_Draft]:
    if item.kind is Kind.DEFINITION and "term" in item.data:
        yield from _defined(item, prompts, rng)
    elif is_rule(item):
        yield from _ruled(item, prompts, rng)
    elif item.kind is Kind.CORRECTION and (pair := pair_of(item)):
        for form in w.MENDED:
            asked = form.format(original=pair[0].rstrip())
            yield _question(prompts, asked, checks.Says(text=pair[1], share=0.9))


def _ruled(item: Item, prompts: PromptSet, rng: Random) -> Iterator[_Draft]:
    behaviour = behaviour_of(item.text)
    match behaviour:
        case Raises():
            yield from _guards(behaviour, item, prompts, rng)
        case Named(what="function"):
            yield from _functions(behaviour, item, prompts)
        case Named(what="class"):
            yield from _classes(behaviour, item, prompts)
        case Commits():
            yield from _commits(behaviour, prompts)
        case Refuses():
            yield from _refusals(behaviour, prompts)
        case Prefers():
            yield from _choices(behaviour, item, prompts)
        case _:
            yield from _questions(item, prompts, rng)


def _question(prompts: PromptSet, asked: str, check: Any) -> _Draft:
    return (talk.system(prompts), talk.question(prompts, asked)), (), check


def wished(prompts: PromptSet, wish: str, path: str = "", text: str = "") -> tuple[Message, ...]:
    """Return what the planner is sent with ``wish``, shown the file ``path`` that says ``text``."""
    shown = (BriefFile(path=path, module=module_name(path), text=text),) if text else ()
    preface = render_brief(Brief(task=wish, files=shown), prompts)
    return talk.system(prompts), talk.turn(ROLES["planner"], prompts, preface=preface)


def _defined(item: Item, prompts: PromptSet, rng: Random) -> Iterator[_Draft]:
    term = str(item.data["term"])
    sense = item.text.partition(" means ")[2].rstrip(".") or item.text
    for form in rng.sample(w.DEFINED, PHRASINGS):
        yield _question(prompts, form.format(term=term), checks.Says(text=sense))


def _questions(item: Item, prompts: PromptSet, rng: Random) -> Iterator[_Draft]:
    topics = topics_of(item.text)
    for number, form in enumerate(rng.sample(w.ABOUT, PHRASINGS)):
        asked = form.format(topic=topics[number % len(topics)])
        yield _question(prompts, asked, checks.Says(text=item.text))


def _guards(rule: Raises, item: Item, prompts: PromptSet, rng: Random) -> Iterator[_Draft]:
    given = "" if hasattr(builtins, rule.wanted) else f"class {rule.wanted}(Exception):\n    pass"
    for form, (path, thing) in zip(w.GUARDS, w.THINGS, strict=True):
        least, at = rng.randint(2, 30), placed(item, path)
        wish = form.format(path=at, thing=thing, least=least)
        wish = f"{wish} This is {rule.when}." if rule.when else wish
        parts = (
            checks.Executes(given=given, call=f"check_{thing}({least - 1})", raises=rule.wanted),
            checks.Executes(given=given, call=f"check_{thing}({least})", equals=str(least)),
        )
        yield wished(prompts, wish, at, given), CODERS, checks.Every(parts=parts)


def _functions(rule: Named, item: Item, prompts: PromptSet) -> Iterator[_Draft]:
    pattern = rf"\w+{re.escape(rule.affix)}" if rule.at_end else rf"{re.escape(rule.affix)}\w+"
    rows = zip(w.QUALIFIED if rule.kind else w.ADDS, w.THINGS, w.RETURNS, strict=True)
    for form, (path, _), returns in rows:
        wish = form.format(path=placed(item, path), returns=returns, kind=rule.kind)
        yield wished(prompts, wish), CODERS, checks.Structure(functions=f"_?{pattern}")


def _classes(rule: Named, item: Item, prompts: PromptSet) -> Iterator[_Draft]:
    pattern = rf"\w+{re.escape(rule.affix)}" if rule.at_end else rf"{re.escape(rule.affix)}\w+"
    for form, (path, thing) in zip(w.CLASSES, w.THINGS, strict=True):
        wish = form.format(path=placed(item, path), thing=thing)
        yield wished(prompts, wish), CODERS, checks.Structure(classes=pattern)


def _commits(rule: Commits, prompts: PromptSet) -> Iterator[_Draft]:
    affix = re.escape(rule.affix)
    pattern = rf"{_BEFORE}{affix} ?\S.*" if affix else rf"{_BEFORE}{_CONVENTIONAL}\S.*"
    pattern = rf".*\S ?{affix}(?: \S+){{0,2}}" if rule.at_end else pattern
    for form, told in zip(w.COMMITTED, w.CHANGES, strict=True):
        yield _question(prompts, form.format(told=told), checks.CommitForm(pattern=pattern))


def _refusals(rule: Refuses, prompts: PromptSet) -> Iterator[_Draft]:
    about = max(re.findall(r"\w+", rule.action), key=len)
    for form in w.FORBIDDEN:
        wish = form.format(action=rule.action)
        yield wished(prompts, wish), (), checks.Refuses(about=about)


def _choices(rule: Prefers, item: Item, prompts: PromptSet) -> Iterator[_Draft]:
    said = f"Use {rule.wanted}, not {rule.unwanted}."
    check = checks.Says(text=said, others=(item.text,), share=0.95)
    for form in w.CHOSEN:
        yield _question(prompts, form.format(unwanted=rule.unwanted), check)
