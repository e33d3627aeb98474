"""The run store and the checkpoint store."""

from __future__ import annotations

import importlib.util
import os
import sqlite3
import stat
from pathlib import Path

import pytest

from graph.checkpoints import erase_run, open_checkpoints
from graph.runs import RunRequest, RunResult, RunStore, new_run_id, now
from graph.settings import Settings
from mcp_local_llm import StoreUnavailable, UsageError


def request(run_id: str) -> RunRequest:
    return RunRequest(run_id=run_id, task="t", workspace="/w", created=now())


def test_runs_are_listed_newest_first_and_strangers_are_not(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    assert store.run_ids() == ()
    for run_id in ("20260101-000000-aaaa", "20260102-000000-aaaa"):
        store.create(request(run_id))
    (tmp_path / "runs" / "stranger").mkdir()
    (tmp_path / "runs" / ".stranger").mkdir()
    (tmp_path / "runs" / ".stranger" / "run.json").touch()
    assert store.run_ids() == ("20260102-000000-aaaa", "20260101-000000-aaaa")


def test_run_ids_differ_and_sort_by_time() -> None:
    first, second = new_run_id(), new_run_id()
    assert first != second
    assert first[:15] <= second[:15]


def test_a_run_whose_process_is_gone_is_interrupted(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    store.create(request("r"))
    assert store.phase("r") == "interrupted"
    store.write_result(RunResult(run_id="r", status="running", task="t", workspace="/w"))
    assert store.phase("r") == "interrupted"
    with store.lock("r"):
        assert store.phase("r") == "running"


def test_a_run_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="graph-run list"):
        RunStore(tmp_path).request("none")


@pytest.mark.parametrize("run_id", ["", "/w/x", "../x", "a/../b", ".x", "x\n", "x" * 82])
def test_what_is_no_run_id_is_no_path(tmp_path: Path, run_id: str) -> None:
    store = RunStore(tmp_path)
    with pytest.raises(UsageError, match="graph-run list"):
        store.folder(run_id)
    with pytest.raises(UsageError, match="graph-run list"):
        store.create(request(run_id))
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_record_hides_no_other(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    for run_id in ("r1", "r2", "r3", "r4"):
        store.create(request(run_id))
    store.write_text("r2", "run.json", "")
    store.write_text("r3", "run.json", request("r1").model_dump_json())
    assert [each.run_id for each in store.requests()] == ["r4", "r1"]
    assert store.run_ids() == ("r4", "r3", "r2", "r1")
    with pytest.raises(StoreUnavailable, match=r"that of the run 'r1'.*graph-run discard r3"):
        store.request("r3")


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    folder = store.create(request("r"))
    (folder / "patch.diff").mkdir()  # cannot be replaced by a file
    with pytest.raises(StoreUnavailable, match=r"patch\.diff"):
        store.write_text("r", "patch.diff", "x")
    assert sorted(path.name for path in folder.iterdir()) == ["patch.diff", "run.json"]


async def test_checkpoints_are_for_this_user_alone_also_those_of_an_earlier_version(
    tmp_path: Path,
) -> None:
    store = RunStore(tmp_path)
    before = os.umask(0o022)
    try:
        for _ in range(2):
            async with open_checkpoints(store, Settings()):
                files = [*tmp_path.iterdir()]
                assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}
            store.checkpoints.chmod(0o644)
    finally:
        os.umask(before)


async def test_what_an_earlier_version_deleted_goes_with_the_next_run_that_is_erased(
    tmp_path: Path,
) -> None:
    store = RunStore(tmp_path)
    assert await erase_run(store, Settings(), "r") == ""
    assert not store.checkpoints.exists()
    async with open_checkpoints(store, Settings()):
        earlier = sqlite3.connect(store.checkpoints)
        earlier.execute("PRAGMA secure_delete = OFF")
        earlier.execute("CREATE TABLE old AS SELECT ? AS said", ("Aldebaran " * 2_000,))
        earlier.execute("DROP TABLE old")
        earlier.close()
    assert b"Aldebaran" in store.checkpoints.read_bytes()
    assert await erase_run(store, Settings(), "r") == ""
    assert b"Aldebaran" not in store.checkpoints.read_bytes()


@pytest.mark.skipif(
    importlib.util.find_spec("langgraph.checkpoint.postgres") is not None, reason="it is installed"
)
async def test_postgres_without_its_extra_says_what_to_install(tmp_path: Path) -> None:
    settings = Settings(checkpoint_url="postgresql://localhost/none")
    with pytest.raises(StoreUnavailable, match=r"mcp-local-llm\[postgres\]"):
        async with open_checkpoints(RunStore(tmp_path), settings):
            raise AssertionError("never opened")
