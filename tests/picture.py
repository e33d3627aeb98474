"""Writes ``docs/run.svg``: what a terminal shows of a real run of the demo (``make picture``)."""

import io
import os
import pty
import re
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

PICTURE = Path(__file__).parents[1] / "docs" / "run.svg"
COLUMNS, ROWS = 100, 50
LINE_MOVES = re.compile(r"(\r|\n|\x1b\[1A|\x1b\[2K|\x1b\[\?\d+[hl])")  # all that rich's Live uses
# Without the parts that name other hosts, and with a font that everybody has.
FORMAT = re.sub(
    r"<!--.*?-->|@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL
).replace("Fira Code, ", "")


def on_a_terminal(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """Return what ``command`` writes to a terminal; when it fails, end and show that."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (ROWS, COLUMNS))
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        said = b""
        try:
            while piece := os.read(ours, 65_536):
                said += piece
        except OSError:  # Linux says so when the other side is closed
            pass
    os.close(ours)
    text = said.decode("utf-8")
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}:\n{screen(text)}")
    return text


def screen(said: str) -> str:
    """Return the lines that stay on the screen, colours kept."""
    lines, at = [""], 0
    for piece in LINE_MOVES.split(said):
        if piece == "\n":
            at += 1
            lines += [""] * (at == len(lines))
        elif piece == "\x1b[1A":
            at -= 1
        elif piece == "\x1b[2K":
            lines[at] = ""
        elif not LINE_MOVES.match(piece):
            lines[at] += piece
    return "\n".join(lines).rstrip("\n")


def drawn(text: str) -> str:
    """Return the picture of a terminal that shows ``text``."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(text))
    console.line()  # else the frame cuts into the last line
    return console.export_svg(
        title="mcp-local-llm demo", theme=MONOKAI, code_format=FORMAT, unique_id="run"
    )


def main() -> None:
    command = str(Path(sys.executable).parent / "mcp-local-llm")
    with tempfile.TemporaryDirectory(prefix="picture-") as name:
        environment = {
            **os.environ, "MCP_LOCAL_LLM_HOME": f"{name}/state", "TERM": "xterm-256color",
        }  # fmt: skip
        try:
            said = on_a_terminal([command, "demo"], Path(name), environment)
        finally:
            subprocess.run([command, "model", "stop"], env=environment, check=True)
    PICTURE.write_text(drawn(f"$ mcp-local-llm demo\n{screen(said)}"), "utf-8")


if __name__ == "__main__":
    main()
