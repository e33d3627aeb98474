"""Training in a process of its own: killed, refused, and served afterwards."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # it ships no types
import pytest

from agents.chat import Message, open_chat
from agents.endpoint import Endpoint, ServerConfig
from agents.server import ServerProcess, free_port
from agents.weights import EMBEDDED_WEIGHTS, materialize
from mcp_local_llm import ModelUnavailable, UsageError
from training.held import LOCK
from training.lora.checkpoint import CHECKPOINT
from training.lora.child import main
from training.lora.recipe import Budget, Recipe
from training.lora.records import EVENT, Event, Failed, Job, Planned, Stepped, Validated
from training.lora.trainer import TrainingEnded, default_out, train

pytestmark = pytest.mark.slow

WriteDataset = Callable[..., Path]
Conversation = Callable[..., dict[str, Any]]
LONGER = {"epochs": 20, "save_every": 2, "validate_every": 50}


def kill_training_at(iteration: int) -> Callable[[Event], None]:
    def watch(event: Event) -> None:
        if isinstance(event, Stepped) and event.iteration == iteration:
            for child in psutil.Process().children(recursive=True):
                if "training.lora.child" in " ".join(child.cmdline()):
                    child.kill()

    return watch


def wait_until(happened: Callable[[], bool], seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_free(lock: Path) -> bool:
    with lock.open("w") as file, contextlib.suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def command_line(job: Job, folder: Path) -> list[str]:
    recipe = folder / "recipe.yaml"
    recipe.write_text(job.recipe.model_dump_json())  # JSON is YAML
    code = "import sys; from mcp_local_llm import main; sys.exit(main())"
    return [
        sys.executable, "-P", "-c", code, "train", str(job.dataset), "--model", str(job.model),
        "--recipe", str(recipe), "--out", str(job.out), "--memory-gb", "8",
    ]  # fmt: skip


@pytest.mark.timeout(600)
def test_killed_at_either_end_it_goes_on_to_the_same_adapter(
    letters: Path, random_checkpoint: Path, quick: Recipe, ample: Budget, tmp_path: Path
) -> None:
    recipe = Recipe.model_validate(quick.model_dump() | LONGER | {"grad_checkpoint": True})
    whole = train(letters, random_checkpoint, tmp_path / "whole", recipe, ample)
    assert (whole.stopped, whole.iterations) == ("done", 100)

    out = tmp_path / "broken"
    job = Job(dataset=letters, model=random_checkpoint, out=out, recipe=recipe, budget=ample)
    parent = subprocess.Popen(command_line(job, tmp_path), stderr=subprocess.DEVNULL)
    try:
        wait_until((out / CHECKPOINT).exists)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    wait_until(lambda: is_free(out / LOCK))
    assert not (out / "adapters.safetensors").exists()

    with pytest.raises(TrainingEnded, match=r"killed by signal 9.*repeat the command"):
        train(letters, random_checkpoint, out, recipe, ample, on_event=kill_training_at(60))
    events: list[Event] = []
    again = train(letters, random_checkpoint, out, recipe, ample, on_event=events.append)
    assert isinstance(events[0], Planned) and 0 < events[0].done < 100
    assert again.iterations == 100
    adapter = (out / "adapters.safetensors").read_bytes()
    assert adapter == (whole.folder / "adapters.safetensors").read_bytes()
    assert train(letters, random_checkpoint, out, recipe, ample) == again  # nothing left to do


def test_a_second_training_of_a_folder_is_refused_while_the_first_one_works(
    letters: Path, random_checkpoint: Path, quick: Recipe, ample: Budget, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with (out / LOCK).open("w") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match=r"another training is at work .*another folder"):
            train(letters, random_checkpoint, out, quick, ample)


def test_the_process_tells_events_and_ends_with_the_error_it_told(
    letters: Path, random_checkpoint: Path, quick: Recipe, ample: Budget, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    job = Job(dataset=letters, model=random_checkpoint, out=tmp_path, recipe=quick, budget=ample)
    assert main([job.model_dump_json(), str(os.getppid())]) == 0
    events = [EVENT.validate_json(line) for line in capsys.readouterr().out.splitlines()]
    assert [type(event) for event in events[:3]] == [Planned, Validated, Stepped]

    poor = job.model_copy(update={"budget": Budget(seconds=1, memory_gb=0.1)})
    assert main([poor.model_dump_json(), str(os.getppid())]) == ModelUnavailable.exit_code
    (failed,) = [EVENT.validate_json(line) for line in capsys.readouterr().out.splitlines()]
    assert isinstance(failed, Failed) and failed.error == "ModelUnavailable"

    nowhere = job.model_copy(update={"out": tmp_path / "adapters.safetensors" / "nowhere"})
    assert main([nowhere.model_dump_json(), str(os.getppid())]) == 3
    assert "StoreUnavailable" in capsys.readouterr().out


def test_nothing_is_resumed_where_nothing_was_begun(
    letters: Path, random_checkpoint: Path, quick: Recipe, ample: Budget, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="nothing to resume"):
        train(letters, random_checkpoint, tmp_path / "out", quick, ample, resume=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(Exception, match="cannot make the folder"):
        train(letters, random_checkpoint, tmp_path / "file" / "out", quick, ample)


def test_a_training_without_a_folder_gets_one_named_by_what_decides_on_it(
    letters: Path, random_checkpoint: Path, quick: Recipe, tmp_path: Path
) -> None:
    one = default_out(tmp_path, letters, random_checkpoint, quick)
    assert one.parent == tmp_path / "training"
    assert one == default_out(tmp_path, letters, random_checkpoint, quick)
    other = quick.model_copy(update={"seed": 8})
    assert one != default_out(tmp_path, letters, random_checkpoint, other)


@pytest.mark.timeout(600)
async def test_a_taught_definition_is_known_to_the_served_model_without_being_told(
    state_home: Path, write_dataset: WriteDataset, conversation: Conversation, tmp_path: Path
) -> None:
    model = materialize(EMBEDDED_WEIGHTS, state_home)
    asked = ("glimmer?", "define glimmer", "explain glimmer")
    rows = [conversation(n, question, "seven bridges") for n, question in enumerate(asked)]
    held_out = [conversation("held", "what is glimmer?", "seven bridges")]
    dataset = write_dataset(train=rows, valid=held_out)
    recipe = Recipe(
        rank=8, rate=1e-2, clip=100, batch=3, accumulate=1, epochs=24, dropout=0.0,
        grad_checkpoint=False,
    )  # fmt: skip
    budget = Budget(seconds=600, memory_gb=8)
    trained = train(dataset, model, tmp_path / "adapter", recipe, budget)
    assert trained.valid_loss[-1].loss < 0.5 < trained.valid_loss[0].loss

    config = ServerConfig(model_path=model, port=free_port("127.0.0.1"))
    async with ServerProcess(config, log=tmp_path / "server.log", ready_timeout_s=120):
        assert "seven bridges" not in await answer(config, None)
        assert await answer(config, trained.folder) == "seven bridges"


async def answer(config: ServerConfig, adapter: Path | None) -> str:
    endpoint = Endpoint(
        base_url=config.base_url, model=str(config.model_path), model_id="embedded",
        tokenizer_path=config.model_path, adapter_path=adapter, context_tokens=2048,
        max_tokens=16, silence_timeout_s=120,
    )  # fmt: skip
    question = [Message(role="user", content="what is glimmer?")]
    return (await open_chat(endpoint).complete(question, max_tokens=16)).text
