"""The command ``mcp-local-llm model`` with the user's settings."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from agents import model_cli
from graph.settings import load_settings
from mcp_local_llm import LocalLLMError


def main(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm model`` in the current folder; see ``agents.model_cli``."""
    try:
        settings = load_settings(Path.cwd()).model
    except LocalLLMError as error:
        sys.stderr.write(f"mcp-local-llm model: {error}\n")
        return error.exit_code
    return model_cli.main(argv, settings=settings)
