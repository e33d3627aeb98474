"""The night's graph: which node follows which, and what Studio opens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from agents.home import state_home
from graph.night.nodes import NightNodes
from graph.night.records import STAGES, NightState
from graph.night.shop import NightShop
from graph.settings import load_settings

NightGraph = CompiledStateGraph[NightState, None, NightState, NightState]
# A night may have been given up while it was at any node; what must be done then is this.
_ALWAYS = frozenset({"collect", "settle", "report"})
_MAY_END = frozenset({"decide", "mix", "train", "evaluate", "gate"})


class Node(Protocol):
    """A step of the night: returns the channels it changes."""

    def __call__(self, state: NightState) -> NightState:
        """Do the step."""
        ...


def build_night(
    shop: NightShop, checkpointer: BaseCheckpointSaver[str] | None = None
) -> NightGraph:
    """Return the compiled graph of a night that works with ``shop``."""
    graph = StateGraph(NightState)
    nodes = NightNodes(shop)
    for name in STAGES:
        graph.add_node(name, _observed(shop, name, getattr(nodes, name)))
    graph.add_edge(START, STAGES[0])
    for name, following in zip(STAGES, (*STAGES[1:], END), strict=True):
        if name in _MAY_END:
            graph.add_conditional_edges(name, _unless_over(following), [following, "settle"])
        else:
            graph.add_edge(name, following)
    return graph.compile(checkpointer=checkpointer, name="nightly")


def _unless_over(following: str) -> Callable[[NightState], str]:
    def route(state: NightState) -> str:
        return "settle" if state.get("outcome") else following

    return route


def _observed(shop: NightShop, name: str, node: Node) -> Node:
    """Return ``node`` with its time noted, and told to whoever watches."""

    def timed(state: NightState) -> NightState:
        if name not in _ALWAYS and (ended := shop.store.ended(state["night"])) is not None:
            return {"outcome": ended.outcome}
        shop.watcher.stage_started(name)
        began = shop.seconds()
        update = node(state)
        night = update.get("night") or state["night"]
        if name != STAGES[-1]:  # the report has been written: what it took is not in it
            shop.store.spent(night, name, shop.seconds() - began)
        return update

    return timed


async def make_graph() -> NightGraph:
    """Return the night's graph for LangGraph Studio; its server brings the checkpointer."""
    return build_night(await asyncio.to_thread(_shop))


def _shop() -> NightShop:
    home = state_home()
    return NightShop(home, load_settings(home))
