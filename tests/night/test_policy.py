"""When the night trains: one pure decision, with the clock handed in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.night.config import NightConfig
from graph.night.policy import Facts, decide, interval

CONFIG = NightConfig()
NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
LATE = datetime(2026, 3, 4, 3, 20, tzinfo=UTC)


def facts(now: datetime = NOON, **other: Any) -> Facts:
    given = {
        "eligible": 9,
        "new": 9,
        "oldest_new": now - timedelta(hours=2),
        "last_night": now - timedelta(hours=13),
    }
    return Facts.model_validate({"now": now, **given, **other})


@pytest.mark.parametrize(
    ("case", "why"),
    [
        (facts(LATE, new=9), "it is 03:00"),
        (facts(idle_s=31 * 60, new=9), "nothing was asked for 31 minutes"),
        (facts(new=9, last_night=NOON - timedelta(hours=24)), "24 h since the last night"),
        (facts(new=10, last_night=NOON), "about 100 new examples"),
        (facts(new=10, last_night=NOON - timedelta(hours=13), put_off=True), "about 100 new"),
        (facts(last_night=None, oldest_new=NOON - timedelta(days=2)), "48 h since the first"),
        (facts(LATE, last_night=None, new=9), "it is 03:00"),
    ],
)
def test_each_trigger_is_enough(case: Facts, why: str) -> None:
    config = CONFIG.model_copy(update={"busy": 9})  # nine new ones: every night
    decision = decide(case, config)
    assert decision.verdict == "go"
    assert why in decision.why


def test_a_late_hour_is_not_over_at_midnight() -> None:
    late = CONFIG.model_copy(update={"busy": 9, "hour": 23})
    assert "it is 23:00" in decide(facts(LATE.replace(hour=0)), late).why
    assert decide(facts(LATE.replace(hour=1)), late).verdict == "not_due"


@pytest.mark.parametrize(
    "case",
    [
        facts(new=9),
        facts(LATE, new=9, last_night=LATE - timedelta(hours=6)),
        facts(LATE - timedelta(hours=1), new=9),
        facts(idle_s=29 * 60, new=9),
        facts(new=10, last_night=NOON - timedelta(hours=1), put_off=True),
        facts(LATE, new=1),
    ],
    ids=["noon", "a night just before", "too early", "not idle", "put off", "few insights"],
)
def test_without_a_trigger_nothing_is_due(case: Facts) -> None:
    decision = decide(case, CONFIG)
    assert decision.verdict == "not_due"
    assert "--now" in decision.line


@given(st.integers(0, 40), st.integers(0, 40))
def test_more_insights_never_make_the_wait_longer(new: int, gone: int) -> None:
    wait = interval(facts(new=new, gone=gone), CONFIG)
    assert timedelta(days=1) <= wait <= timedelta(days=7)
    assert interval(facts(new=new + 1, gone=gone), CONFIG) <= wait


def test_the_wait_is_a_day_when_busy_and_a_week_when_quiet() -> None:
    assert interval(facts(new=10), CONFIG) == timedelta(days=1)
    assert interval(facts(new=0), CONFIG) == timedelta(days=7)


@pytest.mark.parametrize(
    ("case", "why", "advice"),
    [
        ({"on_battery": True}, "battery", "plug it in"),
        ({"free_disk_gb": 1.0}, "1.0 GiB of disk", "adapters prune"),
        ({"free_memory_gb": 2.0, "needs_memory_gb": 9.5}, "takes about 9.5", "close other"),
        ({"may_execute": False}, "no sandbox works here", "doctor"),
        ({"crew": "the run r1 is under way"}, "r1 is under way", "wait"),
    ],
)
def test_a_machine_that_should_not_be_used_refuses_even_when_asked(
    case: dict[str, Any], why: str, advice: str
) -> None:
    decision = decide(facts(**case), CONFIG, asked=True)
    assert decision.verdict == "refused"
    assert why in decision.why
    assert advice in decision.advice


def test_what_is_not_due_is_not_called_refused() -> None:
    assert decide(facts(new=9, on_battery=True), CONFIG).verdict == "not_due"


def test_a_battery_can_be_allowed() -> None:
    config = CONFIG.model_copy(update={"on_battery": True})
    assert decide(facts(on_battery=True), config, asked=True).verdict == "go"


@pytest.mark.parametrize(
    ("case", "why"),
    [
        (facts(eligible=0, new=0), "0 items may be trained"),
        (facts(eligible=1, new=1), "a night needs 3"),
        (facts(new=0), "nothing was taught or taken back"),
    ],
)
def test_too_little_is_not_trained_even_when_asked(case: Facts, why: str) -> None:
    decision = decide(case, CONFIG, asked=True)
    assert (decision.verdict, decision.advice != "") == ("not_due", True)
    assert why in decision.why


def test_a_withdrawn_rule_is_reason_enough_below_the_floor() -> None:
    assert decide(facts(eligible=2, new=0, gone=1), CONFIG, asked=True).verdict == "go"
