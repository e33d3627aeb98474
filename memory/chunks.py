"""A file in pieces for the index: one per definition, section or run of lines.

The pieces of a file hold each of its lines that is not blank exactly once, so nothing is lost and
nothing is found twice. The same text always gives the same pieces.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from memory.languages import Definition, definitions

CHUNKER: Final = "1"
"""Version of what :func:`chunks` returns; another one means that every file is read again."""

MAX_CHARS: Final = 20_000  # of one piece; a longer one is cut at line ends
_LINES: Final = 60
_FRONT_MATTER: Final = re.compile(r"---\n(?:.*\n)*?---(?:\n|$)")
MARKDOWN: Final = frozenset({".md", ".markdown"})


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a file: its own lines below a header line ``path qualname``.

    ``first_line`` and ``last_line`` (from 1, both included) are where its lines begin and end; what
    stands between and belongs to another piece is left out. ``qualname`` is a dotted name, a path
    of headings, or empty; ``kind`` says what it is (a definition's kind, ``module``, ``section`` or
    ``lines``).
    """

    path: str
    qualname: str
    kind: str
    first_line: int
    last_line: int
    text: str


@dataclass(frozen=True, slots=True)
class _Part:
    qualname: str
    kind: str
    rows: Sequence[int]  # from 0, rising


def chunks(path: str, text: str) -> list[Chunk]:
    """Return the pieces of ``text``, in order of their first lines.

    Python, TypeScript, JavaScript and Go are cut by definitions, Markdown by headings, everything
    else (and what does not parse) by lines. Blank text gives none. Never fails, whatever the text.
    """
    plain = text.encode("utf-8", "replace").decode("utf-8").removeprefix("\ufeff")
    plain = plain.replace("\r\n", "\n").replace("\r", "\n")
    lines = plain.split("\n")
    found = [piece for part in _parts(path, plain, lines) for piece in _pieces(path, part, lines)]
    return sorted(found, key=lambda chunk: (chunk.first_line, chunk.last_line))


def _parts(path: str, text: str, lines: Sequence[str]) -> list[_Part]:
    if PurePosixPath(path).suffix.lower() in MARKDOWN:
        return list(_sections(text, len(lines)))
    known = definitions(path, text)
    return list(_by_lines(lines)) if known is None else _by_owner(known, len(lines))


def _by_owner(known: Sequence[Definition], count: int) -> list[_Part]:
    """Give each line to one definition, an inner one rather than an outer one."""
    owners = [-1] * count
    parents: list[int] = []  # indices of the definitions around the present one
    for at, one in enumerate(known):
        while parents and not one.qualname.startswith(known[parents[-1]].qualname + "."):
            parents.pop()
        allowed = {-1, *parents}
        for row in range(one.first_line - 1, min(one.last_line, count)):
            if owners[row] in allowed:
                owners[row] = at
        parents.append(at)
    rows: dict[int, list[int]] = defaultdict(list)
    for row, owner in enumerate(owners):
        rows[owner].append(row)
    parts = [_Part("", "module", rows[-1])]
    return parts + [_Part(one.qualname, one.kind, rows[at]) for at, one in enumerate(known)]


def _by_lines(lines: Sequence[str]) -> Iterator[_Part]:
    """Cut at the last blank line of each sixty, or after them when there is none in the half."""
    start = 0
    while start < len(lines):
        stop = min(start + _LINES, len(lines))
        if stop < len(lines):
            half = range(stop - 1, start + _LINES // 2, -1)
            stop = next((row for row in half if not lines[row].strip()), stop)
        yield _Part("", "lines", range(start, stop))
        start = stop


def _sections(text: str, count: int) -> Iterator[_Part]:
    """Cut Markdown at its headings; a section's name is the headings above it and its own."""
    start, names = 0, dict[int, str]()
    for row, level, title in headings(text):
        yield _Part(_titles(names), "section", range(start, row))
        names = {above: name for above, name in names.items() if above < level} | {level: title}
        start = row
    yield _Part(_titles(names), "section", range(start, count))


def _titles(names: dict[int, str]) -> str:
    return " > ".join(names[level] for level in sorted(names))


def headings(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield row, level and title of the headings that stand outside of lists and quotes."""
    from markdown_it import MarkdownIt

    blocks = MarkdownIt("commonmark").disable("inline")
    front = _FRONT_MATTER.match(text)
    if front:  # the parser would take its end for an underlined heading
        text = "\n" * front[0].count("\n") + text[front.end() :]
    tokens = blocks.parse(text)
    for at, token in enumerate(tokens):
        if token.type == "heading_open" and token.level == 0 and token.map:
            title = " ".join(tokens[at + 1].content.split())[:200]
            yield token.map[0], int(token.tag[1:]), title


def _pieces(path: str, part: _Part, lines: Sequence[str]) -> Iterator[Chunk]:
    """Make chunks of a part: one, or several where it is long; none where it is blank."""
    header = f"{path} {part.qualname}".rstrip()
    taken: list[tuple[int, str]] = []
    size = 0
    for row in part.rows:
        for line in _short(lines[row]):
            if taken and size + len(line) > MAX_CHARS:
                yield from _piece(path, part, header, taken)
                taken, size = [], 0
            taken.append((row, line))
            size += len(line) + 1
    yield from _piece(path, part, header, taken)


def _short(line: str) -> list[str]:
    return [line[at : at + MAX_CHARS] for at in range(0, len(line) or 1, MAX_CHARS)]


def _piece(
    path: str, part: _Part, header: str, taken: Sequence[tuple[int, str]]
) -> Iterator[Chunk]:
    filled = [at for at, (_, line) in enumerate(taken) if line.strip()]
    if filled:
        inner = taken[filled[0] : filled[-1] + 1]
        text = "\n".join([header, *(line for _, line in inner)])
        yield Chunk(path, part.qualname, part.kind, inner[0][0] + 1, inner[-1][0] + 1, text)
