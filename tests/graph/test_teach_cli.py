"""The commands teach, correct, forget, insights and why, on a real journal."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from graph import insights_cli, memory_admin, memory_cli, teach_cli, why_cli
from graph.runs import RunRequest, RunResult, RunStore
from memory.journal import Journal
from memory.layout import journal_path, memory_folder
from memory.lifecycle import Stage
from memory.project import project_id
from memory.records import Item, Kind, Provenance
from memory.signals import Signal
from tests.terminal import converse

if TYPE_CHECKING:
    from tests.graph.conftest import Ended

Call = Callable[..., "Ended"]
TOKEN = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
CLI = str(Path(sys.executable).with_name("mcp-local-llm"))


@pytest.fixture
def call(
    state_home: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Call:
    """Run `mcp-local-llm COMMAND …` in a folder of its own."""
    from tests.graph.conftest import Ended

    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    commands = {
        "teach": teach_cli.teach,
        "correct": teach_cli.correct,
        "forget": teach_cli.forget,
        "insights": insights_cli.main,
        "why": why_cli.main,
        "index": memory_cli.index,
    }

    def run(command: str, *args: str) -> Ended:
        capsys.readouterr()
        code = commands[command]([*args])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Ended(code, said.out, said.err)

    return run


@pytest.fixture
def journal_file(state_home: Path) -> Path:
    return journal_path(memory_folder(state_home))


def taught(call: Call, text: str, *args: str) -> dict[str, Any]:
    ended = call("teach", text, "--json", *args)
    assert ended.code == 0, ended.err
    (rule,) = ended.result["taught"]
    return dict(rule)


def insights(call: Call, *args: str) -> list[dict[str, Any]]:
    ended = call("insights", "--json", *args)
    assert ended.code == 0, ended.err
    rows: list[dict[str, Any]] = ended.result["insights"]
    return rows


# -- teach -----------------------------------------------------------------------------------------


def test_a_rule_is_shown_as_it_was_understood(call: Call) -> None:
    out = call("teach", "no,", "never call print").out
    assert "(preference): Never call print." in out and "your words  no, never call print" in out
    assert "may not match in **/*.py" in out and "insights edit" in out


def test_what_is_taught_is_the_users_own_and_may_train(call: Call) -> None:
    rule = taught(call, "in tests/ use pytest")
    assert (rule["scope"], rule["provenance"]["source"]) == ("tests", "user")
    assert call("why", rule["id"], "--json").result["trainable"] is True


def test_options_say_what_the_words_do_not(call: Call) -> None:
    rule = taught(call, "use tabs", "--scope", "api/", "--kind", "pattern", "--global")
    assert (rule["scope"], rule["kind"], rule["project"]) == ("api", "pattern", "")
    checked = taught(call, "do not use eval", "--check-regex", r"\beval\(")
    assert checked["data"]["check"] == {"regex": r"\beval\("}


def test_several_rules_and_definitions_are_taught_at_once(call: Call) -> None:
    rules = call("teach", "Never call print. Always use uv.", "--json").result["taught"]
    assert [rule["text"] for rule in rules] == ["Never call print.", "Always use uv."]
    assert taught(call, "42 = harmony between rules and freedom")["kind"] == "definition"


def test_each_quoted_text_is_taught_by_itself_and_what_is_no_rule_is_named(call: Call) -> None:
    rules = ("Prefix functions that read files with read_.", "Commit messages start with [shop].")
    apart = call("teach", *rules, "--json").result
    assert ([one["text"] for one in apart["taught"]], apart["left_out"]) == (list(rules), [])
    joined = call("teach", " ".join(rules), "--json").result
    assert ([one["text"] for one in joined["taught"]], joined["left_out"]) == (
        [rules[1]],
        [rules[0]],
    )
    assert f"not a rule by itself: {rules[0]!r}" in call("teach", " ".join(rules)).out


def test_what_goes_against_it_yields_and_both_tell(call: Call) -> None:
    old = taught(call, "Never retry a POST.")
    new = taught(call, "Always retry a POST.")
    assert list(new["replaced"]) == [old["id"]]
    assert [row["what"] for row in insights(call)] == ["Always retry a POST."]
    assert f"lost to      {new['id'][:8]} Always retry" in call("why", old["id"]).out
    assert f"won over     {old['id'][:8]} Never retry" in call("why", new["id"]).out


def test_what_was_rejected_and_is_taught_again_holds(call: Call) -> None:
    rule = taught(call, "Never call print.")
    call("insights", "reject", rule["id"])
    taught(call, "Never call print.")
    (row,) = insights(call)
    assert (row["status"], row["stage"]) == ("unvalidated", "captured")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("teach", " "), "the text is empty"),
        (("teach", "x" * 4_001), "4,001 characters"),
        (("teach", "\udcff"), "not valid UTF-8"),
        (("teach", f"token = {TOKEN}"), "looks like a secret"),
        (("teach", "Never eval. Always use uv.", "--check-regex", "x"), "one at a time"),
        (("teach", "never eval", "--check-regex", "("), "no regular expression"),
        (("teach", "never eval", "--scope", "/elsewhere"), "not in this project"),
        (("correct",), "required"),
        (("correct", "abc"), "the text is empty"),
        (("correct", "abcd", "right"), "no item has the id 'abcd'"),
        (("correct", "--last", "right"), "no run has ended in this project"),
        (("correct", "--last", "right", "--type", "zebra"), "invalid choice"),
        (("forget", "abcd"), "no item has the id 'abcd'"),
        (("why", "abcd"), "no item has the id 'abcd'"),
        (("insights", "--limit", "0"), "--limit is 0"),
        (("insights", "--stage", "zebra"), "invalid choice"),
        (("insights", "zebra"), "invalid choice"),
        (("insights", "accept", "abcd"), "no item has the id 'abcd'"),
    ],
)
def test_wrong_input_is_told(call: Call, args: tuple[str, ...], says: str) -> None:
    ended = call(*args)
    assert (ended.code, says in ended.err) == (2, True), ended.err
    assert ended.out == ""


# -- correct ---------------------------------------------------------------------------------------


def test_a_correction_takes_the_place_of_the_item(call: Call) -> None:
    old = taught(call, "Retry a POST three times.", "--scope", "api")
    ended = call("correct", old["id"][:8], "retry a POST twice", "--type", "logic", "--json")
    assert (ended.result["original"], ended.result["replaced"]) == (old["text"], old["id"])
    (row,) = insights(call)
    assert row["what"] == "Retry a POST twice."
    why = call("why", ended.result["id"]).out
    assert "your words   retry a POST twice" in why and f"corrects     {old['id'][:8]}" in why
    assert "holds for    api" in why and "corrected by the user (logic)" in why
    again = call("correct", old["id"], "x y z")
    assert (again.code, "is superseded" in again.err) == (2, True)
    same = call("correct", ended.result["id"], "Retry a POST twice.")
    assert (same.code, "already" in same.err) == (2, True)


def test_what_was_read_from_files_or_is_a_contract_is_not_changed_here(
    call: Call, journal_file: Path
) -> None:
    Path("shop.py").write_text("def price():\n    return 1\n")
    assert call("index", ".").code == 0
    project = project_id(Path.cwd())
    contract = Item(kind=Kind.PRESERVATION, text="a.py must not change", project=project)
    with Journal(journal_file) as journal:
        journal.put(contract)
        (code,) = [one.id for one in journal.live() if one.item.kind is Kind.CODE][:1]
    for id, says in ((code, "was read from 'shop.py'"), (contract.id, "is a contract")):
        for args in (("correct", id, "x y"), ("forget", id, "--yes"), ("insights", "reject", id)):
            ended = call(*args)
            assert (ended.code, says in ended.err) == (2, True), ended.err


def finished_run(home: Path) -> str:
    request = RunRequest(
        run_id="20260101-000000-abcd", task="add a cart", workspace=str(Path.cwd()), created="now"
    )
    RunStore(home).create(request)
    RunStore(home).write_result(
        RunResult(
            run_id=request.run_id,
            status="delivered",
            task=request.task,
            workspace=request.workspace,
            diff="+total = 0.0",
        )
    )
    return request.run_id


def test_the_last_run_is_corrected_with_the_rule_that_was_said(
    call: Call, state_home: Path, journal_file: Path
) -> None:
    run = finished_run(state_home)
    taught(call, "Always set total to 0.0")
    ended = call("correct", "--last", "never use floats for money", "--type", "logic", "--json")
    assert ended.code == 0, ended.err
    assert ended.result["run"] == run
    rows = {row["kind"]: row["what"] for row in reversed(insights(call))}
    assert len(insights(call)) == 3 and rows["preference"] == "Never use floats for money."
    assert rows["correction"].startswith("original: +total = 0.0 corrected: never use floats")
    with Journal(journal_file) as journal:
        (signal,) = journal.signals(target=run)
    assert (signal.reward, signal.source) == (-1, "run")
    assert f"-1.00 (run {run})" in call("why", ended.result["id"]).out


# -- forget ----------------------------------------------------------------------------------------


def test_forgetting_leaves_no_byte(call: Call, journal_file: Path) -> None:
    rule = taught(call, "Ship zanzibar orders by air.")
    call("insights", "accept", rule["id"], "--reason", "zanzibar is far")
    ended = call("forget", rule["id"][:8], "--reason", "mine", "--yes", "--json")
    assert (ended.code, ended.result["changed"]) == (0, 1)
    files = b"".join(file.read_bytes() for file in journal_file.parent.glob("journal.sqlite*"))
    assert b"zanzibar" not in files.lower()
    assert insights(call) == []
    assert "was erased" in call("why", rule["id"]).out
    assert "erased already" in call("forget", rule["id"], "--yes").out


def test_what_a_reader_kept_in_the_log_is_not_told_as_gone(
    call: Call, journal_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = Path(".cursor/rules/local-llm.mdc")
    rules.parent.mkdir(parents=True)
    rules.write_text("")
    rule = taught(call, "Ship zanzibar orders by air.")
    assert "zanzibar" in rules.read_text()
    with closing(sqlite3.connect(journal_file, isolation_level=None)) as reading:
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM item").fetchone()
        ended = call("forget", rule["id"], "--yes")
        assert (ended.code, "memory compact" in ended.err) == (3, True)
        assert "zanzibar" not in rules.read_text()
        assert memory_admin.main(["compact"]) == 3
        assert "end that process" in capsys.readouterr().err
    assert memory_admin.main(["compact"]) == 0
    files = b"".join(file.read_bytes() for file in journal_file.parent.glob("journal.sqlite*"))
    assert b"zanzibar" not in files.lower()


@pytest.mark.parametrize("start", ["", " ", "abc"])
def test_an_empty_or_short_id_erases_nothing(call: Call, start: str) -> None:
    taught(call, "Never call print.")
    ended = call("forget", start, "--yes")
    assert (ended.code, "at least 4 characters" in ended.err) == (2, True)
    assert len(insights(call)) == 1


def test_a_reason_or_a_mark_keeps_no_secret(call: Call, journal_file: Path) -> None:
    rule = taught(call, "Never call print.")
    assert call("forget", rule["id"], "--yes", "--reason", f"token {TOKEN}").code == 2
    assert memory_admin.main(["reject", rule["id"], "--reason", f"token {TOKEN}"]) == 2
    assert memory_admin.main(["mark", TOKEN]) == 2
    files = b"".join(file.read_bytes() for file in journal_file.parent.glob("journal.sqlite*"))
    assert TOKEN.encode() not in files


def test_nothing_is_erased_without_a_yes(call: Call, state_home: Path) -> None:
    rule = taught(call, "Never call print.")
    ended = call("forget", rule["id"], "--json")
    assert (ended.code, "--yes" in ended.err) == (2, True)

    def answer(heard: bytes) -> bytes:
        return b"no\n" if heard.endswith(b"[y/N] ") else b""

    code, said = converse([CLI, "forget", rule["id"]], Path.cwd(), answer, 60)
    assert (code, "Never call print." in said, "nothing was erased" in said) == (1, True, True)
    assert len(insights(call)) == 1


def test_it_is_erased_when_the_user_says_so_on_a_terminal(call: Call) -> None:
    rule = taught(call, "Never call print.")

    def answer(heard: bytes) -> bytes:
        return b"y\n" if heard.endswith(b"[y/N] ") else b""

    code, said = converse([CLI, "forget", rule["id"]], Path.cwd(), answer, 60)
    assert (code, f"erased {rule['id'][:8]}" in said) == (0, True), said
    assert insights(call) == []


# -- insights and why ------------------------------------------------------------------------------


def relayed(journal_file: Path, text: str) -> Item:
    by_model = Provenance(source="relayed", where="mcp session 3")
    item = Item(
        kind=Kind.PREFERENCE, text=text, project=project_id(Path.cwd()), provenance=by_model
    )
    with Journal(journal_file) as journal:
        journal.take("event", [item])
    return item


def test_what_a_model_relayed_trains_once_it_is_accepted(call: Call, journal_file: Path) -> None:
    item = relayed(journal_file, "Never call print.")
    (row,) = insights(call, "--source", "relayed")
    assert row["next step"].startswith("accept or reject it")
    assert call("insights", "accept", item.id[:8]).out == (
        f"accepted {item.id[:8]}: Never call print.\n"
    )
    (row,) = insights(call, "--status", "validated", "--stage", "validated")
    assert row["from"] == "user accepted mcp session 3"
    assert call("why", item.id, "--json").result["trainable"] is True


def test_what_is_rejected_is_withdrawn_until_it_is_accepted(call: Call) -> None:
    rule = taught(call, "Never call print.")
    call("insights", "reject", rule["id"], "--reason", "it is a script")
    (row,) = insights(call)
    assert (row["status"], row["stage"]) == ("rejected", "withdrawn")
    why = call("why", rule["id"])
    assert "withdrawn" in why.out and "reason it is a script" in why.out
    assert "trainable    no" in why.out
    call("insights", "accept", rule["id"])
    assert insights(call)[0]["stage"] == "validated"


def test_an_insight_is_edited(call: Call) -> None:
    rule = taught(call, "Never call print.")
    moved = call("insights", "edit", rule["id"], "--scope", "src", "--no-check", "--json").result
    assert (moved["item"]["scope"], "check" in moved["item"]["data"]) == ("src", False)
    said = call("insights", "edit", moved["id"], "use logging, not print", "--json").result
    assert (said["item"]["scope"], said["replaced"]) == ("src", moved["id"])
    assert [row["id"] for row in insights(call)] == [said["id"][:8]]
    same = call("insights", "edit", said["id"], "--no-check", "--json").result
    assert same["id"] == said["id"]
    nothing = call("insights", "edit", said["id"])
    assert (nothing.code, "nothing to change" in nothing.err) == (2, True)


def test_the_next_step_follows_the_stage(call: Call, journal_file: Path) -> None:
    rule = taught(call, "Never call print.")
    expected = {"queued": "next training", "trained": "without being recalled", "proven": "prompt"}
    for stage, says in expected.items():
        with Journal(journal_file) as journal:
            journal.advance(rule["id"], Stage(stage), adapter="a1")
        (row,) = insights(call, "--stage", stage)
        assert says in row["next step"]
    assert "adapter a1" in call("why", rule["id"]).out


def test_what_a_run_noted_is_recalled_only(call: Call, journal_file: Path) -> None:
    with Journal(journal_file) as journal:
        journal.put(Item(text="the build is slow", provenance=Provenance(source="run")))
    assert insights(call)[0]["next step"] == "recalled only: not typed by you"


def test_lists_are_columns_for_programs_and_a_table_for_people(call: Call) -> None:
    assert "nothing was learnt" in call("insights").err
    taught(call, "Never call print.")
    taught(call, "Always use uv.")
    plain = call("insights", "--limit", "1")
    assert plain.out.split("\t")[1] == "Always use uv." and "1 more" in plain.err
    code, shown = converse([CLI, "insights"], Path.cwd(), lambda _: b"", 60)
    assert (code, "next step" in shown, "print" in shown) == (0, True, True), shown


def test_insights_are_exported_as_lines(call: Call, tmp_path: Path) -> None:
    rule = taught(call, "Never call print.")
    (line,) = call("insights", "export").out.splitlines()
    exported = json.loads(line)
    assert (exported["id"], exported["trainable"]) == (rule["id"], True)
    assert exported["stages"][0]["stage"] == "captured"
    target = tmp_path / "all.jsonl"
    assert call("insights", "export", str(target), "--json").result["lines"] == 1
    again = call("insights", "export", str(target))
    assert (again.code, "--force" in again.err) == (2, True)
    assert call("insights", "export", str(target), "--force").code == 0
    assert target.read_text() == line + "\n"
    lost = call("insights", "export", "/nowhere/x")
    assert (lost.code, "cannot write" in lost.err) == (3, True)


def test_why_tells_the_runs_that_recalled_it_and_how_they_were_taken(
    call: Call, state_home: Path, journal_file: Path
) -> None:
    rule = taught(call, "Never call print.")
    run = finished_run(state_home)
    store = RunStore(state_home)
    result = store.result(run)
    assert result is not None
    told = result.model_dump() | {"recalled": [{"id": "r1", "text": rule["text"]}]}
    store.write_result(RunResult.model_validate(told))
    broken = RunRequest(run_id="20260102-0", task="t", workspace="/", created="now")
    (store.create(broken) / "result.json").write_text("rubbish")
    with Journal(journal_file) as journal:
        journal.signal(
            Signal.model_validate(
                {"key": "k", "at": "2026-01-01T00:00:00Z", "source": "run", "target": run}
                | {"reward": 1, "feeling": -1}
            )
        )
    why = call("why", rule["id"])
    assert f"in the run {run}" in why.out and f"+0.40 (run {run}, felt -1.00)" in why.out
    as_json = call("why", rule["id"], "--json").result
    assert (as_json["runs"], len(as_json["signals"])) == ([run], 1)


def test_a_turns_words_and_time_are_told(call: Call, journal_file: Path) -> None:
    said = {"words": "please never print", "said": "2026-01-01T10:00:00+00:00"}
    item = Item(
        kind=Kind.PREFERENCE,
        text="Never call print.",
        provenance=Provenance(source="chat", where="chat 7"),
        data=said,
    )
    with Journal(journal_file) as journal:
        journal.take("turn", [item])
    why = call("why", item.id).out
    assert "said by      chat chat 7" in why and "said at      2026-01-01T10:00:00" in why


def test_teaching_from_standard_input_works_in_a_pipe(call: Call) -> None:
    done = subprocess.run(
        [CLI, "teach", "-"], input="never call print", capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, "Never call print." in done.stdout) == (0, True), done.stderr


def test_a_decision_is_one_record_of_its_parts_also_when_it_is_corrected(call: Call) -> None:
    said = "We decided to use SQLite instead of Postgres because it has to work offline"
    (decision,) = call("teach", "--json", "--kind", "decision", said).result["taught"]
    parts = {"chosen": "SQLite", "suggested": "Postgres", "words": said}
    assert parts.items() <= decision["data"].items()
    assert decision["data"]["constraints"] == ["it has to work offline"]
    assert "check" not in call("teach", "--kind", "decision", "one binary for all").out
    corrected = call("correct", "--json", decision["id"], "Decision: DuckDB, since it is faster")
    id = corrected.result["id"]
    (known,) = (one for one in insights(call) if one["id"] == id[:8])
    assert (known["kind"], "chosen: DuckDB" in known["what"]) == ("decision", True)
