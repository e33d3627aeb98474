"""SEARCH/REPLACE blocks: the text between the marks, and nothing guessed.

A block is ``<<<<<<< SEARCH``, the lines to find, ``=======``, the new lines, ``>>>>>>> REPLACE``.
Five or more signs make a mark. When a line of ``=`` is itself part of the text, marks of another
length tell the two apart; where they don't, the block is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from mcp_local_llm import ToolRetry
from tools.textfile import bare, split_lines

FORM: Final = (
    "<<<<<<< SEARCH\n(lines exactly as they are in the file)\n=======\n(the new lines)\n"
    ">>>>>>> REPLACE"
)
_HEAD: Final = re.compile(r"(<{5,}) ?(?:SEARCH|ORIGINAL)\b[ :]*(\S*)\s*$")
_DIVIDER: Final = re.compile(r"(={5,})\s*$")
_FOOT: Final = re.compile(r"(>{5,})( ?(?:REPLACE|UPDATED))?\s*$")
_FENCE: Final = re.compile(r"\s*(?:```+|~~~+)[\w.+-]*\s*$")
_NAME: Final = re.compile(r"[#\s*`'\"]*([^\s`'\"*#:]+)[`'\"*:\s]*$")


@dataclass(frozen=True, slots=True)
class Block:
    """What to find and what to put there, as lines without endings."""

    search: tuple[str, ...]
    replace: tuple[str, ...]


def parse_blocks(body: str, path: str) -> tuple[Block, ...]:
    """Return the blocks of ``body`` in order; at least one.

    Raises :class:`ToolRetry` for anything that can be read in two ways or in none.
    """
    lines = [bare(line) for line in split_lines(body)]
    blocks: list[Block] = []
    at = 0
    while at < len(lines):
        head = _HEAD.match(lines[at])
        if head is None:
            _check_between(lines[at], path)
            at += 1
            continue
        _check_file_name(head[2], path)
        foot = _foot_after(lines, at, len(head[1]), path)
        blocks.append(_block(lines[at + 1 : foot], len(head[1]), at + 1))
        at = foot + 1
    if not blocks:
        raise ToolRetry(f"fs.edit of {path!r} holds no block. Write each change like this:\n{FORM}")
    return tuple(blocks)


def _foot_after(lines: list[str], head: int, width: int, path: str) -> int:
    """Return the line that closes the block: the named one, or the one as long as the head."""
    feet: list[tuple[int, bool, bool]] = []
    divided = False
    for at in range(head + 1, len(lines)):
        if _HEAD.match(lines[at]):
            break
        divided = divided or _DIVIDER.match(lines[at]) is not None
        found = _FOOT.match(lines[at])
        if found and divided:
            feet.append((at, found[2] is not None, len(found[1]) == width))
    best = max(feet, key=lambda foot: foot[1:], default=None)
    rivals = [foot for foot in feet if best and foot[1:] == best[1:]]
    if best is None or len(rivals) > 1:
        what = "has no '>>>>>>> REPLACE' line" if best is None else "has two closing lines"
        raise ToolRetry(
            f"The block at line {head + 1} of this fs.edit of {path!r} {what}. Write it so:\n{FORM}"
        )
    return best[0]


def _block(inner: list[str], width: int, line: int) -> Block:
    dividers = [at for at, text in enumerate(inner) if _DIVIDER.match(text)]
    exact = [at for at in dividers if len(inner[at].rstrip()) == width]
    if not exact and len(dividers) == 1 and abs(len(inner[dividers[0]].rstrip()) - width) <= 2:
        exact = dividers
    if len(exact) != 1:
        what = (
            "no line '=======' of the marks' length"
            if not exact
            else "more than one '=======' line"
        )
        raise ToolRetry(
            f"The block at line {line} has {what} between SEARCH and REPLACE. If such a line is "
            "part of the text, make all three marks of the block longer, like '<<<<<<<<<< SEARCH', "
            "'==========', '>>>>>>>>>> REPLACE'."
        )
    return Block(tuple(inner[: exact[0]]), tuple(inner[exact[0] + 1 :]))


def _check_between(line: str, path: str) -> None:
    if not line.strip() or _FENCE.match(line):
        return
    name = _NAME.match(line)
    if name and ("/" in name[1] or "." in name[1]):
        _check_file_name(name[1], path)
        return
    raise ToolRetry(
        f"The line {line[:80]!r} stands outside the blocks of this fs.edit of {path!r}. "
        f"Write blocks only:\n{FORM}"
    )


def _check_file_name(name: str, path: str) -> None:
    if name and name.removeprefix("./") != path.removeprefix("./"):
        raise ToolRetry(
            f"A block names {name!r}, but this fs.edit is for {path!r}. Use one fs.edit per file."
        )
