"""What was taught is written in other words for each epoch, while the set has room for that."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from agents.profiles import EMBEDDED
from graph.night.examples import make_examples, mixed, recipe_of, write
from graph.night.policy import Decision
from graph.night.records import Chosen
from graph.night.shop import NightShop
from graph.settings import load_settings
from memory.records import Item, Kind, Provenance
from training.dataset.mix import MAX_ITEMS
from training.dataset.reader import Item as Example
from training.dataset.write import part_of

FEW = ("Raise StockError instead of ValueError.", "Start names of helper functions with s_.")
MANY = tuple(f"Use wood{number} instead of stone{number}." for number in range(90))


@pytest.fixture
def shop(state_home: Path, tmp_path: Path) -> NightShop:
    return NightShop(state_home, load_settings(tmp_path, {"model": {"profile": EMBEDDED}}))


def made(shop: NightShop, texts: tuple[str, ...], **how: int) -> tuple[list[Example], Chosen]:
    rules = [
        Item(kind=Kind.PREFERENCE, text=text, provenance=Provenance(source="user"))
        for text in texts
    ]
    chosen = Chosen(
        decision=Decision(verdict="go", why="asked"), items=tuple(rule.id for rule in rules)
    )
    with shop.journal() as journal:
        journal.put(*rules)
        return make_examples(shop, journal, chosen, **how), chosen


def passes(shop: NightShop, items: list[Example], chosen: Chosen) -> int:
    night = shop.store.begin(datetime(2026, 3, 4, tzinfo=UTC), asked=True).night
    mixture = mixed(shop, items, chosen)
    apart = [bool(item.of) for item in mixture if part_of(item) != "train"]
    assert 0 < apart.count(False) <= max(8, apart.count(True))
    written = write(shop, night, mixture, chosen)
    assert sum(written.counts["train"].values()) <= MAX_ITEMS
    return recipe_of(shop, night).epochs


def test_each_epoch_has_its_own_words_and_none_asks_what_is_held_out(shop: NightShop) -> None:
    once, _ = made(shop, FEW, wordings=1)
    items, chosen = made(shop, FEW)
    assert shop.recipe.reworded and shop.recipe.epochs == 8
    assert items[: len(once)] == once
    assert len({item.id for item in items}) == len(items)
    numbers = {item.id.rpartition(".")[2] for item in items if "." in item.id}
    assert numbers == set("1234567")
    trained = [item for item in items if part_of(item) == "train"]
    before = {item.asked for item in once if part_of(item) == "train"}
    assert len({item.asked for item in trained}) > 4 * len(before)
    held_out = [item for item in items if part_of(item) != "train"]
    assert held_out == [item for item in once if part_of(item) != "train"]
    assert {item.asked for item in held_out}.isdisjoint(item.asked for item in trained)
    assert passes(shop, items, chosen) == 1


def test_a_set_that_is_full_is_gone_over_as_often_as_the_recipe_says(shop: NightShop) -> None:
    items, chosen = made(shop, MANY)
    assert not [item.id for item in items if "." in item.id]
    assert passes(shop, items, chosen) == shop.recipe.epochs


def test_wordings_share_the_epochs(shop: NightShop) -> None:
    items, chosen = made(shop, FEW, wordings=3)
    assert passes(shop, items, chosen) == 3
