"""The calls that TypeScript, JavaScript and Go accept (the rule: ``tools.preserve.signatures``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from memory.languages import definitions
from tools.preserve.regions import Region
from tools.preserve.tokens import COMMENTS, nodes

if TYPE_CHECKING:
    from tree_sitter import Node

_OPTIONAL: Final = frozenset({"optional_parameter", "assignment_pattern", "rest_pattern"})
_SHAPES: Final = frozenset({"interface_body", "object_type", "enum_body"})  # no code inside
_Tokens = tuple[bytes, ...]


@dataclass(frozen=True)
class _Head:
    """A definition without its body: its tokens, and its parameters with whether each is needed."""

    tokens: _Tokens
    parameters: tuple[tuple[_Tokens, bool], ...]


def objection(old: Region, new: Region) -> str | None:
    """Return what could be called in ``old`` and can't be in ``new``, None for nothing."""
    was, now = _heads(old), _heads(new)
    for name, heads in was.items():
        others = now.get(name, [])
        if len(others) != len(heads):
            return f"{name!r} is there {len(others)} times, {len(heads)} before"
        if not all(_fits(one, other) for one, other in zip(heads, others, strict=True)):
            return f"the declaration of {name!r} changed"
    return None


def _fits(old: _Head, new: _Head) -> bool:
    count = len(old.parameters)
    return (
        old.tokens == new.tokens
        and new.parameters[:count] == old.parameters
        and not any(needed for _, needed in new.parameters[count:])
    )


def _heads(region: Region) -> dict[str, list[_Head]]:
    source, root = region.source, region.source.root
    found: dict[str, list[_Head]] = {}
    if root is None:
        return found
    for each in definitions(source.path, source.plain) or ():
        inside = region.first <= each.first_line and each.last_line <= region.last
        if inside and _is_public(each.qualname, source.path):
            head = _head(root, each.first_line - 1, each.last_line - 1)
            found.setdefault(each.qualname, []).append(head)
    return found


def _is_public(name: str, path: str) -> bool:
    last = name.rpartition(".")[2]
    if PurePosixPath(path).suffix.lower() == ".go":
        return last[:1].isupper()
    return not last.startswith(("_", "#"))


def _head(root: Node, first: int, last: int) -> _Head:
    tokens: list[bytes] = []
    parameters: tuple[tuple[_Tokens, bool], ...] | None = None
    skipped = 0
    for node, part in nodes(root, first, last):
        if node.start_byte < skipped or node.type in COMMENTS:
            continue
        if part == "body" and node.type not in _SHAPES:
            skipped = node.end_byte
        elif node.type == "formal_parameters" and parameters is None:
            inside = [each for each in node.named_children if each.type not in COMMENTS]
            parameters = tuple(_parameter(each) for each in inside)
            skipped = node.end_byte
        elif not node.child_count:
            tokens.append(node.text or b"")
    return _Head(tuple(tokens), parameters or ())


def _parameter(node: Node) -> tuple[_Tokens, bool]:
    leaves = []
    pending = [node]
    while pending:
        each = pending.pop()
        if each.type not in COMMENTS:
            pending += reversed(each.children)
            leaves += [] if each.children else [each.text or b""]
    has_default = node.child_by_field_name("value") is not None
    rest = any(child.type == "rest_pattern" for child in node.named_children)
    return tuple(leaves), not (has_default or rest or node.type in _OPTIONAL)
