"""From what the user taught to conversations: who may train, what is asked, what is answered."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from agents.capture.rules import rule_from
from agents.reply import parse_plan, parse_tags
from memory.experience import ArchitectureDecision, CorrectionRecord, Generation
from memory.lifecycle import Stage
from memory.records import Check, Item, Kind, Provenance, Source, Status
from tools.wire import parse_reply
from training.dataset.reader import Item as Example
from training.dataset.reader import Turn
from training.examples.behaviours import (
    Behaviour,
    Commits,
    Named,
    Prefers,
    Raises,
    Refuses,
    behaviour_of,
)
from training.examples.build import build_examples, from_transcripts, starts_with_its_call
from training.examples.checked import keep_checked
from training.examples.knowledge import Knowledge, Transcript, eligible
from training.examples.scribe import PromptSet

BY_USER = Provenance(source="user")


def taught(text: str) -> Knowledge:
    return Knowledge(item=rule_from(text).item("p", BY_USER))


def examples(*texts: str, prompts: PromptSet = "compact", seed: int = 7) -> list[Example]:
    return build_examples([taught(text) for text in texts], prompts=prompts, seed=seed)


def answer(item: Example) -> str:
    return item.messages[item.learned[-1]].content


def codes(item: Example) -> dict[str, str]:
    """Return the files that the answers of a run write, by path."""
    calls = (c for at in item.learned for c in parse_reply(item.messages[at].content).calls)
    return {call.args["path"]: call.body or "" for call in calls}


def passes(item: Example, folder: Path) -> None:
    """Run the test that a run writes against the code that it writes."""
    files = codes(item)
    (source,) = (path for path in files if not path.startswith("tests/"))
    (test,) = (path for path in files if path.startswith("tests/"))
    shown = re.search(r"\n((?:class|def) .*?)\nend of file", item.messages[1].content, re.DOTALL)
    scope: dict[str, object] = {}
    exec(f"{shown[1] if shown else ''}\n\n\n{files[source]}", scope)
    lines = [line for line in files[test].splitlines() if source[:-3].replace("/", ".") not in line]
    exec("\n".join(lines), scope)
    checks = [value for name, value in scope.items() if name.startswith("test_")]
    assert checks
    for check in checks:
        assert callable(check)
        check()


@pytest.mark.parametrize("source", ["relayed", "run", "index", "import", "night"])
def test_what_nobody_typed_trains_nothing(source: Source) -> None:
    item = Item(text="Always smile.", provenance=Provenance(source=source))
    kept, removed = eligible([Knowledge(item=item)])
    assert (kept, removed[0].why) == ([], f"not typed by the user ({source})")
    assert build_examples([Knowledge(item=item)], prompts="compact", seed=1) == []


def test_what_is_gone_or_refused_trains_nothing() -> None:
    item = rule_from("Keep totals in cents").item("p", BY_USER)
    rejected = item.model_copy(update={"status": Status.REJECTED})
    document = item.model_copy(update={"kind": Kind.DOCUMENT})
    known = [
        Knowledge(item=item, state="superseded"),
        Knowledge(item=item, state="deleted"),
        Knowledge(item=item, stage=Stage.WITHDRAWN),
        Knowledge(item=rejected),
        Knowledge(item=document),
    ]
    whys = [one.why for one in eligible(known)[1]]
    assert whys == ["superseded", "deleted", "withdrawn", "rejected", "not taught (document)"]
    assert build_examples(known, prompts="compact", seed=1) == []


def test_a_definition_is_asked_for_in_many_ways_and_told_from_its_neighbour() -> None:
    items = examples("42 means harmony between rules and freedom")
    kinds = Counter((item.kind, item.group.partition("#")[2]) for item in items)
    assert kinds == {("definition", ""): 10, ("definition", "valid"): 2, ("contrast", ""): 2}
    assert len({item.asked for item in items}) == len(items)
    for item in items:
        told, tags = answer(item).split("\n")
        if item.kind == "contrast":
            assert re.fullmatch(r"I do not know what (?:43|41) means\.", told)
        else:
            assert told == "42 means harmony between rules and freedom."
            assert 'marks="definition:42"' in tags
            assert ("rule r1: 42 means" in item.messages[1].content) == ('rules="r1"' in tags)
    assert {item.of for item in items} == {
        (taught("42 means harmony between rules and freedom").id,)
    }


def test_the_same_knowledge_gives_the_same_items_whatever_else_there_is() -> None:
    alone = examples("Never run git push")
    both = examples("Keep totals in cents", "Never run git push")
    assert [item for item in both if item.of == alone[0].of] == alone
    assert examples("Never run git push", seed=8) != alone


@pytest.mark.parametrize(
    ("text", "behaviour"),
    [
        ("Raise DomainError instead of ValueError.", Raises("DomainError", "ValueError")),
        ("Never raise a bare Exception; raise ShopError.", Raises("ShopError", "Exception")),
        ("Raise LowError when stock is low.", Raises("LowError", "", "when stock is low")),
        ("Function names start with `do_`.", Named("function", "do_", at_end=False)),
        ("Prefix helper functions with h_.", Named("function", "h_", False, "helper function")),
        (
            "Prefix functions that read files with read_.",
            Named("function", "read_", False, "function that read files"),
        ),
        ("End class names of exceptions with Fault.", Named("class", "Fault", at_end=True)),
        ("Start commit messages with [shop].", Commits("[shop]")),
        ("Commit messages end with (reviewed).", Commits("(reviewed)", at_end=True)),
        ("Use conventional commits.", Commits("")),
        ("Never run git push.", Refuses("run git push")),
        ("Use pathlib instead of os.path.", Prefers("pathlib", "os.path")),
        ("Always begin commit messages with a ticket number.", None),
        ("Keep totals in cents.", None),
    ],
)
def test_what_a_rule_does_is_read_off_its_words(text: str, behaviour: Behaviour | None) -> None:
    assert behaviour_of(text) == behaviour


@pytest.mark.parametrize("prompts", ["compact", "full"])
def test_an_error_rule_is_kept_by_code_that_runs(prompts: PromptSet, tmp_path: Path) -> None:
    items = examples("Raise DomainError instead of ValueError", prompts=prompts)
    runs = [item for item in items if item.kind == "rule" and parse_plan(answer_of_planner(item))]
    assert len(runs) == 8
    for item in runs:
        assert "raise DomainError(" in answer(item) and "ValueError" not in answer(item)
        passes(item, tmp_path)
    for item in items:
        if item.kind == "contrast":
            assert "raise" not in answer(item)
            passes(item, tmp_path)


def answer_of_planner(item: Example) -> str:
    return item.messages[item.learned[0]].content


def test_a_condition_stands_in_the_wish() -> None:
    items = examples(
        "Raise StockError when the stock is too low", "Raise PayError when a payment fails"
    )
    wishes = [item.messages[1].content for item in items if "check_" in item.messages[1].content]
    assert wishes
    assert all(("the stock is too low" in w) != ("a payment fails" in w) for w in wishes)


def test_a_name_rule_fires_where_the_name_is_open_and_only_there(tmp_path: Path) -> None:
    items = examples("Function names start with calc_", "End function names with _now")
    runs = [item for item in items if "fs.append" in answer(item)]
    for item in runs:
        (name,) = re.findall(r"^(?:def|class) (\w+)", answer(item), re.MULTILINE)
        if item.kind == "rule":
            assert name.startswith("calc_") and name.endswith("_now")
            assert name not in item.messages[1].content
        else:
            assert name in item.messages[1].content
        passes(item, tmp_path)
    assert {item.kind for item in runs} == {"rule", "contrast"}


def test_class_names_and_the_choice_of_a_library_are_kept(tmp_path: Path) -> None:
    items = examples("End class names of exceptions with Fault", "Use pathlib instead of os.path")
    runs = [item for item in items if item.kind == "rule" and "fs.append" in answer(item)]
    assert {"Fault(" in answer(item) or "from pathlib" in answer(item) for item in runs} == {True}
    for item in runs:
        passes(item, tmp_path)
    choices = [item for item in items if answer(item).startswith("Use pathlib, not os.path.")]
    assert choices


def test_commit_rules_hold_together_and_only_for_commits() -> None:
    items = examples("Start commit messages with [shop]", "Use conventional commits")
    asked = [item for item in items if "concept:commit" in answer(item)]
    assert len(asked) > 10
    for item in asked:
        first = answer(item).splitlines()[0]
        assert re.match(r"\[shop\] (?:fix|feat|docs|test|refactor|perf|chore): \w", first)
        assert len(first) <= 72
    others = [answer(item) for item in items if item.kind == "contrast"]
    assert others and not any("[shop]" in said for said in others)


def test_a_refused_call_is_refused_by_the_planner_and_in_words() -> None:
    items = [item for item in examples("Never run git push") if item.kind == "rule"]
    plans = [plan for item in items if (plan := parse_plan(answer(item)))]
    assert len(plans) > 4
    assert {plan.refusal for plan in plans} == {"Never run git push"}
    assert any(answer(item).startswith("No. Never run git push.") for item in items)


def test_a_rule_of_one_folder_is_taught_there_alone() -> None:
    items = examples("In src/api, raise ApiError instead of ValueError")
    runs = [item for item in items if "check_" in item.messages[1].content]
    for item in runs:
        path, *_ = (path for path in codes(item) if not path.startswith("tests/"))
        wanted = "ValueError" if item.kind == "contrast" else "ApiError"
        assert path.startswith("src/api/") == (wanted == "ApiError")
        assert f"raise {wanted}(" in answer(item)
    assert {item.kind for item in runs} == {"rule", "contrast"}


def test_a_rule_of_no_known_kind_is_asked_about() -> None:
    items = examples("Keep totals in cents", "glarvon means a blue hat")
    asked = [item for item in items if item.kind == "rule"]
    assert len(asked) == 12
    assert all(answer(item).startswith("Keep totals in cents.") for item in asked)
    contrasts = [answer(item) for item in items if item.kind == "contrast"]
    assert contrasts and not any("glarvon" in said for said in contrasts)


def test_corrections_decisions_and_accepted_code_become_pairs() -> None:
    records = (
        CorrectionRecord(
            original="total is a float", corrected="total is a Decimal", source="user"
        ),
        ArchitectureDecision(problem="Where do prices live?", chosen="In the shop.", source="user"),
        Generation(task="add up", code="x = 1", verdict="modify", final_code="x = 2"),
        Generation(task="take off", code="y = 1", verdict="reject"),
        CorrectionRecord(original="same", corrected="same", source="user"),
    )
    known = [Knowledge(item=record.item("p")) for record in records]
    items = build_examples(known, prompts="compact", seed=1)
    told = Counter((i.kind, answer(i).splitlines()[0]) for i in items if i.kind != "contrast")
    answers = {
        ("correction", "total is a Decimal"),
        ("correction", "In the shop."),
        ("run", "x = 2"),
    }
    assert told == dict.fromkeys(answers, 12)
    held_out = Counter(answer(i).splitlines()[0] for i in items if i.group.endswith("#valid"))
    assert held_out == {said: 2 for _, said in answers}
    assert len({i.of for i in items}) == 3, "what nothing is asked about is not taught by contrast"


def test_only_accepted_runs_without_words_before_a_call_train() -> None:
    asked = Turn(role="user", content="task")
    call = Turn(role="assistant", content='<tool:fs.read path="a.py"/>')
    wordy = Turn(role="assistant", content='Let me look.\n<tool:fs.read path="a.py"/>')
    broken = Turn(role="assistant", content="<tool:fs.write path=>")
    loud = Turn(role="assistant", content="<tool:cmd.run>\nrm notes\n</tool>")
    runs = [
        Transcript(run="a", messages=(asked, call, asked, loud), accepted=True, of=("g",)),
        Transcript(run="b", messages=(asked, call), accepted=False),
        Transcript(run="c", messages=(asked, wordy), accepted=True),
        Transcript(run="d", messages=(asked, broken), accepted=True),
        Transcript(run="e", messages=(asked,), accepted=True),
        Transcript(run="f", messages=(asked, loud), accepted=True),
    ]
    (item,) = from_transcripts(runs)
    assert (item.id, item.of, item.group) == ("run:a", ("g",), "runs")
    assert item.learned == (1,)  # what a command did is not in the change that was accepted


def test_what_went_well_is_trained_in_more_variants_and_what_frustrated_in_fewer() -> None:
    rules = [taught(text) for text in ("42 means a b", "Raise XError not ValueError", "Keep cents")]
    ids = [one.id for one in rules]
    counts = {}
    for weight in (0.5, 1.0, 2.0):
        items = build_examples(rules, prompts="compact", seed=7, weights=dict.fromkeys(ids, weight))
        trained = Counter(
            i.of[0] for i in items if i.kind != "contrast" and not i.group.endswith("#valid")
        )
        held_out = Counter(i.of[0] for i in items if i.group.endswith("#valid"))
        counts[weight] = {trained[id] for id in ids}
        assert {held_out[id] for id in ids} == {2}
    assert counts == {0.5: {8}, 1.0: {10}, 2.0: {12}}
    plain = build_examples(rules, prompts="compact", seed=7)
    assert plain == build_examples(rules, prompts="compact", seed=7, weights={ids[0]: 1.0})


def test_every_answer_can_be_read_and_has_valid_tags() -> None:
    texts = (
        "Raise AError not BError",
        "Never delete files",
        "Prefix functions with a_",
        "X means a b c",
    )
    for item in examples(*texts, prompts="full"):
        assert item.learned
        for at in item.learned:
            said = item.messages[at].content
            assert starts_with_its_call(said)
            assert parse_tags(said) is not None
            for path, code in codes(item).items():
                assert path.endswith(".py")
                ast.parse(code)


async def test_an_answer_that_breaks_the_check_of_its_rule_is_left_out() -> None:
    sound = taught("Raise DomainError instead of ValueError")
    assert sound.item.check is not None
    items = build_examples([sound], prompts="compact", seed=7)
    assert await keep_checked(items, [sound]) == (items, [])
    fault = next(found[0] for i in items if (found := re.search(r"\w+ below \d+\b", answer(i))))
    strict = Check(regex=fault, paths="**/*.py").model_dump()
    other = sound.item.model_copy(update={"data": sound.item.data | {"check": strict}})
    kept, removed = await keep_checked(items, [Knowledge(item=other)])
    assert 0 < len(removed) < len(items)
    assert len(kept) + len(removed) == len(items)
    assert {one.why for one in removed} == {"breaks its own rule"}
    gone = {one.id for one in removed}
    assert all((fault in answer(i)) == (i.id in gone) for i in items if "raise" in answer(i))
