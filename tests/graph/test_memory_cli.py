"""The commands remember, recall and memory, on a real journal, with and without an index."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agents.memory_host import EMBEDDER_VARIABLE
from graph import insights_cli, memory_admin, memory_cli
from memory.journal import Journal
from memory.layout import journal_path, memory_folder

if TYPE_CHECKING:
    from tests.graph.conftest import Ended

Call = Callable[..., "Ended"]


@pytest.fixture
def call(
    state_home: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Call:
    """Run `mcp-local-llm COMMAND …` in a folder of its own."""
    from tests.graph.conftest import Ended

    monkeypatch.setenv(EMBEDDER_VARIABLE, "hash")
    monkeypatch.chdir(tmp_path)
    commands = {
        "remember": memory_cli.remember,
        "recall": memory_cli.recall,
        "insights": insights_cli.main,
    }

    def run(command: str, *args: str) -> Ended:
        capsys.readouterr()
        code = commands.get(command, memory_admin.main)([*args])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Ended(code, said.out, said.err)

    return run


def taught(call: Call, text: str, *args: str) -> str:
    ended = call("remember", text, "--json", *args)
    assert ended.code == 0, ended.err
    found: str = ended.result["id"]
    return found


def recalled(call: Call, query: str, *args: str) -> list[str]:
    ended = call("recall", query, "--json", *args)
    assert ended.code == 0, ended.err
    return [hit["item"]["text"] for hit in ended.result["hits"]]


def test_what_is_remembered_is_recalled(call: Call, tmp_path: Path) -> None:
    assert "as fact" in call("remember", "Prices are in cents").out
    assert "for every task" in call("remember", "Never use floats for prices").out
    assert "everywhere" in call("remember", "Money needs rounding", "--global").out
    command = [str(Path(sys.executable).with_name("mcp-local-llm")), "remember", "-"]
    piped = [*command, "--kind", "definition"]
    subprocess.run(piped, input=b"Prices are net\n", cwd=tmp_path, check=True, timeout=60)
    assert len(recalled(call, "prices")) == 3
    assert recalled(call, "prices", "--kind", "definition") == ["Prices are net"]
    assert recalled(call, "prices", "--limit", "1")
    plain = call("recall", "money")
    assert "fact  Money needs rounding" in plain.out
    assert "words alone" in call("recall", "prices", "--explain").err
    assert "nothing is known" in call("recall", "zebra").err


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("remember", "  "), "text is empty"),
        (("remember", "x" * 1_000_001), "1,000,001 characters"),
        (("remember", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"), "looks like a secret"),
        (("remember", "x", "--kind", "zebra"), "invalid choice"),
        (("remember", "x", "--confidence", "1.5"), "--confidence is 1.5"),
        (("remember", "x", "--confidence", "nan"), "--confidence is nan"),
        (("remember", "x", "--confidence", "very"), "invalid float value"),
        (("remember", "x", "--scope", "/elsewhere"), "not in this project"),
        (("recall", "x", "--scope", "../elsewhere"), "not in this project"),
        (("recall", " "), "query is empty"),
        (("recall", "x", "--limit", "0"), "--limit is 0"),
        (("remember", "x", "--kind", "code"), "invalid choice: 'code'"),
        (("remember", "\udcff"), "not valid UTF-8"),
        (("remember", "x", "--scope", "\udcff"), "not valid UTF-8"),
        (("remember", "x", "--scope", "src)\n# Rules"), "a line break"),
        (("remember", "x", "--scope", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"), "a secret"),
        (("remember", "x", "--replaces", "abcd"), "no item has the id 'abcd'"),
        (("recall", "\udcff"), "not valid UTF-8"),
        (("memory", "forget", "abcd"), "no item has the id 'abcd'"),
        (("memory", "return-to", "never"), "no mark"),
        (("memory", "import", "/nowhere/x"), "cannot open"),
        (("memory", "restore", "/nowhere/x"), "no back-up"),
        (("memory",), "required"),
    ],
)
def test_wrong_input_is_told(call: Call, args: tuple[str, ...], says: str) -> None:
    ended = call(*args)
    assert (ended.code, says in ended.err) == (2, True), ended.err
    assert ended.out == ""


def test_errors_are_one_object_for_programs(call: Call) -> None:
    ended = call("recall", " ", "--json")
    assert ended.result["exit_code"] == 2


def test_a_forgotten_item_is_erased_and_only_that_it_was_is_told(call: Call) -> None:
    one, other = taught(call, "Prices are in cents"), taught(call, "Prices are net")
    assert call("memory", "forget", one[:8], "--reason", "wrong", "--yes").code == 0
    assert recalled(call, "prices") == ["Prices are net"]
    steps = call("memory", "history", one, "--json").result["history"]
    assert [step["op"] for step in steps] == ["erase"]
    assert "Prices are net" in call("memory", "history", other[:8]).out
    assert "at least 4" in call("memory", "forget", "", "--yes").err
    assert "cents" not in call("memory", "history", one[:8].upper()).out


def test_an_item_is_replaced_by_what_is_said_instead(call: Call) -> None:
    old = taught(call, "Prices are in cents")
    assert "instead of" in call("remember", "Prices", "are", "net", "--replaces", old[:8]).out
    assert recalled(call, "prices") == ["Prices are net"]
    assert "supersede" in call("memory", "history", old).out
    again = call("remember", "Prices are gross", "--replaces", old)
    assert (again.code, "superseded" in again.err) == (2, True), again.err
    assert recalled(call, "prices") == ["Prices are net"]


def test_a_rejected_item_is_recalled_nowhere_until_it_is_confirmed(call: Call) -> None:
    rule = taught(call, "Never use floats for prices")
    assert "rejected" in call("memory", "reject", rule[:8], "--reason", "it is fine").out
    assert recalled(call, "floats") == []
    assert "rejected, it is fine" in call("memory", "history", rule).out
    assert call("memory", "confirm", rule, "--json").result["status"] == "validated"
    assert recalled(call, "floats") == ["Never use floats for prices"]


@pytest.mark.parametrize("command", ["memory", "insights"])
@pytest.mark.parametrize("words", ["Never use floats for prices", "never use floats for prices"])
def test_what_the_user_says_again_is_rejected_no_longer(
    call: Call, command: str, words: str
) -> None:
    rule = taught(call, "Never use floats for prices")
    call(command, "reject", rule)
    assert "it was rejected, and is not any more" in call("remember", words).out
    assert recalled(call, "floats") == [words]
    listed = call("insights").out
    assert "unvalidated" in listed and "captured" in listed
    assert "rejected" not in call("remember", words).out


def test_what_has_nothing_to_do_with_the_question_is_left_out(call: Call) -> None:
    taught(call, "Prices are in cents")
    assert call("memory", "rebuild").code == 0
    assert recalled(call, "how are prices kept") == ["Prices are in cents"]
    assert "nothing is known" in call("recall", "zebra").err


def test_control_characters_do_not_reach_the_terminal(call: Call) -> None:
    taught(call, "a \x1b[31mred bell\a")
    out = call("recall", "bell").out
    assert "a \\x1b[31mred bell\\x07" in out and "\x1b" not in out


def test_code_is_told_by_its_place(call: Call, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("import os\n\n\ndef price():\n    return 1\n")
    assert memory_cli.index([str(tmp_path)]) == 0
    assert "code  shop.py:4  price" in call("recall", "price", "--kind", "code").out


def test_what_is_at_hand_is_preferred(call: Call, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(f"def price():\n    return {name!r}\n")
    assert memory_cli.index([str(tmp_path)]) == 0
    assert call("memory", "rebuild").code == 0

    def boosts(*args: str) -> list[dict[str, float]]:
        hits = call("recall", "price", "--json", *args).result["hits"]
        return [hit["why"]["boosts"] for hit in hits if "two.py" in hit["item"]["text"]]

    assert boosts() == [{}]
    assert boosts("--file", str(tmp_path / "two.py")) == [{"file": 0.1}]
    assert boosts("--error", "Traceback\nNameError: price") == [{"error": 0.05}]
    named = boosts("--function", "price", "--dependency", "price")
    assert named == [{"function": 0.05, "dependency": 0.05}]


def test_a_day_is_taken_back_by_returning_to_a_mark(call: Call) -> None:
    taught(call, "Prices are in cents")
    assert "marked 'before'" in call("memory", "mark", "before").out
    taught(call, "Prices are in euros")
    assert call("memory", "return-to", "before", "--json").result["changes"] == 1
    assert recalled(call, "prices") == ["Prices are in cents"]
    assert call("memory", "mark").out.endswith("  before\n")
    assert "anew" in call("memory", "mark", "before").out


def test_an_export_to_a_full_disk_says_so(call: Call) -> None:
    taught(call, "Prices are in cents")
    ended = call("memory", "export", "/dev/full")
    assert (ended.code, "not complete" in ended.err) == (3, True), ended.err


def test_it_is_exported_imported_backed_up_and_restored(call: Call, tmp_path: Path) -> None:
    taught(call, "Prices are in cents")
    lines, copy = str(tmp_path / "all.jsonl"), str(tmp_path / "copy.sqlite")
    assert call("memory", "export", lines, "--json").result["lines"] == 1
    assert call("memory", "backup", copy).code == 0
    taught(call, "Prices are net")
    assert call("memory", "import", lines, "--json").result["added"] == 0
    restored = call("memory", "restore", copy, "--json")
    assert restored.code == 0, restored.err
    assert Path(restored.result["kept"]).is_file()
    assert recalled(call, "prices") == ["Prices are in cents"]
    assert call("memory", "compact", "--purge").code == 0


def test_the_index_is_counted_made_anew_and_explains_itself(call: Call) -> None:
    taught(call, "Prices are in cents")
    assert "not open" in call("memory", "stats").out
    rebuilt = call("memory", "rebuild", "--json")
    assert rebuilt.code == 0, rebuilt.err
    assert rebuilt.result["index"]["points"] == 1
    figures = call("memory", "stats", "--json").result
    assert (figures["journal"]["live"], figures["index"]["pending"]) == (1, 0)
    assert "1 points of hash-1-384" in call("memory", "stats").out
    assert call("memory", "verify").out == "the memory is sound\n"
    explained = call("recall", "prices", "--explain")
    assert ("meaning #1" in explained.out, explained.err) == (True, "")
    copy = call("memory", "move", "http://127.0.0.1:1")
    assert (copy.code, "could not open" in copy.err) == (3, True), copy.err


def test_a_damaged_journal_says_how_to_go_on(call: Call, state_home: Path) -> None:
    taught(call, "Prices are in cents")
    journal = state_home / "memory" / "journal.sqlite"
    for beside in journal.parent.glob("journal.sqlite-*"):
        beside.unlink()
    journal.write_bytes(b"rubbish" * 1_000)
    ended = call("recall", "prices")
    assert (ended.code, "memory restore" in ended.err) == (3, True), ended.err


def test_what_was_said_of_a_part_of_the_project_is_recalled_there(
    call: Call, tmp_path: Path
) -> None:
    (tmp_path / "src" / "api").mkdir(parents=True)
    taught(call, "Prices are in cents", "--scope", "./src//api/")
    taught(call, "Prices are net")
    everywhere = {"Prices are in cents", "Prices are net"}
    assert set(recalled(call, "prices")) == everywhere
    for _ in ("by words", "by the index"):
        assert set(recalled(call, "prices", "--scope", "src/api/views.py")) == everywhere
        assert recalled(call, "prices", "--scope", "src") == ["Prices are net"]
        assert recalled(call, "prices", "--scope", ".") == ["Prices are net"]
        assert call("memory", "rebuild").code == 0
    assert "scope src/api" in call("recall", "prices", "--explain").out


def test_a_doubt_is_shown_and_counts(call: Call) -> None:
    taught(call, "Prices are in cents", "--confidence", "0.4")
    assert "confidence 0.4" in call("recall", "prices", "--explain").out
    assert call("memory", "rebuild").code == 0
    (hit,) = call("recall", "prices", "--json").result["hits"]
    assert (hit["item"]["confidence"], hit["why"]["boosts"]["doubt"]) == (0.4, -0.06)


def test_an_import_tells_the_lines_with_secrets_and_takes_the_rest(
    call: Call, tmp_path: Path
) -> None:
    lines = tmp_path / "lines.jsonl"
    token = "ghp_" + "abcdefghijklmnopqrstuvwxyz0123456789"
    lines.write_text('{"text": "Prices are net"}\n' + f'{{"text": "use {token}"}}\n' * 12)
    ended = call("memory", "import", str(lines))
    assert (ended.code, "13 lines were read, 1 were new" in ended.out) == (1, True), ended.err
    assert "12 of the lines (2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more)" in ended.err
    assert recalled(call, "prices") == ["Prices are net"]


def test_files_are_replaced_only_with_force(call: Call, tmp_path: Path) -> None:
    taught(call, "Prices are in cents")
    for command in ("export", "backup"):
        file = tmp_path / command
        file.write_text("mine")
        refused = call("memory", command, str(file))
        assert (refused.code, "--force" in refused.err) == (2, True), refused.err
        assert file.read_text() == "mine"
        assert call("memory", command, str(file), "--force").code == 0
        assert file.stat().st_size > 100


def test_a_file_that_is_no_backup_is_told_without_going_round_in_circles(
    call: Call, tmp_path: Path
) -> None:
    file = tmp_path / "notes"
    file.write_text("no database" * 1_000)
    ended = call("memory", "restore", str(file))
    assert (ended.code, "memory backup" in ended.err) == (3, True), ended.err
    assert "memory restore" not in ended.err.removeprefix("mcp-local-llm memory")


def test_history_tells_what_an_item_is_near_to(call: Call, state_home: Path) -> None:
    one, other = taught(call, "Prices are in cents"), taught(call, "All prices are in cents")
    with Journal(journal_path(memory_folder(state_home))) as journal:
        journal.link(one, other)
    assert "near: All prices are in cents" in call("memory", "history", one).out
    assert "near: Prices are in cents" in call("memory", "history", other).out
    with Journal(journal_path(memory_folder(state_home))) as journal:
        journal.forget(other, "")
    shown = call("memory", "history", one, "--json").result["history"][1]
    assert (shown["op"], shown["other_text"]) == ("link", None)
    assert "near: (forgotten)" in call("memory", "history", one).out
