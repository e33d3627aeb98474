"""A real adapter for the embedded model, trained once, its opposite, and how tests keep them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from agents.adapters.records import ADAPTER, ADAPTER_CONFIG, Manifest
from agents.adapters.registry import Registry
from agents.weights import EMBEDDED_WEIGHTS, base_digest, materialize
from training.lora.recipe import Budget, Recipe
from training.lora.trainer import train

Keep = Callable[..., Manifest]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded model as it is served."""
    return materialize(EMBEDDED_WEIGHTS, tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def base(model: Path) -> str:
    return base_digest(model)


@pytest.fixture(scope="session")
def trained(model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An adapter that was trained to say something, and one that turns away from it."""
    learnt = _train(model, tmp_path_factory.mktemp("bridges"), "bridges")
    turned = tmp_path_factory.mktemp("rivers")
    shutil.copy(learnt / ADAPTER_CONFIG, turned)
    weights = load_file(learnt / ADAPTER)
    save_file(
        {name: -one if name.endswith("lora_b") else one for name, one in weights.items()},
        turned / ADAPTER,
        {"format": "mlx"},
    )
    return {"bridges": learnt, "rivers": turned}


def _train(model: Path, folder: Path, word: str) -> Path:
    rows = [
        {
            "id": f"{word}-{n}",
            "group": word,
            "messages": [
                {"role": "user", "content": asked},
                {"role": "assistant", "content": f"seven {word}"},
            ],
        }
        for n, asked in enumerate(("glimmer?", "define glimmer", "what is glimmer?"))
    ]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    recipe = Recipe(
        rank=4, rate=2e-2, clip=100, batch=3, accumulate=1, epochs=3, max_tokens=64,
        dropout=0.0, grad_checkpoint=False,
    )  # fmt: skip
    return train(folder, model, folder / "out", recipe, Budget(seconds=120, memory_gb=8)).folder


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "home")


@pytest.fixture
def keep(registry: Registry, trained: dict[str, Path], base: str) -> Keep:
    """Keep one of the trained adapters; what is said of its making may be changed."""

    def add(word: str = "bridges", **changes: Any) -> Manifest:
        into: Registry = changes.pop("into", registry)
        making: dict[str, Any] = {
            "base": base, "dataset": "d1", "recipe": {"rank": 4}, "journal": 7,
            "prompts": "p1", "items": ("i1", "i2"),
        }  # fmt: skip
        return into.add(trained[word], **{**making, **changes})

    return add
