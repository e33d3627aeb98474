"""All settings in one place.

Precedence: command line > environment (``MCP_LOCAL_LLM_MODEL__PROFILE=…``) > the project's
``.mcp-local-llm/config.toml`` > the user's ``config.toml`` > defaults. A project's file may not set
where code is sent or how commands are confined.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from agents.profiles import ModelConfig
from graph.night.config import NightConfig
from graph.state import Review
from mcp_local_llm import UsageError
from memory.rewards import Weights
from memory.signals import EMOTIONAL, IMPLICIT
from tools.sandbox import CommandPolicy

PROJECT_CONFIG: Final = Path(".mcp-local-llm") / "config.toml"
# A repository may be anybody's: its file decides neither where code is sent nor what confines it.
_NOT_FROM_PROJECTS: Final[Mapping[str, frozenset[str]]] = {
    "model": frozenset(
        {"base_url", "api_key_env", "model_path", "adapter_path", "memory_limit_gb"}
    ),
    "command": frozenset({"python", "allow_unsandboxed"}),
    "checkpoint_url": frozenset(),
    "replies": frozenset(),
    "feeling_model": frozenset(),
    "night": frozenset(NightConfig.model_fields),
}


def user_config_path() -> Path:
    """Return the user's own settings file, which need not exist."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "mcp-local-llm" / "config.toml"


class CommandConfig(BaseModel):
    """How commands run. ``python`` is the interpreter of the project's tests; found when unset.

    ``pytest_plugins = false`` keeps pytest from loading every plugin installed beside it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    python: Path | None = None
    allow_unsandboxed: bool = False
    timeout_s: float = Field(default=120.0, gt=0)
    output_cap_bytes: int = Field(default=32 * 1024, gt=0)
    pytest_plugins: bool = True

    def policy(self, python: Path) -> CommandPolicy:
        """Return the policy for commands that use ``python``."""
        return CommandPolicy(
            python=python,
            allow_unsandboxed=self.allow_unsandboxed,
            timeout_s=self.timeout_s,
            output_cap_bytes=self.output_cap_bytes,
            pytest_plugins=self.pytest_plugins,
        )


class LimitsConfig(BaseModel):
    """The bounds of one run. What is reached ends the run with a reason, never silently."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    test_attempts: int = Field(default=3, ge=1)
    implement_attempts: int = Field(default=3, ge=1)
    turns: int = Field(default=6, ge=1)  # replies of one role in one turn
    repeats: int = Field(default=4, ge=1)
    steps: int = Field(default=30, ge=1)  # turns of all roles
    tokens: int = Field(default=1_000_000, ge=1)
    wall_s: float = Field(default=3_600.0, gt=0)


class MemoryConfig(BaseModel):
    """Whether runs recall what was taught and learnt."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = True


class LearningConfig(BaseModel):
    """How what was delivered is followed, and how deed and feeling weigh in a reward.

    ``follow_days`` is on how many days code that went nowhere is looked for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    follow_days: int = Field(default=14, ge=1)
    implicit: float = Field(default=IMPLICIT, ge=0)
    emotional: float = Field(default=EMOTIONAL, ge=0)

    @property
    def weights(self) -> Weights:
        """The weights of a reward."""
        return Weights(implicit=self.implicit, emotional=self.emotional)


class Settings(BaseSettings):
    """The settings of one run. ``replies`` is the script of the profile ``scripted`` (tests).

    ``checkpoint_url`` puts checkpoints into PostgreSQL instead of the state folder, and
    ``feeling_model`` is a folder with a Hugging Face classifier that judges feelings.
    """

    model_config = SettingsConfigDict(
        env_prefix="MCP_LOCAL_LLM_", env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    model: ModelConfig = ModelConfig()
    command: CommandConfig = CommandConfig()
    limits: LimitsConfig = LimitsConfig()
    memory: MemoryConfig = MemoryConfig()
    learning: LearningConfig = LearningConfig()
    night: NightConfig = NightConfig()
    review: tuple[Review, ...] = ()
    replies: Path | None = None
    checkpoint_url: str | None = None
    feeling_model: Path | None = None


def load_settings(workspace: Path, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Return the settings for ``workspace``; ``overrides`` is what the command line says.

    Raises ``UsageError`` naming the file or setting that is wrong.
    """
    files = (workspace / PROJECT_CONFIG, user_config_path())

    class _Here(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            tomls = (TomlConfigSettingsSource(settings_cls, toml_file=path) for path in files)
            return (init_settings, env_settings, *tomls)

    _check_project_file(workspace / PROJECT_CONFIG)
    try:
        found = _Here(**dict(overrides or {}))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"the setting {where!r} is wrong: {first['msg']}; look at the command line, the "
            f"MCP_LOCAL_LLM_* variables and {', '.join(map(str, files))}"
        ) from error
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        names = " or ".join(repr(str(path)) for path in files if path.exists())
        raise UsageError(f"cannot read the settings in {names}: {error}; mend the file") from error
    return Settings.model_construct(**{n: getattr(found, n) for n in Settings.model_fields})


def _check_project_file(path: Path) -> None:
    """Raise ``UsageError`` when a project's file sets what only the user may."""
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return  # missing, or reported with the other sources
    for name, inner in _NOT_FROM_PROJECTS.items():
        section = said.get(name, {})
        wrong = sorted(inner & set(section)) if isinstance(section, dict) else [""]
        if wrong:
            setting = f"{name}.{wrong[0]}".rstrip(".")
            raise UsageError(
                f"{str(path)!r} sets {setting!r}, which a project's own file may not; put it into "
                f"{str(user_config_path())!r}, or take it out"
            )
