"""Scrubbing, mixing and writing: what a dataset folder ends up with."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import prompts
from agents.weights import EMBEDDED_WEIGHTS
from mcp_local_llm import StoreUnavailable, UsageError
from training.dataset.encoding import Encoder
from training.dataset.mix import Shares, mix, room_for, rule_of
from training.dataset.reader import Item, Turn, open_dataset, read_dataset
from training.dataset.scrub import fit, reasons, scrub
from training.dataset.stats import is_direct
from training.dataset.write import Manifest, write_dataset
from training.examples.scribe import call
from training.replay import general, protocol


def item(
    id: str, group: str = "", asked: str = "", answer: str = "yes", kind: str = "rule"
) -> Item:
    messages = (Turn(role="user", content=asked or id), Turn(role="assistant", content=answer))
    return Item(
        id=id, group=group or f"g-{id}", messages=messages, kind=kind, of=(id.split("/")[0],)
    )


CALL = call("fs.read", path="a.py")


def rules(count: int, each: int, name: str = "r", answer: str = CALL) -> list[Item]:
    return [
        item(f"{name}{n}/{v}", f"rule:{name}{n}", answer=answer)
        for n in range(count)
        for v in range(each)
    ]


def written(folder: Path, *items: Item) -> Manifest:
    return write_dataset(
        folder, items, base="b", prompts="compact", seed=3, provenance={"journal": 9}
    )


def test_items_with_secrets_are_counted_and_never_shown() -> None:
    secret = "ghp_" + "a1B2c3D4e5" * 4
    kept, removed = scrub(
        [item("a"), item("b", answer=f"use {secret}"), item("c", asked=f"is {secret} ok")]
    )
    assert [one.id for one in kept] == ["a"]
    assert [one.id for one in removed] == ["b", "c"]
    assert all("GitHub token" in one.why and secret not in one.why for one in removed)
    assert reasons(one.why for one in removed) == {"holds a secret": 2}
    named = item("d").model_copy(update={"password": "hT7x9Kq2LmP4vZ8w"})
    assert scrub([named])[1][0].why == "holds a secret (secret in a field)"


def test_items_that_are_too_long_are_left_out_whole() -> None:
    kept, removed = fit(
        [item("a"), item("b", answer="word " * 200)], Encoder(EMBEDDED_WEIGHTS), 100
    )
    assert [one.id for one in kept] == ["a"]
    assert reasons(one.why for one in removed) == {"too long": 1}


def test_the_mix_has_its_shares_and_no_rule_fills_it() -> None:
    mixed = mix(rules(20, 12), rules(10, 10, "p"), rules(900, 1, "g"), rules(300, 1, "w"), seed=1)
    counts, total = Counter(one.id[0] for one in mixed), len(mixed)
    for name, share in (("r", 0.45), ("p", 0.187), ("w", 0.10)):  # of p there is no more
        assert counts[name] / total == pytest.approx(share, abs=0.01)
    assert counts["r"] == 240
    assert max(Counter(map(rule_of, mixed)).values()) <= 0.15 * total


def test_a_set_does_not_grow_with_what_is_known_already() -> None:
    replay = rules(900, 1, "g"), rules(300, 1, "w")
    few, many = (mix(rules(4, 12), rules(count, 12, "p"), *replay, seed=1) for count in (4, 80))
    assert len(few) == len(many) == 107
    rehearsed = [rule_of(one) for one in many if one.id[0] == "p"]
    assert len(rehearsed) == len(set(rehearsed)) == 22
    assert room_for(rules(4, 12), promoted=True) == room_for(rules(4, 12), promoted=False) == 18
    words = rules(4, 12, answer="yes")  # of which what is known takes its part
    assert room_for(words, promoted=True) < room_for(words, promoted=False) == 12


def test_empty_shares_go_to_general_replay() -> None:
    mixed = mix(rules(4, 10), [], rules(900, 1, "g"), [], seed=1)
    counts = Counter(one.id[0] for one in mixed)
    assert counts["r"] == 40
    assert counts["g"] / len(mixed) == pytest.approx(0.55, abs=0.02)


def test_definitions_alone_are_not_most_of_the_set() -> None:
    mixed = mix(rules(4, 12, answer="yes"), [], rules(900, 1, "g"), rules(90, 1, "w"), seed=1)
    assert sum(map(is_direct, mixed)) == 48
    assert 0.25 <= 48 / len(mixed) <= 0.35


def test_one_rule_alone_keeps_its_variants_and_gets_enough_replay() -> None:
    mixed = mix(rules(1, 12), [], rules(900, 1, "g"), rules(90, 1, "w"), seed=1)
    assert Counter(one.id[0] for one in mixed)["r"] == 12
    assert len(mixed) >= 12 / 0.15


@pytest.mark.slow
def test_ten_thousand_rules_fit_with_each_treated_alike() -> None:
    mixed = mix(rules(10_000, 2), [], rules(3_000, 1, "g"), rules(900, 1, "w"), seed=1)
    assert len(mixed) == 2_000
    new = [one for one in mixed if one.id[0] == "r"]
    assert {rule_of(one) for one in new} == {f"rule:r{n}" for n in range(9_100, 10_000)}  # newest


def test_where_replay_lacks_a_rule_is_cut_rather_than_fill_the_set() -> None:
    mixed = mix(rules(1, 12), [], rules(10, 1, "g"), [], seed=1, shares=Shares())
    assert Counter(one.id[0] for one in mixed)["r"] <= 0.15 * 22 + 1


def test_the_same_items_give_the_same_bytes(tmp_path: Path) -> None:
    items = [*rules(3, 2), item("v", "rule:r0#valid", asked="something else")]
    one, two = (written(tmp_path / name, *items) for name in ("one", "two"))
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    assert one.hash == two.hash
    other = written(tmp_path / "three", *items[1:])
    assert other.hash != one.hash


def test_the_manifest_says_what_each_item_was_made_from(tmp_path: Path) -> None:
    held_out = item("r1/9", "rule:r1#valid", kind="contrast")
    manifest = written(tmp_path / "d", *rules(2, 2), held_out)
    found = Manifest.model_validate_json((tmp_path / "d" / "manifest.json").read_bytes())
    assert found == manifest
    assert found.prompts_hash == prompts.digest("compact") != prompts.digest("full")
    assert found.counts == {"train": {"rule": 4}, "valid": {"contrast": 1}, "test": {}}
    assert found.of() == ("r0", "r1")
    assert (found.items["r1/9"].kind, found.provenance) == ("contrast", {"journal": 9})
    assert read_dataset(tmp_path / "d").problems == ()
    assert open_dataset(tmp_path / "d").items("valid")[0].kind == "contrast"


def test_a_held_out_twin_is_left_out_by_the_writer_and_found_by_the_reader(tmp_path: Path) -> None:
    trained = item("a", asked="What is 42?")
    twin = item("b", "g#valid", asked="what  is 42 ")
    neighbour = item("c", "h#valid", asked="What is 43?")
    manifest = written(tmp_path / "d", trained, twin, neighbour)
    assert (manifest.twins, [*manifest.items]) == (1, ["a", "c"])
    with (tmp_path / "d" / "valid.jsonl").open("a") as file:
        file.write(json.dumps(twin.model_dump(mode="json")) + "\n")
    assert any(
        "prompt is that of train.jsonl:1" in str(p) for p in read_dataset(tmp_path / "d").problems
    )


def test_a_folder_that_is_not_new_and_a_disk_that_fails_are_told(tmp_path: Path) -> None:
    written(tmp_path / "d", item("a"))
    with pytest.raises(UsageError, match="something in"):
        written(tmp_path / "d", item("a"))
    with pytest.raises(UsageError, match="two items have the id 'a'"):
        written(tmp_path / "e", item("a"), item("a"))
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="something in"):
        written(tmp_path / "file", item("a"))
    with pytest.raises(StoreUnavailable, match="cannot write the dataset"):
        written(tmp_path / "file" / "d", item("a"))


@pytest.mark.parametrize("make", [general, protocol])
def test_replay_of_the_embedded_model_is_its_curriculum(make: Callable[..., list[Item]]) -> None:
    one, two = (make("compact", 20, 5, EMBEDDED_WEIGHTS) for _ in range(2))
    assert one == two
    assert len({i.group for i in one}) == 20
    assert sum(i.group.endswith("#valid") for i in one) == 2
    assert all(i.learned for i in one)


def test_half_of_the_mends_of_the_replay_are_free_of_contracts() -> None:
    items = protocol("compact", 40, 5, EMBEDDED_WEIGHTS)
    levels = Counter(i.messages[1].content.partition("\n")[2].partition(":")[0] for i in items)
    assert 10 < levels.pop("file") < 30  # nothing stands between the task and its file
    assert levels.keys() <= {"strict", "moderate", "flexible"} and "strict" in levels


def test_replay_of_larger_models_is_the_starter_set() -> None:
    kinds = {i.kind for i in protocol("full", 30, 5, EMBEDDED_WEIGHTS)}
    assert kinds <= {"tool", "level", "window"}
    assert {i.kind for i in general("full", 30, 5, EMBEDDED_WEIGHTS)}.isdisjoint(kinds)
