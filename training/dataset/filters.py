"""Filters for datasets from elsewhere: by language of the code, by age of the Python, by length.

Each says why an item goes; nothing is lost silently.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from agents.capture.scope import language_name, language_of
from memory.records import Record
from tools.wire import parse_reply
from training.dataset.reader import Item
from training.dataset.scrub import Removed, reasons

_SAMPLE: Final = 5
_FENCED: Final = re.compile(r"^```[ \t]*([\w+#.-]*)[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
# What Python 3 does not read or know. `class X:` is no sign of age: it is how Python 3 writes it.
_OLD: Final = {
    "print without brackets": r"^[ \t]*print[ \t]+(?!=|\()\S",
    "has_key": r"\.has_key\(",
    "xrange": r"\bxrange\(",
    "an old-style except": r"^[ \t]*except[ \t]+[\w.]+[ \t]*,[ \t]*\w+[ \t]*:",
    "an old-style raise": r"^[ \t]*raise[ \t]+[\w.]+[ \t]*,",
    "an old-style class": r"^[ \t]*class[ \t]+\w+\(\):",
    "raw_input or unicode": r"\b(?:raw_input|unicode)\(",
    "iteritems": r"\.iter(?:items|keys|values)\(",
}
_AGED: Final = {name: re.compile(pattern, re.MULTILINE) for name, pattern in _OLD.items()}
_SIGNATURE: Final = re.compile(r"^[ \t]*(?:async[ \t]+)?def[ \t]+\w+\(([^)]*)\)([^:\n]*):", re.M)
_UNNAMED: Final = frozenset({"self", "cls", "", "*", "/"})


class Code(NamedTuple):
    """A piece of code in a learned answer; ``language`` is empty where nothing tells it."""

    language: str
    text: str


class FilterReport(Record):
    """How many items stayed, how many went for which reason, and the first few of those."""

    kept: int
    removed: dict[str, int]
    sample: tuple[Removed, ...] = ()


Rule = Callable[[Item], str]
"""Says why an item goes, or returns "" for one that may stay."""


def filtered(items: Iterable[Item], rules: Sequence[Rule]) -> tuple[list[Item], list[Removed]]:
    """Return the items that meet all ``rules``, and the others with the first reason."""
    kept: list[Item] = []
    removed: list[Removed] = []
    for item in items:
        if why := next(filter(None, (rule(item) for rule in rules)), ""):
            removed.append(Removed(id=item.id, why=why))
        else:
            kept.append(item)
    return kept, removed


def report(kept: int, removed: Sequence[Removed]) -> FilterReport:
    """Return the figures of a filter."""
    counts = reasons(one.why for one in removed)
    return FilterReport(kept=kept, removed=counts, sample=tuple(removed[:_SAMPLE]))


def languages(wanted: Iterable[str]) -> Rule:
    """Let go what holds code of a language that is none of ``wanted``; code of none may stay."""
    allowed = {language_name(name) or name.casefold() for name in wanted}

    def rule(item: Item) -> str:
        other = next(
            (one for one in codes(item) if one.language and one.language not in allowed), None
        )
        return f"code of another language ({other.language})" if other else ""

    return rule


def python_3(item: Item) -> str:
    """Let go what holds Python that only Python 2 reads."""
    for code in codes(item):
        if code.language in ("python", ""):
            for name, pattern in _AGED.items():
                if pattern.search(code.text):
                    return f"Python 2 ({name})"
    return ""


def hinted(item: Item) -> str:
    """Let go what holds Python functions with parameters, none of which has a type hint."""
    signatures = [
        found
        for code in codes(item)
        if code.language == "python"
        for found in _SIGNATURE.finditer(code.text)
        if {name.strip() for name in found[1].split(",")} - _UNNAMED
    ]
    has_hint = any(":" in found[1] or "->" in found[2] for found in signatures)
    return "no type hints" if signatures and not has_hint else ""


def at_least(messages: int) -> Rule:
    """Let go what has fewer ``messages``."""

    def rule(item: Item) -> str:
        count = len(item.messages)
        return f"too short ({count} messages of at least {messages})" if count < messages else ""

    return rule


def codes(item: Item) -> Iterator[Code]:
    """Yield the code in the learned answers of ``item``: what calls write, and fenced blocks."""
    for place in item.learned:
        reply = parse_reply(item.messages[place].content)
        for call in reply.calls:
            if call.body:
                path = PurePosixPath(call.args.get("path", ""))
                yield Code(language_of(str(path)), call.body)
        for name, text in _FENCED.findall(reply.text):
            yield Code(language_name(name) or name.casefold(), text)
