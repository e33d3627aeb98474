"""What became of an answer before the next prompt: data about it, which teaches nothing.

Cursor tells of a command what it printed and not how it ended, so that success and failure are read
from its last lines, and only where those are plain. A command that prints what something else said
(``cat``, ``grep``, ``git log``) tells nothing of either.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from pydantic import JsonValue

from memory.records import Record
from memory.secrets import redacted

Says = Literal["", "success", "failure"]

_LAST: Final = 12  # lines of the output that are read
_TAIL: Final = 400  # characters of it that are kept
_COMMAND: Final = 200
_MOST: Final = 5  # files, and commands: the newest
_FAILURE: Final = re.compile(
    r"\b[1-9]\d* (?:tests? |examples? )?(?:failed|failures?|failing|errors?)\b|\bFAILED\b"
    r"|\bBUILD FAIL|^--- FAIL|^FAIL\b|^Traceback \(most|^npm (?:ERR!|error)|^error(?:\[\w+\])?:"
    r"|: (?:command not found|No such file or directory)$|^make(?:\[\d+\])?: \*\*\*"
    r"|\bexit(?:ed with)? (?:code|status):? [1-9]",
    re.MULTILINE,
)
_SUCCESS: Final = re.compile(
    r"\b[1-9]\d* (?:tests? |examples? )?(?:passed|passing)\b|^test result: ok\.|\bBUILD SUCCESS"
    r"|^OK(?: \(.*\))?$|^ok\s+\S+|^PASS\b|\b0 (?:errors|failures|failed)\b|^Success: no issues"
    r"|^All checks passed",
    re.MULTILINE,
)
_PRINTS: Final = re.compile(
    r"^\s*(?:cat|less|more|head|tail|grep|rg|ag|find|ls|echo|printf|sed|awk|jq|curl|git)\b"
)
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Ran(Record):
    """A command that the answer ran after it had changed files, and what its last lines say."""

    command: str
    tail: str
    says: Says = ""

    @classmethod
    def of(cls, command: str, output: str) -> Ran:
        """Return what is kept of a command and its output, without secrets.

        They are looked for before and after the cut: half a secret is none, and one may begin to
        look like one where the rest is gone.
        """
        plain = _COLOUR.sub("", output).strip()
        says = "" if _PRINTS.search(command) else last_lines_say(plain)
        command, tail = redacted(command)[:_COMMAND], redacted(plain)[-_TAIL:]
        return cls(command=redacted(command), tail=redacted(tail), says=says)


class Aftermath(Record, extra="ignore"):
    """``edited_since`` are files of the answer that were edited by completion after it.

    A signal's evidence is read as one; one without it gives an empty one.
    """

    edited_since: tuple[str, ...] = ()
    ran: tuple[Ran, ...] = ()

    @property
    def evidence(self) -> dict[str, JsonValue]:
        """Return it for a signal, the newest of a lot; nothing where nothing is known."""
        newest = Aftermath(edited_since=self.edited_since[-_MOST:], ran=self.ran[-_MOST:])
        return newest.model_dump(mode="json", exclude_defaults=True)

    def told(self) -> list[str]:
        """Return it in lines for people."""
        lines = [f"edited since: {', '.join(self.edited_since)}"] if self.edited_since else []
        for one in self.ran:
            last = one.tail.rpartition("\n")[2]
            lines.append(f"{one.says or 'ran'}: {one.command}" + (f" ({last})" if last else ""))
        return lines


def last_lines_say(output: str) -> Says:
    """Return what the end of a command's output says; one failure outweighs any success."""
    last = "\n".join(line.strip() for line in output.splitlines()[-_LAST:])
    if _FAILURE.search(last):
        return "failure"
    return "success" if _SUCCESS.search(last) else ""
