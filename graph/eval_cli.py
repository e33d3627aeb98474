"""The command ``mcp-local-llm eval``: asks a model the suites of the gate, and shows what it said.

Exit codes: 0 measured, whatever the result; 2 wrong input; 3 no model, or no sandbox to run in.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from graph.console import run_command, short, told
from mcp_local_llm import StoreUnavailable, UsageError

if TYPE_CHECKING:
    from agents.profiles import ModelConfig, PromptSet
    from training.gate.asking import OnAnswer
    from training.gate.records import EvalReport, Judged, Probe

_DESCRIPTION: Final = """\
Ask the model the suites of the evaluation, and score its answers by executing their code and by
their structure.
"""
_SUITES: Final = ("wire", "preservation", "canary", "general", "taught")
_BASE: Final = "base"


def main(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm eval``."""
    parser = argparse.ArgumentParser(prog="mcp-local-llm eval", description=_DESCRIPTION)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--profile", metavar="NAME", help="the model profile (default: as served)")
    which.add_argument("--model", metavar="DIR", help="a model's folder; with --no-server its name")
    parser.add_argument(
        "--adapter",
        metavar="DIR|ID",
        help="an adapter's folder or id, or 'base' for none (default: the one that is served)",
    )
    parser.add_argument(
        "--against", metavar="DIR|ID", help="another adapter, or 'base', to compare with"
    )
    parser.add_argument("--no-server", action="store_true", help="ask one that runs (see --port)")
    parser.add_argument("--port", type=int, metavar="N", help="the server's port on this machine")
    parser.add_argument(
        "--suite",
        action="append",
        metavar="NAME",
        help=f"one of {', '.join(_SUITES)}, or a JSON file of probes; may be repeated (all)",
    )
    parser.add_argument(
        "--seeds", type=int, default=2, metavar="N", help="drawings of prompts (default 2)"
    )
    parser.add_argument("--prompts", choices=("compact", "full"), help="the set of prompts")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a report for a browser")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return run_command(parser, argv, _eval)


def _eval(options: argparse.Namespace) -> int:
    from graph.logs import log_to_stderr

    log_to_stderr()
    if options.seeds < 1:
        raise UsageError(f"--seeds is {options.seeds}; give 1 or more")
    report = asyncio.run(evaluate(options, options.adapter, _show))
    other = asyncio.run(evaluate(options, options.against, _show)) if options.against else None
    if options.html:
        _write_page(options.html, report, other)
    facts: dict[str, Any] = report.model_dump(mode="json")
    facts["against"] = other.model_dump(mode="json") if other else None
    return told(options, table(report, other), **facts, share=report.share.model_dump())


def _show(probe: Probe, answer: Judged) -> None:
    mark = "ok  " if answer.passed else "MISS"
    sys.stderr.write(f"{mark} {probe.id}{'' if answer.passed else ': ' + short(answer.why)}\n")


def _write_page(path: Path, report: EvalReport, other: EvalReport | None) -> None:
    from graph.eval_page import render_evaluation
    from memory.whole_file import write_whole

    try:
        write_whole(path.absolute(), render_evaluation(report, other))
    except OSError as error:
        raise StoreUnavailable(
            f"cannot write the report {str(path)!r} ({error.strerror}); name another --html"
        ) from error
    sys.stderr.write(f"report: {path}\n")


async def evaluate(
    options: argparse.Namespace, adapter: str | None, on_answer: OnAnswer
) -> EvalReport:
    """Serve the model of ``options`` with ``adapter`` and ask it the suites.

    Raises:
        UsageError: an option names nothing that is there.
        ModelUnavailable: the model cannot be served.
        ToolDenied: answers have to be executed and no sandbox works here.
    """
    from agents.profiles import resolve_profile
    from agents.serving import open_model
    from graph.settings import load_settings
    from training.gate.asking import ask_all
    from training.gate.records import EvalReport

    began = time.monotonic()
    settings = await asyncio.to_thread(load_settings, Path.cwd(), {})
    model = await asyncio.to_thread(_served, options, adapter, settings.model)
    profile = await asyncio.to_thread(resolve_profile, None, model)
    probes = await asyncio.to_thread(chosen_probes, options, profile.prompts)
    policy = settings.command.policy(Path(sys.executable))
    async with open_model(model) as opened:
        suites = await ask_all(probes, opened, policy, on_answer)
        return EvalReport(
            model=opened.model_id,
            adapter=opened.adapter_id or "",
            prompts=profile.prompts,
            seeds=options.seeds,
            suites=tuple(suites.values()),
            seconds=round(time.monotonic() - began, 1),
        )


def _served(options: argparse.Namespace, adapter: str | None, model: ModelConfig) -> ModelConfig:
    """Return what is to be served: the user's settings, and over them what ``options`` say."""
    from agents.adapters.serving import served
    from agents.home import state_home
    from agents.profiles import REMOTE, resolve_profile

    changed: dict[str, Any] = {}
    if options.prompts:
        changed["prompts"] = options.prompts
    if options.no_server:
        if not options.port or adapter:
            raise UsageError(
                "--no-server asks a server that runs, with the adapter it was started with: give "
                "its --port, and neither --adapter nor --against"
            )
        address = f"http://127.0.0.1:{options.port}/v1"
        name = options.model or "default_model"
        changed |= {"profile": REMOTE, "base_url": address, "model": name, "model_path": None}
        return model.model_copy(update=changed)
    if options.profile or options.model:
        folder = Path(options.model).absolute() if options.model else None
        changed |= {"profile": options.profile, "model_path": folder, "base_url": None}
    if options.port:
        changed["port"] = options.port
    if adapter:
        changed |= {"adapter_path": _adapter(adapter), "learnt": False}
    model = model.model_copy(update=changed)
    return served(model, resolve_profile(None, model), home=state_home())


def _adapter(name: str) -> Path | None:
    """Return the folder of the adapter ``name``; ``UsageError`` when there is none."""
    from agents.adapters.registry import Registry
    from agents.home import state_home
    from training.gate.shape import read_config

    if name == _BASE:
        return None
    folder = Path(name).absolute()
    if folder.is_dir():
        read_config(folder)
        return folder
    registry = Registry(state_home())
    return registry.folder(registry.verify(registry.get(name).id).id)


def chosen_probes(options: argparse.Namespace, prompts: PromptSet) -> tuple[Probe, ...]:
    """Return the probes of the suites that ``options`` name.

    Raises:
        UsageError: a suite is not known, or its file cannot be used, or nothing is to be asked.
    """
    from training.gate.suites import plain_probes, read_probes

    wanted = options.suite or _SUITES
    probes: list[Probe] = []
    plain = plain_probes(prompts, options.seeds)
    for name in dict.fromkeys(wanted):
        if name == "taught":
            probes += _taught(prompts)
        elif name in _SUITES:
            probes += [probe for probe in plain if probe.suite == name]
        elif name.endswith(".json"):
            probes += read_probes(Path(name))
        else:
            raise UsageError(
                f"there is no suite {name!r}; choose of {', '.join(_SUITES)}, or name a .json file"
            )
    if not probes:
        raise UsageError("there is nothing to ask: nothing was taught yet; choose another --suite")
    return tuple(probes)


def _taught(prompts: PromptSet) -> tuple[Probe, ...]:
    """Return probes of everything that was taught and may be trained."""
    from agents.home import state_home
    from graph.night.collect import known_of
    from memory.journal import Journal
    from memory.layout import journal_path, memory_folder
    from memory.records import Where
    from training.examples.knowledge import KINDS, eligible
    from training.gate.probes import probes_of

    path = journal_path(memory_folder(state_home()))
    if not path.is_file():
        return ()
    with Journal(path) as journal:
        known = known_of(journal, journal.live(Where(kinds=KINDS)))
    return probes_of(eligible(known)[0], prompts=prompts, seed=1, suite="taught")


def table(report: EvalReport, other: EvalReport | None) -> str:
    """Return the shares of each category, for people; with ``other``, its own beside them."""
    rows = {"all": report.share, **report.by_category}
    before = {"all": other.share, **other.by_category} if other else {}
    width = max(map(len, rows))
    lines = [
        f"{name:<{width}} {part.right:>4}/{part.of:<4}{part.rate:6.1%}"
        f"  95 % [{part.low:.1%}, {part.high:.1%}]"
        + (f"  against {before[name].rate:.1%}" if name in before else "")
        for name, part in rows.items()
    ]
    said = [answer for answer in report.answers if answer.violation]
    lines += [f"VIOLATION in {answer.probe}: {answer.violation}" for answer in said]
    name = f"{report.model} with {report.adapter}" if report.adapter else report.model
    return "\n".join([*lines, f"{name}, {report.seconds:.0f} s"])
