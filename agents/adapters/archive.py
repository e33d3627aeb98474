"""All adapters in one file, and back out of it on a new machine."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from agents.adapters.records import FILES, MANIFEST
from agents.adapters.registry import HISTORY, POINTER, Registry
from mcp_local_llm import StoreUnavailable, UsageError
from memory.whole_file import store_errors

_TOP: Final = (POINTER, HISTORY)
_WITHIN: Final = (*FILES, MANIFEST)
_RESTORING: Final = ".restoring-"


def backup(registry: Registry, target: Path) -> tuple[str, ...]:
    """Write all sound adapters, the pointer and the history to the file ``target``; return ids.

    The file is an uncompressed tar archive for the user alone, and gets its name when it is whole.

    Raises:
        UsageError: ``target`` exists, or its folder does not.
        StoreUnavailable: it cannot be written, or an adapter that is served is damaged.
    """
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {str(target.parent)!r}; make it, or name another")
    if target.exists():
        raise UsageError(f"{str(target)!r} exists already; name a new file")
    with registry.changing(), store_errors("write", target):
        served, kept = registry.pointer().adapters, []
        for id in registry.ids():
            try:
                kept.append(registry.verify(id).id)
            except StoreUnavailable:
                if id in served:
                    raise
        names = [name for name in _TOP if (registry.root / name).exists()]
        names += [f"{id}/{name}" for id in kept for name in _WITHIN]
        handle, part = tempfile.mkstemp(dir=target.parent, prefix=".adapters-")
        try:
            with os.fdopen(handle, "wb") as file, tarfile.open(fileobj=file, mode="w") as archive:
                for name in names:
                    archive.add(registry.root / name, name, recursive=False)
            Path(part).replace(target)
        finally:
            Path(part).unlink(missing_ok=True)
    return tuple(kept)


def restore(registry: Registry, source: Path) -> tuple[str, ...]:
    """Put what ``backup`` wrote to ``source`` where no adapters are yet, whole or not at all.

    Returns the ids. Every hash is compared before anything appears.

    Raises:
        UsageError: there is no ``source``, or adapters are there already.
        StoreUnavailable: ``source`` is no such file or damaged, or the disk refuses.
    """
    if not source.is_file():
        raise UsageError(f"there is no back-up {str(source)!r}")
    with registry.changing():
        if any(registry.root.iterdir()):
            raise UsageError(
                f"{str(registry.root)!r} holds adapters already and nothing is overwritten; move "
                "that folder away, or point MCP_LOCAL_LLM_HOME elsewhere"
            )
        for left in registry.home.glob(f"{_RESTORING}*"):  # of one that was killed
            shutil.rmtree(left, ignore_errors=True)
        fresh = Registry(Path(tempfile.mkdtemp(prefix=_RESTORING, dir=registry.home)))
        try:
            ids = _unpacked(source, fresh)
            fresh.root.replace(registry.root)  # nothing is in there: the system sees to that
        finally:
            shutil.rmtree(fresh.home, ignore_errors=True)
    return ids


def _unpacked(source: Path, fresh: Registry) -> tuple[str, ...]:
    fresh.root.mkdir(mode=0o700)
    try:
        with tarfile.open(source, "r:") as archive:
            for member in archive:
                _unpack(archive, member, fresh.root)
    except tarfile.TarError as error:
        raise _refused(source, f"it cannot be read ({error})") from error
    ids = fresh.ids()
    for id in ids:
        fresh.verify(id)
    missing = fresh.pointer().adapters - set(ids)
    if missing or not ids:
        raise _refused(source, f"it lacks {', '.join(sorted(missing)) or 'any adapter'}")
    fresh.history()
    return tuple(ids)


def _unpack(archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path) -> None:
    """Write one file of the archive; only names that a back-up has are taken."""
    id, slash, name = member.name.rpartition("/")
    is_ours = name in (_WITHIN if slash else _TOP) and (not slash or _is_name(id))
    is_plain = member.isreg() and not member.issparse()  # a few bytes could fill the disk
    content = archive.extractfile(member) if is_plain and is_ours else None
    if content is None:
        raise _refused(Path(str(archive.name)), f"{member.name!r} does not belong into one")
    (root / id).mkdir(mode=0o700, exist_ok=True)
    with (root / id / name).open("xb") as file:
        shutil.copyfileobj(content, file)


def _is_name(id: str) -> bool:
    return id.isalnum() and id.isascii()


def _refused(source: Path, why: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"{str(source)!r} is no sound back-up of adapters: {why}; nothing was restored: name a "
        "file that `mcp-local-llm adapters backup` wrote"
    )
