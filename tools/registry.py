"""All tools by name, their description for prompts, and the running of a message's calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import Final

from mcp_local_llm import ToolDenied, ToolFault, ToolRetry
from tools.arguments import attributes, no_body
from tools.command import cmd_run
from tools.context import Tool, ToolContext, ToolResult
from tools.edits import Edit, EditRefused
from tools.files import (
    edit_files,
    fs_list,
    fs_read,
    plan_append,
    plan_delete,
    plan_edit,
    plan_write,
    told,
)
from tools.gitrepo import git_branch, git_commit, git_diff, git_merge, git_status
from tools.preserve.guard import BreaksContract
from tools.search import search_code, search_text
from tools.wire import ToolCall

__all__ = ["TOOLS", "Tool", "ToolContext", "ToolResult", "describe", "dispatch"]


async def memory_recall(call: ToolCall, context: ToolContext) -> str:
    """Return what the project's memory knows about ``query``, best first."""
    no_body(call)
    query = attributes(call, ("query",))["query"]
    if context.memory is None:
        return "(there is no memory in this run)"
    recalled = await context.memory.recall(query, at_hand=context.at_hand)
    return "\n".join(f"- {hit.insight.text}" for hit in recalled) or "(nothing known about it)"


def _editing(plan: Callable[[ToolCall], Edit]) -> Callable[[ToolCall, ToolContext], Awaitable[str]]:
    async def run(call: ToolCall, context: ToolContext) -> str:
        return "; ".join(told(change) for change in await edit_files([plan(call)], context))

    return run


def _edit_tool(name: str, plan: Callable[[ToolCall], Edit], summary: str, usage: str) -> Tool:
    return Tool(name, _editing(plan), summary, usage, plan)


_BLOCK: Final = "<<<<<<< SEARCH\nold lines\n=======\nnew lines\n>>>>>>> REPLACE"
_LIST: Final = (
    Tool(
        "fs.read",
        fs_read,
        'text of a file; lines="10-40" for a part',
        '<tool:fs.read path="src/a.py"/>',
    ),
    _edit_tool(
        "fs.write",
        plan_write,
        "create a file or replace all of it",
        '<tool:fs.write path="src/a.py">\nwhole text\n</tool>',
    ),
    _edit_tool(
        "fs.edit",
        plan_edit,
        'replace lines that occur exactly once; or with symbol="name" or symbol="Class.method" a '
        "whole Python definition by the body",
        f'<tool:fs.edit path="src/a.py">\n{_BLOCK}\n</tool>',
    ),
    _edit_tool(
        "fs.append",
        plan_append,
        "add lines at the end of a file, creating it if missing",
        '<tool:fs.append path="src/a.py">\nnew lines\n</tool>',
    ),
    _edit_tool("fs.delete", plan_delete, "delete a file", '<tool:fs.delete path="src/a.py"/>'),
    Tool("fs.list", fs_list, "files below a folder", '<tool:fs.list path="src"/>'),
    Tool(
        "search.text",
        search_text,
        'lines holding a text; regex="true" for a regular expression',
        '<tool:search.text pattern="def total" path="src"/>',
    ),
    Tool(
        "search.code",
        search_code,
        "definitions that fit a query",
        '<tool:search.code query="sum of prices"/>',
    ),
    Tool("git.status", git_status, "changed files", "<tool:git.status/>"),
    Tool("git.diff", git_diff, "the change so far", "<tool:git.diff/>"),
    Tool(
        "git.commit",
        git_commit,
        "commit all changes",
        '<tool:git.commit message="Add total"/>',
    ),
    Tool("git.branch", git_branch, "create a branch", '<tool:git.branch name="x"/>'),
    Tool("git.merge", git_merge, "merge a branch", '<tool:git.merge name="x"/>'),
    Tool(
        "cmd.run",
        cmd_run,
        "run one command, without a shell",
        '<tool:cmd.run argv="python -m pytest -q"/>',
    ),
    Tool(
        "memory.recall",
        memory_recall,
        "what is known about this project",
        '<tool:memory.recall query="rounding of prices"/>',
    ),
)

TOOLS: Final[dict[str, Tool]] = {tool.name: tool for tool in _LIST}
"""Every tool by its name; which of them a role has is in agents/scopes.py."""


def describe(names: Iterable[str], compact: bool) -> str:
    """Return the lines of a prompt that explain the tools ``names``, in that order.

    Compact: one line each, without the example's body. Raises ``KeyError`` for an unknown name.
    """
    tools = [TOOLS[name] for name in names]
    if compact:
        return "\n".join(f"{tool.usage.splitlines()[0]}  {tool.summary}" for tool in tools)
    return "\n".join(f"{tool.name}: {tool.summary}\n{tool.usage}" for tool in tools)


async def dispatch(
    calls: Sequence[ToolCall], context: ToolContext, allowed: frozenset[str]
) -> tuple[ToolResult, ...]:
    """Run ``calls`` in order and return one result for each.

    The edits of one message are atomic: all are applied where the first one stands, or none.
    When they are refused, the calls after it that act on the workspace are not run. A
    :class:`ToolFault` becomes a result; what only the user can mend is raised.
    """
    results: list[ToolResult | None] = [None] * len(calls)
    edits_at = [at for at, call in enumerate(calls) if _plan_of(call) is not None]
    refused = False
    for at, call in enumerate(calls):
        if edits_at and at == edits_at[0]:
            outcome = await _run_edits([calls[i] for i in edits_at], context, allowed)
            refused = not all(result.ok for result in outcome)
            for i, result in zip(edits_at, outcome, strict=True):
                results[i] = result
        elif results[at] is None:
            results[at] = _held_back(call) if refused and _acts(call) else None
            results[at] = results[at] or await _run_one(call, context, allowed)
    return tuple(result for result in results if result is not None)


def _plan_of(call: ToolCall) -> Callable[[ToolCall], Edit] | None:
    tool = TOOLS.get(call.name)
    return tool.plan if tool else None


def _acts(call: ToolCall) -> bool:
    return call.name in {"cmd.run", "git.commit", "git.branch", "git.merge"}


def _held_back(call: ToolCall) -> ToolResult:
    text = "not run: the edits of this message were refused. Mend them first."
    return ToolResult(call=call.name, ok=False, text=text)


def _tool(call: ToolCall, allowed: frozenset[str]) -> Tool:
    if call.name in allowed and call.name in TOOLS:
        return TOOLS[call.name]
    known = ", ".join(sorted(allowed)) or "none"
    if call.name in TOOLS:
        raise ToolDenied(f"{call.name} is not a tool of this role. Use one of: {known}.")
    close = get_close_matches(call.name.replace("_", "."), sorted(allowed), 1)
    hint = f"Did you mean {close[0]}? " if close else ""
    raise ToolRetry(f"There is no tool {call.name!r}. {hint}Use one of: {known}.")


def _fault(call: ToolCall, error: ToolFault) -> ToolResult:
    return ToolResult(
        call=call.name,
        ok=False,
        text=str(error),
        terminal=isinstance(error, ToolDenied),
        contracts=error.contracts if isinstance(error, BreaksContract) else (),
    )


async def _run_one(call: ToolCall, context: ToolContext, allowed: frozenset[str]) -> ToolResult:
    try:
        text = await _tool(call, allowed).run(call, context)
    except ToolFault as error:
        return _fault(call, error)
    return ToolResult(call=call.name, ok=True, text=text)


async def _run_edits(
    calls: Sequence[ToolCall], context: ToolContext, allowed: frozenset[str]
) -> list[ToolResult]:
    edits: list[Edit] = []
    for at, call in enumerate(calls):
        try:
            plan = _tool(call, allowed).plan
            edits += [plan(call)] if plan else []
        except ToolFault as error:
            return _all_refused(calls, at, error)
    try:
        changes = await edit_files(edits, context)
    except EditRefused as error:
        return _all_refused(calls, error.index, error)
    except ToolFault as error:
        return _all_refused(calls, None, error)
    return [
        ToolResult(call=call.name, ok=True, text=told(change), changed=(change.path,))
        for call, change in zip(calls, changes, strict=True)
    ]


def _all_refused(calls: Sequence[ToolCall], at: int | None, error: ToolFault) -> list[ToolResult]:
    """Return a refusal for every call: the reason where it arose, the fact elsewhere."""
    if at is None:
        return [_fault(call, error) for call in calls]
    number = f"edit {at + 1} of this message was refused"
    others = f"not applied: {number}, and edits of one message apply together or not at all."
    return [
        _fault(call, error) if i == at else ToolResult(call=call.name, ok=False, text=others)
        for i, call in enumerate(calls)
    ]
