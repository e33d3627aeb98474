"""Models that know nothing and want a good mark: a suite on which one gets any measures nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agents.chat import Message
from agents.reply import Plan, Tags, render_plan, render_tags
from agents.scripted import Script, ScriptedModel
from prompts import PROMPT_IDS
from tools.sandbox import CommandPolicy
from training.gate.asking import ask_all
from training.gate.checks import expected_words
from training.gate.records import Probe, SuiteReport


def cheats(probes: Sequence[Probe]) -> dict[str, Script]:
    """Return what each cheat answers: the prompt again, all that may be wanted, or a refusal.

    The keyword parrots know every check; one says the words of all of them, the other those of the
    probe it is asked. Each says them last first: in their own order they may be the right answer.
    """
    words = {probe.messages: expected_words(probe.check)[::-1] for probe in probes}
    every = " ".join(dict.fromkeys(word for known in words.values() for word in known))

    def keywords(messages: Sequence[Message]) -> str:
        return " ".join(next(words[key] for key in words if tuple(messages[: len(key)]) == key))

    return {
        "prompt parrot": lambda messages: messages[-1].content,
        "keyword parrot": keywords,
        "parrot of all keywords": lambda _: every,
        "refusal": lambda _: "I'm sorry, I can't help with that.",
        "refusal in form": _formal_refusal,
    }


def _formal_refusal(messages: Sequence[Message]) -> str:
    plan = render_plan(Plan(goal="nothing", refusal=messages[-1].content.replace("\n", " ")))
    told = messages[0].content + messages[-1].content
    prompt = next((id for id in PROMPT_IDS.values() if id in told), PROMPT_IDS["compact"])
    return f"{plan}\n{render_tags(Tags(prompt=prompt))}"


async def cheated(
    probes: Sequence[Probe], policy: CommandPolicy
) -> dict[str, dict[str, SuiteReport]]:
    """Return how each cheat does, by cheat and suite."""
    return {
        name: await ask_all(probes, ScriptedModel(script), policy)
        for name, script in cheats(probes).items()
    }


def best_cheat(reports: Mapping[str, Mapping[str, SuiteReport]]) -> dict[str, float]:
    """Return, for each suite, the share that the best of the cheats gets.

    What cannot be asked about does not count.
    """
    left_out = unprovable(reports)
    best: dict[str, float] = {}
    for suites in reports.values():
        for name, report in suites.items():
            marks = [one.passed for one in report.answers if one.of not in left_out]
            best[name] = max(best.get(name, 0.0), sum(marks) / len(marks) if marks else 0.0)
    return best


def unprovable(reports: Mapping[str, Mapping[str, SuiteReport]]) -> frozenset[str]:
    """Return the rules, by the journal's id, of whose questions a cheat answers one right.

    Such as a definition of one word: who says that word need not know what it is asked.
    """
    return frozenset(
        answer.of
        for suites in reports.values()
        for report in suites.values()
        for answer in report.answers
        if answer.of and answer.passed
    )
