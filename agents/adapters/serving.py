"""Which adapter answers a request: the one of its project, of its files, or the generic one."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Final

import structlog

from agents.adapters.records import Manifest
from agents.adapters.registry import Registry
from agents.profiles import ModelConfig, Profile
from agents.weights import answering_files, base_digest
from mcp_local_llm import StoreUnavailable
from memory.private import private_folder
from memory.whole_file import store_errors, write_whole

_LOG: Final = structlog.get_logger()


def select(
    registry: Registry, base: str, project: str = "", files: Sequence[str] = ()
) -> Manifest | None:
    """Return the adapter over ``base`` for work on ``files`` in ``project``, or None.

    The project's own comes first, then that of the files' most frequent extension, then the
    generic one. Raises ``StoreUnavailable`` when what is served cannot be told.
    """
    suffixes = Counter(PurePath(file).suffix.lower() for file in files)
    ranked = sorted(filter(None, suffixes), key=lambda one: (-suffixes[one], one))
    contexts = [f"project:{project}"] if project else []
    contexts += [*(f"ext:{suffix}" for suffix in ranked), ""]
    found = (registry.current(context, base=base) for context in contexts)
    return next((one for one in found if one is not None), None)


def served(
    settings: ModelConfig,
    profile: Profile,
    *,
    home: Path,
    project: str = "",
    files: Sequence[str] = (),
) -> ModelConfig:
    """Return ``settings`` with the adapter that is to answer, if one is.

    An ``adapter_path`` that is set stays, and without ``learnt`` none is looked for. One that is
    damaged or was trained for another base is left out with a warning: the base answers.
    """
    if settings.adapter_path is not None or not settings.learnt or profile.model_path is None:
        return settings
    registry = Registry(home)
    try:
        slots = registry.pointer().slots
        if not slots:
            return settings
        base = known_base(profile.model_path, home)
        chosen = select(registry, base, project, files)
        if chosen is not None:
            registry.verify(chosen.id)
            folder = registry.folder(chosen.id)
            return settings.model_copy(update={"adapter_path": folder})
        if all(slot.base != base for slot in slots):
            _warn(
                f"the adapter {slots[-1].adapter} was trained for another model than "
                f"{profile.model_id!r}; choose that one with `profile`, or train for this one"
            )
    except StoreUnavailable as error:
        _warn(str(error))
    return settings


def known_base(folder: Path, home: Path) -> str:
    """Return the ``base_digest`` of ``folder``; it is computed anew only when files have changed.

    Hashing gigabytes takes seconds. A file counts as unchanged while size, time and inode are.

    Raises:
        StoreUnavailable: a file of the model cannot be read.
    """
    cache = home / "bases.json"
    with store_errors("read", folder):
        stamp = [list(_stamp(path)) for path in answering_files(folder)]
        known = _read(cache)
        entry = known.get(str(folder))
        if isinstance(entry, dict) and entry.get("stamp") == stamp:
            return str(entry["base"])
        base = base_digest(folder)
    with contextlib.suppress(OSError):  # it is only a cache
        private_folder(home)
        write_whole(cache, json.dumps({**known, str(folder): {"stamp": stamp, "base": base}}))
    return base


def _stamp(path: Path) -> tuple[str, int, int, int]:
    status = path.stat()
    return path.name, status.st_size, status.st_mtime_ns, status.st_ino


def _read(cache: Path) -> dict[str, object]:
    try:
        known = json.loads(cache.read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _warn(why: str) -> None:
    _LOG.warning("adapter.not_served", why=why, instead="the base answers alone")
