"""Which names of a piece of Python are locals that may be called something else.

Parameters keep their names (callers use them), and so do globals, attributes, the names of nested
functions and classes, and names that begin with two underscores. A function that mentions
``locals``, ``eval`` or another way to reach its names keeps all of them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
COMPREHENSIONS: Final = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_REACHING: Final = frozenset(
    ("locals", "vars", "eval", "exec", "dir", "query", "_getframe", "currentframe", "f_locals")
)  # `query`: pandas reads local names out of a string


@dataclass
class Scope:
    """One scope; ``canonical`` gives a local a number in the order in which it first appears."""

    kind: Literal["module", "class", "function"]
    parent: Scope | None = None
    level: str = "0"
    kept: bool = False
    bound: set[str] = field(default_factory=set)
    fixed: set[str] = field(default_factory=set)
    outer: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    children: int = 0

    def canonical(self, name: str) -> str:
        """Return what stands for ``name`` here: a local's number, or the name itself."""
        scope: Scope | None = self
        while scope is not None:
            declared = scope.outer.get(name)
            if declared == "global":
                return name
            if (
                declared is None
                and name in scope.bound
                and (scope is self or scope.kind != "class")
            ):
                return scope._local(name)
            scope = scope.parent
        return name

    def _local(self, name: str) -> str:
        if self.kind != "function" or self.kept or name in self.fixed or name.startswith("__"):
            return name
        return f"<{self.level}:{self.numbers.setdefault(name, len(self.numbers))}>"


def enclosed(
    node: ast.AST, around: Scope, kind: Literal["class", "function"], body: Iterable[ast.AST]
) -> Scope:
    """Return the scope of ``node``, whose own statements or expressions are ``body``."""
    around.children += 1
    outermost = kind == "function" and around.kind != "function" and not around.kept
    scope = Scope(
        kind,
        around,
        f"{around.level}.{around.children}",
        kept=around.kept or (outermost and _reaches_names(node)),
    )
    arguments = getattr(node, "args", None)
    if isinstance(arguments, ast.arguments):
        names = {each.arg for each in ast.walk(arguments) if isinstance(each, ast.arg)}
        scope.bound |= names
        scope.fixed |= names
    for each in _own(body):
        _bind(each, scope)
    return scope


def _reaches_names(node: ast.AST) -> bool:
    for each in ast.walk(node):
        name = each.id if isinstance(each, ast.Name) else getattr(each, "attr", None)
        if name in _REACHING:
            return True
    return False


def _own(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield the nodes that belong to a scope itself, with the heads of the scopes inside it."""
    pending = list(body)
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, COMPREHENSIONS):
            pending.append(node.generators[0].iter)
            pending += (target for target in _walruses(node))
        elif isinstance(node, FUNCTIONS):
            pending += _defaults(node.args)
            pending += getattr(node, "decorator_list", ())
        elif isinstance(node, ast.ClassDef):
            pending += (*node.decorator_list, *node.bases, *node.keywords)
        else:
            pending += ast.iter_child_nodes(node)


def _walruses(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the targets that a comprehension binds outside of itself."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.NamedExpr):
            yield child.target
        if not isinstance(child, ast.Lambda):
            yield from _walruses(child)


def _defaults(arguments: ast.arguments) -> list[ast.AST]:
    return [each for each in (*arguments.defaults, *arguments.kw_defaults) if each is not None]


def _bind(node: ast.AST, scope: Scope) -> None:
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            scope.bound.add(name)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            scope.bound.add(name)
            scope.fixed.add(name)
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            for alias in aliases:
                scope.bound.add(alias.asname or alias.name.partition(".")[0])
                if "." in alias.name and not alias.asname:
                    scope.fixed.add(alias.name.partition(".")[0])
        case (
            ast.ExceptHandler(name=str(name))
            | ast.MatchAs(name=str(name))
            | ast.MatchStar(name=str(name))
            | ast.MatchMapping(rest=str(name))
        ):
            scope.bound.add(name)
        case ast.Global(names=names):
            scope.outer |= dict.fromkeys(names, "global")
        case ast.Nonlocal(names=names):
            scope.outer |= dict.fromkeys(names, "nonlocal")
