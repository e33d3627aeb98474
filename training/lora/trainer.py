"""Trains an adapter in a process of its own, and tells how it goes."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from agents.endpoint import Serving
from agents.hardware import detect
from agents.server import server_environment
from agents.weights import check_model_folder
from mcp_local_llm import (
    LocalLLMError,
    ModelUnavailable,
    StoreUnavailable,
    Unavailable,
    UsageError,
)
from tools.process import Spawned, scrubbed_env, spawn_detached
from training.dataset.reader import open_dataset
from training.lora.checkpoint import CHECKPOINT, claim, identify, read_result
from training.lora.learner import TrainingDiverged
from training.lora.recipe import Budget, Recipe
from training.lora.records import EVENT, LOG, RESULT, Event, Failed, Job, Trained

_ROOT: Final = Path(__file__).resolve().parents[2]
# A working folder may hold its own `training/`: ours must win. torch, which transformers imports
# where it finds it, has nothing to do here.
_BOOT: Final = (
    "import sys; sys.path.insert(0, {root!r}); sys.modules['torch'] = None; "
    "from training.lora.child import main; sys.exit(main(sys.argv[1:]))"
)
_POLL_S: Final = 0.1
_ERRORS: Final[dict[str, type[LocalLLMError]]] = {
    kind.__name__: kind
    for kind in (UsageError, ModelUnavailable, StoreUnavailable, TrainingDiverged)
}


class TrainingEnded(Unavailable):
    """The training's process ended before its work did."""


def train(
    dataset: Path,
    model: Path,
    out: Path,
    recipe: Recipe,
    budget: Budget,
    *,
    start: Path | None = None,
    on_event: Callable[[Event], None] = lambda _: None,
    resume: bool = False,
    threads: int | None = None,
) -> Trained:
    """Train an adapter for ``model`` on ``dataset`` in the folder ``out`` and return how it went.

    It goes on from the adapter in ``start`` if one is given, else from the base. ``out`` then holds
    ``adapters.safetensors`` and ``adapter_config.json`` as mlx_lm reads them, a YAML for
    ``mlx_lm.lora -c``, the loss curve and ``trained.json``. An interrupted training is gone on
    from, and a finished one is returned as it is. ``resume`` insists on that, and also goes on with
    one that its budget ended.

    Raises:
        UsageError: the dataset or ``start`` is wrong, ``out`` is another training's, or nothing is
            to resume.
        ModelUnavailable: the model is damaged or would take more memory than the budget.
        StoreUnavailable: the disk refuses, or a checkpoint is damaged.
        TrainingDiverged: the loss stopped being a number.
        TrainingEnded: the process was killed or broke; the same call goes on.
    """
    job = Job(
        dataset=dataset.absolute(),
        model=model.absolute(),
        out=out.absolute(),
        recipe=recipe,
        budget=budget,
        start=start.absolute() if start else None,
    )
    open_dataset(job.dataset)
    check_model_folder(job.model)
    if (finished := _before(job, resume=resume)) is not None:
        return finished
    with tempfile.TemporaryDirectory(prefix="local-llm-training-") as folder:
        log = Path(folder, LOG)
        child = _spawn(job, log, threads)
        try:
            _follow(child, log, job, on_event)
        finally:
            child.stop()
    trained = read_result(job.out)
    if trained is None:
        raise TrainingEnded(f"the training in {str(job.out)!r} left no result; repeat the command")
    return trained


def default_out(home: Path, dataset: Path, model: Path, recipe: Recipe) -> Path:
    """Return the folder for a training that was given none: the same for the same training."""
    job = Job(
        dataset=dataset, model=model, out=home, recipe=recipe, budget=Budget(seconds=1, memory_gb=1)
    )
    return home / "training" / identify(job).key


def _before(job: Job, *, resume: bool) -> Trained | None:
    """Return the result that is there already, and make room for what is to come."""
    there = job.out / CHECKPOINT
    trained = read_result(job.out)
    if resume and trained is None and not there.exists():
        raise UsageError(
            f"there is nothing to resume in {str(job.out)!r}; leave --resume out to begin"
        )
    try:
        job.out.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(
            f"cannot make the folder {str(job.out)!r} ({error}); name another --out"
        ) from error
    if trained is None:
        return None
    claim(job.out, identify(job))
    if resume and there.exists():
        (job.out / RESULT).unlink()
        return None
    return trained


def _spawn(job: Job, log: Path, threads: int | None) -> Spawned:
    serving = Serving(model_path=job.model, threads=threads)
    environment = server_environment(serving, detect(), log.parent / "hub")
    argv = [sys.executable, "-P", "-c", _BOOT.format(root=str(_ROOT))]
    argv += [job.model_dump_json(), str(os.getpid())]
    return spawn_detached(argv, cwd=job.out, log=log, env=scrubbed_env(environment))


def _follow(child: Spawned, log: Path, job: Job, on_event: Callable[[Event], None]) -> None:
    """Hand on the events of ``child`` until it ends, and raise what it failed with."""
    failure, rest = None, b""
    said: list[bytes] = []
    with log.open("rb") as lines:
        code = None
        while code is None:
            code = child.wait(_POLL_S)
            *whole, rest = (rest + lines.read()).split(b"\n")
            for line in whole:
                if (event := _event(line)) is None:
                    said.append(line)
                elif isinstance(event, Failed):
                    failure = event
                else:
                    on_event(event)
    if failure is not None:
        raise _ERRORS.get(failure.error, TrainingEnded)(failure.message)
    if code:
        raise _ended(code, [*said, rest], job)


def _event(line: bytes) -> Event | None:
    try:
        return EVENT.validate_json(line)
    except ValidationError:
        return None  # a library's words


def _ended(code: int, said: list[bytes], job: Job) -> TrainingEnded:
    words = [line.decode("utf-8", "replace").strip() for line in said if line.strip()]
    with contextlib.suppress(OSError):
        (job.out / LOG).write_bytes(b"\n".join(said))
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    last = f": {words[-1]}" if words else ""
    return TrainingEnded(
        f"the process of the training in {str(job.out)!r} {how}{last}. Nothing is lost: repeat the "
        f"command to go on (its last words are in {LOG!r} there)"
    )
