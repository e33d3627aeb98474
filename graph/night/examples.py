"""From tonight's knowledge to a dataset folder: examples, scrubbed, mixed with replay, written."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from graph.night.collect import known_of
from graph.night.kept_runs import transcripts
from graph.night.nights import DATASET
from graph.night.records import Chosen, Removals, Removed
from graph.night.shop import NightShop
from mcp_local_llm import StoreUnavailable
from memory.journal import Journal
from training.dataset.encoding import Encoder
from training.dataset.mix import MAX_ITEMS, mix, room_for
from training.dataset.reader import MANIFEST, Item
from training.dataset.scrub import fit, scrub
from training.dataset.write import Manifest, part_of, write_dataset
from training.examples.build import build_examples, from_transcripts
from training.examples.checked import keep_checked
from training.examples.knowledge import Knowledge
from training.replay import general, protocol

if TYPE_CHECKING:
    from training.lora.recipe import Recipe

EXAMPLES: Final = "examples.jsonl"
SCRUBBED: Final = "scrubbed.jsonl"
MIXED: Final = "mixed.jsonl"
_WORDING: Final = re.compile(r"\.(\d+)$")  # the number of an example's wording, in its id
_FEW: Final = 8  # held-out items of replay, at least
_LEAST, _PROTOCOL = 80, 20  # replay items that are made; the mix takes what it needs


def make_examples(
    shop: NightShop, journal: Journal, chosen: Chosen, *, wordings: int | None = None
) -> list[Item]:
    """Return the examples of all that is chosen and was not withdrawn since.

    A run that the user kept is told as it was, instead of asked about, where it is there still,
    holds no secret and is short enough.
    The others are there in ``wordings`` drawn one by one, and a run as often: by default one for
    each epoch, where the recipe wants that and the set has room.
    """
    known = _known(journal, chosen)
    weights = _weights(shop, journal, known)
    runs = _usable(shop, from_transcripts(asyncio.run(transcripts(shop, journal, known, weights))))
    told = {id for run in runs for id in run.of}
    prompts, seed = shop.profile.prompts, shop.settings.night.seed

    def drawn(number: int) -> list[Item]:
        made = build_examples(known, prompts=prompts, seed=seed + number, weights=weights)
        return [item for item in made if not told.issuperset(item.of)]

    first = drawn(0)
    if wordings is None:
        most = shop.recipe.epochs if shop.recipe.reworded else 1
        new, known_already = _by_age([*first, *runs], chosen)
        wordings = min(most, room_for(new, promoted=bool(known_already)))
    held_out = {item.asked for item in first if part_of(item) != "train"}
    more = [
        item.model_copy(update={"id": f"{item.id}.{number}"})
        for number in range(1, wordings)
        for item in (*drawn(number), *runs)
        if part_of(item) == "train" and item.asked not in held_out
    ]
    return [*first, *runs, *more]


def _usable(shop: NightShop, runs: Sequence[Item]) -> list[Item]:
    clean, _ = scrub(runs)
    short, _ = fit(clean, Encoder(shop.base_folder), shop.recipe.max_tokens) if clean else ([], ())
    return short


def recipe_of(shop: NightShop, night: str) -> Recipe:
    """Return the recipe of a night's training: the wordings in its dataset share the epochs."""
    taught = [id for id, origin in written(shop, night).items.items() if origin.of]
    numbers = filter(None, map(_WORDING.search, taught))
    wordings = 1 + max((int(number[1]) for number in numbers), default=0)
    epochs = max(1, round(shop.recipe.epochs / wordings))
    return shop.recipe.model_copy(update={"epochs": epochs})


def _by_age(items: Sequence[Item], chosen: Chosen) -> tuple[list[Item], list[Item]]:
    """Return what the training does not begin with, and what it does; nothing that is held out.

    Where it begins with all that there is, that is what is trained.
    """
    learned = [item for item in items if part_of(item) == "train"]
    known = set(chosen.known)
    new = [item for item in learned if not known.issuperset(item.of)]
    return (new, [item for item in learned if known.issuperset(item.of)]) if new else (learned, [])


def cleaned(
    shop: NightShop, journal: Journal, chosen: Chosen, items: Sequence[Item]
) -> tuple[list[Item], Removals]:
    """Return the examples that may train, and what was taken out.

    That is what holds a secret, is too long, or breaks the check of the rule that it is to teach.
    """
    clean, secret = scrub(items)
    right, broken = asyncio.run(keep_checked(clean, _known(journal, chosen)))
    short, long = fit(right, Encoder(shop.base_folder), shop.recipe.max_tokens)
    whys = {one.id: one.why for one in (*secret, *broken, *long)}
    removed = (
        Removed(id=item.id, of=item.of, why=whys[item.id]) for item in items if item.id in whys
    )
    return short, Removals(removed=tuple(removed))


def _known(journal: Journal, chosen: Chosen) -> list[Knowledge]:
    stored = [one for one in journal.get(chosen.items).values() if one.state == "live"]
    return known_of(journal, stored)


def too_few(shop: NightShop, clean: Sequence[Item], chosen: Chosen) -> str:
    """Say why ``clean`` are too few examples to train an adapter on, or return ""."""
    if chosen.items and not clean:
        return "no example was left: they hold secrets, are too long or break their own rule"
    own, least = set(chosen.own), shop.settings.night.context_examples
    once = (one for one in clean if part_of(one) == "train" and not _WORDING.search(one.id))
    count = sum(not own.isdisjoint(one.of) for one in once)
    if own and count < least:
        return f"{count} examples are about this context alone, and its adapter needs {least}"
    return ""


def _weights(shop: NightShop, journal: Journal, known: Sequence[Knowledge]) -> dict[str, float]:
    weights = shop.settings.learning.weights
    return journal.replay_weights({one.id: one.item for one in known}, weights)


def mixed(shop: NightShop, items: Sequence[Item], chosen: Chosen) -> list[Item]:
    """Return ``items`` with replay, so that nothing is forgotten; what the gate asks is not there.

    Held-out items train nothing and are kept as they are, with no more of replay than of what was
    taught, or a few: the loss over both decides when training ends.
    """
    new, promoted = _by_age(items, chosen)
    held_out = [item for item in items if part_of(item) != "train"]
    seed, prompts = shop.settings.night.seed, shop.profile.prompts
    count = min(MAX_ITEMS, max(_LEAST, 2 * (len(new) + len(promoted))))
    model = shop.base_folder
    replay = general(prompts, count, seed=seed, model=model)
    formats = protocol(prompts, max(_PROTOCOL, count // 4), seed=seed, model=model)
    drawn = mix(new, promoted, replay, formats, seed=seed)
    taught = {id for item in drawn for id in item.of}
    apart = [item for item in held_out if taught.issuperset(item.of)]
    replayed = [item for item in drawn if part_of(item) != "train"][: max(_FEW, len(apart))]
    return [*(item for item in drawn if part_of(item) == "train"), *replayed, *apart]


def write(shop: NightShop, night: str, items: Sequence[Item], chosen: Chosen) -> Manifest:
    """Write the dataset of a night, or return the manifest of the one that is there."""
    folder = shop.store.folder(night) / DATASET
    if (there := manifest(shop, night)) is not None:
        return there
    shutil.rmtree(folder, ignore_errors=True)  # killed while it was written
    return write_dataset(
        folder,
        items,
        base=shop.base,
        prompts=shop.profile.prompts,
        seed=shop.settings.night.seed,
        provenance={"night": night, "items": list(chosen.items)},
    )


def manifest(shop: NightShop, night: str) -> Manifest | None:
    """Return the manifest of a night's dataset, if it was written."""
    path = shop.store.folder(night) / DATASET / MANIFEST
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise _lost(shop, night, path) from error


def written(shop: NightShop, night: str) -> Manifest:
    """Return the manifest of a night's dataset, which an earlier step has written."""
    if (found := manifest(shop, night)) is None:
        raise _lost(shop, night, shop.store.folder(night) / DATASET / MANIFEST)
    return found


def taught(shop: NightShop, night: str, chosen: Chosen) -> Chosen:
    """Return ``chosen`` with what the training began with or had an example of alone."""
    dataset = manifest(shop, night)
    if dataset is None:
        return chosen
    there = frozenset(dataset.of()).union(chosen.known)

    def kept(ids: Iterable[str]) -> tuple[str, ...]:
        return tuple(id for id in ids if id in there)

    parts = {"items": chosen.items, "earlier": chosen.earlier, "own": chosen.own}
    return chosen.model_copy(update={name: kept(ids) for name, ids in parts.items()})


def keep(shop: NightShop, night: str, name: str, items: Iterable[Item]) -> None:
    """Write ``items`` into a file of the night."""
    lines = (json.dumps(item.model_dump(mode="json"), ensure_ascii=False) for item in items)
    shop.store.write_text(night, name, "".join(f"{line}\n" for line in lines))


def kept(shop: NightShop, night: str, name: str) -> list[Item]:
    """Return the items of a file of the night."""
    path = shop.store.folder(night) / name
    try:
        return [Item.model_validate_json(line) for line in _lines(path)]
    except (OSError, ValueError) as error:
        raise _lost(shop, night, path) from error


def is_kept(shop: NightShop, night: str, name: str) -> bool:
    """Say whether a file of the night is there, and so whole."""
    return (shop.store.folder(night) / name).exists()


def _lost(shop: NightShop, night: str, path: Path) -> StoreUnavailable:
    return StoreUnavailable(
        f"{str(path)!r} is gone or damaged; remove {str(shop.store.folder(night))!r}, and the next "
        "night starts anew"
    )


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()
