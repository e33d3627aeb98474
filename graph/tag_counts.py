"""How many replies of a run carried valid tags, before and after repair, by role."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pydantic import ValidationError

import prompts
from graph.state import Step
from memory.records import SOURCE, ReplyTags
from training.embedded.evaluation import TagCount

_PROMPTS: Final = frozenset(prompts.PROMPT_IDS.values())


def tag_counts(steps: Iterable[Step]) -> dict[str, TagCount]:
    """Return the counts of ``steps`` by role."""
    counted: dict[str, TagCount] = {}
    for step in steps:
        so_far = counted.get(step.role, TagCount())
        counted[step.role] = TagCount(
            replies=so_far.replies + 1,
            written=so_far.written + (not step.repairs),
            valid=so_far.valid + (not tag_problem(step)),
        )
    return counted


def tag_problem(step: Step) -> str:
    """Return what is wrong with the tags that ``step`` hands on, or "".

    Looks at the records alone, not at how they were made.
    """
    tags, window = step.tags, step.window
    try:
        ReplyTags.model_validate(tags.model_dump())
    except ValidationError as error:
        return f"the tags are out of shape: {error.errors()[0]['msg']}"
    if tags.source != SOURCE or not tags.model:
        return "source or model is missing"
    if window.prompt_id not in _PROMPTS:
        return f"there is no prompt {window.prompt_id!r}"
    in_force = {each.id for each in (*window.active_rules, *window.definitions)}
    if not set(tags.rules) <= in_force:
        return "a rule is claimed that was not in force"
    with_level = {tag.region for tag in tags.levels}
    missing = [path for path in step.changed if path not in with_level]
    return f"{missing[0]} has no level" if missing else ""
