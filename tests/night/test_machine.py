"""What the night knows of the machine."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from graph.night import machine
from graph.runs import RunRequest, RunStore, new_run_id


def supply(folder: Path, name: str, **files: str) -> None:
    (folder / name).mkdir()
    for file, text in files.items():
        (folder / name / file).write_text(f"{text}\n")


PLUGGED, UNPLUGGED = ({"type": "Mains", "online": online} for online in "10")
DRAINING = {"type": "Battery", "status": "Discharging"}


@pytest.mark.parametrize(
    ("supplies", "expected"),
    [
        ({"AC": PLUGGED, "BAT0": DRAINING}, False),
        ({"AC": UNPLUGGED, "BAT0": DRAINING}, True),
        ({"AC": UNPLUGGED, "BAT0": {"type": "Battery", "status": "Full"}}, False),
        ({"BAT0": DRAINING}, True),
        ({"mouse": {**DRAINING, "scope": "Device"}, "AC": UNPLUGGED}, False),
    ],
)
def test_the_power_supplies_say_whether_the_battery_is_used(
    tmp_path: Path, supplies: dict[str, dict[str, str]], expected: bool
) -> None:
    for name, files in supplies.items():
        supply(tmp_path, name, **files)
    assert machine.on_battery(tmp_path) is expected


def test_free_space_is_told_for_a_folder_that_is_still_to_be_made(tmp_path: Path) -> None:
    assert machine.free_disk_gb(tmp_path / "not" / "there") > 0
    assert machine.free_memory_gb() > 0


def test_a_run_that_is_worked_on_is_a_crew_at_work(state_home: Path) -> None:
    store = RunStore(state_home)
    assert machine.crew_at_work(state_home) == ""
    run_id = new_run_id()
    store.create(RunRequest(run_id=run_id, task="t", workspace="/w", created=""))
    assert machine.crew_at_work(state_home) == ""
    with store.lock(run_id):
        # Another process would find it held; a second handle of ours finds the same.
        handle = os.open(store.folder(run_id) / "lock", os.O_RDWR)
        try:
            with pytest.raises(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        finally:
            os.close(handle)
        assert run_id in machine.crew_at_work(state_home)


def test_the_last_thing_that_happened_is_the_newest_of_runs_and_notes(state_home: Path) -> None:
    assert machine.last_activity(state_home) == 0.0
    spool = state_home / "spool" / "cursor.jsonl"
    spool.parent.mkdir()
    spool.write_text("{}\n")
    os.utime(spool, (1_000, 1_000))
    assert machine.last_activity(state_home) == 1_000
    store = RunStore(state_home)
    run_id = new_run_id()
    store.create(RunRequest(run_id=run_id, task="t", workspace="/w", created=""))
    store.event(run_id, "{}")
    os.utime(store.folder(run_id) / "events.jsonl", (2_000, 2_000))
    assert machine.last_activity(state_home) == 2_000
