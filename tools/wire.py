"""The wire format: reading a model's reply, and writing a call.

Read from the top, a reply is prose, thinking, plans, code fences and calls. The rules:

- Calls start their lines and end them, in one form per reply. A body is raw text, never searched
  for anything but its end.
- Thinking (``<think>``) is dropped, with all calls in it, also when its opening tag is missing.
- A code fence that holds calls and nothing else wraps them: they are calls, if there are none
  outside it. A fence (or a plan) that holds other text as well quotes them: they are prose, if
  there are calls outside it. In all other cases, and for a lone ``markdown`` fence, there are two
  readings.
- An unclosed last block is accepted if the reply was not cut and nothing in it may be its end.

Two readings, or none, make a problem and no calls; nothing is guessed.
"""

from __future__ import annotations

import re
from typing import Final

from tools.calls import ParsedReply, ToolCall, Unclear, is_whole
from tools.wire_scan import Scan
from tools.wire_tags import render_marked, render_tag

_OPEN: Final = re.compile(r"<think(?:ing)?>")
_CLOSE_LINE: Final = re.compile(r"^[ \t]*</think(?:ing)?>[ \t]*$", re.MULTILINE)

__all__ = ["ParsedReply", "ToolCall", "parse_reply", "render_call"]


def parse_reply(text: str, *, truncated: bool = False) -> ParsedReply:
    """Take ``text`` apart; never raises.

    ``truncated`` says that the reply was cut by a limit: then an unclosed call is a problem.
    """
    text = text.replace("\r\n", "\n")
    if not is_whole(text):
        clean = text.encode(errors="replace").decode()
        return ParsedReply(text=clean, problem="The reply holds half characters; write it again.")
    reply = _scanned(text, truncated)
    late = _after_headless_thought(text) if reply.problem else None
    return reply if late is None else _scanned(late, truncated)


def _scanned(text: str, truncated: bool) -> ParsedReply:
    scan = Scan(text, truncated)
    try:
        return scan.run()
    except Unclear as error:
        return ParsedReply(text="".join(scan.prose).strip(), problem=str(error))


def _after_headless_thought(text: str) -> str | None:
    """Return what follows thinking whose opening tag was in the prompt, None without such."""
    close = _CLOSE_LINE.search(text)
    if close is None or _OPEN.search(text, 0, close.start()):
        return None
    return text[close.end() :]


def render_call(call: ToolCall) -> str:
    """Return ``call`` as it stands on the wire; :func:`parse_reply` reads it back.

    An end mark is chosen when the body could be mistaken. A body of several lines that is not ended
    by a line end gets one. Not covered: a carriage return before a line end, which is dropped, and
    an attribute ``end`` beside a body, which raises ``ValueError``.
    """
    if call.body is not None and "end" in call.args:
        raise ValueError(f"A call with a body can't have the attribute 'end': {call.name!r}.")
    plain = render_tag(call)
    body = call.body
    if body is None or parse_reply(plain).calls == (_ended(call, body),):
        return plain
    return render_marked(call)


def _ended(call: ToolCall, body: str) -> ToolCall:
    ended = body + "\n" if "\n" in body and not body.endswith("\n") else body
    return call.model_copy(update={"body": ended})
