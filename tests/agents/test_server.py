"""The server process, against the real ``mlx_lm.server`` on a random checkpoint."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import ValidationError

from agents.blas import find_blas
from agents.chat import Message, open_chat
from agents.endpoint import Endpoint, ServerConfig, build_server_command, is_server_of
from agents.hardware import Hardware
from agents.server import (
    PortTaken,
    Probe,
    ServerProcess,
    end_orphans,
    free_port,
    server_environment,
)
from agents.tokens import ServedTokens
from mcp_local_llm import ModelUnavailable, StoreUnavailable, UsageError

HELLO = (Message(role="system", content="Be brief."), Message(role="user", content="the end é"))


def config_for(folder: Path, **changes: object) -> ServerConfig:
    values: dict[str, object] = {"model_path": folder, "port": free_port("127.0.0.1")} | changes
    return ServerConfig.model_validate(values)


def endpoint_of(config: ServerConfig, **changes: object) -> Endpoint:
    values: dict[str, object] = {
        "base_url": config.base_url,
        "model": str(config.model_path),
        "model_id": "random",
        "tokenizer_path": config.model_path,
        "context_tokens": 2048,
        "max_tokens": 64,
        "silence_timeout_s": 60.0,
    }
    return Endpoint.model_validate(values | changes)


def test_the_command_is_pure_and_runs_our_interpreter_on_loopback_only(tmp_path: Path) -> None:
    config = ServerConfig(
        model_path=tmp_path,
        port=8123,
        owner="me",
        kv_bits=8,
        adapter_path=tmp_path / "a",
        prompt_cache_bytes=1000,
    )
    argv = build_server_command(config)
    assert argv[1:3] == ["-P", "-c"] and "mlx_lm.server" in argv[3]
    text = " ".join(argv)
    for option in ("--host 127.0.0.1", "--port 8123", "--kv-bits 8", "--prompt-cache-bytes 1000"):
        assert option in text
    assert f"--adapter-path {tmp_path / 'a'}" in text
    assert "--allowed-origins http://127.0.0.1:8123," in text
    assert is_server_of("me", argv)
    assert not is_server_of("m", argv)
    assert not is_server_of("me", ["vim", "mlx_lm.server.py"])
    with pytest.raises(ValidationError, match="only listen on loopback"):
        ServerConfig(model_path=tmp_path, port=8123, host="0.0.0.0")


def test_a_cpu_child_is_tuned_and_offline_and_a_metal_child_is_left_alone(tmp_path: Path) -> None:
    config = ServerConfig(model_path=tmp_path, port=1, threads=3)
    cpu = Hardware(threads=8, memory_gb=8, chip="x", accelerator="cpu")
    env = server_environment(config, cpu, tmp_path / "hub")
    assert env["MLX_DISABLE_COMPILE"] == "1"
    assert env["OPENBLAS_NUM_THREADS"] == "3"
    assert env["HF_HUB_OFFLINE"] == "1"
    assert Path(env["LD_PRELOAD"]) == find_blas()
    metal = cpu.model_copy(update={"accelerator": "metal"})
    assert "MLX_DISABLE_COMPILE" not in server_environment(config, metal, tmp_path / "hub")


def test_a_small_model_has_one_thread_of_a_cpu_and_a_large_one_all(tmp_path: Path) -> None:
    config = ServerConfig(model_path=tmp_path, port=1)
    cpu = Hardware(threads=8, memory_gb=8, chip="x", accelerator="cpu")
    with (tmp_path / "model.safetensors").open("wb") as weights:
        weights.truncate(10_000_000)
        assert server_environment(config, cpu, tmp_path)["OMP_NUM_THREADS"] == "1"
        weights.truncate(100_000_000)
        assert server_environment(config, cpu, tmp_path)["OMP_NUM_THREADS"] == "8"


async def test_a_server_answers_counts_as_we_do_and_stops_twice(
    random_checkpoint: Path, tmp_path: Path
) -> None:
    server = ServerProcess(config_for(random_checkpoint), log=tmp_path / "server.log")
    assert not server.is_running
    assert await server.probe(1) is Probe.DOWN
    async with server:
        await server.start()  # a second start does nothing
        assert await server.health_check()
        assert server.cpu_seconds() > 0
        assert not await server.is_stuck(20)
        await _a_greedy_answer_streams_and_its_prefix_is_cached(server.config)
        await _what_the_server_would_not_check_is_refused(server.config)
    assert not server.is_running
    assert server.pid is None
    assert server.cpu_seconds() == 0
    await server.stop()
    assert await server.is_stuck(1)


async def _a_greedy_answer_streams_and_its_prefix_is_cached(config: ServerConfig) -> None:
    model = open_chat(endpoint_of(config))
    pieces: list[str] = []
    first = await model.complete(HELLO, max_tokens=40, on_token=pieces.append)
    assert first.completion_tokens == 40
    assert first.finish_reason == "length"
    assert "".join(pieces) == first.text
    assert len(pieces) > 1
    assert 0 < first.first_token_s <= first.duration_s
    assert first.prompt_tokens == model.count(HELLO)
    longer = (
        *HELLO,
        Message(role="assistant", content=first.text),
        Message(role="user", content="{% raw %} <tool:x> \n\n  and\tso on ✓"),
    )
    second = await model.complete(longer, max_tokens=8)
    assert second.prompt_tokens == model.count(longer)
    assert second.cached_tokens >= first.prompt_tokens - 20
    again = await model.complete(HELLO, max_tokens=40)
    assert again.text == first.text


async def _what_the_server_would_not_check_is_refused(config: ServerConfig) -> None:
    small = open_chat(endpoint_of(config, context_tokens=60))
    assert (await small.complete(HELLO, max_tokens=500)).completion_tokens < 60
    with pytest.raises(UsageError, match="name fewer or smaller files"):
        await small.complete([Message(role="user", content="x" * 90)], max_tokens=1)
    with pytest.raises(UsageError, match="without messages"):
        await small.complete([], max_tokens=1)
    elsewhere = open_chat(endpoint_of(config, model="/no/such/model"))
    with pytest.raises(ModelUnavailable, match=r"'/no/such/model' \(404: .+\)"):
        await elsewhere.complete(HELLO, max_tokens=1)


async def test_a_taken_port_is_named(random_checkpoint: Path, tmp_path: Path) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        server = ServerProcess(config_for(random_checkpoint, port=port), log=tmp_path / "log")
        with pytest.raises(PortTaken, match=f"port {port} on 127.0.0.1 is taken"):
            await server.start()
    assert not server.is_running


async def test_a_port_taken_while_the_server_loads_is_noticed(
    random_checkpoint: Path, tmp_path: Path
) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", 0))
        config = config_for(random_checkpoint, port=stranger.getsockname()[1])
        server = ServerProcess(config, log=tmp_path / "server.log")
        starting = asyncio.create_task(server.start())
        while not server.is_running and not starting.done():
            await asyncio.sleep(0.01)
        async with await asyncio.start_server(hang_up, sock=stranger):
            with pytest.raises(PortTaken):
                await starting
    assert not server.is_running


async def test_weights_that_do_not_fit_the_config_end_in_the_servers_own_words(
    random_checkpoint: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(random_checkpoint, broken)
    config = (broken / "config.json").read_text()
    (broken / "config.json").write_text(config.replace('"hidden_size": 64', '"hidden_size": 96'))
    server = ServerProcess(config_for(broken), log=tmp_path / "server.log")
    with pytest.raises(ModelUnavailable, match="cannot load or run the model"):
        await server.start()
    assert not server.is_running


async def test_a_server_that_is_not_ready_in_time_is_ended(
    random_checkpoint: Path, tmp_path: Path
) -> None:
    server = ServerProcess(config_for(random_checkpoint), log=tmp_path / "l", ready_timeout_s=0.05)
    with pytest.raises(ModelUnavailable, match=r"not ready within 0\.05 s"):
        await server.start()
    assert not server.is_running


async def test_an_unwritable_log_is_a_store_error(random_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    server = ServerProcess(config_for(random_checkpoint), log=tmp_path / "file" / "server.log")
    with pytest.raises(StoreUnavailable, match="model server's log"):
        await server.start()


async def test_a_full_log_is_set_aside(random_checkpoint: Path, tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_bytes(b"old\n" * 1_500_000)
    server = ServerProcess(config_for(random_checkpoint), log=log, ready_timeout_s=0.05)
    with pytest.raises(ModelUnavailable):
        await server.start()
    assert log.stat().st_size < 100_000
    assert log.with_name("server.log.1").stat().st_size == 6_000_000


async def test_orphans_are_found_by_owner_alone(random_checkpoint: Path, tmp_path: Path) -> None:
    owner = f"test-{tmp_path.name}"
    config = config_for(random_checkpoint, owner=owner)
    async with ServerProcess(config, log=tmp_path / "server.log") as server:
        assert end_orphans("nobody") == 0
        assert server.is_running
        assert end_orphans(owner) == 1
    assert end_orphans(owner) == 0


@pytest.mark.parametrize(
    "messages",
    [
        [("user", "")],
        [("system", "s"), ("user", "  spaces  "), ("assistant", "<|im_end|>"), ("user", "ü🙂")],
    ],
)
def test_our_prompt_ids_are_those_of_the_servers_own_library(
    random_checkpoint: Path, messages: Sequence[tuple[str, str]]
) -> None:
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(random_checkpoint).apply_chat_template(
        [{"role": role, "content": text} for role, text in messages],
        add_generation_prompt=True,
        return_dict=False,
    )
    assert ServedTokens(random_checkpoint).encode(messages) == theirs
