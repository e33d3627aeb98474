"""An answer taken apart: its calls, its prose, its Python, and its words."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from agents.reply import parse_plan, without_tags
from tools.wire import ParsedReply, parse_reply

_FENCE: Final = re.compile(r"^```[ \t]*(?:python|py)?[ \t]*\n(.*?)^```[ \t]*$", re.DOTALL | re.M)
_PLAN: Final = re.compile(r"<plan>.*?</plan>", re.DOTALL)
_WORD: Final = re.compile(r"[\w']+")
_REFUSES: Final = re.compile(
    r"\b(?:i(?:'m| am) (?:sorry|unable|not able)|i (?:can ?not|can't|won't|will not|do(?:n't| not)"
    r" know)|(?:no|not) (?:idea|known)|as an ai)\b",
    re.IGNORECASE,
)
_SMALL: Final = frozenset(
    re.findall(
        r"\w+",
        "a an the is are was be been of in on at to for from by with as and or but not no it its "
        "this that these those they we you i he she his her our your their which what who how "
        "when where than then so if do does did has have had can will would should must may into "
        "between all each per one",
    )
)
_WRITES: Final = frozenset({"fs.write", "fs.append", "fs.edit"})


@dataclass(frozen=True)
class Said:
    """What a model answered to ``asked``; ``cut`` says that a limit ended the answer."""

    text: str
    asked: str
    cut: bool = False

    @cached_property
    def reply(self) -> ParsedReply:
        """The answer as the crew would read it."""
        return parse_reply(self.text, truncated=self.cut)

    @cached_property
    def prose(self) -> str:
        """What it says to people: no calls, plan or tags."""
        return _PLAN.sub("", without_tags(self.reply.text)).strip()

    @property
    def refuses(self) -> bool:
        """Whether it declines, in the words of a plan or of prose."""
        plan = parse_plan(self.reply.text)
        return bool(plan and plan.refusal) or _REFUSES.search(self.prose) is not None

    @property
    def repeats_the_prompt(self) -> bool:
        """Whether it is a piece of the prompt."""
        mine, theirs = words(self.prose), words(self.asked)
        return bool(mine) and f" {' '.join(mine)} " in f" {' '.join(theirs)} "

    @cached_property
    def tree(self) -> ast.Module | None:
        """Its Python as a syntax tree; None when it holds none."""
        return parsed(self.code)

    @cached_property
    def code(self) -> str:
        """Its Python: what it writes to files, else what is fenced, else its prose if it is code.

        Search and replace blocks are no code. Empty when nothing can be parsed.
        """
        bodies = [call.body or "" for call in self.reply.calls if call.name in _WRITES]
        for pieces in (bodies, _FENCE.findall(self.text), [self.prose]):
            code = "\n\n".join(piece for piece in pieces if piece.strip())
            if code and parsed(code) is not None:
                return code
        return ""


def parsed(code: str) -> ast.Module | None:
    """Return the tree of ``code``, or None when it is not Python."""
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def words(text: str) -> list[str]:
    """Return the words of ``text``, without case."""
    return _WORD.findall(text.casefold())


def content_words(text: str) -> set[str]:
    """Return the words of ``text`` that carry its meaning."""
    return set(words(text)) - _SMALL


def longest_common(one: Sequence[str], other: Sequence[str]) -> int:
    """Return the length of the longest common subsequence of two sequences."""
    row = [0] * (len(other) + 1)
    for item in one:
        diagonal = 0
        for place, there in enumerate(other, start=1):
            diagonal, row[place] = (
                row[place],
                diagonal + 1 if item == there else max(row[place], row[place - 1]),
            )
    return row[-1]
