"""Writes ``docs/cli.md`` from the commands' own help, or checks that it is up to date."""

import contextlib
import io
import os
import sys
from pathlib import Path

import mcp_local_llm

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "cli.md"
PROGRAMS = {"graph-run": mcp_local_llm.graph_run, "mcp-local-llm": mcp_local_llm.main}
COMMANDS = [
    ["graph-run"],
    *(["graph-run", name] for name in ("list", "show", "resume", "apply", "discard")),
    ["mcp-local-llm"],
    *(["mcp-local-llm", name] for name in ("bench", "demo", "doctor")),
    *(["mcp-local-llm", "model", name] for name in ("start", "stop", "status", "download")),
    *(["mcp-local-llm", name] for name in ("teach", "correct", "forget", "insights", "why")),
    *(["mcp-local-llm", "insights", name] for name in ("accept", "reject", "edit", "export")),
    *(["mcp-local-llm", name] for name in ("remember", "recall", "index", "memory")),
    *(["mcp-local-llm", "memory", name] for name in ("stats", "verify", "history", "forget")),
    *(["mcp-local-llm", "memory", name] for name in ("confirm", "reject", "mark", "return-to")),
    *(["mcp-local-llm", "memory", name] for name in ("export", "import", "backup", "restore")),
    *(["mcp-local-llm", "memory", name] for name in ("rebuild", "compact", "move")),
    *(["mcp-local-llm", name] for name in ("context-window", "ask")),
    *(["mcp-local-llm", name] for name in ("protect", "unprotect", "contracts")),
    *(["mcp-local-llm", name] for name in ("check", "approve")),
    *(["mcp-local-llm", name] for name in ("policy", "validate-principles", "principle-guided")),
    *(["mcp-local-llm", "policy", name] for name in ("build", "check")),
    *(["mcp-local-llm", name] for name in ("detect", "follow")),
    *(["mcp-local-llm", name] for name in ("init", "serve", "bench-door")),
    *(["mcp-local-llm", name] for name in ("import-chats", "hooks", "ingest")),
    *(["mcp-local-llm", "dataset", name] for name in ("starter", "build", "filter", "merge")),
    *(["mcp-local-llm", "dataset", name] for name in ("validate", "stats")),
    *(["mcp-local-llm", name] for name in ("train", "bench-train", "eval")),
    ["mcp-local-llm", "bench-night"],
    *(["mcp-local-llm", name] for name in ("nightly", "schedule", "report")),
    ["mcp-local-llm", "adapters"],
    *(["mcp-local-llm", "adapters", name] for name in ("list", "show", "compare")),
    *(["mcp-local-llm", "adapters", name] for name in ("promote", "rollback", "prune")),
    *(["mcp-local-llm", "adapters", name] for name in ("backup", "restore")),
    *(["mcp-local-llm", "embedded", name] for name in ("train", "eval", "lessons")),
]  # fmt: skip


def help_of(command: list[str]) -> str:
    said, before = io.StringIO(), (sys.argv, dict(os.environ))
    sys.argv = [*command, "--help"]
    os.environ |= {"COLUMNS": "100", "NO_COLOR": "1"}
    try:
        with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
            PROGRAMS[command[0]]()
    finally:
        sys.argv = before[0]
        os.environ.clear()
        os.environ |= before[1]
    return said.getvalue().strip()


def page() -> str:
    parts = [
        "# Commands\n\nGenerated from the commands' own help by `make docs`; a test compares.\n"
    ]
    for command in COMMANDS:
        parts.append(f"## `{' '.join(command)}`\n\n```text\n{help_of(command)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
