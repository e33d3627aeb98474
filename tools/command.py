"""``cmd.run``: one command of the model, confined, with a time limit and an output cap."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Final

from mcp_local_llm import ToolDenied, ToolRetry
from tools import git_settings, interpreter, process
from tools.context import ToolContext
from tools.preserve.guard import BreaksContract
from tools.process import Finished
from tools.sandbox import CommandPolicy, Kind, Wrapped, wrap
from tools.wire import ToolCall

_SHELL_WORDS: Final = frozenset({"|", "||", "&&", "&", ";", "<", ">", ">>", "2>", "2>&1"})
_PYTHON_WORDS: Final = frozenset({"python", "python3"})


async def cmd_run(call: ToolCall, context: ToolContext) -> str:
    """Run ``argv="prog arg …"`` in the workspace and return its exit code and output.

    The line is split like a shell would, but no shell runs it. ``python`` and ``pytest`` mean the
    user's interpreter. An exit code other than 0 is an answer, not a fault.

    Raises:
        ToolRetry: the line cannot be split, is empty, uses the shell, or names no program.
        ToolDenied: no sandbox works here and the configuration does not allow going without; or
            it went without, and changed git's hooks or settings.
        BreaksContract: it changed what must not change; those files are as before again.
    """
    argv = _split(call.args.get("argv") or call.args.get("command") or "")
    guard = context.guard
    before = await guard.repo.snapshot() if guard else ""
    try:
        finished, kind = await run_confined(argv, context.workspace, context.command)
    except ToolDenied:
        if guard:
            await guard.put_back(before)
        raise
    if guard and (broken := await guard.put_back(before)):
        raise BreaksContract(broken, f"The command {argv[0]!r} ran, and these files were put back")
    return _told(finished, kind)


def _split(line: str) -> list[str]:
    try:
        argv = shlex.split(line)
    except ValueError as error:
        raise ToolRetry(f"The command line {line!r} cannot be split: {error}.") from error
    if not argv:
        raise ToolRetry('cmd.run needs a command, for instance argv="python -m pytest -q".')
    used = [word for word in argv if word in _SHELL_WORDS]
    if used:
        raise ToolRetry(f"There is no shell, so {used[0]!r} means nothing. Run one command a call.")
    return argv


async def run_confined(
    argv: list[str],
    workspace: Path,
    policy: CommandPolicy,
    *,
    extra_env: dict[str, str] | None = None,
    scratch: Path | None = None,
) -> tuple[Finished, Kind]:
    """Run ``argv`` in ``workspace`` under ``policy``; return how it ended and what confined it.

    Raises:
        ToolRetry: there is no such program.
        ToolDenied: see ``sandbox.wrap``; or without a sandbox it changed git's hooks or settings,
            which were put back.
    """
    async with process.scratch_folder() as own:
        wrapped = await asyncio.to_thread(_confined, argv, workspace, policy, scratch or own)
        async with git_settings.kept(workspace) if wrapped.kind == "none" else nullcontext():
            finished = await process.run(
                wrapped.argv,
                cwd=workspace,
                env={**wrapped.env, **(extra_env or {})},
                timeout_s=policy.timeout_s,
                output_cap_bytes=policy.output_cap_bytes,
            )
    return finished, wrapped.kind


def _confined(argv: list[str], workspace: Path, policy: CommandPolicy, scratch: Path) -> Wrapped:
    """Return the command confined, with its whole environment. Blocking."""
    env = python_env(workspace, policy.python)
    if not policy.pytest_plugins:
        env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    known = interpreter.inspect(policy.python)
    wrapped = wrap(
        _resolved(argv, policy.python, workspace, env["PATH"]),
        workspace=workspace,
        readable=(*policy.readable, *(known.folders if known else ())),
        scratch=scratch,
        allow_unsandboxed=policy.allow_unsandboxed,
    )
    return Wrapped(wrapped.argv, wrapped.kind, {**env, **wrapped.env})


def python_env(workspace: Path, python: Path) -> dict[str, str]:
    """Return the environment in which ``workspace``'s own code wins and leaves no bytecode.

    Bytecode is off because an edit within the same second and of the same size would otherwise
    run the old code.
    """
    env = process.scrubbed_env()
    env["PATH"] = os.pathsep.join([str(python.parent), env.get("PATH", os.defpath)])
    env["PYTHONPATH"] = os.pathsep.join(str(root) for root in import_roots(workspace))
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    return env


def import_roots(workspace: Path) -> tuple[Path, ...]:
    """Return the folders of ``workspace`` that modules are imported from, first one first."""
    source = workspace / "src"
    return (workspace, source) if source.is_dir() else (workspace,)


def _resolved(argv: list[str], python: Path, workspace: Path, path: str) -> list[str]:
    """Return ``argv`` with a program that exists: inside a sandbox, a missing one looks alike."""
    if argv[0] in _PYTHON_WORDS:
        return [str(python), *argv[1:]]
    if argv[0] == "pytest":
        return [str(python), "-m", "pytest", *argv[1:]]
    found = shutil.which(str(workspace / argv[0]) if "/" in argv[0] else argv[0], path=path)
    if found is None:
        raise ToolRetry(
            f"There is no command {argv[0]!r} here. Check the spelling or use another program."
        )
    return [found, *argv[1:]]


def _told(finished: Finished, kind: Kind) -> str:
    ended = f"time limit of {finished.duration_s:.0f} s reached" if finished.timed_out else ""
    parts = [ended or f"exit {finished.code}"]
    if kind == "none":
        parts[0] += " (not sandboxed, as the configuration allows)"
    parts += [f"stdout:\n{finished.stdout.rstrip()}"] if finished.stdout.strip() else []
    parts += [f"stderr:\n{finished.stderr.rstrip()}"] if finished.stderr.strip() else []
    return "\n".join(parts)
