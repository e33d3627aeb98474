"""One file's content as the comparers read it: text, lines, and which lines are comments."""

from __future__ import annotations

import ast
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from mcp_local_llm import ToolRetry
from memory.languages import has_grammar, parse_python, syntax_tree
from tools.textfile import Text, decode

if TYPE_CHECKING:
    from tree_sitter import Node

MAX_BYTES: Final = 64_000_000
_COMMENTS: Final = frozenset({"comment", "html_comment"})


@dataclass(frozen=True)
class Source:
    """The decoded content of the file at ``path``; ``lines`` keep their endings.

    ``readable`` is false for what is neither UTF-8 nor UTF-16 with a mark: its bytes then stand as
    one character each, so that they can still be compared.
    """

    path: str
    text: Text
    readable: bool = True

    @classmethod
    def of(cls, path: str, data: bytes) -> Source:
        """Return the source of ``data``; any bytes will do."""
        try:
            return cls(path, decode(data, path, limit=MAX_BYTES))
        except ToolRetry:
            return cls(path, Text(data.decode("latin-1"), "latin-1"), readable=False)

    @property
    def is_python(self) -> bool:
        """Whether the file is Python."""
        return PurePosixPath(self.path).suffix.lower() in {".py", ".pyi"}

    @cached_property
    def lines(self) -> list[str]:
        """The lines with their endings."""
        return io.StringIO(self.text.content, newline="").readlines()

    @cached_property
    def plain(self) -> str:
        """The text with a line feed at the end of each line."""
        return unified(self.text.content)

    @cached_property
    def module(self) -> ast.Module | None:
        """The syntax tree of Python, None when it does not parse or is another language."""
        if not (self.readable and self.is_python):
            return None
        try:
            return parse_python(self.plain)
        except SyntaxError:
            return None

    @cached_property
    def root(self) -> Node | None:
        """Tree-sitter's root node; None for another language, and for text with syntax errors."""
        tree = syntax_tree(self.path, self.plain) if self.is_understood else None
        return None if tree is None or tree.root_node.has_error else tree.root_node

    @property
    def is_understood(self) -> bool:
        """Whether the file's language has a parser here, and its bytes are text."""
        return self.readable and (self.is_python or has_grammar(self.path))

    @property
    def parses(self) -> bool:
        """Whether the file is a program in a language that is understood here."""
        return self.module is not None or self.root is not None

    def is_comment(self, line: int) -> bool:
        """Say whether the comment that ``line`` (from 1) looks like is none inside a string.

        Where the file does not parse, it is taken for one.
        """
        if self.module is not None:
            return not any(first <= line <= last for first, last in self._long_strings)
        if self.root is None:
            return True
        text = self.lines[line - 1]
        column = len(text[: len(text) - len(text.lstrip())].encode())
        node = self.root.descendant_for_point_range((line - 1, column), (line - 1, column + 1))
        if node is not None and node.type == "{" and node.parent is not None:
            node = next(iter(node.parent.named_children), node)  # {/* in JSX */}
        return node is not None and node.type in _COMMENTS and node.start_point.row == line - 1

    @cached_property
    def _long_strings(self) -> list[tuple[int, int]]:
        """First and last lines of the strings of a Python file that hold line breaks."""
        return [] if self.module is None else list(_long_strings(self.module))

    def around(self, line: int) -> tuple[str, ...]:
        """Return what ``line`` stands in, outermost first: ``def name``, ``If.body``, …

        Empty where the file does not parse.
        """
        if self.module is not None:
            return tuple(_around(self.module, line))
        if self.root is None or line > len(self.lines):
            return ()
        text = self.lines[line - 1]
        column = len(text[: len(text) - len(text.lstrip())].encode())
        node = self.root.descendant_for_point_range((line - 1, column), (line - 1, column))
        chain = []
        while node is not None:
            if node.start_point.row < line - 1 and node.is_named:
                chain.append(node.type)
            node = node.parent
        return tuple(reversed(chain))


def unified(text: str) -> str:
    """Return ``text`` with a line feed in the place of every line ending."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _long_strings(module: ast.Module) -> Iterator[tuple[int, int]]:
    for node in ast.walk(module):
        if isinstance(node, ast.Constant | ast.JoinedStr):
            last = node.end_lineno or node.lineno
            if last > node.lineno:
                yield node.lineno, last


def _around(module: ast.Module, line: int) -> Iterator[str]:
    node: ast.AST | None = module
    while node is not None:
        found: ast.AST | None = None
        for name, value in ast.iter_fields(node):
            for child in value if isinstance(value, list) else ():
                if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
                    first, last = _extent(child)
                    if first < line <= last:
                        found = child
                        yield f"{type(node).__name__}.{name}"
                        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                            yield child.name
        node = found


def _extent(node: ast.stmt | ast.excepthandler | ast.match_case) -> tuple[int, int]:
    if isinstance(node, ast.match_case):
        return node.pattern.lineno, node.body[-1].end_lineno or 0
    return node.lineno, node.end_lineno or node.lineno
