"""Entering the server in Cursor and taking it out again: merged, idempotent, exactly undone."""

from __future__ import annotations

import base64
import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from agents.capture.rule_file import refresh_rules
from agents.home import HOME_VARIABLE
from graph import memory_admin, teach_cli
from graph.preserve_cli import contracts
from mcp_server.door import Door
from mcp_server.installer import main
from memory.records import Item, Kind
from tests.graph.conftest import Demo

Init = Callable[..., int]
FILES = (".cursor/mcp.json", ".cursor/rules/local-llm.mdc", ".cursor/hooks.json")


@pytest.fixture
def init(home: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> Init:
    """Run the command in the project, for a user with a home of the test's own."""
    monkeypatch.setenv("HOME", str(home.parent / "me"))
    (home.parent / "me").mkdir()
    monkeypatch.chdir(project)

    def call(*words: str) -> int:
        return main(["cursor", *words])

    return call


def content(project: Path) -> dict[str, bytes | None]:
    return {
        name: (project / name).read_bytes() if (project / name).exists() else None for name in FILES
    }


def test_it_enters_server_rules_and_hooks_and_again_changes_nothing(
    init: Init, project: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init("--yes", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert {Path(each).relative_to(project).as_posix() for each in said["files"]} == set(FILES)
    server = json.loads((project / FILES[0]).read_text())["mcpServers"]["local-llm"]
    assert Path(server["command"]).is_file()
    assert server["args"] == ["serve", "--workspace", str(project)]
    assert server["env"] == {HOME_VARIABLE: str(home)}, "Cursor may be started without it"
    link = parse_qs(urlsplit(said["deeplink"]).query)
    assert json.loads(base64.b64decode(link["config"][0])) == server
    rules = (project / FILES[1]).read_text()
    assert rules.startswith("---\n")
    assert "alwaysApply: true" in rules
    assert "beforeSubmitPrompt" in (project / FILES[2]).read_text()

    before = content(project)
    assert init("--yes", "--json") == 0
    assert json.loads(capsys.readouterr().out)["files"] == []
    assert content(project) == before


def test_what_others_have_stays_and_removing_gives_back_every_byte(
    init: Init, project: Path
) -> None:
    (project / ".cursor").mkdir()
    theirs = '{"mcpServers":   {"other": {"command": "x"}},\r\n "note": 1}\r\n'
    (project / FILES[0]).write_bytes(theirs.encode())
    assert init("--yes") == 0
    servers = json.loads((project / FILES[0]).read_text())
    assert set(servers["mcpServers"]) == {"other", "local-llm"}
    assert servers["note"] == 1
    assert init("--yes", "--no-hooks") == 0  # a second time, before it is undone
    assert init("--remove", "--yes") == 0
    assert content(project) == {FILES[0]: theirs.encode(), FILES[1]: None, FILES[2]: None}


def test_of_a_file_that_was_changed_since_only_ours_goes(init: Init, project: Path) -> None:
    assert init("--yes") == 0
    servers = json.loads((project / FILES[0]).read_text())
    servers["mcpServers"]["mine"] = {"command": "y"}
    (project / FILES[0]).write_text(json.dumps(servers))
    hooks = json.loads((project / FILES[2]).read_text())
    hooks["hooks"]["stop"] = [{"command": "mine"}]
    (project / FILES[2]).write_text(json.dumps(hooks))
    assert init("--remove", "--yes") == 0
    assert json.loads((project / FILES[0]).read_text()) == {
        "mcpServers": {"mine": {"command": "y"}}
    }
    assert json.loads((project / FILES[2]).read_text())["hooks"] == {"stop": [{"command": "mine"}]}


def test_the_changes_are_shown_and_nothing_is_written_without_a_yes(
    init: Init, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init() == 2
    assert "--yes" in capsys.readouterr().err
    assert content(project) == dict.fromkeys(FILES)


def test_for_all_projects_it_writes_to_the_user_s_folder(init: Init, home: Path) -> None:
    assert init("--global", "--yes") == 0
    mine = home.parent / "me" / ".cursor"
    server = json.loads((mine / "mcp.json").read_text())["mcpServers"]["local-llm"]
    assert server["args"][-1] == "${workspaceFolder}"
    assert not (mine / "rules").exists()
    assert init("--global", "--remove", "--yes") == 0
    assert not (mine / "mcp.json").exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"mcpServers": []}', "\xff"])
def test_a_file_that_is_not_cursor_s_stays_as_it_is(
    init: Init, project: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / ".cursor").mkdir()
    (project / FILES[0]).write_bytes(text.encode("latin-1"))
    assert init("--yes") == 2
    assert "mend it" in (said := capsys.readouterr().err) or "stays as it is" in said
    assert content(project)[FILES[0]] == text.encode("latin-1")


def test_the_rule_file_follows_what_is_known_and_protected(
    init: Init, project: Path, demo: Demo
) -> None:
    door = Door.open(project)
    assert refresh_rules(project, door.memory) is False  # nobody asked for the file
    assert not (project / FILES[1]).exists()
    assert init("--yes") == 0
    here, coloured = door.memory.project, "Never \x1b[31msell\nair\u202e."
    door.memory.put(
        Item(kind=Kind.PREFERENCE, text=coloured, project=here, scope="shop"),
        Item(kind=Kind.PREFERENCE, text="Sell tea.", project=here, scope="a)\n# Rules"),
        Item(kind=Kind.DEFINITION, text="42 = harmony", project=here),
    )
    contract = '[[contract]]\nid = "cart"\nregion = "shop/cart.py"\nlevel = "strict"\n'
    contract += '[[contract]]\nregion = "a.py"\nlevel = "strict"\nreason = "of\\n# a\\u2028clone"\n'
    (project / ".mcp-local-llm").mkdir(exist_ok=True)
    (project / ".mcp-local-llm" / "preserve.toml").write_text(contract)
    assert refresh_rules(project, door.memory) is True
    text = (project / FILES[1]).read_text()
    assert "- Never [31msell air. (in shop)\n" in text
    assert "- 42 = harmony\n" in text
    assert "- Sell tea. (in a) # Rules)\n" in text
    assert "- shop/cart.py: strict\n" in text
    assert "- a.py: strict, of # a clone\n" in text
    assert refresh_rules(project, door.memory) is False
    door.close()


def test_the_rule_file_follows_the_terminal_and_a_restored_back_up(
    init: Init, project: Path, tmp_path: Path
) -> None:
    assert init("--yes") == 0
    rules, kept = project / FILES[1], str(tmp_path / "back-up.sqlite")
    assert memory_admin.main(["backup", kept]) == 0
    assert teach_cli.teach(["Never import pandas in the shop."]) == 0
    assert "pandas" in rules.read_text()
    assert memory_admin.main(["restore", kept]) == 0
    assert "pandas" not in rules.read_text()
    rules.write_text("as it was long ago")
    door = Door.open(project)
    assert door.memory.project
    door.close()
    assert rules.read_text().startswith("---\n")


def test_the_git_hook_comes_and_goes_on_demand(init: Init, project: Path) -> None:
    hook = project / ".git" / "hooks" / "pre-commit"
    assert init("--yes", "--pre-commit") == 0
    assert hook.exists()
    assert init("--yes") == 0  # again, without it: it stays, and so does the note of it
    assert init("--remove", "--yes") == 0
    assert not hook.exists() and not (project / ".cursor").exists()


def test_removing_leaves_what_the_user_put_there(init: Init, project: Path) -> None:
    hook = project / ".git" / "hooks" / "pre-commit"
    assert init("--yes") == 0
    (project / ".cursor" / "rules" / "mine.mdc").write_text("mine")
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\n")
    assert init("--remove", "--yes") == 0
    assert [each.name for each in (project / ".cursor").rglob("*")] == ["rules", "mine.mdc"]
    assert hook.read_text() == "#!/bin/sh\n"


def test_a_hook_that_was_there_before_stays(init: Init, project: Path) -> None:
    hook = project / ".git" / "hooks" / "pre-commit"
    assert contracts(["--install-hook"]) == 0
    before = hook.read_bytes()
    assert init("--yes", "--pre-commit") == 0
    assert init("--remove", "--yes") == 0
    assert hook.read_bytes() == before


def test_a_hook_of_the_user_s_is_found_before_anything_is_written(
    init: Init, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hook = project / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\n")
    assert init("--yes", "--pre-commit") == 2
    assert "add this line to it" in capsys.readouterr().err
    assert hook.read_text() == "#!/bin/sh\n"
    assert content(project) == dict.fromkeys(FILES)


def test_a_hook_that_has_become_the_user_s_stays_and_the_rest_goes(
    init: Init, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hook = project / ".git" / "hooks" / "pre-commit"
    assert init("--yes", "--pre-commit") == 0
    hook.write_text(hook.read_text() + "echo mine\n")
    assert init("--remove", "--yes") == 0
    assert "take out the line" in capsys.readouterr().err
    assert hook.read_text().endswith("echo mine\n")
    assert content(project) == dict.fromkeys(FILES)


def test_a_hook_is_noted_before_it_is_installed(init: Init, project: Path) -> None:
    hooks = project / ".git" / "hooks"
    shutil.rmtree(hooks, ignore_errors=True)
    hooks.touch()  # it cannot be installed
    assert init("--yes", "--pre-commit") == 3
    hooks.unlink()
    assert contracts(["--install-hook"]) == 0  # as by one that was killed an instant later
    assert init("--remove", "--yes") == 0
    assert not (hooks / "pre-commit").exists()


def test_a_file_keeps_its_mode(init: Init, project: Path) -> None:
    (project / ".cursor").mkdir()
    (project / FILES[0]).write_text("{}")
    (project / FILES[0]).chmod(0o664)
    before = os.umask(0o022)
    try:
        for words in (("--yes",), ("--remove", "--yes")):
            assert init(*words) == 0
            assert stat.S_IMODE((project / FILES[0]).stat().st_mode) == 0o664
    finally:
        os.umask(before)
