"""The doc writer: docstrings, comments and documents, never behaviour."""

from __future__ import annotations

import ast
from typing import Final

from agents.reply import Plan
from agents.role import Role

_CODE: Final = (".py", ".pyi")
_DOCUMENTS: Final = (".md", ".rst", ".txt", ".adoc")


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


def same_behaviour(before: bytes, after: bytes) -> bool:
    """Say whether two Python sources differ in docstrings, comments and layout only."""
    old, new = _without_docstrings(before), _without_docstrings(after)
    return new is not None and old == new


def _verdict(plan: Plan | None, path: str, before: bytes | None, after: bytes | None) -> str:
    if path.endswith(_DOCUMENTS):
        return "" if after is not None else f"{path}: the doc writer deletes no files"
    if not path.endswith(_CODE):
        return f"{path}: the doc writer changes documents and docstrings only"
    if before is None or after is None:
        return f"{path}: the doc writer adds and deletes no code files"
    if same_behaviour(before, after):
        return ""
    return f"{path}: code changed; repeat the code exactly and change docstrings or comments only"


DOC_WRITER: Final = Role(
    name="doc_writer",
    duty="Say in docstrings and documents what the change does.",
    writes="documents and docstrings; no behaviour",
    tools=("fs.edit", "fs.write", "fs.read", "search.text", "git.diff"),
    verdict=_verdict,
)
