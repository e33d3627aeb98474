"""Which model the crew talks to: the user's settings, the known profiles, and choosing one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from agents.endpoint import Endpoint
from agents.footprint import Footprint, estimate, within
from agents.hardware import Hardware, detect
from agents.home import state_home
from agents.weights import EMBEDDED_WEIGHTS, check_model_folder, materialize
from mcp_local_llm import ModelUnavailable, UsageError
from memory.records import Record

EMBEDDED: Final = "embedded"
QWEN: Final = "qwen2.5-coder-7b"
LOCAL: Final = "local"
REMOTE: Final = "remote"

PromptSet = Literal["compact", "full"]


class ModelConfig(BaseModel):
    """The user's settings for the model; None leaves the choice to the profile.

    ``profile`` is ``embedded``, ``qwen2.5-coder-7b``, ``local`` (with ``model_path``) or
    ``remote`` (with ``base_url``); left out, it follows from what is set and what is there.
    ``memory_limit_gb`` left out is 16, or the machine's memory where that is less.
    ``api_key_env`` names the variable that holds the key: the key is no setting.
    ``learnt = false`` lets the model answer without the adapter that was promoted for it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: str | None = None
    model_path: Path | None = None
    base_url: str | None = None
    model: str | None = None
    api_key_env: str | None = None
    adapter_path: Path | None = None
    learnt: bool = True
    prompts: PromptSet | None = None
    context_tokens: int | None = Field(default=None, gt=0)
    max_tokens: int | None = Field(default=None, gt=0)
    kv_bits: Literal[4, 8] | None = None
    threads: int | None = Field(default=None, gt=0)
    port: int | None = Field(default=None, ge=1, le=65535)
    memory_limit_gb: float | None = Field(default=None, gt=0)
    silence_timeout_s: float = Field(default=120.0, gt=0)
    ready_timeout_s: float = Field(default=60.0, gt=0)
    idle_timeout_s: float = Field(default=600.0, gt=0)


class Profile(Record):
    """A resolved choice of model. Exactly one of ``model_path`` and ``base_url`` is set."""

    name: str
    model_path: Path | None = None
    base_url: str | None = None
    model: str
    prompts: PromptSet
    context_tokens: int = Field(gt=0)
    max_tokens: int = Field(gt=0)
    footprint: Footprint | None = None

    @property
    def model_id(self) -> str:
        """The model's name for people and for metadata tags: never a path of this machine."""
        if self.model_path is None:
            return self.model
        return self.model_path.name if self.name == LOCAL else self.name

    @property
    def is_local(self) -> bool:
        """True when this project serves the model itself."""
        return self.model_path is not None


class KnownModel(Record):
    """A model this project knows how to get and how to talk to."""

    repository: str
    download_gb: float
    prompts: PromptSet
    context_tokens: int
    max_tokens: int


KNOWN_MODELS: Final = {
    QWEN: KnownModel(
        repository="mlx-community/Qwen2.5-Coder-7B-Instruct-4bit",
        download_gb=4.3,
        prompts="full",
        context_tokens=16_384,
        max_tokens=4_096,
    ),
}
PROFILE_NAMES: Final = (EMBEDDED, QWEN, LOCAL, REMOTE)
_EMBEDDED_MAX_TOKENS: Final = 512
_REMOTE_CONTEXT_TOKENS: Final = 16_384
_REMOTE_MAX_TOKENS: Final = 4_096
_MEMORY_LIMIT_GB: Final = 16.0


def model_folder(name: str, home: Path | None = None) -> Path:
    """Return where the weights of a known model are kept once downloaded."""
    return (home or state_home()) / "models" / name


def is_downloaded(name: str, home: Path | None = None) -> bool:
    """Return whether a known model's weights are there (complete or not)."""
    return (model_folder(name, home) / "config.json").is_file()


def resolve_profile(
    name: str | None, settings: ModelConfig, *, home: Path | None = None
) -> Profile:
    """Return the profile for ``name``, else for ``settings``, else the best one at hand.

    At hand means: ``base_url`` or ``model_path`` when set; on Apple Silicon the 7B model once
    its weights are there; otherwise the embedded model.

    Raises:
        UsageError: the name is unknown, or settings it needs are missing or contradict it.
        ModelUnavailable: its files are missing or damaged, or it would pass the memory limit.
    """
    home = home or state_home()
    chosen = name or settings.profile or default_profile_name(settings, detect(), home)
    if chosen == REMOTE:
        return _remote(settings)
    if chosen == LOCAL:
        return _local(settings)
    if chosen == EMBEDDED:
        return _embedded(settings, home)
    if chosen in KNOWN_MODELS:
        return _known(chosen, settings, home)
    raise UsageError(f"no model profile {chosen!r}; choose one of {', '.join(PROFILE_NAMES)}")


def memory_limit_gb(settings: ModelConfig) -> float:
    """Return the most memory all models together may take."""
    return settings.memory_limit_gb or min(_MEMORY_LIMIT_GB, detect().memory_gb)


def endpoint_for(profile: Profile, settings: ModelConfig, base_url: str) -> Endpoint:
    """Return the endpoint of ``profile`` at ``base_url``."""
    return Endpoint(
        base_url=base_url,
        model=profile.model,
        model_id=profile.model_id,
        tokenizer_path=profile.model_path,
        adapter_path=settings.adapter_path,
        api_key_env=settings.api_key_env,
        context_tokens=profile.context_tokens,
        max_tokens=profile.max_tokens,
        silence_timeout_s=settings.silence_timeout_s,
    )


def default_profile_name(settings: ModelConfig, hardware: Hardware, home: Path) -> str:
    """Return the profile that ``settings`` and this machine imply when none is named."""
    if settings.base_url and settings.model_path:
        raise UsageError(
            f"both base_url {settings.base_url!r} and model_path {str(settings.model_path)!r} are "
            "set; take one out, or say which with `profile`"
        )
    if settings.base_url:
        return REMOTE
    if settings.model_path:
        return LOCAL
    return QWEN if hardware.is_apple_silicon and is_downloaded(QWEN, home) else EMBEDDED


def _remote(settings: ModelConfig) -> Profile:
    if not settings.base_url or urlsplit(settings.base_url).scheme not in {"http", "https"}:
        raise UsageError(
            f"profile {REMOTE!r} needs `base_url` with an http address, such as "
            f"'http://127.0.0.1:11434/v1' (found {settings.base_url!r})"
        )
    if not settings.model:
        raise UsageError(
            f"the endpoint {settings.base_url!r} needs `model`, the name it serves the model under"
        )
    return Profile(
        name=REMOTE,
        base_url=settings.base_url.rstrip("/"),
        model=settings.model,
        prompts=settings.prompts or "full",
        context_tokens=settings.context_tokens or _REMOTE_CONTEXT_TOKENS,
        max_tokens=settings.max_tokens or _REMOTE_MAX_TOKENS,
    )


def _local(settings: ModelConfig) -> Profile:
    if settings.model_path is None:
        raise UsageError(f"profile {LOCAL!r} needs `model_path`, the folder with the model's files")
    folder = settings.model_path.expanduser().absolute()
    return _served(LOCAL, folder, settings, "full", _REMOTE_MAX_TOKENS)


def _embedded(settings: ModelConfig, home: Path) -> Profile:
    if not EMBEDDED_WEIGHTS.is_dir():
        raise ModelUnavailable(
            f"the embedded model's weights are not in {str(EMBEDDED_WEIGHTS)!r}; install the "
            "package again, or train them with `mcp-local-llm embedded train`"
        )
    folder = materialize(EMBEDDED_WEIGHTS, home)
    return _served(EMBEDDED, folder, settings, "compact", _EMBEDDED_MAX_TOKENS)


def _known(name: str, settings: ModelConfig, home: Path) -> Profile:
    known = KNOWN_MODELS[name]
    folder = settings.model_path or model_folder(name, home)
    if not folder.is_dir():
        raise ModelUnavailable(
            f"the weights of {name!r} are not on this machine ({known.download_gb:g} GB); run "
            f"`mcp-local-llm model download {name}`, or use `--model {EMBEDDED}`"
        )
    wanted = settings.model_copy(
        update={"context_tokens": settings.context_tokens or known.context_tokens}
    )
    return _served(name, folder, wanted, known.prompts, known.max_tokens)


def _served(
    name: str, folder: Path, settings: ModelConfig, prompts: PromptSet, max_tokens: int
) -> Profile:
    config = check_model_folder(folder)
    context = _context_tokens(config, settings, folder)
    footprint = estimate(config, context_tokens=context, folder=folder, kv_bits=settings.kv_bits)
    return Profile(
        name=name,
        model_path=folder,
        model=str(folder),
        prompts=settings.prompts or prompts,
        context_tokens=context,
        max_tokens=min(settings.max_tokens or max_tokens, context),
        footprint=within(footprint, memory_limit_gb(settings), f"the model {str(folder)!r}"),
    )


def _context_tokens(config: dict[str, Any], settings: ModelConfig, folder: Path) -> int:
    positions = config.get("max_position_embeddings")
    if not isinstance(positions, int) or positions <= 0:
        positions = _REMOTE_CONTEXT_TOKENS
    wanted = settings.context_tokens
    if wanted is not None and wanted > positions:
        # The server accepts a longer prompt and answers nonsense.
        raise UsageError(
            f"context_tokens is {wanted} and the model {str(folder)!r} knows {positions} "
            f"positions; set it to {positions} or less"
        )
    return wanted or min(positions, _REMOTE_CONTEXT_TOKENS)
