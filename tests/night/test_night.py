"""Whole nights with the embedded model: killed at any node they end in one consistent night."""

from __future__ import annotations

import asyncio
import json
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import save_file

from agents.adapters.serving import select
from agents.profiles import EMBEDDED, ModelConfig
from agents.shared_memory import SharedMemory
from graph.night import morning
from graph.night.choose import look
from graph.night.config import NightConfig
from graph.night.hint import hint
from graph.night.nights import NightStore
from graph.night.nodes import NightNodes
from graph.night.policy import Decision
from graph.night.records import Chosen, Collected, Ended, LeftOut, NightReport, Resolved
from graph.night.runner import run_night
from graph.night.shop import NightShop
from graph.night.wiring import build_night
from graph.nightly_cli import main as nightly
from graph.report_cli import main as report
from graph.settings import CommandConfig, Settings
from mcp_local_llm import StoreUnavailable
from memory.journal import Journal
from memory.layout import journal_path, memory_folder
from memory.lifecycle import Stage
from memory.records import Item, Kind, Status
from tests.conftest import HIDDEN, LAYERS
from training.dataset.reader import Item as Example
from training.dataset.reader import Turn
from training.dataset.write import write_dataset
from training.gate.records import Evidence, GateReport

if TYPE_CHECKING:
    from tests.night.conftest import Clock

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
COMMAND = (
    "import sys; sys.path.insert(0, {root!r}); from graph.nightly_cli import main; "
    "sys.exit(main(['--now', '--json']))"
)
RULES = (
    Item(kind=Kind.DEFINITION, text="42 means harmony.", data={"term": "42"}),
    Item(kind=Kind.PREFERENCE, text="Always raise DomainError instead of ValueError."),
    Item(kind=Kind.PREFERENCE, text="Commit messages start with [shop]."),
)


@pytest.fixture
def home(state_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder with three rules, and a recipe whose loss stops being a number at once."""
    with Journal(journal_path(memory_folder(state_home))) as journal:
        journal.put(*RULES)
    recipe = tmp_path / "recipe.yaml"
    quick = "directions: random\nreworded: false\n"  # of the embedded model's own, the dear parts
    recipe.write_text(f"rate: 1.0e+30\nmax_tokens: 1024\nwarmup: 0\n{quick}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("MCP_LOCAL_LLM_NIGHT__RECIPE", str(recipe))
    monkeypatch.setenv("MCP_LOCAL_LLM_MODEL__PROFILE", EMBEDDED)
    monkeypatch.setenv("MCP_LOCAL_LLM_MODEL__THREADS", "1")
    monkeypatch.setenv("MCP_LOCAL_LLM_COMMAND__ALLOW_UNSANDBOXED", "true")
    return state_home


def killed_when(words: str) -> None:
    """Run the night in a process of its own, and kill that as soon as it says ``words``."""
    argv = [sys.executable, "-P", "-c", COMMAND.format(root=str(ROOT))]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as it:
        assert it.stderr is not None
        said = []
        for line in it.stderr:
            said.append(line)
            if words in line:
                break
        else:
            pytest.fail(f"it never said {words!r}: {''.join(said)}")
        it.kill()


def stages(home: Path) -> list[list[str]]:
    with Journal(journal_path(memory_folder(home))) as journal:
        return [[step.stage.value for step in journal.stage_history(one.id)] for one in RULES]


@pytest.mark.timeout(600)
def test_a_night_that_was_killed_at_many_nodes_goes_on_to_one_consistent_end(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in ("deciding", "training", "noting"):
        killed_when(words)
    assert nightly(["--now", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["outcome"] == "kept"
    assert "the training failed" in told["why"]  # its loss was no number any more
    assert told["attempts"] == 4
    store = NightStore(home)
    assert store.ids() == (told["night"],)
    assert store.unfinished() is None
    assert stages(home) == [["queued", "queued"]] * len(RULES)
    page = Path(told["page"]).read_text("utf-8")
    assert all(rule.text in page for rule in RULES)
    assert report(["--json"]) == 0
    assert json.loads(capsys.readouterr().out)["night"] == told["night"]
    assert report(["2020-01-01"]) == 2


def test_a_dry_run_says_what_would_be_trained_and_changes_nothing(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert nightly(["--dry-run", "--now", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["decision"]["verdict"] == "go"
    assert set(told["items"]) == {rule.id for rule in RULES}
    assert told["examples"] > 3 * 10
    assert stages(home) == [[]] * len(RULES)
    assert not (home / "nights").exists()
    assert nightly(["--dry-run"]) == 0
    assert "42 means harmony." in capsys.readouterr().out


def test_without_corrections_nothing_is_trained_and_it_is_said_why(
    state_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert nightly(["--now"]) == 0
    assert "0 items may be trained" in capsys.readouterr().out
    assert report([]) == 2
    assert "0 items may be trained" in capsys.readouterr().err
    assert NightStore(state_home).ids() == ()


# -- the end of a night, from a verdict on ---------------------------------------------------------


@pytest.fixture
def shop(state_home: Path, random_checkpoint: Path, clock: Clock) -> NightShop:
    """A night's shop over a random model, whose rules are in the journal."""
    model = ModelConfig(model_path=random_checkpoint, context_tokens=256)
    command = CommandConfig(allow_unsandboxed=True)
    made = NightShop(state_home, Settings(model=model, command=command), clock=clock)
    with made.journal() as journal:
        journal.put(*RULES)
    return made


def make_adapter(folder: Path, width: int = HIDDEN) -> Path:
    """Write an adapter on the queries of the random checkpoint, or one that fits no such width."""
    folder.mkdir(parents=True)
    parameters = {"rank": 2, "scale": 2.0, "dropout": 0.0, "keys": ["self_attn.q_proj"]}
    config = {"fine_tune_type": "lora", "num_layers": -1, "lora_parameters": parameters}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    shapes = {"lora_a": (width, 2), "lora_b": (2, width)}
    weights = {
        f"model.layers.{layer}.self_attn.q_proj.{part}": np.full(shape, 0.01, np.float32)
        for layer in range(LAYERS)
        for part, shape in shapes.items()
    }
    save_file(weights, folder / "adapters.safetensors")
    return folder


def judged(
    shop: NightShop,
    adapter: Path,
    rates: dict[str, float],
    context: str = "",
    *,
    start: str = "",
    known: tuple[str, ...] = (),
) -> str:
    """Begin a night, and leave what its nodes have made up to a verdict that speaks for it."""
    why = "you asked for it"
    night = shop.store.begin(shop.clock(), asked=True, why=why, context=context).night
    ids = tuple(rule.id for rule in RULES)
    shop.store.write(night, "collect", Collected(journal=3, eligible=ids))
    go = Decision(verdict="go", why="you asked for it")
    chosen = Chosen(decision=go, items=ids, start=start, known=known)
    shop.store.write(night, "decide", chosen)
    turns = (Turn(role="user", content="q"), Turn(role="assistant", content="a"))
    new = [id for id in ids if id not in known]
    examples = [Example(id=f"{id}/0", messages=turns, kind="rule", of=(id,)) for id in new]
    write_dataset(
        shop.store.folder(night) / "dataset", examples, base=shop.base, prompts="full", seed=7
    )
    verdict = GateReport(
        passed=True, adapter=adapter, current="", factor=1.0, checks=(), rates=rates,
        evidence=Evidence(), tries=(), seconds=1.0,
    )  # fmt: skip
    shop.store.write(night, "gate", verdict)
    return night


async def recalled(home: Path, adapter: str | None) -> set[str]:
    with SharedMemory(home, "p") as memory:
        return {one.item for one in await memory.recall("", limit=8, adapter=adapter)}


def test_a_passed_adapter_is_served_and_what_it_knows_leaves_the_prompt(
    shop: NightShop, tmp_path: Path
) -> None:
    proven, weak, unasked = (rule.id for rule in RULES)
    night = judged(shop, make_adapter(tmp_path / "made"), {proven: 1.0, weak: 0.5})
    nodes = NightNodes(shop)
    nodes.collect({"night": night})
    for _ in range(2):  # as after a kill
        assert nodes.gate({"night": night}) == {}
        assert nodes.promote({"night": night}) == {"outcome": "promoted"}
        nodes.settle({"night": night})
        nodes.report({"night": night})
    ended = shop.store.needed(night, "ended", Ended)
    assert shop.registry.pointer().adapters == {ended.adapter}
    assert (ended.previous, shop.registry.pointer().serial) == ("", 1)
    manifest = shop.registry.get(ended.adapter)
    assert manifest.items == (proven, weak, unasked)
    assert manifest.gate is not None and manifest.gate["rates"] == {proven: 1.0, weak: 0.5}
    assert [one[-1] for one in stages(shop.home)] == ["graduated", "trained", "trained"]
    told = shop.store.last()
    assert isinstance(told, NightReport)
    assert told.tokens_saved > 0
    assert {line.id: line.stage for line in told.learned}[proven] == Stage.GRADUATED
    assert asyncio.run(recalled(shop.home, None)) == {proven, weak, unasked}
    assert asyncio.run(recalled(shop.home, ended.adapter)) == {weak, unasked}
    assert_a_project_may_have_its_own(shop, tmp_path, ended.adapter)


def test_what_went_on_from_another_knows_all_that_it_knew(shop: NightShop, tmp_path: Path) -> None:
    """Also what the later training has no example of; and its parents are named."""
    first = judged(shop, make_adapter(tmp_path / "first"), {})
    nodes = NightNodes(shop)
    assert nodes.promote({"night": first}) == {"outcome": "promoted"}
    start = shop.store.needed(first, "ended", Ended).adapter
    ids = tuple(rule.id for rule in RULES)
    night = judged(shop, make_adapter(tmp_path / "second"), {}, start=start, known=ids[:2])
    assert nodes.promote({"night": night}) == {"outcome": "promoted"}
    manifest = shop.registry.get(shop.store.needed(night, "ended", Ended).adapter)
    assert (manifest.items, manifest.parents) == (ids, (start,))


def assert_a_project_may_have_its_own(shop: NightShop, tmp_path: Path, everywhere: str) -> None:
    """What is promoted for one project answers there alone, and recall knows what it knows."""
    proven, weak, unasked = (rule.id for rule in RULES)
    mine = "a" * 16
    night = judged(shop, make_adapter(tmp_path / "own"), {weak: 1.0}, f"project:{mine}")
    nodes = NightNodes(shop)
    assert nodes.promote({"night": night}) == {"outcome": "promoted"}
    nodes.settle({"night": night})
    ended = shop.store.needed(night, "ended", Ended)
    assert (ended.previous, shop.registry.get(ended.adapter).context) == ("", f"project:{mine}")
    served = [select(shop.registry, shop.base, project) for project in (mine, "b" * 16, "")]
    assert [one.id for one in served if one] == [ended.adapter, everywhere, everywhere]
    assert asyncio.run(recalled(shop.home, ended.adapter)) == {proven, unasked}
    assert asyncio.run(recalled(shop.home, everywhere)) == {weak, unasked}


def test_an_adapter_whose_server_does_not_answer_is_not_served(
    shop: NightShop, tmp_path: Path
) -> None:
    night = judged(shop, make_adapter(tmp_path / "made", width=7), {})
    nodes = NightNodes(shop)
    assert nodes.promote({"night": night}) == {"outcome": "kept"}
    nodes.settle({"night": night})
    ended = shop.store.needed(night, "ended", Ended)
    assert "is not promoted" in ended.why
    assert shop.registry.pointer().slots == ()
    assert [one[-1:] for one in stages(shop.home)] == [[]] * len(RULES)


def test_words_of_an_erased_rule_leave_the_reports(shop: NightShop, tmp_path: Path) -> None:
    night = judged(shop, make_adapter(tmp_path / "made"), {})
    shop.store.write(night, "ended", Ended(outcome="kept", why="drift"))
    with shop.journal() as journal:
        morning.write(shop, journal, night)
        page = shop.store.folder(night) / "report.html"
        assert "harmony" in page.read_text("utf-8")
        journal.erase([RULES[0].id], "asked")
        (clean,) = morning.refreshed(shop, journal)
    assert "harmony" not in page.read_text("utf-8")
    assert "harmony" not in clean.model_dump_json()
    assert shop.store.last() == clean


def test_words_of_an_erased_rule_leave_the_reason_why_another_is_not_trained(
    shop: NightShop, tmp_path: Path
) -> None:
    night = judged(shop, make_adapter(tmp_path / "made"), {})
    newer = Item(kind=Kind.PREFERENCE, text="Indent with spaces instead of tabs.")
    with shop.journal() as journal:
        journal.put(newer)
        why = LeftOut(id=RULES[1].id, why="replaced by: spaces instead of tabs", by=newer.id)
        shop.store.write(night, "resolve", Resolved(items=(), left_out=(why,)))
        shop.store.write(night, "ended", Ended(outcome="nothing", why="asked"))
        morning.write(shop, journal, night)
        assert "spaces" in (shop.store.folder(night) / "report.html").read_text("utf-8")
        journal.erase([newer.id], "asked")
        (clean,) = morning.refreshed(shop, journal)
    assert clean.left_out[0].text == RULES[1].text
    assert "spaces" not in clean.model_dump_json()
    assert "spaces" not in (shop.store.folder(night) / "report.html").read_text("utf-8")


def test_when_only_what_was_refused_is_taken_back_no_night_is_due(
    shop: NightShop, tmp_path: Path, clock: Clock
) -> None:
    night = judged(shop, make_adapter(tmp_path / "made"), {})
    NightNodes(shop).promote({"night": night})
    refused = Item(kind=Kind.PREFERENCE, text="Write tests last.")
    later = shop.store.begin(clock(), asked=False).night
    report = NightReport(
        night=later, started=clock(), ended=clock(), outcome="kept", why="drift", base=shop.base,
        items=(*(rule.id for rule in RULES), refused.id),
    )  # fmt: skip
    shop.store.write(later, "report", report)
    clock.passes(days=9)
    with shop.journal() as journal:
        for asked in (False, True):
            *_, chosen = look(shop, journal, asked=asked)
            assert "nothing was taught or taken back" in chosen.decision.why
        journal.put(refused)
        *_, chosen = look(shop, journal, asked=False)
        assert "nothing was taught" in chosen.decision.why, "it was judged already"
        journal.set_status(RULES[0].id, Status.REJECTED, "asked")
        *_, chosen = look(shop, journal, asked=False)
        assert chosen.decision.verdict == "go"


def test_a_machine_that_is_busy_refuses_and_says_so(shop: NightShop) -> None:
    store = NightStore(shop.home)
    full = shop.settings.model_copy(update={"night": NightConfig(free_disk_gb=1e9)})
    done = run_night(NightShop(shop.home, full, clock=shop.clock), asked=True)
    assert isinstance(done, Decision)
    assert done.verdict == "refused"
    assert "GiB of disk are free" in done.why
    assert store.ids() == ()
    said = store.said()
    assert said is not None and said.decision == done


def test_what_the_system_refuses_is_told_in_words(shop: NightShop) -> None:
    night = shop.store.begin(shop.clock(), asked=True).night
    (shop.store.folder(night) / "attempts").mkdir()  # cannot be written as a file
    with pytest.raises(StoreUnavailable, match="cannot write"):
        run_night(shop, asked=True)


async def test_studio_opens_a_night_that_says_why_nothing_is_trained(shop: NightShop) -> None:
    picky = shop.settings.model_copy(update={"night": NightConfig(floor=9)})
    graph = build_night(NightShop(shop.home, picky, clock=shop.clock))
    done = await graph.ainvoke({"asked": True})
    assert done["outcome"] == "nothing"
    told = shop.store.last()
    assert told is not None
    assert (told.night, told.outcome) == (done["night"], "nothing")
    assert "a night needs 9" in told.why
    assert [line.stage for line in told.kept + told.learned] == ["captured"] * len(RULES)


def test_a_night_whose_folder_was_removed_leaves_nothing_to_go_on_with(shop: NightShop) -> None:
    picky = shop.settings.model_copy(update={"night": NightConfig(floor=9)})
    picky_shop = NightShop(shop.home, picky, clock=shop.clock)
    night = shop.store.begin(shop.clock(), asked=True).night
    shop.store.write_text(night, "decide.json", "{")
    with pytest.raises(StoreUnavailable, match="cannot be read"):
        run_night(picky_shop)
    shutil.rmtree(shop.store.folder(night))
    assert shop.store.begin(shop.clock(), asked=True).night == night
    done = run_night(picky_shop)
    assert isinstance(done, NightReport)
    assert (done.outcome, done.attempts) == ("nothing", 1)
    assert stat.S_IMODE(shop.store.checkpoints.stat().st_mode) == 0o600


def test_a_hint_is_given_once_enough_was_taught(shop: NightShop, clock: Clock) -> None:
    clock.passes(hours=9)
    assert hint(shop.home, shop.settings, clock()) == ""
    with shop.journal() as journal:
        journal.put(*(Item(kind=Kind.PREFERENCE, text=f"Rule {number}.") for number in range(7)))
    assert "about 100 new examples" in hint(shop.home, shop.settings, clock())
    with shop.journal() as journal:
        known = {"items": tuple(one.id for one in journal.live())}
    idle = shop.store.begin(clock(), asked=True).night
    given = {"night": idle, "started": clock(), "ended": clock(), "why": "the battery", **known}
    refused = NightReport(outcome="nothing", **given)
    shop.store.write(idle, "report", refused)  # nothing of it was trained
    assert "about 100 new examples" in hint(shop.home, shop.settings, clock())
    assert hint(shop.home / "elsewhere", shop.settings, clock()) == ""
    trained = NightReport(outcome="kept", again=True, **given)
    shop.store.write(idle, "report", trained)  # nothing of it was judged
    assert hint(shop.home, shop.settings, clock()) == "", "not the same again at once"
    clock.passes(days=2)
    assert "about 100 new examples" in hint(shop.home, shop.settings, clock())
    shop.store.write(idle, "report", trained.model_copy(update={"again": False}))
    assert hint(shop.home, shop.settings, clock()) == ""
    with shop.journal() as journal:
        journal.set_status(RULES[0].id, Status.REJECTED, "asked")
    clock.passes(days=7)
    assert "since the last night" in hint(shop.home, shop.settings, clock())


@pytest.mark.parametrize("name", ["collect", "decide", "resolve", "gate", "ended", "settle"])
def test_a_night_with_a_damaged_record_is_given_up_and_the_next_one_comes(
    shop: NightShop, tmp_path: Path, name: str
) -> None:
    night = judged(shop, make_adapter(tmp_path / "made"), {})
    (shop.store.folder(night) / f"{name}.json").write_text("")  # as a loss of power leaves it
    (shop.store.folder(night) / "attempts").write_text("99")
    told = run_night(shop, asked=True)
    assert isinstance(told, NightReport)
    assert (told.night, told.outcome, told.again) == (night, "kept", True)
    assert "broken off" in told.why and shop.registry.pointer().slots == ()
    assert shop.store.unfinished() is None


def test_a_night_whose_beginning_is_lost_is_none_and_its_name_is_not_used_again(
    shop: NightShop,
) -> None:
    lost = shop.store.begin(shop.clock(), asked=True).night
    (shop.store.folder(lost) / "begun.json").write_text("")
    assert shop.store.ids() == () and shop.store.unfinished() is None
    assert shop.store.begin(shop.clock(), asked=True).night == f"{lost}.2"


def test_what_a_night_has_promoted_stays_promoted_when_it_is_given_up(
    shop: NightShop, tmp_path: Path
) -> None:
    night = judged(shop, make_adapter(tmp_path / "made"), {})
    NightNodes(shop).promote({"night": night})
    (adapter,) = shop.registry.pointer().adapters
    (shop.store.folder(night) / "ended.json").unlink()  # killed before it was written
    (shop.store.folder(night) / "attempts").write_text("99")
    told = run_night(shop, asked=True)
    assert isinstance(told, NightReport)
    assert (told.outcome, told.adapter) == ("promoted", adapter)
    assert shop.registry.pointer().adapters == {adapter}


def test_a_promotion_is_not_asked_about_again_after_a_kill(shop: NightShop, tmp_path: Path) -> None:
    night = judged(shop, make_adapter(tmp_path / "made", width=7), {})  # no server answers with it
    assert NightNodes(shop).promote({"night": night}) == {"outcome": "kept"}
    (adapter,) = shop.registry.ids()
    shop.registry.promote(adapter, why=f"night {night}")
    (shop.store.folder(night) / "ended.json").unlink()  # killed before it was written
    assert NightNodes(shop).promote({"night": night}) == {"outcome": "promoted"}
    assert shop.store.needed(night, "ended", Ended).adapter == adapter


def test_a_night_that_was_broken_off_waits_for_the_machine(shop: NightShop) -> None:
    night = shop.store.begin(shop.clock(), asked=False).night
    full = shop.settings.model_copy(update={"night": NightConfig(free_disk_gb=1e9)})
    told = run_night(NightShop(shop.home, full, clock=shop.clock))
    assert isinstance(told, Decision) and told.verdict == "refused"
    assert shop.store.unfinished() == night


def test_what_no_example_was_made_of_is_not_said_to_be_trained(
    shop: NightShop, tmp_path: Path
) -> None:
    night = judged(shop, make_adapter(tmp_path / "made"), {})
    crowded_out = Item(kind=Kind.PREFERENCE, text="Write tests first.")
    chosen = shop.store.needed(night, "decide", Chosen)
    wanted = chosen.model_copy(update={"items": (*chosen.items, crowded_out.id)})
    shop.store.write(night, "decide", wanted)
    with shop.journal() as journal:
        journal.put(crowded_out)
    nodes = NightNodes(shop)
    for node in (nodes.promote, nodes.settle, nodes.report):
        node({"night": night})
    (adapter,) = shop.registry.ids()
    assert shop.registry.get(adapter).items == chosen.items
    with shop.journal() as journal:
        assert journal.stage_history(crowded_out.id) == ()
    told = shop.store.last()
    assert told is not None and [line.id for line in told.left_out] == [crowded_out.id]
    assert "no example" in told.left_out[0].note
