"""Counting prompt tokens exactly as the server will: same template, same tokenizer.

Reads ``tokenizer.json`` and the chat template of the served model's folder and renders with the
settings ``transformers`` uses, without importing it (that takes seconds).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

from mcp_local_llm import ModelUnavailable

if TYPE_CHECKING:
    from jinja2 import Template
    from tokenizers import Tokenizer

# Cautious for English and code, where a token is 3 to 4 bytes; a role costs a few tokens too.
_BYTES_PER_TOKEN: Final = 3
_TOKENS_PER_MESSAGE: Final = 4

RoleAndText = tuple[str, str]


class TokenCounter(Protocol):
    """Counts the prompt tokens of a conversation."""

    def count(self, messages: Sequence[RoleAndText]) -> int:
        """Return how many tokens the server will see for ``messages``."""
        ...

    def count_text(self, text: str) -> int:
        """Return how many tokens ``text`` alone is."""
        ...


class EstimatedTokens:
    """A cautious estimate for an endpoint whose tokenizer is not on this machine."""

    def count(self, messages: Sequence[RoleAndText]) -> int:
        """Return about how many tokens ``messages`` are, rather too many than too few."""
        return sum(_TOKENS_PER_MESSAGE + self.count_text(text) for _, text in messages)

    def count_text(self, text: str) -> int:
        """Return about how many tokens ``text`` is."""
        return -(-len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)


class ServedTokens:
    """Counts with the tokenizer and chat template of a model folder.

    Not covered: templates that need tools or documents; none are ever sent.
    """

    def __init__(self, folder: Path) -> None:
        """Load the tokenizer; ``ModelUnavailable`` when a file is missing or unreadable."""
        self._config = _read_json(folder / "tokenizer_config.json")
        self._tokenizer = _load_tokenizer(folder / "tokenizer.json")
        self._template = _compile_template(_template_source(folder, self._config))

    @property
    def end(self) -> str:
        """The text that ends an answer; empty for a tokenizer that names none."""
        return _special_tokens(self._config).get("eos_token", "")

    def render(self, messages: Sequence[RoleAndText], *, asks: bool = True) -> str:
        """Return the text the model sees for ``messages``.

        It ends where an answer begins, or, unless it ``asks`` for one, with the last message.
        """
        return self._template.render(
            messages=[{"role": role, "content": text} for role, text in messages],
            tools=None,
            documents=None,
            add_generation_prompt=asks,
            **_special_tokens(self._config),
        )

    def encode(self, messages: Sequence[RoleAndText]) -> list[int]:
        """Return the prompt's token ids."""
        return self.encode_text(self.render(messages))

    def encode_text(self, text: str) -> list[int]:
        """Return the token ids of rendered ``text``, whose special tokens the template wrote."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def count(self, messages: Sequence[RoleAndText]) -> int:
        """Return how many prompt tokens the server will report for ``messages``."""
        return len(self.encode(messages))

    def count_text(self, text: str) -> int:
        """Return how many tokens ``text`` alone is."""
        return len(self.encode_text(text))


def open_counter(folder: Path | None) -> TokenCounter:
    """Return the exact counter for a model folder, or the estimate where there is none.

    Raises:
        ModelUnavailable: the folder has no usable tokenizer or chat template.
    """
    return EstimatedTokens() if folder is None else ServedTokens(folder)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelUnavailable(
            f"cannot read {str(path)!r} ({error}); fetch or build the model again"
        ) from error
    if not isinstance(data, dict):
        raise ModelUnavailable(f"{str(path)!r} holds no JSON object; fetch the model again")
    return data


def _load_tokenizer(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    if not path.is_file():
        raise ModelUnavailable(f"there is no tokenizer at {str(path)!r}; fetch the model again")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises no narrower class for a bad file
        raise ModelUnavailable(
            f"the tokenizer {str(path)!r} is corrupt ({error}); fetch the model again"
        ) from error


def _template_source(folder: Path, config: dict[str, Any]) -> str:
    own_file = folder / "chat_template.jinja"
    if own_file.is_file():
        return own_file.read_text(encoding="utf-8")
    template = config.get("chat_template")
    if isinstance(template, list):
        named = {entry["name"]: entry["template"] for entry in template}
        template = named.get("default")
    if not isinstance(template, str):
        raise ModelUnavailable(
            f"the model folder {str(folder)!r} has no chat template; use an instruct model"
        )
    return template


def _special_tokens(config: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in ("bos_token", "eos_token", "unk_token", "pad_token"):
        value = config.get(name)
        text = value.get("content") if isinstance(value, dict) else value
        if isinstance(text, str):
            found[name] = text
    return found


def _compile_template(source: str) -> Template:
    import jinja2
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = _strftime_now
    try:
        return environment.from_string(source)
    except jinja2.TemplateError as error:
        raise ModelUnavailable(
            f"the model's chat template does not compile ({error}); fetch the model again"
        ) from error


def _to_json(value: object, ensure_ascii: bool = False, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)


def _raise_exception(message: str) -> NoReturn:
    raise ModelUnavailable(f"the model's chat template refuses the conversation: {message}")


def _strftime_now(pattern: str) -> str:
    return datetime.now().strftime(pattern)
