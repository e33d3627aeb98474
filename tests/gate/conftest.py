"""Probes, evidence, and how answers are executed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from agents.chat import Message
from tools.sandbox import CommandPolicy
from training.embedded.evaluation import TaskOutcome, share
from training.gate.records import (
    Answer,
    Compared,
    Evidence,
    Guarded,
    Latency,
    Loaded,
    Probe,
    Roles,
    SuiteReport,
)


@pytest.fixture
def policy() -> CommandPolicy:
    return CommandPolicy(python=Path(sys.executable), allow_unsandboxed=True)


@pytest.fixture
def probe() -> Callable[..., Probe]:
    def make(check: Any, asked: str = "What is it?", **more: Any) -> Probe:
        given = {"id": asked, "suite": "new", **more}
        return Probe(messages=(Message(role="user", content=asked),), check=check, **given)

    return make


def report(
    marks: Sequence[bool], *, suite: str = "new", of: str = "rule", pair: str = ""
) -> SuiteReport:
    answers = tuple(
        Answer(
            probe=f"{suite}/{n}",
            of=of,
            category="",
            seed=0,
            asked="?",
            text="!",
            passed=mark,
            pair=pair,
        )
        for n, mark in enumerate(marks)
    )
    whole = share(sum(marks), len(marks))
    return SuiteReport(
        suite=suite, model="m", adapter="", share=whole, answers=answers, seconds=1.0
    )


def compared(before: Sequence[bool], after: Sequence[bool], suite: str = "new") -> Compared:
    return Compared(baseline=report(before, suite=suite), candidate=report(after, suite=suite))


def outcomes(delivered: Sequence[bool]) -> tuple[TaskOutcome, ...]:
    return tuple(
        TaskOutcome(
            index=n, kind="add", composition="", composition_held_out=False, wish=f"wish {n}",
            status="delivered", test_red_before=ok, test_green_after=ok, hidden_passed=ok,
        )
        for n, ok in enumerate(delivered)
    )  # fmt: skip


def good_evidence(**other: Any) -> Evidence:
    """Evidence with which an adapter passes, parts of it replaced."""
    plain = ("wire", "preservation", "canary", "general")
    suites = {name: compared([True] * 4, [True] * 4, name) for name in plain}
    suites["new"] = compared([False] * 4, [True] * 4)
    suites["earlier"] = compared([True] * 4, [True] * 4, "earlier")
    found: dict[str, Any] = {
        "loaded": Loaded(
            finite=True, difference=0.5, base_bits=1.0, bits=1.05, tokens=100,
            base_memory_gb=1.0, untrained_memory_gb=1.1, memory_gb=1.1,
        ),
        "suites": suites,
        "recorded": {"rule": 1.0},
        "roles": Roles(baseline=outcomes([True] * 5), candidate=outcomes([True] * 5)),
        "guarded": Guarded(attempts=3, refused=3),
        "latency": Latency(base_s=1.0, untrained_s=1.2, candidate_s=1.25, rounds=3),
        "cheats": dict.fromkeys(suites, 0.0),
    }  # fmt: skip
    return Evidence(**(found | other))
