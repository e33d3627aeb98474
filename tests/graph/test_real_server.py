"""A run against the real server; the model has random weights, so only an honest failure is due."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.graph.conftest import Demo, Run


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_real_model_that_babbles_fails_the_run_with_its_costs_counted(
    home: Path,
    state_home: Path,
    random_checkpoint: Path,
    run: Run,
    demo: Demo,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = {
        "MODEL__PROFILE": "local",
        "MODEL__MODEL_PATH": str(random_checkpoint),
        "MODEL__PROMPTS": "compact",
        "MODEL__MAX_TOKENS": "24",
        "LIMITS__TURNS": "2",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"MCP_LOCAL_LLM_{name}", value)
    monkeypatch.setenv("MCP_LOCAL_LLM_HOME", str(state_home))
    ended = run(demo.task, "--json")
    assert (ended.code, ended.result["status"]) == (1, "failed"), ended.err
    assert "no usable plan" in ended.result["reason"]
    first, second = ended.result["steps"][0]["exchanges"]
    assert first["completion_tokens"] == second["completion_tokens"] == 24
    assert second["cached_tokens"] >= first["prompt_tokens"]
    assert ended.result["model"] == random_checkpoint.name


@pytest.mark.slow
def test_a_missing_model_folder_is_a_model_error(
    home: Path, run: Run, demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCP_LOCAL_LLM_MODEL__MODEL_PATH", str(tmp_path / "nowhere"))
    ended = run(demo.task, "--model", "local")
    assert (ended.code, "nowhere" in ended.err) == (3, True)
    assert "graph-run resume" in ended.err
