"""What a tool is, what it is given and what it gives back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from memory.records import Record
from memory.router import NOTHING_AT_HAND, RuntimeContext
from memory.session import Memory
from tools.jail import Jail
from tools.wire import ToolCall

if TYPE_CHECKING:
    from tools.edits import Edit
    from tools.preserve.guard import Guard
    from tools.sandbox import CommandPolicy


class ToolResult(Record):
    """What one call gave back, as the model will read it.

    ``terminal`` says that the same goal will never be allowed: adapt, don't retry. ``changed``
    names the files the call created, changed or deleted, relative to the workspace. ``contracts``
    are the ids of those that refused it.
    """

    call: str
    ok: bool
    text: str
    terminal: bool = False
    changed: tuple[str, ...] = ()
    contracts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolContext:
    """The workspace a message's calls act on, and what they may use.

    ``guard`` knows what must not change; without one, in a tool's own tests, everything may.
    """

    jail: Jail
    workspace: Path
    command: CommandPolicy
    memory: Memory | None = None
    at_hand: RuntimeContext = NOTHING_AT_HAND
    guard: Guard | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool: ``run`` returns the text for the model and raises :class:`ToolFault` to refuse.

    ``usage`` is an example call as it stands on the wire. A tool with ``plan`` edits files: its
    calls are turned into edits, which one message applies together or not at all.
    """

    name: str
    run: Callable[[ToolCall, ToolContext], Awaitable[str]]
    summary: str
    usage: str
    plan: Callable[[ToolCall], Edit] | None = None
