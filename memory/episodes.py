"""What a run did and how it ended, kept for whoever asks later what was tried."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from memory.records import Item, Kind, Provenance, Record
from memory.secrets import redacted

_LONGEST: Final = 1_000  # characters of a task, a reason or a failure; the run's record has it all
_FILES: Final = 50


class Episode(Record):
    """How a run ended; ``failure`` is what the tests last complained of, empty once they pass.

    ``files`` are the paths it changed. ``mended`` counts per role the turns whose closing tags
    had to be put right.
    """

    run_id: str = Field(min_length=1)
    task: str
    outcome: str
    reason: str = ""
    failure: str = ""
    files: tuple[str, ...] = ()
    mended: dict[str, int] = Field(default_factory=dict)

    def item(self, project: str) -> Item:
        """Return the episode as an item of ``project``: the same run is always the same item.

        Long texts are shortened, and what looks like a secret is replaced by its kind.
        """
        lines = [f"{self.outcome}: {_kept(self.task)}"]
        for name, text in (("why", self.reason), ("last failure", self.failure)):
            if text.strip():
                lines.append(f"{name}: {_kept(text)}")
        files = [redacted(path) for path in self.files[:_FILES]]
        if files:
            more = len(self.files) - len(files)
            lines.append(f"files: {', '.join(files)}" + (f" and {more} more" if more else ""))
        if self.mended:
            counts = (f"{role} {count}" for role, count in sorted(self.mended.items()))
            lines.append(f"tags mended: {', '.join(counts)}")
        return Item(
            kind=Kind.EPISODE,
            text="\n".join(lines),
            project=project,
            key=self.run_id,
            provenance=Provenance(source="run", where=self.run_id),
            data={"outcome": self.outcome, "files": files, "mended": dict(self.mended)},
        )


def _kept(text: str) -> str:
    """Return ``text`` without secrets and, after that, shortened: half a secret is none."""
    clean = redacted(text.strip())
    return clean if len(clean) <= _LONGEST else clean[: _LONGEST - 1] + "…"
