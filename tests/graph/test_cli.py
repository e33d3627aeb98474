"""graph-run from its command line: real git, real pytest, a scripted model."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from graph.runs import RunStore

if TYPE_CHECKING:
    from tests.graph.conftest import Demo, Run, Script

ROOT = Path(__file__).resolve().parents[2]


def test_a_task_becomes_a_tested_change_on_a_branch(
    run: Run, script: Script, project: Path, demo: Demo
) -> None:
    script()
    ended = run(demo.task)
    run_id = RunStore(Path(os.environ["MCP_LOCAL_LLM_HOME"])).run_ids()[0]
    assert ended.code == 0
    assert "+def total_above(values):" in ended.out
    assert "2 passed, 0 failed" in ended.out
    assert f"graph-run apply {run_id}" in ended.out
    assert "implementer: done" in ended.err
    branch = demo.git(project, "log", "-1", "--format=%s", f"local-llm/{run_id}").strip()
    assert branch == "feat: add total_above(values) to the cart"
    assert (project / "shop" / "cart.py").read_text() == demo.cart
    assert demo.git(project, "status", "--porcelain") == ""
    applied = run("apply", run_id)
    assert applied.code == 0
    assert "above five" in (project / "shop" / "cart.py").read_text()
    assert "shop/cart.py" in applied.out
    again = run("apply", run_id)
    assert (again.code, "applied before" in again.out) == (0, True)


def test_json_is_one_object_and_the_report_needs_nothing_else(
    run: Run, script: Script, project: Path, demo: Demo
) -> None:
    script()
    ended = run(demo.task, "--json", "--yes")
    result = ended.result
    assert ended.code == result["exit_code"] == 0
    assert result["status"] == "delivered"
    assert [step["role"] for step in result["steps"]] == list(demo.replies())
    first = result["steps"][0]
    assert first["tags"]["source"] == "local_trained_model"
    assert first["window"]["prompt_id"] == "compact-1"
    assert first["tags"]["levels"] == [{"region": "shop/cart.py", "level": "flexible"}]
    assert "applied to the workspace" in ended.err
    assert "above five" in (project / "shop" / "cart.py").read_text()
    page = Path(result["report"]).read_text()
    assert "total_above" in page
    assert "<svg" in page
    assert "src=" not in page
    assert "://" not in page


def test_a_run_is_listed_shown_over_and_discarded(
    run: Run, script: Script, project: Path, demo: Demo
) -> None:
    assert "no runs yet" in run("list").out
    script()
    run_id = run(demo.task, "--json").result["run_id"]
    assert f"{run_id}  delivered" in run("list").out
    assert run("list", "--json").result["runs"][0]["status"] == "delivered"
    assert run("show", run_id, "--json").result["branch"] == f"local-llm/{run_id}"
    assert "+def total_above" in run("show", run_id).out
    resumed = run("resume", run_id)
    assert (resumed.code, "is over" in resumed.err) == (2, True)
    (project / "shop" / "cart.py").write_text("# newer\n")
    applied = run("apply", run_id)
    assert (applied.code, "shop/cart.py" in applied.err) == (2, True)
    assert (project / "shop" / "cart.py").read_text() == "# newer\n"
    assert run("discard", run_id).code == 0
    assert demo.git(project, "branch", "--list", "local-llm/*") == ""
    assert run("show", run_id).code == 2
    assert run("list", "--json").result == {"runs": []}


def refusal(demo: Demo) -> list[str]:
    return [f"<plan>\ngoal: g\nrefuse: not today\n</plan>\n{demo.tags}"]


def test_no_word_of_a_discarded_run_is_left_in_the_checkpoints(
    run: Run, script: Script, home: Path, demo: Demo
) -> None:
    def holds(word: bytes) -> bool:
        return any(word in each.read_bytes() for each in home.glob("checkpoints.sqlite*"))

    script(planner=refusal(demo) * 2)
    run_id = run("sing of Aldebaran", "--json").result["run_id"]
    run("sing of Betelgeuse", "--json")
    assert holds(b"Aldebaran")
    reader = sqlite3.connect(home / "checkpoints.sqlite")  # as another run: the log stays
    reader.execute("SELECT count(*) FROM checkpoints").fetchall()
    assert run("discard", run_id).err == ""
    assert not holds(b"Aldebaran")
    assert holds(b"Betelgeuse")
    reader.close()


@pytest.mark.parametrize("damage", [None, "no database " * 200])
def test_a_run_without_its_checkpoints_can_be_discarded(
    run: Run, script: Script, home: Path, demo: Demo, damage: str | None
) -> None:
    script(planner=refusal(demo))
    run_id = run(demo.task, "--json").result["run_id"]
    checkpoints = home / "checkpoints.sqlite"
    checkpoints.unlink()
    if damage:
        checkpoints.write_text(damage)
    ended = run("discard", run_id)
    assert ended.code == 0
    assert ("the file is damaged" in ended.err) is bool(damage)
    assert checkpoints.exists() is bool(damage)
    assert run("list", "--json").result == {"runs": []}


def test_a_run_whose_checkpoints_cannot_be_reached_is_kept_until_they_can(
    run: Run, script: Script, demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(planner=refusal(demo))
    run_id = run(demo.task, "--json").result["run_id"]
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("MCP_LOCAL_LLM_CHECKPOINT_URL", "postgresql://127.0.0.1:1/none")
        ended = run("discard", run_id)
        assert (ended.code, "PostgreSQL" in ended.err) == (3, True)
    assert run("show", run_id, "--json").result["run_id"] == run_id
    assert run("discard", run_id).code == 0


def worktrees(project: Path, demo: Demo) -> int:
    return len(demo.git(project, "worktree", "list").splitlines())


def test_a_delivered_run_gives_its_worktree_back_and_can_still_be_taken(
    run: Run, script: Script, project: Path, home: Path, demo: Demo
) -> None:
    script()
    result = run(demo.task, "--review", "patch", "--json").result
    run_id, tree = result["run_id"], home / "runs" / result["run_id"] / "tree"
    assert tree.is_dir()
    assert worktrees(project, demo) == 2
    assert run("resume", run_id, "--approve").code == 0
    assert not tree.exists()
    assert worktrees(project, demo) == 1
    assert Path(run("show", run_id, "--json").result["report"]).is_file()
    assert run("resume", run_id).code == 2
    assert run("apply", run_id).code == 0
    assert "above five" in (project / "shop" / "cart.py").read_text()
    assert run("discard", run_id).code == 0
    assert demo.git(project, "for-each-ref", "refs/local-llm", "refs/heads/local-llm") == ""
    assert not (project / ".git" / "local-llm").exists()


def test_a_failed_run_keeps_its_worktree_until_it_is_discarded(
    run: Run, script: Script, project: Path, home: Path, demo: Demo
) -> None:
    script(planner=["no plan"] * 9)
    run_id = run(demo.task, "--json").result["run_id"]
    tree = home / "runs" / run_id / "tree"
    assert (tree / "shop" / "cart.py").is_file()
    assert run("discard", run_id).code == 0
    assert not tree.exists()
    assert worktrees(project, demo) == 1


def test_an_undelivered_run_cannot_be_applied(run: Run, script: Script, demo: Demo) -> None:
    script(planner=[f"<plan>\ngoal: g\nrefuse: shop/cart.py is strict\n</plan>\n{demo.tags}"])
    refused = run(demo.task, "--json")
    assert refused.code == 1
    assert refused.result["status"] == "refused"
    assert refused.result["reason"] == "shop/cart.py is strict"
    ended = run("apply", refused.result["run_id"])
    assert (ended.code, "nothing to apply" in ended.err) == (2, True)


def test_uncommitted_work_is_built_upon_and_left_alone(
    run: Run, script: Script, project: Path, demo: Demo
) -> None:
    (project / "shop" / "cart.py").write_text(demo.cart + "\n\nLIMIT = 5\n")
    (project / "notes.txt").write_text("mine\n")
    demo.git(project, "add", "notes.txt")
    before = demo.git(project, "status", "--porcelain")
    script()
    result = run(demo.task, "--json").result
    assert result["status"] == "delivered"
    assert demo.git(project, "status", "--porcelain") == before
    delivered = demo.git(project, "show", f"{result['branch']}:shop/cart.py")
    assert "LIMIT = 5" in delivered and "total_above" in delivered


@pytest.mark.parametrize("option", ["--model", "--review"])
def test_a_wrong_option_value_is_a_usage_error(run: Run, demo: Demo, option: str) -> None:
    ended = run(demo.task, option, "nonsense")
    assert ended.code == 2
    assert "nonsense" in ended.err
    assert "embedded" in ended.err or "plan,patch" in ended.err


def test_help_is_answered_without_importing_the_graph(tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); sys.argv = ['graph-run', '--help'];"
        "from mcp_local_llm import graph_run; code = graph_run();"
        "heavy = {'langgraph', 'pydantic', 'rich', 'jinja2', 'torch'} & set(sys.modules);"
        "print(code, sorted(heavy))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("usage: graph-run")
    assert done.stdout.rstrip().endswith("0 []")


def test_the_model_of_the_command_line_wins_over_the_environment(
    run: Run, script: Script, demo: Demo
) -> None:
    script()
    ended = run(demo.task, "--model", "remote", "--json")
    assert ended.code == 2
    assert "base_url" in json.loads(ended.out)["error"]


def test_a_folder_of_a_repository_can_be_the_workspace(
    run: Run, script: Script, project: Path, demo: Demo
) -> None:
    inner = project / "packages" / "shop"
    inner.parent.mkdir()
    (project / "shop").rename(inner)
    (project / "tests").rename(inner.parent / "tests")
    (project / "other.txt").write_text("not mine\n")
    script()
    ended = run(demo.task, "--workspace", str(inner.parent), "--json", "--yes")
    assert ended.code == 0, ended.err
    assert "total_above" in (inner / "cart.py").read_text()
    assert "diff --git a/packages/shop/cart.py" in ended.result["diff"]
    assert (project / "other.txt").read_text() == "not mine\n"
