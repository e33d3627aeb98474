"""Whether two sources differ in words alone."""

from __future__ import annotations

import ast


def same_behaviour(before: bytes, after: bytes) -> bool:
    """Say whether two Python sources differ in docstrings, comments and layout only."""
    old, new = _without_docstrings(before), _without_docstrings(after)
    return new is not None and old == new


def _without_docstrings(source: bytes) -> str | None:
    """Return the code's structure with docstrings left out, or None when it does not parse."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:]
            # `pass` next to a docstring says nothing; without one it is the whole body.
            if len(node.body) == 1 and isinstance(node.body[0], ast.Pass):
                node.body = []
    return ast.dump(tree)
