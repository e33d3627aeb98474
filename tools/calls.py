"""What a parsed reply is made of, and the refusal to read a reply in one of two ways."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Literal

from pydantic import Field

from mcp_local_llm import ToolRetry
from memory.records import Record

Shape = Literal["tag", "tool_call", "tools", "json_fence", "bare_json", "function_xml", "unclosed"]

FORM: Final = '<tool:fs.write path="src/a.py">\n(the text)\n</tool>'
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*([^`\n]*)$")
_MARKDOWN: Final = frozenset({".md", ".markdown", ".mdx", ".qmd", ".rmd", ".rst"})


class Unclear(ToolRetry):
    """A reply that has no reading, or more than one; the message says what to write."""


class ToolCall(Record):
    """One call as the model made it: attributes as text, and the raw body (None without one)."""

    name: str
    args: dict[str, str] = Field(default_factory=dict)
    body: str | None = None


class ParsedReply(Record):
    """A reply taken apart.

    ``text`` is the prose outside calls and thinking, plan and tags included. ``shape`` says how
    the calls were written. With a ``problem``, a message for the model, there are no calls.
    """

    text: str
    calls: tuple[ToolCall, ...] = ()
    shape: Shape | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Calls read at one place of a reply, and where they end.

    Without calls it is prose after all. ``closed`` is False when the reply ended before its mark.
    """

    calls: tuple[ToolCall, ...]
    end: int
    shape: Shape
    closed: bool = True


def make_call(name: str, args: dict[str, str], body: str | None, *, verbatim: bool) -> ToolCall:
    """Return a call; a code fence around its whole body is taken off unless ``verbatim``.

    Raises :class:`Unclear` when it can't be told whether a fence belongs to the text, and for text
    with half characters.
    """
    for text in (name, *args, *args.values(), body or ""):
        if not is_whole(text):
            raise Unclear(f"The call of {name!r} holds half a character; write it again.")
    is_blocks = name == "fs.edit" and "symbol" not in args  # their reader knows about fences
    if body and not verbatim and not is_blocks:
        body = _unfenced(body, name, args.get("path", ""))
    return ToolCall(name=name, args=args, body=body)


def is_whole(text: str) -> bool:
    """Say whether ``text`` can be encoded, that is, holds no lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unfenced(body: str, name: str, path: str) -> str:
    lines = body.strip("\n").split("\n")
    first, last = _FENCE.match(lines[0]), _FENCE.match(lines[-1].rstrip())
    is_markdown = PurePosixPath(path).suffix.lower() in _MARKDOWN
    wraps_document = first is not None and first[2].strip().lower() in {"markdown", "md"}
    if first is None:
        if last is not None and path.endswith(".py"):
            raise _stray_fence(name)
        return body
    if is_markdown and not wraps_document:
        return body
    closes = (
        len(lines) > 1 and last is not None and not last[2].strip() and last[1].startswith(first[1])
    )
    inner = any(
        found[1].startswith(first[1]) for line in lines[1:-1] if (found := _FENCE.match(line))
    )
    if is_markdown or inner or not closes:
        raise _stray_fence(name)
    return "\n".join(lines[1:-1]) + "\n"


def _stray_fence(name: str) -> Unclear:
    return Unclear(
        f"It is unclear whether the code fence in the body of {name} belongs to the text. Write "
        "the body without a fence; or, if it does belong there, with a mark: "
        f'<tool:{name} … end="X7">, the text, </tool:X7>.'
    )
