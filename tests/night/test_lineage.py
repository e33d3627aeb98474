"""A night goes on from the newest adapter that was taught nothing of what was taken back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from agents.adapters.records import Manifest
from agents.profiles import EMBEDDED
from graph.night.choose import look
from graph.night.lineage import line_to, start_for
from graph.night.shop import NightShop
from graph.settings import load_settings
from memory.records import Item, Kind, Status
from prompts import digest
from training.lora.start import adapter_config

RULES = tuple(
    Item(kind=Kind.PREFERENCE, text=f"Use stone{number} instead of wood{number}.")
    for number in range(6)
)
IDS = tuple(rule.id for rule in RULES)


@pytest.fixture
def shop(state_home: Path, tmp_path: Path) -> NightShop:
    return settled(state_home, tmp_path)


def settled(home: Path, workspace: Path, **night: object) -> NightShop:
    settings = load_settings(workspace, {"model": {"profile": EMBEDDED}, "night": night})
    return NightShop(home, settings)


def served(shop: NightShop, items: tuple[str, ...], start: str = "", **changes: Any) -> Manifest:
    """Promote an adapter that was taught ``items``, going on from ``start``."""
    folder = shop.home / "made" / str(len(shop.registry.ids()))
    folder.mkdir(parents=True)
    config = adapter_config(shop.recipe.model_copy(update=changes.pop("recipe", {})))
    (folder / "adapter_config.json").write_text(json.dumps(config))
    save_file({"x.lora_b": np.full(2, len(items), np.float32)}, folder / "adapters.safetensors")
    making = {"prompts": digest(shop.profile.prompts), "context": "", **changes}
    one = shop.registry.add(
        folder, base=shop.base, dataset="", recipe={}, journal=1, items=items,
        parents=line_to(shop, start), **making,
    )  # fmt: skip
    shop.registry.promote(one.id, why="asked")
    return one


def test_a_night_goes_on_from_what_is_served_while_nothing_was_taken_back(shop: NightShop) -> None:
    assert start_for(shop, "", IDS) is None
    first = served(shop, IDS[:2])
    assert start_for(shop, "", IDS) == first
    assert start_for(shop, "project:" + "a" * 16, IDS) is None
    second = served(shop, IDS[:4], first.id)
    third = served(shop, IDS[:5], second.id)
    assert third.parents == (first.id, second.id)
    assert start_for(shop, "", IDS) == third
    assert start_for(shop, "", (*IDS[:4], IDS[5])) == second
    assert start_for(shop, "", (*IDS[:3], *IDS[4:])) == first
    assert start_for(shop, "", IDS[1:]) is None, "it would know what was taken back"


def test_a_night_says_what_it_begins_with(shop: NightShop) -> None:
    with shop.journal() as journal:
        journal.put(*RULES)
        first = served(shop, IDS[:3])
        *_, chosen = look(shop, journal, asked=True)
        assert (chosen.start, chosen.known) == (first.id, IDS[:3])
        journal.set_status(IDS[0], Status.REJECTED, "asked")
        *_, chosen = look(shop, journal, asked=True)
        assert (chosen.start, chosen.known, chosen.gone) == ("", (), (IDS[0],))


def test_what_answers_other_prompts_or_has_another_shape_is_not_gone_on_from(
    shop: NightShop,
) -> None:
    fits = served(shop, IDS[:1])
    for changes in ({"prompts": "others"}, {"recipe": {"rank": 8}}, {"recipe": {"keys": ()}}):
        served(shop, IDS[:2], fits.id, **changes)
        assert start_for(shop, "", IDS) == fits, changes
    (shop.registry.folder(fits.id) / "adapters.safetensors").write_bytes(b"damaged")
    assert start_for(shop, "", IDS) is None


def test_every_few_nights_the_base_is_begun_with_again(state_home: Path, tmp_path: Path) -> None:
    shop = settled(state_home, tmp_path, generations=3)
    first = served(shop, IDS[:1])
    second = served(shop, IDS[:2], first.id)
    assert start_for(shop, "", IDS) == second
    third = served(shop, IDS[:3], second.id)
    assert start_for(shop, "", IDS) is None
    assert start_for(settled(state_home, tmp_path), "", IDS) == third
    assert start_for(settled(state_home, tmp_path, generations=1), "", IDS) is None
