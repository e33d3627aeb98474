"""The command ``mcp-local-llm embedded``: train the demo model, and measure it with the full crew.

It lives here because measuring runs whole crews, which only this folder can put together.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mcp_local_llm import LocalLLMError, ModelUnavailable, StoreUnavailable, UsageError

if TYPE_CHECKING:
    from graph.settings import Settings
    from training.embedded.evaluation import EmbeddedReport, RunTask, Share, TaskOutcome
    from training.embedded.outcomes import OutcomeFile

_DESCRIPTION: Final = "Train or evaluate the small model that runs where no other weights are."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mcp-local-llm embedded", description=_DESCRIPTION)
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train from scratch; resumes an interrupted run")
    train.add_argument("folder", type=Path, help="where checkpoint, log and model are kept")
    train.add_argument("--steps", type=int, default=2600, help="length of the schedule")
    train.add_argument("--seed", type=int, default=7)
    train.add_argument(
        "--from",
        dest="start",
        type=Path,
        metavar="DIR",
        help="begin with this model's weights (give a lower --rate, 0.5 for example)",
    )
    train.add_argument(
        "--layers", type=int, default=6, help="of the network; it may have more than --from has"
    )
    train.add_argument("--rate", type=float, default=1.0, help="scales the learning rates")
    train.add_argument("--threads", type=int, default=2, help="of one process")
    train.add_argument(
        "--processes", type=int, default=1, help="that average their gradients: larger batches"
    )
    train.add_argument(
        "--fast", action="store_true", help="bf16 and compiled code; needs a C++ compiler"
    )
    train.add_argument("--device", default="cpu", help="a torch device: cpu, cuda, mps")
    evaluate = commands.add_parser("eval", help="run the crew on held-out tasks and count")
    evaluate.add_argument("--seed", type=int, default=1)
    evaluate.add_argument("--n", type=int, default=200, metavar="TASKS")
    evaluate.add_argument("--weights", type=Path, metavar="DIR", help="other weights than shipped")
    evaluate.add_argument("--jobs", type=int, default=1, help="tasks at a time (default 1)")
    evaluate.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="where outcomes are kept; an interrupted evaluation goes on from there "
        "(default: in the state folder, named by seed and weights)",
    )
    evaluate.add_argument("--again", action="store_true", help="forget the outcomes in that file")
    evaluate.add_argument("--json", action="store_true", help="one JSON object on stdout")
    lessons = commands.add_parser("lessons", help="count what it answers of what it is shown")
    lessons.add_argument("--seed", type=int, default=1)
    lessons.add_argument("--n", type=int, default=20, help="lessons of each kind (default 20)")
    lessons.add_argument("--weights", type=Path, metavar="DIR", help="other weights than shipped")
    lessons.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command line ``argv`` and return the exit code: 0, 2 wrong input, 3 no model."""
    try:
        options = _parser().parse_args(argv)
    except SystemExit as stopped:  # argparse has said what is wrong
        return int(stopped.code or 0)
    try:
        return _COMMANDS[options.command](options)
    except LocalLLMError as error:
        sys.stderr.write(f"mcp-local-llm embedded: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _train(options: argparse.Namespace) -> int:
    from training.embedded.curve import write_curve
    from training.embedded.network import NetworkConfig
    from training.embedded.trainer import TrainConfig, train

    if not 0 < options.rate <= 2:
        raise UsageError(f"--rate is {options.rate:g}; give a number above 0, up to 2")
    for name, value, example in (
        ("--steps", options.steps, 2600),
        ("--layers", options.layers, 6),
        ("--threads", options.threads, 2),
        ("--processes", options.processes, 2),
    ):
        if value < 1:
            raise UsageError(f"{name} is {value}; give a number from 1 on, {example} for example")
    config = TrainConfig(
        steps=options.steps,
        rate=options.rate,
        seed=options.seed,
        threads=options.threads,
        processes=options.processes,
        fast=options.fast,
        device=options.device,
    )
    sys.stderr.write(f"log: {options.folder / 'log.jsonl'}\n")
    try:
        shape = NetworkConfig(layers=options.layers)
        model = train(options.folder, config, shape, start=options.start)
        write_curve(options.folder / "log.jsonl")
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
    from training.embedded.outcomes import OutcomeFile

    for name, value, example in (("--n", options.n, 200), ("--jobs", options.jobs, 2)):
        if value < 1:
            raise UsageError(f"{name} is {value}; give the number of tasks, {example} for example")
    source = options.weights or EMBEDDED_WEIGHTS
    home = state_home()
    model = materialize(source, home)
    default = home / "evaluations" / f"seed-{options.seed}-{model.name}.jsonl"
    file = OutcomeFile(options.out or default, options.seed, model.name)
    done = _Progress(file, options.n)
    kept = done.begin(again=options.again)
    try:
        report = asyncio.run(
            evaluate(
                _crew(model),
                seed=options.seed,
                count=options.n,
                weights_bytes=sum(path.stat().st_size for path in source.glob("*.safetensors")),
                on_outcome=done.tell,
                kept=kept,
                jobs=options.jobs,
            )
        )
    except ModelUnavailable as error:
        raise ModelUnavailable(
            f"{error}\nThe model stays unavailable. {done.count} outcomes are kept in "
            f"{str(file.path)!r}; repeat the command to go on"
        ) from error
    sys.stdout.write((report.model_dump_json(indent=1) if options.json else _table(report)) + "\n")
    return 0


def _lessons(options: argparse.Namespace) -> int:
    from agents.home import state_home
    from agents.profiles import ModelConfig
    from agents.serving import open_model
    from agents.weights import EMBEDDED_WEIGHTS, materialize
    from training.embedded.lesson_evaluation import LessonReport, evaluate_lessons

    if options.n < 1:
        raise UsageError(f"--n is {options.n}; give the number of lessons, 20 for example")
    model = materialize(options.weights or EMBEDDED_WEIGHTS, state_home())

    async def evaluated() -> LessonReport:
        bare = ModelConfig(profile="local", model_path=model, prompts="compact", learnt=False)
        async with open_model(bare) as served:
            return await evaluate_lessons(served, seed=options.seed, each=options.n, on_kind=tell)

    def tell(kind: str, part: Share) -> None:
        out = sys.stderr if options.json else sys.stdout
        out.write(f"{_row(kind, part)}\n")
        out.flush()

    report = asyncio.run(evaluated())
    if options.json:
        sys.stdout.write(f"{report.model_dump_json(indent=1)}\n")
    return 0


@dataclass(slots=True)
class _Progress:
    """Keeps outcomes as they become known, and says so."""

    file: OutcomeFile
    wanted: int
    count: int = 0
    right: int = 0

    def begin(self, *, again: bool) -> dict[int, TaskOutcome]:
        """Return the outcomes of an earlier, interrupted evaluation, unless it begins again."""
        if again:
            self.file.remove()
        kept = {index: one for index, one in self.file.read().items() if index < self.wanted}
        self.count, self.right = len(kept), sum(one.delivered for one in kept.values())
        sys.stderr.write(f"outcomes: {self.file.path}\n")
        if kept:
            sys.stderr.write(
                f"{self.count} of {self.wanted} are there already; --again measures them anew\n"
            )
        return kept

    def tell(self, outcome: TaskOutcome) -> None:
        """Keep ``outcome`` and show it."""
        self.file.append(outcome)
        self.count += 1
        self.right += outcome.delivered
        mark = "ok  " if outcome.delivered else f"MISS ({outcome.status}: {outcome.reason})"
        sys.stderr.write(f"{self.count}/{self.wanted} right {self.right} {mark} {outcome.wish}\n")


def _crew(model: Path) -> RunTask:
    from graph.runner import Runner
    from graph.runs import RunRequest, RunStore, new_run_id, now
    from graph.settings import load_settings
    from graph.tag_counts import tag_counts
    from training.embedded.evaluation import CrewRun

    overrides: dict[str, object] = {
        "model": {
            "profile": "local",
            "model_path": str(model),
            "prompts": "compact",
            "learnt": False,
        },
        # The tasks and their folders are made here; a sandbox is used where there is one. Their
        # tests need no plugin, and loading all that are installed beside us takes seconds a start.
        "command": {
            "allow_unsandboxed": True,
            "python": sys.executable,
            "pytest_plugins": False,
        },
    }

    async def run_task(workspace: Path, wish: str) -> CrewRun:
        settings = load_settings(workspace, overrides)
        with tempfile.TemporaryDirectory(prefix="embedded-runs-") as home:
            request = RunRequest(
                run_id=new_run_id(), task=wish, workspace=str(workspace), created=now()
            )
            try:
                result = await Runner(RunStore(Path(home)), settings).start(request)
            except ModelUnavailable as error:
                await _answers(settings)  # if it does, only this run went wrong
                return CrewRun(status="failed", commit=None, reason=str(error))
        reason = " ".join(result.reason.split())[:200]
        return CrewRun(
            status=result.status,
            commit=result.branch or None,
            reason=reason,
            tags=tag_counts(result.steps),
        )

    return run_task


async def _answers(settings: Settings) -> None:
    """Raise ``ModelUnavailable`` unless the model of ``settings`` answers."""
    from agents.chat import Message
    from graph.workshop import open_model

    async with AsyncExitStack() as leases:
        model = await open_model(settings, leases, Path.cwd())
        await model.chat.complete([Message(role="user", content="role: planner")], max_tokens=1)


def _table(report: EmbeddedReport) -> str:
    rows = {
        "all": report.all,
        "add": report.add,
        "fix": report.fix,
        "held-out compositions": report.held_out_compositions,
    }
    lines = [_row(name, part) for name, part in rows.items()]
    for role, tags in report.tags.items():
        lines.append(
            f"{'tags: ' + role:<22}{tags.written.right:>5}/{tags.written.of:<5}"
            f"{tags.written.rate:6.1%}  valid as written, {tags.valid.rate:.1%} in the end"
        )
    return "\n".join([*lines, f"weights {report.weights_bytes / 1e6:.1f} MB"])


def _row(name: str, part: Share) -> str:
    return (
        f"{name:<22}{part.right:>5}/{part.of:<5}{part.rate:6.1%}"
        f"  95 % [{part.low:.1%}, {part.high:.1%}]"
    )


_COMMANDS: Final = {"train": _train, "eval": _evaluate, "lessons": _lessons}
