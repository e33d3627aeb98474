"""The bounded tool loop, with real tools on a real folder and a scripted model."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from agents.chat import Message
from agents.crew import ROLES, seat
from agents.levels import contracts_from
from agents.loop import Limits, RoleOutcome, run_turns
from agents.replies import load_replies
from agents.reply import Plan
from agents.scripted import ScriptedModel
from mcp_local_llm import ModelUnavailable, UsageError
from memory.records import Level, PreservationTag
from tools.context import ToolContext
from tools.jail import Jail
from tools.sandbox import CommandPolicy

TAGS = '<tags prompt="compact-1" level="flexible" marks="concept:list"/>'
PLAN = Plan(
    goal="add f",
    steps=("add f to a.py",),
    files=(PreservationTag(region="a.py", level=Level.FLEXIBLE),),
    test="tests/test_f.py",
)
PLAN_TEXT = f"<plan>\ngoal: g\nstep: s\nfile: a.py flexible\ntest: tests/test_f.py\n</plan>\n{TAGS}"
OPENING = (Message(role="system", content="crew"), Message(role="user", content="role: x"))
SOURCE = "def f(x):\n    return x\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "a.py").write_text(SOURCE)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_old.py").write_text("def test_old():\n    pass\n")
    return tmp_path


async def play(
    workspace: Path,
    role: str,
    replies: Sequence[str],
    limits: Limits | None = None,
    protected: tuple[PreservationTag, ...] = (),
) -> tuple[RoleOutcome, ScriptedModel]:
    context = ToolContext(
        jail=Jail(workspace), workspace=workspace, command=CommandPolicy(Path(sys.executable))
    )
    model = ScriptedModel(replies)
    place = seat(
        ROLES[role],
        context,
        profile="compact",
        rules=(),
        plan=PLAN,
        existing=frozenset({"a.py", "tests/test_old.py"}),
        contracts=contracts_from(protected),
    )
    return await run_turns(model, OPENING, place, limits or Limits()), model


def write(path: str, body: str, tags: str = TAGS) -> str:
    return f'<tool:fs.write path="{path}">\n{body}\n</tool>\n{tags}'


def edit(body: str, tags: str = TAGS) -> str:
    return f'<tool:fs.edit path="a.py" symbol="f">\n{body}\n</tool>\n{tags}'


def complaints(outcome: RoleOutcome) -> str:
    return "\n".join(r.text for e in outcome.exchanges for r in e.results if not r.ok)


async def test_a_good_reply_ends_the_turn_and_nothing_follows_it(workspace: Path) -> None:
    outcome, _ = await play(workspace, "implementer", [edit("def f(x):\n    return x + 1")])
    assert (outcome.status, outcome.changed) == ("done", ("a.py",))
    assert [message.role for message in outcome.talk] == ["system", "user", "assistant"]
    assert outcome.repairs == ()
    assert "x + 1" in (workspace / "a.py").read_text()


async def test_results_go_back_until_the_role_is_done(workspace: Path) -> None:
    replies = ['<tool:fs.read path="a.py"/>', edit("def f(x):\n    return 2")]
    outcome, model = await play(workspace, "implementer", replies)
    assert outcome.status == "done"
    assert model.calls[1][: len(model.calls[0])] == model.calls[0]
    told = model.calls[1][-1].content
    assert told.startswith("ok: fs.read:") and "return x" in told
    assert told.endswith("role: implementer")


async def test_a_planner_owes_a_plan_with_a_new_test(workspace: Path) -> None:
    existing = PLAN_TEXT.replace("test_f.py", "test_old.py")
    outside = PLAN_TEXT.replace("tests/test_f.py", "../test_f.py")
    bare = f"<plan>\ngoal: g\n</plan>\n{TAGS}"
    replies = [TAGS, bare, existing, outside, PLAN_TEXT]
    outcome, _ = await play(workspace, "planner", replies)
    assert outcome.status == "done"
    assert outcome.plan is not None and outcome.plan.test == "tests/test_f.py"
    said = complaints(outcome)
    assert "a plan is missing" in said
    assert "at least one step" in said
    assert "exists already" in said
    assert "'../test_f.py'" in said


MODERATE = (PreservationTag(region="a.py", level=Level.MODERATE),)


async def test_a_plan_weaker_than_its_contract_is_raised_and_counted(workspace: Path) -> None:
    outcome, _ = await play(workspace, "planner", [PLAN_TEXT], protected=MODERATE)
    assert outcome.plan is not None and outcome.plan.files == MODERATE
    assert (outcome.tags.level, outcome.repairs) == (Level.MODERATE, ("level",))
    right = PLAN_TEXT.replace("flexible", "moderate")
    outcome, _ = await play(workspace, "planner", [right], protected=MODERATE)
    assert outcome.repairs == ()
    bare = PLAN_TEXT.replace("a.py flexible", "a.py")
    assert (await play(workspace, "planner", [bare]))[0].repairs == ("level",)


async def test_a_tester_is_held_to_the_contract_of_what_it_tests(workspace: Path) -> None:
    reply = write("tests/test_f.py", "def test_f():\n    pass")
    outcome, _ = await play(workspace, "tester", [reply], protected=MODERATE)
    assert (outcome.tags.level, outcome.repairs) == (Level.MODERATE, ("level",))


async def test_tags_with_something_to_repair_end_the_turn_all_the_same(workspace: Path) -> None:
    odd = TAGS.replace("concept:list", "list")
    outcome, _ = await play(workspace, "implementer", [edit("def f(x):\n    return 3", odd)])
    assert (outcome.status, outcome.repairs) == ("done", ("marker",))
    assert outcome.tags.marks == ("concept:list",)


async def test_a_refusing_planner_owes_nothing(workspace: Path) -> None:
    refusal = f"<plan>\ngoal: g\nrefuse: a.py is strict\n</plan>\n{TAGS}"
    outcome, _ = await play(workspace, "planner", [refusal])
    assert outcome.status == "done"
    assert outcome.plan is not None and outcome.plan.refusal == "a.py is strict"


async def test_missing_tags_are_repaired_when_there_is_nothing_left_to_do(workspace: Path) -> None:
    outcome, _ = await play(workspace, "refactorer", ["All is well."])
    assert (outcome.status, outcome.repairs) == ("done", ("missing",))
    assert outcome.tags.prompt == "compact-1"


async def test_tags_inside_a_file_are_not_the_replys_tags(workspace: Path) -> None:
    replies = [write("notes.py", f'"""{TAGS}"""', tags=""), TAGS]
    outcome, model = await play(workspace, "implementer", replies)
    assert (outcome.status, len(model.calls)) == ("done", 2)


@pytest.mark.parametrize(
    ("role", "reply", "why"),
    [
        ("planner", write("a.py", "x = 1"), "not a tool of this role"),
        ("tester", write("a.py", "x = 1"), "not a tool of this role|test files only"),
        ("tester", write("tests/test_old.py", "x = 1"), "existing tests stay"),
        ("implementer", write("tests/test_f.py", "x = 1"), "tests stay as they are"),
        ("implementer", write("./tests/test_old.py", "x = 1"), "tests stay as they are"),
        ("refactorer", write("tests/test_old.py", "x = 1"), "tests stay as they are"),
        ("doc_writer", edit("def f(x):\n    return x + 1"), "code changed"),
        ("doc_writer", write("b.py", "x = 1"), "adds and deletes no code"),
        ("doc_writer", write("data.json", "{}"), "documents and docstrings only"),
        ("implementer", write("../out.py", "x = 1"), "is denied"),
    ],
)
async def test_a_role_cannot_write_outside_its_scope(
    workspace: Path, role: str, reply: str, why: str
) -> None:
    def files() -> dict[str, bytes]:
        return {str(p): p.read_bytes() for p in workspace.rglob("*") if p.is_file()}

    before = files()
    outcome, _ = await play(workspace, role, [reply], Limits(turns=1))
    assert outcome.status == "turns"
    assert any(part in complaints(outcome) for part in why.split("|")), complaints(outcome)
    assert files() == before
    assert not (workspace.parent / "out.py").exists()


async def test_one_forbidden_edit_undoes_the_whole_message(workspace: Path) -> None:
    both = write("a.py", "x = 1", tags="") + write("tests/test_f.py", "x = 1")
    outcome, _ = await play(workspace, "implementer", [both], Limits(turns=1))
    assert (workspace / "a.py").read_text() == SOURCE
    assert not (workspace / "tests" / "test_f.py").exists()
    assert outcome.changed == ()


@pytest.mark.parametrize(
    "body",
    [
        'def f(x):\n    """Return x."""\n    return x',
        "def f(x):\n    # as it is\n    return x",
    ],
)
async def test_the_doc_writer_may_change_docstrings_and_comments(
    workspace: Path, body: str
) -> None:
    outcome, _ = await play(workspace, "doc_writer", [edit(body)])
    assert (outcome.status, outcome.changed) == ("done", ("a.py",))


async def test_the_doc_writer_may_write_documents_but_delete_none(workspace: Path) -> None:
    outcome, _ = await play(workspace, "doc_writer", [write("README.md", "The f.")])
    assert outcome.changed == ("README.md",)


async def test_the_same_call_is_not_run_twice_and_four_repeats_end_the_turn(
    workspace: Path,
) -> None:
    again = '<tool:search.text pattern="def"/>'
    outcome, model = await play(workspace, "refactorer", [again] * 9, Limits(turns=9))
    assert outcome.status == "repeats"
    assert len(model.calls) == 5
    assert complaints(outcome).count("the same call was made before") == 4


async def test_a_good_edit_may_come_again_beside_a_mended_one(workspace: Path) -> None:
    good = write("b.py", "x = 1", tags="")
    bad = edit("def g(x):\n    return 3")
    outcome, _ = await play(
        workspace, "implementer", [good + bad, good + bad, good + edit("def f(x):\n    return 3")]
    )
    assert outcome.status == "done"
    assert outcome.changed == ("a.py", "b.py")
    assert complaints(outcome).count("the same call was made before") == 2


async def test_reading_again_after_a_change_is_no_repetition(workspace: Path) -> None:
    read = '<tool:fs.read path="a.py"/>'
    change = edit("def f(x):\n    return 3").replace(TAGS, "")
    outcome, _ = await play(workspace, "implementer", [read, change, read, TAGS])
    assert outcome.status == "done"
    assert "return 3" in outcome.exchanges[2].results[0].text


async def test_a_cut_reply_is_not_run(workspace: Path) -> None:
    long = write("a.py", "x = 1 # " + "word " * 50)
    outcome, _ = await play(workspace, "implementer", [long], Limits(turns=1, max_tokens=20))
    assert (workspace / "a.py").read_text() == SOURCE
    assert complaints(outcome)


@pytest.mark.parametrize(
    "reply",
    [
        "```json\n{not json}\n```",
        '{"name": "fs.write", "arguments": 3}',
        "<tool:fs.write>\nx = 1\n</tool>",
        "<tool:no.such path='a.py'/>",
        '<tool:fs.edit path="a.py" symbol="nowhere">\ndef nowhere():\n    pass\n</tool>',
        '<tool_call>{"name": "fs.write"</tool_call>',
        "<function=fs.write><parameter=path>../x</parameter></function>",
        "\x00\ud800",
        "",
    ],
)
async def test_a_malformed_reply_gets_an_answer_and_changes_nothing(
    workspace: Path, reply: str
) -> None:
    outcome, model = await play(workspace, "implementer", [reply, TAGS], Limits(turns=2))
    assert outcome.status == "turns"
    assert "role: implementer" in model.calls[1][-1].content
    assert "error: " in model.calls[1][-1].content
    assert (workspace / "a.py").read_text() == SOURCE


@pytest.mark.parametrize(
    ("limits", "status", "said"),
    [
        (Limits(deadline=time.monotonic() - 1), "deadline", 0),
        (Limits(context_tokens=3), "window", 0),
        (Limits(tokens_left=1), "tokens", 1),
    ],
)
async def test_each_limit_ends_the_turn_by_its_name(
    workspace: Path, limits: Limits, status: str, said: int
) -> None:
    outcome, model = await play(workspace, "implementer", ["<tool:git.status/>", TAGS], limits)
    assert outcome.status == status
    assert len(outcome.exchanges) == len(model.calls) == said
    assert [m.role for m in outcome.talk[len(OPENING) :]] == ["assistant"] * said


async def test_a_long_result_is_shortened_in_the_middle(workspace: Path) -> None:
    (workspace / "long.py").write_text("start = 1\n" + "x = 1\n" * 500 + "end = 1\n")
    replies = ['<tool:fs.read path="long.py"/>', TAGS]
    _, model = await play(workspace, "refactorer", replies, Limits(result_chars=200))
    told = model.calls[1][-1].content
    assert "characters left out" in told
    assert "start = 1" in told and "end = 1" in told
    assert len(told) < 400


async def test_replies_from_a_file_depend_on_the_conversation_alone(tmp_path: Path) -> None:
    path = tmp_path / "replies.json"
    path.write_text('{"planner": ["one", "two"]}')
    reply = load_replies(path)
    asked = Message(role="user", content="brief\nrole: planner")
    first = (asked,)
    second = (asked, Message(role="assistant", content="one"), asked)
    assert [reply(second), reply(first), reply(second)] == ["two", "one", "two"]
    with pytest.raises(ModelUnavailable, match="has 2 replies for 'planner'"):
        reply((*second, asked))
    with pytest.raises(ModelUnavailable, match="0 replies for ''"):
        reply((Message(role="user", content="hello"),))


@pytest.mark.parametrize("content", [None, "[]", "no json", '{"planner": "text"}'])
def test_a_file_that_is_no_script_is_a_usage_error(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "replies.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=r"replies\.json"):
        load_replies(path)


async def test_a_reply_said_again_ends_the_turn_where_the_limits_say_so(workspace: Path) -> None:
    wrong = edit("def g(x):\n    return 3")
    limits = Limits(turns=9, alike=2)
    outcome, model = await play(workspace, "implementer", [wrong] * 9, limits)
    assert (outcome.status, len(model.calls)) == ("repeats", 2)
    other = edit("def h(x):\n    return 3")
    good = edit("def f(x):\n    return 3")
    outcome, _ = await play(workspace, "implementer", [wrong, other, wrong, good], limits)
    assert outcome.status == "done"
