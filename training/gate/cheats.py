"""Models that know nothing and want a good mark: a suite on which one gets any measures nothing."""

from __future__ import annotations

from collections.abc import Sequence

from agents.chat import Message
from agents.reply import Plan, Tags, render_plan, render_tags
from agents.scripted import Script, ScriptedModel
from prompts import PROMPT_IDS
from tools.sandbox import CommandPolicy
from training.gate.asking import ask_all
from training.gate.checks import expected_words
from training.gate.records import Probe


def cheats(probes: Sequence[Probe]) -> dict[str, Script]:
    """Return what each cheat answers: the prompt again, all that may be wanted, or a refusal.

    The keyword parrots know every check; one says the words of all of them, the other those of the
    probe it is asked, in the order of the alphabet.
    """
    words = {probe.messages: sorted(expected_words(probe.check)) for probe in probes}
    every = " ".join(sorted({word for known in words.values() for word in known}))

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


async def cheated(probes: Sequence[Probe], policy: CommandPolicy) -> dict[str, dict[str, float]]:
    """Return the share that each cheat gets, by cheat and suite."""
    return {
        name: {
            suite: report.share.rate
            for suite, report in (await ask_all(probes, ScriptedModel(script), policy)).items()
        }
        for name, script in cheats(probes).items()
    }


async def best_cheat(probes: Sequence[Probe], policy: CommandPolicy) -> dict[str, float]:
    """Return, for each suite, the share that the best of the cheats gets."""
    found = await cheated(probes, policy)
    suites = {probe.suite: None for probe in probes}
    return {suite: max(shares[suite] for shares in found.values()) for suite in suites}
