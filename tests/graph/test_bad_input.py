"""Wrong input and a hostile environment: a clear message, the right exit code, nothing lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tools.sandbox import sandbox_kind

if TYPE_CHECKING:
    from tests.graph.conftest import Demo, Run, Script

ROOT = Path(__file__).resolve().parents[2]
LAUNCH = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); sys.argv[0] = 'graph-run';"
    "from mcp_local_llm import graph_run; raise SystemExit(graph_run())"
)
needs_bubblewrap = pytest.mark.skipif(
    sandbox_kind() != "bubblewrap", reason="makes read-only and full disks with bubblewrap"
)


def confined(options: list[str], cwd: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run graph-run where the file system is as ``options`` of bubblewrap say."""
    launch = [sys.executable, "-c", LAUNCH, str(ROOT), *args]
    return subprocess.run(
        ["bwrap", "--dev-bind", "/", "/", *options, "--", *launch],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=150,
    )


@pytest.mark.parametrize("task", ["", "   \n"])
def test_an_empty_task_is_a_usage_error(run: Run, task: str) -> None:
    ended = run(task)
    assert (ended.code, "the task is empty" in ended.err) == (2, True)


def test_no_argument_at_all_shows_the_usage(run: Run) -> None:
    ended = run()
    assert (ended.code, ended.err.startswith("usage: graph-run")) == (2, True)


def test_an_endless_task_is_a_usage_error(run: Run) -> None:
    ended = run("word " * 10_000)
    assert (ended.code, "the limit is 20000" in ended.err) == (2, True)


def test_a_task_of_bytes_that_are_no_text_is_a_usage_error(run: Run, home: Path) -> None:
    ended = run(os.fsdecode(b"caf\xe9"))
    assert (ended.code, "no UTF-8" in ended.err) == (2, True)
    assert not home.exists()


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems hold no such name")
def test_a_workspace_whose_name_is_no_text_is_a_usage_error(
    run: Run, home: Path, tmp_path: Path
) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    ended = run("x", "--workspace", str(folder))
    assert (ended.code, "no UTF-8" in ended.err) == (2, True)
    assert not home.exists()


def test_a_missing_workspace_is_a_usage_error(run: Run, home: Path, demo: Demo) -> None:
    ended = run(demo.task, "--workspace", "/no/such/place")
    assert (ended.code, "'/no/such/place' is no folder" in ended.err) == (2, True)
    assert not home.exists()


def test_no_repository_is_an_error_that_offers_to_make_one(
    run: Run, script: Script, project: Path, demo: Demo
) -> None:
    shutil.rmtree(project / ".git")
    script()
    ended = run(demo.task)
    assert (ended.code, "--init-git" in ended.err) == (2, True)
    assert not (project / ".git").exists()
    made = run(demo.task, "--init-git", "--json")
    assert made.result["status"] == "delivered"


def test_a_detached_head_with_foreign_files_is_no_obstacle(
    run: Run, script: Script, project: Path, demo: Demo
) -> None:
    """Binary, Latin-1 and 5 MB files stay as they are, byte for byte."""
    foreign = {
        "logo.bin": bytes(range(256)),
        "shop/latin.py": "NAME = 'Käse'\n".encode("latin-1"),
        "data.txt": b"line\r\n" * 900_000,
        "näme.txt": b"no newline at the end",
    }
    for name, content in foreign.items():
        (project / name).write_bytes(content)
    demo.git(project, "add", "--all")
    demo.git(project, "commit", "--quiet", "--message=more")
    demo.git(project, "checkout", "--quiet", "--detach")
    head = demo.git(project, "rev-parse", "HEAD")
    script(tester=['<tool:fs.read path="shop/latin.py"/>', demo.new_test])
    result = run(demo.task + " and look at shop/latin.py", "--json").result
    assert result["status"] == "delivered"
    assert any("shop/latin.py: not shown" in note for note in result["notes"])
    assert demo.git(project, "rev-parse", "HEAD") == head
    assert run("apply", result["run_id"]).code == 0
    for name, content in foreign.items():
        assert (project / name).read_bytes() == content


def test_files_outside_the_workspace_cannot_be_reached(
    run: Run, script: Script, project: Path, monkeypatch: pytest.MonkeyPatch, demo: Demo
) -> None:
    monkeypatch.setenv("MCP_LOCAL_LLM_LIMITS__TEST_ATTEMPTS", "1")
    secret = project.parent / "secret.txt"
    secret.write_text("keep out")
    outside = demo.new_test.replace("tests/test_total_above.py", "../test_outside.py")
    absolute = demo.new_test.replace("tests/test_total_above.py", f"{project.parent}/test_abs.py")
    read = '<tool:fs.read path="../secret.txt"/>'
    git = demo.new_test.replace("tests/test_total_above.py", ".git/hooks/test_hook.py")
    script(tester=[outside, absolute, f"{read}\n{git}"])
    ended = run("overwrite ../secret.txt and " + demo.task, "--json")
    assert (ended.code, ended.result["status"]) == (1, "failed")
    assert len(ended.result["steps"][1]["exchanges"]) == 3
    assert secret.read_text() == "keep out"
    assert not list(project.parent.glob("test_*"))
    assert "keep out" not in ended.out
    assert not (project / ".git" / "hooks" / "test_hook.py").exists()


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "I would rather not.",
        "{}",
        "```json\n[]\n```",
        "<plan>\n</plan>",
        "<tool:fs.write",
        "\x00",
    ],
)
def test_a_model_that_talks_nonsense_fails_the_run_honestly(
    run: Run, script: Script, monkeypatch: pytest.MonkeyPatch, demo: Demo, reply: str
) -> None:
    monkeypatch.setenv("MCP_LOCAL_LLM_LIMITS__TURNS", "2")
    script(planner=[reply, reply])
    ended = run(demo.task, "--json")
    assert (ended.code, ended.result["status"]) == (1, "failed")
    assert "no usable plan" in ended.result["reason"]


def test_a_project_whose_tests_cannot_run_is_said_to_be_so(
    run: Run, script: Script, project: Path, demo: Demo
) -> None:
    (project / "tests" / "conftest.py").write_text("import nowhere\n")
    script()
    ended = run(demo.task)
    assert ended.code == 2
    assert "tests of the project can't be run" in ended.err
    assert "nowhere" in ended.err
    assert run("list", "--json").result == {"runs": []}, "going on could not help it"
    assert demo.git(project, "for-each-ref", "refs/local-llm") == ""
    assert len(demo.git(project, "worktree", "list").splitlines()) == 1


def test_an_interpreter_without_pytest_is_said_to_be_so(
    run: Run, script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, demo: Demo
) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    monkeypatch.setenv("MCP_LOCAL_LLM_COMMAND__PYTHON", str(bare / "bin" / "python"))
    script()
    ended = run(demo.task)
    assert (ended.code, "-m pip install pytest" in ended.err) == (3, True)
    assert "graph-run resume" in ended.err


def test_an_unusable_state_folder_is_a_store_error(
    run: Run, script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, demo: Demo
) -> None:
    (tmp_path / "file").write_text("")
    script()
    monkeypatch.setenv("MCP_LOCAL_LLM_HOME", str(tmp_path / "file" / "home"))
    ended = run(demo.task)
    assert (ended.code, "MCP_LOCAL_LLM_HOME" in ended.err) == (3, True)


def test_a_run_held_by_another_process_is_left_alone(
    run: Run, script: Script, home: Path, demo: Demo
) -> None:
    from graph.runs import RunStore

    script()
    run_id = run(demo.task, "--review", "plan", "--json").result["run_id"]
    with RunStore(home).lock(run_id):
        ended = run("resume", run_id, "--approve")
    assert (ended.code, "another process" in ended.err) == (2, True)
    assert run("resume", run_id, "--reject", "no").code == 1


@pytest.mark.parametrize("name", ["run.json", "result.json"])
def test_a_damaged_record_of_a_run_is_a_store_error(
    run: Run, script: Script, home: Path, demo: Demo, name: str
) -> None:
    script()
    run_id = run(demo.task, "--review", "plan", "--json").result["run_id"]
    (home / "runs" / run_id / name).write_text("{")
    ended = run("show", run_id)
    assert (ended.code, name in ended.err) == (3, True)


def test_damaged_runs_are_listed_and_discarded(
    run: Run, script: Script, project: Path, home: Path, demo: Demo
) -> None:
    script()
    whole, known, lost = (run(demo.task, "--json").result["run_id"] for _ in range(3))
    for broken, name in ((known, "run.json"), (lost, "run.json"), (lost, "result.json")):
        (home / "runs" / broken / name).write_bytes(b"")
    rows = {row["run_id"]: row["status"] for row in run("list", "--json").result["runs"]}
    assert rows == {whole: "delivered", known: "damaged", lost: "damaged"}
    told = run("list").out
    assert f"{whole}  delivered" in told
    for broken in (known, lost):
        assert f"graph-run discard {broken} removes it" in told
        branch = ("branch", "--list", f"local-llm/{broken}")
        assert demo.git(project, *branch)
        gone = run("discard", broken)
        assert (gone.code, (home / "runs" / broken).exists()) == (0, False)
        # Without a result nobody knows whose the branch is.
        is_left = bool(demo.git(project, *branch))
        assert is_left == (broken == lost) == (f"git branch -D local-llm/{broken}" in gone.out)
    assert [row["run_id"] for row in run("list", "--json").result["runs"]] == [whole]


def test_a_damaged_checkpoint_store_is_a_store_error(
    run: Run, script: Script, home: Path, demo: Demo
) -> None:
    home.mkdir()
    (home / "checkpoints.sqlite").write_text("no database " * 200)
    script()
    ended = run(demo.task)
    assert (ended.code, "checkpoints.sqlite" in ended.err) == (3, True)


@needs_bubblewrap
def test_a_read_only_workspace_is_a_clear_error(script: Script, project: Path, demo: Demo) -> None:
    script()
    ended = confined(["--ro-bind", str(project), str(project)], project, demo.task)
    assert ended.returncode in {2, 3}
    assert "Read-only file system" in ended.stderr or "read-only" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "unexpected" not in ended.stderr


@needs_bubblewrap
@pytest.mark.parametrize("size", ["40000", "150000", "400000"])
def test_a_full_disk_is_a_store_error_and_the_project_is_untouched(
    script: Script, project: Path, home: Path, demo: Demo, size: str
) -> None:
    script()
    home.mkdir()
    ended = confined(["--size", size, "--tmpfs", str(home)], project, demo.task)
    assert ended.returncode == 3, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "space" in ended.stderr or "disk" in ended.stderr
    assert demo.git(project, "status", "--porcelain") == ""
    assert (project / "shop" / "cart.py").read_text() == demo.cart
    assert list(home.iterdir()) == []
