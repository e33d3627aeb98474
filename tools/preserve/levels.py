"""What each level lets pass between two versions of a region, in words when it does not.

``strict``: the same characters in the same encoding, line endings included.
``moderate``: Python means the same (see ``tools.preserve.meaning``); TypeScript, JavaScript and Go
have the same tokens in the same structure (``tools.preserve.tokens``); in every other language, and
in Python lines that are no whole statements, only line endings and blank lines at the end may
differ.
``flexible``: whatever could be called can be called as before (``tools.preserve.signatures``).
"""

from __future__ import annotations

from memory.records import Level
from tools.preserve import meaning, signatures, tokens
from tools.preserve.regions import Region
from tools.preserve.source import unified


def objection(level: Level, old: Region, new: Region) -> str | None:
    """Return what speaks against ``new`` in the place of ``old``, None when nothing does."""
    if old.text == new.text and old.source.text.encoding == new.source.text.encoding:
        return None
    if level is Level.STRICT:
        return _strict(old, new)
    if old.source.parses and not new.source.parses:
        return "the file no longer parses"
    if level is Level.MODERATE:
        return _moderate(old, new)
    return signatures.objection(old, new)


def _strict(old: Region, new: Region) -> str:
    if old.text == new.text:
        return "its encoding changed"
    if unified(old.text) == unified(new.text):
        return "its line endings changed"
    return "its bytes changed"


def _moderate(old: Region, new: Region) -> str | None:
    same = meaning.same(old, new) if old.source.is_python else tokens.same(old, new)
    if same is None:  # nothing here understands it
        same = unified(old.text).rstrip("\n") == unified(new.text).rstrip("\n")
    return None if same else "more than layout, comments, docstrings and local names changed"
