"""Python definitions by name: where one stands, and how a new one takes its place.

Names are ``function``, ``Class``, ``Class.method`` or deeper. A name with two definitions
(branches, overloads, property setters) is refused: nothing here picks one of them.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mcp_local_llm import ToolRetry
from memory.languages import parse_python as parse_python  # one lock for all parsing
from tools.textfile import bare, split_lines

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

_INDENT: Final = re.compile(r"[ \t\f]*")


def syntax_problem(source: str) -> str | None:
    """Return what is wrong with ``source`` and where, None when it parses."""
    try:
        parse_python(source)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}" if error.lineno else str(error.msg)
    return None


def definitions(tree: ast.AST, scope: str = "") -> Iterator[tuple[str, Definition]]:
    """Yield every definition with its dotted name, in order of the source."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Definition):
            yield scope + node.name, node
            yield from definitions(node, f"{scope}{node.name}.")
        elif isinstance(node, ast.stmt | ast.excepthandler | ast.match_case):
            yield from definitions(node, scope)


@dataclass(frozen=True, slots=True)
class Span:
    """Lines ``start`` to ``stop`` of a definition with its decorators, and its indentation."""

    start: int
    stop: int
    indent: str


def locate(source: str, symbol: str, path: str) -> Span:
    """Return where ``symbol`` is defined in ``source``.

    Raises :class:`ToolRetry` when the source does not parse or the name is not there exactly once.
    """
    try:
        known = list(definitions(parse_python(source)))
    except SyntaxError as error:
        raise ToolRetry(
            f"{path!r} does not parse (line {error.lineno}: {error.msg}), so {symbol!r} can't be "
            "found "
            "in it. Use SEARCH/REPLACE blocks or fs.write."
        ) from error
    found = [node for name, node in known if name == symbol]
    if len(found) == 1:
        return _span(found[0], split_lines(source), symbol)
    if found:
        places = ", ".join(str(_first_line(node)) for node in found)
        raise ToolRetry(
            f"{symbol!r} is defined {len(found)} times in {path!r} (lines {places}). "
            "Use SEARCH/REPLACE blocks for the one you mean."
        )
    last = symbol.rpartition(".")[2]
    near = [name for name, _ in known if name.rpartition(".")[2] == last]
    names = near or [name for name, _ in known][:30]
    offer = f"Write one of: {', '.join(names)}." if names else "It defines nothing."
    raise ToolRetry(f"{path!r} has no definition {symbol!r}. {offer}")


def _first_line(node: Definition) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _span(node: Definition, lines: list[str], symbol: str) -> Span:
    start = _first_line(node) - 1
    text = lines[start]
    indent = _indent(text)
    opens = (
        "@" if node.decorator_list else ("def ", "class ", "async ", "def\t", "class\t", "async\t")
    )
    stop = node.end_lineno or node.lineno
    if not text[len(indent) :].startswith(opens) or _shares_last_line(node, lines[stop - 1]):
        raise ToolRetry(f"{symbol!r} shares a line with other code; use SEARCH/REPLACE blocks.")
    return Span(start, _with_inner_comments(lines, stop, indent), indent)


def _shares_last_line(node: Definition, line: str) -> bool:
    rest = line.encode()[node.end_col_offset or 0 :].decode().strip()
    return bool(rest) and not rest.startswith(("#", ";"))


def _with_inner_comments(lines: Sequence[str], stop: int, indent: str) -> int:
    """Extend ``stop`` over the comments that still stand inside the body."""
    for at in range(stop, len(lines)):
        text = lines[at].strip()
        own = _indent(lines[at])
        if text.startswith("#") and own.startswith(indent) and len(own) > len(indent):
            stop = at + 1
        elif text:
            break
    return stop


def _indent(line: str) -> str:
    match = _INDENT.match(line)
    return match[0] if match else ""


def rebase(body: str, symbol: str, indent: str) -> list[str]:
    """Return the lines of ``body``, the new definition of ``symbol``, indented by ``indent``.

    The inside of strings keeps its own indentation (a docstring moves along). Raises
    :class:`ToolRetry` when the body is not one definition of that very name.
    """
    lines = [bare(line) for line in split_lines(body)]
    while lines and not lines[-1].strip():
        lines.pop()
    while lines and not lines[0].strip():
        lines.pop(0)
    if not lines:
        raise ToolRetry(f"The body is empty: write the whole new definition of {symbol!r}.")
    own = _indent(lines[0])
    node = _only_definition(lines, own, symbol)
    if own == indent:
        return lines
    frozen = _inside_strings(lines, own, node)
    return [
        line if at in frozen or not line.strip() else indent + _without(line, own)
        for at, line in enumerate(lines)
    ]


def _without(line: str, own: str) -> str:
    return line[len(own) :] if line.startswith(own) else line.lstrip()


def _wrapped(lines: Sequence[str], own: str) -> str:
    """Return the lines as source that parses, one line further down."""
    return ("if True:\n" if own else "\n") + "\n".join(lines) + "\n"


def _only_definition(lines: Sequence[str], own: str, symbol: str) -> Definition:
    name = symbol.rpartition(".")[2]
    try:
        body = parse_python(_wrapped(lines, own)).body
    except SyntaxError as error:
        raise ToolRetry(
            f"The new definition of {symbol!r} does not parse (line {(error.lineno or 1) - 1}: "
            f"{error.msg}). Write the whole definition, decorators included."
        ) from error
    if own and len(body) == 1 and isinstance(body[0], ast.If):
        body = body[0].body
    if len(body) != 1 or not isinstance(body[0], Definition) or body[0].name != name:
        raise ToolRetry(
            f"The body must hold the definition of {name!r} and nothing else; put imports and "
            "other "
            "definitions into calls of their own."
        )
    return body[0]


def _inside_strings(lines: Sequence[str], own: str, node: Definition) -> set[int]:
    """Return the indices of lines that start inside a string that is no docstring."""
    documented = {
        expression.lineno
        for inner in ast.walk(node)
        if isinstance(inner, Definition) and (expression := _docstring(inner)) is not None
    }
    inside: set[int] = set()
    opened: list[int] = []
    for token in tokenize.generate_tokens(io.StringIO(_wrapped(lines, own)).readline):
        kind = tokenize.tok_name[token.type]
        first, last = token.start[0], token.end[0]
        if kind in {"FSTRING_START", "TSTRING_START"}:  # Python 3.12 splits them, 3.11 does not
            opened.append(first)
        elif kind in {"FSTRING_END", "TSTRING_END"}:
            first = opened.pop()
        elif kind != "STRING" or first in documented:
            continue
        inside.update(range(first, last))  # one line further down: lines first+1..last, from zero
    return {at - 1 for at in inside}


def _docstring(node: Definition) -> ast.Constant | None:
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        return first.value if isinstance(first.value.value, str) else None
    return None


def same_definition(source: str, symbol: str, body: str) -> bool:
    """Say whether ``symbol`` in ``source`` is what ``body`` defines, docstring margins aside."""
    found = [node for name, node in definitions(parse_python(source)) if name == symbol]
    lines = [bare(line) for line in split_lines(body.strip("\r\n"))]
    first = next((line for line in lines if line.strip()), "")
    wanted = _only_definition(lines, _indent(first), symbol)
    return len(found) == 1 and _meaning(found[0]) == _meaning(wanted)


def _meaning(node: Definition) -> str:
    for inner in ast.walk(node):
        if isinstance(inner, Definition) and (docstring := _docstring(inner)) is not None:
            lines = str(docstring.value).split("\n")
            docstring.value = "\n".join(line.strip() for line in lines)
    return ast.dump(node)
