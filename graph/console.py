"""What the commands share: their frame, the memory of the current folder, and how they tell things.

The frame turns errors into a line without a trace and an exit code.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mcp_local_llm import LocalLLMError, StoreUnavailable, UsageError

if TYPE_CHECKING:
    from agents.shared_memory import SharedMemory

_SHOWN: Final = 160  # characters of a text in a list

Command = Callable[[argparse.Namespace], int]


def run_command(parser: argparse.ArgumentParser, argv: Sequence[str], action: Command) -> int:
    """Parse ``argv``, run ``action`` and return the exit code; errors are told without a trace."""
    try:
        options = parser.parse_args(argv)
    except SystemExit as stopped:  # argparse has said what is wrong
        return int(stopped.code or 0)
    failure: LocalLLMError
    try:
        return action(options)
    except LocalLLMError as error:
        failure = error
    except BrokenPipeError:  # the reader has gone: nothing is left to say, or to say it to
        sys.stderr.close()
        return 1
    except OSError as error:  # of a file or the network, where no part knew better
        failure = StoreUnavailable(
            f"the system refused ({error}); free disk space or mend the file's rights, then repeat "
            "the command"
        )
    except KeyboardInterrupt:
        return 130
    sys.stderr.write(f"{parser.prog}: {failure}\n")
    if options.json:
        write_json({"error": str(failure), "exit_code": failure.exit_code})
    return failure.exit_code


@contextmanager
def here() -> Iterator[SharedMemory]:
    """Open the memory for the project of the current folder.

    What Cursor reads by itself is brought up to date when something was written meanwhile.
    """
    from agents.capture.rule_file import refresh_all
    from agents.home import state_home
    from agents.shared_memory import SharedMemory
    from memory.project import project_id

    with SharedMemory(state_home(), project_id(Path.cwd())) as memory:
        before = memory.journal.last_seq
        try:
            yield memory
        finally:
            if memory.journal.last_seq != before:
                refresh_all(Path.cwd(), memory)


def write_json(value: dict[str, Any]) -> None:
    """Write the one object of ``--json``."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


def told(options: argparse.Namespace, text: str, **facts: Any) -> int:
    """Say what was done, as text or as the one JSON object, and return the exit code 0."""
    if options.json:
        write_json(facts)
    else:
        sys.stdout.write(f"{text}\n")
    return 0


def text_of(name: str) -> str:
    """Return the text of the file ``name``, or of standard input for ``-``.

    Raises:
        UsageError: it cannot be read, or is no UTF-8.
    """
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{name!r} cannot be read as UTF-8 ({error}); name another file"
        ) from error


def short(text: str) -> str:
    """Return ``text`` in one line of bounded length, harmless to a terminal."""
    line = " ".join(text[: 8 * _SHOWN].split())
    line = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in line)
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
