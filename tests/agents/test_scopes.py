"""The table of scopes, and that calls and changed files of every role are held to it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from agents.crew import ROLES, seat
from agents.reply import Plan
from agents.scopes import SCOPES
from tools.context import ToolContext
from tools.jail import Jail
from tools.registry import TOOLS, dispatch
from tools.sandbox import CommandPolicy
from tools.wire import ToolCall

PLAN = Plan(goal="g", steps=("s",), test="tests/test_new.py")
CODE, WORDS = b"x = 1\n", b"x = 1  # one\n"


def test_every_role_has_its_row_and_every_tool_stands_where_it_belongs() -> None:
    assert list(SCOPES) == list(ROLES)
    for name, scope in SCOPES.items():
        assert ROLES[name].scope is scope
        assert {TOOLS[tool].plan is not None for tool in scope.edits} <= {True}
        assert {TOOLS[tool].plan is None for tool in (*scope.reads, *scope.runs)} <= {True}
    assert [name for name, scope in SCOPES.items() if scope.runs] == ["implementer"]


@pytest.mark.parametrize("name", list(SCOPES))
async def test_a_tool_of_another_role_is_not_run(name: str, tmp_path: Path) -> None:
    policy = CommandPolicy(python=Path(sys.executable))
    context = ToolContext(jail=Jail(tmp_path), workspace=tmp_path, command=policy)
    mine = seat(ROLES[name], context, profile="full", rules=(), plan=PLAN)
    for tool in sorted(TOOLS.keys() - set(SCOPES[name].tools)):
        call = ToolCall(name=tool, args={"path": "a.md"}, body="x")
        (result,) = await dispatch([call], context, mine.tools)
        assert (result.ok, "not a tool of this role" in result.text) == (False, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "path", "before", "after", "allowed"),
    [
        ("planner", "a.md", None, b"x", False),
        ("tester", "tests/test_new.py", None, CODE, True),
        ("tester", "tests/test_new.py", CODE, WORDS, True),
        ("tester", "tests/test_old.py", CODE, WORDS, False),
        ("tester", "shop/cart.py", CODE, WORDS, False),
        ("implementer", "shop/cart.py", CODE, b"x = 2\n", True),
        ("implementer", "tests/test_old.py", CODE, None, False),
        ("refactorer", "shop/cart.py", CODE, None, True),
        ("refactorer", "tests/test_old.py", CODE, WORDS, False),
        ("doc_writer", "README.md", None, b"x", True),
        ("doc_writer", "README.md", b"x", None, False),
        ("doc_writer", "shop/cart.py", CODE, WORDS, True),
        ("doc_writer", "shop/cart.py", CODE, b"x = 2\n", False),
        ("doc_writer", "shop/cart.py", CODE, b"x = (\n", False),
        ("doc_writer", "shop/new.py", None, CODE, False),
        ("doc_writer", "Makefile", b"x", b"y", False),
    ],
)
def test_a_changed_file_stays_where_the_role_may_write(
    name: str, path: str, before: bytes | None, after: bytes | None, allowed: bool
) -> None:
    assert (SCOPES[name].verdict(PLAN, path, before, after) == "") is allowed
