"""What becomes of an item after a night, with its evidence in the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graph.night.policy import Decision
from graph.night.records import Chosen, Ended, Settled
from graph.night.settle import queue, settle
from memory.journal import Journal
from memory.lifecycle import Stage

if TYPE_CHECKING:
    from tests.night.conftest import Teach

GO = Decision(verdict="go", why="you asked for it")
PROMOTED = Ended(outcome="promoted", why="passed", adapter="a1")


def night(
    journal: Journal,
    ids: list[str],
    rates: dict[str, float],
    ended: Ended = PROMOTED,
    name: str = "n1",
) -> Settled:
    chosen = Chosen(decision=GO, items=tuple(ids))
    queue(journal, name, chosen)
    return settle(journal, name, chosen, ended, rates=rates, examples={ids[0]: 12}, dataset="d1")


def stages(journal: Journal, id: str) -> list[str]:
    return [step.stage.value for step in journal.stage_history(id)]


def test_what_answers_every_question_graduates_with_its_evidence(
    journal: Journal, teach: Teach
) -> None:
    id = teach("Raise DomainError.")
    settled = night(journal, [id], {id: 1.0})
    assert stages(journal, id) == ["queued", "trained", "proven", "graduated"]
    assert settled.graduated == settled.proven == (id,)
    steps = {step.stage: step.evidence for step in journal.stage_history(id)}
    assert steps[Stage.TRAINED] == {
        "night": "n1", "adapter": "a1", "rate": 1.0, "examples": 12, "dataset": "d1"
    }  # fmt: skip
    assert steps[Stage.GRADUATED]["adapter"] == "a1"


def test_what_fails_one_question_stays_in_the_prompt(journal: Journal, teach: Teach) -> None:
    id = teach("Raise DomainError.")
    assert night(journal, [id], {id: 0.75}).graduated == ()
    assert stages(journal, id) == ["queued", "trained"]
    night(journal, [id], {id: 1.0}, name="n2")
    assert stages(journal, id)[-2:] == ["proven", "graduated"]


def test_what_was_not_asked_about_is_not_proven(journal: Journal, teach: Teach) -> None:
    id = teach("Raise DomainError.")
    night(journal, [id], {})
    assert stages(journal, id)[-1] == "trained"


def test_a_graduated_item_is_asked_again_and_comes_back_when_it_fails(
    journal: Journal, teach: Teach
) -> None:
    id = teach("Raise DomainError.")
    night(journal, [id], {id: 1.0})
    night(journal, [id], {id: 1.0}, PROMOTED.model_copy(update={"adapter": "a2"}), "n2")
    assert stages(journal, id)[-2:] == ["graduated", "graduated"]
    settled = night(journal, [id], {id: 0.5}, name="n3")
    assert (stages(journal, id)[-1], settled.demoted) == ("demoted", (id,))
    night(journal, [id], {id: 1.0}, name="n4")
    assert stages(journal, id)[-4:] == ["queued", "trained", "proven", "graduated"]


def test_settling_again_adds_nothing(journal: Journal, teach: Teach) -> None:
    good, bad, fallen = (teach(f"Rule {word}.") for word in ("one", "two", "three"))
    night(journal, [fallen], {fallen: 1.0}, name="n0")
    ids, rates = [good, bad, fallen], {good: 1.0, bad: 0.0, fallen: 0.0}
    first = night(journal, ids, rates)
    before = [stages(journal, id) for id in ids]
    again = night(journal, ids, rates)
    assert [stages(journal, id) for id in ids] == before
    assert set(again.demoted) == set(first.demoted) == {fallen}


def test_after_a_refusal_the_items_wait_for_the_next_night(journal: Journal, teach: Teach) -> None:
    id = teach("Raise DomainError.")
    refused = Ended(outcome="kept", why="drift: other text costs more")
    assert night(journal, [id], {id: 1.0}, refused).queued == (id,)
    assert stages(journal, id) == ["queued", "queued"]
    assert journal.stages([id])[id].evidence["refused"] == refused.why


def test_what_was_withdrawn_or_erased_meanwhile_is_left_alone(
    journal: Journal, teach: Teach
) -> None:
    gone, erased = teach("Rule one."), teach("Rule two.")
    chosen = Chosen(decision=GO, items=(gone, erased))
    queue(journal, "n1", chosen)
    journal.advance(gone, Stage.WITHDRAWN, by="user")
    journal.erase([erased], "asked")
    settle(journal, "n1", chosen, PROMOTED, rates={gone: 1.0}, examples={}, dataset="d")
    assert stages(journal, gone)[-1] == "withdrawn"
    assert "trained" not in stages(journal, erased)


def test_a_graduated_rule_is_known_by_every_adapter_that_proved_it(
    journal: Journal, teach: Teach
) -> None:
    id = teach("Raise DomainError.")
    night(journal, [id], {id: 1.0})
    night(journal, [id], {id: 1.0}, PROMOTED.model_copy(update={"adapter": "a2"}), "n2")
    assert journal.graduated_by("a1") == journal.graduated_by("a2") == {id}
    assert journal.graduated_by("a3") == frozenset()
    journal.advance(id, Stage.DEMOTED, reason="rolled back")
    assert journal.graduated_by("a1") == frozenset()
