"""Reading a call's attributes: what is required is there, and nothing unknown is passed over."""

from __future__ import annotations

from mcp_local_llm import ToolRetry
from tools.wire import ToolCall


def attributes(
    call: ToolCall, required: tuple[str, ...] = (), optional: tuple[str, ...] = ()
) -> dict[str, str]:
    """Return the attributes of ``call``, missing optional ones as empty text.

    Raises :class:`ToolRetry` for a missing or an unknown one.
    """
    for name in required:
        if not call.args.get(name, "").strip():
            raise ToolRetry(f'{call.name} needs {name}="…"; write it into the opening tag.')
    for name in call.args:
        if name not in (*required, *optional):
            known = ", ".join((*required, *optional)) or "none"
            raise ToolRetry(f"{call.name} has no attribute {name!r} (it knows: {known}).")
    return {name: call.args.get(name, "") for name in (*required, *optional)}


def body_of(call: ToolCall) -> str:
    """Return the body of ``call``; raises :class:`ToolRetry` when it has none."""
    if call.body is None:
        raise ToolRetry(
            f"{call.name} needs a body: the text between the opening tag and a line '</tool>'."
        )
    return call.body


def no_body(call: ToolCall) -> None:
    """Raise :class:`ToolRetry` when ``call`` has a body that would be passed over."""
    if call.body and call.body.strip():
        raise ToolRetry(f"{call.name} takes no body; put everything into the attributes.")
