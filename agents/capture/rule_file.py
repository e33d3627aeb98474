"""Cursor's rule file of a workspace, kept up to date with what is known and protected."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import prompts
from agents.capture.session_context import refresh_session
from mcp_local_llm import StoreUnavailable
from memory.project import project_root
from memory.records import Kind, Where
from memory.whole_file import write_whole

if TYPE_CHECKING:
    from agents.shared_memory import SharedMemory
    from tools.preserve.contracts import Contract

RULES: Final = ".cursor/rules/local-llm.mdc"
_MOST: Final = 60  # rules, definitions and contracts each: all of it is in every prompt


def refresh_all(workspace: Path, memory: SharedMemory) -> None:
    """Bring up to date what Cursor reads by itself: the rule file, and what sessions start with.

    Raises what ``refresh_rules`` raises, after both were tried.
    """
    try:
        refresh_rules(workspace, memory)
    finally:
        refresh_session(memory)


def refresh_rules(workspace: Path, memory: SharedMemory) -> bool:
    """Bring the rule file of ``workspace`` up to date where there is one; say whether it changed.

    Raises:
        StoreUnavailable: it cannot be written.
    """
    path = project_root(workspace) / RULES
    try:
        if not path.is_file():
            return False
        text = wanted_rules(path.parents[2], memory)
        if path.read_bytes() == text.encode():
            return False
        write_whole(path, text, keeps_mode=True)
    except OSError as error:
        raise StoreUnavailable(
            f"the rule file {str(path)!r} cannot be written ({error.strerror}); make it writable"
        ) from error
    return True


def wanted_rules(workspace: Path, memory: SharedMemory) -> str:
    """Return the text that the rule file of ``workspace`` should have."""
    from tools.preserve.check import contracts_of
    from tools.preserve.states import FolderFiles

    return rules_text(memory, contracts_of(FolderFiles(workspace)))


def rules_text(memory: SharedMemory, contracts: Iterable[Contract]) -> str:
    """Return the rule file: how to work here, what is protected, and what was taught, in force.

    The newest of each kind, in the order in which they were said.
    """

    def said(kind: Kind) -> list[str]:
        where = Where(project=memory.project, kinds=(kind,))
        found = [each for each in memory.journal.live(where) if each.may_answer(where)]
        newest = sorted(found, key=lambda stored: -stored.seq)[:_MOST]
        return [each.item.line() for each in reversed(newest)]

    text = prompts.render(
        "cursor/rules",
        contracts=[_line(each) for each in contracts if each.origin != "product"][:_MOST],
        rules=said(Kind.PREFERENCE),
        definitions=said(Kind.DEFINITION),
    )
    return text + "\n"


def _line(contract: Contract) -> str:
    reason = f", {contract.reason}" if contract.reason else ""
    return " ".join(f"{contract.region}: {contract.level}{reason}".split())
