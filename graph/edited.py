"""What the user turned the crew's words or code into, as an item that can be recalled."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Final

from memory.experience import CorrectionRecord, CorrectionType
from memory.records import Item, Provenance, Source
from memory.secrets import find_secrets

_LONGEST: Final = 4_000  # characters of a hunk; a longer one was rewritten, and is no correction
_SHOWN: Final = 200  # characters of either side of an edit in the line that is recalled
_NAME: Final = re.compile(r"[A-Za-z_]\w*")


def correction_item(
    project: str,
    key: str,
    path: str,
    original: str,
    corrected: str,
    *,
    run_id: str,
    scope: str = "",
    source: Source = "user",
) -> tuple[Item | None, str]:
    """Return a correction as an item, or None and why there is none.

    What somebody else wrote has the source ``import``, what a model told ``relayed``. ``key`` makes
    the same edit the same item.
    """
    if max(len(original), len(corrected)) > _LONGEST:
        return None, "too long"
    if find_secrets(original) or find_secrets(corrected):
        return None, "it holds what looks like a secret"
    if not original.strip() or not corrected.strip():
        return None, "nothing stands on one side"
    record = CorrectionRecord(
        original=original, corrected=corrected, type=edit_type(path, original, corrected)
    )
    update = {
        "text": told_edit(path, original, corrected),
        "scope": scope,
        "key": key,
        "provenance": Provenance(source=source, where=f"run {run_id}"),
    }
    return record.item(project).model_copy(update=update), ""


def told_edit(path: str, original: str, corrected: str) -> str:
    """Return an edit as one line, as it is recalled: the lines that changed, and nothing else."""
    old, new = original.splitlines(), corrected.splitlines()
    changed = [
        one
        for one in SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        if one[0] != "equal"
    ]
    before = _one_line(line for _, a, b, _, _ in changed for line in old[a:b])
    after = _one_line(line for _, _, _, a, b in changed for line in new[a:b])
    if not before:
        return f"In {path}, the user added {after}"
    if not after:
        return f"In {path}, the user took out {before}"
    return f"In {path}, write {after} instead of {before}"


def _one_line(lines: Iterable[str]) -> str:
    text = " ".join(" ".join(lines).split())
    if not text:
        return ""
    return f"`{text}`" if len(text) <= _SHOWN else f"`{text[: _SHOWN - 1]}…`"


def edit_type(path: str, original: str, corrected: str) -> CorrectionType:
    """Return what kind of change it is: of white space, of names alone, of tests, or of logic."""
    if "".join(original.split()) == "".join(corrected.split()):
        return "style"
    if _NAME.sub("x", original).split() == _NAME.sub("x", corrected).split():
        return "naming"
    return "tests" if path.rpartition("/")[2].startswith("test_") else "logic"
