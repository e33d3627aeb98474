"""The refactorer: makes the change simpler while the tests stay green."""

from __future__ import annotations

from typing import Final

from agents.implementer import keeps_tests
from agents.role import Role

REFACTORER: Final = Role(
    name="refactorer",
    duty="Make the change simpler while the tests stay green.",
    writes="all files but tests",
    tools=("fs.edit", "fs.write", "fs.delete", "fs.read", "search.text"),
    verdict=keeps_tests,
)
