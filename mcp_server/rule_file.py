"""Cursor's rule file of a workspace, kept up to date with what is known and protected."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mcp_local_llm import StoreUnavailable

if TYPE_CHECKING:
    from agents.shared_memory import SharedMemory


def refresh_rules(workspace: Path, memory: SharedMemory) -> bool:
    """Bring the rule file of ``workspace`` up to date where there is one; say whether it changed.

    Raises:
        StoreUnavailable: it cannot be written.
    """
    from mcp_server.cursor_files import RULES
    from memory.project import project_root
    from memory.whole_file import write_whole

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


def refresh_all(workspace: Path, memory: SharedMemory) -> None:
    """Bring up to date what Cursor reads by itself: the rule file, and what sessions start with.

    Raises what ``refresh_rules`` raises.
    """
    from agents.capture.session_context import refresh_session

    refresh_rules(workspace, memory)
    refresh_session(memory)


def wanted_rules(workspace: Path, memory: SharedMemory) -> str:
    """Return the text that the rule file of ``workspace`` should have."""
    from mcp_server.cursor_files import rules_text
    from tools.preserve.check import contracts_of
    from tools.preserve.states import FolderFiles

    return rules_text(memory, contracts_of(FolderFiles(workspace)))
