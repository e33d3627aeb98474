"""Settings: command line > environment > project > user > defaults, and clear errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph.settings import load_settings, user_config_path
from mcp_local_llm import UsageError


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The project's and the user's settings files, not written yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    project = tmp_path / "project" / ".mcp-local-llm" / "config.toml"
    for path in (project, user_config_path()):
        path.parent.mkdir(parents=True)
    return project, user_config_path()


def test_the_defaults_need_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    settings = load_settings(tmp_path)
    assert settings.model.profile is None
    assert settings.command.allow_unsandboxed is False
    assert settings.limits.implement_attempts == 3


def test_each_source_wins_over_the_next(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    project, user = places
    workspace = project.parents[1]
    user.write_text("[limits]\nturns = 1\nsteps = 1\ntokens = 1\n[model]\nprofile = 'user'\n")
    assert load_settings(workspace).limits.turns == 1
    project.write_text("[limits]\nturns = 2\nsteps = 2\n[model]\nprofile = 'project'\n")
    assert load_settings(workspace).limits.turns == 2
    monkeypatch.setenv("MCP_LOCAL_LLM_LIMITS__TURNS", "3")
    monkeypatch.setenv("MCP_LOCAL_LLM_MODEL__PROFILE", "environment")
    settings = load_settings(workspace, {"model": {"profile": "line"}})
    limits = settings.limits
    assert (settings.model.profile, limits.turns, limits.steps, limits.tokens) == ("line", 3, 2, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[limits]\nturns = 0\n", "limits.turns"),
        ("[limits]\nturn = 1\n", "limits.turn"),
        ("[nonsense]\nx = 1\n", "nonsense"),
        ("not toml", "config.toml"),
        ("review = ['everything']\n", "review.0"),
    ],
)
def test_a_wrong_setting_is_named(places: tuple[Path, Path], text: str, words: str) -> None:
    places[0].write_text(text)
    with pytest.raises(UsageError, match=words.replace(".", r"\.")):
        load_settings(places[0].parents[1])


def test_a_settings_file_that_is_no_text_is_named(places: tuple[Path, Path]) -> None:
    places[1].write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match=r"config\.toml"):
        load_settings(places[0].parents[1])


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[command]\nallow_unsandboxed = true\n", "command.allow_unsandboxed"),
        ("[command]\npython = '/tmp/python'\n", "command.python"),
        ("[model]\nbase_url = 'http://example.org/v1'\n", "model.base_url"),
        ("checkpoint_url = 'postgresql://elsewhere'\n", "checkpoint_url"),
    ],
)
def test_a_cloned_project_decides_neither_where_code_goes_nor_what_confines_it(
    places: tuple[Path, Path], text: str, named: str
) -> None:
    project, user = places
    project.write_text(text)
    with pytest.raises(UsageError, match=named):
        load_settings(project.parents[1])
    project.unlink()
    user.write_text(text)
    load_settings(project.parents[1])
