"""Recipes, the batches that follow from them, and what they cost in memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # it ships no types

from mcp_local_llm import ModelUnavailable, UsageError
from training.dataset.encoding import Encoded
from training.lora.batches import count_updates, in_batches, updates
from training.lora.estimate import estimate_training
from training.lora.recipe import RECIPES, Recipe, mlx_config, read_recipe, schedule, yaml_text


def item(length: int) -> Encoded:
    return Encoded(list(range(length)), [True] * length)


def test_a_file_sets_some_fields_and_leaves_the_others(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text("rank: 32\nkeys: [self_attn.q_proj, self_attn.v_proj]\n")
    recipe = read_recipe(file, RECIPES["embedded"])
    assert recipe.rank == 32 and recipe.keys == ("self_attn.q_proj", "self_attn.v_proj")
    assert recipe.batch == RECIPES["embedded"].batch
    file.write_text("")
    assert read_recipe(file, Recipe()) == Recipe()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("rang: 3", r"sets 'rang' to 3: .*its fields are rank, scale"),
        ("rank: many", r"sets 'rank' to 'many'"),
        ("- rank", r"cannot be read \(it holds no table"),
        ("rank: [", r"cannot be read \("),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path, text: str, what: str) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=what):
        read_recipe(file, Recipe())


def test_every_item_is_met_once_an_epoch_among_its_likes_in_an_order_of_the_seed() -> None:
    items = [item(length) for length in (9, 2, 8, 3, 7, 4, 6, 5, 1)]
    recipe = Recipe(batch=2, accumulate=2, epochs=3)
    every = list(updates(items, recipe))
    assert len(every) == count_updates(len(items), recipe) == 9
    epochs = [every[at : at + 3] for at in (0, 3, 6)]
    for epoch in epochs:
        met = [len(one.ids) for update in epoch for batch in update for one in batch]
        assert sorted(met) == list(range(1, 10))
    assert epochs[0] != epochs[1]
    assert every == list(updates(items, recipe))
    assert every != list(updates(items, recipe.model_copy(update={"seed": 8})))
    lengths = [[len(one.ids) for one in batch] for batch in in_batches(items, 2)]
    assert lengths == [[1, 2], [3, 4], [5, 6], [7, 8], [9]]


def test_the_rate_rises_and_falls_as_mlx_lm_reads_it() -> None:
    import mlx.core as mx
    from mlx_lm.tuner.utils import build_schedule

    rate = build_schedule(schedule(Recipe(rate=1e-3, warmup=0.1), 100))
    rates = [float(rate(mx.array(step))) for step in range(100)]
    assert rates[0] == 0.0
    assert max(rates) == pytest.approx(1e-3)
    assert rates.index(max(rates)) in (10, 11)
    assert 0 < rates[-1] < 5e-6


def test_the_configuration_for_mlx_lm_holds_what_its_trainer_needs(tmp_path: Path) -> None:
    from mlx_lm.lora import CONFIG_DEFAULTS, yaml_loader

    config = mlx_config(
        Recipe(keys=("self_attn.q_proj",)),
        model=tmp_path, dataset=tmp_path, adapter=tmp_path, iterations=10,
    )  # fmt: skip
    read = yaml.load(yaml_text(config), yaml_loader)
    assert read == config
    assert read["lora_parameters"]["keys"] == ["self_attn.q_proj"]
    assert set(read) <= set(CONFIG_DEFAULTS)
    assert read["iters"] == 80


def test_the_7b_model_is_estimated_at_what_its_machine_has(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, quantization={"bits": 4, "group_size": 64})
    checkpointed = estimate_training(folder, Recipe(), 2048)
    assert 3 < checkpointed.adapter_bytes / 160e6 < 7  # 40 M numbers, four bytes, six times
    assert 4 < checkpointed.activation_bytes / 2**30 < 12
    plain = estimate_training(folder, Recipe(grad_checkpoint=False), 2048)
    assert plain.total_gb > 3 * checkpointed.total_gb / 2
    few = estimate_training(folder, Recipe(layers=14, keys=("self_attn.q_proj",)), 2048)
    assert few.adapter_bytes < checkpointed.adapter_bytes / 10


def test_a_config_without_sizes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="lacks a size"):
        estimate_training(model_folder(tmp_path, vocab_size=None), Recipe(), 100)


def model_folder(folder: Path, **changes: object) -> Path:
    """A folder with the sizes of Qwen2.5-Coder-7B and one tiny tensor."""
    config = {
        "model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944,
        "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4,
        "vocab_size": 152064, "rope_theta": 1e6,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config | changes))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_text("{}")
    header = json.dumps({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    content = len(header).to_bytes(8, "little") + header + bytes(4)
    (folder / "model.safetensors").write_bytes(content)
    return folder
