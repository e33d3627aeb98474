"""The chat seam against a real loopback server that misbehaves in chosen ways."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from agents.chat import Completion, Message, ModelLost, open_chat
from agents.endpoint import Endpoint
from mcp_local_llm import ModelUnavailable, UsageError

HELLO = (Message(role="user", content="hello"),)
HEADERS = "HTTP/1.0 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n"


def event(text: str, finish: str = "null") -> str:
    return (
        '{"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":'
        f'[{{"index":0,"delta":{{"role":"assistant","content":"{text}"}},'
        f'"finish_reason":{finish}}}]}}'
    )


def stream(*events: str) -> bytes:
    body = "".join(f"data: {one}\n\n" for one in events)
    return (HEADERS.format(status="200 OK", kind="text/event-stream") + body).encode()


def refusal(status: str, body: str) -> bytes:
    return (HEADERS.format(status=status, kind="application/json") + body).encode()


@contextlib.asynccontextmanager
async def peer(answer: bytes, *, hang: bool = False) -> AsyncIterator[str]:
    """Listen on loopback and say ``answer`` to every request; then close, or say nothing more."""
    let_go = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        # Closing with the request half read would reset the connection and lose our answer.
        await reader.readexactly(int(head.split("content-length:")[1].split()[0]))
        writer.write(answer)
        await writer.drain()
        if hang:
            await let_go.wait()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        let_go.set()
        server.close()


def endpoint(base_url: str, **changes: object) -> Endpoint:
    values: dict[str, object] = {
        "base_url": base_url,
        "model": "m",
        "model_id": "m",
        "context_tokens": 100,
        "max_tokens": 10,
        "silence_timeout_s": 20,
    }
    return Endpoint.model_validate(values | changes)


async def ask(base_url: str, **changes: object) -> Completion:
    return await open_chat(endpoint(base_url, **changes)).complete(HELLO, max_tokens=5)


async def test_an_answer_without_usage_is_still_an_answer() -> None:
    async with peer(stream(event("hi "), event("you", '"stop"'), "[DONE]")) as url:
        answer = await ask(url)
    assert (answer.text, answer.finish_reason, answer.prompt_tokens) == ("hi you", "stop", 0)
    assert answer.tokens_per_s == 0


async def test_an_answer_that_breaks_off_is_lost_and_not_short() -> None:
    async with peer(stream(event("hi "))) as url:
        with pytest.raises(ModelLost, match="broke off in the middle"):
            await ask(url)


async def test_silence_in_the_middle_of_an_answer_is_lost() -> None:
    async with peer(stream(event("hi ")), hang=True) as url:
        with pytest.raises(ModelLost):
            await ask(url, silence_timeout_s=0.3)


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        ("404 Not Found", '{"error": "no adapter"}', ModelUnavailable, "no adapter"),
        ("404 Not Found", '{"error": "generation thread died"}', ModelLost, "is broken"),
        ("503 Service Unavailable", '{"error": "x"}', ModelLost, "503"),
        ("401 Unauthorized", '{"error": "x"}', ModelUnavailable, "api_key_env"),
    ],
)
async def test_a_refusal_says_what_to_do(
    status: str, body: str, kind: type[ModelUnavailable], words: str
) -> None:
    async with peer(refusal(status, body)) as url:
        with pytest.raises(ModelUnavailable, match=words) as caught:
            await ask(url)
    assert type(caught.value) is kind


async def test_something_that_is_no_chat_server_is_said_to_be_none() -> None:
    async with peer(stream('{"error": {"message": "not today"}}')) as url:
        with pytest.raises(ModelUnavailable, match="not today"):
            await ask(url)
    async with peer(stream("this is not json")) as url:
        with pytest.raises(ModelUnavailable, match="OpenAI-compatible"):
            await ask(url)


async def test_an_unreachable_address_is_named() -> None:
    async with peer(b"") as url:
        pass
    with pytest.raises(ModelLost, match=url):
        await ask(url)


async def test_a_key_comes_from_the_named_variable_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(UsageError, match="'NO_SUCH_KEY'"):
        await ask("http://127.0.0.1:9/v1", api_key_env="NO_SUCH_KEY")
    monkeypatch.setenv("NO_SUCH_KEY", "secret")
    async with peer(stream(event("hi", '"stop"'))) as url:
        assert (await ask(url, api_key_env="NO_SUCH_KEY")).text == "hi"


async def test_a_proxy_from_the_environment_is_not_asked_about_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with peer(stream(event("hi", '"stop"'))) as url:
        assert (await ask(url)).text == "hi"


def test_speed_is_measured_after_the_first_token() -> None:
    answer = Completion(
        text="abc",
        prompt_tokens=1,
        cached_tokens=0,
        completion_tokens=11,
        duration_s=3.0,
        first_token_s=1.0,
        finish_reason="stop",
    )
    assert answer.tokens_per_s == 5.0
