"""How commands are started, limited and ended."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it ships no types
import pytest

from mcp_local_llm import ToolRetry
from tests.waiting import until
from tools.process import Finished, probe, run, scrubbed_env, spawn_detached


async def shell(script: str, cwd: Path, timeout_s: float = 60, cap: int = 10_000) -> Finished:
    return await run(["sh", "-c", script], cwd=cwd, timeout_s=timeout_s, output_cap_bytes=cap)


async def gone(pid: int) -> bool:
    """Wait, bounded, until the process has ended (a zombie has)."""
    for _ in range(500):
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        await asyncio.sleep(0.02)
    return False


async def test_a_command_gives_back_its_code_and_both_outputs(tmp_path: Path) -> None:
    done = await shell("echo out; echo err >&2; exit 3", tmp_path)
    assert (done.code, done.stdout, done.stderr) == (3, "out\n", "err\n")
    assert not done.timed_out
    assert not done.truncated


async def test_a_command_runs_in_the_named_folder(tmp_path: Path) -> None:
    assert (
        await run(["pwd", "-P"], cwd=tmp_path, timeout_s=60)
    ).stdout.strip() == os.path.realpath(tmp_path)


async def test_stdin_reaches_the_command_even_when_it_is_large(tmp_path: Path) -> None:
    done = await run(["wc", "-c"], cwd=tmp_path, timeout_s=60, stdin=b"x" * 1_000_000)
    assert done.stdout.strip() == "1000000"


async def test_a_command_that_ignores_its_stdin_does_not_hang(tmp_path: Path) -> None:
    assert (await run(["true"], cwd=tmp_path, timeout_s=60, stdin=b"x" * 1_000_000)).code == 0


async def test_without_stdin_a_command_reads_an_end(tmp_path: Path) -> None:
    assert (await run(["cat"], cwd=tmp_path, timeout_s=60)).stdout == ""


async def test_a_long_output_keeps_head_and_tail_and_says_what_is_missing(tmp_path: Path) -> None:
    script = "import sys; sys.stdout.write('H' * 70_000 + 'm' * 500_000 + 'T' * 70_000)"
    argv = [sys.executable, "-c", script]
    done = await run(argv, cwd=tmp_path, timeout_s=60, output_cap_bytes=1000)
    found = re.fullmatch(r"(H+)\n\[\.\.\. (\d+) bytes dropped \.\.\.\]\n(T+)", done.stdout)
    assert found
    assert done.truncated
    assert len(found[1]) == len(found[3]) == 500
    assert int(found[2]) == 640_000 - 1000


async def test_an_output_of_exactly_the_cap_is_whole(tmp_path: Path) -> None:
    done = await run(["printf", "%01000d", "7"], cwd=tmp_path, timeout_s=60, output_cap_bytes=1000)
    assert len(done.stdout) == 1000
    assert not done.truncated


async def test_bytes_that_are_not_utf8_are_replaced_in_text_and_kept_raw(tmp_path: Path) -> None:
    done = await run(["printf", r"\377a"], cwd=tmp_path, timeout_s=60)
    assert done.stdout == "\N{REPLACEMENT CHARACTER}a"
    assert done.raw == b"\xffa"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["no-such-program-here"], "no command 'no-such-program-here'"),
        (["/etc/passwd"], "could not be started"),
        (["echo", "a\0b"], "could not be started"),
        ([], "no command to run"),
    ],
)
async def test_what_cannot_be_started_is_named(argv: list[str], words: str, tmp_path: Path) -> None:
    with pytest.raises(ToolRetry, match=words):
        await run(argv, cwd=tmp_path, timeout_s=60)


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolRetry, match=r"no folder .*absent"):
        await run(["true"], cwd=tmp_path / "absent", timeout_s=60)


async def test_the_time_limit_ends_the_whole_group_even_if_it_ignores_term(tmp_path: Path) -> None:
    script = "trap '' TERM; sh -c 'trap \"\" TERM; echo $$; sleep 600' & wait; sleep 600"
    done = await shell(script, tmp_path, timeout_s=1)
    assert done.timed_out
    assert done.code == -signal.SIGKILL
    assert await gone(int(done.stdout))


async def test_a_command_may_say_something_when_it_is_told_to_end(tmp_path: Path) -> None:
    script = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    done = await shell(script, tmp_path, timeout_s=1)
    assert done.timed_out
    assert done.stdout == "up\nbye\n"


async def test_a_background_process_that_keeps_the_output_open_is_ended(tmp_path: Path) -> None:
    done = await shell("sleep 600 & echo $!", tmp_path)
    assert done.code == 0
    assert not done.timed_out
    assert await gone(int(done.stdout))


async def test_a_background_process_with_its_own_session_does_not_hang_us(tmp_path: Path) -> None:
    script = (
        "import subprocess; p = subprocess.Popen(['sleep', '600'], start_new_session=True);"
        "print(p.pid); p.returncode = 0"
    )
    done = await run([sys.executable, "-c", script], cwd=tmp_path, timeout_s=60)
    os.kill(int(done.stdout), signal.SIGKILL)  # out of the group's reach, as documented
    assert done.code == 0


async def test_cancelling_ends_the_command(tmp_path: Path) -> None:
    task = asyncio.create_task(shell(f"echo $$ > {tmp_path}/pid; exec sleep 600", tmp_path))
    pid = tmp_path / "pid"
    for _ in range(500):
        if pid.exists() and pid.read_text().strip():
            break
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await gone(int(pid.read_text()))


async def test_a_cancellation_as_the_command_ends_is_not_lost(tmp_path: Path) -> None:
    others = set(psutil.Process().children())  # of tests before this one
    for turns in range(8):
        task = asyncio.create_task(run(["sh", "-c", ": > begun"], cwd=tmp_path, timeout_s=30))
        while not (tmp_path / "begun").exists():
            await asyncio.sleep(0)
        (tmp_path / "begun").unlink()
        until(lambda: is_over(set(psutil.Process().children()) - others))
        for _ in range(turns):  # in one of them the loop learns of the end and of this at once
            await asyncio.sleep(0)
        if not task.cancel():
            break
        with pytest.raises(asyncio.CancelledError):
            await task


def is_over(children: set[psutil.Process]) -> bool:
    return all(child.status() == psutil.STATUS_ZOMBIE for child in children)


async def test_commands_side_by_side_keep_their_outputs_apart(tmp_path: Path) -> None:
    done = await asyncio.gather(*(shell(f"echo {n}", tmp_path) for n in range(40)))
    assert [one.stdout for one in done] == [f"{n}\n" for n in range(40)]


async def test_secrets_and_our_own_python_settings_do_not_reach_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("API_TOKEN", "AWS_SECRET_ACCESS_KEY", "PYTHONPATH", "VIRTUAL_ENV", "GIT_DIR"):
        monkeypatch.setenv(name, "leaked")
    monkeypatch.setenv("LC_CTYPE", "C.UTF-8")
    said = (await run(["env"], cwd=tmp_path, timeout_s=60)).stdout
    assert "leaked" not in said
    assert "LC_CTYPE=C.UTF-8" in said
    assert "PATH=" in said


def test_our_own_environment_is_taken_off_path(monkeypatch: pytest.MonkeyPatch) -> None:
    own = str(Path(sys.prefix, "bin"))
    monkeypatch.setenv("PATH", os.pathsep.join([own, "/usr/bin"]))
    kept = scrubbed_env()["PATH"].split(os.pathsep)
    assert "/usr/bin" in kept
    assert (own in kept) == (sys.prefix == sys.base_prefix)


def test_extra_variables_are_added() -> None:
    assert scrubbed_env({"PYTHONPATH": "/x"})["PYTHONPATH"] == "/x"


def test_a_probe_answers_or_is_empty() -> None:
    assert probe(["echo", "yes"], timeout_s=30) == "yes\n"
    assert probe(["false"], timeout_s=30) == ""
    assert probe(["no-such-program-here"], timeout_s=30) == ""
    assert probe(["sleep", "600"], timeout_s=0.2) == ""


def test_a_detached_process_has_its_own_session_and_writes_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    spawned = spawn_detached(["sh", "-c", "echo out; echo err >&2"], cwd=tmp_path, log=log)
    assert spawned.wait(60) == 0
    assert log.read_text() == "before\nout\nerr\n"
    sleeper = spawn_detached(["sleep", "600"], cwd=tmp_path, log=log)
    assert os.getsid(sleeper.pid) == sleeper.pid
    assert sleeper.poll() is None
    assert sleeper.wait(0.05) is None
    assert sleeper.stop() == -signal.SIGTERM
    assert sleeper.stop() == -signal.SIGTERM


def test_a_detached_process_that_ignores_term_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = "trap '' TERM; echo up; while :; do sleep 0.05; done"
    spawned = spawn_detached(["sh", "-c", script], cwd=tmp_path, log=log)
    for _ in range(500):
        if log.read_text():
            break
        spawned.wait(0.02)
    assert spawned.stop(grace_s=0.2) == -signal.SIGKILL


def test_a_detached_process_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolRetry, match="'no-such-program-here' could not be started"):
        spawn_detached(["no-such-program-here"], cwd=tmp_path, log=tmp_path / "log")
