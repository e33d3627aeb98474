"""Which tools, resources and prompts a client gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mcp_types import ToolAnnotations

from mcp_server.answer import ACTS, ADDS, DESTROYS, READS
from mcp_server.app import NAME, App
from mcp_server.contract_tools import ContractTools
from mcp_server.door import Door
from mcp_server.learning_tools import LearningTools
from mcp_server.memory_tools import MemoryTools
from mcp_server.pages import Pages
from mcp_server.run_tools import RunTools

Listed = tuple[Callable[..., Any], ToolAnnotations]


def build(door: Door) -> App:
    """Return the server of ``door``; nothing is opened before a tool is called."""
    app = App(door)
    for tool, hints in core(door):
        app.add_tool(tool, annotations=hints)
    pages = Pages(door)
    for name, text, page, kind in pages.resources():
        app.resource(f"{NAME}://{name}", name=name, description=text, mime_type=kind)(page)
    for prompt in pages.prompts():
        app.prompt()(prompt)
    return app


def core(door: Door) -> tuple[Listed, ...]:
    """Return the tools that every client gets."""
    memory, learning = MemoryTools(door), LearningTools(door)
    contracts, runs = ContractTools(door), RunTools(door)
    return (
        (memory.recall, READS),
        (memory.remember, ADDS),
        (learning.correct, ADDS),
        (learning.forget, DESTROYS),
        (learning.why, READS),
        (memory.context_window, READS),
        (memory.ask, READS),
        (contracts.protect, ADDS),
        (contracts.check_preservation, READS),
        (runs.run_start, ACTS),
        (runs.run_status, READS),
        (runs.run_respond, ACTS),
        (runs.run_cancel, ACTS),
    )
