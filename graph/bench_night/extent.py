"""How much is measured; apart, so that the command's help need not load what measures it."""

from __future__ import annotations

from typing import Final

NIGHTS: Final = 5
KILLS: Final = 20
STEPS: Final = ("base", "before", "nights", "tasks", "rollback", "kills", "overhead")
"""In their order; ``tasks`` needs all five nights, ``rollback`` those that were asked for."""
