"""Text to vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Embedder(Protocol):
    """A model that turns texts into vectors of length 1."""

    @property
    def name(self) -> str:
        """What identifies the vectors: model and revision. Another name means other vectors."""
        ...

    @property
    def dimension(self) -> int:
        """Components of a vector."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one row per text, shape (texts, dimension); a text past the limit is cut."""
        ...

    def windows(self, text: str) -> list[str]:
        """Split ``text`` into pieces that ``embed`` reads whole, at line ends where possible."""
        ...
