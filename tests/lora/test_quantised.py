"""Training on a 4-bit base of the 7B model's architecture, with random weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml  # type: ignore[import-untyped]  # it ships no types

from training.lora.checkpoint import identify
from training.lora.loop import run_job
from training.lora.recipe import Budget, Recipe
from training.lora.records import Job

CONFIG = {
    "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": 64,
    "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "rms_norm_eps": 1e-6, "vocab_size": 260, "rope_theta": 1000000.0,
    "max_position_embeddings": 512, "tie_word_embeddings": False,
    "quantization": {"group_size": 32, "bits": 4},
}  # fmt: skip


@pytest.fixture
def four_bits(random_checkpoint: Path, tmp_path: Path) -> Path:
    import mlx.core as mx
    from mlx.nn.layers.quantized import quantize
    from mlx.utils import tree_flatten
    from mlx_lm.models.qwen2 import Model, ModelArgs

    folder = tmp_path / "four-bits"
    folder.mkdir()
    for path in random_checkpoint.glob("tokenizer*"):
        shutil.copy(path, folder)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    mx.random.seed(3)
    model = Model(ModelArgs.from_dict(CONFIG))  # type: ignore[no-untyped-call]
    quantize(model, group_size=32, bits=4)
    mx.save_safetensors(str(folder / "model.safetensors"), dict(tree_flatten(model.parameters())))
    return folder


def test_an_adapter_on_four_bits_learns_loads_and_can_be_made_by_mlx_lm_too(
    four_bits: Path, letters: Path, quick: Recipe, ample: Budget, tmp_path: Path
) -> None:
    from mlx.utils import tree_flatten
    from mlx_lm.lora import CONFIG_DEFAULTS, run
    from mlx_lm.tuner.utils import load_adapters
    from mlx_lm.utils import load_model

    out = tmp_path / "out"
    out.mkdir()
    job = Job(dataset=letters, model=four_bits, out=out, recipe=quick, budget=ample)
    trained = run_job(job, identify(job), lambda _: None)
    assert trained.train_loss[-1].loss < trained.train_loss[0].loss - 0.3

    config = yaml.safe_load((out / "lora.yaml").read_text("utf-8"))
    run(SimpleNamespace(**(CONFIG_DEFAULTS | config)))
    for folder in (out, out / "again"):
        model, _ = load_model(four_bits)
        weights = dict(tree_flatten(load_adapters(model, str(folder)).parameters()))
        taken = [name for name in weights if name.endswith("lora_b")]
        assert len(taken) == 14 and all(weights[name].any().item() for name in taken)
        assert str(weights["model.layers.0.mlp.up_proj.linear.weight"].dtype).endswith("uint32")
