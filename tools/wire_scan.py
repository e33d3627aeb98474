"""One pass over a reply, from event to event: prose, thinking, plans, fences and calls."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tools.calls import FORM, Found, ParsedReply, Shape, ToolCall, Unclear
from tools.wire_json import calls_in, decode_run, looks_like_call, malformed
from tools.wire_tags import call_at, opening_at
from tools.wire_wrapped import function_at, skip_space, tool_call_at, tools_at

_EVENT: Final = re.compile(
    r"""
      (?P<think><think(?:ing)?>)
    | (?P<thought></think(?:ing)?>)
    | ^[ \t]*(?P<plan><plan>)
    | (?P<tag><tool:)
    | (?P<closer></tool(?::[\w.-]*)?>)
    | (?P<tool_call><tool_call>|<function_call>)
    | (?P<tools><tools>)
    | (?P<function><function=)
    | ^[ \t]*(?P<fence>`{3,}|~{3,})
    | ^[ \t]*(?P<json>[\[{])
    """,
    re.MULTILINE | re.VERBOSE,
)
_THOUGHT: Final = re.compile(r"</think(?:ing)?>")
_CALL: Final = re.compile(
    r"(?P<tag><tool:)|(?P<tool_call><tool_call>|<function_call>)|(?P<tools><tools>)"
    r"|(?P<function><function=)"
)
_QUOTED: Final = re.compile(
    r"^[ \t]*(?:<tool:[A-Za-z]|<tool_call>|<function_call>|<function=\w)", re.MULTILINE
)
_FENCE: Final = re.compile(r"(`+|~+)([^`\n]*)(?:\n|\Z)")
_JSON_FENCES: Final = frozenset(
    {"", "json", "jsonc", "json5", "tool", "tools", "tool_call", "tool_calls", "tool_code", "text"}
)
_JSON_CALL: Final = re.compile(
    r"""[\[{]\s*(?:\{\s*)?["'](?:name|function|type|arguments|parameters|tool_calls|id)["']\s*:"""
)
_NEAR_CALL: Final = re.compile(r'"name"\s*:\s*"(?:fs|search|git|cmd|memory)\.\w+"')
_NEAR_JSON: Final = 4_000  # how far a malformed object is searched for signs of a call
_NEAR_LINE: Final = 2_000  # as much of a line as is looked at
_MAX_FAILED: Final = 200
_AFTER_CALL: Final = re.compile(r"[ \t]*(?:\n|\Z|</tool_call>|<tool[:_s]|<tags\b|</think)")
_MARKED: Final = '<tool:fs.write path="…" end="X7">, the text, </tool:X7>'


@dataclass(slots=True)
class Scan:
    """Reads one reply.

    ``at`` is where the next event is looked for, ``fresh`` where the last call or thinking ended.
    """

    text: str
    truncated: bool
    at: int = 0
    fresh: int = 0
    prose: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    shapes: set[Shape] = field(default_factory=set)
    wrapped: int = 0
    quoted: list[Unclear] = field(default_factory=list)
    closed: bool = True
    thought: bool = False
    failed: int = 0
    plans_close: bool = True

    def run(self) -> ParsedReply:
        """Read the whole reply; raises :class:`Unclear`."""
        while (event := _EVENT.search(self.text, self.at)) is not None:
            kind = event.lastgroup or ""
            start = event.start(kind)
            if kind not in {"fence", "json"} and self._in_backticks(start):
                self._keep(event.end())
            else:
                self._keep(start)
                self._read(kind, start, event.end())
        self._keep(len(self.text))
        return self._result()

    def _read(self, kind: str, start: int, end: int) -> None:
        match kind:
            case "think":
                self._think(end)
            case "thought":
                self._thought(end)
            case "plan":
                self._plan(end)
            case "closer":
                raise Unclear(
                    f"There is a closing tag {self.text[start:end]!r} without a call before it. "
                    "If a "
                    f"body holds such a line, give the call a mark: {_MARKED}."
                )
            case "fence":
                self._fence(start)
            case "json":
                self._bare_json(start)
            case _:
                if self._is_mention(kind, start):
                    self._keep(end)
                else:
                    self._take(self._call(kind, start), check_after=True)

    def _keep(self, stop: int) -> None:
        """Pass over the text up to ``stop`` as prose."""
        self.prose.append(self.text[self.at : stop])
        self.at = stop

    def _take(self, found: Found, *, check_after: bool = False) -> None:
        """Add what was found, or pass over it as prose when it holds no calls."""
        if not found.calls:
            self._keep(found.end)
            return
        if not found.closed and self.truncated:
            raise Unclear(
                "The reply was cut before its last call was closed. Write it again, in smaller "
                "parts."
            )
        if check_after:
            self._check_after(found.end)
        self.calls += found.calls
        self.shapes.add(found.shape)
        self.closed = self.closed and found.closed
        self.at = self.fresh = found.end

    def _line(self, at: int) -> tuple[str, str]:
        """Return what is before ``at`` on its line (and after the last call), and the rest."""
        near, far = max(at - _NEAR_LINE, 0), at + _NEAR_LINE
        first = max(self.text.rfind("\n", near, at) + 1, near, self.fresh)
        stop = self.text.find("\n", at, far)
        return self.text[first:at], self.text[at : far if stop < 0 else stop]

    def _in_backticks(self, at: int) -> bool:
        before, after = self._line(at)
        return before.count("`") % 2 == 1 and "`" in after

    # -- thinking and plans ---------------------------------------------------------------------

    def _think(self, end: int) -> None:
        self.thought = True
        close = _THOUGHT.search(self.text, end)
        if close is None:
            raise Unclear(
                "The reply ended while still thinking, so nothing was done. Think less, close it "
                f"with </think>, then write the call:\n{FORM}"
            )
        self.at = self.fresh = close.end()

    def _thought(self, end: int) -> None:
        if self.thought and self.calls:
            raise Unclear(
                "A closing </think> stands after calls, so it is unclear whether they were only "
                f"thoughts. Think first, once, then write the calls:\n{FORM}"
            )
        if not self.thought:  # its opening tag was part of the prompt: all so far was thinking
            self.thought, self.wrapped = True, 0
            for collected in (self.prose, self.calls, self.quoted):
                collected.clear()
            self.shapes.clear()
        self.at = self.fresh = end

    def _plan(self, end: int) -> None:
        close = self.text.find("</plan>", end) if self.plans_close else -1
        if close < 0:
            self.plans_close = False
            self._keep(end)
            return
        self._note_quoted(self.text[end:close])
        self._keep(close + len("</plan>"))

    def _note_quoted(self, inner: str) -> None:
        found = _QUOTED.search(inner)
        start = inner.lstrip()[:_NEAR_JSON]
        if found or (_JSON_CALL.match(start) and looks_like_call(start)):
            what = found[0].strip() if found else start[:40]
            problem = (
                f"The call {what!r} stands in a code fence or plan beside other text, so it was "
                "not "
                "run. Write calls outside of fences and plans, on lines of their own."
            )
            self.quoted.append(Unclear(problem))

    # -- fences and bare JSON -------------------------------------------------------------------

    def _fence(self, start: int) -> None:
        head = _FENCE.match(self.text, start)
        if head is None:  # inline code that happens to start the line
            self._keep(start + 3)
            return
        language = head[2].strip().lower()
        close = re.compile(rf"^[ \t]*{re.escape(head[1])}{head[1][0]}*[ \t]*$", re.MULTILINE)
        end = close.search(self.text, head.end())
        inner = self.text[head.end() : end.start() if end else len(self.text)]
        stop = end.end() if end else len(self.text)
        try:
            wraps = language not in {"markdown", "md"} and self._wrapped_calls(head.end(), close)
        except Unclear as error:
            if end is None:
                raise
            self.quoted.append(error)  # a quotation, perhaps: calls outside the fence decide
            wraps = False
        if wraps:
            return
        if language in _JSON_FENCES and inner.lstrip()[:1] in {"{", "["}:
            self._take(_json_fence(inner, stop, closed=end is not None))
        if self.at < stop:
            self._note_quoted(inner)
            self._keep(stop)

    def _wrapped_calls(self, start: int, close: re.Pattern[str]) -> bool:
        """Take the calls of a fence that holds nothing else; say whether it was so."""
        found: list[Found] = []
        at = skip_space(self.text, start)
        while (head := _CALL.match(self.text, at)) is not None:
            found.append(self._call(head.lastgroup or "", at, in_fence=True))
            if not found[-1].calls:
                return False
            at = skip_space(self.text, found[-1].end)
        line = self.text.rfind("\n", 0, at) + 1
        end = close.match(self.text, line)
        if not found or (end is None and at < len(self.text)):
            return False
        for each in found:
            self._take(each)
            self.wrapped += len(each.calls)
        self.at = self.fresh = end.end() if end else len(self.text)
        return True

    def _bare_json(self, start: int) -> None:
        if not _JSON_CALL.match(self.text, start):
            self._keep(start + 1)
            return
        values, end = decode_run(self.text, start)
        self.failed += not values
        if self.failed > _MAX_FAILED:
            raise malformed()
        if values:
            self._take(Found(_calls(values), end, "bare_json"), check_after=True)
        elif looks_like_call(self.text[start : start + _NEAR_JSON]):
            raise malformed()
        else:
            self._keep(start + 1)

    # -- calls ----------------------------------------------------------------------------------

    def _call(self, kind: str, start: int, *, in_fence: bool = False) -> Found:
        match kind:
            case "tag":
                return call_at(
                    self.text, start, truncated=self.truncated, may_end_open=not in_fence
                )
            case "tools":
                return tools_at(self.text, start)
            case "function":
                return function_at(self.text, start)
            case _:
                return tool_call_at(self.text, start)

    def _is_mention(self, kind: str, start: int) -> bool:
        """Say whether prose only speaks of a call; raises when it may also make it."""
        before, line = self._line(start)
        if not before.strip():
            return False
        if kind == "tag":
            try:
                opening = opening_at(self.text, start)
            except Unclear:
                return True
            if not opening.args and not opening.alone and "</tool" not in line:
                return True
        elif not looks_like_call(line) and "<parameter=" not in line:
            return True
        raise Unclear(
            f"It is unclear whether {line[:80]!r} is meant as a call, since there is text before "
            "it. "
            "Write each call on a line of its own; put `backticks` around one that is only "
            "mentioned."
        )

    def _check_after(self, end: int) -> None:
        if not _AFTER_CALL.match(self.text, end):
            raise Unclear(
                f"There is text right after a call: {self._line(end)[1][:80]!r}. Write nothing "
                "more "
                "on the line that ends a call. If a body holds '</tool>', give the call a mark: "
                f"{_MARKED}."
            )

    # -- the whole ------------------------------------------------------------------------------

    def _result(self) -> ParsedReply:
        text = "".join(self.prose).strip()
        if not self.calls:
            if self.quoted:
                raise self.quoted[0]
            if _NEAR_CALL.search(text) and '"arguments"' in text:
                raise malformed()
            return ParsedReply(text=text)
        if 0 < self.wrapped < len(self.calls):
            raise Unclear(
                "Some calls stand inside a code fence and some outside. Write all without fences."
            )
        if len(self.shapes) > 1:
            raise Unclear(
                f"The reply mixes two ways of writing calls. Write all of them so:\n{FORM}"
            )
        shape = next(iter(self.shapes)) if self.closed else "unclosed"
        return ParsedReply(text=text, calls=tuple(self.calls), shape=shape)


def _calls(values: Sequence[object]) -> tuple[ToolCall, ...]:
    return tuple(calls_in(list(values)) or ())


def _json_fence(inner: str, stop: int, *, closed: bool) -> Found:
    """Read the inside of a fence that starts like JSON; ``stop`` is where the fence ends."""
    values, end = decode_run(inner, 0)
    if inner[end:].strip():
        if looks_like_call(inner):
            raise malformed()
        return Found((), stop, "json_fence")
    return Found(_calls(values), stop, "json_fence", closed)
