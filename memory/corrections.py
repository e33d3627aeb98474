"""What a user changed in something the crew proposed: the raw matter of learning."""

from __future__ import annotations

from typing import Literal

from memory.records import Record


class Correction(Record):
    """A proposal and what the user made of it.

    ``where`` says which proposal it was; ``comment`` is the user's reason where one was given.
    ``relayed``: a model has told it, and may have worded it.
    """

    where: Literal["plan", "patch"]
    original: str
    corrected: str
    comment: str = ""
    relayed: bool = False
