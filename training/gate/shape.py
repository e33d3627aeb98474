"""Adapters made from an adapter: one that changes less, and one that was never trained."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_local_llm import ModelUnavailable, StoreUnavailable, UsageError
from training.lora.records import ADAPTER, ADAPTER_CONFIG
from training.lora.start import weights_at

if TYPE_CHECKING:
    from numpy.typing import NDArray


def shrink(adapter: Path, factor: float, out: Path) -> Path:
    """Write ``adapter`` with ``factor`` times its scale to the new folder ``out``; return that.

    The weights are the same bytes: only ``lora_parameters.scale`` of its configuration differs.

    Raises:
        UsageError: ``factor`` is not between 0 and 1, or ``out`` holds another adapter.
        ModelUnavailable: ``adapter`` is none.
        StoreUnavailable: the disk refuses.
    """
    _require_share(factor)
    config = read_config(adapter)
    parameters = {**config["lora_parameters"]}
    parameters["scale"] = parameters["scale"] * factor
    return _write(
        out,
        {**config, "lora_parameters": parameters},
        lambda target: shutil.copyfile(adapter / ADAPTER, target),
    )


def between(start: Path, adapter: Path, factor: float, out: Path) -> Path:
    """Write what lies at ``factor`` of the way from ``start`` to ``adapter``; return ``out``.

    Both have the same layers and the same rank. Where they have the same A, what the training has
    changed of ``start`` is scaled; else it is a point on a path, along which both matrices change.

    Raises:
        UsageError: ``factor`` is not between 0 and 1, ``start`` is damaged or has other layers, or
            ``out`` holds another adapter.
        ModelUnavailable: ``adapter`` is none.
        StoreUnavailable: the disk refuses.
    """
    _require_share(factor)
    import numpy as np

    config, ends = read_config(adapter), _weights(adapter)
    begins = weights_at(start, config["lora_parameters"]["scale"])
    if {name: one.shape for name, one in begins.items()} != {
        name: one.shape for name, one in ends.items()
    }:
        raise UsageError(f"{str(start)!r} and {str(adapter)!r} do not change the same layers")

    def save(target: Path) -> None:
        from safetensors.numpy import save_file

        mixed = {
            name: np.asarray((1 - factor) * begins[name] + factor * end, np.float32)
            for name, end in ends.items()
        }
        save_file(mixed, target, {"format": "mlx"})

    return _write(out, config, save)


def untrained(adapter: Path, out: Path) -> Path:
    """Write an adapter of the shape of ``adapter`` that changes nothing to ``out``; return that.

    Raises:
        ModelUnavailable: ``adapter`` is none.
        StoreUnavailable: the disk refuses.
    """
    config, weights = read_config(adapter), _weights(adapter)

    def save(target: Path) -> None:
        import numpy as np
        from safetensors.numpy import save_file

        save_file({name: np.zeros_like(one) for name, one in weights.items()}, target)

    return _write(out, config, save)


def read_config(adapter: Path) -> dict[str, Any]:
    """Return the configuration of ``adapter``; ``ModelUnavailable`` when it is none of LoRA."""
    path = adapter / ADAPTER_CONFIG
    try:
        config: dict[str, Any] = json.loads(path.read_bytes())
        float(config["lora_parameters"]["scale"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnavailable(
            f"{str(adapter)!r} is no LoRA adapter ({path.name}: {error}); name the folder that "
            "`mcp-local-llm train` wrote"
        ) from error
    return config


def _require_share(factor: float) -> None:
    if not 0 < factor <= 1:
        raise UsageError(f"an adapter is scaled by more than 0 and at most 1, not by {factor:g}")


def _weights(adapter: Path) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return dict(load_file(adapter / ADAPTER))
    except (OSError, SafetensorError) as error:
        raise ModelUnavailable(
            f"the weights of the adapter {str(adapter)!r} are damaged ({error}); train it again, "
            "or restore it from a back-up"
        ) from error


def _write(out: Path, config: dict[str, Any], save: Callable[[Path], object]) -> Path:
    """Make ``out`` whole or not at all; one that is there already is left as it is."""
    part = out.with_name(f".{out.name}.part")
    text = json.dumps(config, indent=1)
    if (out / ADAPTER).is_file() and (out / ADAPTER_CONFIG).is_file():
        if (out / ADAPTER_CONFIG).read_text("utf-8") != text:
            raise UsageError(f"{str(out)!r} holds another adapter; name a new folder")
        return out
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        (part / ADAPTER_CONFIG).write_text(text, "utf-8")
        save(part / ADAPTER)
        part.replace(out)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise StoreUnavailable(
            f"cannot write the adapter {str(out)!r} ({error}); free some disk space and repeat"
        ) from error
    return out
