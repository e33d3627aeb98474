"""Adapters for one project or kind of file: which are trained, on what, what becomes of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import save_file

from agents.adapters.serving import select
from agents.profiles import ModelConfig
from graph.night.choose import choose_for, look, resolve_all
from graph.night.collect import collect
from graph.night.config import NightConfig
from graph.night.contexts import contexts_of, holds_in
from graph.night.examples import too_few
from graph.night.judge import _plan
from graph.night.page import headline
from graph.night.policy import Decision
from graph.night.records import Chosen, Ended, NightReport
from graph.night.runner import run_night
from graph.night.settle import settle
from graph.night.shop import NightShop
from graph.settings import CommandConfig, Settings
from memory.journal import Journal
from memory.lifecycle import Stage
from memory.records import Item
from training.dataset.reader import Item as Example
from training.dataset.reader import Turn
from training.dataset.write import Manifest
from training.gate.records import FORGOTTEN

if TYPE_CHECKING:
    from tests.night.conftest import Clock, Teach

SHOP, BANK = "a" * 16, "b" * 16
RULES = ("Write docstrings in English.", "Never run git push.", "Keep totals in cents.")
GO = Decision(verdict="go", why="asked")


@pytest.fixture
def shop(tmp_path: Path, random_checkpoint: Path, clock: Clock) -> NightShop:
    """A night's shop over a random model."""
    model = ModelConfig(model_path=random_checkpoint, context_tokens=256)
    night = NightConfig(conflict_hours=0, context_examples=30)
    command = CommandConfig(allow_unsandboxed=True)
    return NightShop(tmp_path, Settings(model=model, night=night, command=command), clock=clock)


def adapter(shop: NightShop, *items: str, context: str = "") -> str:
    """Serve an adapter that was trained on ``items`` for ``context``; return its id."""
    folder = shop.home / f"made{len(shop.registry.ids())}"
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"fine_tune_type": "lora"}))
    save_file({"lora_a": np.ones((2, 2), np.float32)}, folder / "adapters.safetensors")
    made = shop.registry.add(
        folder, base=shop.base, dataset="d", recipe={}, journal=1, prompts="p", items=items,
        context=context,
    )  # fmt: skip
    shop.registry.promote(made.id, why="test")
    return made.id


def chosen(shop: NightShop, journal: Journal) -> Chosen:
    return look(shop, journal, asked=True)[2]


def chosen_for(shop: NightShop, journal: Journal, context: str) -> Chosen:
    found = collect(journal)
    return choose_for(shop, journal, found, resolve_all(shop, journal, found, context), context)


def test_what_an_item_is_about_decides_where_it_holds() -> None:
    def item(text: str = "t", **other: object) -> Item:
        return Item.model_validate({"text": text, **other})

    python = item(project=SHOP, data={"language": "python"})
    assert contexts_of(python) == (f"project:{SHOP}", "ext:.py")
    assert contexts_of(item(scope="web/cart.ts")) == ("ext:.ts",)
    assert contexts_of(item(project="no hash", scope="src/api")) == ()
    assert holds_in(python, "ext:.py") and not holds_in(python, "ext:.ts")
    assert holds_in(item(), f"project:{BANK}") and not holds_in(python, f"project:{BANK}")


def test_a_context_with_too_few_examples_or_with_all_there_is_gets_no_adapter(
    shop: NightShop, journal: Journal, teach: Teach
) -> None:
    for rule in RULES:
        teach(rule, project=SHOP)
    assert chosen(shop, journal).contexts == ()  # the same as what holds everywhere
    other = teach("Say account, not wallet.", project=BANK)
    assert chosen(shop, journal).contexts == (f"project:{SHOP}",)
    taught = chosen_for(shop, journal, f"project:{SHOP}")
    assert other not in taught.items and set(taught.own) == set(taught.items)
    assert chosen_for(shop, journal, f"project:{BANK}").decision.verdict == "not_due"
    turns = (Turn(role="user", content="q"), Turn(role="assistant", content="a"))
    few = [Example(id=str(n), messages=turns, of=taught.own[:1]) for n in range(29)]
    assert "29 examples are about this context" in too_few(shop, few, taught)
    other_words = few[0].model_copy(update={"id": "rule/00.1"})
    assert "29 examples are about this context" in too_few(shop, [*few, other_words], taught)
    assert too_few(shop, [*few, few[0]], taught) == ""


def test_a_rule_that_contradicts_another_project_is_taught_in_its_own(
    shop: NightShop, journal: Journal, teach: Teach, clock: Clock
) -> None:
    everywhere = teach("Indent code with tabs, not spaces.")
    mine = teach("Indent code with spaces, not tabs.", project=SHOP)
    more = {teach(rule, project=SHOP) for rule in RULES[:2]}
    clock.passes(days=1)
    assert set(chosen(shop, journal).items) == {everywhere, *more}
    teach("Say account, not wallet.", project=BANK)
    assert set(chosen_for(shop, journal, f"project:{SHOP}").items) == {mine, *more}


def test_the_adapter_of_a_context_is_made_again_when_what_holds_there_changes(
    shop: NightShop, journal: Journal, teach: Teach
) -> None:
    items = [teach(rule, project=SHOP) for rule in RULES]
    bank = teach("Say account, not wallet.", project=BANK)
    adapter(shop, *items, bank)
    own = adapter(shop, *items, context=f"project:{SHOP}")
    assert chosen(shop, journal).contexts == ()
    journal.advance(items[0], Stage.WITHDRAWN, by="user")
    assert chosen(shop, journal).contexts == (f"project:{SHOP}",)
    left = chosen_for(shop, journal, f"project:{SHOP}")  # two rules are too few for one of its own
    assert (left.items, left.gone) == ((), tuple(sorted(items)))
    assert left.decision.verdict == "go"
    assert shop.served(f"project:{SHOP}") == shop.registry.get(own)


def test_what_a_context_gets_wrong_is_still_known_everywhere_else(
    journal: Journal, teach: Teach
) -> None:
    known, new = teach("Raise DomainError."), teach("Keep cents.")
    for stage in (Stage.QUEUED, Stage.TRAINED, Stage.PROVEN, Stage.GRADUATED):
        journal.advance(known, stage, adapter="everywhere")
    night = Chosen(decision=GO, items=(known, new))
    ended = Ended(outcome="promoted", why="passed", adapter="own")
    settle(
        journal, "n", night, ended, rates={known: 0.5, new: 1.0}, examples={}, dataset="d",
        context=f"project:{SHOP}",
    )  # fmt: skip
    assert journal.stages([known])[known].stage is Stage.GRADUATED
    assert journal.graduated_by("everywhere") == {known}
    assert journal.graduated_by("own") == {new}


def test_contexts_have_their_nights_after_the_one_for_everywhere_also_after_a_kill(
    shop: NightShop, journal: Journal, teach: Teach, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("max_tokens: 16\n")  # all examples are too long: the nights end early
    night = shop.settings.night.model_copy(update={"recipe": recipe})
    shop.settings = shop.settings.model_copy(update={"night": night})
    for rule in RULES:
        teach(rule, project=SHOP)
    teach("Say account, not wallet.", project=BANK)
    first = run_night(shop, asked=True)
    assert not isinstance(first, Decision)
    assert (first.context, first.outcome, len(first.items)) == ("", "kept", 4)
    second = shop.store.last()
    assert second is not None and (second.context, len(second.items)) == (f"project:{SHOP}", 3)
    assert second.trigger == f"after the night {first.night}"
    shutil.rmtree(shop.store.folder(second.night))  # as if killed between the two
    again = run_night(shop)
    assert not isinstance(again, Decision)
    assert (again.context, again.night) == (second.context, second.night)
    assert isinstance(run_night(shop), Decision)  # nothing is new, there and everywhere


def test_a_night_that_was_refused_has_none_for_its_contexts(shop: NightShop) -> None:
    night = shop.store.begin(shop.clock(), asked=False).night
    no = Decision(verdict="refused", why="no room")
    shop.store.write(night, "decide", Chosen(decision=no, contexts=(f"project:{SHOP}",)))
    shop.store.write(night, "ended", Ended(outcome="nothing", why="no room"))
    assert not isinstance(run_night(shop), Decision)
    assert shop.store.ids() == (night,)


def test_what_was_reworded_is_not_asked_about_as_forgotten(
    shop: NightShop, journal: Journal, teach: Teach
) -> None:
    old, gone = teach("Use pathlib instead of os.path."), teach("Never run git push.")
    new = teach("Use pathlib instead of os.path in new code.")
    journal.supersede(old, new, "edited")
    journal.advance(gone, Stage.WITHDRAWN, by="user")
    for items, forgotten in (((new,), {gone}), ((), {gone, old})):
        night = Chosen(decision=GO, items=items, gone=(old, gone))
        probes = _plan(shop, journal, night, None).probes
        assert {probe.of for probe in probes if probe.suite == FORGOTTEN} == forgotten


def test_what_was_taken_back_is_gone_until_it_is_served_no_more(
    shop: NightShop, journal: Journal, teach: Teach
) -> None:
    items = [teach(rule) for rule in RULES]
    adapter(shop, *items)
    journal.advance(items[0], Stage.WITHDRAWN, by="user")
    new = teach("Write tests first.")
    night = shop.store.begin(shop.clock(), asked=False).night
    refused = NightReport(
        night=night, started=shop.clock(), ended=shop.clock(), outcome="kept", why="drift",
        base=shop.base, items=(*items[1:], new),
    )  # fmt: skip
    for again, fresh in ((False, 0), (True, 1)):  # what was not judged is as new as it was
        shop.store.write(night, "report", refused.model_copy(update={"again": again}))
        waiting = look(shop, journal, asked=False)[2]
        assert waiting.gone == (items[0],)
        assert waiting.decision.why.startswith(f"{fresh} new and 1 withdrawn"), waiting


def test_when_all_was_taken_back_the_base_answers_alone_and_the_manifests_say_so(
    shop: NightShop, journal: Journal, teach: Teach
) -> None:
    items = [teach(rule, project=SHOP) for rule in RULES]
    items.append(teach("Say account, not wallet.", project=BANK))
    everywhere, own = adapter(shop, *items), adapter(shop, *items[:3], context=f"project:{SHOP}")
    journal.erase(items[:2], "asked")
    for id in items[2:]:
        journal.advance(id, Stage.WITHDRAWN, by="user")
    told = run_night(shop, asked=True)
    assert not isinstance(told, Decision)
    first, second = told.night, f"{told.night}.2"
    assert (told.outcome, told.adapter, told.previous) == ("promoted", "", everywhere)
    assert set(told.forgotten) == set(items)
    assert "4 forgotten; what it was taught was taken back" in headline(told)
    assert shop.registry.pointer().slots == ()
    assert select(shop.registry, shop.base, SHOP, ["cart.py"]) is None
    assert shop.store.ids() == (second, first)
    after = shop.store.last()
    assert after is not None and (after.context, after.previous) == (f"project:{SHOP}", own)
    for night in (first, second):
        manifest = shop.store.folder(night) / "dataset" / "manifest.json"
        dataset = Manifest.model_validate_json(manifest.read_bytes())
        assert (dataset.items, dataset.of()) == ({}, ())
        assert RULES[0] not in (shop.store.folder(night) / "report.html").read_text("utf-8")
    assert run_night(shop, asked=True) == shop.store.said().decision  # type: ignore[union-attr]
    assert shop.store.ids() == (second, first)
    assert shop.registry.rollback(why="test").adapters == {own}  # as it was before the second
