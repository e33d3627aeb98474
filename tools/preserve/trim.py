"""Cutting what two versions of a file share, so that only the rest is parsed.

Parsing a generated file of 100,000 lines takes seconds; finding where it changed does not. A cut is
made only where a new statement of the top level begins for certain, and the middle has to parse by
itself in both versions; otherwise nothing is cut.
"""

from __future__ import annotations

import re
from typing import Final

from tools.preserve.source import Source, unified
from tools.textfile import Text

_STRING: Final = r"""(?:"(?!"")(?:[^"\\\n]|\\.)*+"|'(?!'')(?:[^'\\\n]|\\.)*+')"""
_PLAIN: Final = r"""[^\n"'#\\()\[\]{}]++"""
_COLUMN_0: Final = r"(?=[^\s#)\]}])(?!(?:else|elif|except|finally|case)\b)"
_STEPS: Final = re.compile(
    rf"(?P<line>^{_COLUMN_0}(?!@)(?:{_PLAIN}|{_STRING}|\((?:{_PLAIN}|{_STRING})*+\))*+$)"
    rf"|(?P<border>^{_COLUMN_0})"
    r'|#[^\n]*|"""(?:[^\\"]|\\.|"(?!""))*+"""|\'\'\'(?:[^\\\']|\\.|\'(?!\'\'))*+\'\'\''
    rf"|{_STRING}|(?P<open>[\[({{])|(?P<close>[\])}}])|(?P<more>\\\n)|(?P<quote>[\"'])",
    re.DOTALL | re.MULTILINE,
)
_STATEMENT: Final = re.compile(_COLUMN_0)
_NO_CUTS: Final = ("`", "/*", "\\\n", "\\\r")
_DECLARATION: Final = re.compile(
    r"(?:export|import|const|let|var|function|class|interface|type|enum|func|package|async)\b"
)


def trimmed(old: Source, new: Source) -> tuple[Source, Source, int]:
    """Return both sources without the lines they share at their ends, and how many at the start.

    What can't be cut safely comes back as it is.
    """
    whole = old, new, 0
    if not (old.readable and new.readable):
        return whole
    head, tail = _shared(old.lines, new.lines)
    lines = old.lines
    start = _python_border(lines[:head]) if old.is_python else _other_border(lines[:head])
    begins = _STATEMENT if old.is_python else _DECLARATION
    first = len(lines) - tail
    stop = next((at for at in range(first, len(lines)) if begins.match(lines[at])), len(lines))
    kept = len(lines) - stop
    one, other = _part(old, start, stop), _part(new, start, len(new.lines) - kept)
    return (one, other, start) if one.parses and other.parses else whole


def _shared(old: list[str], new: list[str]) -> tuple[int, int]:
    """Return how many lines are the same at the start and, apart from those, at the end."""
    size = min(len(old), len(new))
    head = 0
    while head < size and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < size - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return head, tail


def _part(source: Source, start: int, stop: int) -> Source:
    text = source.text
    content = "".join(source.lines[start:stop])
    return Source(source.path, Text(content, text.encoding, text.mark), source.readable)


def _python_border(lines: list[str]) -> int:
    """Return the last line (from 0) where a statement of the top level begins for certain."""
    text = unified("".join(lines))
    depth, border, unsafe, decorated = 0, 0, -1, False
    for found in _STEPS.finditer(text):
        kind, at = found.lastgroup, found.start()
        if kind == "open":
            depth += 1
        elif kind == "close":
            depth -= 1
        elif kind == "quote" or depth < 0:
            break  # a string that ends further down, or nowhere
        elif kind == "more":
            unsafe = found.end()
        elif kind in {"line", "border"} and depth == 0:
            if at != unsafe and not decorated:
                border = at
            decorated = text[at] == "@"
    return text.count("\n", 0, border)


def _other_border(lines: list[str]) -> int:
    """Return the last line that begins a declaration, where no string or comment spans lines."""
    if any(sign in "".join(lines) for sign in _NO_CUTS):
        return 0
    backwards = range(len(lines) - 1, -1, -1)
    return next((at for at in backwards if _DECLARATION.match(lines[at])), 0)
