"""Several datasets as one: hand-written items beside generated and imported ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from mcp_local_llm import UsageError
from training.dataset.mix import HELD_OUT, rule_of
from training.dataset.reader import MANIFEST, PARTS, Dataset, Item, Part, Turn
from training.dataset.write import Manifest, part_of


class Merged(NamedTuple):
    """The items of several datasets, and how many were left out since they are there already."""

    items: list[Item]
    same: int


class Making(NamedTuple):
    """What datasets say of themselves together; empty where they do not say it or do not agree."""

    base: str
    prompts: str
    seed: int


def merge(datasets: Sequence[Dataset]) -> Merged:
    """Return all items of ``datasets``, in the files that they stood in.

    A conversation that is there twice is kept once. Where two others have the same id, the later
    one is named after its folder. What one dataset trains on is held out by none.
    """
    items: dict[str, Item] = {}
    seen: set[tuple[Turn, ...]] = set()
    same = 0
    for folder, item in _placed(datasets):
        if item.messages in seen:
            same += 1
            continue
        seen.add(item.messages)
        id = item.id if item.id not in items else f"{folder.name}/{item.id}"
        while id in items:
            id = f"{id}+"
        items[id] = item.model_copy(update={"id": id})
    return Merged(list(items.values()), same)


def placed(item: Item, part: Part) -> Item:
    """Return ``item`` with a group whose name says that it belongs to ``part``."""
    if part_of(item) == part:
        return item
    group = rule_of(item) or item.id
    return item.model_copy(
        update={"group": group if part == "train" else f"{group}{HELD_OUT}{part}"}
    )


def making(datasets: Sequence[Dataset]) -> Making:
    """Return what the manifests of ``datasets`` have in common.

    Raises:
        UsageError: they were made for different prompt sets.
    """
    found = [one for dataset in datasets if (one := _manifest(dataset.folder))]
    prompts = {one.prompts for one in found} - {""}
    if len(prompts) > 1:
        raise UsageError(
            f"the datasets were made for the prompt sets {', '.join(sorted(prompts))}; merge those "
            "of one"
        )
    bases = {one.base for one in found} - {""}
    return Making(
        base=bases.pop() if len(bases) == 1 else "",
        prompts=prompts.pop() if prompts else "",
        seed=found[0].seed if found else 0,
    )


def _placed(datasets: Sequence[Dataset]) -> Iterator[tuple[Path, Item]]:
    trained = {item.group for one in datasets for item in one.items("train")} - {""}
    for part in PARTS:
        for dataset in datasets:
            for item in dataset.items(part):
                yield dataset.folder, placed(item, "train" if item.group in trained else part)


def _manifest(folder: Path) -> Manifest | None:
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError):
        return None  # of another program, or none
