"""The one transcript of a run: append-only, and in the compact profile exactly as trained."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agents.brief import BriefRule
from agents.profiles import EMBEDDED, ModelConfig
from graph.accepted import success
from graph.checkpoints import open_checkpoints
from graph.crew import build_graph
from graph.night.collect import known_of
from graph.night.config import NightConfig
from graph.night.examples import make_examples
from graph.night.kept_runs import is_sound, kept_runs
from graph.night.policy import Decision
from graph.night.records import Chosen
from graph.night.shop import NightShop
from graph.runs import RunStore
from graph.settings import load_settings
from graph.state import RunState, Step
from graph.workshop import Workshop
from memory.experience import Generation
from memory.journal import Journal
from memory.records import Item, Kind, Status
from training.dataset.encoding import Encoder

if TYPE_CHECKING:
    from tests.graph.conftest import Demo, Script

pytestmark = pytest.mark.slow


def accepted(demo: Demo) -> tuple[Item, ...]:
    """Return what the journal holds of a run whose one piece of code the user kept."""
    code = Generation(task=demo.task, code=demo.code, verdict="accept", where="t")
    return code.item("p"), success("p", "t", demo.task, "sum it", (), 1.0)


async def test_the_compact_transcript_is_the_one_the_small_model_learned(
    project: Path, home: Path, script: Script, demo: Demo
) -> None:
    script()
    settings, store = load_settings(project), RunStore(home)
    home.mkdir()
    state: RunState
    async with open_checkpoints(store, settings) as saver:
        graph = build_graph(Workshop(settings, store), saver)
        given: RunState = {"task": demo.task, "workspace": str(project)}
        thread = {"configurable": {"thread_id": "t"}}
        await graph.ainvoke(given, thread, durability="sync")  # type: ignore[call-overload]
        state = (await graph.aget_state(thread)).values  # type: ignore[arg-type,assignment]
    said = [(message.role, message.content) for message in state["talk"].messages]
    brief = (
        f"task: {demo.task}\nfile: shop/cart.py (module shop.cart)\n{demo.cart.rstrip()}\n"
        "end of file\ntests: tests\nrole: planner"
    )
    assert said == [
        ("system", "You are a coding crew. Answer as the role named last."),
        ("user", brief),
        ("assistant", demo.plan),
        ("user", "role: tester"),
        ("assistant", demo.new_test),
        ("user", "tests: red\nrole: implementer"),
        ("assistant", demo.code),
        ("user", "tests: green\nrole: refactorer"),
        ("assistant", demo.simpler),
        ("user", "tests: green\nrole: doc_writer"),
        ("assistant", demo.documented),
    ]
    assert state["outcome"].status == "delivered"
    await asyncio.to_thread(trained_by_night, NightShop(home, settings), state, demo)


def trained_by_night(shop: NightShop, state: RunState, demo: Demo) -> None:
    """Once its code was kept, the night trains just what its roles have answered."""
    model = ModelConfig(profile=EMBEDDED)
    shop.settings = shop.settings.model_copy(update={"model": model})
    code, good = accepted(demo)
    chosen = Chosen(decision=Decision(verdict="go", why="asked"), items=(code.id,))
    with shop.journal() as journal:
        journal.put(code, good)
        (item,) = make_examples(shop, journal, chosen, wordings=1)
        assert len(make_examples(shop, journal, chosen)) == shop.recipe.epochs
        assert (item.id, item.of, item.kind) == ("run:t", (code.id,), "run")
        said = [(turn.role, turn.content) for turn in item.messages]
        assert said == [(one.role, one.content) for one in state["talk"].messages]
        ids, learned = Encoder(shop.base_folder).encode(item)
        assert [item.messages[at].role for at in item.learned] == ["assistant"] * 5
        assert 0 < sum(learned) < len(ids)
        recipe = shop.home / "short.yaml"
        recipe.write_text("max_tokens: 64\n")  # too few for the run: its code is asked about
        night = NightConfig(recipe=recipe)
        short = NightShop(shop.home, shop.settings.model_copy(update={"night": night}))
        items = make_examples(short, journal, chosen, wordings=1)
        assert {one.of for one in items} == {(code.id,)}
        assert "run:t" not in {one.id for one in items}
        wish = Item(kind=Kind.PREFERENCE, text=state["task"])
        journal.put(wish)  # the wish itself was taught, and is not trained
        assert "run:t" not in {one.id for one in make_examples(shop, journal, chosen)}
        journal.erase([wish.id], "test")
        assert_withdrawn_with_its_code(journal, code, good)
    prompts, trained = shop.profile.prompts, {code.id}
    assert is_sound(state, prompts, trained, {})
    assert not is_sound(state, "full", trained, {})  # its prompts are others than those that train
    told = state["brief"].model_copy(
        update={"rules": (BriefRule(id="r1", text="Keep totals.", item="gone"),)}
    )
    assert not is_sound({**state, "brief": told}, prompts, trained, {})
    steps: tuple[Step, ...] = state["story"].steps
    again = state["story"].model_copy(
        update={"steps": (*steps, steps[-1].model_copy(update={"attempt": 2}))}
    )
    assert not is_sound({**state, "story": again}, prompts, trained, {})
    assert not is_sound({"task": "begun and no more"}, prompts, trained, {})
    tags = steps[0].tags.model_copy(update={"adapter": "abc"})
    knowing = state["story"].model_copy(
        update={"steps": (steps[0].model_copy(update={"tags": tags}), *steps[1:])}
    )
    for adapters, is_clean in (
        ({"abc": (code.id,)}, True),
        ({"abc": (code.id, "forgotten")}, False),  # it had learned what may not be trained any more
        ({}, False),
    ):
        assert is_sound({**state, "story": knowing}, prompts, trained, adapters) is is_clean


def assert_withdrawn_with_its_code(journal: Journal, code: Item, good: Item) -> None:
    """No run trains of which a piece was taken back, or which did not work out."""
    trained = {one.id for one in known_of(journal, journal.get([code.id]).values())}
    assert kept_runs(journal, trained) == {"t": (code.id,)}
    assert kept_runs(journal, ()) == {}
    other = Generation(task="t", code="x = 1", verdict="reject", where="t").item("p")
    journal.put(other)
    assert kept_runs(journal, {*trained, other.id}) == {}
    journal.forget(other.id, "test")
    journal.set_status(good.id, Status.REJECTED, "taken back")
    assert kept_runs(journal, trained) == {}
