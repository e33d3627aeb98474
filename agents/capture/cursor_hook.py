# ruff: noqa: PTH100, PTH110, PTH116, PTH118, PTH120
"""What Cursor runs at a hook: note the event for later, answer at once, never be in the way.

``mcp-local-llm hooks install`` copies this file into the state folder. It runs there by itself,
under ``python -I -S``, with the standard library alone, and appends one line of JSON per event to
``spool/cursor.jsonl`` beside the folder it lies in. Where anything goes wrong the event is dropped:
a hook that fails must not hold up who is typing.
"""

import fcntl
import json
import os
import signal
import sys
import time

LONGEST_EVENT = 32_000_000  # bytes read
LONGEST_TEXT = 16_000  # characters kept, half of them from either end
FULL = 64_000_000  # bytes of the spool
PATIENCE_S = 2  # then the system ends this process
TEXTS = {"beforeSubmitPrompt": "prompt", "afterAgentResponse": "text", "afterFileEdit": "file_path"}
NAMES = ("hook_event_name", "conversation_id", "generation_id")


def main() -> int:
    """Answer, then note the event; the exit code is always 0."""
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


def noted(event: object) -> bytes:
    """Return what is kept of the event, in a line; nothing when it is of no use."""
    if not isinstance(event, dict):
        return b""
    text = event.get(TEXTS.get(str(event.get("hook_event_name")), ""))
    if not isinstance(text, str) or not text:
        return b""
    if len(text) > LONGEST_TEXT:
        text = text[: LONGEST_TEXT // 2] + "\n" + text[-LONGEST_TEXT // 2 :]
    roots = event.get("workspace_roots")
    kept: dict[str, object] = {name: str(event.get(name) or "")[:200] for name in NAMES}
    kept["root"] = str(roots[0])[:4_000] if isinstance(roots, list) and roots else ""
    kept["text"] = text
    kept["at"] = time.time()
    return b"\n" + json.dumps(kept).encode() + b"\n"  # the first ends what another left cut off


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
