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
    _writing: threading.Lock = field(default_factory=threading.Lock)
    _catching_up: threading.Thread | None = None

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

        What Cursor reads by itself is brought up to date meanwhile: others may have changed what
        is known, and looking through all files for contracts takes its time.

        Raises:
            StoreUnavailable: the journal cannot be opened.
        """
        from agents.shared_memory import SharedMemory
        from memory.project import project_id

        with self._alone:
            if self._memory is None:
                self._memory = SharedMemory(self.home, project_id(self.workspace))
                self._catching_up = threading.Thread(target=self._catch_up, args=[self._memory])
                self._catching_up.start()
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
        self._refresh(self.memory)

    def _catch_up(self, memory: SharedMemory) -> None:
        with suppress(StoreUnavailable):  # told when something is learnt
            self._refresh(memory)

    def _refresh(self, memory: SharedMemory) -> None:
        from agents.capture.rule_file import refresh_all

        with self._writing:  # the last one to begin has seen what the others wrote
            refresh_all(self.workspace, memory)

    def close(self) -> None:
        """Close what was opened."""
        with self._alone:
            if self._catching_up is not None:
                self._catching_up.join()
            if self._memory is not None:
                self._memory.close()
                self._memory = None
