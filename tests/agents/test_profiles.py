"""Choosing a model, and refusing one that will not fit, before anything is started."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agents.footprint import GIB, estimate
from agents.hardware import Hardware, detect
from agents.home import state_home as current_home
from agents.profiles import (
    EMBEDDED,
    QWEN,
    ModelConfig,
    endpoint_for,
    model_folder,
    resolve_profile,
)
from agents.weights import EMBEDDED_WEIGHTS
from mcp_local_llm import ModelUnavailable, UsageError

# What the 7B model's own config says.
QWEN_CONFIG: dict[str, Any] = {
    "hidden_size": 3584,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "intermediate_size": 18944,
    "vocab_size": 152064,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "quantization": {"bits": 4, "group_size": 64},
}


def test_a_folder_is_a_local_profile_with_the_models_own_context(random_checkpoint: Path) -> None:
    settings = ModelConfig(model_path=random_checkpoint, adapter_path=Path("/a/night-1"))
    profile = resolve_profile(None, settings)
    assert (profile.name, profile.prompts, profile.context_tokens) == ("local", "full", 2048)
    assert profile.max_tokens == 2048
    assert profile.footprint is not None
    assert profile.footprint.prompt_cache_bytes == 4 * profile.footprint.kv_bytes
    endpoint = endpoint_for(profile, settings, "http://127.0.0.1:1/v1")
    assert (endpoint.model, endpoint.adapter_id) == (str(random_checkpoint), "night-1")


def test_a_base_url_is_a_remote_profile_and_needs_a_model_name() -> None:
    settings = ModelConfig(base_url="http://127.0.0.1:11434/v1/", model="llama", max_tokens=7)
    profile = resolve_profile(None, settings)
    assert (profile.name, profile.base_url) == ("remote", "http://127.0.0.1:11434/v1")
    assert (profile.model, profile.max_tokens, profile.is_local) == ("llama", 7, False)
    assert endpoint_for(profile, settings, profile.base_url or "").adapter_id is None
    with pytest.raises(UsageError, match="needs `model`"):
        resolve_profile(None, ModelConfig(base_url="http://127.0.0.1:11434/v1"))
    with pytest.raises(UsageError, match="http address"):
        resolve_profile("remote", ModelConfig(base_url="ftp://x", model="m"))


def test_contradictions_and_unknown_names_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="choose one of embedded"):
        resolve_profile("gpt", ModelConfig())
    with pytest.raises(UsageError, match="both base_url"):
        resolve_profile(None, ModelConfig(base_url="http://x", model_path=tmp_path))
    with pytest.raises(UsageError, match="needs `model_path`"):
        resolve_profile("local", ModelConfig())
    with pytest.raises(ValidationError):
        ModelConfig.model_validate({"modle": "x"})


def test_missing_weights_are_asked_for_and_never_fetched(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=f"model download {QWEN}"):
        resolve_profile(QWEN, ModelConfig(), home=tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_embedded_model_is_compact_or_says_how_to_get_it(tmp_path: Path) -> None:
    if EMBEDDED_WEIGHTS.is_dir():
        profile = resolve_profile(EMBEDDED, ModelConfig(), home=tmp_path)
        assert (profile.prompts, profile.model_id) == ("compact", EMBEDDED)
    else:
        with pytest.raises(ModelUnavailable, match="embedded train"):
            resolve_profile(EMBEDDED, ModelConfig(), home=tmp_path)


def test_a_downloaded_model_is_served_from_the_state_folder(
    tmp_path: Path, random_checkpoint: Path
) -> None:
    shutil.copytree(random_checkpoint, model_folder(QWEN, tmp_path))
    profile = resolve_profile(QWEN, ModelConfig(context_tokens=2000), home=tmp_path)
    assert (profile.name, profile.max_tokens, profile.prompts) == (QWEN, 2000, "full")


def test_a_context_beyond_the_models_positions_is_refused(random_checkpoint: Path) -> None:
    with pytest.raises(UsageError, match="knows 2048 positions"):
        resolve_profile(None, ModelConfig(model_path=random_checkpoint, context_tokens=4096))


def test_the_7b_model_fits_sixteen_gib_and_its_estimate_matches_its_download() -> None:
    footprint = estimate(QWEN_CONFIG, context_tokens=16_384, folder=None)
    assert footprint.weights_bytes == pytest.approx(4.28e9, rel=0.02)
    assert footprint.kv_bytes == 2 * 28 * 4 * 128 * 2 * 16_384
    assert footprint.total_bytes < 16 * GIB
    small = estimate(QWEN_CONFIG, context_tokens=16_384, folder=None, kv_bits=8)
    assert small.kv_bytes == pytest.approx(footprint.kv_bytes * 8.5 / 16)
    full = estimate(QWEN_CONFIG | {"quantization": None}, context_tokens=1, folder=None)
    assert full.weights_bytes == pytest.approx(15.2e9, rel=0.02)


def test_a_model_past_the_memory_limit_is_refused_with_the_sum(random_checkpoint: Path) -> None:
    settings = ModelConfig(model_path=random_checkpoint, memory_limit_gb=0.0005)
    with pytest.raises(ModelUnavailable, match=r"weights \+ .* KV cache .* the limit of 0\.0005"):
        resolve_profile(None, settings)


def test_a_config_without_sizes_cannot_be_estimated(
    tmp_path: Path, random_checkpoint: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(random_checkpoint, folder)
    config = json.loads((folder / "config.json").read_text())
    del config["num_hidden_layers"], config["max_position_embeddings"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelUnavailable, match="'num_hidden_layers'"):
        resolve_profile(None, ModelConfig(model_path=folder))


def test_the_7b_model_is_the_default_on_apple_silicon_alone(
    tmp_path: Path, random_checkpoint: Path
) -> None:
    from agents.profiles import default_profile_name

    metal = Hardware(threads=8, memory_gb=16, chip="Apple M2", accelerator="metal")
    cpu = metal.model_copy(update={"accelerator": "cpu"})
    assert default_profile_name(ModelConfig(), metal, tmp_path) == EMBEDDED
    shutil.copytree(random_checkpoint, model_folder(QWEN, tmp_path))
    assert default_profile_name(ModelConfig(), metal, tmp_path) == QWEN
    assert default_profile_name(ModelConfig(), cpu, tmp_path) == EMBEDDED


def test_hardware_is_detected_and_a_containers_limits_count(tmp_path: Path) -> None:
    machine = detect(tmp_path)
    assert machine.threads >= 1
    assert machine.memory_gb > 0
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    (tmp_path / "memory.max").write_text(str(512 * 1024**2) + "\n")
    limited = detect(tmp_path)
    assert (limited.threads, limited.memory_gb) == (1, 0.5)
    (tmp_path / "memory.max").write_text("max\n")
    assert detect(tmp_path).memory_gb == machine.memory_gb


def test_the_state_folder_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MCP_LOCAL_LLM_HOME", str(tmp_path))
    assert current_home() == tmp_path
    monkeypatch.delenv("MCP_LOCAL_LLM_HOME")
    assert current_home().name == "mcp-local-llm"
