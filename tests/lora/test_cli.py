"""The commands ``dataset``, ``train`` and ``bench-train``."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from graph.dataset_cli import main as dataset
from graph.train_cli import bench_train, train
from graph.train_progress import training_display
from training.lora.checkpoint import identify
from training.lora.loop import run_job
from training.lora.recipe import Budget, Recipe, read_recipe
from training.lora.records import Aimed, Job, Planned, Stepped, Validated

WriteDataset = Callable[..., Path]
Conversation = Callable[..., dict[str, Any]]


@pytest.fixture
def recipe_file(quick: Recipe, tmp_path: Path) -> Path:
    file = tmp_path / "recipe.yaml"
    file.write_text(quick.model_dump_json())
    return file


def test_validate_says_what_is_wrong_and_stats_counts(
    write_dataset: WriteDataset, conversation: Conversation, random_checkpoint: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    rows = [conversation(1, "a", "b"), conversation(2, "a", "x" * 99), conversation(3, "a", "b")]
    folder = write_dataset(train=rows)
    options = [str(folder), "--model", str(random_checkpoint), "--max-tokens", "50"]
    assert dataset(["stats", *options]) == 0
    said = capsys.readouterr().out
    assert "train: 3 items in 3 groups, 6 messages" in said
    assert "1 items have more than 50 tokens" in said and "1 items repeat" in said
    assert dataset(["stats", *options, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parts"]["train"]["items"] == 3
    assert dataset(["validate", *options]) == 1
    said = capsys.readouterr().out
    assert "train.jsonl:2: too long: " in said and "1 problems in 3 train, 0 valid, 0 test" in said
    assert dataset(["validate", *options[:3], "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "problems": [], "items": {"train": 3, "valid": 0, "test": 0},
    }  # fmt: skip
    assert dataset(["validate", "nowhere"]) == 2


def test_train_shows_what_is_finished_and_refuses_what_is_wrong(
    letters: Path, random_checkpoint: Path, recipe_file: Path, ample: Budget, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "out"
    out.mkdir()
    recipe = read_recipe(recipe_file, Recipe())
    job = Job(dataset=letters, model=random_checkpoint, out=out, recipe=recipe, budget=ample)
    run_job(job, identify(job), lambda _: None)
    words = [str(letters), "--model", str(random_checkpoint), "--recipe", str(recipe_file)]
    words += ["--out", str(out)]
    assert train(words) == 0
    said = capsys.readouterr().out
    assert "trained to the end: 10 iterations (2 epochs)" in said
    assert f"adapter: {out}" in said
    assert train([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stopped"] == "done"
    picture = ElementTree.fromstring((out / "curve.svg").read_text("utf-8"))
    assert len([*picture.iter("{http://www.w3.org/2000/svg}polyline")]) == 2

    assert train([*words[:-1], str(tmp_path / "new"), "--resume"]) == 2
    assert "nothing to resume" in capsys.readouterr().err
    assert train([*words, "--budget-minutes", "0"]) == 2
    assert "--budget-minutes is 0" in capsys.readouterr().err
    assert train([str(tmp_path / "nowhere")]) == 2
    assert train([str(letters), "--model", str(tmp_path)]) == 3


def test_bench_train_measures_and_gives_a_verdict(
    random_checkpoint: Path, recipe_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--model", str(random_checkpoint), "--recipe", str(recipe_file), "--memory-gb", "8"]
    assert bench_train([*words, "--tokens", "9"]) == 2
    assert "an item of 9 tokens cannot be made" in capsys.readouterr().err
    assert bench_train([*words, "--iterations", "1"]) == 2
    recipe_file.write_text(recipe_file.read_text().replace('"max_tokens":64', '"max_tokens":400'))
    capsys.readouterr()
    words += ["--tokens", "300", "--iterations", "3", "--examples", "1000000"]
    assert bench_train([*words, "--budget-minutes", "1"]) == 0
    said = capsys.readouterr()
    assert "1000000 examples x 2 epochs are 1000000 iterations" in said.out
    assert "does NOT fit into 1 minutes" in said.out
    assert said.err.splitlines()[0].startswith("6 items, 0 held out, 3 iterations, longest ")
    assert [line.split()[0] for line in said.err.splitlines()[1:]] == ["1/3", "2/3", "3/3"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "xterm")
    screen = Terminal()
    with training_display(screen) as show:
        show(
            Planned(
                items=8, valid_items=2, dropped_too_long=1, longest_tokens=40, iterations=4,
                done=2, estimate_gb=0.5,
            )
        )  # fmt: skip
        show(Aimed(done=32, of=64))
        show(Validated(iteration=2, loss=1.25))
        for at in (3, 4):
            show(
                Stepped(
                    iteration=at, iterations=4, loss=1.5, tokens=100 * at, seconds=2.0 * at,
                    peak_memory_gb=0.25,
                )
            )  # fmt: skip
    lines = io.StringIO()
    with training_display(lines) as show:
        show(Aimed(done=32, of=64))
        show(Aimed(done=64, of=64))
    assert lines.getvalue() == "  choosing directions, 64 of 64 items\n"
    said = screen.getvalue()
    assert "1 are too long and left out; going on after iteration 2" in said
    assert "4/4" in said
    assert "loss 1.500, 50 tokens/s, 0.25 GiB, held out 1.250" in said
