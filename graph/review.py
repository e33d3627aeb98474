"""Asking a person: on the terminal, in their editor, or by the arguments of ``resume``."""

from __future__ import annotations

import argparse
import os
import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from graph.progress import Display
from graph.state import LIFT, Decision
from mcp_local_llm import ToolRetry, UsageError
from tools.process import run_on_terminal


def approve_all(kind: str, text: str, problem: str) -> Decision | None:
    """Approve every review (``--yes``); what was refused once stays open, and so do contracts."""
    return None if problem or kind == LIFT else Decision(decision="approve")


def decision_of(options: argparse.Namespace) -> Decision | None:
    """Return the answer that the arguments of ``resume`` give, if they give one."""
    relayed = options.relayed
    if options.approve:
        return Decision(decision="approve", relayed=relayed)
    if options.reject is not None:
        return Decision(decision="reject", text=options.reject, relayed=relayed)
    if options.edit is None:
        return None
    path: Path = options.edit
    try:
        text = path.read_text(encoding="utf-8")
        return Decision(decision="edit", text=text, relayed=relayed)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"cannot read the edited text {str(path)!r} ({error}); give a UTF-8 file"
        ) from error


@dataclass(frozen=True, slots=True)
class TerminalReview:
    """Shows what waits for review and asks until there is a clear answer."""

    display: Display
    said: TextIO
    heard: TextIO

    def __call__(self, kind: str, text: str, problem: str) -> Decision | None:
        """Return the user's decision; None at the end of input, which leaves the run waiting."""
        self.display.pause()
        self.said.write(f"\n--- {kind} ---\n{text}\n")
        if problem:
            self.said.write(f"\n{problem}\n")
        while True:
            choices = "[a]pprove, [r]eject" if kind == LIFT else "[a]pprove, [e]dit, [r]eject"
            self.said.write(f"{kind}: {choices}? ")
            self.said.flush()
            answer = self.heard.readline()
            if not answer:
                return None
            match answer.strip().lower()[:1]:
                case "a":
                    return Decision(decision="approve")
                case "e" if kind != LIFT:
                    return Decision(decision="edit", text=_edited(kind, text))
                case "r":
                    self.said.write("reason: ")
                    self.said.flush()
                    return Decision(decision="reject", text=self.heard.readline().strip())


def _edited(kind: str, text: str) -> str:
    """Return ``text`` as the user leaves it in their editor."""
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    suffix = ".diff" if kind == "patch" else ".txt"
    with tempfile.NamedTemporaryFile("w+", suffix=suffix, encoding="utf-8") as draft:
        draft.write(text)
        draft.flush()
        try:
            code = run_on_terminal([*editor, draft.name])
        except ToolRetry as error:
            raise UsageError(f"{error} Set EDITOR to an editor that works.") from error
        if code != 0:
            raise UsageError(
                f"the editor {editor[0]!r} ended with {code}; set EDITOR to one that works"
            )
        return Path(draft.name).read_text(encoding="utf-8")
