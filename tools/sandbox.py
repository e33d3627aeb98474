"""Confines a command: the workspace writable, everything else read-only, no network, no home.

On Linux bubblewrap does it, on macOS ``sandbox-exec`` (its profile is generated and tested as
text; it has not been run on macOS). Where neither works the command is refused unless the user's
configuration allows it.

Inside, the home folder is empty except for what the interpreter needs, read-only; ``/tmp`` and
``/run`` are private (Linux). A ``.git`` at the top of the workspace is read-only, so code under
test cannot redirect the git commands that run outside. The repository a worktree's ``.git`` file
points to is read-only, or hidden when it lies below home.

Not covered: limits on memory and processes; reading world-readable files outside home.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pwd
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from mcp_local_llm import ToolDenied
from tools.process import probe

Kind = Literal["bubblewrap", "sandbox-exec", "none"]

_PROBE_S: Final = 10.0
_PRIVATE: Final = ("/tmp", "/var/tmp", "/run")  # noqa: S108 - hidden from the command, not used
_CACHES: Final = (".cache/uv", ".cache/pip", "Library/Caches/uv", "Library/Caches/pip")


@dataclass(frozen=True, slots=True)
class CommandPolicy:
    """What the user's configuration says about commands.

    Without ``pytest_plugins``, pytest loads only the plugins that the project itself names.
    """

    python: Path
    allow_unsandboxed: bool = False
    timeout_s: float = 120.0
    output_cap_bytes: int = 32 * 1024
    readable: tuple[Path, ...] = ()
    pytest_plugins: bool = True


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A command line that runs confined, by what, and the variables it needs on top."""

    argv: tuple[str, ...]
    kind: Kind
    env: Mapping[str, str] = field(default_factory=dict)


def wrap(
    argv: Sequence[str],
    *,
    workspace: Path,
    readable: Iterable[Path] = (),
    network: bool = False,
    scratch: Path | None = None,
    allow_unsandboxed: bool = False,
    kind: Kind | None = None,
) -> Wrapped:
    """Return ``argv`` confined to ``workspace``.

    ``readable`` is bound read-only even below home; ``scratch`` is one more writable folder;
    ``kind`` is detected unless given. Blocking on the first call (it tries the sandbox out).

    Raises:
        ToolDenied: no sandbox works here and the configuration does not allow going without,
            or the workspace is the home folder or above it.
    """
    kind = sandbox_kind() if kind is None else kind
    workspace = workspace.resolve()
    if kind == "none":
        if not allow_unsandboxed:
            raise ToolDenied(_refusal(argv))
        return Wrapped(tuple(argv), "none")
    if _holds_home(workspace):
        raise ToolDenied(
            f"The workspace {str(workspace)!r} holds the home folder, which commands must not see."
            " Use a project folder below it."
        )
    visible = _visible(workspace, readable)
    if kind == "bubblewrap":
        built = _bubblewrap(visible, workspace, scratch, network)
        return Wrapped((*built, "--", *argv), kind, {"TMPDIR": "/tmp"})  # noqa: S108 - private
    writable = (workspace,) if scratch is None else (workspace, scratch.resolve())
    profile = macos_profile(_homes(), visible, writable, network=network)
    env = {"TMPDIR": str(writable[-1])}
    return Wrapped(("/usr/bin/sandbox-exec", "-p", profile, *argv), kind, env)


@functools.cache
def sandbox_kind() -> Kind:
    """Return what confines commands on this machine, found by really using it once."""
    if sys.platform == "darwin":
        found = probe(
            ["/usr/bin/sandbox-exec", "-p", _DENY_NETWORK, "/bin/echo", "ok"], timeout_s=5
        )
        return "sandbox-exec" if found else "none"
    if shutil.which("bwrap") is None:
        return "none"
    with tempfile.TemporaryDirectory() as folder:  # containers often forbid user namespaces
        trial = _bubblewrap((), Path(folder), None, network=False)
        found = probe([*trial, "--", "/bin/sh", "-c", "echo ok"], timeout_s=_PROBE_S)
    return "bubblewrap" if found else "none"


def _refusal(argv: Sequence[str]) -> str:
    what = "install bubblewrap" if sys.platform != "darwin" else "use a macOS with sandbox-exec"
    return (
        f"The command {' '.join(argv[:3])!r} was not run: no sandbox works on this machine. Either "
        f"{what}, or allow it in ~/.config/mcp-local-llm/config.toml:\n"
        "[command]\nallow_unsandboxed = true"
    )


def _homes() -> list[Path]:
    """Return the home folder by the environment and by the user database; usually one."""
    named = [os.environ.get("HOME", "/")]
    with contextlib.suppress(KeyError):  # containers run as users that the database lacks
        named.append(pwd.getpwuid(os.getuid()).pw_dir)
    return sorted({Path(name).resolve() for name in named} - {Path("/")})


def _holds_home(path: Path) -> bool:
    return any(home.is_relative_to(path) for home in _homes())


def _visible(workspace: Path, readable: Iterable[Path]) -> tuple[Path, ...]:
    """Return what to bind read-only, outermost first; never home itself or a folder above it."""
    caches = (home / cache for home in _homes() for cache in _CACHES)
    wanted = [*readable, *caches, *_project(workspace)]
    both = {form for path in wanted for form in (path.absolute(), path.resolve())}
    kept = (path for path in both if path.exists() and not _holds_home(path.resolve()))
    return tuple(sorted(kept, key=lambda path: (len(path.parts), str(path))))


def _project(workspace: Path) -> list[Path]:
    """Return the work tree that ``workspace`` is a subfolder of, if it is one."""
    for folder in (workspace, *workspace.parents):
        if (folder / ".git").exists():
            return [folder]
    return []


def _bubblewrap(
    visible: Iterable[Path], workspace: Path, scratch: Path | None, network: bool
) -> list[str]:
    argv = [shutil.which("bwrap") or "bwrap", "--die-with-parent"]
    argv += ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    argv += ["--unshare-cgroup-try"] + ([] if network else ["--unshare-net"])
    argv += ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    for hidden in (*_PRIVATE, *map(str, _homes())):
        if Path(hidden).is_dir() and not Path(hidden).is_symlink():
            argv += ["--tmpfs", hidden]
    for path in visible:
        argv += ["--ro-bind", str(path), str(path)]
    argv += ["--bind", str(workspace), str(workspace)]
    if (workspace / ".git").exists():
        argv += ["--ro-bind", str(workspace / ".git"), str(workspace / ".git")]
    if scratch is not None:
        argv += ["--bind", str(scratch.resolve()), str(scratch.resolve())]
    return [*argv, "--chdir", str(workspace)]


_DENY_NETWORK: Final = "(version 1)(allow default)(deny network*)"


def macos_profile(
    homes: Iterable[Path],
    readable: Iterable[Path],
    writable: Iterable[Path],
    *,
    network: bool = False,
) -> str:
    """Return the ``sandbox-exec`` profile; in it, a later rule wins over an earlier one.

    Unverified on macOS. ``/tmp`` is not private there: it is read-only, and TMPDIR names a
    writable folder instead.
    """
    writable = tuple(writable)
    lines = ["(version 1)", "(allow default)", "(deny file-write*)"]
    if not network:
        lines.append("(deny network*)")
    lines += [f"(deny file-read-data (subpath {_quoted(home)}))" for home in homes]
    lines += [f"(allow file-read* (subpath {_quoted(p)}))" for p in (*readable, *writable)]
    lines += [f"(allow file-write* (subpath {_quoted(p)}))" for p in writable]
    lines.append('(allow file-write* (literal "/dev/null") (literal "/dev/zero"))')
    lines += [f"(deny file-write* (subpath {_quoted(p / '.git')}))" for p in writable]
    return "\n".join(lines) + "\n"


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
