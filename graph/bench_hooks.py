"""How long the hook script keeps Cursor waiting, started by a shell as Cursor does it."""

from __future__ import annotations

import json
import shlex
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

from agents.capture.hooks_file import hooks_file, install
from graph.figures import Figure
from mcp_local_llm import LocalLLMError
from tools.process import probe

_STARTS: Final = 60
_EVENT: Final = "beforeSubmitPrompt"
_AIM_MS: Final = 60


def hook_time() -> list[Figure]:
    """Return median and 95th percentile of the wall time from start to end of the script.

    The prompt has 2,000 characters; the first start is left out. A busy machine shows in it.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        install(folder / "home", hooks_file(folder))
        entries = json.loads(hooks_file(folder).read_text("utf-8"))["hooks"][_EVENT]
        times = [_waited(entries[0]["command"], folder, number) for number in range(_STARTS + 1)]
    cuts = statistics.quantiles(times[1:], n=20)
    middle = statistics.median(times[1:])
    return [
        Figure(f"hook script, median of {_STARTS} starts", f"{middle:.0f} ms", f"<= {_AIM_MS} ms"),
        Figure("hook script, 95th percentile", f"{cuts[-1]:.0f} ms"),
    ]


def _waited(command: str, folder: Path, number: int) -> float:
    """Return for how many milliseconds one prompt waited."""
    event = {
        "hook_event_name": _EVENT,
        "conversation_id": "bench",
        "generation_id": str(number),
        "workspace_roots": [str(folder)],
        "prompt": "add a retry, please. " * 100,
    }
    given = folder / "event.json"
    given.write_text(json.dumps(event), "utf-8")
    began = time.perf_counter()
    said = probe(["sh", "-c", f"{command} < {shlex.quote(str(given))}"], timeout_s=60)
    seconds = time.perf_counter() - began
    if json.loads(said or "{}") != {"continue": True}:
        raise LocalLLMError(f"the hook script failed: {said!r}")
    return seconds * 1e3
