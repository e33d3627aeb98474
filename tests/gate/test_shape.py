"""An adapter at another scale, and one that was never trained."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mcp_local_llm import ModelUnavailable, StoreUnavailable, UsageError
from training.gate.shape import between, read_config, shrink, untrained


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    folder = tmp_path / "adapter"
    folder.mkdir()
    config = {"num_layers": -1, "lora_parameters": {"rank": 2, "scale": 2.0, "dropout": 0.0}}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    save_file({"a.lora_a": np.ones((4, 2), np.float32)}, folder / "adapters.safetensors")
    return folder


def test_a_smaller_scale_keeps_the_weights_and_all_else(adapter: Path, tmp_path: Path) -> None:
    small = shrink(adapter, 0.25, tmp_path / "small")
    config = json.loads((small / "adapter_config.json").read_text())
    assert config["lora_parameters"] == {"rank": 2, "scale": 0.5, "dropout": 0.0}
    mine, theirs = ((one / "adapters.safetensors").read_bytes() for one in (small, adapter))
    assert mine == theirs
    assert shrink(adapter, 0.25, small) == small
    with pytest.raises(UsageError, match="another adapter"):
        shrink(adapter, 0.5, small)


def written(folder: Path, weights: float, scale: float, width: int = 4) -> Path:
    folder.mkdir()
    config = {"num_layers": -1, "lora_parameters": {"rank": 2, "scale": scale, "dropout": 0.0}}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    parts = {"a.lora_a": np.ones((width, 2)), "a.lora_b": np.full((2, width), weights)}
    file = {name: one.astype(np.float32) for name, one in parts.items()}
    save_file(file, folder / "adapters.safetensors")
    return folder


def test_what_went_on_from_another_is_scaled_towards_that(tmp_path: Path) -> None:
    start = written(tmp_path / "start", 2.0, scale=1.0)
    end = written(tmp_path / "end", 5.0, scale=2.0)  # changes five times as much
    middle = between(start, end, 0.25, tmp_path / "middle")
    weights = load_file(middle / "adapters.safetensors")
    assert (weights["a.lora_a"] == 1).all()
    assert (weights["a.lora_b"] == 1.0 + 0.25 * (5.0 - 1.0)).all()
    assert read_config(middle)["lora_parameters"]["scale"] == 2.0
    with pytest.raises(UsageError, match="scaled"):
        between(start, end, 1.5, tmp_path / "out")
    other = written(tmp_path / "other", 1.0, scale=1.0, width=3)
    with pytest.raises(UsageError, match="do not change the same layers"):
        between(other, end, 0.5, tmp_path / "out")
    (start / "adapters.safetensors").write_bytes(b"broken")
    with pytest.raises(UsageError, match="cannot be read"):
        between(start, end, 0.5, tmp_path / "out")


@pytest.mark.parametrize("factor", [0.0, -1.0, 1.5])
def test_a_scale_outside_of_the_adapter_is_refused(
    adapter: Path, tmp_path: Path, factor: float
) -> None:
    with pytest.raises(UsageError, match="scaled"):
        shrink(adapter, factor, tmp_path / "out")


def test_an_untrained_adapter_has_the_shape_and_no_weight(adapter: Path, tmp_path: Path) -> None:
    weights = load_file(untrained(adapter, tmp_path / "blank") / "adapters.safetensors")
    assert weights["a.lora_a"].shape == (4, 2) and not weights["a.lora_a"].any()


def test_what_is_no_adapter_is_told(adapter: Path, tmp_path: Path) -> None:
    (adapter / "adapters.safetensors").write_bytes(b"broken")
    with pytest.raises(ModelUnavailable, match="damaged"):
        untrained(adapter, tmp_path / "blank")
    (adapter / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelUnavailable, match="no LoRA adapter"):
        shrink(adapter, 0.5, tmp_path / "small")


def test_a_disk_that_refuses_leaves_nothing_behind(adapter: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnavailable, match="cannot write"):
        shrink(adapter, 0.5, tmp_path / "file" / "small")
    assert {path.name for path in tmp_path.iterdir()} == {"adapter", "file"}
