"""Calls in the wrappings of other formats: ``<tool_call>``, ``<tools>`` and ``<function=…>``."""

from __future__ import annotations

import re
from typing import Final

from tools.calls import FORM, Found, Shape, ToolCall, Unclear
from tools.wire_json import call_with, calls_in, decode_run, looks_like_call, malformed
from tools.wire_tags import call_at

_FENCE: Final = re.compile(r"```\w*\s*")
_FUNCTION: Final = re.compile(r"<function=([\w.-]+)>")
_PARAMETER: Final = re.compile(r"\s*<parameter=([\w.-]+)>(.*?)</parameter>", re.DOTALL)


def skip_space(text: str, at: int) -> int:
    """Return the first position from ``at`` on that holds no white space."""
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def tool_call_at(text: str, at: int) -> Found:
    """Read ``<tool_call>`` or ``<function_call>`` at ``at``; inside may stand any form of call.

    Raises :class:`Unclear` when it holds no call or does not end as it should.
    """
    name = text[at + 1 : text.index(">", at)]
    inside = skip_space(text, at + len(name) + 2)
    fence = _FENCE.match(text, inside)
    inside = fence.end() if fence else inside
    shape: Shape = "tool_call" if name == "tool_call" else "function_xml"
    if text.startswith("<function=", inside):
        found = function_at(text, inside)
        calls, end, shape = found.calls, found.end, found.shape
    elif text.startswith("<tool:", inside):
        found = call_at(text, inside, truncated=True)  # the wrapping must be closed after it
        calls, end = found.calls, found.end
    else:
        values, end = decode_run(text, inside)
        calls = tuple(calls_in(values) or ())
    if not calls:
        raise malformed()
    end = skip_space(text, end)
    if fence and text.startswith("```", end):
        end = skip_space(text, end + 3)
    return _closed(text, calls, end, name, shape)


def tools_at(text: str, at: int) -> Found:
    """Read ``<tools>`` at ``at``; the tools' own definitions, repeated, give no calls."""
    inside = at + len("<tools>")
    values, end = decode_run(text, inside)
    calls = calls_in(values)
    if calls:
        return _closed(text, tuple(calls), skip_space(text, end), "tools", "tools")
    close = text.find("</tools>", end)
    if not values and looks_like_call(text[inside : close if close >= 0 else len(text)]):
        raise malformed()
    return Found((), close + len("</tools>") if close >= 0 else max(end, inside), "tools")


def function_at(text: str, at: int) -> Found:
    """Read ``<function=name>`` at ``at``, with parameters or a JSON object inside."""
    head = _FUNCTION.match(text, at)
    if head is None:
        raise Unclear(f"The tag at '<function=' can't be read. Write calls like this:\n{FORM}")
    if text.startswith("{", skip_space(text, head.end())):
        values, end = decode_run(text, head.end())
        if len(values) != 1:
            raise malformed()
        call = call_with(head[1], values[0])
    else:
        args, end = _parameters(text, head)
        call = call_with(head[1], args)
    return _closed(text, (call,), skip_space(text, end), "function", "function_xml")


def _parameters(text: str, head: re.Match[str]) -> tuple[dict[str, str], int]:
    args: dict[str, str] = {}
    end = head.end()
    while (found := _PARAMETER.match(text, end)) is not None:
        if found[1] in args or "<parameter=" in found[2] or "</function>" in found[2]:
            raise Unclear(
                f"The parameter {found[1]!r} of {head[1]} is there twice or not closed. "
                f"Write the call like this:\n{FORM}"
            )
        args[found[1]] = found[2].removeprefix("\n").removesuffix("\n")
        end = found.end()
    return args, end


def _closed(text: str, calls: tuple[ToolCall, ...], at: int, name: str, shape: Shape) -> Found:
    """Go past the closing tag; it may be absent before the same opening tag and at the end."""
    closer = f"</{name}>"
    if text.startswith(closer, at):
        return Found(calls, at + len(closer), shape)
    if at >= len(text):
        return Found(calls, at, shape, closed=False)
    if text.startswith((f"<{name}>", f"<{name}="), at):
        return Found(calls, at, shape)
    raise Unclear(
        f"It can't be told where the {name!r} block of {calls[-1].name} ends. Write it like "
        f"this:\n{FORM}"
    )
