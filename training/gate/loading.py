"""What only a process that loads base and adapter itself can tell: bits, logits and memory.

The server gives no probabilities of a prompt. The process is ``python -P -c … JOB``; it writes one
line of JSON.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from agents.endpoint import Serving
from agents.footprint import GIB
from agents.hardware import detect
from agents.profiles import EMBEDDED
from agents.server import server_environment
from mcp_local_llm import ModelUnavailable
from memory.records import Record
from tools.process import run, scrubbed_env
from training.dataset.encoding import Encoder
from training.dataset.reader import Item, Turn
from training.embedded.curriculum import dialogue
from training.gate.records import Loaded
from training.gate.suites import held_out_task

if TYPE_CHECKING:
    from training.lora.batches import Batch

DRIFT_TEXT: Final = Path(__file__).parent / "drift.txt"
_CUT: Final = "\n----\n"  # between the pieces of the text
_ROOT: Final = Path(__file__).resolve().parents[2]
_BOOT: Final = (  # without torch, which transformers imports where it finds it
    "import sys; sys.path.insert(0, {root!r}); sys.modules['torch'] = None; "
    "from training.gate.loading import main; sys.exit(main(sys.argv[1]))"
)
_TIMEOUT_S: Final = 3_600.0
_DIALOGUES: Final = 4
_SAID: Final = 300  # characters of what a library said


class LoadJob(Record):
    """What is to be loaded, over one base: ``untrained`` has the shape of ``candidate``."""

    model: Path
    candidate: Path
    untrained: Path
    items: tuple[Item, ...]


def drift_items(profile: str) -> tuple[Item, ...]:
    """Return the fixed text of ``profile``: held-out dialogues, or the shipped code and prose."""
    if profile == EMBEDDED:
        return tuple(_dialogue(number) for number in range(_DIALOGUES))
    return text_items(DRIFT_TEXT.read_text("utf-8"))


def text_items(text: str) -> tuple[Item, ...]:
    """Return the pieces of ``text``, which lines of four hyphens part, as conversations."""
    return tuple(
        Item(
            id=f"text/{number}",
            messages=(
                Turn(role="user", content="Write a text."),
                Turn(role="assistant", content=piece.strip("\n")),
            ),
        )
        for number, piece in enumerate(text.split(_CUT))
    )


def _dialogue(number: int) -> Item:
    task = held_out_task(900_000 + number)
    turns = list(dialogue(task, Random(f"drift/{number}")))  # noqa: S311 - reproducible
    return Item(
        id=f"dialogue/{number}",
        messages=tuple(Turn(role=turn.role, content=turn.content) for turn in turns),
        learn=tuple(place for place, turn in enumerate(turns) if turn.learn),
    )


async def load_apart(job: LoadJob) -> Loaded:
    """Load base and adapters in a process of its own and return what it found.

    An adapter that cannot be loaded is told in ``problem``.

    Raises:
        ModelUnavailable: the process could not be started.
    """
    with tempfile.TemporaryDirectory(prefix="local-llm-gate-") as folder:
        task = await asyncio.to_thread(_written, job, Path(folder, "job.json"))
        serving = Serving(model_path=job.model)
        environment = server_environment(serving, detect(), Path(folder, "hub"))
        done = await run(
            [sys.executable, "-P", "-c", _BOOT.format(root=str(_ROOT)), str(task)],
            cwd=Path(folder),
            env=scrubbed_env(environment),
            timeout_s=_TIMEOUT_S,
        )
    try:
        return Loaded.model_validate_json(done.stdout.strip().rpartition("\n")[2])
    except ValidationError as error:
        said = " ".join(done.stderr.split())[-_SAID:]
        if done.timed_out or done.code < 0:
            how = "took too long" if done.timed_out else f"was killed by signal {-done.code}"
            raise ModelUnavailable(
                f"the process that loads {str(job.model)!r} with an adapter {how}; free some "
                "memory and repeat the command"
            ) from error
        return Loaded(problem=f"it cannot be loaded: {said}")


def _written(job: LoadJob, path: Path) -> Path:
    path.write_text(job.model_dump_json(), "utf-8")
    return path


def main(path: str) -> int:
    """Do the job in the file ``path`` and print what was found."""
    job = LoadJob.model_validate_json(Path(path).read_bytes())
    encoder = Encoder(job.model)
    batches = [(encoder.encode(item),) for item in job.items]
    base = _measured(job.model, None, batches)
    untrained = _measured(job.model, job.untrained, batches[:1])
    mine = _measured(job.model, job.candidate, batches)
    if not mine["finite"]:  # JSON knows no such numbers
        mine |= {"bits": 0.0, "logits": base["logits"]}
    loaded = Loaded(
        finite=mine["finite"],
        difference=float(abs(mine["logits"] - base["logits"]).max()),
        base_bits=base["bits"],
        bits=mine["bits"],
        tokens=mine["tokens"],
        base_memory_gb=base["memory"],
        memory_gb=mine["memory"],
        untrained_memory_gb=untrained["memory"],
    )
    sys.stdout.write(loaded.model_dump_json() + "\n")
    return 0


def _measured(model: Path, adapter: Path | None, batches: Sequence[Batch]) -> dict[str, Any]:
    """Return bits per learned token, the first item's last logits and the GiB of the weights.

    What a request takes beside them is the same for all adapters of a shape, and how much of it is
    there at once depends on a CPU on when mlx's thread lets go.
    """
    import gc
    import math

    import mlx.core as mx
    import numpy as np
    from mlx_lm.tuner.utils import load_adapters
    from mlx_lm.utils import load_model

    from training.lora.learner import arrays, learned_tokens, summed_loss

    if mx.default_device() == mx.cpu:
        mx.disable_compile()  # it would run a C++ compiler
    network, _ = load_model(model)
    if adapter is not None:
        network = load_adapters(network, str(adapter))
    network.eval()
    mx.eval(network.parameters())
    gc.collect()  # a model before this one
    memory = mx.get_active_memory() / GIB
    logits = np.array(network(arrays(batches[0])[0])[0, -1].astype(mx.float32))
    nats = 0.0
    for batch in batches:
        nats += summed_loss(network, *arrays(batch)).item()
        mx.clear_cache()
    tokens = learned_tokens(batches)
    return {
        "bits": nats / tokens / math.log(2),
        "tokens": tokens,
        "logits": logits,
        "finite": bool(np.isfinite(logits).all() and math.isfinite(nats)),
        "memory": memory,
    }
