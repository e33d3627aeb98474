"""Holding JSON against a JSON Schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from mcp_local_llm import UsageError
from memory.records import Record
from tools.process import ask_script

_CHILD: Final = Path(__file__).with_name("schema_child.py")
_LIMIT_S: Final = 10.0
_OUTPUT: Final = 1_000_000  # bytes
MAX_CHARS: Final = 1_000_000  # of document and schema each


class Mismatch(Record):
    """Where (a JSON path) a document is not as its schema says, and why."""

    at: str
    why: str


async def mismatches(document: str, schema: str) -> tuple[Mismatch, ...]:
    """Return up to 100 places where the JSON ``document`` is not as ``schema`` says.

    The draft is the one that the schema names, 2020-12 by default. Formats are not checked, and
    references out of the schema are not followed.

    Raises:
        UsageError: one of them is no JSON or too long, the schema is none, or comparing them takes
            longer than ten seconds.
    """
    request = {"document": _parsed(document, "document"), "schema": _parsed(schema, "schema")}
    if not isinstance(request["schema"], dict | bool):
        raise UsageError('the schema is no JSON Schema; it should look like {"type": "object"}')
    done = await ask_script(_CHILD, request, timeout_s=_LIMIT_S, output_cap_bytes=_OUTPUT)
    if done.timed_out:
        raise UsageError(f"comparing took more than {_LIMIT_S:g} s; make the patterns simpler")
    if done.code != 0:
        why = done.stderr.strip()[-400:] or "it could not be used"
        raise UsageError(f"the schema is no sound JSON Schema: {why}; mend it")
    return tuple(Mismatch(at=at, why=why) for at, why in json.loads(done.stdout))


def _parsed(text: str, what: str) -> object:
    if len(text) > MAX_CHARS:
        raise UsageError(f"the {what} has more than {MAX_CHARS:,} characters")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the {what} is no JSON ({error}); mend it") from error
