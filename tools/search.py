"""``search.text`` and ``search.code``: finding lines, and finding definitions."""

from __future__ import annotations

import ast
import asyncio
import json
import math
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from mcp_local_llm import ToolDenied, ToolRetry
from memory.code import CodeHit
from tools import process
from tools.arguments import attributes, no_body
from tools.context import ToolContext
from tools.indexing import Place
from tools.jail import Jail
from tools.symbols import Definition, definitions, parse_python
from tools.textfile import MAX_BYTES, bare, decode, split_lines
from tools.tree import visible_files
from tools.wire import ToolCall

MAX_HITS: Final = 60
MAX_SYMBOLS: Final = 10
_ASKED: Final = 2 * MAX_SYMBOLS  # some of what the index knows is gone by now
_BEFORE_CODE: Final = ("@", "//", "/*", "*", "#")
_MAX_LINE: Final = 1_000
_MAX_CHARS: Final = 20_000_000
_LIMIT_S: Final = 5.0
_YES: Final = frozenset({"1", "true", "yes", "regex"})
_CHILD: Final = Path(__file__).with_name("regex_child.py")
_Lines = tuple[str, list[str]]
_Hit = tuple[str, int, str]
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


async def search_text(call: ToolCall, context: ToolContext) -> str:
    """Return the lines that hold ``pattern`` as ``path:line: text``, at most 60.

    The pattern is plain text, or a regular expression with ``regex="true"``; ``path`` narrows the
    search to a folder or file. Ignored, binary, unreadable and very large files are skipped, and
    lines are searched in their first thousand characters. Raises :class:`ToolRetry` for a pattern
    that is wrong or does not come to an end.
    """
    no_body(call)
    args = attributes(call, ("pattern",), ("path", "regex"))
    rel = args["path"] or "."
    files, whole = await asyncio.to_thread(_gathered, context.jail, rel)
    if args["regex"].lower() in _YES:
        hits = await regex_hits(args["pattern"], files, context.workspace)
    else:
        hits = await asyncio.to_thread(_plain_hits, args["pattern"], files)
    shown = [f"{path}:{number}: {line.strip()[:200]}" for path, number, line in hits[:MAX_HITS]]
    if len(hits) > MAX_HITS or not whole:
        shown.append("(there is more; narrow the search with path)")
    return "\n".join(shown) or f"(nothing below {rel} matches)"


def _gathered(jail: Jail, rel: str) -> tuple[list[_Lines], bool]:
    """Return the lines to search, and whether these are all."""
    files: list[_Lines] = []
    size = 0
    for path, lines in _texts(jail, rel):
        files.append((path, [line[:_MAX_LINE] for line in lines]))
        size += sum(map(len, lines))
        if size > _MAX_CHARS:
            return files, False
    return files, True


def _plain_hits(pattern: str, files: list[_Lines]) -> list[_Hit]:
    found = (
        (path, number, line)
        for path, lines in files
        for number, line in enumerate(lines, 1)
        if pattern in line
    )
    return list(islice(found, MAX_HITS + 1))


async def regex_hits(pattern: str, files: list[_Lines], folder: Path) -> list[_Hit]:
    """Return (path, number, line) of the first lines that match, at most one more than 60.

    ``files`` are paths with their lines. Raises :class:`ToolRetry` for a pattern that is wrong or
    does not come to an end; it is matched by a child process in ``folder``.
    """
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ToolRetry(
            f"The pattern {pattern[:80]!r} is no regular expression ({error}); leave out regex to "
            "search for it as plain text."
        ) from error
    request = json.dumps({"pattern": pattern, "limit": MAX_HITS, "files": files})
    done = await process.run(
        [sys.executable, "-I", "-S", "-X", "utf8", str(_CHILD)],
        cwd=folder,
        timeout_s=_LIMIT_S,
        output_cap_bytes=4 * (MAX_HITS + 2) * (_MAX_LINE + 100) * 6,
        stdin=request.encode(),
    )
    if done.timed_out or done.code != 0:
        raise ToolRetry(
            f"The pattern {pattern[:80]!r} did not come to an end in {_LIMIT_S:.0f} s; avoid "
            "repetitions inside repetitions, or narrow the search with path."
        )
    hits: list[_Hit] = [(path, number, line) for path, number, line in json.loads(done.stdout)]
    return hits


def _texts(jail: Jail, rel: str, suffix: str = "") -> Iterator[tuple[str, list[str]]]:
    if not jail.exists(rel):
        raise ToolRetry(f"There is no {rel!r} to search; see fs.list.")
    for path in visible_files(jail, rel):
        if not path.endswith(suffix):
            continue
        try:
            text = decode(jail.read_bytes(path, limit=MAX_BYTES + 1), path)
        except (ToolRetry, ToolDenied):  # binary, huge, of another encoding, or just gone
            continue
        yield path, [bare(line) for line in split_lines(text.content)]


@dataclass(frozen=True, slots=True)
class _Symbol:
    path: str
    line: int
    name: str
    head: str
    words: Counter[str]


async def search_code(call: ToolCall, context: ToolContext) -> str:
    """Return up to ten definitions that fit ``query``, best first.

    The memory's index comes first, where there is one: any language, by meaning and words. What it
    found is shown if it still stands in the file, where it stands now. The rest is Python ranked by
    the words that the query shares with a definition's name (counted most), its arguments and
    docstring; rare words count more.
    """
    no_body(call)
    args = attributes(call, ("query",), ("path",))
    query, rel = args["query"], args["path"] or "."
    by_words = await asyncio.to_thread(_by_words, query, rel, context.jail)
    hits: tuple[CodeHit, ...] = ()
    if context.memory:
        hits = await context.memory.search_code(query, limit=_ASKED, at_hand=context.at_hand)
    prefix = (await Place.of(context.workspace)).prefix if hits else ""
    indexed = await asyncio.to_thread(_standing, hits, prefix, rel, context.jail)
    shown = {line.partition("  ")[0]: line for line in (*indexed, *by_words)}  # a place once
    return (
        "\n".join(islice(shown.values(), MAX_SYMBOLS))
        or "(no definition shares a word with the query; try search.text)"
    )


def _standing(hits: Sequence[CodeHit], prefix: str, rel: str, jail: Jail) -> list[str]:
    """Return a line for each of ``hits`` below ``rel`` that is in its file still."""
    below = jail.resolve(rel)
    found = []
    for hit in hits:
        path = hit.path.removeprefix(prefix)
        if not hit.path.startswith(prefix) or not (jail.root / path).is_relative_to(below):
            continue
        try:
            text = decode(jail.read_bytes(path, limit=MAX_BYTES + 1), path)
        except (ToolRetry, ToolDenied):  # gone since it was indexed
            continue
        head = _head(hit)
        rows = [row for row, line in enumerate(split_lines(text.content), 1) if bare(line) == head]
        if rows:
            row = min(rows, key=lambda row: abs(row - hit.line))
            found.append(f"{path}:{row}: {hit.name}  {head.strip()[:120]}")
    return found


def _head(hit: CodeHit) -> str:
    """Return the line that says what was found, past comments and decorators."""
    lines = [line for line in hit.text.split("\n") if line.strip()]
    passed = () if hit.path.endswith((".md", ".markdown")) else _BEFORE_CODE
    telling = (line for line in lines if not line.strip().startswith(passed))
    return next(telling, lines[0] if lines else "")


def _by_words(query: str, rel: str, jail: Jail) -> list[str]:
    asked = set(_words(query))
    symbols = list(_symbols(jail, rel))
    frequency = Counter(word for symbol in symbols for word in symbol.words)
    ranked = []
    for symbol in symbols:
        shared = asked & symbol.words.keys()
        weight = sum(
            min(symbol.words[word], 5) * math.log(1 + len(symbols) / frequency[word])
            for word in shared
        )
        if shared:
            ranked.append(
                (-weight / math.sqrt(len(symbol.words)), symbol.path, symbol.line, symbol)
            )
    return [
        f"{symbol.path}:{symbol.line}: {symbol.name}  {symbol.head}"
        for *_, symbol in sorted(ranked, key=lambda entry: entry[:3])[:MAX_SYMBOLS]
    ]


def _symbols(jail: Jail, rel: str) -> Iterator[_Symbol]:
    for path, lines in _texts(jail, rel, ".py"):
        try:
            tree = parse_python("\n".join(lines))
        except SyntaxError:
            continue
        for name, node in definitions(tree):
            head = lines[node.lineno - 1].strip()[:120]
            yield _Symbol(path, node.lineno, name, head, _counted(name, node))


def _counted(name: str, node: Definition) -> Counter[str]:
    counted = Counter[str]()
    for word in _words(name):
        counted[word] += 3
    if not isinstance(node, ast.ClassDef):
        counted.update(
            word
            for arg in ast.walk(node.args)
            if isinstance(arg, ast.arg)
            for word in _words(arg.arg)
        )
    counted.update(_words((ast.get_docstring(node) or "")[:500]))
    return counted


def _words(text: str) -> list[str]:
    """Split identifiers at case and underscores; a plain plural counts as its singular."""
    return [
        word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
        for word in (found.lower() for found in _WORD.findall(text))
    ]
