"""The registry: which tools there are, and how the calls of one message run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mcp_local_llm import StoreUnavailable
from memory.records import Insight, Recalled
from memory.router import NOTHING_AT_HAND, RuntimeContext
from memory.session import SessionMemory
from tools.context import ToolContext
from tools.jail import Jail
from tools.registry import TOOLS, describe, dispatch
from tools.sandbox import CommandPolicy
from tools.wire import ToolCall, parse_reply

NAMES = [
    *(f"fs.{verb}" for verb in ("read", "write", "edit", "append", "delete", "list")),
    *("search.text", "search.code"),
    *(f"git.{verb}" for verb in ("status", "diff", "commit", "branch", "merge")),
    *("cmd.run", "memory.recall"),
]
ALL = frozenset(NAMES)


@pytest.fixture
def context(tmp_path: Path) -> ToolContext:
    (tmp_path / "a.txt").write_text("one\n")
    policy = CommandPolicy(python=Path(sys.executable), allow_unsandboxed=True)
    return ToolContext(jail=Jail(tmp_path), workspace=tmp_path, command=policy)


def call(name: str, body: str | None = None, **args: str) -> ToolCall:
    return ToolCall(name=name, args=args, body=body)


WRITE = call("fs.write", "two\n", path="a.txt")
READ = call("fs.read", path="a.txt")
BAD = call("fs.delete", path="missing.txt")


def test_every_tool_is_there_with_an_example_that_parses() -> None:
    assert list(TOOLS) == NAMES
    for name, tool in TOOLS.items():
        reply = parse_reply(tool.usage)
        assert reply.problem is None
        assert [one.name for one in reply.calls] == [name]


def test_descriptions_keep_the_order_and_fit_a_prompt() -> None:
    compact = describe(["fs.write", "fs.read"], compact=True)
    assert [line.split()[0] for line in compact.split("\n")] == ["<tool:fs.write", "<tool:fs.read"]
    assert "whole text" in describe(["fs.write"], compact=False)
    assert len(describe(NAMES, compact=False)) < 3_000
    with pytest.raises(KeyError):
        describe(["fs.unknown"], compact=True)


async def test_calls_run_in_order_and_each_has_its_result(context: ToolContext) -> None:
    results = await dispatch([READ, WRITE, READ], context, ALL)
    assert [result.text for result in results] == ["one\n", "modified a.txt", "two\n"]
    assert [result.changed for result in results] == [(), ("a.txt",), ()]
    assert all(result.ok for result in results)
    assert await dispatch([], context, ALL) == ()


async def test_edits_of_one_message_apply_together_or_not_at_all(context: ToolContext) -> None:
    ran = call("cmd.run", argv=f'{sys.executable} -c \'open("ran","w")\'')
    results = await dispatch([WRITE, READ, BAD, ran], context, ALL)
    assert [result.ok for result in results] == [False, True, False, False]
    assert "edit 2 of this message was refused" in results[0].text
    assert results[1].text == "one\n"
    assert "missing.txt" in results[2].text
    assert "not run" in results[3].text
    assert not (context.workspace / "ran").exists()
    assert all(result.changed == () for result in results)


async def test_a_denied_path_ends_the_attempt_and_a_bad_call_does_not(context: ToolContext) -> None:
    denied, wrong = await dispatch(
        [call("fs.read", path="../x"), call("fs.read", path="x")], context, ALL
    )
    assert (denied.ok, denied.terminal) == (False, True)
    assert (wrong.ok, wrong.terminal) == (False, False)
    (outside,) = await dispatch([call("fs.write", "x", path="/etc/x")], context, ALL)
    assert outside.terminal


async def test_a_tool_of_another_role_is_denied_with_the_right_ones(context: ToolContext) -> None:
    results = await dispatch([READ, WRITE], context, frozenset({"fs.read"}))
    assert results[0].ok
    assert results[1].terminal
    assert "Use one of: fs.read" in results[1].text
    assert (context.workspace / "a.txt").read_text() == "one\n"


@pytest.mark.parametrize("name", ["fs_read", "fs.reed", "nonsense"])
async def test_an_unknown_tool_is_refused_with_a_suggestion(
    context: ToolContext, name: str
) -> None:
    (result,) = await dispatch([call(name, path="a.txt")], context, ALL)
    assert not result.ok
    assert not result.terminal
    assert ("Did you mean fs.read?" in result.text) == (name != "nonsense")


async def test_an_edit_with_wrong_parts_is_refused_before_anything_is_done(
    context: ToolContext,
) -> None:
    first, second = await dispatch([WRITE, call("fs.write", path="b.txt")], context, ALL)
    assert not first.ok
    assert "needs a body" in second.text
    assert (context.workspace / "a.txt").read_text() == "one\n"


async def test_an_edit_tool_also_runs_by_itself(context: ToolContext) -> None:
    assert await TOOLS["fs.write"].run(WRITE, context) == "modified a.txt"


async def test_memory_is_asked_when_there_is_one(context: ToolContext) -> None:
    asked = call("memory.recall", query="price rounding")
    (without,) = await dispatch([asked], context, ALL)
    assert "no memory" in without.text
    memory = SessionMemory([Insight(text="Prices are cents; rounding is banker's.")])
    with_memory = ToolContext(context.jail, context.workspace, context.command, memory)
    (found,) = await dispatch([asked], with_memory, ALL)
    assert found.text == "- Prices are cents; rounding is banker's."
    (nothing,) = await dispatch([call("memory.recall", query="zebra")], with_memory, ALL)
    assert "nothing known" in nothing.text


class Asked(SessionMemory):
    """A memory that notes what was at hand when it was asked."""

    async def recall(
        self,
        query: str,
        *,
        limit: int = 5,
        at_hand: RuntimeContext = NOTHING_AT_HAND,
        adapter: str | None = None,
    ) -> tuple[Recalled, ...]:
        return (Recalled(insight=Insight(text=at_hand.file), score=1, why=""),)


async def test_memory_is_told_what_is_at_hand(context: ToolContext) -> None:
    here = RuntimeContext(file="src/shop.py")
    knowing = ToolContext(context.jail, context.workspace, context.command, Asked(), here)
    (found,) = await dispatch([call("memory.recall", query="price")], knowing, ALL)
    assert found.text == "- src/shop.py"


async def test_what_only_the_user_can_mend_is_raised(tmp_path: Path, context: ToolContext) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    jail = Jail(gone)
    gone.rmdir()
    with pytest.raises(StoreUnavailable, match="gone"):
        await dispatch([READ], ToolContext(jail, gone, context.command), ALL)
