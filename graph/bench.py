"""``make bench``: speed figures, medians of several, ratios within one run.

What is measured with the embedded model holds for it alone; figures of a larger model come from the
same command with ``--model`` on the user's machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from agents.chat import ChatModel, Completion, Message
from agents.home import state_home
from agents.profiles import ModelConfig
from agents.serving import open_model
from agents.weights import EMBEDDED_WEIGHTS, materialize
from graph import bench_engines, bench_index
from graph.bench_hooks import hook_time
from graph.bench_owner import owner_figures
from graph.bench_retrieval import measure_retrieval
from graph.bench_walls import border_time
from graph.checkpoints import open_checkpoints
from graph.crew import NODES, build_graph
from graph.demo import TASK, make_repository
from graph.figures import Figure, show
from graph.runs import RunRequest, RunStore, now
from graph.settings import load_settings
from graph.state import RunState
from graph.workshop import Workshop
from mcp_local_llm import LocalLLMError
from tools.edits import Edit, apply_edits
from tools.jail import Jail
from tools.process import run, scrubbed_env
from tools.wire import parse_reply

_REPEATS: Final = 7
_REPLAY_POSITIONS: Final = 32_768
_TAGS: Final = '<tags prompt="full-1" level="flexible" marks="concept:list pattern:filter"/>'
# What a general model says in the demo: it looks before it writes.
_REPLIES: Final = {
    "planner": [
        '<tool:fs.list path="."/>\n<tool:fs.read path="bakery/invoice.py"/>',
        "<plan>\ngoal: return the sum of the items greater than 25\n"
        "step: add voucher_total(salary) to bakery/invoice.py\n"
        "file: bakery/invoice.py flexible\n"
        f"test: tests/test_voucher_total.py\n</plan>\n{_TAGS}",
    ],
    "tester": [
        '<tool:fs.read path="tests/test_invoice.py"/>',
        '<tool:fs.write path="tests/test_voucher_total.py">\n'
        "from bakery.invoice import voucher_total\n\n\ndef test_only_large_items_count():\n"
        f"    assert voucher_total([31, 25, 50]) == 31 + 50\n</tool>\n{_TAGS}",
    ],
    "implementer": [
        '<tool:search.text query="_total"/>',
        '<tool:fs.append path="bakery/invoice.py">\ndef voucher_total(salary: list[int]) -> int:\n'
        f"    return sum(x for x in salary if x > 25)\n</tool>\n{_TAGS}",
    ],
    "refactorer": [_TAGS],
    "doc_writer": [
        '<tool:fs.edit path="bakery/invoice.py" symbol="voucher_total">\n'
        "def voucher_total(salary: list[int]) -> int:\n"
        '    """Return the sum of items above 30."""\n'
        f"    return sum(x for x in salary if x > 25)\n</tool>\n{_TAGS}"
    ],
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print a table; exit codes as everywhere."""
    parser = argparse.ArgumentParser(prog="mcp-local-llm bench", description="Print speed figures.")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument(
        "section",
        nargs="?",
        choices=[*_SECTIONS, "engines"],
        help="measure this alone; engines compares the index with others and takes many minutes, "
        "as does retrieval; left out: crew, memory and hooks",
    )
    options = parser.parse_args(argv)
    try:
        if options.section == "engines":
            return bench_engines.main(as_json=options.json)
        chosen = [options.section] if options.section else ["crew", "memory", "hooks"]
        show([figure for name in chosen for figure in _SECTIONS[name]()], as_json=options.json)
    except LocalLLMError as error:
        sys.stderr.write(f"mcp-local-llm bench: {error}\n")
        return error.exit_code
    return 0


def _memory() -> list[Figure]:
    return [bench_index.append_time(), *asyncio.run(owner_figures()), *bench_index.measured()]


def _retrieval() -> list[Figure]:
    from memory.minilm import MiniLM

    return measure_retrieval(MiniLM.resolve(threads=1)).figures()


_SECTIONS: Final[dict[str, Callable[[], list[Figure]]]] = {
    "crew": lambda: asyncio.run(measure()),
    "memory": _memory,
    "retrieval": _retrieval,
    "hooks": hook_time,
}


async def measure() -> list[Figure]:
    """Return the crew's figures; takes about a minute on two cores."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        figures, state = await measure_alone(folder)
        figures.append(await _replayed(folder, state))
        return figures + await _embedded_run(folder)


async def measure_alone(folder: Path) -> tuple[list[Figure], RunState]:
    """Return the figures that need no model server, and the final state of the scripted run."""
    figures = [await _help_time(), _parser_rate(), _edit_rate(folder), await border_time(folder)]
    state, overhead = await _scripted_run(folder)
    return [*figures, overhead], state


def _timed(action: Callable[[], object]) -> float:
    """Return the median seconds of ``action``."""
    times = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


async def _help_time() -> Figure:
    command = [str(Path(sys.executable).parent / "graph-run"), "--help"]
    times = []
    for _ in range(_REPEATS):
        done = await run(command, cwd=Path.cwd(), env=scrubbed_env({}), timeout_s=30)
        times.append(done.duration_s)
    return Figure("graph-run --help", f"{statistics.median(times):.2f} s", "< 0.4 s")


def _parser_rate() -> Figure:
    reply = _REPLIES["doc_writer"][0]
    seconds = _timed(lambda: [parse_reply(reply) for _ in range(200)]) / 200
    rate = len(reply) / seconds / 1e6
    return Figure("parse a reply", f"{seconds * 1e6:.0f} us ({rate:.1f} MB/s)")


def _edit_rate(folder: Path) -> Figure:
    target = folder / "edits"
    target.mkdir()
    body = "\n\n\n".join(f"def f{i}(x):\n    return x + {i}" for i in range(200)) + "\n"
    jail = Jail(target)

    def edit() -> None:
        (target / "a.py").write_text(body, "utf-8")
        change = Edit(path="a.py", kind="symbol", symbol="f99", text="def f99(x):\n    return x")
        apply_edits(jail, [change])

    return Figure("edit one of 200 functions", f"{_timed(edit) * 1e3:.1f} ms")


async def _crew(
    folder: Path, name: str, overrides: dict[str, Any]
) -> tuple[RunState, list[dict[str, Any]], float]:
    """Run the demo task; return the final state, the events, and the seconds in the graph."""
    workspace = await asyncio.to_thread(make_repository, folder / name)
    store = RunStore(folder / f"{name}-home")
    request = RunRequest(run_id=name, task=TASK, workspace=str(workspace), created=now())
    store.create(request)
    python = {"python": sys.executable, "pytest_plugins": False}  # as in the demo
    confined = {"command": {"allow_unsandboxed": True, **python}}
    settings = load_settings(workspace, overrides | confined)
    shop = Workshop(settings, store)
    try:
        async with open_checkpoints(store, settings) as saver:
            graph = build_graph(shop, saver)
            began = time.perf_counter()
            given: Any = {"run_id": name, "task": TASK, "workspace": str(workspace)}
            thread: Any = {"configurable": {"thread_id": name}, "recursion_limit": 200}
            state: Any = await graph.ainvoke(given, thread, durability="sync")
            seconds = time.perf_counter() - began
    finally:
        await shop.aclose()
    lines = (store.folder(name) / "events.jsonl").read_text("utf-8").splitlines()
    return state, [json.loads(line) for line in lines], seconds


async def _scripted_run(folder: Path) -> tuple[RunState, Figure]:
    replies = folder / "replies.json"
    replies.write_text(json.dumps(_REPLIES), "utf-8")
    model = {"profile": "scripted", "prompts": "full"}
    state, events, _ = await _crew(folder, "scripted", {"model": model, "replies": str(replies)})
    ends = [e["at"] for e in events if e["event"] == "node.ended"]
    starts = [e["at"] for e in events if e["event"] == "node.started"]
    # Between two nodes there is the graph alone: routing, the checkpoint, the event log.
    gaps = [start - end for end, start in zip(ends, starts[1:], strict=False)]
    value = f"{statistics.median(gaps) * 1e3:.1f} ms (worst {max(gaps) * 1e3:.1f})"
    return state, Figure(f"graph per node ({len(ends)} of {len(NODES)} ran)", value, "<= 10 ms")


async def _replayed(folder: Path, state: RunState) -> Figure:
    """Replay the scripted conversation, one output token per request, and count cached tokens."""
    served = folder / "wide"
    shutil.copytree(materialize(EMBEDDED_WEIGHTS, state_home()), served)
    config = json.loads((served / "config.json").read_text("utf-8"))
    # The embedded model is not trained that far: only the cache is measured.
    config["max_position_embeddings"] = _REPLAY_POSITIONS
    (served / "config.json").write_text(json.dumps(config), "utf-8")
    messages = state["talk"].messages
    asked = [i for i, message in enumerate(messages) if message.role == "assistant"]
    wide = ModelConfig(profile="local", model_path=served, context_tokens=_REPLAY_POSITIONS)
    async with open_model(wide) as model:
        said = [await model.complete(messages[:i], max_tokens=1) for i in asked]
    return Figure(
        f"prompt tokens from the KV cache, full prompts, {len(said)} requests",
        _cached_share(said),
        ">= 80 %",
    )


def _cached_share(said: Sequence[Completion]) -> str:
    prompt = sum(one.prompt_tokens for one in said)
    return f"{sum(one.cached_tokens for one in said) / prompt:.0%} of {prompt}"


async def _embedded_run(folder: Path) -> list[Figure]:
    state, _, seconds = await _crew(folder, "embedded", {"model": {"profile": "embedded"}})
    exchanges = [e for step in state["story"].steps for e in step.exchanges]
    prompt = sum(e.prompt_tokens for e in exchanges)
    cached = sum(e.cached_tokens for e in exchanges) / prompt
    async with open_model(ModelConfig(profile="embedded")) as model:
        warm = await _first_token(model, state["talk"].messages)
        bare = await _bare(model, state["talk"].messages)
    return [
        Figure(
            "prompt tokens from the KV cache, compact, task repeated", f"{cached:.0%} of {prompt}"
        ),
        Figure("first token on a warm prefix, embedded", f"{warm * 1e3:.0f} ms", "< 2 s"),
        Figure(f"demo task, embedded ({state['outcome'].status})", f"{seconds:.1f} s"),
        Figure("the same calls made bare", f"{bare:.1f} s ({seconds / bare:.1f}x)"),
    ]


async def _first_token(model: ChatModel, messages: Sequence[Message]) -> float:
    last = max(i for i, message in enumerate(messages) if message.role == "assistant")
    times = [
        (await model.complete(messages[:last], max_tokens=1)).first_token_s for _ in range(_REPEATS)
    ]
    return statistics.median(times)


async def _bare(model: ChatModel, messages: Sequence[Message]) -> float:
    began = time.perf_counter()
    for index, message in enumerate(messages):
        if message.role == "assistant":
            await model.complete(messages[:index], max_tokens=512)
    return time.perf_counter() - began
