"""Generates the starter set: every kind in its share, every prompt once, the same for one seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from random import Random
from typing import Any, Final

import prompts as prompt_sets
from agents.brief import BriefRule
from agents.reply import parse_tags
from memory.records import ContextWindow, Kind, PreservationTag, ReplyTags, Statement
from training.dataset.reader import Item
from training.examples.domain import UNKNOWN
from training.examples.scribe import PromptSet, Scribe
from training.examples.wordings import DEFINED, filled
from training.phrasing import phrases
from training.starter.constraints import CONSTRAINTS
from training.starter.crew import conventions, functions, levels, windows
from training.starter.drawn import Drawn, places
from training.starter.lesson import KINDS, Lesson
from training.starter.methods import METHODS
from training.starter.principles import PRINCIPLES
from training.starter.tool_use import tool_uses

LICENSE: Final = "MIT"
SOURCE: Final = "mcp-local-llm starter"
LESSONS: Final = (*PRINCIPLES, *METHODS, *CONSTRAINTS)
PROTOCOL: Final = frozenset({"tool", "level", "window"})
TERMS: Final = {
    "42": "harmony between rules and freedom",
    "strict": "that no byte of a region may change",
    "moderate": "that layout, comments and local names of a region may change",
    "flexible": "that a region may be written anew as long as its callers are content",
    "a brief": "the task with the rules, protected regions and files that bear on it",
    "a region": "a file, or a symbol in a file, as in shop/cart.py::total",
    "a context window": "the system prompt, active rules and news that a reader adopts",
    "a marker": "a category and a name that say what an answer keeps to",
}
_ASKED: Final = {
    "principle_application": "Show how to {title} for {path}, following {name}.",
    "violation_detection": "What in this code of {path} breaks {name}? Mend it.\n{wrong}",
    "implementation_guidance": "How do I {title}? It is about {path}, and {name} holds.",
}
_DULL: Final = 500  # prompts in a row that were there already: the maker has no more
_HELD_OUT: Final = 10  # one in so many groups


def starter(count: int, *, seed: int, prompts: PromptSet = "full") -> list[Item]:
    """Return about ``count`` items in a random order; fewer where a kind has no more prompts."""
    scribe, seen = Scribe(prompts), set[str]()
    items: list[Item] = []
    for kind, (share, maker) in _KINDS.items():
        made = _unseen(maker(scribe, Random(f"{seed}:{kind}")), seen)
        drawn = islice(made, round(share * count))
        items += (_item(kind, number, one, prompts) for number, one in enumerate(drawn))
    Random(seed).shuffle(items)
    return items


def _unseen(made: Iterator[Drawn], seen: set[str]) -> Iterator[Drawn]:
    dull = 0
    for one in made:
        asked = "\n".join(turn.content for turn in one.written.messages[1:2])
        dull = dull + 1 if asked in seen else 0
        if dull > _DULL:
            return
        if asked not in seen:
            seen.add(asked)
            yield one


def _item(kind: str, number: int, one: Drawn, prompts: PromptSet) -> Item:
    """Return the item with both layers of its last answer, as a reply of the crew has them."""
    answer = one.written.messages[-1].content
    tags = parse_tags(answer)
    window = ContextWindow(
        prompt_id=prompt_sets.PROMPT_IDS[prompts],
        active_rules=_statements(rule for rule in one.rules if rule.kind != Kind.DEFINITION),
        definitions=_statements(rule for rule in one.rules if rule.kind == Kind.DEFINITION),
    )
    metadata = ReplyTags(
        rules=tags.rules if tags else (),
        markers=tags.marks if tags else (),
        levels=(PreservationTag(region=one.place, level=tags.level),) if tags and one.place else (),
    )
    more: dict[str, Any] = {
        "context_window": window.model_dump(mode="json", exclude={"tokens"}),
        "metadata": metadata.model_dump(mode="json", exclude={"compliance"}),
        "license": LICENSE,
        "about": one.topic,
        **one.more,
    }
    held_out = "#valid" if number % _HELD_OUT == _HELD_OUT - 1 else ""
    return Item(
        id=f"starter/{kind}/{number:04d}",
        messages=one.written.messages,
        learn=one.written.learn,
        group=f"starter:{kind}:{number}{held_out}",
        source=SOURCE,
        kind=kind,
        **more,
    )


def _statements(rules: Iterable[BriefRule]) -> tuple[Statement, ...]:
    return tuple(Statement(id=rule.id, text=rule.text) for rule in rules)


def _lessons(scribe: Scribe, rng: Random) -> Iterator[Drawn]:
    for path, thing in places(rng):
        for lesson in rng.sample(LESSONS, len(LESSONS)):
            for kind in KINDS:
                yield _lesson(scribe, lesson.about(thing), kind, path)


def _lesson(scribe: Scribe, lesson: Lesson, kind: str, path: str) -> Drawn:
    """Return one kind of example of a lesson, with the fields of its record."""
    name = lesson.name.replace("-", " ")
    asked = _ASKED[kind].format(title=lesson.title, path=path, name=name, wrong=lesson.wrong)
    right = f"```python\n{lesson.right}\n```"
    answer = {
        "principle_application": right,
        "violation_detection": f"{lesson.fault}\n{right}",
        "implementation_guidance": f"{lesson.guidance}\n{right}",
    }[kind]
    written = scribe.asked(asked, answer, f"concept:{lesson.name}")
    more = {"type": kind, "input": asked, "output": answer, "principle": lesson.name}
    return Drawn(lesson.name, written, path, more=more | {"context": f"{lesson.group}, {path}"})


def _definitions(scribe: Scribe, rng: Random) -> Iterator[Drawn]:
    while True:
        term, sense = rng.choice(list(TERMS.items()))
        said = f"{term[:1].upper()}{term[1:]} means {sense}."
        rule = BriefRule(id="r1", text=said, kind="definition")
        rules = (rule,) if rng.random() < 0.25 else ()
        form = phrases(DEFINED, 1, rng)[0]
        if rng.random() < 0.3:
            term = rng.choice(UNKNOWN)
            said, rules = f"I do not know what {term} means.", ()
        yield Drawn(
            "definition", scribe.asked(filled(form, rng, term=term), said, rules=rules), rules=rules
        )


def _tools(scribe: Scribe, rng: Random) -> Iterator[Drawn]:
    for path, thing in places(rng):
        for tool, written in tool_uses(scribe, path, thing, rng):
            yield Drawn(tool, written, path)


_Maker = Callable[[Scribe, Random], Iterator[Drawn]]
_KINDS: Final[dict[str, tuple[float, _Maker]]] = {
    "principle": (0.18, _lessons),
    "definition": (0.05, _definitions),
    "tool": (0.30, _tools),
    "convention": (0.22, conventions),
    "level": (0.11, levels),
    "window": (0.04, windows),
    "function": (0.10, functions),
}
