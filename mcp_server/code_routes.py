"""Code under principles over plain HTTP: the routes below ``/v1/code/``, beside MCP's own.

What goes in and comes out is JSON. Whatever is refused is answered by
``{"error": {"type": …, "message": …}}``, whose message says what to do instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from pydantic import Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mcp_local_llm import LocalLLMError, Unavailable, UsageError
from mcp_server.answer import mistakes
from mcp_server.door import Door
from mcp_server.policy_tools import Context, Principles, Query, Text
from memory.records import Record
from tools.principles import check_principles

MAX_BODY: Final = 1_000_000  # bytes of one request
_GUIDED: Final = "/v1/code/principle-guided"
_VALIDATE: Final = "/v1/code/validate-principles"
_STATUS: Final = {UsageError.exit_code: 400, Unavailable.exit_code: 503}
_Given = TypeVar("_Given", bound=Record)


class GuidedRequest(Record):
    """What the local model is to write, what it has to fit, and by which principles."""

    query: Query
    context: Context = ""
    principles: Principles = Field(default_factory=list)


class ValidateRequest(Record):
    """Python code, and the principles it is held to; none of them means all."""

    code: Text
    principles: Principles = Field(default_factory=list)


def code_routes(door: Door, security: TransportSecuritySettings) -> list[Route]:
    """Return the routes, which check Host, Origin and size of a request by themselves."""

    async def guided(given: GuidedRequest) -> Record:
        from graph.principled import principle_guided

        return await principle_guided(given.query, given.context, given.principles, door.workspace)

    async def validate(given: ValidateRequest) -> Record:
        return await asyncio.to_thread(check_principles, given.code, given.principles)

    guard = TransportSecurityMiddleware(security)
    return [
        Route(_GUIDED, partial(_answer, guard, GuidedRequest, guided), methods=["POST"]),
        Route(_VALIDATE, partial(_answer, guard, ValidateRequest, validate), methods=["POST"]),
    ]


async def _answer(
    guard: TransportSecurityMiddleware,
    kind: type[_Given],
    do: Callable[[_Given], Awaitable[Record]],
    request: Request,
) -> Response:
    refused = await guard.validate_request(request, is_post=True)
    if refused is not None:
        said = bytes(refused.body).decode()
        wanted = "send application/json to 127.0.0.1, from no foreign page"
        return failed(refused.status_code, "Refused", f"{said}; {wanted}")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            return failed(413, "TooLarge", f"more than {MAX_BODY:,} bytes; send it in parts")
    try:
        found = await do(kind.model_validate_json(bytes(body)))
    except ValidationError as error:
        wanted = f"send a JSON object with {', '.join(kind.model_fields)}"
        return failed(400, "UsageError", f"{mistakes(error)}; {wanted}")
    except LocalLLMError as error:
        return failed(_STATUS.get(error.exit_code, 500), type(error).__name__, str(error))
    return JSONResponse(found.model_dump(mode="json"))


def failed(status: int, kind: str, message: str) -> JSONResponse:
    """Return the answer for what is refused."""
    return JSONResponse({"error": {"type": kind, "message": message}}, status)


def no_such_route(_: Request, error: Exception) -> Response:
    """Answer a request for which there is no route, or another method."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    said = f"there is nothing to ask here in this way; POST to {_GUIDED}, {_VALIDATE} or /mcp"
    return failed(status, "UsageError", said)
