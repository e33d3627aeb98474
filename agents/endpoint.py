"""Where a model is served, and the command line that serves it (pure: nothing is started here)."""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from pydantic import Field, model_validator

from memory.records import Record

LOOPBACK: Final = "127.0.0.1"
_SERVER_MODULE: Final = "mlx_lm.server"
# transformers imports torch where it finds it: seconds and 180 MiB for what is never used here.
_BOOT: Final = f"import sys; sys.modules['torch'] = None; from {_SERVER_MODULE} import main; main()"


class Endpoint(Record):
    """An OpenAI-compatible server and what a client has to know about the model behind it.

    ``model`` is sent with every request. ``tokenizer_path`` is the folder of the served tokenizer;
    without one tokens are estimated. ``api_key_env`` names an environment variable: the key
    itself never enters a record.
    """

    base_url: str
    model: str
    model_id: str
    tokenizer_path: Path | None = None
    adapter_path: Path | None = None
    api_key_env: str | None = None
    context_tokens: int = Field(gt=0)
    max_tokens: int = Field(gt=0)
    silence_timeout_s: float = Field(gt=0)

    @property
    def adapter_id(self) -> str | None:
        """The adapter's folder name, or None when the base model answers alone."""
        return self.adapter_path.name if self.adapter_path else None


class Serving(Record):
    """What a client asks to have served. Two requests with the same ``key`` share one server."""

    model_path: Path
    adapter_path: Path | None = None
    kv_bits: int | None = None
    threads: int | None = Field(default=None, gt=0)
    prompt_cache_bytes: int | None = Field(default=None, ge=0)

    @property
    def key(self) -> ServingKey:
        """What makes two servers different; the cap on cached prompts does not.

        The adapter does: the server reloads the whole model whenever the adapter changes.
        """
        return (str(self.model_path), str(self.adapter_path), self.kv_bits, self.threads)


ServingKey = tuple[str, str, int | None, int | None]


class ServerConfig(Serving):
    """One ``mlx_lm.server`` process: what it serves, and where.

    Only loopback addresses are accepted: the server has no authentication. ``owner`` marks the
    process as ours on its command line, so that it is found again when whoever started it died.
    """

    port: int = Field(ge=1, le=65535)
    host: str = LOOPBACK
    owner: str = Field(default="none", pattern=r"^[\w-]+$")
    prompt_cache_entries: int = Field(default=10, gt=0)
    prefill_step_tokens: int = Field(default=512, gt=0)
    log_level: str = "INFO"

    @model_validator(mode="after")
    def _loopback_only(self) -> Self:
        if not ipaddress.ip_address(self.host).is_loopback:
            raise ValueError(
                f"the model server may only listen on loopback, not on {self.host!r}; "
                f"use {LOOPBACK!r}"
            )
        return self

    @property
    def base_url(self) -> str:
        """The address an OpenAI client is given."""
        return f"http://{self.host}:{self.port}/v1"


def build_server_command(config: ServerConfig) -> list[str]:
    """Return the argv that serves ``config``.

    ``-P`` keeps a ``tools/`` or ``transformers/`` in the working folder from being imported.
    ``--allowed-origins`` replaces the server's default ``*``, so that no web page may read it,
    and carries the owner's mark.
    """
    # fmt: off
    argv = [
        sys.executable, "-P", "-c", _BOOT,
        "--model", str(config.model_path),
        "--host", config.host,
        "--port", str(config.port),
        "--allowed-origins", f"http://{config.host}:{config.port},{_mark(config.owner)}",
        "--prefill-step-size", str(config.prefill_step_tokens),
        "--prompt-cache-size", str(config.prompt_cache_entries),
        "--log-level", config.log_level,
    ]
    # fmt: on
    if config.prompt_cache_bytes is not None:
        argv += ["--prompt-cache-bytes", str(config.prompt_cache_bytes)]
    if config.kv_bits is not None:
        argv += ["--kv-bits", str(config.kv_bits)]
    if config.adapter_path is not None:
        argv += ["--adapter-path", str(config.adapter_path)]
    return argv


def is_server_of(owner: str, argv: Sequence[str]) -> bool:
    """Return whether ``argv`` is a command line built here for ``owner``."""
    return _BOOT in argv and any(part.endswith("," + _mark(owner)) for part in argv)


def _mark(owner: str) -> str:
    return f"mcp-local-llm:{owner}"
