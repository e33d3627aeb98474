"""What the tools work with: one workspace, its memory and its runs, opened when first asked for."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_local_llm import StoreUnavailable, UsageError

if TYPE_CHECKING:
    from agents.shared_memory import SharedMemory
    from graph.runs import RunStore
    from memory.policy_store import PolicyStore


@dataclass(slots=True)
class Door:
    """One workspace as one server sees it. Any number of servers may have the same one open.

    Opening it reads nothing: a client is greeted before the journal or a library is loaded.
    """

    workspace: Path
    home: Path
    _memory: SharedMemory | None = None
    _alone: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(cls, workspace: Path) -> Door:
        """Return the door to ``workspace``.

        Raises:
            UsageError: it is no folder.
        """
        from agents.home import state_home

        folder = workspace.expanduser().absolute()
        if not folder.is_dir():
            raise UsageError(
                f"the workspace {str(folder)!r} is no folder; give an existing one with --workspace"
            )
        return cls(folder.resolve(), state_home())

    @property
    def memory(self) -> SharedMemory:
        """The project's memory. Blocking at the first use.

        Raises:
            StoreUnavailable: the journal cannot be opened.
        """
        from agents.capture.rule_file import refresh_all
        from agents.shared_memory import SharedMemory
        from memory.project import project_id

        with self._alone:
            if self._memory is None:
                self._memory = SharedMemory(self.home, project_id(self.workspace))
                with suppress(StoreUnavailable):  # told when something is learnt
                    refresh_all(self.workspace, self._memory)
            return self._memory

    async def opened(self) -> SharedMemory:
        """Return the project's memory; only the first use waits. Raises what ``memory`` raises."""
        if self._memory is None:
            return await asyncio.to_thread(lambda: self.memory)
        return self._memory

    @property
    def runs(self) -> RunStore:
        """The runs of all workspaces of this user."""
        from graph.runs import RunStore

        return RunStore(self.home)

    @property
    def policies(self) -> PolicyStore:
        """The policies of the workspace's project."""
        from memory.policy_store import PolicyStore
        from memory.project import project_id, project_root

        return PolicyStore(self.home, project_id(self.workspace), project_root(self.workspace))

    def knowledge_changed(self) -> None:
        """Bring up to date what Cursor reads by itself, where there is any. Blocking.

        Raises:
            StoreUnavailable: it cannot be written.
        """
        from agents.capture.rule_file import refresh_all

        refresh_all(self.workspace, self.memory)

    def close(self) -> None:
        """Close what was opened."""
        with self._alone:
            if self._memory is not None:
                self._memory.close()
                self._memory = None
