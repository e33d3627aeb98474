"""The hook's script as Cursor runs it, and the spool it fills: nothing lost, nothing invented."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from agents.capture import hooks_file
from agents.capture.aftermath import Ran
from agents.capture.session_context import refresh_session, session_file
from agents.capture.spool import is_waiting, spool_file, take_in
from agents.capture.turn import Turn
from agents.shared_memory import SharedMemory
from mcp_local_llm import StoreUnavailable, UsageError
from memory.project import project_id
from memory.records import Item, Kind
from memory.secrets import find_secrets

Hook = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "state home"
    hooks_file.install(home, hooks_file.hooks_file(tmp_path))
    return home


@pytest.fixture
def hook(home: Path, tmp_path: Path) -> Hook:
    """Run what hooks.json says for an event, through a shell as Cursor does."""
    entries = json.loads(hooks_file.hooks_file(tmp_path).read_text())["hooks"]

    def call(name: str, given: bytes) -> subprocess.CompletedProcess[bytes]:
        command = entries[name][0]["command"]
        return subprocess.run(command, shell=True, input=given, capture_output=True, timeout=60)

    return call


def event(name: str, text: str, generation: str = "g1", **more: Any) -> dict[str, Any]:
    field = {PROMPT: "prompt", ANSWER: "text", SHELL: "output"}.get(name, "file_path")
    known = {"conversation_id": "c1", "generation_id": generation, "workspace_roots": ["/w"]}
    return {"hook_event_name": name, **known, field: text, **more}


def note(home: Path, *events: dict[str, Any], at: float = 1_770_000_000.0) -> None:
    """Write events to the spool as the script does, without starting it each time."""
    from agents.capture.cursor_hook import noted

    with spool_file(home).open("ab") as spool:
        for number, one in enumerate(events):
            line = json.loads(noted(one))
            spool.write(json.dumps({**line, "at": at + number}).encode() + b"\n")


def taken(home: Path) -> tuple[list[Turn], Counter[str]]:
    turns: list[Turn] = []
    return turns, +take_in(home, turns.extend)


PROMPT, ANSWER, EDIT = "beforeSubmitPrompt", "afterAgentResponse", "afterFileEdit"
TAB, SHELL, START = "afterTabFileEdit", "afterShellExecution", "sessionStart"


def test_the_script_answers_and_notes_each_event(home: Path, hook: Hook) -> None:
    said = hook(PROMPT, json.dumps(event(PROMPT, "add a retry")).encode())
    assert (said.returncode, json.loads(said.stdout), said.stderr) == (0, {"continue": True}, b"")
    said = hook(ANSWER, json.dumps(event(ANSWER, "Added \ud83d.")).encode())
    assert (said.returncode, json.loads(said.stdout)) == (0, {})
    assert spool_file(home).stat().st_mode & 0o777 == 0o600
    [turn], refused = taken(home)
    assert (turn.text, turn.folder, turn.origin) == ("add a retry", "/w", "hook")
    assert not refused and not is_waiting(home)


def test_a_session_begins_with_what_is_known_of_its_project(
    home: Path, hook: Hook, tmp_path: Path
) -> None:
    root = tmp_path / "project"
    (root / ".git").mkdir(parents=True)
    (root / "sub").mkdir()
    with SharedMemory(home, project_id(root)) as memory:
        memory.put(
            Item(kind=Kind.PREFERENCE, text="Use tabs.", project=memory.project, scope="sub"),
            Item(
                kind=Kind.PREFERENCE, text="Use tea.", project=memory.project, scope="a)\n# Rules"
            ),
            Item(kind=Kind.FACT, text="The shop opens at nine.", project=memory.project),
        )
        assert refresh_session(memory)
        assert not refresh_session(memory), "nothing new is known"
    for place in (root, root / "sub"):
        said = hook(START, json.dumps({"workspace_roots": [str(place)]}).encode())
        known = json.loads(said.stdout)["additional_context"]
        assert "Use tabs. (in sub)" in known and "opens at nine" in known
        assert "- Use tea. (in a) # Rules)\n" in known
    assert session_file(home, project_id(root)).stat().st_mode & 0o777 == 0o600
    assert not is_waiting(home), "it is no turn"


def test_what_holds_everywhere_reaches_the_sessions_of_all_projects(home: Path) -> None:
    with SharedMemory(home, "1" * 16) as other:
        assert refresh_session(other)
    with SharedMemory(home, "2" * 16) as memory:
        memory.put(
            Item(kind=Kind.PREFERENCE, text="Use tabs everywhere."),
            Item(kind=Kind.PREFERENCE, text="Use spaces here.", project=memory.project),
        )
        assert refresh_session(memory)
    said = session_file(home, "1" * 16).read_text()
    assert "Use tabs everywhere." in said and "spaces" not in said


@pytest.mark.parametrize(
    "given", [b"", b"[" * 100_000, b"[]", b'{"workspace_roots": []}', b'{"workspace_roots": ["/"]}']
)
def test_a_session_of_which_nothing_is_known_begins_as_it_is(
    home: Path, hook: Hook, given: bytes
) -> None:
    said = hook(START, given)
    assert (said.returncode, json.loads(said.stdout), said.stderr) == (0, {}, b"")


def test_without_hooks_nothing_is_kept_for_sessions(tmp_path: Path) -> None:
    with SharedMemory(tmp_path / "bare", "0" * 16) as memory:
        assert not refresh_session(memory)
        (tmp_path / "bare" / "hooks").mkdir()
        (tmp_path / "bare" / "hooks" / "sessions").write_text("in the way")
        assert not refresh_session(memory), "which harms nobody"


def test_secrets_are_gone_before_anything_is_written(home: Path, hook: Hook) -> None:
    token = "ghp_" + "a1B2" * 9
    long = "-----BEGIN RSA " + "PRIVATE KEY-----\n" + "q" * 20_000
    hook(PROMPT, json.dumps(event(PROMPT, f"use {token} for it {long}")).encode())
    kept = spool_file(home).read_text()
    assert token not in kept and "PRIVATE KEY" not in kept
    assert "use [secret removed] for it" in kept


@pytest.mark.parametrize(
    "given", [b"", b"\xff\xfe", b"[" * 100_000, b"[]", b'{"hook_event_name": []}', b'{"prompt": 3}']
)
def test_the_script_survives_what_is_no_event(home: Path, hook: Hook, given: bytes) -> None:
    said = hook(PROMPT, given)
    assert (said.returncode, json.loads(said.stdout)) == (0, {"continue": True})
    assert not is_waiting(home)


def test_the_script_answers_where_it_cannot_write(home: Path, hook: Hook) -> None:
    spool_file(home).parent.rmdir()
    said = hook(PROMPT, json.dumps(event(PROMPT, "hello")).encode())
    assert (said.returncode, json.loads(said.stdout), said.stderr) == (0, {"continue": True}, b"")


def test_a_prompt_of_a_megabyte_is_kept_in_bounds(home: Path, hook: Hook) -> None:
    text = "remember to use tabs " + "x" * 1_000_000 + " at the end"
    hook(PROMPT, json.dumps(event(PROMPT, text)).encode())
    [turn], _ = taken(home)
    assert turn.text.startswith("remember to use tabs") and turn.text.endswith("at the end")
    assert len(turn.text) < 20_000


def test_a_full_spool_takes_no_more(home: Path, hook: Hook) -> None:
    with spool_file(home).open("wb") as spool:
        spool.truncate(64_000_000)
    hook(PROMPT, json.dumps(event(PROMPT, "hello")).encode())
    assert spool_file(home).stat().st_size == 64_000_000


def test_answers_find_their_prompt_whatever_the_order(home: Path) -> None:
    first, second = event(PROMPT, "add a retry", "g1"), event(PROMPT, "no, not for POST", "g2")
    answer, other = event(ANSWER, "Added.", "g1"), event(PROMPT, "hello", conversation_id="c2")
    edit = event(EDIT, "/w/shop/cart.py", "g1")
    note(home, first, other, second, answer, edit)
    turns, _ = taken(home)
    assert [(turn.text, turn.previous) for turn in turns] == [
        ("add a retry", ""), ("hello", ""), ("no, not for POST", "Added."),
    ]  # fmt: skip
    assert turns[-1].file == "shop/cart.py"


def test_the_answer_is_remembered_until_the_next_prompt_is_taken_in(home: Path) -> None:
    note(home, event(PROMPT, "add a retry", "g1"), event(ANSWER, "Added; key AKIA" + "Q7" * 8))
    assert len(taken(home)[0]) == 1
    note(home, event(PROMPT, "no, not for POST", "g2"))
    [turn], _ = taken(home)
    assert turn.text == "no, not for POST" and turn.previous.startswith("Added; key [AWS")
    assert taken(home) == ([], Counter())
    carried = spool_file(home).with_name("carried.jsonl").read_text()
    assert "POST" not in carried and "Added" not in carried


def test_an_event_noted_twice_is_one_turn_and_the_same_words_later_are_another(home: Path) -> None:
    note(home, *[event(PROMPT, "still failing", "g1")] * 2, event(PROMPT, "still failing", "g2"))
    turns, _ = taken(home)
    assert len(turns) == 2 and turns[0].key != turns[1].key


def test_a_clock_that_jumps_changes_no_order_and_gives_no_impossible_time(home: Path) -> None:
    note(home, event(PROMPT, "one", "g1"), at=4e9)
    note(home, event(PROMPT, "two", "g2"), at=-5.0)
    note(home, event(PROMPT, "three", "g3"), at=1e300)
    note(home, event(PROMPT, "four", "g4"), at=1_770_000_000.0)
    turns, _ = taken(home)
    assert [turn.text for turn in turns] == ["one", "two", "three", "four"]
    assert all(turn.at.year >= 2020 for turn in turns)
    assert turns[0].at <= turns[1].at <= turns[2].at, "now stands for what cannot be"


def test_a_spool_cut_in_half_loses_the_half_line_alone(home: Path, hook: Hook) -> None:
    note(home, event(PROMPT, "whole", "g1"), event(PROMPT, "cut off in the middle", "g2"))
    os.truncate(spool_file(home), spool_file(home).stat().st_size - 20)
    hook(PROMPT, json.dumps(event(PROMPT, "afterwards", "g3")).encode())
    turns, refused = taken(home)
    assert [turn.text for turn in turns] == ["whole", "afterwards"]
    assert refused == {"cut off, or no event": 1}


def test_a_taking_in_that_broke_off_is_done_again(home: Path) -> None:
    note(home, event(PROMPT, "one", "g1"))

    def breaks(turns: Sequence[Turn]) -> None:
        raise StoreUnavailable("the disk is full")

    with pytest.raises(StoreUnavailable):
        take_in(home, breaks)
    note(home, event(PROMPT, "two", "g2"))
    assert is_waiting(home)
    assert [turn.text for turn in taken(home)[0]] == ["one", "two"]
    assert not is_waiting(home)


def test_while_one_process_takes_in_another_leaves_it_alone(home: Path) -> None:
    note(home, event(PROMPT, "one"))
    inner: list[list[Turn]] = []
    take_in(home, lambda turns: inner.append(taken(home)[0]))
    assert inner == [[]]


def test_hooks_that_write_at_once_keep_their_lines_whole(home: Path, tmp_path: Path) -> None:
    command = json.loads(hooks_file.hooks_file(tmp_path).read_text())["hooks"][PROMPT][0]["command"]
    many = [
        subprocess.Popen(
            command, shell=True, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        for _ in range(8)
    ]  # fmt: skip
    turns: list[Turn] = []
    for number, one in enumerate(many):
        given = json.dumps(event(PROMPT, f"{number} " + "x" * 9_000, f"g{number}")).encode()
        assert one.stdin is not None
        one.stdin.write(given)
        one.stdin.close()
        take_in(home, turns.extend)  # which moves the spool away under their hands
    assert [one.wait(60) for one in many] == [0] * 8
    take_in(home, turns.extend)
    assert sorted(turn.text.split()[0] for turn in turns) == [*"01234567"]


def test_without_hooks_there_is_nothing_to_take_in(tmp_path: Path) -> None:
    assert not is_waiting(tmp_path)
    assert taken(tmp_path) == ([], Counter())


def test_an_event_of_no_folder_belongs_to_no_project(home: Path) -> None:
    note(home, event(PROMPT, "one", workspace_roots=[]))
    assert taken(home) == ([], Counter({"of no folder": 1}))


def test_a_spool_that_cannot_be_read_is_an_error(home: Path) -> None:
    spool_file(home).mkdir()
    with pytest.raises(StoreUnavailable, match="spool"):
        taken(home)


# -- what became of an answer --------------------------------------------------------------------


def ran(command: str, output: str, generation: str = "g1") -> dict[str, Any]:
    return event(SHELL, output, generation, command=command, duration=1_200)


def tab(path: str, **more: Any) -> dict[str, Any]:
    """Tab's edits belong to no conversation."""
    edit = {"old_line": "x", "new_line": "y", "range": {"start_line_number": 1}}
    none = {"conversation_id": "", "generation_id": "tab"}
    return event(TAB, path, **{**none, "edits": [edit], **more})


def test_tab_edits_and_commands_after_an_answer_s_edits_are_what_became_of_it(home: Path) -> None:
    note(
        home,
        event(PROMPT, "add a retry", "g1"),
        tab("/w/a.py"),  # before the answer's own edit
        ran("pytest -q test_a.py", "1 failed in 0.1s"),
        event(EDIT, "/w/a.py"),
        event(EDIT, "/w/b.py"),
        *[ran("pytest -q", "==== 2 failed, 3 passed in 1.0s ====")] * 2,
        ran("true", ""),
        ran("pytest -q", "==== \x1b[32m5 passed\x1b[0m in 1.0s ===="),
        event(ANSWER, "Added."),
        *[tab("/w/b.py")] * 2,
        tab("/w/other.py"),
        tab("/elsewhere/b.py"),
        event(PROMPT, "thanks", "g2"),
        tab("/w/a.py"),
    )
    first, second = taken(home)[0]
    assert first.aftermath.evidence == {}
    assert second.aftermath.evidence == {
        "edited_since": ["b.py"],
        "ran": [
            {"command": "true", "tail": ""},
            {"command": "pytest -q", "tail": "==== 5 passed in 1.0s ====", "says": "success"},
        ],
    }


def test_what_became_of_an_answer_waits_with_it_and_is_no_turn(home: Path) -> None:
    note(home, event(PROMPT, "add a retry"), event(EDIT, "/w/a.py"))
    assert len(taken(home)[0]) == 1
    note(home, tab("/w/z.py"), *[tab("/w/a.py")] * 3)
    assert taken(home) == ([], Counter())
    note(home, *(ran(f"make {number}", "make: *** [all] Error 2") for number in range(30)))
    assert taken(home) == ([], Counter())
    carried = spool_file(home).with_name("carried.jsonl").read_text()
    assert (carried.count(TAB), carried.count(SHELL)) == (1, 10), "it does not grow"
    note(home, event(PROMPT, "no, that is wrong", "g2"))
    [turn], _ = taken(home)
    assert turn.aftermath.edited_since == ("a.py",)
    assert [one.command for one in turn.aftermath.ran] == [f"make {n}" for n in range(20, 30)]
    assert {one.says for one in turn.aftermath.ran} == {"failure"}


def test_a_command_s_output_is_kept_in_bounds_and_without_secrets(home: Path, hook: Hook) -> None:
    token, password = "ghp_" + "a1B2" * 9, "tR7kP2mX9qLw4VbN"
    output = f"{token}\n" + "x" * 1_000_000 + f"\npassword={password}\n{token}\n3 failed"
    note(home, event(PROMPT, "deploy it"), event(EDIT, "/w/a.py"))
    given = json.dumps(ran(f"deploy --token {token}", output)).encode()
    for _ in range(2):
        said = hook(SHELL, given)
        assert (said.returncode, said.stdout, said.stderr) == (0, b"{}\n", b"")
    hook(SHELL, given[:500_000])  # cut in half
    hook(SHELL, json.dumps({**ran("x", "y"), "output": ["no", "text"]}).encode())
    hook(TAB, json.dumps(tab("/w/a.py", edits="none")).encode())
    kept = spool_file(home).read_text()
    assert token not in kept and len(kept) < 40_000
    assert (kept.count(SHELL), kept.count(TAB)) == (2, 1)
    assert len(taken(home)[0]) == 1
    assert password not in spool_file(home).with_name("carried.jsonl").read_text()
    note(home, event(PROMPT, "no, not like that", "g2"))
    [turn], _ = taken(home)
    [one] = turn.aftermath.ran
    assert one.command == "deploy --token [secret removed]" and one.says == "failure"
    assert one.tail.endswith("3 failed") and len(one.tail) <= 400
    assert token not in turn.model_dump_json() and password not in turn.model_dump_json()


def test_what_begins_to_look_like_a_secret_where_it_is_cut_is_left_out() -> None:
    named, key = "token=tR7kP2mX9qLw4VbN", "hf_" + "aBcDeFgHiJ" * 3
    command = f"{'x' * (199 - len(named))} {named}.expires()"
    output = f"{'x' * 50}{key}{' ' * (399 - len(key))}."
    assert find_secrets(command) == find_secrets(output) == []
    kept = Ran.of(command, output)
    assert kept.command.endswith(" token=[password or token removed]")
    assert kept.tail.startswith("[Hugging Face token removed] ")


@pytest.mark.parametrize(
    ("command", "output", "says"),
    [
        ("cargo test", "test result: ok. 4 passed; 0 failed; 0 ignored", "success"),
        ("cargo test", "test result: FAILED. 3 passed; 1 failed", "failure"),
        ("go test ./...", "ok  \tshop/cart\t0.2s", "success"),
        ("npm test", "npm ERR! Test failed.", "failure"),
        ("python -m unittest", "Ran 3 tests in 0.1s\n\nOK", "success"),
        ("python x.py", "Traceback (most recent call last):\nKeyError: 1", "failure"),
        ("tsc", "Found 0 errors.", "success"),
        ("ruff check", "Found 3 errors.", "failure"),
        ("frob", "bash: frob: command not found", "failure"),
        ("cat log.txt", "3 failed", ""),
        ("git log", "Fixed 3 errors", ""),
        ("python x.py", "the result is 42", ""),
        ("make", "10 failed\n" + "fine\n" * 20, ""),
    ],
)
def test_the_last_lines_of_a_command_say_how_it_went_where_they_are_plain(
    command: str, output: str, says: str
) -> None:
    assert Ran.of(command, output).says == says


# -- hooks.json ----------------------------------------------------------------------------------


def test_other_hooks_and_fields_stay(home: Path, tmp_path: Path) -> None:
    file = hooks_file.hooks_file(tmp_path / "other")
    file.parent.mkdir(parents=True)
    theirs = {
        "version": 1,
        "note": "ä",
        "hooks": {"stop": [{"command": "x"}], PROMPT: [], "odd": []},
    }
    theirs["hooks"][ANSWER] = [{"command": "theirs"}]  # type: ignore[index]
    file.write_text(json.dumps(theirs))
    hooks_file.install(home, file)
    once = file.read_text()
    hooks_file.install(home, file)
    assert json.loads(file.read_text()) == json.loads(once), "installed twice, it is there once"
    assert set(hooks_file.installed(file)) == {PROMPT, ANSWER, EDIT, TAB, SHELL, START}
    assert json.loads(once)["hooks"][ANSWER][0] == {"command": "theirs"}
    assert hooks_file.remove(file)
    left = json.loads(file.read_text())
    assert (left["note"], left["hooks"]["stop"], left["hooks"][ANSWER], left["hooks"]["odd"]) == (
        "ä", [{"command": "x"}], [{"command": "theirs"}], [],
    )  # fmt: skip
    assert not hooks_file.remove(file)


def test_a_file_with_nothing_else_is_removed(home: Path, tmp_path: Path) -> None:
    file = hooks_file.hooks_file(tmp_path)
    assert hooks_file.remove(file) and not file.exists()
    assert hooks_file.installed(file) == ()


@pytest.mark.parametrize(
    "text", ["// a comment\n{}", "[]", '{"hooks": []}', '{"hooks": {"stop": 1}}']
)
def test_a_file_in_no_known_form_stays_as_it_is(home: Path, tmp_path: Path, text: str) -> None:
    file = hooks_file.hooks_file(tmp_path / "other")
    file.parent.mkdir(parents=True)
    file.write_text(text)
    with pytest.raises(UsageError, match="stays as it is"):
        hooks_file.install(home, file)
    assert file.read_text() == text


def test_a_link_to_the_file_stays_a_link(home: Path, tmp_path: Path) -> None:
    target = tmp_path / "dotfiles.json"
    target.write_text('{"version": 1}')
    target.chmod(0o640)
    file = hooks_file.hooks_file(tmp_path / "other")
    file.parent.mkdir(parents=True)
    file.symlink_to(target)
    hooks_file.install(home, file)
    assert file.is_symlink() and PROMPT in target.read_text()
    assert target.stat().st_mode & 0o777 == 0o640


def test_an_old_script_is_noticed_and_brought_up_to_date(home: Path, tmp_path: Path) -> None:
    assert hooks_file.is_current(home)
    hooks_file.script_file(home).write_text("old")
    assert not hooks_file.is_current(home)
    hooks_file.install(home, hooks_file.hooks_file(tmp_path))
    assert hooks_file.is_current(home)
    assert not hooks_file.is_current(tmp_path / "nowhere")


def test_what_cannot_be_written_is_said(home: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / ".cursor").write_text("a file")
    with pytest.raises(StoreUnavailable, match="cursor"):
        hooks_file.install(home, hooks_file.hooks_file(tmp_path / "other"))


def test_the_script_imports_nothing_but_the_standard_library(home: Path) -> None:
    source = hooks_file.script_file(home).read_text()
    imported = {
        line.split()[1] for line in source.splitlines() if line.startswith(("import", "from"))
    }
    assert imported and imported <= sys.stdlib_module_names
