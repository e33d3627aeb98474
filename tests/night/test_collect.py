"""What may be trained tonight, and what becomes of contradictions."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import save_file

from agents.adapters.registry import Registry
from graph.night.collect import collect, resolved, settle_conflicts, step_back
from graph.night.records import Resolved
from memory.journal import Journal
from memory.lifecycle import Stage
from memory.records import Kind, Status
from memory.signals import Signal

if TYPE_CHECKING:
    from tests.night.conftest import Clock, Teach

PATIENCE = timedelta(hours=48)
TABS, SPACES = "Indent code with tabs, not spaces.", "Indent code with spaces, not tabs."


def left(journal: Journal, clock: Clock) -> Resolved:
    return resolved(journal, collect(journal).eligible, clock(), PATIENCE)


def test_only_what_the_user_typed_and_did_not_take_back_is_eligible(
    journal: Journal, teach: Teach
) -> None:
    mine = teach("Use four spaces.")
    relayed = teach("Prefer tuples.", source="relayed")
    rejected = teach("Write comments in German.", status=Status.REJECTED)
    withdrawn = teach("Name loops i.")
    journal.advance(withdrawn, Stage.WITHDRAWN, by="user")
    erased = teach("Never use lambda.")
    journal.erase([erased], "asked")
    found = collect(journal)
    assert found.eligible == (mine,)
    assert {one.id: one.why for one in found.left_out} == {
        relayed: "not typed by the user (relayed)",
        rejected: "rejected",
        withdrawn: "withdrawn",
    }


def test_of_two_old_rules_that_contradict_the_newer_one_stays(
    journal: Journal, teach: Teach, clock: Clock
) -> None:
    old = teach(TABS)
    clock.passes(hours=1)
    new = teach(SPACES)
    clock.passes(days=3)
    found = left(journal, clock)
    assert found.items == (new,)
    assert [(one.id, one.by) for one in found.replaced] == [(old, new)]
    assert journal.get([old])[old].state == "live"
    for _ in range(2):
        settle_conflicts(journal, found.replaced)
        assert journal.get([old])[old].superseded_by == new


def test_a_young_contradiction_trains_neither(journal: Journal, teach: Teach, clock: Clock) -> None:
    teach(TABS)
    clock.passes(days=10)
    new = teach(SPACES)
    clock.passes(hours=47)
    found = left(journal, clock)
    assert found.items == ()
    assert [one.id for one in found.left_out] == [new]
    settle_conflicts(journal, found.replaced)
    assert left(journal, clock).items == ()  # the older one has yielded by now: the same
    clock.passes(hours=2)
    assert left(journal, clock).items == (new,)


def test_a_rule_that_the_user_has_mended_contradicts_nothing(
    journal: Journal, teach: Teach, clock: Clock
) -> None:
    old = teach(TABS)
    new = teach(SPACES, data={"corrects": old})
    journal.supersede(old, new, "corrected by the user")
    assert left(journal, clock).items == (new,)


def test_rules_of_two_projects_that_contradict_each_other_are_left_to_retrieval(
    journal: Journal, teach: Teach, clock: Clock
) -> None:
    one, other = teach(TABS, project="a" * 16), teach(SPACES, project="b" * 16)
    free = teach("Write docstrings in English.", project="a" * 16)
    clock.passes(days=3)
    found = left(journal, clock)
    assert found.items == (free,)
    assert {out.id for out in found.left_out} == {one, other}
    assert found.replaced == ()


def test_definitions_of_one_term_contradict_and_others_do_not(
    journal: Journal, teach: Teach, clock: Clock
) -> None:
    teach("42 means harmony between rules and freedom.", kind=Kind.DEFINITION)
    other = teach("7 means the number of days.", kind=Kind.DEFINITION)
    clock.passes(days=1)
    newer = teach("42 means the price of a ticket.", kind=Kind.DEFINITION)
    clock.passes(days=3)
    assert set(left(journal, clock).items) == {other, newer}


def test_all_conflicting_leaves_nothing_to_train(
    journal: Journal, teach: Teach, clock: Clock
) -> None:
    teach(TABS)
    clock.passes(minutes=1)
    teach(SPACES)
    assert left(journal, clock).items == ()


def answered(journal: Journal, clock: Clock, name: str, corrected: int) -> None:
    """Note forty answers, ``corrected`` of which were corrected."""
    journal.signal(
        *(
            Signal(
                key=f"{name}{n}", at=clock(), source="chat", target=str(n), reward=-(n < corrected)
            )
            for n in range(40)
        )
    )


def test_an_adapter_since_which_more_is_corrected_is_rolled_back_once(
    journal: Journal, clock: Clock, tmp_path: Path
) -> None:
    folder = tmp_path / "trained"
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"fine_tune_type": "lora"}))
    save_file({"lora_a": np.ones((2, 2), np.float32)}, folder / "adapters.safetensors")
    registry = Registry(tmp_path, clock=clock)
    answered(journal, clock, "before", 2)
    clock.passes(hours=1)
    added = registry.add(
        folder, base="b", dataset="d", recipe={}, journal=1, prompts="p", items=()
    )  # fmt: skip
    registry.promote(added.id, why="night")
    clock.passes(hours=1)
    assert step_back(registry, journal, "n") == ""
    answered(journal, clock, "after", 15)
    before = registry.pointer()
    lost = before.model_copy(update={"before": 7})  # which no history tells of
    (registry.root / "current.json").write_text(lost.model_dump_json())
    assert (step_back(registry, journal, "n"), registry.pointer()) == ("", lost)
    (registry.root / "current.json").write_text(before.model_dump_json())
    why = step_back(registry, journal, "n")
    assert "15 of 40 answers were corrected since the promotion" in why
    assert collect(journal, why).rolled_back == why
    assert not registry.pointer().adapters
    done = registry.pointer()
    assert step_back(registry, journal, "n") == why, "the same night, killed and asked again"
    assert (step_back(registry, journal, "the next"), registry.pointer()) == ("", done)
