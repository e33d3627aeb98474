"""Training for real, on a network small enough to do it in seconds."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import mlx.core as mx
import psutil  # type: ignore[import-untyped]  # it ships no types
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from agents.weights import EMBEDDED_WEIGHTS
from mcp_local_llm import StoreUnavailable, UsageError
from tests.waiting import until
from training.embedded.muon import Muon
from training.embedded.names import TrainingNames
from training.embedded.network import Network, NetworkConfig, export
from training.embedded.taught import book
from training.embedded.trainer import TrainConfig, batches, rate_share, train
from training.embedded.vocabulary import letter_pieces

pytestmark = pytest.mark.slow

SMALL = NetworkConfig(hidden=64, layers=2, heads=2, kv_heads=1, mlp=128)


def config(steps: int, save_every: int = 2) -> TrainConfig:
    return TrainConfig(
        steps=steps, batch_tokens=1500, warmup_steps=2, save_every=save_every, threads=1
    )


def weights(model: Path) -> dict[str, torch.Tensor]:
    return load_file(str(model / "model.safetensors"))


def test_the_loss_falls_and_the_log_says_so(tmp_path: Path) -> None:
    model = train(tmp_path, config(12, save_every=4), SMALL)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text("utf-8").splitlines()]
    assert [line["step"] for line in lines] == [4, 8, 12]
    assert lines[-1]["loss"] < lines[0]["loss"] - 0.5
    assert (model / "model.safetensors").stat().st_size < 16_000_000


def test_a_run_can_begin_with_the_weights_of_another(tmp_path: Path) -> None:
    first = train(prepared(tmp_path / "first"), config(12, save_every=4), SMALL)
    second = train(tmp_path / "second", config(4, save_every=4), SMALL, start=first)
    assert (second / "tokenizer.json").read_bytes() == (first / "tokenizer.json").read_bytes()
    logs = [
        json.loads((tmp_path / name / "log.jsonl").read_text("utf-8").splitlines()[0])["loss"]
        for name in ("first", "second")
    ]
    assert logs[1] < logs[0] - 0.5  # its first steps are another run's last ones


def test_a_deeper_network_says_at_first_what_the_one_that_it_grew_from_said(tmp_path: Path) -> None:
    torch.manual_seed(0)
    small, deep = Network(SMALL), Network(replace(SMALL, layers=3))
    for weight in small.parameters():
        torch.nn.init.normal_(weight, std=0.05)
    export(small, tmp_path)
    small.take(tmp_path)  # what fp16 left of them
    deep.take(tmp_path)
    ids = torch.randint(0, SMALL.vocabulary, (2, 30))
    assert torch.equal(deep(ids), small(ids))
    deep(ids).square().sum().backward()
    fresh = deep.get_parameter("layers.2.self_attn.o_proj.weight").grad
    assert fresh is not None
    assert fresh.abs().sum() > 0, "the new layer learns from the first step on"
    with pytest.raises(UsageError, match="3 layers, which cannot become 2"):
        export(deep, tmp_path / "deep")
        small.take(tmp_path / "deep")


@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning")  # torch's own
def test_fast_training_computes_in_bf16_and_keeps_wide_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with torch.compiler.set_stance("force_eager"):  # the same steps, without minutes of compiling
        fast = weights(train(prepared(tmp_path / "fast"), replace(config(8), fast=True), SMALL))
    lines = (tmp_path / "fast" / "log.jsonl").read_text("utf-8").splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    assert losses[-1] < losses[0] - 0.3
    plain = weights(train(prepared(tmp_path / "plain"), config(8), SMALL))
    assert all((fast[name] - plain[name]).abs().max() < 0.2 for name in plain)
    kept = torch.load(tmp_path / "fast" / "checkpoint.pt", weights_only=True)["network"]
    assert {tensor.dtype for tensor in kept.values()} == {torch.float32}
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="install a C\\+\\+ compiler, or leave out --fast"):
        train(tmp_path / "none", replace(config(8), fast=True), SMALL)


def test_weights_of_another_shape_are_refused_as_a_beginning(tmp_path: Path) -> None:
    first = train(prepared(tmp_path / "first"), config(2), SMALL)
    other = NetworkConfig(hidden=32, layers=1, heads=2, kv_heads=1, mlp=64)
    with pytest.raises(UsageError, match="does not hold weights of this network"):
        train(tmp_path / "second", config(2), other, start=first)
    with pytest.raises(UsageError, match="holds no tokenizer"):
        train(tmp_path / "third", config(2), SMALL, start=tmp_path / "nowhere")


_BOTH = """
import signal, sys
from pathlib import Path
from tests.training.test_trainer import SMALL, together
from training.embedded.trainer import train
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in a script's background job
train(Path(sys.argv[1]), together(10_000), SMALL)
"""


def together(steps: int) -> TrainConfig:
    return replace(config(steps), processes=2, decay_share=0.0)  # one step is the same in any plan


def prepared(folder: Path) -> Path:
    """Return ``folder`` with a tokenizer in it, so that none has to be trained."""
    (folder / "model").mkdir(parents=True)
    shutil.copy(EMBEDDED_WEIGHTS / "tokenizer.json", folder / "model")
    return folder


def test_two_processes_train_one_network_and_go_on_after_a_kill(tmp_path: Path) -> None:
    halves = prepared(tmp_path / "halves")
    started = subprocess.Popen([sys.executable, "-c", _BOTH, str(halves)])
    until(lambda: (halves / "log.jsonl").exists())
    with pytest.raises(UsageError, match="another training is at work"):
        train(halves, together(6), SMALL)
    parts = psutil.Process(started.pid).children(recursive=True)
    started.kill()
    started.wait()
    assert psutil.wait_procs(parts, timeout=60)[1] == [], "none outlives the one that called"
    done = json.loads((halves / "log.jsonl").read_text("utf-8").splitlines()[-1])["step"]
    resumed = weights(train(halves, together(done + 2), SMALL))
    whole = weights(train(prepared(tmp_path / "whole"), together(done + 2), SMALL))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    with pytest.raises(StoreUnavailable, match="it is of 2 processes"):
        train(halves, config(6), SMALL)


def test_a_process_that_cannot_go_on_ends_the_others_and_says_why(tmp_path: Path) -> None:
    (prepared(tmp_path) / "checkpoint.partial").mkdir()  # nothing can be written there
    with pytest.raises(StoreUnavailable, match=r"Is a directory.*goes on from the last"):
        train(tmp_path, together(6), SMALL)


def test_an_interrupted_run_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    expected = weights(train(prepared(whole), config(6), SMALL))
    long = config(6)
    # What an interruption leaves behind is a checkpoint: make one by an equal run cut short.
    import training.embedded.trainer as trainer

    run = trainer._start(long, SMALL, halves / "checkpoint.pt", None)
    prepared(halves)
    tokenizer = Tokenizer.from_file(str(halves / "model" / "tokenizer.json"))
    stream = trainer.batches(tokenizer, long, run.places[0])
    for _ in range(3):
        run.places[0], ids, learned = next(stream)
        run.network.loss(ids, learned).backward()  # type: ignore[no-untyped-call]
        trainer._update(run, long)
        run.step += 1
    run.save(halves / "checkpoint.pt")
    resumed = weights(train(halves, long, SMALL))
    assert all(torch.equal(expected[name], resumed[name]) for name in expected)


def test_the_exported_network_computes_the_same_in_mlx(tmp_path: Path) -> None:
    from mlx_lm.utils import load_model

    torch.manual_seed(0)
    network = Network(SMALL)
    for weight in network.parameters():
        if weight.ndim == 2 and not weight.any():  # outputs start at zero: make them matter
            torch.nn.init.normal_(weight, std=0.05)
    export(network, tmp_path)
    ids = torch.randint(0, SMALL.vocabulary, (1, 40))
    with torch.no_grad():
        ours = torch.nn.functional.linear(network(ids), network.embed_tokens.weight)
    served, _ = load_model(tmp_path)
    served.set_dtype(mx.float32)
    theirs = torch.tensor(served(mx.array(ids.numpy())).tolist())
    assert (ours - theirs).abs().max() < 0.02 * ours.abs().max()
    assert (ours.argmax(-1) == theirs.argmax(-1)).float().mean() > 0.95


@pytest.mark.parametrize("by_heart", [True, False])
def test_facts_that_are_not_shown_are_asked_only_where_they_can_be_learned(by_heart: bool) -> None:
    tokenizer = Tokenizer.from_file(str(EMBEDDED_WEIGHTS / "tokenizer.json"))
    plan = replace(config(1), by_heart=by_heart)
    facts = book(TrainingNames(letter_pieces(tokenizer)), plan.seed, 0)
    stream, said = batches(tokenizer, plan, (0, 0)), ""
    while True:
        (chunk, _), ids, _ = next(stream)
        if chunk:
            break
        said += "".join(tokenizer.decode_batch(ids.tolist()))
    assert any(fact.text in said for fact in facts) is by_heart


def test_the_rate_warms_up_holds_and_decays_to_zero() -> None:
    plan = TrainConfig(steps=100, warmup_steps=10, decay_share=0.5)
    assert rate_share(0, plan) == pytest.approx(0.1)
    assert rate_share(30, plan) == 1.0
    assert rate_share(75, plan) == pytest.approx(0.5)
    assert rate_share(100, plan) == 0.0


def test_muon_moves_a_matrix_by_an_almost_orthogonal_step() -> None:
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.zeros(8, 32))
    weight.grad = torch.randn(8, 32)
    Muon([weight], lr=1.0).step()
    sizes = torch.linalg.svdvals(weight.detach())
    assert sizes.min() > 0.5 and sizes.max() < 1.5


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 cut short", b"\x80\x02]q\x00."])
def test_a_damaged_checkpoint_is_named(content: bytes, tmp_path: Path) -> None:
    import training.embedded.trainer as trainer

    checkpoint = tmp_path / "checkpoint.pt"
    checkpoint.write_bytes(content)
    with pytest.raises(StoreUnavailable, match=r"checkpoint\.pt.*remove it"):
        trainer._start(config(2), SMALL, checkpoint, None)


def test_a_checkpoint_of_another_network_is_named(tmp_path: Path) -> None:
    import training.embedded.trainer as trainer

    checkpoint = tmp_path / "checkpoint.pt"
    trainer._start(config(2), SMALL, checkpoint, None).save(checkpoint)
    smaller = NetworkConfig(hidden=32, layers=1, heads=2, kv_heads=1, mlp=64)
    with pytest.raises(StoreUnavailable, match="another folder"):
        trainer._start(config(2), smaller, checkpoint, None)
