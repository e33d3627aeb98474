"""The command ``mcp-local-llm embedded``: wrong input, and the real crew on the shipped weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agents.weights import EMBEDDED_WEIGHTS
from graph.embedded_cli import main
from training.embedded.lessons import KINDS

pytestmark = pytest.mark.slow


def test_wrong_input_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["eval", "--n", "0"]) == 2
    assert main(["train", str(tmp_path), "--steps", "0"]) == 2
    assert main(["dance"]) == 2
    said = capsys.readouterr().err
    assert "--n is 0" in said and "--steps is 0" in said
    assert main(["eval", "--jobs", "0"]) == 2
    assert "--jobs is 0" in capsys.readouterr().err
    assert main(["train", str(tmp_path), "--device", "abacus"]) == 2
    assert "device 'abacus'" in capsys.readouterr().err
    assert main(["train", str(tmp_path), "--layers", "0"]) == 2
    assert "--layers is 0" in capsys.readouterr().err
    assert main(["train", str(tmp_path), "--layers", "3", "--from", str(EMBEDDED_WEIGHTS)]) == 2
    assert "has 6 layers, which cannot become 3" in capsys.readouterr().err


def test_lessons_are_counted_by_kind(state_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lessons", "--n", "0"]) == 2
    assert "--n is 0" in capsys.readouterr().err
    assert main(["lessons", "--n", "1", "--json"]) == 0
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert list(report["kinds"]) == list(KINDS)
    assert {part["of"] for part in report["kinds"].values()} == {1}
    assert f"{report['kinds']['shown']['right']}/1" in said.err  # its row, as it was known


def test_missing_weights_are_unavailable(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["eval", "--weights", str(tmp_path / "none"), "--n", "1"]) == 3
    assert "none" in capsys.readouterr().err


def test_the_shipped_weights_are_small() -> None:
    assert sum(p.stat().st_size for p in EMBEDDED_WEIGHTS.iterdir()) <= 16_000_000


def test_the_real_crew_is_measured_and_an_interrupted_evaluation_goes_on(
    state_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "outcomes.jsonl")]
    assert main(["eval", "--seed", "3", "--n", "1", *out]) == 0
    assert "held-out compositions" in capsys.readouterr().out
    assert main(["eval", "--seed", "3", "--n", "2", "--jobs", "2", "--json", *out]) == 0
    said = capsys.readouterr()
    assert "1 of 2 are there already" in said.err
    report = json.loads(said.out)
    assert (report["all"]["of"], report["resumed"]) == (2, 1)
    assert report["weights_bytes"] < 16_000_000
    assert {f["status"] for f in report["failures"]} <= {"delivered", "failed", "refused"}
    assert main(["eval", "--seed", "4", "--n", "2", *out]) == 2


def test_without_a_model_the_evaluation_stops_and_keeps_what_there_is(
    state_home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCP_LOCAL_LLM_MODEL__MEMORY_LIMIT_GB", "0.001")
    assert main(["eval", "--seed", "3", "--n", "2", "--again"]) == 3
    said = capsys.readouterr()
    assert "stays unavailable. 0 outcomes are kept in" in said.err
    assert str(state_home / "evaluations" / "seed-3-embedded-") in said.err
    assert said.out == ""
