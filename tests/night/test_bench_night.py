"""What the measured nights ask, how they go on, and what is made of it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path
from random import Random

import pytest

from agents.chat import Message
from agents.profiles import ModelConfig
from agents.scripted import ScriptedModel
from agents.shared_memory import SharedMemory
from graph.bench_night.kills import inconsistencies
from graph.bench_night.nights import Nights, items_of, teach
from graph.bench_night.overhead import made_up
from graph.bench_night.records import Asked, NightResult, Paired, Results, RolledBack, paired
from graph.bench_night.rules import DOES, PHRASINGS, Rule, probes, read_curriculum
from graph.bench_night.steps import RESULTS, Steps
from graph.bench_night.table import figures, headline, write_page
from graph.bench_night_cli import main
from graph.night.collect import collect, contradictions
from graph.night.records import NightReport
from graph.night.shop import NightShop, Unwatched
from graph.settings import Settings
from mcp_local_llm import Unavailable
from memory.lifecycle import Stage
from memory.records import Where
from tests.night.conftest import Clock
from tools.sandbox import CommandPolicy
from training.embedded.evaluation import TaskOutcome, share
from training.examples import wordings as trained
from training.examples.behaviours import Commits, Named, Prefers, Raises, Refuses, behaviour_of
from training.gate import wordings as gated
from training.gate.asking import ask_all
from training.gate.cheats import cheated
from training.phrasing import expand

ROOT = Path(__file__).parents[2]
NEAR = 0.85  # of two sentences' words, in their order
CURRICULUM = read_curriculum()
BEHAVIOURS = {
    "definition": type(None), "choice": Prefers, "error class": Raises, "name": Named,
    "commit message": Commits, "refusal": Refuses,
}  # fmt: skip


# -- what is taught and asked ------------------------------------------------------------------


def test_thirty_rules_are_taught_of_which_many_change_what_roles_do() -> None:
    rules = CURRICULUM.rules
    assert len(rules) == len({rule.name for rule in rules}) == 30
    assert sum(rule.group in DOES for rule in rules) >= 12
    assert {rule.group for rule in rules} == set(BEHAVIOURS)
    assert "42 = harmony between rules and freedom" in CURRICULUM.taught(1)
    kinds = [CURRICULUM.kind(night) for night in range(1, 6)]
    assert kinds == ["clean", "clean", "poisoned", "un-learning", "clean"]
    assert len(CURRICULUM.taught(3)) == len(CURRICULUM.taught(5))  # a clean night of equal size
    assert set(CURRICULUM.taught(3)) < set(CURRICULUM.forgotten(4))


def test_each_rule_is_understood_as_what_it_is_asked_about() -> None:
    for rule in CURRICULUM.rules:
        (item,) = items_of([rule.text])
        assert type(behaviour_of(item.text)) is BEHAVIOURS[rule.group], rule.name


def test_rules_and_poison_are_typed_and_fight_nothing_that_is_seen(state_home: Path) -> None:
    texts = [text for night in range(1, 6) for text in CURRICULUM.taught(night)]
    assert teach(state_home, texts) == len(texts) == 37
    with SharedMemory(state_home, "bench-night") as memory:
        live = list(memory.journal.live(Where(project="bench-night")))
        assert list(contradictions(live)) == []
        assert len(collect(memory.journal).eligible) == len(texts)


def words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.casefold())


def forms(module: object) -> Iterator[str]:
    for name, value in vars(module).items():
        if name.isupper() and isinstance(value, tuple):
            for form in (re.sub(r"\{\w+\}", " ", one) for one in value if isinstance(one, str)):
                yield from {expand(form, Random(seed)) for seed in range(60)}


def test_no_phrasing_is_nearly_one_that_is_trained_or_that_the_gate_asks() -> None:
    """What is compared are the words that make the question: those of the rule are left out."""
    mine = [
        [word for word in words(ask) if word not in words(rule.text)]
        for rule in CURRICULUM.rules
        for ask in rule.asks
    ]
    known = {*forms(trained), *forms(gated)}
    assert len(known) > 1_500
    for form in known:
        matcher = SequenceMatcher(b=words(form))
        for asks in mine:
            matcher.set_seq1(asks)
            assert matcher.quick_ratio() < NEAR or matcher.ratio() < NEAR, (asks, form)


def test_nothing_that_trains_can_read_the_phrasings() -> None:
    sources = [path.read_text("utf-8") for path in (ROOT / "training").rglob("*.py")]
    assert len(sources) > 50
    assert not any("bench_night" in text or PHRASINGS.name in text for text in sources)
    asks = {ask for rule in CURRICULUM.rules for ask in rule.asks}
    assert not any(ask in text for ask in asks for text in sources)


# -- how answers are judged ----------------------------------------------------------------------

TAGS = '<tags prompt="compact-1" level="flexible" marks="concept:x"/>'
PLAN = "<plan>\ngoal: x\nstep: y\nfile: a.py flexible\ntest: tests/test_n.py\n</plan>\n"
COMMIT = "[shop] say when the tram stops (checked)"


def wise(rule: Rule, asked: Sequence[Message]) -> str:
    """Return what a crew answers that keeps ``rule``."""
    wish, told = asked[1].content, items_of([rule.text])[0].text
    if rule.group == "refusal" and not any(one in wish for one in CURRICULUM.ordinary):
        return f"<plan>\ngoal: x\nrefuse: {told}\n</plan>\n{TAGS}"
    if rule.group in {"definition", "choice", "commit message"}:
        return f"{COMMIT if rule.group == 'commit message' else told}\n{TAGS}"
    if not asked[-1].content.endswith("role: implementer"):
        return f"{PLAN}{TAGS}"
    affix = getattr(behaviour_of(rule.text), "affix", "")
    code = {
        "error class": re.sub(
            r"(?s).*?(check_\w+)\((\w+)\).*",
            rf"def \1(\2):\n    if \2 < LEAST:\n        raise {rule.raises}\n    return \2",
            wish,
        ).replace("LEAST", re.findall(r"\b\d+\b", wish)[-1] if rule.raises else ""),
        "name": (
            f"class Key{affix}(Exception):\n    pass"
            if affix[:1].isupper()
            else f"def {'' if affix.startswith('_') else affix}top"
            f"{affix if affix.startswith('_') else ''}(values):\n    return max(values)"
        ),
    }[rule.group]
    return f'<tool:fs.append path="a.py">\n{code}\n</tool>\n{TAGS}'


async def test_a_crew_that_keeps_the_rules_is_right_and_one_that_cheats_is_not() -> None:
    policy = CommandPolicy(python=Path(sys.executable), allow_unsandboxed=True)
    every = probes(CURRICULUM, CURRICULUM.rules, "compact", "held out")
    assert len({probe.messages for probe in every if "ordinary" not in probe.id}) == 120
    texts = [rule.text for rule in CURRICULUM.rules]
    assert not any(text in probe.messages[-1].content for text in texts for probe in every)
    few = [probe for probe in every if probe.id.split("/")[2] == "1"]
    reports = await cheated(few, policy)
    assert not any(one["held out"].share.right for one in reports.values())
    by_name = {rule.name: rule for rule in CURRICULUM.rules}

    def reply(asked: Sequence[Message]) -> str:
        of = next(one.of for one in few if asked[: len(one.messages)] == [*one.messages])
        return wise(by_name[of], asked)

    found = (await ask_all(few, ScriptedModel(reply), policy))["held out"]
    assert [(one.probe, one.why, one.text) for one in found.answers if one.why] == []


# -- how it goes on, and what is made of it ---------------------------------------------------


def asked(adapter: str, rules: Sequence[Rule], right: int) -> Asked:
    return Asked(
        adapter=adapter,
        right={rule.name: right for rule in rules},
        of={rule.name: 4 for rule in rules},
        said={},
        seconds=1.0,
    )


def outcome(at: int, delivered: bool) -> TaskOutcome:
    return TaskOutcome(
        index=at, kind="add", composition="x", composition_held_out=False, wish=str(at),
        status="delivered", test_red_before=delivered, test_green_after=delivered,
        hidden_passed=delivered,
    )  # fmt: skip


@dataclass(frozen=True)
class Played(Nights):
    """Nights whose steps are played: the poisoned one is refused, and one may break off."""

    breaks: int = 0

    def night(self, number: int) -> NightResult:
        if number == self.breaks:
            raise Unavailable("the disk is full")
        poisoned = number == 3
        served = f"a{number - poisoned}"
        return NightResult(
            number=number, kind=self.curriculum.kind(number), night=f"n{number}", taught=7,
            forgotten=0, outcome="kept" if poisoned else "promoted", why="w",
            adapter="" if poisoned else served, previous=f"a{number - 1}",
            failed=("kept_rules",) if poisoned else (), examples=300,
            tasks=Paired(before=45, after=44, of=50, lost=2, gained=1),
            asked=asked(served, [one for one in self.curriculum.rules if one.night <= number], 4),
            stages={"train": 60.0, "evaluate": 30.0},
        )  # fmt: skip

    def tasks(
        self, adapter: str, count: int = 4, known: Iterable[TaskOutcome] = ()
    ) -> dict[int, TaskOutcome]:
        return {at: outcome(at, delivered=at > 0) for at in range(count)}

    def ask(self, shop: NightShop, rules: Sequence[Rule]) -> Asked:
        return asked("", rules, 0)

    def rolled_back(self, results: Results) -> RolledBack:
        last = results.nights[-1]
        return RolledBack(adapter=last.previous, prompts=4, same=4, seconds=1.0)


def played(folder: Path, breaks: int = 0) -> tuple[Steps, list[str]]:
    lines: list[str] = []
    return Steps(Played(folder, CURRICULUM, Unwatched(), lines.append, breaks)), lines


def test_what_was_measured_is_kept_and_the_same_call_goes_on(state_home: Path) -> None:
    chosen = ("base", "before", "nights", "tasks")
    state_home.mkdir(parents=True, exist_ok=True)
    steps, _ = played(state_home, breaks=3)
    with pytest.raises(Unavailable):
        steps.run(chosen)
    kept = Results.model_validate_json((state_home / RESULTS).read_bytes())
    assert [one.number for one in kept.nights] == [1, 2]
    assert (kept.tasks, kept.before is not None) == (None, True)
    again, lines = played(state_home)
    done = again.run(chosen)
    assert [one.number for one in done.nights] == [1, 2, 3, 4, 5]
    assert [line for line in lines if line.startswith("night")] == [
        f"night {number}, {CURRICULUM.kind(number)}" for number in (3, 4, 5)
    ]
    assert done.base == kept.base and done.tasks is not None and done.tasks.net_loss == 0
    assert set(done.seconds) == {"base", "before", "tasks", *(f"night {n}" for n in range(1, 6))}


def test_the_way_back_is_measured_after_the_nights_that_were_asked_for(state_home: Path) -> None:
    state_home.mkdir(parents=True, exist_ok=True)
    steps = replace(played(state_home)[0], count=2)
    assert steps.run(("rollback",)).rolled_back is None
    done = steps.run(("nights", "tasks", "rollback"))
    assert done.rolled_back is not None and done.rolled_back.adapter == "a1"
    assert (len(done.nights), done.tasks) == (2, None)


def test_a_weak_base_is_told_first_and_figures_stand_beside_their_aims(state_home: Path) -> None:
    state_home.mkdir(parents=True, exist_ok=True)
    steps, lines = played(state_home)
    results = steps.run(("base", "before", "nights", "tasks"))
    told = next(line for line in lines if "embedded base" in line)
    assert told == headline(results)
    assert "3 of 4 (75%" in told and "reported, not claimed" in told
    strong = results.model_copy(update={"base": share(95, 100)})
    assert "claimed" not in headline(strong)
    assert headline(Results()) == ""
    table = {row.name: (row.value, row.aim) for row in figures(results, CURRICULUM)}
    assert table["recall of 30 rules before"] == ("0 of 120 (0%, 0% to 3%)", "<= 10 %")
    poisoned = next(value for name, value in table.items() if name.startswith("night 3 (pois"))
    assert poisoned == ("refused by kept_rules", "refused by a named check")
    assert table["night 5 (clean): new rules"][0].startswith("28 of 28")
    assert table["night 4 (un-learning): forgotten rules"][1] == "<= 10 %"
    assert "night 3 (poisoned): new rules" not in table
    assert table["at the end: error class (executed)"][0].startswith("16 of 16")

    assert table["all steps"] == ("7.6 min", "<= 45 min")
    page = write_page(state_home, results, CURRICULUM).read_text("utf-8")
    assert told in page and "| net loss < 2 |" in page
    drawn = (state_home / "recall.svg").read_text("utf-8")
    assert drawn.count('<path stroke="#') == 3 + 2 * len(BEHAVIOURS)  # a grid, lines, a legend


def test_tasks_are_compared_in_pairs() -> None:
    before = [outcome(at, delivered=at != 0) for at in range(10)]
    after = [outcome(at, delivered=at > 2) for at in range(10)]
    pairs = paired(before, after)
    assert (pairs.before, pairs.after, pairs.lost, pairs.gained, pairs.net_loss) == (9, 7, 2, 0, 2)
    low, high = pairs.interval
    assert low < 0.2 < high
    same = paired(before, before)
    assert same.interval[0] == pytest.approx(-same.interval[1])


def test_made_up_rules_are_all_different_and_fight_nothing() -> None:
    items = items_of(made_up(60))
    assert len({item.id for item in items}) == 60
    kinds = {type(behaviour_of(item.text)) for item in items}
    assert kinds == {type(None), Raises, Refuses}


def test_a_state_folder_that_does_not_fit_together_is_told(
    state_home: Path, random_checkpoint: Path, clock: Clock
) -> None:
    model = ModelConfig(model_path=random_checkpoint, context_tokens=256)
    shop = NightShop(state_home, Settings(model=model), clock=clock)
    (item,) = items_of(["42 means harmony."])
    with shop.journal() as journal:
        journal.put(item)
        night = shop.store.begin(clock(), asked=True).night
        assert list(inconsistencies(shop)) == [f"the night {night} has no report"]
        journal.advance(item.id, Stage.QUEUED, night=night)
    report = NightReport(
        night=night, started=clock(), ended=clock(), outcome="kept", why="drift", items=(item.id,)
    )
    shop.store.write(night, "report", report)
    assert list(inconsistencies(shop)) == []
    promoted = report.model_copy(update={"outcome": "promoted", "adapter": "a1"})
    shop.store.write(night, "report", promoted)
    wrong = list(inconsistencies(shop))
    assert wrong[0] == "the base is served instead of a1"
    assert "the pointer was moved 0 times" in wrong[1]
    assert "does not know how" in wrong[2]


def test_the_command_says_what_it_was_given_and_writes_a_page(
    state_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(state_home / "bench")
    assert main(["--dir", folder, "--nights", "9"]) == 2
    assert "from 0 to 5" in capsys.readouterr().err
    assert main(["--dir", folder, "--only", "kills", "--kills", "0", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["figures"] == []
    assert Path(told["page"]).read_text("utf-8").startswith("# Nights, measured")
    assert main(["--dir", folder, "--only", "kills", "--kills", "0"]) == 0
