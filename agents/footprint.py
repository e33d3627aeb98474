"""How much memory a model will take, from its ``config.json``, before anything is started."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from agents.weights import weight_files
from mcp_local_llm import ModelUnavailable
from memory.records import Record

GIB: Final = 1024**3
_KV_GROUP_SIZE: Final = 64
_BITS_PER_GROUP: Final = 32  # a 16-bit scale and a 16-bit bias
_DTYPE_BYTES: Final = {"float32": 4, "float16": 2, "bfloat16": 2}


class Footprint(Record):
    """Bytes for the weights, for one KV cache at full context, and for caches kept for reuse."""

    weights_bytes: int
    kv_bytes: int
    prompt_cache_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        """Everything the server may hold at once, its own code aside."""
        return self.weights_bytes + self.kv_bytes + self.prompt_cache_bytes

    def describe(self) -> str:
        """Return the sum in words, in GiB."""
        return (
            f"{self.weights_bytes / GIB:.2f} GiB weights + {self.kv_bytes / GIB:.2f} GiB KV cache "
            f"+ {self.prompt_cache_bytes / GIB:.2f} GiB cached prompts "
            f"= {self.total_bytes / GIB:.2f} GiB"
        )


def estimate(
    config: dict[str, Any], *, context_tokens: int, folder: Path | None, kv_bits: int | None = None
) -> Footprint:
    """Return what a model with ``config`` takes at ``context_tokens``.

    The weights are the sum of the files in ``folder``; without files, parameters times bits.
    Not covered: activations during prefill, and layers that keep no KV cache.

    Raises:
        ModelUnavailable: the config lacks a size that every supported architecture has.
    """
    files = weight_files(folder) if folder is not None else []
    weights = sum(path.stat().st_size for path in files) or _weights_from_config(config)
    return Footprint(weights_bytes=weights, kv_bytes=_kv_bytes(config, context_tokens, kv_bits))


def within(footprint: Footprint, limit_gb: float, what: str) -> Footprint:
    """Return ``footprint`` with as much prompt cache as the limit leaves, at most four contexts.

    Raises:
        ModelUnavailable: weights and one KV cache alone pass the limit.
    """
    room = int(limit_gb * GIB) - footprint.total_bytes
    if room < 0:
        raise ModelUnavailable(
            f"{what} needs {footprint.describe()}, more than the limit of {limit_gb:g} GiB; "
            "lower `context_tokens`, set `kv_bits` to 8, choose a smaller model, or raise "
            "`memory_limit_gb` if the machine has the memory"
        )
    return footprint.model_copy(update={"prompt_cache_bytes": min(room, 4 * footprint.kv_bytes)})


def _kv_bytes(config: dict[str, Any], context_tokens: int, kv_bits: int | None) -> int:
    heads = _size(config, "num_attention_heads")
    kv_heads = config.get("num_key_value_heads") or heads
    head_dim = config.get("head_dim") or _size(config, "hidden_size") // heads
    numbers = 2 * _size(config, "num_hidden_layers") * kv_heads * head_dim * context_tokens
    if kv_bits is not None:
        return int(numbers * (kv_bits + _BITS_PER_GROUP / _KV_GROUP_SIZE) / 8)
    return int(numbers * _DTYPE_BYTES.get(_dtype(config), 2))


def _weights_from_config(config: dict[str, Any]) -> int:
    hidden, layers = _size(config, "hidden_size"), _size(config, "num_hidden_layers")
    heads = _size(config, "num_attention_heads")
    head_dim = config.get("head_dim") or hidden // heads
    kv_heads = config.get("num_key_value_heads") or heads
    attention = 2 * hidden * head_dim * (heads + kv_heads)
    mlp = 3 * hidden * _size(config, "intermediate_size")
    tables = 1 if config.get("tie_word_embeddings", True) else 2
    parameters = layers * (attention + mlp) + tables * _size(config, "vocab_size") * hidden
    return int(parameters * _bits_per_weight(config) / 8)


def _bits_per_weight(config: dict[str, Any]) -> float:
    quantization = config.get("quantization")
    if isinstance(quantization, dict):
        group = quantization.get("group_size", _KV_GROUP_SIZE)
        return float(quantization["bits"] + _BITS_PER_GROUP / group)
    return 8.0 * _DTYPE_BYTES.get(_dtype(config), 2)


def _dtype(config: dict[str, Any]) -> str:
    return str(config.get("dtype") or config.get("torch_dtype") or "bfloat16")


def _size(config: dict[str, Any], name: str) -> int:
    value = config.get(name)
    if not isinstance(value, int) or value <= 0:
        raise ModelUnavailable(
            f"the model's config.json gives no usable {name!r} (found {value!r}), so its memory "
            "cannot be estimated; fetch or build the model again"
        )
    return value
