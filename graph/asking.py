"""How a node waits for a person's decision."""

from __future__ import annotations

from typing import Any, Final

from langgraph.types import interrupt
from pydantic import TypeAdapter, ValidationError

from graph.state import Decision

_DECISION: Final[TypeAdapter[Decision]] = TypeAdapter(Decision)


def ask(kind: str, text: str, problem: str) -> Decision:
    """Interrupt the run until somebody decides; an answer of another shape is asked for again."""
    while True:
        answer: Any = interrupt({"review": kind, "text": text, "problem": problem})
        try:
            return _DECISION.validate_python(answer)
        except ValidationError:
            problem = 'answer with {"decision": "approve" | "edit" | "reject", "text": "…"}'
