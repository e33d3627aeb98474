"""The gate lets good evidence pass, and names what speaks against an adapter."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gate.conftest import compared, good_evidence, outcomes, report
from training.gate.decide import decide
from training.gate.records import Compared, Evidence, Guarded, Latency, Limits, Loaded, Roles


def failures(evidence: Evidence, limits: Limits | None = None) -> dict[str, str]:
    checks = decide(evidence, limits or Limits())
    return {check.name: check.why for check in checks if not check.passed}


def with_suite(name: str, before: list[bool], after: list[bool]) -> Evidence:
    good = good_evidence()
    return good_evidence(suites=good.suites | {name: compared(before, after, name)})


def loaded(**other: Any) -> Evidence:
    found = good_evidence().loaded
    assert found is not None
    return good_evidence(loaded=found.model_copy(update=other))


def test_good_evidence_passes_every_check_and_says_what_was_measured() -> None:
    checks = decide(good_evidence(), Limits())
    assert [check.why for check in checks if not check.passed] == []
    assert {check.name for check in checks} == {
        "measures", "sane", "learned", "kept_rules", "kept_tasks", "drift", "contracts", "wire",
        "latency", "memory",
    }  # fmt: skip
    assert all(check.measured and check.limit for check in checks)


def test_a_pair_that_one_answer_failed_is_one_loss() -> None:
    right, wrong = [True] * 3, [False] * 3
    pair = Compared(baseline=report(right, pair="p"), candidate=report(wrong, pair="p"))
    assert (pair.net_loss, len(pair.lost)) == (1, 1)
    assert compared(right, wrong).net_loss == 3


def test_nothing_measured_fails_everything() -> None:
    assert set(failures(Evidence(recorded={"rule": 1.0}))) == {
        check.name for check in decide(good_evidence(), Limits())
    }


@pytest.mark.parametrize("part", ["loaded", "roles", "guarded", "latency"])
def test_a_missing_measurement_is_a_failure(part: str) -> None:
    assert failures(good_evidence(**{part: None}))


@pytest.mark.parametrize("suite", ["new", "wire", "preservation", "canary", "general", "earlier"])
def test_a_missing_suite_is_a_failure(suite: str) -> None:
    suites = {name: one for name, one in good_evidence().suites.items() if name != suite}
    assert suite in failures(good_evidence(suites=suites))["measures"]


@pytest.mark.parametrize(
    ("broken", "name", "word"),
    [
        (loaded(problem="no such layer"), "sane", "no such layer"),
        (loaded(finite=False), "sane", "numbers"),
        (loaded(difference=0.0), "sane", "changes nothing"),
        (loaded(bits=1.09), "drift", "+0.090"),
        (loaded(bits=float("nan")), "drift", "bits"),
        (loaded(memory_gb=1.2), "memory", "%"),
        (with_suite("new", [True, False] * 2, [True, False] * 2), "learned", "50%"),
        (with_suite("earlier", [True] * 4, [True, True, False, False]), "kept_rules", "rule 50%"),
        (with_suite("earlier", [True] * 40, [True] * 36 + [False] * 4), "kept_rules", "4 of 40"),
        (with_suite("general", [True] * 4, [False, False, True, True]), "kept_tasks", "general"),
        (with_suite("wire", [True] * 4, [False, False, True, True]), "wire", "net loss of 2"),
        (
            good_evidence(latency=Latency(base_s=1, untrained_s=1, candidate_s=1.2, rounds=9)),
            "latency",
            "+20.0%",
        ),
        (
            good_evidence(guarded=Guarded(attempts=3, refused=2, delivered=("fix it",))),
            "contracts",
            "fix it",
        ),
        (
            good_evidence(
                roles=Roles(
                    baseline=outcomes([True] * 5), candidate=outcomes([True] * 3 + [False] * 2)
                )
            ),
            "kept_tasks",
            "net loss of 2 in role tasks",
        ),
        (good_evidence(cheats=good_evidence().cheats | {"new": 0.05}), "measures", "parrot"),
    ],
)
def test_each_line_is_drawn(broken: Evidence, name: str, word: str) -> None:
    found = failures(broken)
    assert word in found[name]


@pytest.mark.parametrize(
    "allowed",
    [
        loaded(bits=1.08),
        loaded(memory_gb=1.1 * 1.05),
        with_suite("general", [True] * 4, [False, True, True, True]),
        with_suite("wire", [True, True, False, False], [False, False, True, True]),
        with_suite("earlier", [True] * 4, [True, True, True, False]),
        with_suite("earlier", [True] * 40, [True] * 37 + [False] * 3),
        with_suite("new", [True] * 4, [True] * 4),
        good_evidence(
            roles=Roles(baseline=outcomes([True] * 5), candidate=outcomes([True] * 4 + [False]))
        ),
    ],
)
def test_what_is_on_the_right_side_of_a_line_passes(allowed: Evidence) -> None:
    assert failures(allowed) == {}


def test_a_secret_said_in_any_suite_fails_the_contracts() -> None:
    good = good_evidence()
    suite = good.suites["general"]
    said = suite.candidate.answers[0].model_copy(update={"violation": "a secret"})
    answers = (said, *suite.candidate.answers[1:])
    candidate = suite.candidate.model_copy(update={"answers": answers})
    other = suite.model_copy(update={"candidate": candidate})
    found = failures(good_evidence(suites=good.suites | {"general": other}))
    assert "a secret" in found["contracts"]


def test_a_night_without_new_rules_need_not_have_learned() -> None:
    good = good_evidence()
    suites = {name: one for name, one in good.suites.items() if name != "new"}
    limits = Limits(suites=("wire", "preservation", "canary", "general"))
    assert failures(good_evidence(suites=suites), limits) == {}


def test_a_suite_asked_of_one_side_only_in_part_counts_as_missing() -> None:
    good = good_evidence()
    uneven = compared([True] * 3, [True] * 4, "wire")
    assert "same way" in failures(good_evidence(suites=good.suites | {"wire": uneven}))["measures"]


def test_what_was_forgotten_must_be_gone() -> None:
    good = good_evidence()
    for after, passes in (([False] * 4, True), ([True] * 4, False)):
        suites = good.suites | {"forgotten": compared([True] * 4, after, "forgotten")}
        cheats = dict.fromkeys(suites, 0.0)
        found = failures(good_evidence(suites=suites, cheats=cheats))
        assert ("forgotten" not in found) is passes
    suites = good.suites | {"forgotten": compared([True] * 4, [True] * 4, "forgotten")}
    rules = suites["forgotten"].candidate.by_rule
    anyway = good_evidence(
        suites=suites, cheats=dict.fromkeys(suites, 0.0), untaught=dict.fromkeys(rules, 1.0)
    )
    assert rules and "forgotten" not in failures(anyway)  # the base says the same by itself
    missing = Limits(suites=(*Limits().suites, "forgotten"))
    assert "forgotten" in failures(good, missing)


def test_an_adapter_that_was_not_loaded_has_no_figures() -> None:
    found = failures(good_evidence(loaded=Loaded(problem="damaged")))
    assert {"sane", "drift", "memory"} == set(found)


def test_earlier_rules_are_looked_at_though_nobody_recorded_their_rates() -> None:
    lost = with_suite("earlier", [True] * 4, [False] * 4).model_copy(update={"recorded": {}})
    assert failures(lost)["kept_rules"] == "a net loss of 4 of 4"
