"""The embedded model's network in torch: a small Llama with tied embeddings.

Written out because it must train fast on two CPU cores; the exported checkpoint is plain Llama and
is served by mlx_lm. Shapes: B sequences, T positions, C hidden, H heads, G key/value heads, D head
size, V vocabulary.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mcp_local_llm import UsageError


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """The network's shape; the defaults are the shipped model's."""

    vocabulary: int = 1280
    hidden: int = 256
    layers: int = 6
    heads: int = 4
    kv_heads: int = 2
    mlp: int = 512
    rope_theta: float = 10_000.0
    norm_eps: float = 1e-5
    max_positions: int = 2048

    @property
    def head_size(self) -> int:
        """Components per head."""
        return self.hidden // self.heads


def _rope_tables(config: NetworkConfig, length: int, device: torch.device) -> tuple[Tensor, Tensor]:
    steps = torch.arange(0, config.head_size, 2, device=device).float() / config.head_size
    angles = torch.outer(torch.arange(length, device=device).float(), config.rope_theta**-steps)
    both = torch.cat([angles, angles], dim=-1)  # (T, D), the half-split layout of Llama
    return both.cos(), both.sin()


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    left, right = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-right, left], dim=-1) * sin


class Attention(nn.Module):
    """Causal grouped-query attention with rotary positions."""

    def __init__(self, config: NetworkConfig) -> None:
        """Make the four projections."""
        super().__init__()
        c, d = config.hidden, config.head_size
        self.config = config
        self.q_proj = nn.Linear(c, config.heads * d, bias=False)
        self.k_proj = nn.Linear(c, config.kv_heads * d, bias=False)
        self.v_proj = nn.Linear(c, config.kv_heads * d, bias=False)
        self.o_proj = nn.Linear(config.heads * d, c, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Map (B, T, C) to (B, T, C)."""
        b, t, _ = x.shape
        d = self.config.head_size
        q = self.q_proj(x).view(b, t, -1, d).transpose(1, 2)  # (B, H, T, D)
        k = self.k_proj(x).view(b, t, -1, d).transpose(1, 2)  # (B, G, T, D)
        v = self.v_proj(x).view(b, t, -1, d).transpose(1, 2)
        groups = self.config.heads // self.config.kv_heads
        k = _rotate(k, cos, sin).repeat_interleave(groups, dim=1)
        v = v.repeat_interleave(groups, dim=1)
        mixed = F.scaled_dot_product_attention(_rotate(q, cos, sin), k, v, is_causal=True)
        projected: Tensor = self.o_proj(mixed.transpose(1, 2).reshape(b, t, -1))
        return projected


class Mlp(nn.Module):
    """SwiGLU."""

    def __init__(self, config: NetworkConfig) -> None:
        """Make the three projections."""
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden, config.mlp, bias=False)
        self.up_proj = nn.Linear(config.hidden, config.mlp, bias=False)
        self.down_proj = nn.Linear(config.mlp, config.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, T, C) to (B, T, C)."""
        mapped: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return mapped


class Block(nn.Module):
    """Pre-norm attention and MLP."""

    def __init__(self, config: NetworkConfig) -> None:
        """Make the two halves and their norms."""
        super().__init__()
        self.input_layernorm = nn.RMSNorm(config.hidden, eps=config.norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = nn.RMSNorm(config.hidden, eps=config.norm_eps)
        self.mlp = Mlp(config)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Map (B, T, C) to (B, T, C)."""
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class Network(nn.Module):
    """The whole model; module names are those of a Hugging Face Llama below ``model.``."""

    def __init__(self, config: NetworkConfig) -> None:
        """Initialise with scaled normal weights; residual outputs start at zero."""
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocabulary, config.hidden)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.hidden, eps=config.norm_eps)
        nn.init.normal_(self.embed_tokens.weight, std=0.05)
        for name, weight in self.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.zeros_(weight)
            elif weight.ndim == 2 and "embed" not in name:
                nn.init.normal_(weight, std=weight.shape[1] ** -0.5)

    def take(self, folder: Path) -> None:
        """Take over the weights that ``export`` wrote into ``folder``.

        Of a network of fewer layers the blocks are spread; the new ones between them pass on what
        they are given, so that this network says at first what that one said.

        Raises:
            UsageError: there are none, or they are another network's.
        """
        path = folder / "model.safetensors"
        try:
            saved = {
                name.removeprefix("model."): tensor for name, tensor in load_file(path).items()
            }
            layers = len({name.split(".")[1] for name in saved if name.startswith("layers.")})
            if layers > len(self.layers):
                raise ValueError(f"it has {layers} layers, which cannot become {len(self.layers)}")
            fresh = self.state_dict() if layers < len(self.layers) else {}
            self.load_state_dict(fresh | {self._place(name, layers): saved[name] for name in saved})
        except (OSError, RuntimeError, ValueError, SafetensorError) as error:
            raise UsageError(
                f"{str(path)!r} does not hold weights of this network ({error}); name the folder "
                "of a model that `embedded train` made"
            ) from error

    def _place(self, name: str, layers: int) -> str:
        """Return what a weight of a network of ``layers`` layers is called here."""
        head, *rest = name.split(".")
        if head != "layers":
            return name
        return ".".join([head, str(int(rest[0]) * len(self.layers) // layers), *rest[1:]])

    def forward(self, ids: Tensor) -> Tensor:
        """Return the last hidden states (B, T, C) of token ids (B, T)."""
        x = self.embed_tokens(ids)
        tables = _rope_tables(self.config, ids.shape[1], ids.device)
        cos, sin = (table.to(x.dtype) for table in tables)
        for layer in self.layers:
            x = layer(x, cos, sin)
        normed: Tensor = self.norm(x)
        return normed

    def loss(self, ids: Tensor, learned: Tensor) -> Tensor:
        """Return the mean cross-entropy of the learned tokens.

        ``ids`` is (B, T); ``learned`` (B, T) marks the tokens to be predicted from those before.
        """
        hidden = self(ids[:, :-1])
        wanted = learned[:, 1:]
        logits = F.linear(hidden[wanted], self.embed_tokens.weight)  # (N, V)
        return F.cross_entropy(logits.float(), ids[:, 1:][wanted])


def export(network: Network, folder: Path) -> None:
    """Write ``model.safetensors`` in fp16 and ``config.json`` as a Llama that mlx_lm loads."""
    folder.mkdir(parents=True, exist_ok=True)
    config = network.config
    weights = {
        f"model.{name}": tensor.detach().half().contiguous().cpu()
        for name, tensor in network.state_dict().items()
    }
    save_file(weights, str(folder / "model.safetensors"), metadata={"format": "pt"})
    described = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": config.hidden,
        "intermediate_size": config.mlp,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_size,
        "vocab_size": config.vocabulary,
        "rms_norm_eps": config.norm_eps,
        # mlx_lm reads the top-level key only and falls back to 1e6 without it.
        "rope_theta": config.rope_theta,
        "max_position_embeddings": config.max_positions,
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
        "hidden_act": "silu",
        "bos_token_id": None,
        "eos_token_id": 2,
        "torch_dtype": "float16",
    }
    (folder / "config.json").write_text(json.dumps(described, indent=1) + "\n", "utf-8")
