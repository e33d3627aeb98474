"""Streamable HTTP on loopback: a bearer token, Host and Origin checks, bounded bodies."""

from __future__ import annotations

import hmac
import os
import secrets
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mcp.server.transport_security import TransportSecuritySettings

from mcp_local_llm import StoreUnavailable, Unavailable, UsageError
from mcp_server.code_routes import MAX_BODY, code_routes, failed, no_such_route
from memory.private import private_folder

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from mcp_server.app import App

HOST: Final = "127.0.0.1"
_NAMES: Final = (HOST, "localhost", "[::1]")
_TOKEN_BYTES: Final = 32
_UNKNOWN: Final = (
    "the bearer token is missing or wrong; send 'Authorization: Bearer …' with what is in the file "
    "that the server named when it started"
)


class BearerOnly:
    """Lets only requests pass that carry the token; all others get 401."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        """Guard ``app``."""
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] == "http" and not self._may_pass(scope):
            answer = failed(401, "Refused", _UNKNOWN)
            answer.headers["www-authenticate"] = "Bearer"
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _may_pass(self, scope: Scope) -> bool:
        given = dict(scope["headers"]).get(b"authorization", b"")
        return hmac.compare_digest(given, self._expected)


def guarded(app: App, token: str) -> ASGIApp:
    """Return ``app`` as an ASGI application for loopback that asks for ``token``.

    Beside MCP it has the routes of ``code_routes``.
    """
    security = TransportSecuritySettings(
        allowed_hosts=[f"{name}:*" for name in _NAMES],
        allowed_origins=[f"http://{name}:*" for name in _NAMES],
    )
    served = app.streamable_http_app(
        host=HOST, max_request_body_size=MAX_BODY, transport_security=security
    )
    served.router.routes += code_routes(app.door, security)
    served.add_exception_handler(404, no_such_route)
    served.add_exception_handler(405, no_such_route)
    return BearerOnly(served, token)


def on_loopback(app: App, port: int, token_file: Path) -> None:
    """Serve ``app`` until a signal ends it.

    The address and the token's place go to stderr.

    Raises:
        UsageError: the port is no port.
        Unavailable: the port is taken, or may not be opened.
        StoreUnavailable: the token file cannot be read or made.
    """
    if not 0 <= port <= 65_535:
        raise UsageError(f"{port} is no port; give one from 1024 to 65535, or 0 for any")
    token = token_of(token_file)
    import uvicorn

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            listener.listen()  # before the address is told: who reads it may connect at once
        except OSError as error:
            raise Unavailable(
                f"the port {port} cannot be opened ({error.strerror}); choose another one"
            ) from error
        address = f"http://{HOST}:{listener.getsockname()[1]}/mcp"
        sys.stderr.write(f"serving {address}; the bearer token is in {str(token_file)!r}\n")
        config = uvicorn.Config(guarded(app, token), log_level="warning", access_log=False)
        uvicorn.Server(config).run([listener])


def token_of(file: Path) -> str:
    """Return the token in ``file``, which is made, for its owner alone, when it is not there."""
    try:
        private_folder(file.parent)
        try:
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            token = file.read_text(encoding="ascii").strip()
        else:
            token = secrets.token_urlsafe(_TOKEN_BYTES)
            with os.fdopen(handle, "w", encoding="ascii") as stream:
                stream.write(token + "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreUnavailable(
            f"the token file {str(file)!r} cannot be used ({error}); name another --token-file"
        ) from error
    if len(token) < _TOKEN_BYTES:
        raise UsageError(
            f"the token in {str(file)!r} has {len(token)} characters; remove the file, and a long "
            "one is made"
        )
    return token
