"""What the night has to know about the machine: power, disk, memory, and whether a crew works."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Final

from agents.capture.spool import spool_file
from agents.hardware import detect
from agents.lease import resident_status
from graph.runs import RunStore
from mcp_local_llm import LocalLLMError
from memory.layout import journal_path, memory_folder

_SUPPLIES: Final = Path("/sys/class/power_supply")
_GIB: Final = 1024**3
_RECENT: Final = 20  # runs that are looked at; older ones are over


def on_battery(supplies: Path = _SUPPLIES) -> bool:
    """Say whether the machine runs on its battery; what is not known counts as plugged in.

    ``supplies`` is Linux' folder of power supplies; elsewhere psutil knows.
    """
    kinds = [(_text(one / "type"), one) for one in sorted(supplies.glob("*"))]
    mains = [_text(one / "online") for kind, one in kinds if kind in {"Mains", "USB"}]
    if "1" in mains:
        return False
    # A mouse has a battery too: those of the machine itself have no scope, or "System".
    own = [
        one for kind, one in kinds if kind == "Battery" and _text(one / "scope") in {"", "System"}
    ]
    if own or mains:
        return any(_text(one / "status") == "Discharging" for one in own)
    import psutil  # type: ignore[import-untyped]  # it ships no types

    battery = psutil.sensors_battery()
    return battery is not None and battery.power_plugged is False


def free_disk_gb(home: Path) -> float:
    """Return what is free where ``home`` is, or will be, in GiB."""
    there = next(one for one in (home, *home.parents) if one.exists())
    return shutil.disk_usage(there).free / _GIB


def free_memory_gb() -> float:
    """Return the memory that can be had without swapping, in GiB."""
    import psutil

    return min(float(psutil.virtual_memory().available) / _GIB, detect().memory_gb)


def crew_at_work(home: Path) -> str:
    """Say which run or command uses the model now; empty for none."""
    store = RunStore(home)
    for run_id in store.run_ids()[:_RECENT]:
        if (holder := store.holder(run_id)) is not None:
            return f"the run {run_id} is under way (process {holder})"
    try:
        status = asyncio.run(resident_status(home))
    except LocalLLMError:  # it is busy with something, which is no run
        return "the resident process does not answer"
    leases = sum(server.leases for server in status.servers) if status else 0
    return f"{leases} commands use the model" if leases else ""


def last_activity(home: Path) -> float:
    """Return when something was last asked, taught or noted, in seconds since the epoch.

    0 when nothing ever was. What the user does elsewhere is not known.
    """
    store = RunStore(home)
    journal = journal_path(memory_folder(home))
    log = journal.with_name(journal.name + "-wal")
    files = [store.folder(run_id) / "events.jsonl" for run_id in store.run_ids()[:1]]
    files += [spool_file(home), journal]
    if _size(log):  # whoever only reads makes an empty one
        files.append(log)
    return max((_changed(file) for file in files), default=0.0)


def _changed(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
