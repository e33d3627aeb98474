"""Whether two pieces of Python mean the same, whatever their layout, comments and local names.

Left out of the comparison: layout, comments, docstrings, annotations, and the names of locals as
long as each keeps its own place. Compared: everything else, constants with their types.

Annotations stay where they can do something: in the body of a class with a base or a decorator
(they declare fields there), and wherever they hold more than names, attributes, subscripts,
constants and ``|`` (a call in an annotation runs). Not covered: functions that look at their
parameters' annotations at run time, and ``__doc__``.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Final

from memory.languages import parse_python
from tools.preserve.regions import Region
from tools.preserve.scopes import Scope, enclosed
from tools.preserve.source import unified

_INERT: Final = (
    *(ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.BinOp, ast.BitOr, ast.Tuple),
    *(ast.List, ast.Starred, ast.expr_context, ast.UnaryOp, ast.USub),
)
_PASS: Final = (ast.Pass(),)


def same(old: Region, new: Region) -> bool | None:
    """Say whether two regions of Python mean the same, None when that can't be told.

    It can't for marked lines that are no whole statements, and for nesting hundreds deep.
    """
    try:
        one, other = _statements(old), _statements(new)
        if one is None or other is None:
            return None
        return shape(one) == shape(other)
    except (SyntaxError, RecursionError):
        return None


def _statements(region: Region) -> Sequence[ast.stmt] | None:
    """Return the region's statements; marked lines are read as if they stood alone."""
    if region.node is not None:
        return (region.node,)
    if region.is_whole:
        module = region.source.module
        return None if module is None else _without_docstring(module.body)
    text = unified(region.text)
    filled = next((line for line in text.split("\n") if line.strip()), "")
    if filled[:1].isspace():
        return parse_python("if True:\n" + text + "\n").body
    return parse_python(text).body


def shape(statements: Sequence[ast.stmt]) -> list[str]:
    """Return what ``statements`` mean as a list of words; equal lists mean the same."""
    writer = _Writer()
    for each in statements:
        writer.node(each, Scope("module"))
    return writer.words


def _without_docstring(body: Sequence[ast.stmt]) -> Sequence[ast.stmt]:
    match body:
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            return rest or _PASS
    return body


def _is_inert(annotation: ast.expr) -> bool:
    return all(isinstance(each, _INERT) for each in ast.walk(annotation))


class _Writer:
    """Writes a tree down, one word for each node, name and constant."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def node(self, node: ast.AST, scope: Scope, *, fields: bool = False) -> None:
        """Write ``node`` as it stands in ``scope``; ``fields``: in a class that declares them."""
        if isinstance(node, ast.AnnAssign):
            self._annotated(node, scope, fields)
            return
        self.words.append(type(node).__name__)
        match node:
            case ast.Name(id=name):
                self.words.append(scope.canonical(name))
            case ast.Constant(value=value):
                self.words.append(f"{type(value).__name__} {value!r}")
            case ast.alias(name=name, asname=other):
                bound = other or name
                self.words += [name, bound if "." in bound else scope.canonical(bound)]
            case ast.Nonlocal(names=names):
                self.words += [scope.canonical(name) for name in names]
            case ast.arg(arg=name, annotation=annotation):
                self.words.append(name)
                self._annotation(annotation, scope)
            case ast.ClassDef():
                self._class(node, scope)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                self._function(node, scope)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                self._comprehension(node, scope)
            case _:
                self._fields(node, scope, fields)

    def _fields(self, node: ast.AST, scope: Scope, fields: bool) -> None:
        capture = isinstance(
            node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar | ast.MatchMapping
        )
        for name, value in ast.iter_fields(node):
            if isinstance(value, ast.AST):
                self.node(value, scope, fields=fields)
            elif isinstance(value, list):
                self._list(value, scope, fields)
            elif capture and name in {"name", "rest"} and isinstance(value, str):
                self.words.append(scope.canonical(value))
            else:
                self.words.append(f"{type(value).__name__} {value!r}")

    def _list(self, values: Sequence[object], scope: Scope, fields: bool = False) -> None:
        self.words.append("[")
        for value in values:
            if isinstance(value, ast.AST):
                self.node(value, scope, fields=fields)
            else:
                self.words.append(f"{type(value).__name__} {value!r}")
        self.words.append("]")

    def _annotation(self, annotation: ast.expr | None, scope: Scope) -> None:
        if annotation is not None and not _is_inert(annotation):
            self.words.append("annotation")
            self.node(annotation, scope)

    def _annotated(self, node: ast.AnnAssign, scope: Scope, fields: bool) -> None:
        """Write ``x: int = 1`` as ``x = 1``; a bare ``x: int`` is nothing at all."""
        keep = fields or not _is_inert(node.annotation)
        if keep:
            self.words.append("annotation")
            self.node(node.annotation, scope)
        if node.value is not None:
            self.words.append("Assign")
            self._list([node.target], scope)
            self.node(node.value, scope)
            self.words.append("NoneType None")  # the type comment of an assignment
        elif keep or not (node.simple and isinstance(node.target, ast.Name)):
            self.node(node.target, scope)

    def _body(self, body: Sequence[ast.stmt], scope: Scope, fields: bool = False) -> None:
        self._list(_without_docstring(body), scope, fields)

    def _class(self, node: ast.ClassDef, scope: Scope) -> None:
        self.words.append(node.name)
        for part in (node.decorator_list, node.bases, node.keywords):
            self._list(part, scope)
        inner = enclosed(node, scope, "class", node.body)
        self._body(node.body, inner, bool(node.decorator_list or node.bases or node.keywords))

    def _function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: Scope
    ) -> None:
        if not isinstance(node, ast.Lambda):
            self.words.append(node.name)
            self._list(node.decorator_list, scope)
            self._annotation(node.returns, scope)
        self._fields(node.args, scope, fields=False)
        if isinstance(node, ast.Lambda):
            self.node(node.body, enclosed(node, scope, "function", [node.body]))
        else:
            self._body(node.body, enclosed(node, scope, "function", node.body))

    def _comprehension(
        self,
        node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp,
        scope: Scope,
    ) -> None:
        first, *others = node.generators
        self.node(first.iter, scope)
        targets: list[ast.AST] = [each.target for each in node.generators]
        inner = enclosed(node, scope, "function", targets)
        self.node(first.target, inner)
        self._list(first.ifs, inner)
        self.words.append(f"async {first.is_async}")
        self._list(others, inner)
        for name in ("key", "value", "elt"):
            part = getattr(node, name, None)
            if part is not None:
                self.node(part, inner)
