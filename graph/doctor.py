"""``mcp-local-llm doctor``: what is missing, and the command that mends it."""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal

from agents.home import state_home
from memory.records import Record

_MIN_FREE_BYTES: Final = 500_000_000


class Finding(Record):
    """One thing that was looked at; ``mend`` is what to do when it is not ``ok``."""

    name: str
    state: Literal["ok", "warning", "missing"]
    found: str
    mend: str = ""


def examine(workspace: Path) -> tuple[Finding, ...]:
    """Look at everything a run in ``workspace`` needs.

    Starts no server; the embedded model is unpacked into the state folder if it was not before.
    """
    checks: tuple[Callable[[Path], Finding], ...] = (
        _python,
        _git,
        _repository,
        _sandbox,
        _interpreter,
        _state_folder,
        _server,
        _model,
    )
    return tuple(check(workspace) for check in checks)


def _python(_: Path) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(name="python", state="ok", found=f"{version} at {sys.executable}")


def _git(_: Path) -> Finding:
    path = shutil.which("git")
    if path:
        return Finding(name="git", state="ok", found=path)
    mend = "xcode-select --install" if sys.platform == "darwin" else "install the package git"
    return Finding(name="git", state="missing", found="no git on PATH", mend=mend)


def _repository(workspace: Path) -> Finding:
    from mcp_local_llm import LocalLLMError
    from tools.gitrepo import Repo

    if not workspace.is_dir():
        mend = "give the project's folder with --workspace"
        found = f"there is no folder {str(workspace)!r}"
        return Finding(name="repository", state="missing", found=found, mend=mend)
    try:
        repo = asyncio.run(Repo.open(workspace))
    except (LocalLLMError, OSError) as error:
        mend = f"git init {workspace}   (or graph-run --init-git)"
        return Finding(name="repository", state="warning", found=str(error), mend=mend)
    return Finding(name="repository", state="ok", found=str(repo.root))


def _sandbox(_: Path) -> Finding:
    from tools.sandbox import sandbox_kind

    kind = sandbox_kind()
    if kind != "none":
        return Finding(name="sandbox", state="ok", found=kind)
    mend = (
        "install the package bubblewrap, or set `allow_unsandboxed = true` under [command] in "
        "~/.config/mcp-local-llm/config.toml"
    )
    return Finding(name="sandbox", state="warning", found="none works here", mend=mend)


def _interpreter(workspace: Path) -> Finding:
    from graph.settings import load_settings
    from mcp_local_llm import UsageError
    from tools.interpreter import choose_python, inspect

    try:
        choice = choose_python(workspace, load_settings(workspace).command.python)
    except UsageError as error:
        mend = "mend the settings"
        return Finding(name="test python", state="missing", found=str(error), mend=mend)
    known = inspect(choice.path)
    if known is None or known.pytest is None:
        mend = f"{choice.path} -m pip install pytest"
        found = f"{choice.path} has no pytest"
        return Finding(name="test python", state="missing", found=found, mend=mend)
    found = f"{choice.path} ({choice.why}), pytest {known.pytest}"
    return Finding(name="test python", state="ok", found=found)


def _state_folder(_: Path) -> Finding:
    home = state_home()
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    words = f"{home}, {free / 1e9:.1f} GB free"
    if not os.access(there, os.W_OK):
        mend = "export MCP_LOCAL_LLM_HOME=FOLDER   (one you can write)"
        return Finding(name="state folder", state="missing", found=words, mend=mend)
    if free < _MIN_FREE_BYTES:
        mend = "free some space, or point MCP_LOCAL_LLM_HOME elsewhere"
        return Finding(name="state folder", state="warning", found=words, mend=mend)
    return Finding(name="state folder", state="ok", found=words)


def _server(_: Path) -> Finding:
    if importlib.util.find_spec("mlx_lm") is not None:
        return Finding(name="mlx_lm", state="ok", found="installed")
    mend = "pip install mlx-lm   (on Linux also 'mlx[cpu]'), or set `base_url` under [model]"
    return Finding(name="mlx_lm", state="warning", found="not installed", mend=mend)


def _model(workspace: Path) -> Finding:
    from agents.profiles import resolve_profile
    from graph.settings import load_settings
    from mcp_local_llm import LocalLLMError, UsageError

    try:
        profile = resolve_profile(None, load_settings(workspace).model)
    except UsageError as error:
        return Finding(name="model", state="missing", found=str(error), mend="mend the settings")
    except LocalLLMError as error:
        mend = "mcp-local-llm model download NAME, or choose another with --model"
        return Finding(name="model", state="missing", found=str(error), mend=mend)
    where = str(profile.model_path or profile.base_url)
    return Finding(name="model", state="ok", found=f"{profile.name} at {where}")


def main(argv: Sequence[str] | None = None) -> int:
    """Print the findings; 0 when nothing is missing, else 3."""
    parser = argparse.ArgumentParser(prog="mcp-local-llm doctor", description=__doc__)
    parser.add_argument("--workspace", type=Path, default=Path(), metavar="DIR")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(argv)
    findings = examine(options.workspace.expanduser().absolute())
    if options.json:
        body = {"findings": [finding.model_dump() for finding in findings]}
        sys.stdout.write(json.dumps(body) + "\n")
    else:
        for finding in findings:
            sys.stdout.write(f"{finding.state:<8} {finding.name}: {finding.found}\n")
            if finding.mend:
                sys.stdout.write(f"{'':<8} → {finding.mend}\n")
    return 3 if any(finding.state == "missing" for finding in findings) else 0
