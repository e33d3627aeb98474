"""The command ``mcp-local-llm serve``: the MCP server on stdio, or on loopback over HTTP.

Exit codes: 0 the client hung up or a signal ended it, 2 wrong input, 3 port or disk not available.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_local_llm import LocalLLMError

if TYPE_CHECKING:
    from mcp_server.app import App
    from mcp_server.door import Door


def main(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm serve``."""
    parser = argparse.ArgumentParser(
        prog="mcp-local-llm serve",
        description="Serve memory, contracts and the crew to Cursor and other MCP clients.",
        epilog="On stdio, unless --http is given. `mcp-local-llm init cursor` writes the settings.",
    )
    parser.add_argument(
        "--workspace", type=Path, default=Path(), metavar="DIR", help="the project (default: here)"
    )
    parser.add_argument(
        "--toolsets",
        default="core",
        metavar="SETS",
        help="core, memory, policy; several with commas between (default: core)",
    )
    parser.add_argument(
        "--http",
        type=int,
        metavar="PORT",
        help="serve streamable HTTP on 127.0.0.1; clients send the bearer token of --token-file",
    )
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="where the token is; made when it is not there (default: in the state folder)",
    )
    try:
        options = parser.parse_args(argv)
    except SystemExit as stopped:  # argparse has said what is wrong
        return int(stopped.code or 0)
    try:
        return _serve(options)
    except LocalLLMError as error:
        sys.stderr.write(f"mcp-local-llm serve: {error}\n")
        return error.exit_code


def _serve(options: argparse.Namespace) -> int:
    from mcp_server.door import Door

    door = Door.open(options.workspace)
    toolsets = [name.strip() for name in options.toolsets.split(",") if name.strip()]
    os.chdir(door.workspace)  # relative paths mean the workspace's
    from graph.logs import log_to_stderr

    log_to_stderr()
    from mcp_server.toolsets import build

    try:
        app = build(door, toolsets)
        if options.http is None:
            import anyio

            anyio.run(_on_stdio, app, door)
        else:
            from mcp_server.http import on_loopback

            on_loopback(app, options.http, options.token_file or door.home / "http-token")
    finally:
        door.close()
    return 0


async def _on_stdio(app: App, door: Door) -> None:
    import anyio

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_end_on_signal, door)
        await app.run_stdio_async()
        tasks.cancel_scope.cancel()


async def _end_on_signal(door: Door) -> None:
    """End the process in order on SIGTERM or SIGINT.

    Cancelling does not: a thread that waits for the next line from the client cannot be woken.
    """
    import anyio

    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            door.close()
            os._exit(0)
