"""One call in the tag form: its opening tag, its attributes, and where its body ends."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tools.calls import FORM, Found, ToolCall, Unclear, make_call

_NAME: Final = re.compile(r"<tool:([A-Za-z][\w.-]*)(?=[\s/>])")
_ATTRIBUTE: Final = re.compile(
    r"""\s+([A-Za-z_][\w.-]*)\s*=\s*(?:"([^"\n]*)"|'([^'\n]*)')(?=[\s/>])"""
)
_CLOSE: Final = re.compile(r"\s*(/?)>")
_MARK: Final = re.compile(r"[\w-]{1,40}$")
_ENTITY: Final = re.compile(r"&(?:(amp|lt|gt|quot|apos)|#(\d{1,7})|#x([0-9A-Fa-f]{1,6}));")
_ENTITIES: Final = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
# What an unfinished body must not hold: each could be its end, or the start of something else.
_OTHER_END: Final = re.compile(
    r"</(?:tool|fs\.|function|parameter|invoke)"
    r"|^[ \t]*</?(?:plan|tags|think|thinking)\b|^[ \t]*```\s*\Z",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Opening:
    """An opening tag: where it ends, and whether it is the whole call."""

    name: str
    args: dict[str, str]
    end: int
    alone: bool


def opening_at(text: str, at: int) -> Opening:
    """Read the opening tag at ``at``; raises :class:`Unclear` when it is malformed."""
    name = _NAME.match(text, at)
    if name is None:
        raise _bad_tag(text, at, "it needs a name such as fs.read right after '<tool:'")
    args: dict[str, str] = {}
    end = name.end()
    while (found := _ATTRIBUTE.match(text, end)) is not None:
        if found[1] in args:
            raise _bad_tag(text, at, f"{found[1]!r} is given twice")
        args[found[1]] = _unescaped(found[2] if found[2] is not None else found[3])
        end = found.end()
    close = _CLOSE.match(text, end)
    if close is None:
        raise _bad_tag(
            text,
            at,
            "attributes are name=\"value\", with &quot; for a quote inside, and end with '>'",
        )
    return Opening(name[1], args, close.end(), bool(close[1]))


def _bad_tag(text: str, at: int, why: str) -> Unclear:
    line = text[at:].split("\n", 1)[0][:100]
    return Unclear(f"The tag {line!r} can't be read: {why}. Write it like this:\n{FORM}")


def _unescaped(value: str) -> str:
    def character(found: re.Match[str]) -> str:
        if found[1]:
            return _ENTITIES[found[1]]
        code = int(found[2]) if found[2] else int(found[3], 16)
        return chr(code) if 0 < code < 0xD800 or 0xDFFF < code <= 0x10FFFF else found[0]

    return _ENTITY.sub(character, value)


def call_at(text: str, at: int, *, truncated: bool, may_end_open: bool = True) -> Found:
    """Read the call whose opening tag stands at ``at``.

    Raises :class:`Unclear` when the tag is malformed or the end of the body can't be told.
    """
    opening = opening_at(text, at)
    if opening.alone:
        return _found(opening, None, opening.end, verbatim=True)
    args = dict(opening.args)
    mark = args.pop("end", None)
    if mark is not None and not _MARK.match(mark):
        raise _bad_tag(text, at, "end= takes a short mark of letters and digits")
    opening = Opening(opening.name, args, opening.end, alone=False)
    if mark is not None:
        return _marked(text, opening, mark)
    indent = at - (text.rfind("\n", 0, at) + 1)
    lead = text[at - indent : at]
    return _unmarked(text, opening, len(lead) if not lead.strip() else 0, truncated, may_end_open)


def _found(
    opening: Opening, body: str | None, end: int, *, verbatim: bool = False, closed: bool = True
) -> Found:
    call = make_call(opening.name, opening.args, body, verbatim=verbatim)
    return Found((call,), end, "tag", closed)


def _first_line(text: str, opening: Opening) -> tuple[str, int]:
    """Return what follows the tag on its line, and where a body below the tag starts."""
    stop = text.find("\n", opening.end)
    stop = len(text) if stop < 0 else stop
    return text[opening.end : stop], min(stop + 1, len(text))


def _marked(text: str, opening: Opening, mark: str) -> Found:
    closer = f"</tool:{mark}>"
    rest, below = _first_line(text, opening)
    if closer in rest:
        body, _, _ = rest.partition(closer)
        end = opening.end + len(body) + len(closer)
        return _found(opening, body, end, verbatim=True)
    found = re.compile(rf"^[ \t]*{re.escape(closer)}[ \t]*$", re.MULTILINE).search(text, below)
    if found is None or rest.strip():
        raise Unclear(
            f"The body of {opening.name} must stand on its own lines and end with {closer}."
        )
    body = text[below : found.start()]
    return _found(opening, body, found.end(), verbatim=True)


def _unmarked(
    text: str, opening: Opening, indent: int, truncated: bool, may_end_open: bool
) -> Found:
    closer = rf"</tool(?::{re.escape(opening.name)})?>"
    rest, below = _first_line(text, opening)
    if rest.strip():
        close = re.search(closer, rest)
        if close:
            return _found(opening, rest[: close.start()], opening.end + close.end())
        below = opening.end
    line = re.compile(rf"^[ \t]{{0,{indent}}}{closer}[ \t]*$", re.MULTILINE)
    found = line.search(text, below)
    body = text[below : found.start()] if found else text[below:]
    if re.search(rf"^[ \t]{{0,{indent}}}<tool:[A-Za-z]", body, re.MULTILINE):
        raise Unclear(
            f"Another '<tool:' line stands inside the body of {opening.name}. Close each call with "
            "a line '</tool>' before the next; if the text itself holds such lines, give it a "
            "mark: "
            f'<tool:{opening.name} … end="X7">, the text, </tool:X7>.'
        )
    if found:
        return _found(opening, body, found.end())
    _check_open_end(body, opening, truncated or not may_end_open)
    body = body if body.endswith("\n") else body + "\n"
    return _found(opening, body if body.strip() else None, len(text), closed=False)


def _check_open_end(body: str, opening: Opening, cut: bool) -> None:
    if cut:
        raise Unclear(
            f"The reply ended before the '</tool>' line of {opening.name}, so nothing was done. "
            "Write "
            "the call again, in smaller parts if it is long."
        )
    if _OTHER_END.search(body):
        raise Unclear(
            f"It can't be told where the body of {opening.name} ends. End it with a line that is "
            f"exactly '</tool>':\n{FORM}"
        )


def render_tag(call: ToolCall) -> str:
    """Return ``call`` in the tag form, with no end mark."""
    return f"<tool:{call.name}{_rendered(call.args)}" + (
        "/>" if call.body is None else f">{_framed(call.body)}</tool>"
    )


def render_marked(call: ToolCall) -> str:
    """Return ``call`` with an end mark that its body does not hold."""
    body = call.body or ""
    number = 7
    while f"</tool:X{number}>" in body:
        number += 1
    return (
        f'<tool:{call.name}{_rendered(call.args)} end="X{number}">{_framed(body)}</tool:X{number}>'
    )


def _framed(body: str) -> str:
    if "\n" not in body:
        return body
    return "\n" + body if body.endswith("\n") else f"\n{body}\n"


def _rendered(args: dict[str, str]) -> str:
    return "".join(f' {name}="{_escaped(value)}"' for name, value in args.items())


def _escaped(value: str) -> str:
    for plain, entity in (("&", "amp"), ("<", "lt"), (">", "gt"), ('"', "quot")):
        value = value.replace(plain, f"&{entity};")
    return re.sub(r"[\n\r\t]", lambda found: f"&#{ord(found[0])};", value)
