"""The fs.* tools as a model calls them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mcp_local_llm import ToolDenied, ToolRetry
from tools.context import ToolContext
from tools.files import (
    MAX_LISTED,
    MAX_READ_CHARS,
    edit_files,
    fs_list,
    fs_read,
    plan_append,
    plan_delete,
    plan_edit,
    plan_write,
    told,
)
from tools.jail import Jail
from tools.sandbox import CommandPolicy
from tools.wire import ToolCall


@pytest.fixture
def context(tmp_path: Path) -> ToolContext:
    (tmp_path / "a.py").write_bytes(b"one\r\ntwo\r\nthree")
    policy = CommandPolicy(python=Path("/usr/bin/python3"))
    return ToolContext(jail=Jail(tmp_path), workspace=tmp_path, command=policy)


def call(name: str, body: str | None = None, **args: str) -> ToolCall:
    return ToolCall(name=name, args=args, body=body)


async def test_a_file_is_read_as_plain_lines(context: ToolContext) -> None:
    assert await fs_read(call("fs.read", path="a.py"), context) == "one\ntwo\nthree"
    assert await fs_read(call("fs.read", path="a.py", lines="2"), context) == "two\n"
    assert await fs_read(call("fs.read", path="a.py", lines="2-9"), context) == "two\nthree"
    (context.workspace / "empty").touch()
    assert await fs_read(call("fs.read", path="empty"), context) == "(empty is empty)"


async def test_a_long_file_is_read_in_parts_that_name_the_next_one(context: ToolContext) -> None:
    lines = [f"line {number}\n" for number in range(10_000)]
    (context.workspace / "long.txt").write_text("".join(lines))
    text, rest = "", "1-10000"
    while rest:
        part = await fs_read(call("fs.read", path="long.txt", lines=rest), context)
        assert len(part) <= MAX_READ_CHARS + 100
        body, mark, note = part.partition("(lines ")
        text += body
        rest = note.partition('lines="')[2].partition('"')[0] if mark else ""
    assert text == "".join(lines)


@pytest.mark.parametrize("lines", ["0", "5-2", "4", "x", "1-", "-3", "1,2"])
async def test_a_range_that_does_not_fit_is_refused_with_the_right_one(
    context: ToolContext, lines: str
) -> None:
    with pytest.raises(ToolRetry, match='lines="1-3"'):
        await fs_read(call("fs.read", path="a.py", lines=lines), context)


@pytest.mark.parametrize(
    "bad",
    [
        call("fs.read"),
        call("fs.read", path=" "),
        call("fs.read", path="a.py", encoding="x"),
        call("fs.read", "body\n", path="a.py"),
        call("fs.read", path="missing.py"),
    ],
)
async def test_a_call_with_wrong_attributes_is_refused(context: ToolContext, bad: ToolCall) -> None:
    with pytest.raises(ToolRetry):
        await fs_read(bad, context)


async def test_reading_outside_is_denied(context: ToolContext) -> None:
    with pytest.raises(ToolDenied):
        await fs_read(call("fs.read", path="../x"), context)


async def test_listing_leaves_out_what_git_ignores_and_what_is_ours(context: ToolContext) -> None:
    root = context.workspace
    for path in (
        "src/b.py",
        "src/keep/x.log",
        "src/x.log",
        "build/out.txt",
        "src/build/in.txt",
        ".git/config",
        ".mcp-local-llm/config.toml",
        "__pycache__/a.pyc",
        "deep/er/c.txt",
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    (root / ".gitignore").write_text("*.log\n/build/\n")
    (root / "src" / "keep" / ".gitignore").write_text("!x.log\n")
    (root / "outside").symlink_to("/etc")
    listed = (await fs_list(call("fs.list"), context)).split("\n")
    assert listed == [
        ".gitignore",
        "a.py",
        "deep/er/c.txt",
        "src/b.py",
        "src/build/in.txt",
        "src/keep/.gitignore",
        "src/keep/x.log",
    ]
    assert await fs_list(call("fs.list", path="src/build"), context) == "src/build/in.txt"
    assert await fs_list(call("fs.list", path="a.py"), context) == "a.py"
    (root / "void").mkdir()
    assert "no files" in await fs_list(call("fs.list", path="void"), context)
    with pytest.raises(ToolRetry, match="no folder"):
        await fs_list(call("fs.list", path="missing"), context)


async def test_a_long_listing_is_cut_and_says_so(context: ToolContext) -> None:
    for number in range(MAX_LISTED + 5):
        (context.workspace / f"f{number:03}").touch()
    listed = (await fs_list(call("fs.list"), context)).split("\n")
    assert len(listed) == MAX_LISTED + 1
    assert "more than" in listed[-1]


async def test_edits_say_what_became_of_each_file(context: ToolContext) -> None:
    blocks = "<<<<<<< SEARCH\ntwo\n=======\nTWO\n>>>>>>> REPLACE\n"
    edits = [
        plan_write(call("fs.write", "x = 1\n", path="new.py")),
        plan_edit(call("fs.edit", blocks, path="./a.py")),
        plan_append(call("fs.append", "def f(): ...\n", path="new.py")),
        plan_delete(call("fs.delete", path="a.py")),
    ]
    texts = [told(change) for change in await edit_files(edits[:3], context)]
    assert texts[0] == texts[2] == "created new.py (1 lines added after line 1)"
    assert texts[1] == "modified a.py (line 2 replaced by 1)"
    assert [told(change) for change in await edit_files(edits[3:], context)] == ["deleted a.py"]
    replace = plan_edit(call("fs.edit", "def f(): return 1\n", path="new.py", symbol="f"))
    (change,) = await edit_files([replace], context)
    assert change.after == "x = 1\n\n\ndef f(): return 1\n"


Planner = Callable[[ToolCall], object] | Callable[[ToolCall], Awaitable[object]]


@pytest.mark.parametrize(
    ("plan", "bad"),
    [
        (plan_write, call("fs.write", path="a.py")),
        (plan_write, call("fs.write", "x")),
        (plan_write, call("fs.write", "x", path="a.py", mode="a")),
        (plan_append, call("fs.append", path="a.py")),
        (plan_edit, call("fs.edit", path="a.py")),
        (plan_edit, call("fs.edit", "x", path="a.py", symbol="")),
        (plan_edit, call("fs.edit", "x", path="a.py", line="3")),
        (plan_delete, call("fs.delete", "x", path="a.py")),
    ],
)
def test_an_edit_call_with_wrong_parts_is_refused(plan: Planner, bad: ToolCall) -> None:
    with pytest.raises(ToolRetry, match=bad.name.replace(".", r"\.") + "|symbol"):
        plan(bad)
