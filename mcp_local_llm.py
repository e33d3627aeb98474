"""mcp-local-llm: a coding crew that lives on one machine.

This module holds what every folder may need: the version, the error tree and the console-script
launchers. It holds no logic and imports nothing of the project at import time.

The error tree (``exit_code`` is what a command line ends with)::

    LocalLLMError               1   base of everything this project raises on purpose
    ├── UsageError              2   the input is wrong: empty task, missing folder, bad config
    ├── Unavailable             3   something the run needs is not there
    │   ├── ModelUnavailable    3   weights, server, port or memory for the model
    │   └── StoreUnavailable    3   checkpoint, run folder or disk
    └── ToolFault               1   a tool call failed; the tool loop shows it to the model
        ├── ToolRetry           1   the same goal may work with a changed call
        └── ToolDenied          1   it will never be allowed: adapt, don't repeat

A message says what happened, to what, and what to do next.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

__version__ = "0.1.0"


class LocalLLMError(Exception):
    """Base of every error this project raises on purpose."""

    exit_code: int = 1


class UsageError(LocalLLMError):
    """The input is wrong; the message says what to type instead."""

    exit_code = 2


class Unavailable(LocalLLMError):
    """Something the run needs is not there; the message says how to get it."""

    exit_code = 3


class ModelUnavailable(Unavailable):
    """The model's weights, server, port or memory are not available."""


class StoreUnavailable(Unavailable):
    """The checkpoint store, the run folder or the disk cannot be used."""


class ToolFault(LocalLLMError):
    """A tool call failed in a way the model should read."""


class ToolRetry(ToolFault):
    """The same goal may work with a changed call."""


class ToolDenied(ToolFault):
    """The call will never be allowed; the model has to adapt."""


# command of `mcp-local-llm` -> "module:function"; a function takes argv and returns an exit code.
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "demo": ("graph.demo:main", "watch the crew solve one task with the demo model"),
    "model": ("graph.model_cli:main", "start, stop, inspect or download the local model"),
    "embedded": ("graph.embedded_cli:main", "train or evaluate the embedded demo model"),
    "bench": ("graph.bench:main", "print speed figures, measured on this machine"),
    "doctor": ("graph.doctor:main", "say what is missing and the command that mends it"),
    "teach": ("graph.teach_cli:teach", "teach rules in your words; shows what was understood"),
    "correct": ("graph.teach_cli:correct", "say what is right instead"),
    "forget": ("graph.teach_cli:forget", "erase what was learnt, for good"),
    "insights": ("graph.insights_cli:main", "show, accept, reject or edit what was learnt"),
    "why": ("graph.why_cli:main", "show where a piece of knowledge comes from"),
    "remember": ("graph.memory_cli:remember", "teach one thing; the next run knows it"),
    "recall": ("graph.memory_cli:recall", "find what is known about something"),
    "index": ("graph.memory_cli:index", "read a project's files so that code can be found"),
    "memory": ("graph.memory_admin:main", "look after what is remembered, and take it back"),
    "ask": ("graph.ask:main", "ask the local model about the project"),
    "context-window": ("graph.context_cli:main", "print the rules and news an answer carries"),
    "protect": ("graph.preserve_cli:protect", "say what must not change, and how strictly"),
    "unprotect": ("graph.preserve_cli:unprotect", "take a contract away, or allow one change"),
    "contracts": ("graph.preserve_cli:contracts", "list what is protected; install the git hook"),
    "check": ("graph.preserve_check:check", "say what a change breaks of the contracts"),
    "approve": ("graph.approve_cli:approve", "allow what a one-time code stands for"),
    "policy": ("graph.policy_cli:main", "show the rules work is held to, add yours, check texts"),
    "principle-guided": ("graph.principled:main", "let the local model write code by principles"),
    "validate-principles": ("graph.principles_cli:main", "check code against principles of code"),
    "detect": ("graph.detect_cli:main", "tell corrections and teachings from other turns"),
    "init": ("mcp_server.installer:main", "enter the server in Cursor, or take it out again"),
    "serve": ("mcp_server.serve:main", "serve memory and crew to Cursor and other MCP clients"),
    "import-chats": ("graph.import_cli:import_chats", "learn from chats with other tools"),
    "hooks": ("graph.hooks_cli:main", "let Cursor note what you type; install, remove, status"),
    "ingest": ("graph.import_cli:ingest", "learn from what the hooks have noted"),
    "dataset": ("graph.dataset_cli:main", "make and look at what a model is to be taught from"),
    "train": ("graph.train_cli:train", "train an adapter on a dataset"),
    "adapters": ("graph.adapters_cli:main", "look after what was trained, and take it back"),
    "eval": ("graph.eval_cli:main", "ask the model the evaluation's suites and score it"),
    "bench-door": ("mcp_server.bench:main", "say how long a client of the MCP server waits"),
    "nightly": ("graph.nightly_cli:main", "train what you taught, if it is time"),
    "schedule": ("graph.schedule_cli:main", "have the night come by itself"),
    "report": ("graph.report_cli:main", "say what the nights have brought"),
    "bench-train": ("graph.train_cli:bench_train", "say how long training takes here"),
    "bench-night": ("graph.bench_night_cli:main", "say what nights teach the embedded model"),
    "follow": ("graph.follow_cli:main", "see what became of the code that runs delivered"),
    "run": ("graph.cli:main", "the same as graph-run"),
}


def _dispatch(target: str, argv: Sequence[str]) -> int:
    root = str(Path(__file__).resolve().parent)
    if sys.path[:1] != [root]:  # a workspace may hold its own `tools/`: ours must win
        sys.path.insert(0, root)
    module_name, _, function = target.partition(":")
    code: int = getattr(importlib.import_module(module_name), function)(list(argv))
    return code


def _usage() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, (_, text) in COMMANDS.items()]
    return "usage: mcp-local-llm [--version] COMMAND ...\n\ncommands:\n" + "\n".join(lines) + "\n"


def main() -> int:
    """Entry point of the console script ``mcp-local-llm``."""
    argv = sys.argv[1:]
    if not argv or argv[0] in {"-h", "--help"}:
        sys.stdout.write(_usage())
        return 0 if argv else 2
    if argv[0] == "--version":
        sys.stdout.write(__version__ + "\n")
        return 0
    if argv[0] not in COMMANDS:
        sys.stderr.write(f"mcp-local-llm: no command {argv[0]!r}.\n{_usage()}")
        return 2
    return _dispatch(COMMANDS[argv[0]][0], argv[1:])


def graph_run() -> int:
    """Entry point of the console script ``graph-run``."""
    return _dispatch("graph.cli:main", sys.argv[1:])
