"""The command ``mcp-local-llm embedded``: wrong input, and the real crew on the shipped weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agents.weights import EMBEDDED_WEIGHTS
from graph.embedded_cli import main


def test_wrong_input_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["eval", "--n", "0"]) == 2
    assert main(["train", str(tmp_path), "--steps", "0"]) == 2
    assert main(["dance"]) == 2
    assert "--n is 0" in capsys.readouterr().err


def test_missing_weights_are_unavailable(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["eval", "--weights", str(tmp_path / "none"), "--n", "1"]) == 3
    assert "none" in capsys.readouterr().err


def test_the_shipped_weights_are_small() -> None:
    assert sum(p.stat().st_size for p in EMBEDDED_WEIGHTS.iterdir()) <= 16_000_000


def test_the_real_crew_is_measured_on_the_shipped_weights(
    state_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", "--seed", "3", "--n", "2", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["all"]["of"] == 2
    assert report["weights_bytes"] < 16_000_000
    assert {f["status"] for f in report["failures"]} <= {"delivered", "failed", "refused"}
