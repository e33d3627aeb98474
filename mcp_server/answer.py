"""The one shape of every tool's answer, and what the tools say of themselves."""

from __future__ import annotations

from typing import Any, Final

from mcp_types import ToolAnnotations
from pydantic import BaseModel, ValidationError

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


def mistakes(error: ValidationError) -> str:
    """Return which fields of what was given are wrong, and how, without what is in them."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    wrong = [f"{'.'.join(map(str, each['loc'])) or 'all of it'}: {each['msg']}" for each in found]
    more = f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""
    return "; ".join(wrong[:5]) + more
