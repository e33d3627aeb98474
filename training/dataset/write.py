"""Writes a dataset folder: the same items give the same bytes and the same digest."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import Field

import prompts as prompt_sets
from mcp_local_llm import StoreUnavailable, UsageError
from memory.records import Record
from memory.whole_file import write_whole
from training.dataset.mix import HELD_OUT
from training.dataset.reader import FORMAT, MANIFEST, PARTS, Item, Part, digest, file_name


class FileEntry(Record):
    """What one file of a dataset is."""

    sha256: str
    lines: int


class Origin(Record):
    """Where one item is from: the ids of what it was made from, its kind and its source."""

    of: tuple[str, ...] = ()
    kind: str = ""
    source: str = ""


class Manifest(Record):
    """What a dataset is, and what it was made from: a function of its input, without a time.

    ``hash`` is the digest that training names the dataset by, ``base`` that of the base model's
    weights, ``prompts`` the prompt set and ``prompts_hash`` the hash of its texts, all of which may
    be unknown (empty). ``twins`` counts
    held-out items that were left out since their prompt is trained on. ``provenance`` is what the
    caller says of the whole, ``items`` where each item is from.
    """

    format: int = FORMAT
    hash: str
    base: str
    prompts: str
    prompts_hash: str
    seed: int
    counts: dict[str, dict[str, int]]
    twins: int = 0
    files: dict[str, FileEntry]
    groups: dict[str, int]
    provenance: dict[str, Any] = Field(default_factory=dict)
    items: dict[str, Origin]

    def of(self) -> tuple[str, ...]:
        """Return the ids of all that its items were made from, in order."""
        return tuple(sorted({id for origin in self.items.values() for id in origin.of}))


def part_of(item: Item) -> Part:
    """Return the file that ``item`` belongs to: what its group's name says after ``#``."""
    named = item.group.rpartition(HELD_OUT)[2]
    return "valid" if named == "valid" else "test" if named == "test" else "train"


def write_dataset(
    folder: Path,
    items: Iterable[Item],
    *,
    base: str,
    prompts: str,
    seed: int,
    provenance: Mapping[str, Any] | None = None,
) -> Manifest:
    """Write ``items`` in their order into a new ``folder`` and return its manifest.

    A held-out item whose prompt is trained on, however it is written, is left out and counted.

    Raises:
        UsageError: there is something in ``folder`` already, or two items have one id.
        StoreUnavailable: the disk does not play along; nothing is left then.
    """
    parts, twins = _split(items)
    _require_fresh(folder, parts)
    with store_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        files = {file_name(part): _write(folder, part, parts[part]) for part in PARTS}
        manifest = Manifest(
            hash=digest(folder),
            base=base,
            prompts=prompts,
            prompts_hash=prompt_sets.digest(prompts) if prompts else "",
            seed=seed,
            counts={
                part: dict(sorted(Counter(i.kind for i in parts[part]).items())) for part in PARTS
            },
            twins=twins,
            files=files,
            groups=dict(sorted(Counter(i.group for part in PARTS for i in parts[part]).items())),
            provenance=dict(provenance or {}),
            items={i.id: _origin(i) for part in PARTS for i in parts[part]},
        )
        write_whole(folder / MANIFEST, manifest.model_dump_json(indent=1) + "\n")
    return manifest


def write_beside(folder: Path, name: str, text: str) -> None:
    """Write another file into the dataset ``folder``; ``StoreUnavailable`` leaves nothing of it."""
    with store_errors(folder):
        write_whole(folder / name, text)


@contextmanager
def store_errors(folder: Path) -> Iterator[None]:
    """Turn what the disk says into ``StoreUnavailable``, and leave nothing half written."""
    try:
        yield
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise StoreUnavailable(
            f"cannot write the dataset {str(folder)!r} ({error.strerror or error}); free some space"
        ) from error


def _split(items: Iterable[Item]) -> tuple[dict[Part, list[Item]], int]:
    parts: dict[Part, list[Item]] = {part: [] for part in PARTS}
    for item in items:
        parts[part_of(item)].append(item)
    trained = {item.asked for item in parts["train"]}
    twins = 0
    for part in ("valid", "test"):
        apart = [item for item in parts[part] if item.asked not in trained]
        twins += len(parts[part]) - len(apart)
        parts[part] = apart
    return parts, twins


def _require_fresh(folder: Path, parts: Mapping[Part, Sequence[Item]]) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"there is something in {str(folder)!r} already; name a new folder")
    ids = Counter(item.id for items in parts.values() for item in items)
    if repeated := next((id for id, count in ids.items() if count > 1), ""):
        raise UsageError(f"two items have the id {repeated!r}; give each its own")


def _write(folder: Path, part: Part, items: Sequence[Item]) -> FileEntry:
    lines = [
        json.dumps(item.model_dump(mode="json", exclude_none=True), ensure_ascii=False) + "\n"
        for item in items
    ]
    text = "".join(lines)
    write_whole(folder / file_name(part), text)
    return FileEntry(sha256=hashlib.sha256(text.encode()).hexdigest(), lines=len(lines))


def _origin(item: Item) -> Origin:
    return Origin(of=item.of, kind=item.kind, source=item.source)
