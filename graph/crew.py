"""The crew's graph: which node follows which. Routing reads the state and nothing else."""

from __future__ import annotations

from typing import Final, Protocol

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.store.base import BaseStore

from agents.shared_memory import SharedMemory
from graph.gates import Gates
from graph.lifting import Lifting
from graph.nodes import Nodes
from graph.state import RunInput, RunState, Story, ended
from graph.workshop import Workshop
from memory.session import Memory
from memory.store import JournalStore

CrewGraph = CompiledStateGraph[RunState, None, RunInput, RunState]


class Node(Protocol):
    """A step of the graph: returns the channels it changes."""

    async def __call__(self, state: RunState) -> RunState:
        """Do the step."""
        ...


NODES: Final = (
    "prepare",
    "plan",
    "review_plan",
    "write_test",
    "check_red",
    "implement",
    "check_green",
    "refactor",
    "check_refactor",
    "document",
    "check_document",
    "review_patch",
    "deliver",
    "offer_lift",
    "close",
)
# A node goes on to the next one unless the run has an outcome or the tests say to go back.
_AFTER_GREEN: Final = "refactor"
_OVER: Final = "offer_lift"  # before a run without success is closed


def build_graph(shop: Workshop, checkpointer: BaseCheckpointSaver[str] | None = None) -> CrewGraph:
    """Return the compiled graph of a run that works with ``shop``."""
    graph = StateGraph(RunState, input_schema=RunInput)
    for name, node in _nodes(shop).items():
        graph.add_node(name, _observed(shop, name, node))
    graph.add_edge(START, "prepare")
    graph.add_edge("prepare", "plan")
    _unless_over(graph, "plan", "review_plan")
    _unless_over(graph, "review_plan", "write_test")
    _unless_over(graph, "write_test", "check_red")
    graph.add_conditional_edges("check_red", after_red, ["implement", "write_test", _OVER])
    _unless_over(graph, "implement", "check_green")
    graph.add_conditional_edges("check_green", after_green, ["refactor", "implement", _OVER])
    graph.add_edge("refactor", "check_refactor")
    graph.add_edge("check_refactor", "document")
    graph.add_edge("document", "check_document")
    graph.add_edge("check_document", "review_patch")
    _unless_over(graph, "review_patch", "deliver")
    graph.add_edge("deliver", END)
    graph.add_conditional_edges("offer_lift", after_lift, ["plan", "close"])
    graph.add_edge("close", END)
    return graph.compile(checkpointer=checkpointer, store=node_store(shop.memory), name="crew")


def node_store(memory: Memory) -> BaseStore | None:
    """Return ``memory`` as what nodes call ``runtime.store``, where it outlives the process."""
    if not isinstance(memory, SharedMemory):
        return None
    return JournalStore(memory.journal, memory.project, memory.hits)


def after_red(state: RunState) -> str:
    """Go on when the new test fails honestly; otherwise back to the tester, or end."""
    if ended(state):
        return _OVER
    return "implement" if state["tests"].verdict == "red" else "write_test"


def after_green(state: RunState) -> str:
    """Go on when the tests pass; otherwise back to the implementer, or end."""
    if ended(state):
        return _OVER
    return _AFTER_GREEN if state["tests"].verdict == "green" else "implement"


def after_lift(state: RunState) -> str:
    """Begin again with the planner when the user has lifted what stood in the way; else end."""
    return "close" if ended(state) else "plan"


def _unless_over(
    graph: StateGraph[RunState, None, RunInput, RunState], name: str, then: str
) -> None:
    graph.add_conditional_edges(name, lambda state: _OVER if ended(state) else then, [then, _OVER])


def _nodes(shop: Workshop) -> dict[str, Node]:
    nodes, gates = Nodes(shop), Gates(shop)
    return {
        "prepare": nodes.prepare,
        "plan": nodes.plan,
        "review_plan": gates.review_plan,
        "write_test": nodes.write_test,
        "check_red": nodes.check_red,
        "implement": nodes.implement,
        "check_green": nodes.check_green,
        "refactor": nodes.refactor,
        "check_refactor": nodes.recheck,
        "document": nodes.document,
        "check_document": nodes.recheck,
        "review_patch": gates.review_patch,
        "deliver": gates.deliver,
        "offer_lift": Lifting(shop).offer,
        "close": gates.close,
    }


def _observed(shop: Workshop, name: str, node: Node) -> Node:
    """Wrap ``node`` so that its time is in the run's event log and counts towards its limit."""

    async def observed(state: RunState) -> RunState:
        started = shop.clock()
        run_id = state.get("run_id", "")
        shop.watcher.node_started(name)
        if run_id:
            await shop.event(run_id, "node.started", node=name)
        update = await node(state)
        took = shop.clock() - started
        if run_id := run_id or update.get("run_id", ""):
            await shop.event(run_id, "node.ended", node=name, duration_s=round(took, 4))
        story = update.get("story") or state["story"]
        return {**update, "story": _later(story, took)}

    return observed


def _later(story: Story, took: float) -> Story:
    return story.model_copy(update={"elapsed_s": story.elapsed_s + took})
