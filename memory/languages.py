"""Where the definitions of a source file stand: Python by ``ast``, others by tree-sitter.

Tree-sitter's grammars come with their wheels; nothing is fetched at run time, and nothing of it is
imported before the first file in such a language. Its parser goes on after errors, so a file that
is broken in one place still shows its other definitions.
"""

from __future__ import annotations

import ast
import importlib
import re
import threading
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tree_sitter import Node, Parser, Query, Tree

_MAX_DEPTH: Final = 12  # of definitions in definitions; deeper ones belong to the one around them
_MAX_TOKENS: Final = 5_000  # in a row; a query's time is quadratic in them: "((((…" takes minutes
_FAR_RIGHT: Final = 200  # columns; a comment further right is none above a definition
_CONTAINERS: Final = frozenset({"class", "namespace"})
_PARSING: Final = threading.Lock()  # the warning filters are shared by all threads
_GO_OWNER: Final = re.compile(r"\w+")

_SCRIPT: Final = """
(comment) @above
(function_declaration name: (_) @name) @function
(generator_function_declaration name: (_) @name) @function
(class_declaration name: (_) @name) @class
(method_definition name: (_) @name) @method
(variable_declarator name: (identifier) @name
  value: [(arrow_function) (function_expression) (generator_function)]) @function
(variable_declarator name: (identifier) @name value: (class)) @class
(assignment_expression left: (_) @name
  right: [(arrow_function) (function_expression) (generator_function)]) @function
(assignment_expression left: (_) @name right: (class)) @class
(decorator) @above
"""
_JAVASCRIPT: Final = (
    _SCRIPT + "(field_definition property: (_) @name value: (arrow_function)) @method"
)
_TYPESCRIPT: Final = _SCRIPT + """
(public_field_definition name: (_) @name value: (arrow_function)) @method
(abstract_class_declaration name: (_) @name) @class
(interface_declaration name: (_) @name) @interface
(type_alias_declaration name: (_) @name) @type
(enum_declaration name: (_) @name) @enum
(internal_module name: (_) @name) @namespace
(function_signature name: (_) @name) @function
"""
_GO: Final = """
(comment) @above
(function_declaration name: (_) @name) @function
(method_declaration
  receiver: (parameter_list (parameter_declaration type: (_) @owner)) name: (_) @name) @method
(type_spec name: (_) @name) @type
(type_alias name: (_) @name) @type
"""


@dataclass(frozen=True, slots=True)
class _Grammar:
    """A wheel, the function in it that gives the language, and what to look for."""

    module: str
    function: str
    query: str


_TS: Final = _Grammar("tree_sitter_typescript", "language_typescript", _TYPESCRIPT)
_TSX: Final = _Grammar("tree_sitter_typescript", "language_tsx", _TYPESCRIPT)
_JS: Final = _Grammar("tree_sitter_javascript", "language", _JAVASCRIPT)
_BY_SUFFIX: Final[Mapping[str, _Grammar]] = {
    **dict.fromkeys((".ts", ".mts", ".cts"), _TS),
    ".tsx": _TSX,
    **dict.fromkeys((".js", ".jsx", ".mjs", ".cjs"), _JS),
    ".go": _Grammar("tree_sitter_go", "language", _GO),
}


@dataclass(frozen=True, slots=True)
class Definition:
    """A definition with its decorators and the comments directly above it.

    Lines count from 1, both ends included. ``kind`` is ``function``, ``method``, ``class``,
    ``interface``, ``type``, ``enum`` or ``namespace``; only classes and namespaces contain others.
    """

    qualname: str
    kind: str
    first_line: int
    last_line: int


def definitions(path: str, text: str) -> list[Definition] | None:
    """Return the definitions of ``text``, outer before inner, in the order of the source.

    Lines of ``text`` end with a line feed alone. None for a language without a grammar here, for
    Python that does not parse, and for what is no program in another language. Not covered:
    functions inside functions (they are part of the outer one) and definitions nested more than
    twelve deep.
    """
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in {".py", ".pyi"}:
        try:
            tree = parse_python(text)
        except SyntaxError:
            return None
        return _python(tree, text.split("\n"))
    grammar = _BY_SUFFIX.get(suffix)
    return None if grammar is None else _by_grammar(grammar, text)


def parse_python(source: str) -> ast.Module:
    """Return the syntax tree of ``source``; raises :class:`SyntaxError` for whatever stops it."""
    with _PARSING, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the user's code, not ours
        try:
            return ast.parse(source)
        except (ValueError, RecursionError, MemoryError) as error:
            raise SyntaxError(f"cannot be parsed: {error}") from error


def _python(tree: ast.Module, lines: list[str]) -> list[Definition]:
    comments = {row: row for row, line in enumerate(lines, 1) if line.lstrip().startswith("#")}
    found: list[Definition] = []
    pending = [(node, "", "", 0) for node in reversed(tree.body)]  # a stack: nesting has no limit
    while pending:
        node, scope, owner, depth = pending.pop()
        inner: list[ast.stmt] = []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            kind = "class" if isinstance(node, ast.ClassDef) else _function_kind(owner)
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            last = node.end_lineno or node.lineno
            found.append(Definition(scope + node.name, kind, _above(first, comments), last))
            if kind == "class" and depth < _MAX_DEPTH:
                scope, owner, depth, inner = f"{scope}{node.name}.", kind, depth + 1, node.body
        else:
            inner = list(_statements(node))
        pending += [(child, scope, owner, depth) for child in reversed(inner)]
    return found


def _function_kind(owner: str) -> str:
    return "method" if owner == "class" else "function"


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    """Yield the statements directly inside a compound statement."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        elif isinstance(child, ast.ExceptHandler | ast.match_case):
            yield from child.body


def _above(first: int, ends: Mapping[int, int]) -> int:
    """Return ``first``, moved up over what ends on the line above; ``ends``: last line → first."""
    while first - 1 in ends:
        first = ends[first - 1]
    return first


@cache
def _tools(grammar: _Grammar) -> tuple[Parser, Query]:
    from tree_sitter import Language, Parser, Query

    language = Language(getattr(importlib.import_module(grammar.module), grammar.function)())
    return Parser(language), Query(language, grammar.query)


def grammar_of(path: str) -> tuple[str, str] | None:
    """Return the module and the function in it that give the grammar for queries, if there is one.

    It has Python's too, which is read by ``ast`` for everything else here.
    """
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in {".py", ".pyi"}:
        return "tree_sitter_python", "language"
    grammar = _BY_SUFFIX.get(suffix)
    return None if grammar is None else (grammar.module, grammar.function)


def has_grammar(path: str) -> bool:
    """Say whether :func:`syntax_tree` knows the language of the file at ``path``."""
    return PurePosixPath(path).suffix.lower() in _BY_SUFFIX


def syntax_tree(path: str, text: str) -> Tree | None:
    """Return tree-sitter's tree of ``text``, None for a language without a grammar here."""
    grammar = _BY_SUFFIX.get(PurePosixPath(path).suffix.lower())
    return None if grammar is None else _parsed(grammar, text.encode("utf-8", "replace"))


def _parsed(grammar: _Grammar, source: bytes) -> Tree:
    with _PARSING:  # a parser holds the state of one parse
        return _tools(grammar)[0].parse(source)


def _by_grammar(grammar: _Grammar, text: str) -> list[Definition] | None:
    from tree_sitter import QueryCursor

    source = text.encode("utf-8", "replace")
    query, tree = _tools(grammar)[1], _parsed(grammar, source)
    if len(source) > _MAX_TOKENS and _has_token_run(tree.root_node):
        return None
    ends: dict[int, int] = {}
    nodes: list[tuple[Node, str, str]] = []
    for _, captured in QueryCursor(query).matches(tree.root_node):
        if "above" in captured:
            _note_above(captured["above"][0], source, ends)
            continue
        names = [_text(node) for part in ("owner", "name") for node in captured.get(part, ())]
        kind = next(kind for kind in captured if kind not in {"owner", "name"})
        if "owner" in captured:
            names[0] = "".join(_GO_OWNER.findall(names[0])[:1])
        nodes.append((captured[kind][0], kind, ".".join(names)))
    nodes.sort(key=lambda entry: (entry[0].start_byte, -entry[0].end_byte))
    return _nested(nodes, ends)


def _has_token_run(root: Node) -> bool:
    """Say whether some node has thousands of bare tokens between its parts, as no program has."""
    cursor = root.walk()
    while cursor.node is not None:
        bare = cursor.node.child_count - cursor.node.named_child_count
        if bare > _MAX_TOKENS + 2 * cursor.node.named_child_count:
            return True
        if cursor.goto_first_child():
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return False
    return False


def _text(node: Node) -> str:
    return " ".join((node.text or b"").decode("utf-8", "replace").split())[:200]


def _note_above(node: Node, source: bytes, ends: dict[int, int]) -> None:
    """Note a comment or decorator that has its lines to itself as part of what follows."""
    start, stop = node.start_byte, node.end_byte
    if node.start_point.column > _FAR_RIGHT:
        return
    before = source[source.rfind(b"\n", 0, start) + 1 : start]
    line_end = source.find(b"\n", stop)
    after = source[stop : line_end if line_end >= 0 else None]
    if not before.strip() and not after.strip():
        ends[node.end_point.row + 1] = node.start_point.row + 1


def _nested(nodes: list[tuple[Node, str, str]], ends: Mapping[int, int]) -> list[Definition]:
    found: list[Definition] = []
    around: list[tuple[int, str, bool]] = []  # end, dotted name, whether it contains others
    for node, kind, name in nodes:
        while around and around[-1][0] <= node.start_byte:
            around.pop()
        if around and (not around[-1][2] or len(around) > _MAX_DEPTH):
            continue  # inside a function, or too deep
        qualname = f"{around[-1][1]}.{name}" if around else name
        around.append((node.end_byte, qualname, kind in _CONTAINERS))
        first, last = node.start_point.row + 1, node.end_point.row + 1
        found.append(Definition(qualname, kind, _above(first, ends), last))
    return found
