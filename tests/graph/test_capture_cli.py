"""The commands `import-chats`, `hooks` and `ingest`, and where else the spool is taken in."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.capture.spool import is_waiting, spool_file
from graph import hooks_cli, import_cli, insights_cli

CHATS = Path(__file__).parents[1] / "capture" / "chats"
Call = Callable[..., "tuple[int, str, str]"]
TEACHING = "From now on use tenacity for every retry."


@pytest.fixture
def call(
    home: Path, project: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> Call:  # fmt: skip
    """Run a command in the project; returns its exit code and what it said."""
    monkeypatch.chdir(project)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))

    def called(main: Callable[[list[str]], int], *args: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(list(args))
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out, said.err

    return called


@pytest.fixture
def chats(project: Path) -> Path:
    """A folder with one chat of each format, in the project."""
    shutil.copytree(CHATS, project / "chats")
    return project / "chats"


def imported(call: Call, *args: str) -> dict[str, Any]:
    code, out, _ = call(import_cli.import_chats, "--words-only", "--json", *args)
    assert code == 0
    found: dict[str, Any] = json.loads(out)
    return found


def test_chats_of_three_tools_are_learnt_from_once(call: Call, chats: Path) -> None:
    first = imported(call, "--here", str(chats))
    assert first["files"] == {"aider": 1, "claude": 1, "specstory": 1}
    learnt = [one["text"] for one in first["learnt"]]
    assert any("quote prices in cents" in text for text in learnt)
    assert any("tenacity" in text for text in learnt)
    forged = ("French", "no-verify", "verse", "tabs", "push", "skip", "floats", "German", "cut")
    assert not [text for text in learnt if any(word in text for word in forged)]
    assert first["signals"] >= 4
    second = imported(call, "--here", str(chats))
    assert (second["learnt"], second["signals"]) == ([], 0)
    assert second["refused"]["seen before"] == second["turns"] == first["turns"]


def test_a_dry_run_says_what_would_be_learnt(call: Call, chats: Path) -> None:
    code, out, _ = call(import_cli.import_chats, "--words-only", "--dry-run", str(chats))
    assert code == 0 and "tenacity" in out and "nothing was stored" in out
    assert "its folder is gone" in out
    assert imported(call, str(chats))["learnt"]


def test_a_chat_teaches_the_project_it_was_held_in(
    call: Call, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    subprocess.run(["git", "init", "--quiet", str(other)], check=True)
    shutil.copy(CHATS / "aider.md", other / ".aider.chat.history.md")
    assert imported(call, str(other))["learnt"]
    assert "generator" not in call(insights_cli.main)[1]
    monkeypatch.chdir(other)
    assert "generator" in call(insights_cli.main)[1]


def test_a_file_that_cannot_be_read_is_named_and_the_rest_is_read(call: Call, chats: Path) -> None:
    with (chats / ".aider.chat.history.md").open("wb") as file:
        file.truncate(200_000_001)
    code, out, err = call(import_cli.import_chats, "--words-only", "--here", str(chats))
    assert code == 1 and "200,000,000" in err and "tenacity" in out


@pytest.mark.parametrize("args", [["none"], ["shop"], []])
def test_wrong_input_is_told_in_a_line(call: Call, args: list[str]) -> None:
    code, out, err = call(import_cli.import_chats, *args)
    assert code == 2 and err and not out


# -- hooks and spool -----------------------------------------------------------------------------


def test_hooks_are_installed_told_and_removed(call: Call, project: Path, tmp_path: Path) -> None:
    code, out, _ = call(hooks_cli.main, "install")
    assert code == 0 and "beforeSubmitPrompt" in out
    assert (project / ".cursor" / "hooks.json").exists()
    assert call(hooks_cli.main, "install", "--user")[0] == 0
    assert (tmp_path / "user" / ".cursor" / "hooks.json").exists()
    assert "installed twice" in call(hooks_cli.main, "status")[1]
    status = json.loads(call(hooks_cli.main, "status", "--json")[1])
    assert status["project"] == status["user"] and status["script_current"]
    assert "took our hooks" in call(hooks_cli.main, "remove")[1]
    assert "none in" in call(hooks_cli.main, "remove")[1]
    assert json.loads(call(hooks_cli.main, "remove", "--user", "--json")[1])["removed"]


def test_a_script_that_is_gone_is_told(call: Call, home: Path) -> None:
    call(hooks_cli.main, "install")
    shutil.rmtree(home / "hooks")
    assert "missing or old" in call(hooks_cli.main, "status")[1]


def test_a_file_of_another_form_is_an_error(call: Call, project: Path) -> None:
    (project / ".cursor").mkdir()
    (project / ".cursor" / "hooks.json").write_text("{ // mine\n}")
    code, _, err = call(hooks_cli.main, "install")
    assert code == 2 and "stays as it is" in err


@pytest.fixture
def noted(home: Path, project: Path) -> Path:
    """A prompt that waits in the spool."""
    spool_file(home).parent.mkdir(parents=True)
    event = {
        "hook_event_name": "beforeSubmitPrompt", "conversation_id": "c", "generation_id": "g",
        "root": str(project), "text": TEACHING, "at": 1.77e9,
    }  # fmt: skip
    spool_file(home).write_text(json.dumps(event) + "\n")
    return home


def test_ingest_learns_what_waits_and_then_has_nothing_to_do(call: Call, noted: Path) -> None:
    found = json.loads(call(import_cli.ingest, "--json")[1])
    assert ["tenacity" in one["text"] for one in found["learnt"]] == [True]
    code, out, _ = call(import_cli.ingest)
    assert code == 0 and "learnt" in out and "tenacity" not in out


def test_insights_shows_what_waited(call: Call, noted: Path) -> None:
    assert "tenacity" in call(insights_cli.main)[1]
    assert not is_waiting(noted)


def test_a_spool_that_cannot_be_taken_in_hinders_nobody_else(call: Call, noted: Path) -> None:
    spool_file(noted).unlink()
    spool_file(noted).mkdir()
    assert call(insights_cli.main)[0] == 0
    code, _, err = call(import_cli.ingest)
    assert code == 3 and "spool" in err
