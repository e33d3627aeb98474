"""What hooks have noted, taken in when somebody is about to ask the memory.

Where nothing waits that is a look at a folder; the detector is loaded only where something does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import structlog

from agents.capture.session_context import refresh_session
from agents.capture.spool import is_waiting, take_in
from agents.resident_embedder import ResidentEmbedder
from agents.shared_memory import SharedMemory
from mcp_local_llm import LocalLLMError, ModelUnavailable

_LEARNT_WITH: Final = "all-MiniLM-L6-v2"  # vectors that the detector's weights are for

if TYPE_CHECKING:
    from agents.capture.intake import Captured
    from agents.capture.turn import Turn


def take_hooks(memory: SharedMemory, told: Callable[[Captured], None]) -> Counter[str]:
    """Take the spool into ``memory``, telling what came of each turn; count lines left out.

    Turns are judged with the resident process's embedding model where that is loaded, else by words
    alone: loading one takes longer than people wait.

    Raises:
        ModelUnavailable: the detector's weights are missing.
        StoreUnavailable: spool or journal cannot be used.
    """
    if not is_waiting(memory.home):
        return Counter()
    from agents.capture.detector import Detector
    from agents.capture.intake import take_turns

    def consume(turns: Sequence[Turn]) -> None:
        done = 0
        embedder = ResidentEmbedder.open(memory.home)
        if embedder is not None and embedder.name.startswith(_LEARNT_WITH):
            try:
                for one in take_turns(turns, memory, Detector(embedder)):
                    told(one)
                    done += 1
            except ModelUnavailable as error:
                structlog.get_logger().info("hooks.judged_by_words", error=str(error))
        for one in take_turns(turns[done:], memory, Detector()):
            told(one)

    return take_in(memory.home, consume)


def take_waiting(memory: SharedMemory) -> None:
    """Take the spool into ``memory``; after a failure, which is logged, it waits."""
    if not is_waiting(memory.home):
        return
    try:
        take_hooks(memory, lambda _: None)
        refresh_session(memory)
    except LocalLLMError as error:
        structlog.get_logger().warning("hooks.not_taken_in", error=str(error))
