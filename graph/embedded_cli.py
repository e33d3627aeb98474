"""The command ``mcp-local-llm embedded``: train the demo model, and measure it with the full crew.

It lives here because measuring runs whole crews, which only this folder can put together.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mcp_local_llm import LocalLLMError, StoreUnavailable, UsageError

if TYPE_CHECKING:
    from training.embedded.evaluation import EmbeddedReport, RunTask, TaskOutcome

_DESCRIPTION: Final = "Train or evaluate the small model that runs where no other weights are."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mcp-local-llm embedded", description=_DESCRIPTION)
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train from scratch; resumes an interrupted run")
    train.add_argument("folder", type=Path, help="where checkpoint, log and model are kept")
    train.add_argument("--steps", type=int, default=2600, help="length of the schedule")
    train.add_argument("--seed", type=int, default=7)
    train.add_argument("--threads", type=int, default=2)
    train.add_argument("--device", default="cpu", help="a torch device: cpu, cuda, mps")
    evaluate = commands.add_parser("eval", help="run the crew on held-out tasks and count")
    evaluate.add_argument("--seed", type=int, default=1)
    evaluate.add_argument("--n", type=int, default=200, metavar="TASKS")
    evaluate.add_argument("--weights", type=Path, metavar="DIR", help="other weights than shipped")
    evaluate.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command line ``argv`` and return the exit code: 0, 2 wrong input, 3 no model."""
    try:
        options = _parser().parse_args(argv)
    except SystemExit as stopped:  # argparse has said what is wrong
        return int(stopped.code or 0)
    try:
        return _train(options) if options.command == "train" else _evaluate(options)
    except LocalLLMError as error:
        sys.stderr.write(f"mcp-local-llm embedded: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _train(options: argparse.Namespace) -> int:
    from training.embedded.trainer import TrainConfig, train

    if options.steps < 1:
        raise UsageError(
            f"--steps is {options.steps}; give the number of batches, 2600 for example"
        )
    config = TrainConfig(
        steps=options.steps, seed=options.seed, threads=options.threads, device=options.device
    )
    sys.stderr.write(f"log: {options.folder / 'log.jsonl'}\n")
    try:
        model = train(options.folder, config)
    except OSError as error:
        raise StoreUnavailable(
            f"cannot write to {str(options.folder)!r} ({error}); free some space, then repeat the "
            "command: it goes on from the last checkpoint"
        ) from error
    sys.stdout.write(f"{model}\n")
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    from agents.home import state_home
    from agents.weights import EMBEDDED_WEIGHTS, materialize
    from training.embedded.evaluation import evaluate

    if options.n < 1:
        raise UsageError(f"--n is {options.n}; give the number of tasks, 200 for example")
    source = options.weights or EMBEDDED_WEIGHTS
    model = materialize(source, state_home())
    done: list[TaskOutcome] = []

    def tell(outcome: TaskOutcome) -> None:
        done.append(outcome)
        right = sum(one.delivered for one in done)
        mark = "ok  " if outcome.delivered else f"MISS ({outcome.status}: {outcome.reason})"
        sys.stderr.write(f"{len(done)}/{options.n} right {right} {mark} {outcome.wish}\n")

    report = asyncio.run(
        evaluate(
            _crew(model),
            seed=options.seed,
            count=options.n,
            weights_bytes=sum(path.stat().st_size for path in source.glob("*.safetensors")),
            on_outcome=tell,
        )
    )
    sys.stdout.write((report.model_dump_json(indent=1) if options.json else _table(report)) + "\n")
    return 0


def _crew(model: Path) -> RunTask:
    from graph.runner import Runner
    from graph.runs import RunRequest, RunStore, new_run_id, now
    from graph.settings import load_settings
    from training.embedded.evaluation import CrewRun

    overrides: dict[str, object] = {
        "model": {"profile": "local", "model_path": str(model), "prompts": "compact"},
        # The tasks and their folders are made here; a sandbox is used where there is one.
        "command": {"allow_unsandboxed": True, "python": sys.executable},
    }

    async def run_task(workspace: Path, wish: str) -> CrewRun:
        with tempfile.TemporaryDirectory(prefix="embedded-runs-") as home:
            request = RunRequest(
                run_id=new_run_id(), task=wish, workspace=str(workspace), created=now()
            )
            settings = load_settings(workspace, overrides)
            result = await Runner(RunStore(Path(home)), settings).start(request)
        reason = " ".join(result.reason.split())[:200]
        return CrewRun(status=result.status, commit=result.branch or None, reason=reason)

    return run_task


def _table(report: EmbeddedReport) -> str:
    rows = {
        "all": report.all,
        "add": report.add,
        "fix": report.fix,
        "held-out compositions": report.held_out_compositions,
    }
    lines = [
        f"{name:<22}{part.right:>5}/{part.of:<5}{part.rate:6.1%}"
        f"  95 % [{part.low:.1%}, {part.high:.1%}]"
        for name, part in rows.items()
    ]
    return "\n".join([*lines, f"weights {report.weights_bytes / 1e6:.1f} MB"])
