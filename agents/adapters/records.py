"""What is written down about adapters."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Final, Literal

from pydantic import Field, JsonValue

from memory.records import Record

ADAPTER: Final = "adapters.safetensors"
ADAPTER_CONFIG: Final = "adapter_config.json"
FILES: Final = (ADAPTER, ADAPTER_CONFIG)
MANIFEST: Final = "manifest.json"
CONTEXT: Final = r"^$|^project:[0-9a-f]{16}$|^ext:\.[a-z0-9_+-]{1,16}$"
_ID_LENGTH: Final = 12


class Making(Record):
    """What an adapter was made from, and for what: its content follows from it.

    ``base`` and ``prompts`` are hashes (``agents.weights.base_digest`` and ``prompts.digest``),
    ``dataset`` is the dataset's digest, ``journal`` the position that was learnt up to, and
    ``items`` are the journal ids that it was trained on. ``context`` is where it holds: everywhere
    (empty), in ``project:ID``, or for files of ``ext:.py``.
    """

    base: str = Field(min_length=1)
    dataset: str
    recipe: dict[str, JsonValue]
    context: str = Field(default="", pattern=CONTEXT)
    parents: tuple[str, ...] = ()
    journal: int = Field(ge=0)
    prompts: str
    items: tuple[str, ...] = ()
    files: dict[str, str]

    def fingerprint(self) -> str:
        """Return the id of the adapter with this making: the start of a hash over all of it."""
        facts = self.model_dump(mode="json", include=set(Making.model_fields))
        text = json.dumps(facts, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:_ID_LENGTH]


class Manifest(Making):
    """An adapter's making, its name, when it was kept, and what its gate said."""

    id: str
    created: datetime
    gate: dict[str, JsonValue] | None = None


class Slot(Record):
    """The adapter that answers in a context over a base."""

    adapter: str
    base: str
    context: str = ""


class Pointer(Record):
    """A learning checkpoint: what is served, and the journal position and prompts it stands for.

    ``before`` is the serial of the one that a rollback restores, and ``slots`` end with the one
    that was promoted last; ``retire`` took one out. The first one, 0, serves the base alone.
    """

    serial: int = 0
    at: datetime | None = None
    action: Literal["", "promote", "rollback", "retire"] = ""
    why: str = ""
    slots: tuple[Slot, ...] = ()
    journal: int = 0
    prompts: str = ""
    before: int | None = None

    @property
    def adapters(self) -> frozenset[str]:
        """The ids of what is served."""
        return frozenset(slot.adapter for slot in self.slots)
