"""The adapters of a state folder, and the one file that says which of them are served.

``adapters/ID/`` never changes once it is there · ``current.json`` is the pointer, replaced in one
piece · ``history.jsonl`` holds the pointers before it. Whichever process dies at whatever moment, a
reader sees the state before a change or the one after it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import JsonValue, ValidationError

from agents.adapters.records import (
    ADAPTER,
    ADAPTER_CONFIG,
    FILES,
    MANIFEST,
    Making,
    Manifest,
    Pointer,
    Slot,
)
from agents.weights import last_parts_of_command_lines, read_header
from mcp_local_llm import ModelUnavailable, StoreUnavailable, UsageError
from memory.private import private_folder
from memory.whole_file import store_errors, write_whole

POINTER: Final = "current.json"
HISTORY: Final = "history.jsonl"
PASSING: Final = ".passing-"  # folders of a change that is under way, or was killed


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Registry:
    """All adapters below ``home``; any number of processes may use it at once.

    Every method raises ``StoreUnavailable`` when the disk does not play along or something there is
    damaged, and ``UsageError`` for an adapter that is not there; then nothing was changed.
    """

    home: Path
    clock: Callable[[], datetime] = _now

    @property
    def root(self) -> Path:
        """The folder that holds them."""
        return self.home / "adapters"

    # -- adapters ------------------------------------------------------------------------------

    def add(
        self,
        folder: Path,
        *,
        base: str,
        dataset: str,
        recipe: dict[str, JsonValue],
        context: str = "",
        parents: tuple[str, ...] = (),
        journal: int,
        prompts: str,
        items: tuple[str, ...],
        gate: dict[str, JsonValue] | None = None,
    ) -> Manifest:
        """Copy the adapter in ``folder``, whole or not at all, and return its manifest.

        The same again is kept once; a ``gate`` that is given then takes the place of the one
        before. A damaged one is mended. It is not served before it is promoted.
        """
        _check_adapter(folder)
        with self.changing(), self._passing() as fresh:
            making = Making(
                base=base,
                dataset=dataset,
                recipe=recipe,
                context=context,
                parents=parents,
                journal=journal,
                prompts=prompts,
                items=items,
                files={name: _copied(folder / name, fresh / name) for name in FILES},
            )
            made = Manifest(
                **dict(making), id=making.fingerprint(), created=self.clock(), gate=gate
            )
            return self._kept(fresh, made)

    def ids(self) -> tuple[str, ...]:
        """Return the ids of all adapters that are there, damaged ones too."""
        with store_errors("read", self.root):
            if not self.root.is_dir():
                return ()
            return tuple(sorted(path.name for path in self.root.iterdir() if _is_id(path)))

    def list(self) -> tuple[Manifest, ...]:
        """Return the manifests that can be read, oldest first."""
        found = []
        for id in self.ids():
            with contextlib.suppress(StoreUnavailable):
                found.append(self._manifest(id))
        return tuple(sorted(found, key=lambda one: (one.created, one.id)))

    def get(self, start: str) -> Manifest:
        """Return the manifest of the one adapter whose id begins with ``start``."""
        found = [id for id in self.ids() if start and id.startswith(start.lower())]
        if len(found) != 1:
            what = f"{len(found)} adapters begin" if found else "no adapter begins"
            raise UsageError(f"{what} with {start!r}; `mcp-local-llm adapters list` shows them")
        return self._manifest(found[0])

    def folder(self, id: str) -> Path:
        """Return the folder of an adapter, which need not exist: what a server is given."""
        return self.root / id

    def verify(self, id: str) -> Manifest:
        """Return the manifest of ``id`` after comparing its files with what was kept."""
        manifest = self._manifest(id)
        if not manifest.id == manifest.fingerprint() == id or set(manifest.files) != set(FILES):
            raise _damaged(id, f"its {MANIFEST} is not what was kept")
        for name, expected in manifest.files.items():
            try:
                there = _digest(self.folder(id) / name)
            except OSError as error:
                raise _damaged(id, f"{name} cannot be read ({error.strerror})") from error
            if there != expected:
                raise _damaged(id, f"{name} is not what was kept")
        return manifest

    # -- what is served ------------------------------------------------------------------------

    def pointer(self) -> Pointer:
        """Return what is served now."""
        path = self.root / POINTER
        try:
            return Pointer.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return Pointer()
        except (OSError, ValidationError) as error:
            raise StoreUnavailable(
                f"{str(path)!r} cannot be read; restore it from a back-up, or remove it to serve "
                "the base alone and promote an adapter again"
            ) from error

    def current(self, context: str = "", *, base: str | None = None) -> Manifest | None:
        """Return the adapter that is served in just that ``context``, over ``base`` if given."""
        for slot in reversed(self.pointer().slots):
            if slot.context == context and base in (None, slot.base):
                return self._manifest(slot.adapter)
        return None

    def promote(self, id: str, *, why: str) -> Pointer:
        """Serve ``id`` from the next lease on, in the place of the one of its base and context.

        One that is served already changes nothing. It is verified, but not asked anything; see
        ``agents.adapters.health``.
        """
        with self.changing():
            one, now = self.verify(id), self.pointer()
            if id in now.adapters:
                return now
            others = (s for s in now.slots if (s.base, s.context) != (one.base, one.context))
            slot = Slot(adapter=id, base=one.base, context=one.context)
            fresh = Pointer(
                serial=now.serial + 1,
                at=self.clock(),
                action="promote",
                why=why,
                slots=(*others, slot),
                journal=one.journal,
                prompts=one.prompts,
                before=now.serial,
            )
            return self._point(now, fresh)

    def retire(self, base: str, context: str = "", *, why: str, journal: int) -> Pointer:
        """Serve nothing over ``base`` in just that ``context``; where nothing is, nothing changes.

        What it was taught up to the ``journal`` position was all taken back.
        """
        with self.changing():
            now = self.pointer()
            left = tuple(s for s in now.slots if (s.base, s.context) != (base, context))
            if left == now.slots:
                return now
            changes = {"serial": now.serial + 1, "at": self.clock(), "action": "retire"}
            fresh = now.model_copy(
                update={**changes, "why": why, "slots": left, "journal": journal}
                | {"before": now.serial}
            )
            return self._point(now, fresh)

    def rollback(self, *, why: str, at: int | None = None) -> Pointer:
        """Serve what was served before the last promotion that was not rolled back yet.

        Nothing is done when the pointer is not (any more) the one with the serial ``at``.
        """
        with self.changing():
            now = self.pointer()
            if at not in (None, now.serial):
                return now
            past = self.past(now)
            for id in sorted(past.adapters):
                self.verify(id)
            changes = {"serial": now.serial + 1, "at": self.clock(), "action": "rollback"}
            return self._point(now, past.model_copy(update={**changes, "why": why}))

    def past(self, now: Pointer) -> Pointer:
        """Return the pointer that a rollback from ``now`` restores."""
        if now.before is None:
            raise UsageError(
                "there is nothing to roll back to: the base answers alone, as it did before the "
                "first promotion"
            )
        if (found := self.earlier(now)) is not None:
            return found
        raise StoreUnavailable(
            f"{str(self.root / HISTORY)!r} does not tell any more what was served before; promote "
            "an adapter of `mcp-local-llm adapters list` instead"
        )

    def earlier(self, now: Pointer) -> Pointer | None:
        """Return what was served before ``now``; None when there was nothing, or nobody knows."""
        if not now.before:
            return Pointer() if now.before == 0 else None
        return next((one for one in self.history() if one.serial == now.before), None)

    def history(self) -> tuple[Pointer, ...]:
        """Return every pointer there was, oldest first; the last one is what is served now."""
        lines = _whole_lines(self.root / HISTORY)
        try:
            before = [Pointer.model_validate_json(line) for line in lines]
        except ValidationError as error:
            raise StoreUnavailable(
                f"{str(self.root / HISTORY)!r} is damaged; restore it from a back-up, or move it "
                "away: what is served stays, only the way back is lost"
            ) from error
        now = self.pointer()
        known = {one.serial for one in before} | {0}
        return (*before, *(() if now.serial in known else (now,)))

    # -- care ----------------------------------------------------------------------------------

    def prune(self, keep: int) -> tuple[str, ...]:
        """Remove all but the ``keep`` newest adapters; return the ids of those that went.

        What is served, what it was made from, what a rollback would serve and what a server of any
        process uses stays in any case.
        """
        with self.changing():
            now = self.pointer()
            known = self.list()
            kept = {one.id for one in known[max(0, len(known) - keep) :]} | now.adapters
            kept |= {parent for one in known if one.id in now.adapters for parent in one.parents}
            kept |= earlier.adapters if (earlier := self.earlier(now)) else set()
            old = [id for id in self.ids() if id not in kept]
            used = last_parts_of_command_lines() if old else frozenset()
            gone = tuple(id for id in old if id not in used)
            for id in gone:
                self._remove(self.folder(id))
            return gone

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Wait for, and hold, the right to change anything here; removes what killed ones left."""
        with store_errors("change", self.root):
            private_folder(self.root)
            with self.root.with_name(f"{self.root.name}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                for left in self.root.glob(f"{PASSING}*"):
                    shutil.rmtree(left, ignore_errors=True)
                yield

    @contextlib.contextmanager
    def _passing(self) -> Iterator[Path]:
        """Yield a fresh folder beside the adapters; what is left of it goes away."""
        folder = Path(tempfile.mkdtemp(prefix=PASSING, dir=self.root))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _kept(self, fresh: Path, made: Manifest) -> Manifest:
        """Put ``fresh`` in its place, unless a sound one is there."""
        target = self.folder(made.id)
        try:
            there = self.verify(made.id)
        except StoreUnavailable:
            if target.exists():
                self._remove(target)
            write_whole(fresh / MANIFEST, made.model_dump_json(indent=1))
            fresh.rename(target)
            return made
        if made.gate is None or made.gate == there.gate:
            return there
        judged = there.model_copy(update={"gate": made.gate})
        write_whole(target / MANIFEST, judged.model_dump_json(indent=1))
        return judged

    def _remove(self, folder: Path) -> None:
        """Remove ``folder`` so that a kill midway leaves nothing that looks like an adapter."""
        with self._passing() as aside:
            folder.rename(aside / folder.name)

    def _manifest(self, id: str) -> Manifest:
        try:
            return Manifest.model_validate_json((self.folder(id) / MANIFEST).read_bytes())
        except (OSError, ValidationError) as error:
            raise _damaged(id, f"its {MANIFEST} cannot be read") from error

    def _point(self, now: Pointer, fresh: Pointer) -> Pointer:
        """Note ``now`` as past, then replace it; killed in between, it is still noted once."""
        path = self.root / HISTORY
        lines = _whole_lines(path)
        line = now.model_dump_json().encode()
        if now.serial and lines[-1:] != [line]:
            with path.open("ab") as file:
                file.truncate(sum(len(one) + 1 for one in lines))  # of a write that was cut short
                file.write(line + b"\n")
        write_whole(self.root / POINTER, fresh.model_dump_json())
        return fresh


def _check_adapter(folder: Path) -> None:
    """Raise ``UsageError`` unless ``folder`` holds an adapter as mlx_lm writes them."""
    try:
        read_header(folder / ADAPTER)
        is_object = isinstance(json.loads((folder / ADAPTER_CONFIG).read_bytes()), dict)
    except (ModelUnavailable, OSError, ValueError):
        is_object = False
    if not is_object:
        raise UsageError(
            f"{str(folder)!r} holds no sound adapter ({' and '.join(FILES)}); train one with "
            "`mcp-local-llm train`"
        )


def _copied(source: Path, target: Path) -> str:
    """Copy a file so that it survives a loss of power, and return the hash of the copy."""
    shutil.copyfile(source, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_id(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def _whole_lines(path: Path) -> list[bytes]:
    """Return the lines that were written to their end."""
    with store_errors("read", path):
        try:
            return path.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []


def _damaged(id: str, what: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"the adapter {id} is damaged: {what}; promote another one of `mcp-local-llm adapters "
        "list`, restore a back-up, or train again"
    )
