"""The factory for LangGraph Studio: the same graph, its server brings the checkpointer."""

from __future__ import annotations

import asyncio
from pathlib import Path

from agents.home import state_home
from graph.crew import CrewGraph, build_graph
from graph.runs import RunStore
from graph.settings import load_settings
from graph.workshop import Workshop


async def make_graph() -> CrewGraph:
    """Return the crew's graph with the settings of the folder the server was started in.

    Start the server with ``--allow-blocking``: git's small files are read and written in the
    event loop, which a server for one developer can bear.
    """
    return build_graph(await asyncio.to_thread(_workshop))


def _workshop() -> Workshop:
    return Workshop(load_settings(Path.cwd()), RunStore(state_home()))
