"""The doc writer: docstrings, comments and documents, never behaviour."""

from __future__ import annotations

from typing import Final

from agents.role import Role
from agents.scopes import SCOPES

DOC_WRITER: Final = Role(
    name="doc_writer",
    duty="Say in docstrings and documents what the change does.",
    scope=SCOPES["doc_writer"],
)
