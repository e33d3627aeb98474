"""The bounded tool loop: one role speaks, its calls run, results go back, until its work is done.

``run_turns`` is the whole of it. Everything it may do is in ``Seat``, every bound in ``Limits``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Literal

import prompts
from agents.chat import ChatModel, Completion, Message
from agents.levels import raised_plan
from agents.reply import (
    Plan,
    Repair,
    Tags,
    has_tags,
    levelled_plan,
    parse_plan,
    repaired_tags,
)
from mcp_local_llm import ToolFault
from memory.records import Level, Record
from tools.context import ToolContext, ToolResult
from tools.jail import Jail
from tools.preserve.contracts import Contracts
from tools.registry import dispatch
from tools.wire import ParsedReply, ToolCall, parse_reply

_Key = tuple[str, tuple[tuple[str, str], ...], str | None]
UNDONE: Final = "undone: "
"""How the result of a call begins whose change the role may not make."""
Status = Literal["done", "turns", "repeats", "tokens", "deadline", "window"]
# Tools whose answer may change once a file has changed: asking again is then no repetition.
_LOOKING: Final = ("fs.read", "fs.list", "search.", "git.status", "git.diff", "cmd.run")


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one role's turns; ``deadline`` is a ``time.monotonic()`` value.

    ``repeats`` are calls made again; ``alike`` are replies in a row that are the same, for a model
    that decodes greedily and has nothing else to say.
    """

    turns: int = 6
    repeats: int = 4
    alike: int | None = None
    max_tokens: int = 1_024
    context_tokens: int = 8_192
    tokens_left: int = 1_000_000
    deadline: float = float("inf")
    result_chars: int = 4_000


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a role works: its tools, what it may write, and what it owes before it may end.

    ``verdict(path, before, after)`` returns why a change is refused, or ""; ``owed(plan, changed)``
    returns what is still missing, or ""; ``level(plan, changed)`` returns the strictest level that
    ``contracts`` ask for what the reply is about.
    """

    role: str
    tools: frozenset[str]
    context: ToolContext
    profile: str
    rules: tuple[str, ...]
    verdict: Callable[[str, bytes | None, bytes | None], str]
    owed: Callable[[Plan | None, frozenset[str]], str]
    level: Callable[[Plan | None, frozenset[str]], Level]
    contracts: Contracts


class Exchange(Record):
    """One request to the model and what came of it."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    duration_s: float
    first_token_s: float
    shape: str | None = None
    results: tuple[ToolResult, ...] = ()


class RoleOutcome(Record):
    """How a role's turns ended. ``talk`` is the whole transcript, the role's part included.

    ``repairs`` is what was wrong with the tags, and with the levels of the plan, as it wrote them.
    """

    role: str
    status: Status
    talk: tuple[Message, ...]
    exchanges: tuple[Exchange, ...] = ()
    plan: Plan | None = None
    tags: Tags
    repairs: tuple[Repair, ...] = ()
    changed: tuple[str, ...] = ()


@dataclass(slots=True)
class _Desk:
    """What one role has done so far in its turns."""

    seat: Seat
    said: str = ""
    seen: set[_Key] = field(default_factory=set)
    refused: set[frozenset[_Key]] = field(default_factory=set)
    repeated: int = 0
    changed: set[str] = field(default_factory=set)
    plan: Plan | None = None
    is_levelled: bool = True

    def hear(self, text: str) -> None:
        """Note the plan and the tags in ``text``: the role's words, not the body of a call."""
        self.said = text
        if plan := parse_plan(text):
            raised = raised_plan(plan, self.seat.contracts)
            self.plan, self.is_levelled = raised, raised == plan and levelled_plan(text)

    def tags(self) -> tuple[Tags, tuple[Repair, ...]]:
        """Return valid tags for the last reply, and what had to be repaired for them."""
        tags, repairs = repaired_tags(
            self.said,
            prompt_id=prompts.PROMPT_IDS[self.seat.profile],
            rules=self.seat.rules,
            required=self.seat.level(self.plan, frozenset(self.changed)),
        )
        if not self.is_levelled and "level" not in repairs:
            repairs = (*repairs, "level")
        return tags, repairs

    async def act(self, reply: ParsedReply) -> tuple[ToolResult, ...]:
        """Run the calls of ``reply`` and return one result per call, or the parser's complaint."""
        if reply.problem is not None:
            return (ToolResult(call="reply", ok=False, text=reply.problem),)
        edits = frozenset(_key(call) for call in reply.calls if _edits(call))
        known = self.seen if edits not in self.refused else self.seen | edits
        fresh = [call for call in reply.calls if _key(call) not in known]
        results = [_repeated(call) for call in reply.calls if _key(call) in known]
        self.repeated += len(results)
        self.seen |= {_key(call) for call in fresh}
        if fresh:
            results += await _guarded(fresh, self.seat)
        if any(_edits(call) for call in fresh):
            self._remember_edits(edits, results)
        return tuple(results)

    def _remember_edits(self, edits: frozenset[_Key], results: Sequence[ToolResult]) -> None:
        changed = {path for result in results if result.ok for path in result.changed}
        self.changed |= changed
        if changed:
            self.seen = {key for key in self.seen if not key[0].startswith(_LOOKING)}
        else:  # refused together: a good one among them may come again beside a mended one
            self.seen -= edits
            self.refused.add(edits)


def _edits(call: ToolCall) -> bool:
    return call.name.startswith("fs.") and not call.name.startswith(_LOOKING)


def _key(call: ToolCall) -> _Key:
    return call.name, tuple(sorted(call.args.items())), call.body


async def run_turns(
    model: ChatModel,
    talk: Sequence[Message],
    seat: Seat,
    limits: Limits,
    on_token: Callable[[str], None] | None = None,
) -> RoleOutcome:
    """Let the role of ``seat`` answer ``talk`` until it is done or a limit is reached.

    A turn is done when the reply has its tags line (or no calls at all), every call succeeded and
    nothing is owed. Raises ``ModelUnavailable`` from the model; tool failures never raise.
    """
    messages, exchanges, desk = list(talk), list[Exchange](), _Desk(seat)
    status: Status = "turns"
    for _ in range(limits.turns):
        if stop := _exhausted(model, messages, exchanges, limits):
            status = stop
            break
        said = await model.complete(messages, max_tokens=limits.max_tokens, on_token=on_token)
        messages.append(Message(role="assistant", content=said.text))
        reply = parse_reply(said.text, truncated=said.finish_reason == "length")
        # Not `said.text`: a plan or tags within a file's body, or in thinking, are not meant.
        desk.hear(reply.text)
        results = await desk.act(reply)
        is_last = has_tags(reply.text) or not reply.calls
        if is_last and all(result.ok for result in results):
            if owed := seat.owed(desk.plan, frozenset(desk.changed)):
                results = (ToolResult(call="reply", ok=False, text=owed), *results)
            else:
                status = "done"
        exchanges.append(_exchange(said, reply, results))
        if status == "done":
            break
        if desk.repeated >= limits.repeats or _alike(messages[len(talk) :], limits.alike):
            status = "repeats"
            break
        messages.append(_feedback(seat, results, limits))
    return _outcome(seat, status, messages, exchanges, desk)


def _exhausted(
    model: ChatModel, messages: Sequence[Message], spent: Sequence[Exchange], limits: Limits
) -> Status | None:
    if time.monotonic() > limits.deadline:
        return "deadline"
    if sum(e.prompt_tokens + e.completion_tokens for e in spent) > limits.tokens_left:
        return "tokens"
    if model.count(messages) >= limits.context_tokens:
        return "window"
    return None


def _alike(spoken: Sequence[Message], limit: int | None) -> bool:
    """Say whether the last ``limit`` replies among ``spoken`` are one and the same."""
    last = [message.content for message in spoken if message.role == "assistant"][-(limit or 0) :]
    return limit is not None and len(last) == limit and len(set(last)) == 1


def _repeated(call: ToolCall) -> ToolResult:
    text = "not run: the same call was made before; its result is above. Do something else."
    return ToolResult(call=call.name, ok=False, text=text)


async def _guarded(calls: Sequence[ToolCall], seat: Seat) -> tuple[ToolResult, ...]:
    """Dispatch ``calls``; when the role may not make one of the changes, undo all of them."""
    jail = seat.context.jail
    before = await asyncio.to_thread(_contents, jail, calls)
    results = await dispatch(calls, seat.context, seat.tools)
    changed = sorted({path for result in results for path in result.changed})
    after = {path: await asyncio.to_thread(_content, jail, path) for path in changed}
    refusals = [why for p in changed if (why := seat.verdict(p, before.get(p), after[p]))]
    if not refusals:
        return results
    for path in changed:
        await asyncio.to_thread(_put_back, jail, path, before.get(path))
    text = UNDONE + "; ".join(refusals)
    return tuple(ToolResult(call=r.call, ok=False, text=text) if r.changed else r for r in results)


def _contents(jail: Jail, calls: Sequence[ToolCall]) -> dict[str, bytes | None]:
    """Return what the files named by ``calls`` hold, under the paths that results name them by."""
    found: dict[str, bytes | None] = {}
    for call in calls:
        with suppress(ToolFault):  # a path that leads outside: dispatch will say so
            real = jail.resolve(call.args["path"]) if "path" in call.args else jail.root
            path = real.relative_to(jail.root).as_posix()
            found[path] = _content(jail, path)
    return found


def _content(jail: Jail, path: str) -> bytes | None:
    """Return a file's bytes, or None for what is no readable file: dispatch will say why."""
    try:
        return jail.read_bytes(path) if jail.exists(path) else None
    except ToolFault:
        return None


def _put_back(jail: Jail, path: str, content: bytes | None) -> None:
    if content is None:
        jail.delete(path)
    else:
        jail.write_bytes(path, content)


def _feedback(seat: Seat, results: Sequence[ToolResult], limits: Limits) -> Message:
    shown = [r.model_copy(update={"text": _clipped(r.text, limits.result_chars)}) for r in results]
    text = prompts.render(f"{seat.profile}/results", results=shown, role=seat.role)
    return Message(role="user", content=text)


def _clipped(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[... {len(text) - limit} characters left out ...]\n{text[-half:]}"


def _exchange(said: Completion, reply: ParsedReply, results: tuple[ToolResult, ...]) -> Exchange:
    return Exchange(
        prompt_tokens=said.prompt_tokens,
        cached_tokens=said.cached_tokens,
        completion_tokens=said.completion_tokens,
        duration_s=said.duration_s,
        first_token_s=said.first_token_s,
        shape=reply.shape,
        results=results,
    )


def _outcome(
    seat: Seat, status: Status, talk: list[Message], exchanges: list[Exchange], desk: _Desk
) -> RoleOutcome:
    if talk[-1].role == "user" and exchanges:  # feedback that nobody will answer
        talk.pop()
    tags, repairs = desk.tags()
    return RoleOutcome(
        role=seat.role,
        status=status,
        talk=tuple(talk),
        exchanges=tuple(exchanges),
        plan=desk.plan,
        tags=tags,
        repairs=repairs,
        changed=tuple(sorted(desk.changed)),
    )
