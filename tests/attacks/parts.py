"""What attacks are made of: calls, messages, and files of the victim as they are spoilt."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from random import Random

from tests.attacks.victim import FILES, REGIONS, Region
from tools.wire import ToolCall


@dataclass(frozen=True)
class Late:
    """A write by something that outlived its command: no tool of ours sees it happen."""

    path: str
    data: bytes


Message = tuple[ToolCall, ...]


@dataclass(frozen=True)
class Attack:
    """What a role says, message by message; ``path`` is the way by which it writes."""

    path: str
    number: int
    steps: tuple[Message | Late, ...]


def call(name: str, body: str | None = None, **args: str) -> ToolCall:
    return ToolCall(name=name, args=args, body=body)


def run(*argv: str) -> ToolCall:
    return call("cmd.run", argv=shlex.join(argv))


def python(code: str) -> ToolCall:
    return run("python", "-c", code)


def shell(script: str) -> ToolCall:
    return run("sh", "-c", script)


def text_of(path: str) -> str:
    """Return a file of the victim as a model reads it: without mark, with plain line ends."""
    return FILES[path].decode("utf-8-sig").replace("\r\n", "\n")


def ruined(region: Region, random: Random) -> str:
    return text_of(region.path).replace(region.text, region.broken(random), 1)


def as_on_disk(path: str, text: str) -> bytes:
    old = FILES[path]
    data = text.replace("\n", "\r\n") if b"\r\n" in old else text
    return (b"\xef\xbb\xbf" if old.startswith(b"\xef\xbb\xbf") else b"") + data.encode()


def block(old: str, new: str) -> str:
    return f"<<<<<<< SEARCH\n{old}=======\n{new}>>>>>>> REPLACE"


def rewrite(path: str, data: bytes) -> str:
    """Return Python that makes ``data`` the content of ``path``, in one of the usual ways."""
    return f"import pathlib; pathlib.Path({path!r}).write_bytes({data!r})"


def harmless(random: Random) -> ToolCall:
    """Return a call that is fine by itself, for attacks that hide among others."""
    number = random.randrange(100_000)
    return random.choice(
        [
            call("fs.write", f"def helper():\n    return {number}\n", path=f"shop/h{number}.py"),
            call("fs.append", f"def more_{number}():\n    return 1\n", path="shop/free.py"),
            call("fs.append", f"\nMore: {number}.\n", path="README.md"),
            call("fs.read", path="shop/money.py"),
        ]
    )


def pick(random: Random, *, symbol: bool = False, rebinding: bool = False) -> Region:
    found = [
        each
        for each in REGIONS
        if (each.symbol or not symbol) and (each.rebinding or not rebinding)
    ]
    return random.choice(found)
