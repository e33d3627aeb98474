"""The only place that starts other programs.

``run`` is for commands that end; ``spawn_detached`` is for a process that outlives its caller;
``probe`` is the blocking form for short questions ("does bwrap work here?").

Everywhere: argv lists (never a shell), a session of its own, a scrubbed environment, UTF-8 with
replacement. Not covered: a grandchild that starts its own session escapes the group kill; only the
sandbox (see ``tools.sandbox``) ends those too.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from mcp_local_llm import ToolRetry

DEFAULT_CAP_BYTES: Final = 256 * 1024
TERM_GRACE_S: Final = 2.0
DRAIN_S: Final = 0.5

# What a child may know of our environment; anything else (tokens, PYTHONPATH, GIT_*) stays here.
_KEPT = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM", "TMPDIR"}
)
_KEPT_PATTERN = re.compile(r"LC_[A-Z]+")


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended; ``code`` is ``-N`` when signal N ended it.

    ``stdout`` and ``stderr`` hold head and tail when ``truncated``; ``raw`` is stdout as bytes.
    Also ``truncated``: something that outlived the command still held its stdout open.
    """

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str
    timed_out: bool
    duration_s: float
    truncated: bool
    raw: bytes = field(default=b"", repr=False)


def scrubbed_env(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the allowed part of our environment plus ``extra``.

    Our own virtual environment's folder is taken off PATH: ``python`` must mean the user's.
    """
    env = {k: v for k, v in os.environ.items() if k in _KEPT or _KEPT_PATTERN.fullmatch(k)}
    if sys.prefix != sys.base_prefix:
        own = Path(sys.prefix, "bin")
        parts = env.get("PATH", os.defpath).split(os.pathsep)
        env["PATH"] = os.pathsep.join(p for p in parts if p and Path(p) != own)
    env.update(extra or {})
    return env


class _Capture(asyncio.Protocol):
    """Keeps the first and the last half of what arrives; counts the rest."""

    def __init__(self, cap_bytes: int) -> None:
        self._half = max(cap_bytes // 2, 1)
        self._head = bytearray()
        self._tail = bytearray()
        self.dropped = 0
        self.ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        room = self._half - len(self._head)
        self._head += data[:room]
        self._tail += data[room:] if room > 0 else data
        if len(self._tail) > 2 * self._half:  # trimmed rarely: trimming copies the tail
            self._trim()

    def _trim(self) -> None:
        excess = len(self._tail) - self._half
        if excess > 0:
            del self._tail[:excess]
            self.dropped += excess

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()

    def content(self) -> bytes:
        self._trim()
        mark = f"\n[... {self.dropped} bytes dropped ...]\n".encode() if self.dropped else b""
        return bytes(self._head) + mark + bytes(self._tail)


@contextlib.asynccontextmanager
async def _captured(cap_bytes: int) -> AsyncIterator[tuple[IO[bytes], _Capture]]:
    """Yield the end for the child to write to and the capture of what it writes.

    Our own pipes, not asyncio's: whether ``Process.wait`` waits for a grandchild that holds
    asyncio's pipe depends on the Python release.
    """
    read, write = os.pipe()
    with os.fdopen(read, "rb", 0) as ours, os.fdopen(write, "wb", 0) as theirs:
        transport, capture = await asyncio.get_running_loop().connect_read_pipe(
            lambda: _Capture(cap_bytes), ours
        )
        try:
            yield theirs, capture
        finally:
            transport.close()
            await asyncio.sleep(0)  # lets the transport close its file before the loop may end


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # gone, or macOS zombie
        os.killpg(pid, number)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the process and its group: TERM, a grace, KILL."""
    if process.returncode is None:
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TERM_GRACE_S):
                await process.wait()
    _signal_group(process.pid, signal.SIGKILL)
    await process.wait()


async def _start(
    argv: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    streams: tuple[IO[bytes] | int, IO[bytes], IO[bytes]],
) -> asyncio.subprocess.Process:
    """Start ``argv``; raise ToolRetry naming what is missing."""
    if not argv:
        raise ToolRetry("There is no command to run: name a program and its arguments.")
    try:
        return await asyncio.create_subprocess_exec(
            *argv,
            cwd=cwd,
            env=env,
            stdin=streams[0],
            stdout=streams[1],
            stderr=streams[2],
            start_new_session=True,
        )
    except FileNotFoundError as error:
        if str(error.filename) == str(cwd):
            raise ToolRetry(f"There is no folder {str(cwd)!r} to run {argv[0]!r} in.") from error
        raise ToolRetry(
            f"There is no command {argv[0]!r} on PATH. Check the spelling or use another program."
        ) from error
    except (OSError, ValueError) as error:
        raise ToolRetry(f"The command {argv[0]!r} could not be started: {error}.") from error


async def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    timeout_s: float,
    output_cap_bytes: int = DEFAULT_CAP_BYTES,
    stdin: bytes | None = None,
) -> Finished:
    """Run ``argv`` to its end, or to ``timeout_s``, and return what it said.

    ``env`` is the whole environment of the child (default: ``scrubbed_env()``). Whatever of the
    process group is left when the command has ended is killed; cancelling does the same.

    Raises:
        ToolRetry: the command or the folder does not exist, or may not be executed.
    """
    started = time.monotonic()
    timed_out = False
    async with (
        _captured(output_cap_bytes) as (out_end, out),
        _captured(output_cap_bytes) as (err_end, err),
    ):
        source = await asyncio.to_thread(_filled, stdin) if stdin else subprocess.DEVNULL
        try:
            whole = scrubbed_env() if env is None else env
            process = await _start(argv, Path(cwd), whole, (source, out_end, err_end))
        finally:
            if not isinstance(source, int):
                source.close()
        out_end.close()  # the child has its copies; ours would keep the pipes open
        err_end.close()
        try:
            async with asyncio.timeout(timeout_s):
                await process.wait()
            await _drained(out, err)
        except TimeoutError:
            timed_out = True
        finally:
            await _end(process)
        await _drained(out, err)
        raw = out.content()
        return Finished(
            argv=tuple(argv),
            code=process.returncode if process.returncode is not None else -signal.SIGKILL,
            stdout=raw.decode("utf-8", "replace"),
            stderr=err.content().decode("utf-8", "replace"),
            timed_out=timed_out,
            duration_s=time.monotonic() - started,
            truncated=bool(out.dropped or err.dropped) or not out.ended.is_set(),
            raw=raw,
        )


async def ask_script(
    script: Path, request: object, *, timeout_s: float, output_cap_bytes: int
) -> Finished:
    """Give ``request`` as JSON to a script of ours, in an isolated interpreter of its own."""
    return await run(
        [sys.executable, "-I", "-X", "utf8", str(script)],
        cwd=Path(sys.prefix),
        timeout_s=timeout_s,
        output_cap_bytes=output_cap_bytes,
        stdin=json.dumps(request).encode(),
    )


def _filled(content: bytes) -> IO[bytes]:
    """Return an open file of ``content``: unlike a pipe, it needs nobody to write on."""
    source = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    source.write(content)
    source.seek(0)
    return source


async def _drained(*captures: _Capture) -> None:
    """Wait for the pipes to end, but not for a grandchild that keeps one open."""
    for capture in captures:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await capture.ended.wait()


@contextlib.asynccontextmanager
async def scratch_folder() -> AsyncIterator[Path]:
    """Yield a new private folder, without symbolic links in its path; it goes at the end."""
    folder = await asyncio.to_thread(lambda: Path(tempfile.mkdtemp(prefix="local-llm-")).resolve())
    try:
        yield folder
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def probe(argv: Sequence[str], *, timeout_s: float, env: Mapping[str, str] | None = None) -> str:
    """Run a short question from ``/`` and return its stdout; an empty string when it fails.

    Blocking: from a coroutine, call it through ``asyncio.to_thread``.
    """
    try:
        done = subprocess.run(
            list(argv),
            cwd="/",  # not the workspace: its modules must not answer for the interpreter
            env=scrubbed_env() if env is None else dict(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            start_new_session=True,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""


@dataclass(frozen=True, slots=True)
class Spawned:
    """A process that was started and left running."""

    pid: int
    _process: subprocess.Popen[bytes] = field(repr=False)

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        return self._process.poll()

    def wait(self, timeout_s: float) -> int | None:
        """Wait for the end; return the exit code, or None when the time is over first."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, grace_s: float = TERM_GRACE_S) -> int:
        """End it and its group (TERM, then KILL after ``grace_s``); stopping twice is fine."""
        if self.poll() is None:
            _signal_group(self.pid, signal.SIGTERM)
            self.wait(grace_s)
        if self.poll() is None:
            _signal_group(self.pid, signal.SIGKILL)
        return self._process.wait()


def spawn_detached(
    argv: Sequence[str], *, cwd: Path, log: Path, env: Mapping[str, str] | None = None
) -> Spawned:
    """Start ``argv`` in a session of its own, appending its output to ``log``, and return.

    It outlives this process. A thread reaps it should it end while we still run.

    Raises:
        ToolRetry: the command does not exist or may not be executed.
        OSError: the log cannot be opened.
    """
    with log.open("ab") as sink:
        try:
            process = subprocess.Popen(
                list(argv),
                cwd=cwd,
                env=scrubbed_env() if env is None else dict(env),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise ToolRetry(f"{argv[0]!r} could not be started: {error}.") from error
    threading.Thread(target=process.wait, name=f"reap-{process.pid}", daemon=True).start()
    return Spawned(process.pid, process)


def run_on_terminal(argv: Sequence[str]) -> int:
    """Give the user's terminal to their own program, such as an editor; return its exit code.

    It runs in our session and with the user's own environment, and there is no time limit.

    Raises:
        ToolRetry: the command does not exist or may not be executed.
    """
    try:
        return subprocess.run(list(argv), check=False).returncode
    except (OSError, ValueError) as error:
        raise ToolRetry(f"{argv[0]!r} could not be started: {error}.") from error
