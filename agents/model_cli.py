"""``mcp-local-llm model start|stop|status|download``.

Exit codes: 0 done, 2 the command line is wrong, 3 the model or the disk is not available, 130
interrupted. With ``--json`` one object goes to stdout and nothing else does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TextIO

from pydantic import ValidationError

from agents.adapters.registry import Registry
from agents.adapters.serving import served
from agents.chat import Message
from agents.download import download, known_model
from agents.hardware import detect
from agents.home import state_home
from agents.lease import resident_status, stop_resident
from agents.profiles import (
    KNOWN_MODELS,
    PROFILE_NAMES,
    QWEN,
    KnownModel,
    ModelConfig,
    is_downloaded,
    resolve_profile,
)
from agents.serving import open_model
from mcp_local_llm import LocalLLMError, UsageError
from memory.project import project_id
from memory.records import Record

_INTERRUPTED: Final = 130
_OVERRIDES: Final = ("model_path", "base_url", "model", "api_key_env", "context_tokens", "port")


class Started(Record):
    """What ``model start`` reports."""

    model: str
    adapter: str | None = None
    first_token_s: float

    def __str__(self) -> str:
        """Return the line for people."""
        name = f"{self.model} with the adapter {self.adapter}" if self.adapter else self.model
        return f"{name} answers (first token after {self.first_token_s:.2f} s)"


class Stopped(Record):
    """What ``model stop`` reports."""

    stopped: bool

    def __str__(self) -> str:
        """Return the line for people."""
        return "stopped" if self.stopped else "nothing was running"


class Downloaded(Record):
    """What ``model download`` reports; no folder means that the user declined."""

    profile: str
    folder: Path | None

    def __str__(self) -> str:
        """Return the line for people."""
        return f"{self.profile} is at {self.folder}" if self.folder else "nothing was downloaded"


def main(
    argv: Sequence[str] | None = None,
    *,
    settings: ModelConfig | None = None,
    terminal: TextIO | None = None,
) -> int:
    """Run one ``model`` command and return its exit code.

    ``settings`` is what configuration and environment say; the command line overrides it.
    ``terminal`` is where consent is read from (default: standard input).
    """
    options = _parser().parse_args(argv)
    try:
        if options.command == "download":
            # Not in the event loop: Ctrl-C has to end the question, and the download.
            text = _download(options, terminal or sys.stdin)
        else:
            text = asyncio.run(_run(options, _overridden(settings or ModelConfig(), options)))
    except LocalLLMError as error:
        sys.stderr.write(f"mcp-local-llm model: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return _INTERRUPTED
    sys.stdout.write(text + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mcp-local-llm model", description="Start, stop, inspect or download the local model."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("start", help="serve a model and see that it answers")
    start.add_argument("profile", nargs="?", help=f"one of {', '.join(PROFILE_NAMES)}")
    start.add_argument("--model-path", type=Path, help="folder with the model's files")
    start.add_argument("--base-url", help="an OpenAI-compatible endpoint instead")
    start.add_argument("--model", help="the name the endpoint serves the model under")
    start.add_argument("--api-key-env", help="the environment variable that holds its key")
    start.add_argument("--context-tokens", type=int, help="prompt and answer together")
    start.add_argument("--port", type=int, help="a fixed port for the server")
    stop = commands.add_parser("stop", help="end the model servers, whoever uses them")
    status = commands.add_parser("status", help="say what is running and what is there")
    fetch = commands.add_parser("download", help="fetch a model's weights, after asking")
    fetch.add_argument("profile", nargs="?", default=QWEN, help=f"default: {QWEN}")
    fetch.add_argument("--yes", action="store_true", help="don't ask")
    for command in (start, stop, status, fetch):
        command.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser


def _overridden(settings: ModelConfig, options: argparse.Namespace) -> ModelConfig:
    given = {name: value for name in _OVERRIDES if (value := getattr(options, name, None))}
    try:
        return ModelConfig.model_validate(settings.model_dump() | given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UsageError(
            f"{first['loc'][0]!r}: {first['msg']} (found {first['input']!r})"
        ) from error


async def _run(options: argparse.Namespace, settings: ModelConfig) -> str:
    if options.command == "status":
        return await _status(as_json=options.json)
    if options.command == "start":
        return _shown(await _start(options.profile, settings), as_json=options.json)
    return _shown(Stopped(stopped=await stop_resident()), as_json=options.json)


def _shown(result: Record, *, as_json: bool) -> str:
    return result.model_dump_json() if as_json else str(result)


async def _start(profile: str | None, settings: ModelConfig) -> Started:
    resolved = await asyncio.to_thread(resolve_profile, profile, settings)
    project = await asyncio.to_thread(project_id, Path.cwd())
    wanted = await asyncio.to_thread(served, settings, resolved, home=state_home(), project=project)
    async with open_model(wanted, profile=profile) as model:
        answer = await model.complete([Message(role="user", content="Hello")], max_tokens=1)
        return Started(
            model=model.model_id, adapter=model.adapter_id, first_token_s=answer.first_token_s
        )


async def _status(*, as_json: bool) -> str:
    running, hardware = await resident_status(), detect()
    here = {name: is_downloaded(name) for name in KNOWN_MODELS}
    slots = Registry(state_home()).pointer().slots
    if as_json:
        return json.dumps(
            {
                "resident": running.model_dump(mode="json") if running else None,
                "hardware": hardware.model_dump(mode="json"),
                "downloaded": here,
                "adapters": [slot.model_dump() for slot in slots],
                "home": str(state_home()),
            }
        )
    lines = [
        f"machine: {hardware.chip}, {hardware.threads} threads, {hardware.memory_gb:g} GiB, "
        f"{hardware.accelerator}"
    ]
    lines += [f"{name}: {'downloaded' if there else 'not here'}" for name, there in here.items()]
    lines += [f"adapter {one.adapter} for {one.context or 'every context'}" for one in slots]
    lines.append(f"resident process: {running.pid if running else 'not running'}")
    for server in running.servers if running else ():
        use = f"used by {server.leases}" if server.leases else f"idle for {server.idle_s:g} s"
        what = server.model_path
        if server.adapter_path:
            what += f" with the adapter {Path(server.adapter_path).name}"
        lines.append(f"server {server.pid} at {server.base_url}: {what}, {use}")
    return "\n".join(lines)


def _download(options: argparse.Namespace, terminal: TextIO) -> str:
    profile: str = options.profile
    known, folder = known_model(profile), None
    if is_downloaded(profile) or options.yes or _consent(known, terminal):
        folder = download(profile, state_home())
    return _shown(Downloaded(profile=profile, folder=folder), as_json=options.json)


def _consent(known: KnownModel, terminal: TextIO) -> bool:
    what = f"{known.repository} ({known.download_gb:g} GB)"
    if not terminal.isatty():
        raise UsageError(
            f"fetching {what} needs your consent and there is no terminal to ask on; repeat the "
            "command with --yes"
        )
    sys.stderr.write(f"Fetch {what} from the Hugging Face hub? [y/N] ")
    sys.stderr.flush()
    return terminal.readline().strip().lower() in {"y", "yes"}
