"""Asks a model the probes of a suite and judges what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from agents import talk
from agents.chat import ChatModel, Message
from agents.crew import ROLES
from agents.reply import parse_plan
from mcp_local_llm import UsageError
from memory.secrets import redacted
from tools.sandbox import CommandPolicy
from training.embedded.evaluation import share
from training.gate.records import Answer, Judged, Probe, SuiteReport
from training.gate.said import Said
from training.gate.scoring import judge

OnAnswer = Callable[[Probe, Judged], None]


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
    found = []
    for probe in probes:
        found.append(await ask(probe, model, policy))
        on_answer(probe, found[-1])
    return in_suites(probes, found, model=model.model_id, adapter=model.adapter_id or "")


def in_suites(
    probes: Sequence[Probe], found: Sequence[Judged], *, model: str, adapter: str
) -> dict[str, SuiteReport]:
    """Return a report for each suite of ``probes``, whose answers are ``found``, in their order."""
    answers = in_pairs(probes, [_answer(*one) for one in zip(probes, found, strict=True)])
    suites: dict[str, list[Answer]] = {}
    for probe, answer in zip(probes, answers, strict=True):
        suites.setdefault(probe.suite, []).append(answer)
    return {
        name: SuiteReport(
            suite=name,
            model=model,
            adapter=adapter,
            share=share(sum(one.passed for one in rows), len(rows)),
            answers=tuple(rows),
            seconds=round(sum(one.seconds for one in rows), 2),
        )
        for name, rows in suites.items()
    }


def _answer(probe: Probe, judged: Judged) -> Answer:
    return Answer(
        probe=probe.id,
        of=probe.of,
        category=probe.category,
        seed=probe.seed,
        asked=probe.messages[-1].content,
        pair=probe.pair,
        **judged.model_dump(),
    )


async def ask(probe: Probe, model: ChatModel, policy: CommandPolicy) -> Judged:
    """Return the judged answer; a question that does not fit the model's context is failed.

    Raises:
        ModelUnavailable: the model does not answer.
        ToolDenied: it has to be executed and no sandbox works here.
    """
    try:
        said, seconds, tokens = await _answered(probe, model)
    except UsageError as error:
        return Judged(text="", passed=False, why=str(error))
    verdict = await judge(probe.check, said, policy)
    return Judged(
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
    pairs = [probe.pair and (probe.suite, probe.pair) for probe in probes]
    failed = {pair: one for pair, one in zip(pairs, answers, strict=True) if not one.passed}
    return tuple(
        (
            one.model_copy(update={"passed": False, "why": f"its pair {failed[pair].probe} failed"})
            if pair and one.passed and pair in failed
            else one
        )
        for pair, one in zip(pairs, answers, strict=True)
    )
