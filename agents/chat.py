"""The chat seam: one protocol, and the one module that speaks to a chat endpoint.

``open_chat`` builds on ``langchain_openai.ChatOpenAI``, imported on first use because it takes
more than a second. Its errors are translated here, once, into the project's error tree.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal, Protocol
from urllib.parse import urlsplit

from agents.endpoint import Endpoint
from agents.tokens import TokenCounter, open_counter
from mcp_local_llm import ModelUnavailable, UsageError
from memory.records import Record

if TYPE_CHECKING:
    from langchain_core.messages import AIMessageChunk, BaseMessage
    from langchain_openai import ChatOpenAI
    from openai import DefaultAsyncHttpxClient as AsyncClient

# The words in which mlx_lm.server says that only a restart will help; its status is a plain 404.
_SERVER_BROKEN: Final = "generation thread died"
_NOTHING: Final = "No generation chunks"  # how langchain calls an empty stream
_LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class Message(Record):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class Completion(Record):
    """A whole answer, what it cost, and how long it took.

    ``cached_tokens`` is the part of ``prompt_tokens`` the server took from its KV cache.
    ``first_token_s`` runs from sending the request to the first piece of text; for an answer
    without text it equals ``duration_s``.
    """

    text: str
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    duration_s: float
    first_token_s: float
    finish_reason: str

    @property
    def tokens_per_s(self) -> float:
        """Decoding speed after the first token; 0 when there was nothing to measure."""
        decoding_s = self.duration_s - self.first_token_s
        after_first = self.completion_tokens - 1
        return after_first / decoding_s if after_first > 0 and decoding_s > 0 else 0.0


class ChatModel(Protocol):
    """What the crew asks of a model."""

    @property
    def model_id(self) -> str:
        """The model's name, as metadata tags carry it."""
        ...

    @property
    def adapter_id(self) -> str | None:
        """The adapter's name, or None when the base model answers alone."""
        ...

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        on_token: Callable[[str], None] | None = None,
    ) -> Completion:
        """Answer ``messages`` with at most ``max_tokens``, showing each piece to ``on_token``."""
        ...

    def count(self, messages: Sequence[Message]) -> int:
        """Return how many prompt tokens ``messages`` are."""
        ...


class ModelLost(ModelUnavailable):
    """The server went away or fell silent during a request; a restart may help."""


def open_chat(endpoint: Endpoint) -> ServedModel:
    """Return a chat model for ``endpoint``. Nothing is contacted before the first request."""
    return ServedModel(endpoint)


@dataclass
class ServedModel:
    """A model behind an OpenAI-compatible endpoint, asked greedily and streamed.

    Not covered: tool schemas and sampling parameters, which are never sent, and repeating a
    request (see ``agents.serving`` for the wrapper that repeats it once).
    """

    endpoint: Endpoint
    _counter: TokenCounter | None = field(default=None, repr=False)
    _http: AsyncClient | None = field(default=None, init=False, repr=False)

    @property
    def model_id(self) -> str:
        """The model's name, as metadata tags carry it."""
        return self.endpoint.model_id

    @property
    def adapter_id(self) -> str | None:
        """The adapter's name, or None when the base model answers alone."""
        return self.endpoint.adapter_id

    def count(self, messages: Sequence[Message]) -> int:
        """Return how many prompt tokens ``messages`` are, counted with the served tokenizer.

        Without a tokenizer at hand (a remote endpoint) the number is a cautious estimate.
        """
        if self._counter is None:
            self._counter = open_counter(self.endpoint.tokenizer_path)
        return self._counter.count([(message.role, message.content) for message in messages])

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        on_token: Callable[[str], None] | None = None,
    ) -> Completion:
        """Answer ``messages`` greedily, streaming each piece of text to ``on_token``.

        The reply is limited to what the context leaves beside the prompt. Time runs out on
        ``silence_timeout_s`` without a byte, never on the total.

        Raises:
            UsageError: there is no message, or the prompt alone fills the context.
            ModelLost: the server went away, fell silent or broke off mid-answer.
            ModelUnavailable: the server refused the request.
        """
        budget = min(max_tokens, self._room(messages))
        answer = _Answer(on_token)
        async with _translated_errors(self.endpoint):
            stream = self._client.astream(
                _to_langchain(messages), extra_body=self._extra_body(budget)
            )
            try:
                async for chunk in stream:
                    answer.add(chunk)
            except ValueError as error:
                if _NOTHING not in str(error):
                    raise  # else the server ended before it said anything: told below
        if not answer.finish_reason:
            # The server closes its connections without a length: a killed one looks like an end.
            raise ModelLost(
                f"the model server at {self.endpoint.base_url!r} broke off in the middle of an "
                "answer; try again, and see its log if it happens twice"
            )
        return answer.completion()

    async def close(self) -> None:
        """Close the connections; closing twice is fine."""
        if self._http is not None:
            await self._http.aclose()

    def _room(self, messages: Sequence[Message]) -> int:
        if not messages:
            raise UsageError("a request without messages; give at least one user message")
        prompt = self.count(messages)
        room = self.endpoint.context_tokens - prompt
        if room < 1:
            raise UsageError(
                f"the prompt is {prompt} tokens and the context of {self.model_id!r} is "
                f"{self.endpoint.context_tokens}; name fewer or smaller files, or choose a model "
                "or profile with a larger context"
            )
        return room

    def _extra_body(self, max_tokens: int) -> dict[str, str | int]:
        # ChatOpenAI would send max_completion_tokens, which some local servers do not know.
        body: dict[str, str | int] = {"max_tokens": max_tokens}
        if self.endpoint.adapter_path is not None:
            body["adapters"] = str(self.endpoint.adapter_path)
        return body

    @cached_property
    def _client(self) -> ChatOpenAI:
        import openai
        from langchain_openai import ChatOpenAI
        from pydantic import SecretStr

        loopback = urlsplit(self.endpoint.base_url).hostname in _LOOPBACK_HOSTS
        silence_s = self.endpoint.silence_timeout_s
        # A proxy from the environment must not see, or swallow, what is meant for this machine.
        self._http = openai.DefaultAsyncHttpxClient(trust_env=not loopback, timeout=silence_s)
        return ChatOpenAI(
            model=self.endpoint.model,
            base_url=self.endpoint.base_url,
            api_key=SecretStr(_api_key(self.endpoint.api_key_env)),
            temperature=0,
            timeout=silence_s,
            max_retries=0,
            stream_usage=True,
            # Keep-alives during a long prefill carry no text: only silence on the wire counts.
            stream_chunk_timeout=None,
            http_async_client=self._http,
        )


class _Answer:
    """Collects the pieces of one streamed answer."""

    def __init__(self, on_token: Callable[[str], None] | None) -> None:
        self.finish_reason = ""
        self._on_token = on_token
        self._pieces: list[str] = []
        self._usage = (0, 0, 0)
        self._started = time.perf_counter()
        self._first: float | None = None

    def add(self, chunk: AIMessageChunk) -> None:
        text = chunk.text
        if text:
            self._first = self._first or time.perf_counter()
            self._pieces.append(text)
            if self._on_token is not None:
                self._on_token(text)
        self.finish_reason = chunk.response_metadata.get("finish_reason") or self.finish_reason
        if usage := chunk.usage_metadata:
            cached = usage.get("input_token_details", {}).get("cache_read") or 0
            self._usage = (usage["input_tokens"], cached, usage["output_tokens"])

    def completion(self) -> Completion:
        ended = time.perf_counter()
        prompt, cached, written = self._usage
        return Completion(
            text="".join(self._pieces),
            prompt_tokens=prompt,
            cached_tokens=cached,
            completion_tokens=written,
            duration_s=ended - self._started,
            first_token_s=(self._first or ended) - self._started,
            finish_reason=self.finish_reason,
        )


def _api_key(variable: str | None) -> str:
    if variable is None:
        return "none"  # the client insists on a value; a local server ignores it
    key = os.environ.get(variable)
    if not key:
        raise UsageError(
            f"the environment variable {variable!r}, named as the endpoint's key, is not set; "
            "export it or take `api_key_env` out of the configuration"
        )
    return key


def _to_langchain(messages: Sequence[Message]) -> list[BaseMessage]:
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

    kinds = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}
    return [kinds[message.role](content=message.content) for message in messages]


@asynccontextmanager
async def _translated_errors(endpoint: Endpoint) -> AsyncIterator[None]:
    import openai

    where = repr(endpoint.base_url)
    try:
        yield
    except openai.APITimeoutError as error:
        raise ModelLost(
            f"the model server at {where} was silent for {endpoint.silence_timeout_s:g} s; "
            "raise `silence_timeout_s` if the machine is merely slow"
        ) from error
    except openai.APIConnectionError as error:
        raise ModelLost(
            f"the model server at {where} cannot be reached or went away "
            f"({error.__cause__ or error}); check that it runs and that the address is right"
        ) from error
    except openai.APIStatusError as error:
        # mlx_lm.server says {"error": "words"}, which the client keeps out of its own message.
        words = error.body if isinstance(error.body, str) else error.message
        raise _refusal(where, endpoint.model, error.status_code, words) from error
    except (openai.APIError, json.JSONDecodeError) as error:  # the client passes bad JSON on
        raise ModelUnavailable(
            f"the model server at {where} sent something that is no chat completion "
            f"({error}); check that the address is an OpenAI-compatible endpoint"
        ) from error


def _refusal(where: str, model: str, status: int, words: str) -> ModelUnavailable:
    if _SERVER_BROKEN in words or status >= 500:
        return ModelLost(f"the model server at {where} is broken ({status}: {words})")
    if status in {401, 403}:
        return ModelUnavailable(
            f"the model server at {where} refused the key ({status}); set `api_key_env` to the "
            "name of the environment variable that holds it"
        )
    return ModelUnavailable(
        f"the model server at {where} refused a request for model {model!r} "
        f"({status}: {words}); check the model's name and files"
    )
