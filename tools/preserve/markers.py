"""Inline markers: ``preserve: strict id=rounding`` … ``preserve: end``, each a comment line.

Only a line that is nothing but a comment counts; text inside a string does not. Markers nest, and
``preserve: end`` closes the innermost one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from memory.records import Level
from tools.preserve.source import Source

_WORDS: Final = (b"preserve:", "preserve:".encode("utf-16-le"), "preserve:".encode("utf-16-be"))
_MARKER: Final = re.compile(
    r"[ \t]*(?P<sign>#+|//+|/\*+|<!--|--|;+|%+|\{/\*)[ \t]*preserve:[ \t]*(?P<level>[\w-]+)"
    r"(?:[ \t]+id=(?P<id>[\w.\-]+))?(?P<rest>[^\r\n]*?)(?:\*/\}?|-->)?[ \t]*"
)
_SIGNS: Final = {
    **dict.fromkeys((".md", ".html", ".htm", ".xml", ".svg", ".vue"), ("<!--",)),
    **dict.fromkeys((".css", ".scss", ".less"), ("/*", "//")),
    **dict.fromkeys((".sql", ".lua", ".hs", ".elm"), ("--", "/*")),
    **dict.fromkeys((".tex", ".erl"), ("%",)),
    **dict.fromkeys((".lisp", ".el", ".clj", ".asm"), (";",)),
    **dict.fromkeys((".ini", ".cfg", ".conf"), ("#", ";")),
    **dict.fromkeys((".py", ".pyi", ".sh", ".bash", ".rb", ".yaml", ".yml", ".toml"), ("#",)),
    **dict.fromkeys((".txt", ".rst", ".json", ".csv", ".lock"), ()),
    **dict.fromkeys((".ts", ".mts", ".cts", ".js", ".mjs", ".cjs", ".go"), ("//", "/*")),
    **dict.fromkeys((".tsx", ".jsx"), ("//", "/*", "{/*")),
    **dict.fromkeys((".c", ".h", ".cc", ".cpp", ".hpp", ".java", ".kt"), ("//", "/*")),
    **dict.fromkeys((".rs", ".swift", ".cs", ".scala", ".dart", ".proto"), ("//", "/*")),
    ".php": ("//", "#", "/*"),
}
_ANY: Final = ("#", "//", "--", ";", "/*")  # in a kind of file not listed above


@dataclass(frozen=True, slots=True)
class Marked:
    """One marked region: its markers stand on the lines ``first`` and ``last`` (from 1).

    An unclosed one reaches to the end of the file, and then ``last`` is one line after it.
    """

    id: str
    level: Level
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Markers:
    """The marked regions of one file, and what is wrong with its markers (line, words)."""

    regions: tuple[Marked, ...] = ()
    problems: tuple[tuple[int, str], ...] = ()

    def get(self, name: str) -> list[Marked]:
        """Return the regions with the id ``name``; more than one is a mistake."""
        return [each for each in self.regions if each.id == name]


def may_have_markers(data: bytes) -> bool:
    """Say quickly whether a file has to be read for markers."""
    return any(word in data for word in _WORDS)


def markers(source: Source) -> Markers:
    """Return the marked regions of ``source``. Raises nothing, whatever the file holds.

    A word that is no level counts as ``strict``; an unclosed marker protects to the end of the
    file. Both are told as problems.
    """
    regions: list[Marked] = []
    problems: list[tuple[int, str]] = []
    open_: list[Marked] = []
    for line, level, name in _marker_lines(source):
        if level == "end":
            if not open_:
                problems.append((line, "'preserve: end' closes nothing; remove it"))
                continue
            begun = next((each for each in reversed(open_) if each.id == name), open_[-1])
            open_.remove(begun)
            regions.append(Marked(begun.id, begun.level, begun.first, line))
            continue
        if level not in set(Level):
            problems.append((line, f"{level!r} is no level: write strict, moderate or flexible"))
            level = Level.STRICT
        name = name or f"marker-{len(regions) + len(open_) + 1}"
        if any(each.id == name for each in (*regions, *open_)):
            problems.append((line, f"the id {name!r} is used twice in this file; change one"))
        open_.append(Marked(name, Level(level), line, 0))
    for begun in open_:
        problems.append(
            (begun.first, f"the marker {begun.id!r} is not closed; write 'preserve: end' after it")
        )
        regions.append(Marked(begun.id, begun.level, begun.first, len(source.lines) + 1))
    return Markers(tuple(sorted(regions, key=lambda each: each.first)), tuple(problems))


def _marker_lines(source: Source) -> Iterator[tuple[int, str, str]]:
    """Yield line, level (or ``end``) and id of every comment line that is a marker."""
    signs = _SIGNS.get(PurePosixPath(source.path).suffix.lower(), _ANY)
    for number, line in enumerate(source.lines, 1):
        if "preserve:" not in line:
            continue
        found = _MARKER.fullmatch(line.rstrip("\r\n"))
        if found is None or not found["sign"].startswith(signs):
            continue
        if source.is_comment(number):
            yield number, found["level"].lower(), found["id"] or ""
