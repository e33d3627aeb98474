"""Fixtures of the whole suite: a real but untrained model, and a state folder of one's own."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from agents.home import HOME_VARIABLE
from agents.lease import stop_resident
from agents.weights import write_safetensors

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ("<|im_start|>", "<|im_end|>")
HIDDEN, LAYERS, HEADS, KV_HEADS, MLP = 64, 2, 4, 2, 128

hypothesis.settings.register_profile(  # a busy machine is no failure
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave slow tests unmeasured, and begin with their files: none is left for the end."""
    slow = [item for item in items if item.get_closest_marker("slow")]
    for item in slow:
        item.add_marker("no_cover")
    first = {item.path for item in slow}
    items.sort(key=lambda item: item.path not in first)


@pytest.fixture(scope="session")
def random_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny llama with random weights: it says letters, never stops by itself, means nothing."""
    folder = tmp_path_factory.mktemp("checkpoint") / "random-llama"
    write_random_checkpoint(folder)
    return folder


@pytest.fixture
def state_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state folder with a short path; whatever runs for it is ended afterwards."""
    home = Path(tempfile.mkdtemp(prefix="mll-"))
    monkeypatch.setenv(HOME_VARIABLE, str(home))
    yield home
    with ThreadPoolExecutor(1) as thread:  # away from the test's own event loop
        thread.submit(asyncio.run, stop_resident(home)).result(timeout=90)
    shutil.rmtree(home)


def write_random_checkpoint(folder: Path, *, seed: int = 0, positions: int = 2048) -> None:
    """Write a servable model folder: config, weights, tokenizer and ChatML template."""
    folder.mkdir(parents=True)
    tokenizer = _tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "intermediate_size": MLP,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "vocab_size": tokenizer.get_vocab_size(),
        "max_position_embeddings": positions,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "eos_token_id": tokenizer.token_to_id(SPECIAL[1]),
    }
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": SPECIAL[1],
        "chat_template": CHATML,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    write_safetensors(folder / "model.safetensors", _weights(tokenizer, seed))


def _tokenizer() -> Any:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: at for at, token in enumerate([*alphabet, "th", "he"])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[("t", "h"), ("h", "e")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer


def _weights(tokenizer: Any, seed: int) -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(seed)

    def matrix(*shape: int) -> NDArray[np.float32]:
        return random.normal(0, 0.2, shape).astype(np.float32)

    ones = np.ones(HIDDEN, np.float32)
    vocabulary, narrow = tokenizer.get_vocab_size(), HIDDEN * KV_HEADS // HEADS
    head = matrix(vocabulary, HIDDEN)
    for token, at in tokenizer.get_vocab().items():
        if not (len(token) == 1 and token.isascii() and token.isalpha()):
            head[at] = 0  # so that the best of the letters always wins, and the end never comes
    tensors = {
        "model.embed_tokens.weight": matrix(vocabulary, HIDDEN),
        "model.norm.weight": ones,
        "lm_head.weight": head,
    }
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}"
        tensors |= {
            f"{prefix}.self_attn.q_proj.weight": matrix(HIDDEN, HIDDEN),
            f"{prefix}.self_attn.k_proj.weight": matrix(narrow, HIDDEN),
            f"{prefix}.self_attn.v_proj.weight": matrix(narrow, HIDDEN),
            f"{prefix}.self_attn.o_proj.weight": matrix(HIDDEN, HIDDEN),
            f"{prefix}.mlp.gate_proj.weight": matrix(MLP, HIDDEN),
            f"{prefix}.mlp.up_proj.weight": matrix(MLP, HIDDEN),
            f"{prefix}.mlp.down_proj.weight": matrix(HIDDEN, MLP),
            f"{prefix}.input_layernorm.weight": ones,
            f"{prefix}.post_attention_layernorm.weight": ones,
        }
    return tensors
