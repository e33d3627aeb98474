"""The run store: one folder per run under the state folder.

``run.json`` what was asked · ``events.jsonl`` what happened when · ``result.json`` how it ended ·
``report.html`` the same for people · ``patch.diff`` the change · ``tree/`` the git worktree,
until the run is delivered.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, ValidationError

from agents.brief import BriefPiece, BriefRule
from agents.reply import Plan
from graph.state import Review, Step, TestState
from mcp_local_llm import StoreUnavailable, UsageError
from memory.corrections import Correction
from memory.private import private_folder
from memory.records import RUN_ID, Compliance, Record
from memory.whole_file import store_errors, write_whole

Phase = Literal["running", "waiting", "interrupted", "delivered", "failed", "refused", "rejected"]
_PATIENCE_S: Final = 0.4  # whoever asks how a run stands holds its lock for an instant
_PID_BYTES: Final = 20
EXIT_CODES: Final[Mapping[str, int]] = {"delivered": 0, "waiting": 0, "interrupted": 130}


class RunRequest(Record):
    """What was asked, and with which settings: enough to resume in another process."""

    run_id: str
    task: str
    workspace: str
    review: tuple[Review, ...] = ()
    overrides: dict[str, Any] = Field(default_factory=dict)
    created: str


class RunResult(Record):
    """How a run stands, for people and programs. ``waiting_for`` is set while it waits.

    ``compliance`` is what the rules' checkers said of the change; ``repairs`` counts, by role and
    kind, what was wrong with tags as the model wrote them.
    """

    run_id: str
    status: Phase
    reason: str = ""
    task: str
    workspace: str
    branch: str = ""
    diff: str = ""
    plan: Plan | None = None
    tests: TestState = TestState()
    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    recalled: tuple[BriefRule, ...] = ()
    recalled_code: tuple[BriefPiece, ...] = ()
    corrections: tuple[Correction, ...] = ()
    compliance: tuple[Compliance, ...] = ()
    repairs: dict[str, dict[str, int]] = Field(default_factory=dict)
    elapsed_s: float = 0.0
    model: str = ""
    report: str = ""
    waiting_for: str = ""

    @property
    def exit_code(self) -> int:
        """The exit code of the command that ends with this result."""
        return EXIT_CODES.get(self.status, 1)


def new_run_id() -> str:
    """Return a run id that sorts by time and is safe in paths and branch names."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def now() -> str:
    """Return the time, as records keep it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class RunStore:
    """All runs below ``home``. Raises ``StoreUnavailable`` when the disk does not play along.

    Whatever takes a run's id raises ``UsageError`` for one that is none.
    """

    home: Path

    def folder(self, run_id: str) -> Path:
        """Return the folder of a run, which need not exist."""
        if not re.fullmatch(RUN_ID, run_id):
            raise UsageError(f"{run_id!r} is no run id; `graph-run list` shows the runs there are")
        return self.home / "runs" / run_id

    @property
    def checkpoints(self) -> Path:
        """The database that all runs' checkpoints are in."""
        return self.home / "checkpoints.sqlite"

    def create(self, request: RunRequest) -> Path:
        """Make the run's folder and write down what was asked."""
        folder = self.folder(request.run_id)
        with store_errors("create the run folder", folder):
            private_folder(self.home)
            private_folder(folder)
            write_whole(folder / "run.json", request.model_dump_json(indent=1))
        return folder

    def knows(self, run_id: str) -> bool:
        """Say whether there is such a run."""
        return (self.folder(run_id) / "run.json").is_file()

    def request(self, run_id: str) -> RunRequest:
        """Return what was asked; ``UsageError`` for a run that is not there."""
        path = self.folder(run_id) / "run.json"
        try:
            request = RunRequest.model_validate_json(path.read_bytes())
            if request.run_id != run_id:
                raise OSError(f"it is that of the run {request.run_id!r}")
            return request
        except FileNotFoundError as error:
            raise UsageError(
                f"there is no run {run_id!r}; `graph-run list` shows the runs there are"
            ) from error
        except (OSError, ValidationError) as error:
            raise StoreUnavailable(
                f"the record {str(path)!r} cannot be read ({error}); remove it with `graph-run "
                f"discard {run_id}` and start the task again"
            ) from error

    def requests(self) -> Iterator[RunRequest]:
        """Yield what was asked in every run, newest first; damaged records are left out."""
        for run_id in self.run_ids():
            try:
                request = self.request(run_id)
            except (StoreUnavailable, UsageError):  # or it was discarded a moment ago
                continue
            yield request

    def result(self, run_id: str) -> RunResult | None:
        """Return how the run stands, or None when nothing was written yet."""
        path = self.folder(run_id) / "result.json"
        try:
            return RunResult.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise StoreUnavailable(
                f"the record {str(path)!r} cannot be read ({error}); resume or discard the run"
            ) from error

    def write_result(self, result: RunResult) -> None:
        """Write down how the run stands, in one piece."""
        path = self.folder(result.run_id) / "result.json"
        with store_errors("write", path):
            write_whole(path, result.model_dump_json(indent=1))

    def write_text(self, run_id: str, name: str, text: str) -> Path:
        """Write a file of the run, in one piece, and return its path."""
        path = self.folder(run_id) / name
        with store_errors("write", path):
            write_whole(path, text)
        return path

    def event(self, run_id: str, line: str) -> None:
        """Append one JSON line to the run's event log."""
        path = self.folder(run_id) / "events.jsonl"
        with store_errors("write", path), path.open("a", encoding="utf-8") as log:
            log.write(line + "\n")

    def run_ids(self) -> tuple[str, ...]:
        """Return all runs, newest first."""
        runs = self.home / "runs"
        if not runs.is_dir():
            return ()
        named = (path for path in runs.iterdir() if re.fullmatch(RUN_ID, path.name))
        return tuple(sorted((p.name for p in named if (p / "run.json").is_file()), reverse=True))

    def phase(self, run_id: str) -> Phase:
        """Say how a run stands now; one whose process is gone without a result is interrupted."""
        if self.holder(run_id) is not None:
            return "running"
        result = self.result(run_id)
        return "interrupted" if result is None or result.status == "running" else result.status

    def holder(self, run_id: str) -> int | None:
        """Return the process id of whoever works on a run; None while nobody does.

        At its very beginning that is 0, or the id of whoever worked on it before.
        """
        with self._lock_file(run_id) as handle:
            try:
                # shared: those who ask are never taken for one who works
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(os.pread(handle, _PID_BYTES, 0) or b"0")
        return None

    @contextmanager
    def lock(self, run_id: str) -> Iterator[None]:
        """Hold the run for this process; ``UsageError`` while another one holds it."""
        with self._lock_file(run_id) as handle:
            deadline = time.monotonic() + _PATIENCE_S
            while not _taken(handle):
                if time.monotonic() > deadline:
                    raise UsageError(
                        f"the run {run_id!r} is being worked on by another process; wait for it"
                    )
                time.sleep(_PATIENCE_S / 20)
            os.pwrite(handle, f"{os.getpid():<{_PID_BYTES}}".encode(), 0)  # never half of it
            yield

    @contextmanager
    def _lock_file(self, run_id: str) -> Iterator[int]:
        path = self.folder(run_id) / "lock"
        with store_errors("open", path):
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            yield handle
        finally:
            os.close(handle)


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
