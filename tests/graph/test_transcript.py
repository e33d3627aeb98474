"""The one transcript of a run: append-only, and in the compact profile exactly as trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from graph.crew import build_graph
from graph.runner import open_checkpoints
from graph.runs import RunStore
from graph.settings import load_settings
from graph.state import RunState
from graph.workshop import Workshop

if TYPE_CHECKING:
    from tests.graph.conftest import Demo, Script


async def test_the_compact_transcript_is_the_one_the_small_model_learned(
    project: Path, home: Path, script: Script, demo: Demo
) -> None:
    script()
    settings, store = load_settings(project), RunStore(home)
    home.mkdir()
    state: RunState
    async with open_checkpoints(store, settings) as saver:
        graph = build_graph(Workshop(settings, store), saver)
        given: RunState = {"task": demo.task, "workspace": str(project)}
        thread = {"configurable": {"thread_id": "t"}}
        await graph.ainvoke(given, thread, durability="sync")  # type: ignore[call-overload]
        state = (await graph.aget_state(thread)).values  # type: ignore[arg-type,assignment]
    said = [(message.role, message.content) for message in state["talk"].messages]
    brief = (
        f"task: {demo.task}\nfile: shop/cart.py (module shop.cart)\n{demo.cart.rstrip()}\n"
        "end of file\ntests: tests\nrole: planner"
    )
    assert said == [
        ("system", "You are a coding crew. Answer as the role named last."),
        ("user", brief),
        ("assistant", demo.plan),
        ("user", "role: tester"),
        ("assistant", demo.new_test),
        ("user", "tests: red\nrole: implementer"),
        ("assistant", demo.code),
        ("user", "tests: green\nrole: refactorer"),
        ("assistant", demo.simpler),
        ("user", "tests: green\nrole: doc_writer"),
        ("assistant", demo.documented),
    ]
    assert state["outcome"].status == "delivered"
