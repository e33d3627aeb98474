"""The refactorer: makes the change simpler while the tests stay green."""

from __future__ import annotations

from typing import Final

from agents.role import Role
from agents.scopes import SCOPES

REFACTORER: Final = Role(
    name="refactorer",
    duty="Make the change simpler while the tests stay green.",
    scope=SCOPES["refactorer"],
)
