# ruff: noqa: PTH100, PTH110, PTH116, PTH118, PTH120, PTH123
"""What Cursor runs at a hook: note the event for later, answer at once, never be in the way.

``mcp-local-llm hooks install`` copies this file into the state folder. It runs there by itself,
under ``python -I -S``, with the standard library alone, and appends one line of JSON per event to
``spool/cursor.jsonl`` beside the folder it lies in. When a session starts it answers with what is
known of the project, from a file that the product keeps up to date. Where anything goes wrong the
event is dropped: a hook that fails must not hold up who is typing.
"""

import fcntl
import json
import os
import re
import signal
import sys
import time

LONGEST_EVENT = 32_000_000  # bytes read
LONGEST_TEXT = 16_000  # characters kept, half of them from either end
LONGEST_COMMAND = 1_000
FULL = 64_000_000  # bytes of the spool
PATIENCE_S = 2  # then the system ends this process
TEXTS = {
    "beforeSubmitPrompt": "prompt",
    "afterAgentResponse": "text",
    "afterFileEdit": "file_path",
    "afterTabFileEdit": "file_path",
    "afterShellExecution": "output",
}
NAMES = ("hook_event_name", "conversation_id", "generation_id")
START = "sessionStart"
EVENTS = (*TEXTS, START)
SHAPES: tuple[str, ...] = ()  # of secrets, by memory/secrets.py: filled in where this is copied


def main() -> int:
    """Answer, then note the event; the exit code is always 0."""
    if sys.argv[1:2] == [START]:
        return start()
    asked = sys.argv[1:2] == ["beforeSubmitPrompt"]
    sys.stdout.write('{"continue": true}\n' if asked else "{}\n")
    sys.stdout.flush()
    signal.alarm(PATIENCE_S)
    try:
        line = noted(json.loads(sys.stdin.buffer.read(LONGEST_EVENT)))
        if line:
            append(line)
    except (OSError, ValueError, RecursionError, MemoryError):
        pass  # nobody reads what a hook says of itself
    return 0


def start() -> int:
    """Answer with what is known of the project that the session is about; ``{}`` when nothing is.

    Nothing is noted.
    """
    signal.signal(signal.SIGALRM, lambda *_: (os.write(1, b"{}\n"), os._exit(0)))
    signal.alarm(PATIENCE_S)
    answer = {}
    try:
        event = json.loads(sys.stdin.buffer.read(LONGEST_EVENT))
        roots = event.get("workspace_roots") if isinstance(event, dict) else None
        known = context_of(str(roots[0])) if isinstance(roots, list) and roots else ""
        answer = {"additional_context": known} if known else {}
    except (OSError, ValueError, RecursionError, MemoryError):
        pass
    signal.alarm(0)
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def context_of(root: str) -> str:
    """Return the text that is kept for the project of ``root``, as memory/project.py names it."""
    import hashlib  # takes longer than the rest of what other events need

    real = folder = os.path.realpath(root)
    while not os.path.exists(os.path.join(folder, ".git")):
        if folder == os.path.dirname(folder):
            folder = real
            break
        folder = os.path.dirname(folder)
    name = hashlib.blake2b(os.fsencode(folder), digest_size=8).hexdigest()
    here = os.path.dirname(os.path.abspath(__file__))
    path = os.path.join(here, "sessions", name + ".txt")
    with open(path, encoding="utf-8") as file:
        return file.read()


def without_secrets(text: str) -> str:
    """Return ``text`` without what looks like one of the secrets of ``SHAPES``."""
    if not SHAPES:
        return text
    return re.sub("(?<![A-Za-z0-9])(?:" + "|".join(SHAPES) + ")", "[secret removed]", text)


def noted(event: object) -> bytes:
    """Return what is kept of the event, in a line; nothing when it is of no use."""
    if not isinstance(event, dict):
        return b""
    name = str(event.get("hook_event_name"))
    text = event.get(TEXTS.get(name, ""))
    command = event.get("command") if name == "afterShellExecution" else None
    if not isinstance(text, str) or not (text or command):
        return b""
    roots = event.get("workspace_roots")
    kept: dict[str, object] = {name: str(event.get(name) or "")[:200] for name in NAMES}
    kept["root"] = str(roots[0])[:4_000] if isinstance(roots, list) and roots else ""
    kept["text"] = clean(text, LONGEST_TEXT)
    if isinstance(command, str):
        kept["command"] = clean(command, LONGEST_COMMAND)
    kept["at"] = time.time()
    return b"\n" + json.dumps(kept).encode() + b"\n"  # the first ends what another left cut off


def clean(text: str, longest: int) -> str:
    """Return up to ``longest`` characters of ``text`` without secrets.

    More is looked at than is kept, so that no secret loses what tells it.
    """
    return ends(without_secrets(ends(text, 4 * LONGEST_TEXT)), longest)


def ends(text: str, longest: int) -> str:
    """Return ``text``, or its two ends when it has more than ``longest`` characters."""
    half = longest // 2
    return text if len(text) <= longest else text[:half] + "\n" + text[-half:]


# Without pathlib, which would take as long to import as all the rest.
def append(line: bytes) -> None:
    """Append to the spool, unless it is full; who takes it away holds the same lock."""
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    path = os.path.join(folder, "spool", "cursor.jsonl")
    for _ in range(3):
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            mine = os.fstat(file)
            if os.path.exists(path) and os.path.samestat(mine, os.stat(path)):
                if mine.st_size < FULL:
                    os.write(file, line)
                return
        finally:
            os.close(file)


if __name__ == "__main__":
    sys.exit(main())
