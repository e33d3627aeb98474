"""Which tools, resources and prompts a client gets.

Tools come in sets, so that what every client is given stays small; see docs/cursor.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from mcp_types import ToolAnnotations

from mcp_local_llm import UsageError
from mcp_server.answer import ACTS, ADDS, DESTROYS, READS
from mcp_server.app import NAME, App
from mcp_server.contract_tools import ContractTools
from mcp_server.door import Door
from mcp_server.learning_tools import LearningTools
from mcp_server.memory_tools import MemoryTools
from mcp_server.pages import Pages
from mcp_server.policy_tools import PolicyTools
from mcp_server.run_tools import RunTools
from mcp_server.upkeep_tools import UpkeepTools

Listed = tuple[Callable[..., Any], ToolAnnotations]


def build(door: Door, toolsets: Sequence[str] = ("core",)) -> App:
    """Return the server of ``door`` with ``toolsets``; nothing is opened before a tool is called.

    Raises:
        UsageError: there is no such toolset.
    """
    app = App(door)
    for name in dict.fromkeys(toolsets):
        if name not in TOOLSETS:
            raise UsageError(f"there is no toolset {name!r}; there are: {', '.join(TOOLSETS)}")
        for tool, hints in TOOLSETS[name](door):
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
        (learning.learning_status, READS),
        (memory.context_window, READS),
        (memory.ask, READS),
        (contracts.protect, ADDS),
        (contracts.check_preservation, READS),
        (runs.run_start, ACTS),
        (runs.run_status, READS),
        (runs.run_respond, ACTS),
        (runs.run_cancel, ACTS),
    )


def upkeep(door: Door) -> tuple[Listed, ...]:
    """Return the tools that look after the memory."""
    tools = UpkeepTools(door)
    return (
        (tools.index_markdown, ADDS),
        (tools.find_duplicates, READS),
        (tools.memory_scopes, READS),
        (tools.memory_items, READS),
        (tools.memory_health, READS),
    )


def policy(door: Door) -> tuple[Listed, ...]:
    """Return the tools for policies, and the checks that need no model."""
    tools = PolicyTools(door)
    return (
        (tools.policy_rules, READS),
        (tools.policy_build, ADDS),
        (tools.policy_check, ACTS),
        (tools.policy_report, ACTS),
        (tools.validate_json, READS),
        (tools.validate_principles, READS),
        (tools.principle_guided, READS),
    )


TOOLSETS: Final[Mapping[str, Callable[[Door], tuple[Listed, ...]]]] = {
    "core": core,
    "memory": upkeep,
    "policy": policy,
}
