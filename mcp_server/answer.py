"""The one shape of every tool's answer, and what the tools say of themselves."""

from __future__ import annotations

from typing import Any, Final

from mcp_types import ToolAnnotations
from pydantic import BaseModel

READS: Final = ToolAnnotations(read_only_hint=True, open_world_hint=False)
ADDS: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
ACTS: Final = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)
DESTROYS: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, open_world_hint=False
)


class Answer(BaseModel):
    """``text`` is for reading, ``data`` for programs; ``next`` says what to do now, if anything."""

    text: str
    data: dict[str, Any] = {}
    next: str = ""
