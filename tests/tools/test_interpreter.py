"""Which Python runs the user's tests."""

from __future__ import annotations

import os
import sys
import venv
from pathlib import Path

import pytest

from mcp_local_llm import UsageError
from tools.interpreter import choose_python, find_python, inspect


def make_venv(folder: Path) -> Path:
    venv.create(folder, with_pip=False, symlinks=True)
    return folder / "bin" / "python"


def add_to_path(python: Path, folder: str) -> None:
    """Let the environment import what lies in ``folder``, as a `.pth` file does."""
    (site,) = python.parent.parent.glob("lib/python*/site-packages")
    (site / "added.pth").write_text(folder + "\n")


def own_packages() -> str:
    return str(Path(pytest.__file__).parent.parent)


@pytest.fixture(autouse=True)
def no_active_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)


def test_the_configured_interpreter_comes_first(tmp_path: Path) -> None:
    make_venv(tmp_path / ".venv")
    chosen = choose_python(tmp_path, make_venv(tmp_path / "other"))
    assert chosen.path == tmp_path / "other" / "bin" / "python"
    assert "configuration" in chosen.why


def test_a_configured_name_is_looked_up_on_path_and_in_the_workspace(tmp_path: Path) -> None:
    make_venv(tmp_path / "env")
    assert find_python(tmp_path, Path("env/bin/python")) == tmp_path / "env" / "bin" / "python"
    assert find_python(tmp_path, Path("python3")).is_absolute()


def test_a_configured_interpreter_that_does_not_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'no/such/python' does not run"):
        choose_python(tmp_path, Path("no/such/python"))


def test_the_active_environment_beats_the_one_of_the_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_venv(tmp_path / ".venv")
    active = make_venv(tmp_path / "active")
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "active"))
    assert choose_python(tmp_path).path == active


def test_our_own_environment_does_not_count_as_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    assert choose_python(tmp_path).path != Path(sys.prefix, "bin", "python")


@pytest.mark.parametrize("name", [".venv", "venv"])
def test_an_environment_in_the_workspace_is_found(tmp_path: Path, name: str) -> None:
    assert choose_python(tmp_path).path != (python := make_venv(tmp_path / name))
    assert choose_python(tmp_path).path == python


def test_a_broken_environment_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to("/no/such/python")
    good = make_venv(tmp_path / "venv")
    assert choose_python(tmp_path).path == good


def test_python_on_path_counts_when_it_has_pytest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = make_venv(tmp_path / "elsewhere")
    add_to_path(python, own_packages())
    monkeypatch.setenv("PATH", os.pathsep.join([str(python.parent), os.environ["PATH"]]))
    chosen = choose_python(tmp_path)
    assert chosen.path.parent == python.parent
    assert "PATH" in chosen.why


def test_our_own_interpreter_is_the_last_resort_and_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = make_venv(tmp_path / "bare")
    monkeypatch.setenv("PATH", str(bare.parent))
    chosen = choose_python(tmp_path)
    assert chosen.path == Path(sys.executable)
    assert "our own" in chosen.why


def test_an_interpreter_tells_its_version_pytest_and_folders(tmp_path: Path) -> None:
    python = make_venv(tmp_path / "env")
    (tmp_path / "project").mkdir()
    bare = inspect(python)
    assert bare is not None
    assert bare.pytest is None
    add_to_path(python, f"{own_packages()}\n{tmp_path / 'project'}")
    known = inspect(python)
    assert known is not None
    assert known.pytest == pytest.__version__
    assert known.version == sys.version.split()[0]
    assert {tmp_path / "env", Path(sys.base_prefix), tmp_path / "project"} <= set(known.folders)


def test_a_file_of_the_current_folder_does_not_answer_for_the_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('hijacked')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert inspect(make_venv(tmp_path / "env")) is not None
