"""Training for real, on a network small enough to do it in seconds."""

import json
from pathlib import Path

import mlx.core as mx
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from training.embedded.network import Network, NetworkConfig, export
from training.embedded.trainer import Muon, TrainConfig, rate_share, train

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


def test_an_interrupted_run_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    expected = weights(train(whole, config(6), SMALL))
    long = config(6)
    # What an interruption leaves behind is a checkpoint: make one by an equal run cut short.
    import training.embedded.trainer as trainer

    run = trainer._start(long, SMALL, halves / "checkpoint.pt")
    (halves / "model").mkdir(parents=True)
    (halves / "model" / "tokenizer.json").write_bytes(
        (whole / "model" / "tokenizer.json").read_bytes()
    )
    tokenizer = Tokenizer.from_file(str(halves / "model" / "tokenizer.json"))
    stream = trainer.batches(tokenizer, long, run.place)
    for _ in range(3):
        run.place, ids, learned = next(stream)
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
