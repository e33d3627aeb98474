"""What hooks have noted, taken in when somebody is about to ask the memory.

Where nothing waits that is a look at a folder; the detector is loaded only where something does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import structlog

from agents.capture.spool import is_waiting, take_in
from agents.shared_memory import SharedMemory
from mcp_local_llm import LocalLLMError

if TYPE_CHECKING:
    from agents.capture.intake import Captured
    from agents.capture.turn import Turn


def take_hooks(memory: SharedMemory, told: Callable[[Captured], None]) -> Counter[str]:
    """Take the spool into ``memory``, telling what came of each turn; count lines left out.

    Turns are judged by words alone: loading an embedding model takes longer than people wait.

    Raises:
        ModelUnavailable: the detector's weights are missing.
        StoreUnavailable: spool or journal cannot be used.
    """
    if not is_waiting(memory.home):
        return Counter()
    from agents.capture.detector import Detector
    from agents.capture.intake import take_turns

    def consume(turns: Sequence[Turn]) -> None:
        for one in take_turns(turns, memory, Detector()):
            told(one)

    return take_in(memory.home, consume)


def take_waiting(memory: SharedMemory) -> None:
    """Take the spool into ``memory``; after a failure, which is logged, it waits."""
    try:
        take_hooks(memory, lambda _: None)
    except LocalLLMError as error:
        structlog.get_logger().warning("hooks.not_taken_in", error=str(error))
