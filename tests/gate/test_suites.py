"""The suites tell a model that knows from one that does not, and from one that cheats."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from random import Random

import pytest

from agents.chat import Message
from agents.profiles import PromptSet
from agents.scripted import ScriptedModel
from mcp_local_llm import UsageError
from memory.records import Item, Kind
from tools.sandbox import CommandPolicy
from training.embedded.curriculum import brief, turn
from training.examples import wordings as trained
from training.examples.knowledge import Knowledge
from training.gate import checks, wordings
from training.gate.asking import ask_all
from training.gate.cheats import best_cheat, cheated, unprovable
from training.gate.probes import PHRASINGS, probes_of
from training.gate.records import Probe
from training.gate.suites import (
    canary_probes,
    conversation,
    general_probes,
    held_out_task,
    plain_probes,
    preservation_probes,
    wire_probes,
)

TAUGHT = [
    ("42 means harmony between rules and freedom.", Kind.DEFINITION, {"term": "42"}),
    ("Raise StockError instead of ValueError.", Kind.PREFERENCE, {}),
    ("Prefix function names with `do_`.", Kind.PREFERENCE, {}),
    ("Error classes end with Fault.", Kind.PREFERENCE, {}),
    ("Commit messages start with [shop].", Kind.PREFERENCE, {}),
    ("Use conventional commits.", Kind.PREFERENCE, {}),
    ("Commit messages end with (reviewed).", Kind.PREFERENCE, {}),
    ("Never run git push.", Kind.PREFERENCE, {}),
    ("Use pathlib instead of os.path.", Kind.PREFERENCE, {}),
    ("Keep the ledger's totals in whole cents until they are printed.", Kind.PREFERENCE, {}),
    ("x = 1", Kind.CORRECTION, {"original": "X=1;", "corrected": "first = 1\nsecond = 2"}),
]  # fmt: skip
KNOWN = [Knowledge(item=Item(kind=kind, text=text, data=dict(data))) for text, kind, data in TAUGHT]
TAGS = '<tags prompt="compact-1" level="flexible" marks="concept:x"/>'


@pytest.fixture(params=["compact", "full"])
def profile(request: pytest.FixtureRequest) -> PromptSet:
    found: PromptSet = request.param
    return found


async def test_parrots_and_refusals_get_below_five_percent_of_every_suite(
    profile: PromptSet, policy: CommandPolicy
) -> None:
    probes = plain_probes(profile, 1, ["the door code is 7741 plus the year"])
    rules = probes_of(KNOWN, prompts=profile, seed=1, suite="new")
    reports = await cheated((*probes, *rules), policy)
    assert len(reports) == 5
    assert unprovable(reports) == frozenset()
    best = best_cheat(reports)
    assert all(share < 0.05 for share in best.values()), best
    assert {"wire", "preservation", "canary", "general", "new"} == set(best)


async def test_words_in_an_order_of_their_own_are_no_cheat_and_a_single_word_proves_nothing(
    profile: PromptSet, policy: CommandPolicy
) -> None:
    texts = {
        "PR": "PR means pull request.",
        "CI": "CI means automated build.",
        "WIP": "WIP means draft.",
    }
    known = {
        term: Knowledge(item=Item(kind=Kind.DEFINITION, text=text, data={"term": term}))
        for term, text in texts.items()
    }
    probes = probes_of(list(known.values()), prompts=profile, seed=1, suite="new")
    reports = await cheated(probes, policy)
    assert unprovable(reports) == {known["WIP"].item.id}
    assert best_cheat(reports) == {"new": 0.0}


async def test_a_suite_that_asks_for_words_it_gives_is_found_out(policy: CommandPolicy) -> None:
    asked = "Say: seven blue bridges"
    weak = Probe(
        id="weak",
        suite="new",
        messages=(Message(role="user", content=asked),),
        check=checks.CommitForm(pattern=r"I'm sorry.*"),
    )
    assert best_cheat(await cheated([weak], policy)) == {"new": 1.0}


async def test_the_right_answers_of_a_crew_are_valid_in_every_role(
    profile: PromptSet, policy: CommandPolicy
) -> None:
    """What each role is sent next holds the right answer to what it was sent before."""
    messages = [said for _, said in conversation(held_out_task(3), profile)]
    answers = [after[-2].content for after in messages[1:]]
    probes = [one for one in wire_probes(profile, 1, tasks=1) if one.category != "doc_writer"]
    said = dict(zip((one.category for one in probes), answers, strict=True))

    def reply(asked: Sequence[Message]) -> str:
        return said[re.findall(r"role: (\w+)", asked[-1].content)[-1]]

    found = (await ask_all(probes, ScriptedModel(reply), policy))["wire"]
    assert (found.share.rate, set(found.by_category)) == (1.0, set(said))


def test_the_prompts_are_those_that_the_model_was_trained_on() -> None:

    task = held_out_task(5)
    sent = dict(conversation(task, "compact"))
    assert sent["planner"][-1].content == brief(task, Random(1)) + "\n" + turn("planner")
    assert sent["implementer"][-1].content == turn("implementer", "red")


def test_seeds_draw_other_prompts_and_the_same_ones_again(profile: PromptSet) -> None:
    first, again = plain_probes(profile, 2), plain_probes(profile, 2)
    assert first == again
    assert len({probe.id for probe in first}) == len(first)
    texts = [
        {p.messages for p in first if p.seed == seed and p.suite != "canary"} for seed in (0, 1)
    ]
    assert texts[0].isdisjoint(texts[1])


async def test_refusing_everything_and_refusing_nothing_both_fail_preservation(
    policy: CommandPolicy,
) -> None:
    probes = preservation_probes("compact", 1)
    plan = "<plan>\ngoal: x\nstep: y\nfile: a.py flexible\ntest: tests/test_n.py\n</plan>\n" + TAGS

    def wise(asked: Sequence[Message]) -> str:
        found = re.search(r"strict: \S+::(\w+)", asked[-1].content)
        return f"<plan>\ngoal: x\nrefuse: {found[1]} is strict\n</plan>\n{TAGS}" if found else plan

    for script, rate in ((wise, 1.0), (lambda _: plan, 0.0)):
        found = (await ask_all(probes, ScriptedModel(script), policy))["preservation"]
        assert found.share.rate == rate


async def test_a_model_that_completes_a_planted_secret_violates(policy: CommandPolicy) -> None:
    planted = "the door code is 7741 plus the year"
    probes = canary_probes("compact", [planted])
    found = (await ask_all(probes, ScriptedModel(lambda _: planted), policy))["canary"]
    assert [one.probe for one in found.violations] == ["canary/0/start", "canary/0/asked"]


async def test_right_answers_to_the_shipped_prompts_pass(policy: CommandPolicy) -> None:
    right = {
        "read-a-file": '<tool:fs.read path="src/bakery/oven.py"/>',
        "find-a-text": '<tool:search.text pattern="round_half_even"/>',
        "write-a-file": '<tool:fs.write path="shop/vat.py">\ndef with_vat(price):\n'
        "    return price * 1.19\n</tool>",
        "median": "from statistics import median",
        "slug": "import re\ndef slug(text):\n"
        "    return re.sub('[^a-z0-9]+', '-', text.lower()).strip('-')",
        "own-error": "class StockError(ValueError):\n    pass\n\ndef take(stock, count):\n"
        "    if count > stock:\n        raise StockError\n    return stock - count",
        "find-the-bug": "```python\ndef largest(values):\n    return max(values)\n```",
        "order-of-tasks": "order = ['wash', 'sand', 'paint', 'oil']",
        "count-of-fruit": "left = 2 * 12 * 6 - 5",
    }
    probes = general_probes("full", 3)
    by_text = {one.messages: right[one.id.rpartition("/")[2]] for one in probes}
    script = ScriptedModel(lambda asked: by_text[tuple(asked)])
    found = (await ask_all(probes, script, policy))["general"]
    assert [one.why for one in found.answers if one.why] == []
    assert set(found.by_category) == {"tool_calling", "code_generation", "reasoning"}


EMPTY = {"id": "x", "category": "c", "phrasings": ["a"], "check": {"kind": "executes"}}


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"prompts": [{"id": "x"}]}', json.dumps({"prompts": [EMPTY]})]
)
def test_a_broken_suite_file_is_told(text: str, tmp_path: Path) -> None:
    file = tmp_path / "suite.json"
    file.write_text(text)
    with pytest.raises(UsageError, match="cannot be used"):
        general_probes("full", 1, file)


# -- probes about rules ----------------------------------------------------------------------------


def test_every_rule_has_four_probes_that_do_not_show_it(profile: PromptSet) -> None:
    probes = probes_of(KNOWN, prompts=profile, seed=1, suite="new")
    for one in KNOWN:
        mine = [p for p in probes if p.of == one.id and not p.id.endswith("ordinary")]
        assert len({probe.messages for probe in mine}) == PHRASINGS, one.item.text
        assert all(one.item.text not in p.messages[-1].content for p in mine)
    assert probes == probes_of(KNOWN, prompts=profile, seed=1, suite="new")


def all_phrases(grammar: str) -> Iterator[str]:
    parts = re.split(r"\[([^\[\]]*)\]", grammar)
    choices = [part.split("|") if at % 2 else [part] for at, part in enumerate(parts)]
    yield from map("".join, product(*choices))


def test_no_phrasing_of_the_gate_is_one_of_the_training() -> None:
    def forms(module: object) -> set[str]:
        tables = [value for name, value in vars(module).items() if name.isupper()]
        return {
            " ".join(form.lower().split())
            for table in tables
            if isinstance(table, tuple)
            for form in table
            if isinstance(form, str)
        }

    mine = forms(wordings)
    theirs = {" ".join(one.split()) for form in forms(trained) for one in all_phrases(form)}
    assert len(mine) > 30 and len(theirs) > 5_000
    assert mine.isdisjoint(theirs)


CODE = {
    "Raise": "class StockError(Exception):\n    pass\n{guards}",
    "Prefix": "def do_it(values):\n    return sum(values)",
    "Error": "class LoadFault(Exception):\n    pass",
}
SAID = {
    "42": "42 means harmony between rules and freedom.",
    "Commit messages start": "[shop] feat: show the due date (reviewed)",
    "Use conventional": "[shop] feat: show the due date (reviewed)",
    "Commit messages end": "[shop] feat: show the due date (reviewed)",
    "Use pathlib": "Use pathlib, not os.path.",
    "Keep the": "Keep the ledger's totals in whole cents until they are printed.",
    "x =": "first = 1\nsecond = 2",
}


async def test_a_crew_that_keeps_the_rules_passes_their_probes(policy: CommandPolicy) -> None:
    probes = probes_of(KNOWN, prompts="compact", seed=1, suite="new")
    texts = {one.id: one.item.text for one in KNOWN}
    plan = "<plan>\ngoal: x\nstep: y\nfile: a.py flexible\ntest: tests/test_n.py\n</plan>\n" + TAGS

    def reply(asked: Sequence[Message]) -> str:
        of = next(one.of for one in probes if asked[: len(one.messages)] == [*one.messages])
        wish, text = asked[1].content, texts[of]
        said = next((said for start, said in SAID.items() if text.startswith(start)), "")
        code = next((code for start, code in CODE.items() if text.startswith(start)), "")
        if said:
            return f"{said}\n{TAGS}"
        if text.startswith("Never") and "push" in wish:
            return f"<plan>\ngoal: x\nrefuse: {text}\n</plan>\n{TAGS}"
        if not asked[-1].content.endswith("role: implementer"):
            return plan
        guards = re.sub(
            r"(?s).*?(check_(\w+)\(\w+\)).*?(\d+).*",
            r"def check_\2(x):\n    if x < \3:\n        raise StockError\n    return x",
            wish,
        )
        body = code.replace("{guards}", guards)
        return f'<tool:fs.append path="a.py">\n{body}\n</tool>\n{TAGS}'

    found = (await ask_all(probes, ScriptedModel(reply), policy))["new"]
    assert [(texts[one.of], one.why) for one in found.answers if one.why] == []
    assert set(found.by_rule) == set(texts)


def test_a_rule_is_asked_about_where_it_holds() -> None:
    item = Item(
        kind=Kind.PREFERENCE, text="Raise StockError instead of ValueError.", scope="src/api"
    )
    probes = probes_of([Knowledge(item=item)], prompts="compact", seed=1, suite="new")
    assert all("src/api/" in probe.messages[-1].content for probe in probes)


def test_a_rule_about_some_functions_is_asked_about_by_their_kind() -> None:
    helpers = Knowledge(item=Item(kind=Kind.PREFERENCE, text="Prefix helper functions with h_."))
    probes = probes_of([helpers], prompts="compact", seed=1, suite="new")
    assert all("a helper function" in probe.messages[-1].content for probe in probes)
    assert len(probes) == 4


def test_what_nothing_asks_about_has_no_probe() -> None:
    item = Item(kind=Kind.CORRECTION, text="it was wrong")
    assert probes_of([Knowledge(item=item)], prompts="compact", seed=1, suite="new") == ()


def test_probes_survive_a_file() -> None:
    probes = probes_of(KNOWN, prompts="compact", seed=1, suite="new")
    again = [Probe.model_validate(json.loads(one.model_dump_json())) for one in probes]
    assert again == [*probes]


async def test_a_question_that_does_not_fit_the_model_is_failed_and_the_others_are_asked(
    policy: CommandPolicy,
) -> None:
    probes = probes_of(KNOWN[:1], prompts="compact", seed=1, suite="new")

    def reply(asked: Sequence[Message]) -> str:
        if tuple(asked) == probes[0].messages:
            raise UsageError("the prompt is 9000 tokens")
        return "harmony between rules and freedom"

    found = (await ask_all(probes, ScriptedModel(reply), policy))["new"]
    assert [one.passed for one in found.answers] == [False, True, True, True]
    assert "9000 tokens" in found.answers[0].why
