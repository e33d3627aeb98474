"""The timer that asks every quarter of an hour whether a night is due: what it is written as.

Nothing is started here. Each kind is a set of whole files of ours, or a marked block in the user's
crontab; both are told before they are written, and removed to the last line.
"""

from __future__ import annotations

import plistlib
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

EVERY_MINUTES: Final = 15
Kind = Literal["launchd", "systemd", "cron"]
RELOAD: Final = ("systemctl", "--user", "daemon-reload")

_LABEL: Final = "mcp-local-llm.nightly"
_UNIT: Final = "mcp-local-llm-nightly"
_BEGIN: Final = "# >>> mcp-local-llm nightly >>>"
_END: Final = "# <<< mcp-local-llm nightly <<<"


@dataclass(frozen=True, slots=True)
class Timer:
    """What is asked for: the command, its environment, and where it writes what it says."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path


def best_kind() -> Kind:
    """Return the kind of timer that this machine has."""
    if sys.platform == "darwin":
        return "launchd"
    return "systemd" if shutil.which("systemctl") and _SYSTEMD.is_dir() else "cron"


_SYSTEMD: Final = Path("/run/systemd/system")  # there only where systemd runs


def files(kind: Kind, timer: Timer, user_home: Path) -> dict[Path, str]:
    """Return the files that make the timer, with their text; none for cron."""
    if kind == "launchd":
        agents = user_home / "Library" / "LaunchAgents"
        return {agents / f"{_LABEL}.plist": launchd_text(timer)}
    if kind == "systemd":
        units = user_home / ".config" / "systemd" / "user"
        return {
            units / f"{_UNIT}.service": service_text(timer),
            units / f"{_UNIT}.timer": timer_text(),
        }
    return {}


def commands(kind: Kind, user_home: Path, *, install: bool) -> tuple[tuple[str, ...], ...]:
    """Return the commands that make the system notice what was written, or what goes.

    To install they come after writing, to remove before.
    """
    if kind == "launchd":
        path = str(next(iter(files(kind, _NO_TIMER, user_home))))
        return (("launchctl", "load" if install else "unload", "-w", path),)
    if kind == "systemd":
        if install:
            return (RELOAD, ("systemctl", "--user", "enable", "--now", f"{_UNIT}.timer"))
        return (("systemctl", "--user", "disable", "--now", f"{_UNIT}.timer"),)
    return ()


def launchd_text(timer: Timer) -> str:
    """Return the property list of launchd."""
    content = {
        "Label": _LABEL,
        "ProgramArguments": list(timer.command),
        "EnvironmentVariables": dict(timer.environment),
        "StartInterval": 60 * EVERY_MINUTES,
        "ProcessType": "Background",
        "LowPriorityIO": True,
        "Nice": 10,
        "StandardOutPath": str(timer.log),
        "StandardErrorPath": str(timer.log),
    }
    return plistlib.dumps(content).decode("utf-8")


def service_text(timer: Timer) -> str:
    """Return the unit that runs the command once; ``%`` is doubled, as systemd wants it."""
    variables = "".join(
        f'Environment="{_unit_word(f"{name}={value}")}"\n'
        for name, value in timer.environment.items()
    )
    words = " ".join(f'"{_unit_word(word)}"' for word in timer.command)
    return (
        "[Unit]\nDescription=mcp-local-llm: train in the night what was taught by day\n\n"
        f"[Service]\nType=oneshot\nNice=10\n{variables}ExecStart={words}\n"
        f"StandardOutput=append:{_percent(str(timer.log))}\n"
        f"StandardError=append:{_percent(str(timer.log))}\n"
    )


def timer_text() -> str:
    """Return the unit that starts the service; a moment that was slept through is made up for."""
    return (
        "[Unit]\nDescription=mcp-local-llm: ask whether a night is due\n\n"
        f"[Timer]\nOnCalendar=*:0/{EVERY_MINUTES}\nPersistent=true\n\n"
        "[Install]\nWantedBy=timers.target\n"
    )


def cron_text(timer: Timer) -> str:
    """Return the marked block for a crontab; ``%`` is a line's end there unless it is escaped."""
    variables = [f"{name}={shlex.quote(value)}" for name, value in timer.environment.items()]
    words = " ".join([*variables, *map(shlex.quote, timer.command)])
    line = f"*/{EVERY_MINUTES} * * * * {words} >> {shlex.quote(str(timer.log))} 2>&1"
    return f"{_BEGIN}\n{line.replace('%', chr(92) + '%')}\n{_END}\n"


def with_block(crontab: str, block: str) -> str:
    """Return ``crontab`` with ``block`` in the place of the one that was there, or at the end."""
    rest = without_block(crontab)
    return f"{rest}{block}" if not rest or rest.endswith("\n") else f"{rest}\n{block}"


def without_block(crontab: str) -> str:
    """Return ``crontab`` without our block, every other line as it was."""
    kept: list[str] = []
    inside = False
    for line in crontab.splitlines(keepends=True):
        inside = inside or line.strip() == _BEGIN
        if not inside:
            kept.append(line)
        inside = inside and line.strip() != _END
    return "".join(kept)


def command_words(interpreter: Path, root: Path) -> tuple[str, ...]:
    """Return the command that the timer runs: our script beside ``interpreter``, if it is there."""
    script = interpreter.with_name("mcp-local-llm")
    if script.is_file():
        return (str(script), "nightly")
    boot = f"import sys; sys.path.insert(0, {str(root)!r}); import mcp_local_llm as m; "
    return (str(interpreter), "-P", "-c", f"{boot}sys.exit(m.main())", "nightly")


def shown(written: Mapping[Path, str]) -> str:
    """Return files with their text, for people."""
    return "\n".join(f"# {path}\n{text}" for path, text in written.items())


def _unit_word(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return _percent(escaped)


def _percent(text: str) -> str:
    return text.replace("%", "%%")


_NO_TIMER: Final = Timer((), {}, Path())


def words_of(commands_: Sequence[Sequence[str]]) -> str:
    """Return commands as one would type them."""
    return "\n".join(shlex.join(one) for one in commands_)
