"""Sharing one real model server between commands, and surviving whatever dies."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import stat
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it ships no types
import pytest

from agents.chat import ChatModel, Message, ModelLost
from agents.home import owner_of, socket_path
from agents.lease import Lease, acquire, resident_status, stop_resident
from agents.profiles import ModelConfig, resolve_profile
from agents.protocol import LINE_LIMIT_BYTES, MAX_CLIENTS, ResidentStatus
from agents.resident import AlreadyRunning, Resident, main
from agents.server import end_orphans
from agents.serving import LeasedModel, open_model
from mcp_local_llm import ModelUnavailable, StoreUnavailable
from tools.process import run

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]

HELLO = (Message(role="user", content="hello"),)


def settings_for(folder: Path, **changes: object) -> ModelConfig:
    return ModelConfig.model_validate(
        {"model_path": folder, "context_tokens": 1900, "ready_timeout_s": 120} | changes
    )


async def eventually(condition: Callable[[], bool], within_s: float = 90) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.05)


async def lease_on(folder: Path, home: Path, **changes: object) -> Lease:
    settings = settings_for(folder, **changes)
    return await acquire(resolve_profile(None, settings, home=home), settings, home=home)


async def status_of(home: Path) -> ResidentStatus:
    status = await resident_status(home)
    assert status is not None
    return status


@contextlib.asynccontextmanager
async def resident_here(home: Path, **changes: float) -> AsyncIterator[Resident]:
    """Run the resident in this process; the clients don't know the difference."""
    resident = Resident(home, probe_timeout_s=2, **changes)
    task = asyncio.create_task(resident.serve())
    try:
        deadline = time.monotonic() + 90
        while await resident_status(home) is None:
            assert not task.done() and time.monotonic() < deadline
            await asyncio.sleep(0.02)
        yield resident
    finally:
        resident.stop()
        await asyncio.wait_for(task, 60)


async def exchange(home: Path, *lines: bytes) -> list[dict[str, object]]:
    reader, writer = await asyncio.open_unix_connection(str(socket_path(home)))
    try:
        writer.write(b"".join(lines))
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 30)
    finally:
        writer.close()
    return [json.loads(line) for line in answer.splitlines()]


async def test_commands_share_one_server_which_outlives_any_of_them(
    random_checkpoint: Path, state_home: Path
) -> None:
    async with resident_here(state_home):
        first = await lease_on(random_checkpoint, state_home)
        second = await lease_on(random_checkpoint, state_home)
        assert first.endpoint == second.endpoint
        (server,) = (await status_of(state_home)).servers
        assert server.leases == 2
        await first.close()
        await first.close()
        answer = await LeasedModel(second).complete(HELLO, max_tokens=2)
        assert answer.completion_tokens == 2
        assert stat.S_IMODE(socket_path(state_home).stat().st_mode) == 0o600
        await second.close()
        (server,) = (await status_of(state_home)).servers
        assert server.leases == 0
        pid = server.pid
    assert not psutil.pid_exists(pid)
    assert not socket_path(state_home).exists()


async def test_a_server_killed_in_mid_answer_is_restarted_and_asked_again_once(
    random_checkpoint: Path, state_home: Path
) -> None:
    async with (
        resident_here(state_home),
        open_model(settings_for(random_checkpoint), home=state_home) as model,
    ):
        undisturbed = await model.complete(HELLO, max_tokens=400)
        (server,) = (await status_of(state_home)).servers
        killed: list[str] = []

        def kill_once(piece: str) -> None:
            if not killed:
                os.kill(server.pid or 0, signal.SIGKILL)
            killed.append(piece)

        disturbed = await model.complete(HELLO, max_tokens=400, on_token=kill_once)
        assert disturbed.text == undisturbed.text
        assert model.restarts == 1
        (server,) = (await status_of(state_home)).servers
        assert server.restarts == 1


async def test_a_frozen_server_is_replaced_for_all_who_use_it(
    random_checkpoint: Path, state_home: Path
) -> None:
    async with resident_here(state_home):
        leases = [
            await lease_on(random_checkpoint, state_home, silence_timeout_s=2) for _ in range(2)
        ]
        (server,) = (await status_of(state_home)).servers
        psutil.Process(server.pid).suspend()
        models: list[ChatModel] = [LeasedModel(lease) for lease in leases]
        answers = await asyncio.gather(*(model.complete(HELLO, max_tokens=3) for model in models))
        assert [answer.completion_tokens for answer in answers] == [3, 3]
        (server,) = (await status_of(state_home)).servers
        assert server.restarts == 1
        for lease in leases:
            await lease.close()


async def test_the_watchdog_restarts_a_dead_server_without_being_asked(
    random_checkpoint: Path, state_home: Path
) -> None:
    async with (
        resident_here(state_home, watch_every_s=0.2),
        await lease_on(random_checkpoint, state_home) as lease,
    ):
        (server,) = (await status_of(state_home)).servers
        os.kill(server.pid or 0, signal.SIGKILL)
        deadline = time.monotonic() + 90
        while (await status_of(state_home)).servers[0].restarts == 0:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        assert (await LeasedModel(lease).complete(HELLO, max_tokens=1)).completion_tokens == 1


async def test_a_resident_killed_outright_is_replaced_and_its_server_ended(
    random_checkpoint: Path, state_home: Path
) -> None:
    async with open_model(settings_for(random_checkpoint), home=state_home) as model:
        before = await status_of(state_home)
        os.kill(before.pid, signal.SIGKILL)
        orphan = before.servers[0].pid
        await eventually(lambda: not _alive(before.pid))
        assert _alive(orphan)
        # The orphan still answers; a second command starts a new resident, which ends it.
        async with await lease_on(random_checkpoint, state_home):
            assert not _alive(orphan)
            answer = await model.complete(HELLO, max_tokens=2)
            assert answer.completion_tokens == 2
            after = await status_of(state_home)
            assert after.pid != before.pid
            assert after.servers[0].leases == 2
    assert await stop_resident(state_home)
    assert not await stop_resident(state_home)
    assert await resident_status(state_home) is None


async def test_a_resident_without_clients_ends_itself_and_its_server(
    random_checkpoint: Path, state_home: Path
) -> None:
    lease = await lease_on(random_checkpoint, state_home, idle_timeout_s=1)
    status = await status_of(state_home)
    await lease.close()
    await eventually(lambda: not _alive(status.pid) and not _alive(status.servers[0].pid))


async def test_many_commands_at_once_start_one_resident_and_one_server(
    random_checkpoint: Path, state_home: Path
) -> None:
    leases = await asyncio.gather(*(lease_on(random_checkpoint, state_home) for _ in range(4)))
    assert len({lease.endpoint.base_url for lease in leases}) == 1
    assert len((await status_of(state_home)).servers) == 1
    for lease in leases:
        await lease.close()


async def test_an_idle_server_makes_room_for_another_model_and_a_used_one_does_not(
    random_checkpoint: Path, state_home: Path
) -> None:
    footprint = resolve_profile(None, settings_for(random_checkpoint)).footprint
    assert footprint is not None
    one_and_a_half = 1.5 * (footprint.weights_bytes + footprint.kv_bytes) / 1024**3
    async with resident_here(state_home):
        first = await lease_on(random_checkpoint, state_home, memory_limit_gb=one_and_a_half)
        with pytest.raises(ModelUnavailable, match="which other commands are using"):
            await lease_on(random_checkpoint, state_home, threads=1, memory_limit_gb=one_and_a_half)
        await first.close()
        second = await lease_on(
            random_checkpoint, state_home, threads=1, memory_limit_gb=one_and_a_half
        )
        assert len((await status_of(state_home)).servers) == 1
        await second.close()


async def test_an_idle_server_is_stopped_while_others_are_used(
    random_checkpoint: Path, state_home: Path
) -> None:
    async with resident_here(state_home, watch_every_s=0.1):
        idle = await lease_on(random_checkpoint, state_home, idle_timeout_s=0.5)
        used = await lease_on(random_checkpoint, state_home, idle_timeout_s=0.5, threads=1)
        await idle.close()
        deadline = time.monotonic() + 90
        while len((await status_of(state_home)).servers) > 1:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        assert (await LeasedModel(used).complete(HELLO, max_tokens=1)).completion_tokens == 1
        await used.close()


async def test_a_fixed_port_that_is_taken_is_named(
    random_checkpoint: Path, state_home: Path
) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        async with resident_here(state_home):
            with pytest.raises(ModelUnavailable, match=f"port {port} .* is taken"):
                await lease_on(random_checkpoint, state_home, port=port)


async def test_a_remote_endpoint_is_neither_leased_nor_restarted(state_home: Path) -> None:
    settings = ModelConfig(base_url="http://127.0.0.1:9/v1", model="m", silence_timeout_s=5)
    async with open_model(settings, home=state_home) as model:
        with pytest.raises(ModelLost, match="cannot be reached"):
            await model.complete(HELLO, max_tokens=1)
        assert model.restarts == 0
    lease = await acquire(resolve_profile(None, settings), settings, home=state_home)
    assert (await lease.check()).base_url == "http://127.0.0.1:9/v1"
    assert await resident_status(state_home) is None


async def test_requests_are_bounded_and_nonsense_is_answered(state_home: Path) -> None:
    async with resident_here(state_home):
        (reply,) = await exchange(state_home, b"nonsense\n")
        assert "does not understand" in str(reply["error"])
        (reply,) = await exchange(state_home, b'{"op":"status","v":99}\n')
        assert "asked in 99" in str(reply["error"])
        (reply,) = await exchange(state_home, b'{"op":"check","v":2,"generation":0}\n')
        assert "acquire a model first" in str(reply["error"])
        (reply,) = await exchange(state_home, b"x" * (LINE_LIMIT_BYTES + 10) + b"\n")
        assert "at most" in str(reply["error"])
        assert len(await exchange(state_home, b'{"op":"status"}\n', b'{"op":"status"}\n')) == 2


async def test_more_clients_than_allowed_are_turned_away(state_home: Path) -> None:
    async with resident_here(state_home):
        crowd = [
            await asyncio.open_unix_connection(str(socket_path(state_home)))
            for _ in range(MAX_CLIENTS)
        ]
        (reply,) = await exchange(state_home)
        assert f"more than {MAX_CLIENTS}" in str(reply["error"])
        for _, writer in crowd:
            writer.close()


async def test_stop_is_understood_from_any_version(state_home: Path) -> None:
    resident = Resident(state_home)
    task = asyncio.create_task(resident.serve())
    await eventually(socket_path(state_home).exists)
    await exchange(state_home, b'{"op":"stop","v":99}\n')
    await asyncio.wait_for(task, 30)


async def test_a_second_resident_gives_way_to_the_first(state_home: Path) -> None:
    async with resident_here(state_home):
        with pytest.raises(AlreadyRunning):
            await Resident(state_home).serve()
        boot = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from agents.resident import main; "
        argv = [sys.executable, "-P", "-c", boot + "sys.exit(main())", "--home", str(state_home)]
        done = await run(argv, cwd=state_home, timeout_s=60)
        assert (done.code, done.stderr) == (0, "")


async def test_a_resident_that_hangs_is_ended_by_force(
    random_checkpoint: Path, state_home: Path
) -> None:
    lease = await lease_on(random_checkpoint, state_home)
    status = await status_of(state_home)
    psutil.Process(status.pid).suspend()
    assert await stop_resident(state_home)
    assert not _alive(status.pid)
    assert not _alive(status.servers[0].pid)
    await lease.close()


async def test_a_socket_left_by_a_crash_is_no_obstacle(state_home: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(socket_path(state_home)))
    assert await resident_status(state_home) is None
    async with resident_here(state_home):
        assert (await status_of(state_home)).clients == 0


async def test_an_unusable_state_folder_is_a_store_error(
    random_checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    home = tmp_path / "file" / "home"
    with pytest.raises(StoreUnavailable, match="MCP_LOCAL_LLM_HOME"):
        await lease_on(random_checkpoint, home)
    with pytest.raises(StoreUnavailable, match="MCP_LOCAL_LLM_HOME"):
        await Resident(home).serve()


def test_the_process_says_why_it_cannot_serve(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["--home", str(tmp_path / "file" / "home")]) == 3
    assert "MCP_LOCAL_LLM_HOME" in capsys.readouterr().err


def test_the_process_ends_itself_when_nobody_comes(state_home: Path) -> None:
    assert main(["--home", str(state_home), "--idle-timeout-s", "0.1"]) == 0
    assert not socket_path(state_home).exists()


def test_a_socket_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    home = tmp_path / ("d" * 100)
    folder = socket_path(home).parent
    folder.mkdir(mode=0o700)
    try:
        assert socket_path(home).parent == folder
        folder.chmod(0o755)
        with pytest.raises(StoreUnavailable, match="another user"):
            socket_path(home)
    finally:
        folder.rmdir()


async def test_a_deep_state_folder_gets_a_short_socket(tmp_path: Path) -> None:
    home = tmp_path / ("d" * 100)
    path = socket_path(home)
    assert len(os.fsencode(path)) < 104
    async with resident_here(home):
        assert (await status_of(home)).servers == ()
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert end_orphans(owner_of(home)) == 0


def _alive(pid: int | None) -> bool:
    try:
        return pid is not None and bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
