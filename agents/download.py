"""Fetching the weights of a known model: only when asked, and only after consent."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from agents.profiles import KNOWN_MODELS, PROFILE_NAMES, KnownModel, model_folder
from agents.weights import check_model_folder
from mcp_local_llm import ModelUnavailable, StoreUnavailable, UsageError
from memory.private import private_folder

Fetch = Callable[[str, Path], None]
_FILES: Final = ("*.json", "*.safetensors", "*.jinja", "*.txt", "LICENSE*", "README.md")


def known_model(name: str) -> KnownModel:
    """Return what is known about ``name``; ``UsageError`` when it cannot be downloaded."""
    if name in KNOWN_MODELS:
        return KNOWN_MODELS[name]
    hint = "needs no download" if name in PROFILE_NAMES else "is not known"
    raise UsageError(f"the profile {name!r} {hint}; to download: {', '.join(KNOWN_MODELS)}")


def download(name: str, home: Path, fetch: Fetch | None = None) -> Path:
    """Fetch a known model's weights into ``home`` and return their folder.

    The folder appears only when everything is there and readable; an interrupted download is
    taken up again by the next call. Asking the user is the caller's part.

    Raises:
        ModelUnavailable: it cannot be fetched, or what came is damaged.
        StoreUnavailable: the disk is too full, or cannot be written.
    """
    known, target = known_model(name), model_folder(name, home)
    if target.is_dir():
        check_model_folder(target)
        return target
    partial = target.with_name(f".downloading-{name}")
    try:
        private_folder(partial)
        _require_space(known, partial)
        (fetch or fetch_snapshot)(known.repository, partial)
        check_model_folder(partial)
        partial.rename(target)
    except OSError as error:
        raise StoreUnavailable(
            f"cannot store {name!r} in {str(target)!r} ({error}); free some disk space or point "
            "MCP_LOCAL_LLM_HOME at a writable folder"
        ) from error
    return target


def fetch_snapshot(repository: str, folder: Path) -> None:
    """Fetch ``repository`` from the Hugging Face hub into ``folder``.

    Raises:
        ModelUnavailable: the hub cannot be reached or refuses.
    """
    from httpx2 import HTTPError  # the hub client's own HTTP library, and base of its errors
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
    )

    try:
        snapshot_download(repository, local_dir=folder, allow_patterns=list(_FILES))
    except (HTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise ModelUnavailable(
            f"cannot fetch {repository!r} ({type(error).__name__}: {error}); check the network "
            "and try again: what has arrived is kept"
        ) from error


def _require_space(known: KnownModel, folder: Path) -> None:
    arrived = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    needed = int(known.download_gb * 1e9) - arrived
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StoreUnavailable(
            f"{known.repository!r} needs {needed / 1e9:.1f} GB more and {str(folder)!r} has "
            f"{free / 1e9:.1f} GB left; free some disk space or move MCP_LOCAL_LLM_HOME"
        )
