"""The factory for LangGraph Studio: the same graph, its server brings the checkpointer."""

from __future__ import annotations

import asyncio
from pathlib import Path

from langgraph.store.base import BaseStore

from agents.home import state_home
from agents.shared_memory import SharedMemory
from graph.crew import CrewGraph, build_graph
from graph.runs import RunStore
from graph.settings import load_settings
from graph.workshop import Workshop
from memory.project import project_id
from memory.store import JournalStore


async def make_graph() -> CrewGraph:
    """Return the crew's graph with the settings of the folder the server was started in.

    Start the server with ``--allow-blocking``: git's small files are read and written in the
    event loop, which a server for one developer can bear.
    """
    return build_graph(await asyncio.to_thread(_workshop))


def make_store() -> BaseStore:
    """Return the memory of that folder's project, for the server to show and to give to nodes."""
    memory = SharedMemory(state_home(), project_id(Path.cwd()))
    return JournalStore(memory.journal, memory.project, memory.hits)


def _workshop() -> Workshop:
    settings, home = load_settings(Path.cwd()), state_home()
    if not settings.memory.enabled:
        return Workshop(settings, RunStore(home))
    return Workshop(settings, RunStore(home), SharedMemory(home, project_id(Path.cwd())))
