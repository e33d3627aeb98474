"""Finding what must never reach the memory: keys, tokens, passwords.

Known token shapes and private keys are found anywhere, by our own patterns and those of the
library detect-secrets; a value given to a name like ``password`` or ``api_key`` counts when it
looks random. Not covered: secrets that look like words, and values that were encoded or split.
"""

from __future__ import annotations

import importlib
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from pydantic import JsonValue

from mcp_local_llm import UsageError

# Each begins with a literal, which `re` finds fast; what stands before it is looked at afterwards.
SHAPES: Final = {
    "private key": r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[\s\S]{0,20000}?-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----)?",
    "AWS access key": r"A(?:KIA|SIA)[0-9A-Z]{16}\b",
    "GitHub token": r"g(?:h[pousr]_[A-Za-z0-9]{36,255}|ithub_pat_[A-Za-z0-9_]{22,255})",
    "GitLab token": r"glpat-[A-Za-z0-9_-]{20,}",
    "Slack token": r"xox[abeoprs]-[A-Za-z0-9-]{20,}",
    "Google API key": r"AIza[A-Za-z0-9_-]{35}",
    "Stripe key": r"[sr]k_live_[A-Za-z0-9]{20,}",
    "API key": r"sk-(?=[A-Za-z_-]{0,80}[0-9])[A-Za-z0-9_-]{32,}",
    "Hugging Face token": r"hf_[A-Za-z0-9]{30,}",
    "npm token": r"npm_[A-Za-z0-9]{36}\b",
    "PyPI token": r"pypi-[A-Za-z0-9_-]{60,}",
    "JSON web token": r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
}
_KNOWN: Final = [(kind, re.compile(shape)) for kind, shape in SHAPES.items()]
# Left out: detectors of a name next to a value (IBM, Cloudant, SoftLayer, keywords), looked for
# below in a tenth of their time; the one of Artifactory, which finds words in capitals; web tokens.
_LIBRARY: Final = (
    "aws", "azure_storage_key", "discord", "github_token", "gitlab_token", "mailchimp", "npm",
    "openai", "private_key", "pypi_token", "sendgrid", "slack", "square_oauth", "stripe",
    "telegram_token", "twilio",
)  # fmt: skip
_NAMED: Final = re.compile(
    r"(?:[Pp]ass(?:word|wd|phrase)|PASS(?:WORD|WD|PHRASE)|[Ss]ecret|SECRET|[Tt]oken|TOKEN"
    r"|(?:[Aa]pi|API|[Aa]ccess|ACCESS|[Pp]rivate|PRIVATE)[_-]?(?:[Kk]ey|KEY))"
    r"[A-Za-z0-9_-]{0,20}[\"']?\s{0,4}(?::|=>?)\s{0,4}"
    r"(?:\"(?P<double>[^\"\s]{12,200})\"|'(?P<single>[^'\s]{12,200})'"
    r"|(?P<bare>[A-Za-z0-9+/=_-]{16,200}+)(?![A-Za-z0-9+/=_(\[-]|\.\w))"
)  # what is called, indexed or has attributes is a name in code
_IN_URL: Final = re.compile(r"://[^\s:/@\"']{1,64}:(?P<password>[^\s:/@\"']{8,128})@")
_PLACEHOLDER: Final = re.compile(
    r"(?i)example|change.?me|your|xxxx|dummy|placeholder|[<>{}$%()\[\]]"
)
_SHORTEST: Final = 12  # characters that a secret has at least, or a URL with one
_MIN_BITS: Final = 3.2  # entropy per character; words of English stay below, 16 random ones above


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret stands in a text (characters ``start`` to ``end``), and of what kind it is."""

    kind: str
    start: int
    end: int


def secrets_in(text: str) -> list[Secret]:
    """Return the secrets in ``text`` in order, without overlaps."""
    found = sorted(_all(text), key=lambda secret: (secret.start, -secret.end))
    kept: list[Secret] = []
    for secret in found:
        if not kept or secret.start >= kept[-1].end:
            kept.append(secret)
    return kept


def find_secrets(text: str) -> list[str]:
    """Say which secrets ``text`` holds and in which lines, without repeating them."""
    return [
        f"{secret.kind} in line {text.count(chr(10), 0, secret.start) + 1}"
        for secret in secrets_in(text)
    ]


def refuse_secrets(text: str) -> None:
    """Raise ``UsageError`` when ``text`` holds what looks like a secret."""
    if found := find_secrets(text):
        raise UsageError(
            f"this holds what looks like a secret ({', '.join(found)}) and is not "
            "kept; say where the secret is found instead of what it is"
        )


def holds_secret(value: JsonValue, name: str = "") -> bool:
    """Say whether a text anywhere in ``value`` looks like a secret, alone or as what its name says.

    Not covered: a secret in the name of a field.
    """
    if isinstance(value, dict):
        return any(holds_secret(one, name) for name, one in value.items())
    if isinstance(value, list):
        return any(holds_secret(one, name) for one in value)
    if not isinstance(value, str) or len(value) < _SHORTEST:
        return False
    is_word = not any(map(str.isspace, value))  # of others, a name says nothing
    return bool(secrets_in(value) or (is_word and name and secrets_in(f'{name}="{value}"')))


def redacted(text: str) -> str:
    """Return ``text`` with each secret replaced by its kind in brackets."""
    for secret in reversed(secrets_in(text)):
        text = f"{text[:secret.start]}[{secret.kind} removed]{text[secret.end:]}"
    return text


def _all(text: str) -> Iterator[Secret]:
    for kind, shape in _KNOWN:
        for match in shape.finditer(text):
            if not text[max(0, match.start() - 1) : match.start()].isalnum():
                yield Secret(kind, *match.span())
    for kind, pattern in _of_library():
        yield from (Secret(kind, *match.span()) for match in pattern.finditer(text))
    for match in _NAMED.finditer(text):
        group = match.lastgroup or ""
        if _looks_random(match[group]):
            yield Secret("password or token", *match.span(group))
    for match in _IN_URL.finditer(text):
        if _looks_random(match["password"], bits=2.5):
            yield Secret("password in a URL", *match.span("password"))


@cache
def _of_library() -> tuple[tuple[str, re.Pattern[str]], ...]:
    from detect_secrets.plugins.base import RegexBasedDetector

    modules = (importlib.import_module(f"detect_secrets.plugins.{name}") for name in _LIBRARY)
    kinds = (
        kind
        for module in modules
        for kind in vars(module).values()
        if isinstance(kind, type)
        and issubclass(kind, RegexBasedDetector)
        and kind is not RegexBasedDetector
    )
    return tuple((str(kind.secret_type), pattern) for kind in kinds for pattern in kind().denylist)


def _looks_random(value: str, *, bits: float = _MIN_BITS) -> bool:
    """Say whether ``value`` mixes digits and letters without a pattern (Shannon entropy)."""
    if _PLACEHOLDER.search(value) or not (
        re.search(r"\d", value) and re.search(r"[A-Za-z]", value)
    ):
        return False
    counts = Counter(value).values()
    return -sum(n / len(value) * math.log2(n / len(value)) for n in counts) >= bits
