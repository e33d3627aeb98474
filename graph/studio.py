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
    """Return the crew's graph with the settings of the folder the server was started in."""
    settings = await asyncio.to_thread(load_settings, Path.cwd())
    store = RunStore(await asyncio.to_thread(state_home))
    return build_graph(Workshop(settings, store))
