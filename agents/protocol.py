"""What a client and the resident process say to each other: one JSON object per line, versioned.

A connection is a lease: what it acquired is kept for it until it closes, however that happens.
"""

from __future__ import annotations

import base64
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from agents.endpoint import Serving
from mcp_local_llm import ModelUnavailable, UsageError
from memory.index import Dense
from memory.records import OwnerStatus, Record
from memory.retrieval import Found, Query

VERSION: Final = 2
LINE_LIMIT_BYTES: Final = 64 * 1024
EMBEDDED_AT_ONCE: Final = 8
"""Texts of up to 1,000 characters, whose vectors then fit in a line."""
MAX_CLIENTS: Final = 64


class Acquire(Record):
    """Serve this model and keep it for me."""

    op: Literal["acquire"] = "acquire"
    v: int = VERSION
    serving: Serving
    needs_bytes: int = Field(ge=0)
    limit_bytes: int = Field(gt=0)
    port: int | None = Field(default=None, ge=1, le=65535)
    ready_timeout_s: float = Field(gt=0)
    idle_timeout_s: float = Field(gt=0)


class Check(Record):
    """The server I was given as ``generation`` failed me: see to it."""

    op: Literal["check"] = "check"
    v: int = VERSION
    generation: int


class Status(Record):
    """Say what is running."""

    op: Literal["status"] = "status"
    v: int = VERSION


class Stop(Record):
    """End all servers and yourself, whoever still uses them."""

    op: Literal["stop"] = "stop"
    v: int = VERSION


class Search(Record):
    """Search the memory; ``vector`` is the query's own, as ``pack`` writes it, if you have it."""

    op: Literal["search"] = "search"
    v: int = VERSION
    query: Query
    vector: str = ""


class Tend(Record):
    """Say how the memory's index is, after doing ``what`` to it.

    ``rebuild`` makes it anew from the journal; ``release`` closes index and journal, so that their
    files may be replaced. The next search opens them again.
    """

    op: Literal["tend"] = "tend"
    v: int = VERSION
    what: Literal["nothing", "rebuild", "release"] = "nothing"


class Embed(Record):
    """Make vectors of ``texts`` with the memory's embedding model, while it is open."""

    op: Literal["embed"] = "embed"
    v: int = VERSION
    texts: tuple[str, ...] = Field(max_length=EMBEDDED_AT_ONCE)


Message = Acquire | Check | Status | Stop | Search | Tend | Embed
Request = Annotated[Message, Field(discriminator="op")]


class ServerStatus(Record):
    """One running server."""

    model_path: str
    adapter_path: str | None
    base_url: str
    pid: int | None
    leases: int
    restarts: int
    needs_bytes: int
    idle_s: float


class ResidentStatus(Record):
    """The resident process and its servers."""

    pid: int
    clients: int
    idle_timeout_s: float
    servers: tuple[ServerStatus, ...] = ()


class Reply(Record):
    """The answer to any request; ``error`` is empty when it was granted."""

    v: int = VERSION
    error: str = ""
    base_url: str = ""
    generation: int = 0
    status: ResidentStatus | None = None
    memory: OwnerStatus | None = None
    found: tuple[Found, ...] = ()
    vectors: tuple[str, ...] = ()


_REQUEST: Final[TypeAdapter[Request]] = TypeAdapter(Request)


def encode(message: Message | Reply) -> bytes:
    """Return ``message`` as one line."""
    return message.model_dump_json().encode() + b"\n"


def pack(vector: Dense) -> str:
    """Return ``vector`` as base64 of little-endian 32-bit floats."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def unpack(text: str) -> Dense:
    """Return the vector in ``text``; ``UsageError`` when it is none."""
    try:
        return np.frombuffer(base64.b64decode(text, validate=True), "<f4").astype(np.float32)
    except ValueError as error:
        raise UsageError(f"a vector of {len(text)} characters cannot be read ({error})") from error


def decode_request(line: bytes) -> Request:
    """Return the request in ``line``.

    Raises:
        ModelUnavailable: it is none, or of another version. ``stop`` is understood from any
            version, so that an old resident process can always be replaced.
    """
    try:
        request = _REQUEST.validate_json(line)
    except ValidationError as error:
        raise ModelUnavailable(
            f"the resident process (protocol {VERSION}) does not understand the request "
            f"({error.errors(include_url=False)[0]['msg']}); run `mcp-local-llm model stop` and "
            "try again"
        ) from error
    if request.v != VERSION and not isinstance(request, Stop):
        raise ModelUnavailable(
            f"the resident process speaks protocol {VERSION} and was asked in {request.v}; run "
            "`mcp-local-llm model stop` and try again"
        )
    return request


def decode_reply(line: bytes) -> Reply:
    """Return the reply in ``line``; ``ModelUnavailable`` when it is none or says why not."""
    try:
        reply = Reply.model_validate_json(line)
    except ValidationError as error:
        raise ModelUnavailable(
            "the resident process answered in words of another version; run "
            "`mcp-local-llm model stop` and try again"
        ) from error
    if reply.error:
        raise ModelUnavailable(reply.error)
    return reply
