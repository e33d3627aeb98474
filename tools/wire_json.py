"""Calls written as JSON, in whatever wrapping they came."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any, Final

from tools.calls import FORM, ToolCall, Unclear, make_call

_NAME: Final = re.compile(r"[A-Za-z_][\w.:/-]{0,79}$")
_TOOL: Final = re.compile(r"(?:fs|search|git|cmd|memory)\.\w+$")
_BODY_KEYS: Final = ("content", "body")
_ARGUMENT_KEYS: Final = ("arguments", "parameters")
_LOOKS_LIKE_CALL: Final = re.compile(r"""["'](?:arguments|parameters)["']\s*:|["']tool_calls["']""")
_SPACE: Final = re.compile(r"[\s,]*")


class _Object(dict[str, Any]):
    """A JSON object that knows whether a key was there twice."""

    doubled: str | None = None


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    result = _Object(pairs)
    keys = [key for key, _ in pairs]
    result.doubled = (
        next((key for key in keys if keys.count(key) > 1), None)
        if (len(result) < len(keys))
        else None
    )
    return result


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object)


def malformed() -> Unclear:
    """Return the refusal of a call whose JSON can't be read."""
    return Unclear(
        "The call is no valid JSON (double quotes around keys and texts, \\n for line ends, all "
        f"brackets closed). Better write it like this:\n{FORM}"
    )


def looks_like_call(text: str) -> bool:
    """Say whether ``text``, JSON or nearly so, seems to be meant as a call."""
    return _LOOKS_LIKE_CALL.search(text) is not None


def decode_at(text: str, at: int) -> tuple[Any, int] | None:
    """Return the JSON value at ``at`` and where it ends, None when there is none."""
    try:
        return _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):
        return None


def decode_run(text: str, at: int) -> tuple[list[Any], int]:
    """Return the objects and arrays that stand at ``at`` one after another, and where they end."""
    values: list[Any] = []
    end = at
    while True:
        space = _SPACE.match(text, end)
        start = space.end() if space else end
        if text[start : start + 1] not in {"{", "["}:
            return values, end
        found = decode_at(text, start)
        if found is None:
            return values, end
        values.append(found[0])
        end = found[1]


def calls_in(values: list[Any]) -> list[ToolCall] | None:
    """Return the calls that ``values`` are, None when they are something else.

    A tool's definition (it has a description or a schema) is something else. Raises
    :class:`Unclear` for a mixture and for what is nearly a call.
    """
    flat = _flat(values)
    found = [_call(value) for value in flat]
    calls = [call for call in found if call is not None]
    if calls and len(calls) < len(found):
        raise Unclear(f"Some of the JSON objects are calls and some are not. Write only:\n{FORM}")
    return calls or None


def _flat(values: list[Any]) -> list[Any]:
    flat: list[Any] = []
    for value in values:
        if isinstance(value, list):
            flat += value
        elif isinstance(value, dict) and isinstance(value.get("tool_calls"), list):
            flat += value["tool_calls"]
        else:
            flat.append(value)
    return flat


def _call(value: Any) -> ToolCall | None:
    if not isinstance(value, _Object):
        return None
    inner = value.get("function")
    if isinstance(inner, _Object):
        value = inner
    name = value.get("name")
    keys = [key for key in _ARGUMENT_KEYS if key in value]
    if "description" in value or _is_schema(value.get("parameters")):
        return None
    if not isinstance(name, str) or not _NAME.match(name) or not keys:
        if any(isinstance(text, str) and _TOOL.match(text) for text in value.values()):
            raise Unclear(f'A JSON call needs "name" and "arguments". Better write:\n{FORM}')
        return None
    if len(keys) > 1 or value.doubled:
        raise Unclear(f"The JSON call of {name!r} gives {value.doubled or keys[1]!r} twice.")
    return call_with(name, value[keys[0]])


def _is_schema(value: Any) -> bool:
    return isinstance(value, dict) and (
        isinstance(value.get("properties"), dict) or value.get("type") == "object"
    )


def call_with(name: str, arguments: Any) -> ToolCall:
    """Return the call of ``name`` with ``arguments``, an object or JSON text of one.

    ``content`` or ``body`` among them is the body. Raises :class:`Unclear` for anything else.
    """
    if isinstance(arguments, str):
        found = decode_at(arguments.strip(), 0) if arguments.strip() else (_Object(), 0)
        if found is None or arguments.strip()[found[1] :]:
            raise malformed()
        arguments = found[0]
    if arguments is None:
        arguments = _Object()
    if not isinstance(arguments, dict):
        raise Unclear(f'The "arguments" of {name!r} must be an object of names and texts.')
    if isinstance(arguments, _Object) and arguments.doubled:
        raise Unclear(f"The JSON call of {name!r} gives {arguments.doubled!r} twice.")
    bodies = [key for key in _BODY_KEYS if arguments.get(key) is not None]
    if len(bodies) > 1:
        raise Unclear(f"The JSON call of {name!r} has two bodies, {bodies[0]!r} and {bodies[1]!r}.")
    args = {
        key: _text(value)
        for key, value in arguments.items()
        if value is not None and key not in bodies
    }
    body = _text(arguments[bodies[0]]) if bodies else None
    return make_call(name, args, body.replace("\r\n", "\n") if body else body, verbatim=False)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        return shlex.join(value)  # the one list that any tool takes is a command line
    return json.dumps(value, ensure_ascii=False)
