"""Where a region stands in a file: the whole file, every binding of a symbol, or marked lines.

A symbol of Python is everything that binds its name in its scope: definitions, assignments,
imports. So a second definition below the protected one is seen as well. In other languages it is
the definitions that the grammar shows. Not covered: names bound from elsewhere (``setattr``,
``global`` in a function, a star import).
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from memory.languages import definitions
from tools.preserve.contracts import Contract
from tools.preserve.markers import markers
from tools.preserve.source import Source

_COMPOUND: Final = (
    *(ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith),
    *(ast.Try, ast.TryStar, ast.Match),
)
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Region:
    """Lines ``first`` to ``last`` (from 1) of a source; none when ``last`` is the smaller one.

    ``node`` is the statement of a Python symbol, ``name`` the symbol itself.
    """

    source: Source
    first: int
    last: int
    node: ast.stmt | None = None
    name: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether the region is the whole file."""
        return self.first == 1 and self.last >= len(self.source.lines) and not self.name

    @property
    def lines(self) -> list[str]:
        """The lines of the region with their endings."""
        return self.source.lines[self.first - 1 : self.last]

    @property
    def text(self) -> str:
        """The region as it stands, line endings included."""
        return "".join(self.lines)


def regions(contract: Contract, source: Source) -> list[Region]:
    """Return where ``contract`` stands in ``source``; nothing when it is not there."""
    if contract.symbol:
        return symbol_regions(source, contract.symbol)
    if contract.marker:
        return [
            Region(source, each.first + 1, each.last - 1, name=f"#{each.id}")
            for each in markers(source).get(contract.marker)
        ]
    return [Region(source, 1, len(source.lines))]


def symbol_regions(source: Source, symbol: str) -> list[Region]:
    """Return every place that gives ``symbol`` its meaning, in the order of the source."""
    if source.module is not None:
        found = _bindings(source.module.body, symbol.split("."))
        return [Region(source, _first(node), node.end_lineno or 0, node, symbol) for node in found]
    if source.root is None:
        return []
    return [
        Region(source, each.first_line, each.last_line, name=symbol)
        for each in definitions(source.path, source.plain) or ()
        if each.qualname == symbol
    ]


def defined_names(source: Source) -> Counter[str]:
    """Return how often each name is defined in a file, nested ones in Python left out."""
    if source.module is not None:
        bound = binders(source.module.body)
        return Counter({name: len(nodes) for name, nodes in bound.items()})
    known = definitions(source.path, source.plain) if source.root is not None else ()
    return Counter(each.qualname.rpartition(".")[2] for each in known or ())


def _bindings(body: list[ast.stmt], names: list[str]) -> list[ast.stmt]:
    found = binders(body).get(names[0], [])
    if len(names) == 1:
        return found
    inner = [
        _bindings(node.body, names[1:]) if isinstance(node, Definition) else [] for node in found
    ]
    if not any(inner):
        return []
    # What takes the place of the class around a method counts as well.
    return [each for node, own in zip(found, inner, strict=True) for each in own or [node]]


def _first(node: ast.stmt) -> int:
    decorators = node.decorator_list if isinstance(node, Definition) else []
    return min([node.lineno, *(each.lineno for each in decorators)])


def binders(body: Iterable[ast.stmt]) -> dict[str, list[ast.stmt]]:
    """Return the statements of a scope by the names they bind or delete, in their order.

    Those inside ``if`` and the like are among them. A compound statement stands for itself when
    its own head binds a name.
    """
    found: dict[str, list[ast.stmt]] = {}
    for node in body:
        if isinstance(node, Definition):
            found.setdefault(node.name, []).append(node)
            continue
        own = {name for part in _own_parts(node) for name in _bound_by(part)}
        for name in own:
            found.setdefault(name, []).append(node)
        for block in _blocks(node):
            for name, nodes in binders(block).items():
                found.setdefault(name, []).extend(nodes if name not in own else ())
    return found


def _blocks(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    for _, value in ast.iter_fields(node):
        if isinstance(value, list) and value:
            if isinstance(value[0], ast.stmt):
                yield value
            elif isinstance(value[0], ast.ExceptHandler | ast.match_case):
                yield from (each.body for each in value)


def _own_parts(node: ast.stmt) -> Iterator[ast.AST]:
    if not isinstance(node, _COMPOUND):
        yield node
        return
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ExceptHandler):
            yield ast.ExceptHandler(child.type, child.name, [])
        elif isinstance(child, ast.match_case):
            yield child.pattern
        elif not isinstance(child, ast.stmt):
            yield child


def _bound_by(part: ast.AST) -> Iterator[str]:
    pending = [part]
    while pending:
        node = pending.pop()
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                yield name
            case ast.alias(name=module, asname=other):
                yield other or module.partition(".")[0]
            case (
                ast.ExceptHandler(name=str(name))
                | ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
                | ast.MatchMapping(rest=str(name))
            ):
                yield name
        skipped = node.target if isinstance(node, ast.comprehension) else None
        pending += [child for child in ast.iter_child_nodes(node) if child is not skipped]
