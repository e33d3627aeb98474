"""Asks a model the probes of a suite and judges what it answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from agents import talk
from agents.chat import ChatModel, Message
from agents.crew import ROLES
from agents.reply import parse_plan
from mcp_local_llm import UsageError
from memory.secrets import redacted
from tools.sandbox import CommandPolicy
from training.embedded.evaluation import share
from training.gate.records import Answer, Probe, SuiteReport
from training.gate.said import Said
from training.gate.scoring import judge

OnAnswer = Callable[[Probe, Answer], None]


async def ask_all(
    probes: Sequence[Probe],
    model: ChatModel,
    policy: CommandPolicy,
    on_answer: OnAnswer = lambda *_: None,
) -> dict[str, SuiteReport]:
    """Ask ``probes`` one after the other and return a report for each suite.

    Raises:
        ModelUnavailable: the model does not answer.
        ToolDenied: an answer has to be executed and no sandbox works here.
    """
    suites: dict[str, list[Probe]] = {}
    for probe in probes:
        suites.setdefault(probe.suite, []).append(probe)
    return {
        name: await _ask_suite(name, asked, model, policy, on_answer)
        for name, asked in suites.items()
    }


async def _ask_suite(
    name: str,
    probes: Sequence[Probe],
    model: ChatModel,
    policy: CommandPolicy,
    on_answer: OnAnswer,
) -> SuiteReport:
    began = time.monotonic()
    answers = []
    for probe in probes:
        answers.append(await _ask(probe, model, policy))
        on_answer(probe, answers[-1])
    judged = in_pairs(probes, answers)
    return SuiteReport(
        suite=name,
        model=model.model_id,
        adapter=model.adapter_id or "",
        share=share(sum(one.passed for one in judged), len(judged)),
        answers=judged,
        seconds=round(time.monotonic() - began, 2),
    )


async def _ask(probe: Probe, model: ChatModel, policy: CommandPolicy) -> Answer:
    """Return the judged answer; a question that does not fit the model's context is failed."""
    known: dict[str, Any] = {
        "probe": probe.id,
        "of": probe.of,
        "category": probe.category,
        "seed": probe.seed,
    }
    last = probe.messages[-1].content
    try:
        said, seconds, tokens = await _answered(probe, model)
    except UsageError as error:
        return Answer(**known, asked=last, text="", passed=False, why=str(error))
    verdict = await judge(probe.check, said, policy)
    return Answer(
        **known,
        asked=last,
        text=redacted(said.text),
        passed=verdict.passed and not verdict.violation,
        why=verdict.violation or verdict.why,
        violation=verdict.violation,
        seconds=round(seconds, 4),
        tokens=tokens,
    )


async def _answered(probe: Probe, model: ChatModel) -> tuple[Said, float, int]:
    """Return the last answer, the seconds of all that were given, and the tokens of the last."""
    messages = list(probe.messages)
    done = await model.complete(messages, max_tokens=probe.max_tokens)
    seconds, plan = done.duration_s, parse_plan(done.text)
    for name in probe.then:
        tests = "red" if name == "implementer" else ""
        turn = talk.turn(ROLES[name], probe.prompts, tests=tests, plan=plan)
        messages += [Message(role="assistant", content=done.text), turn]
        done = await model.complete(messages, max_tokens=probe.max_tokens)
        seconds += done.duration_s
    asked = "\n".join(message.content for message in messages if message.role != "assistant")
    said = Said(done.text, asked, done.finish_reason == "length")
    return said, seconds, done.completion_tokens


def in_pairs(probes: Iterable[Probe], answers: Sequence[Answer]) -> tuple[Answer, ...]:
    """Return ``answers`` with those failed whose pair has one that failed."""
    pairs = [probe.pair for probe in probes]
    failed = {pair: one for pair, one in zip(pairs, answers, strict=True) if not one.passed}
    return tuple(
        (
            one.model_copy(update={"passed": False, "why": f"its pair {failed[pair].probe} failed"})
            if pair and one.passed and pair in failed
            else one
        )
        for pair, one in zip(pairs, answers, strict=True)
    )
