"""Stopping a run ends the process that works on it, and never another one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from graph import background
from graph.runs import RunRequest, RunStore, now

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 90
# Holds the lock, as one does that has just begun: what an earlier one wrote is still in it.
HOLD = """
import fcntl, os, sys, time
handle = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(handle, fcntl.LOCK_EX)
os.write(handle, sys.argv[2].encode())
print("held", flush=True)
sys.stdin.readline()
os.pwrite(handle, f"{os.getpid():<20}".encode(), 0)
time.sleep(600)
"""
STOP = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from graph import background
from graph.runs import RunStore
print("stopping", flush=True)
print(background.stop(RunStore(Path(sys.argv[2])), "r"), flush=True)
"""


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    store = RunStore(tmp_path)
    store.create(RunRequest(run_id="r", task="t", workspace="/w", created=now()))
    return store


def started(code: str, *args: str) -> subprocess.Popen[str]:
    """Start Python in a session of its own and wait for what it says first."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[str]]:
    process = started("import time; print('here', flush=True); time.sleep(600)")
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("is_stale", [False, True])
def test_a_run_that_has_just_begun_is_stopped_once_it_has_said_who_it_is(
    store: RunStore, bystander: subprocess.Popen[str], is_stale: bool
) -> None:
    lock, before = store.folder("r") / "lock", f"{bystander.pid:<20}" if is_stale else ""
    holder = started(HOLD, str(lock), before)
    stopper = started(STOP, str(ROOT), str(store.home))
    time.sleep(0.5)  # it looks at the lock before the holder has written to it
    assert holder.stdin is not None
    try:
        print(file=holder.stdin, flush=True)
        assert stopper.communicate(timeout=LIMIT_S)[0] == "True\n"
        holder.communicate(timeout=LIMIT_S)
    finally:
        holder.kill()
        stopper.kill()
    assert (holder.returncode, bystander.poll()) == (-signal.SIGTERM, None)


def test_a_run_nobody_works_on_cannot_be_stopped(store: RunStore) -> None:
    (store.folder("r") / "lock").write_text(str(os.getpid()))  # by one that has ended
    assert background.stop(store, "r") is False


def test_whoever_takes_the_lock_writes_over_all_that_was_in_it(store: RunStore) -> None:
    (store.folder("r") / "lock").write_text("1" * 20)
    with store.lock("r"):
        assert store.holder("r") == os.getpid()
    assert store.holder("r") is None
