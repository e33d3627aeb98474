"""The files of a model folder: checking them, and widening the shipped weights for the CPU.

The arithmetic of half-precision numbers does not go through the fast CPU libraries, so weights
that ship in 16 bits are served in 32. Safetensors is read and written here with ``json`` and
``numpy`` alone, because numpy knows no bfloat16.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import struct
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mcp_local_llm import ModelUnavailable
from memory.private import private_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# The folder belongs to a package further right, which this one may not import: it is only data.
EMBEDDED_WEIGHTS: Final = Path(__file__).resolve().parents[1] / "training" / "embedded" / "weights"
_HEADER_LIMIT: Final = 100_000_000  # bytes, the format's own limit
_CONFIG: Final = "config.json"
_WEIGHTS: Final = "model.safetensors"
_CARD_SUFFIXES: Final = frozenset({".md", ".svg", ".jsonl"})
_PREFIX: Final = "embedded-"
_BUILDING: Final = ".building-"
_KEEP_S: Final = 3600.0  # a command that asked for a folder may not have started its server yet


def check_model_folder(folder: Path) -> dict[str, Any]:
    """Return the parsed ``config.json`` of a model folder that is complete enough to be served.

    Raises:
        ModelUnavailable: the folder, its config, tokenizer or weights are missing or damaged.

    Not covered: whether the numbers in the weights are sensible.
    """
    if not folder.is_dir():
        raise ModelUnavailable(
            f"there is no model folder {str(folder)!r}; run `mcp-local-llm model download` or "
            "set `model_path`"
        )
    config = _read_config(folder)
    weights = weight_files(folder)
    missing = [
        name
        for name in ("tokenizer.json", "tokenizer_config.json")
        if not (folder / name).is_file()
    ]
    if missing or not weights:
        what = ", ".join(missing) or "*.safetensors"
        raise ModelUnavailable(
            f"the model folder {str(folder)!r} lacks {what}; fetch or build the model again"
        )
    _check_shards(folder)
    for path in weights:
        read_header(path)
    _check_rope(folder, config)
    return config


def weight_files(folder: Path) -> list[Path]:
    """Return the weight files of ``folder`` as the server finds them."""
    return sorted(folder.glob("model*.safetensors"))


def base_digest(folder: Path) -> str:
    """Return a hash over the files that decide on the answers of the model in ``folder``."""
    total = hashlib.sha256()
    for path in answering_files(folder):
        with path.open("rb") as file:
            part = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{path.name} {part}\n".encode())
    return total.hexdigest()


def answering_files(folder: Path) -> list[Path]:
    """Return the files of ``folder`` that decide on the model's answers."""
    names = (_CONFIG, "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
    beside = (folder / name for name in names)
    return [*(path for path in beside if path.is_file()), *weight_files(folder)]


def materialize(source: Path, home: Path) -> Path:
    """Return a folder under ``home`` with the model of ``source`` widened to 32 bits.

    The folder is named by the content of ``source`` and appears whole or not at all: it is built
    beside its place and renamed, by one process at a time. A damaged one is rebuilt. When one is
    built, those of other weights are removed that no server uses and nobody asked for lately.

    Raises:
        ModelUnavailable: ``source`` is missing or damaged, or the disk refuses.
    """
    config = check_model_folder(source)
    target = home / "models" / f"{_PREFIX}{_digest(source)}"
    try:
        if not _is_ready(target):
            private_folder(target.parent)
            with _builders_lock(target.parent):
                if not _is_ready(target):  # else another process was first
                    _build_anew(source, target, config)
                    _prune(target)
    except OSError as error:
        raise ModelUnavailable(
            f"cannot write the embedded model to {str(target)!r} ({error}); free some disk space "
            "or point MCP_LOCAL_LLM_HOME at a writable folder"
        ) from error
    with contextlib.suppress(OSError):  # the folder may be served from where nobody can write
        os.utime(target)  # asked for now
    return target


def read_header(path: Path) -> dict[str, Any]:
    """Return the tensor table of a safetensors file, checked against the file's size.

    Raises:
        ModelUnavailable: the file is cut short or is no safetensors file.
    """
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > _HEADER_LIMIT:
                raise ValueError(f"a header of {length} bytes")
            header = json.loads(file.read(length))
            size = file.seek(0, os.SEEK_END)
        table = {name: entry for name, entry in header.items() if name != "__metadata__"}
        expected = (
            8 + length + max((entry["data_offsets"][1] for entry in table.values()), default=0)
        )
        if size != expected:
            raise ValueError(f"{size} bytes where the header promises {expected}")
    except (OSError, ValueError, struct.error, KeyError, TypeError, AttributeError) as error:
        raise ModelUnavailable(
            f"the weights {str(path)!r} are damaged ({error}); fetch or build the model again"
        ) from error
    return table


def last_parts_of_command_lines() -> frozenset[str]:
    """Return what follows the last slash of every word that any process was started with.

    A server names the folders of its model and its adapter there; two ways to spell the state
    folder are one this way.
    """
    import psutil  # type: ignore[import-untyped]  # it ships no types

    names: set[str] = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            names.update(word.rpartition("/")[2] for word in process.cmdline())
    return frozenset(names)


def write_safetensors(path: Path, tensors: dict[str, NDArray[np.float32]]) -> None:
    """Write 32-bit ``tensors`` to ``path``."""
    table: dict[str, Any] = {"__metadata__": {"format": "mlx"}}
    offset = 0
    for name, tensor in tensors.items():
        end = offset + tensor.nbytes
        table[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": [offset, end]}
        offset = end
    header = json.dumps(table).encode()
    header += b" " * (-len(header) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        for tensor in tensors.values():
            file.write(tensor.tobytes())
        file.flush()
        os.fsync(file.fileno())


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelUnavailable(
            f"the model folder {str(folder)!r} has no readable config.json ({error}); fetch or "
            "build the model again"
        ) from error
    if not isinstance(config, dict):
        raise ModelUnavailable(
            f"the config.json of {str(folder)!r} is no JSON object; fetch or build the model again"
        )
    return config


def _check_shards(folder: Path) -> None:
    index = folder / f"{_WEIGHTS}.index.json"
    if not index.is_file():
        return
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ModelUnavailable(
            f"the weight index {str(index)!r} is damaged ({error}); fetch the model again"
        ) from error
    missing = sorted(name for name in names if not (folder / name).is_file())
    if missing:
        raise ModelUnavailable(
            f"the model folder {str(folder)!r} lacks {', '.join(missing)}; fetch the model again"
        )


def _check_rope(folder: Path, config: dict[str, Any]) -> None:
    nested = config.get("rope_parameters")
    if isinstance(nested, dict) and "rope_theta" in nested and "rope_theta" not in config:
        # mlx-lm reads the top level only and would serve wrong answers without a word.
        raise ModelUnavailable(
            f"the config.json of {str(folder)!r} has rope_theta only inside rope_parameters, "
            f'where the server ignores it; add "rope_theta": {nested["rope_theta"]} at its top '
            "level"
        )


def _model_files(source: Path) -> list[Path]:
    """Return the files of ``source`` that belong to the model; its card does not."""
    files = (path for path in source.iterdir() if path.is_file())
    return sorted(path for path in files if path.suffix not in _CARD_SUFFIXES)


def _digest(source: Path) -> str:
    digest = hashlib.sha256(b"float32\n")
    for path in _model_files(source):
        digest.update(path.name.encode() + b"\n" + path.read_bytes())
    return digest.hexdigest()[:12]


def _is_ready(target: Path) -> bool:
    if not target.is_dir():
        return False
    try:
        check_model_folder(target)
    except ModelUnavailable:
        return False
    return True


@contextlib.contextmanager
def _builders_lock(models: Path) -> Iterator[None]:
    """Wait for, and hold, the right to build and remove folders in ``models``."""
    with models.with_name(f"{models.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build_anew(source: Path, target: Path, config: dict[str, Any]) -> None:
    """Build ``target`` beside its place and rename it; a damaged one there gives way."""
    building = Path(tempfile.mkdtemp(prefix=_BUILDING, dir=target.parent))
    try:
        _build(source, building, config)
        building.chmod(0o755)
        if target.is_dir():
            _remove(target)
        building.rename(target)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _prune(kept: Path) -> None:
    """Remove what killed builders left, and the folders of other weights that are out of use.

    Only for the holder of the lock. A folder that cannot be removed is left for the next time.
    """
    for path in kept.parent.glob(f"{_BUILDING}*"):
        shutil.rmtree(path, ignore_errors=True)
    fresh = time.time() - _KEEP_S
    others = (path for path in kept.parent.glob(f"{_PREFIX}*") if path != kept)
    old = [path for path in others if path.is_dir() and path.stat().st_mtime < fresh]
    served = last_parts_of_command_lines() if old else frozenset()
    for path in old:
        if path.name not in served:
            with contextlib.suppress(OSError):
                _remove(path)


def _remove(folder: Path) -> None:
    """Remove ``folder`` so that a kill midway leaves nothing that could be taken for a model."""
    aside = Path(tempfile.mkdtemp(prefix=_BUILDING, dir=folder.parent))
    folder.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


def _build(source: Path, building: Path, config: dict[str, Any]) -> None:
    for path in _model_files(source):
        if path.suffix != ".safetensors":
            shutil.copyfile(path, building / path.name)
    widened = config | {"torch_dtype": "float32", "dtype": "float32"}
    (building / _CONFIG).write_text(json.dumps(widened, indent=2) + "\n", encoding="utf-8")
    tensors = {}
    for path in weight_files(source):
        tensors.update(_read_widened(path))
    write_safetensors(building / _WEIGHTS, tensors)


def _read_widened(path: Path) -> dict[str, NDArray[np.float32]]:
    table = read_header(path)
    raw = path.read_bytes()
    start = 8 + struct.unpack("<Q", raw[:8])[0]
    tensors: dict[str, NDArray[np.float32]] = {}
    for name, entry in table.items():
        first, last = entry["data_offsets"]
        tensors[name] = _widen(raw[start + first : start + last], entry["dtype"], path).reshape(
            entry["shape"]
        )
    return tensors


def _widen(data: bytes, dtype: str, path: Path) -> NDArray[np.float32]:
    import numpy as np

    if dtype == "BF16":  # the upper half of a 32-bit float
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
    if dtype in {"F16", "F32"}:
        return np.frombuffer(data, "<f2" if dtype == "F16" else "<f4").astype("<f4")
    raise ModelUnavailable(
        f"the weights {str(path)!r} hold {dtype} numbers, which cannot be widened; serve the "
        "folder as it is with `model_path`"
    )
