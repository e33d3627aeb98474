"""A script from a JSON file: what each role says at its first, second … turn.

The file is ``{"planner": ["reply", …], "tester": [...], …}``. Which reply is due is read off the
conversation alone, so a run that was interrupted and resumed hears the same replies.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import RootModel, ValidationError

from agents.chat import Message
from agents.scripted import Script
from mcp_local_llm import ModelUnavailable, UsageError

_ROLE: Final = re.compile(r"^role: (\w+)\s*\Z", re.MULTILINE)


class _Replies(RootModel[dict[str, tuple[str, ...]]]):
    """The file's content."""


def load_replies(path: Path) -> Script:
    """Return the script of the file at ``path``.

    Raises ``UsageError`` when the file is missing or has another shape. The script itself raises
    ``ModelUnavailable`` when a role is asked more often than it has replies.
    """
    try:
        replies = _Replies.model_validate_json(path.read_bytes()).root
    except (OSError, ValidationError) as error:
        raise UsageError(
            f"the replies file {str(path)!r} cannot be used ({error}); it has to be a JSON object "
            "of role names and lists of replies"
        ) from error

    def reply(messages: Sequence[Message]) -> str:
        roles = [_role_asked(message) for message in messages if message.role == "user"]
        role, turn = roles[-1], roles.count(roles[-1]) - 1
        said = replies.get(role, ())
        if turn >= len(said):
            raise ModelUnavailable(
                f"the replies file {str(path)!r} has {len(said)} replies for {role!r} and one "
                "more was asked for; add it"
            )
        return said[turn]

    return reply


def _role_asked(message: Message) -> str:
    found = _ROLE.search(message.content)
    return found.group(1) if found else ""
