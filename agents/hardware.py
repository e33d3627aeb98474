"""What this machine offers a model: cores, memory, chip; detected, and overridable by config."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Final, Literal

from memory.records import Record

_CGROUP: Final = Path("/sys/fs/cgroup")
_GIB: Final = 1024**3


class Hardware(Record):
    """Cores this process may use, memory in GiB, the chip's name, and what does the arithmetic."""

    threads: int
    memory_gb: float
    chip: str
    accelerator: Literal["metal", "cpu"]

    @property
    def is_apple_silicon(self) -> bool:
        """True where mlx runs on the GPU."""
        return self.accelerator == "metal"


def detect(cgroup: Path = _CGROUP) -> Hardware:
    """Return this machine's profile; limits of a container (``cgroup``) count."""
    metal = sys.platform == "darwin" and platform.machine() == "arm64"
    return Hardware(
        threads=_threads(cgroup / "cpu.max"),
        memory_gb=round(_memory_bytes(cgroup / "memory.max") / _GIB, 1),
        chip=_chip(),
        accelerator="metal" if metal else "cpu",
    )


def _threads(quota_file: Path) -> int:
    if hasattr(os, "sched_getaffinity"):
        usable = len(os.sched_getaffinity(0))
    else:
        usable = os.cpu_count() or 1
    quota, _, period = _text(quota_file).partition(" ")
    if quota.isdigit() and period.isdigit():
        usable = min(usable, max(1, int(quota) // int(period)))
    return usable


def _memory_bytes(limit_file: Path) -> int:
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _text(limit_file)
    return min(installed, int(limit)) if limit.isdigit() else installed


def _chip() -> str:
    for line in _text(Path("/proc/cpuinfo")).splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""  # not Linux, or no limit is set
