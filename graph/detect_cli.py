"""``mcp-local-llm detect``: what turns of a conversation say about the answers before them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from graph.console import run_command
from mcp_local_llm import ModelUnavailable, UsageError

if TYPE_CHECKING:
    from agents.capture.detector import Detector
    from agents.capture.second_opinion import SecondOpinion
    from memory.embedder import Embedder

_DESCRIPTION: Final = """\
Read JSON lines {"prev_assistant": ..., "text": ...} (an answer, and what the user wrote after it)
and write one JSON line each: label, flags, confidence, rule, polarity, emotion, feeling. A longer
answer may be given as its beginning and its end, prev_assistant_tail. Nothing is stored.
"""
_SHOWN: Final = 60  # characters of a wrong line


def main(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm detect`` and return the exit code: 0, 2 wrong input, 3 no weights."""
    parser = argparse.ArgumentParser(prog="mcp-local-llm detect", description=_DESCRIPTION)
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="JSON lines; default: standard input"
    )
    detector_options(parser)
    parser.set_defaults(json=False)
    return run_command(parser, argv, _detect)


def _detect(options: argparse.Namespace) -> int:
    from agents.capture.feeling import Feelings
    from graph.settings import load_settings

    with ExitStack() as stack:
        lines = _opened(options.file, stack)
        detector = stack.enter_context(open_detector("detect", options))
        feelings = Feelings(model=load_settings(Path.cwd()).feeling_model)
        for number, line in enumerate(lines, 1):
            if line.strip():
                previous, text = _turn(number, line)
                said = detector.detect(previous, text).model_dump(mode="json")
                said["feeling"] = feelings.read([text])[0].model_dump(mode="json")
                sys.stdout.write(json.dumps(said, ensure_ascii=False) + "\n")
                sys.stdout.flush()  # who writes turn after turn waits for each answer
    return 0


def _opened(path: Path | None, stack: ExitStack) -> Iterator[bytes] | BinaryIO:
    if path is None:
        return sys.stdin.buffer
    try:
        return stack.enter_context(path.open("rb"))
    except OSError as error:
        raise UsageError(
            f"cannot read {str(path)!r} ({error}); name a file of JSON lines"
        ) from error


def _turn(number: int, line: bytes) -> tuple[str, str]:
    """Return the previous answer and the turn that ``line`` holds."""
    try:
        said = json.loads(line.decode())
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise UsageError(_wrong(number, line, f"no JSON in UTF-8 ({error})")) from error
    if not isinstance(said, dict) or not isinstance(said.get("text"), str):
        raise UsageError(_wrong(number, line, 'no JSON object with a "text" that is a string'))
    before = []
    for name in ("prev_assistant", "prev_assistant_tail"):
        part = said.get(name) or ""
        if not isinstance(part, str):
            raise UsageError(_wrong(number, line, f"{name!r} is no string"))
        before.append(part)
    head, tail = before
    previous = head if not tail or tail in head else f"{head}\n{tail}"
    return _speakable(previous), _speakable(said["text"])


def _wrong(number: int, line: bytes, what: str) -> str:
    shown = line[:_SHOWN].decode(errors="replace").strip()
    return (
        f"line {number} {shown!r}: {what}; write one object per line, as in "
        '{"prev_assistant": "Done.", "text": "still fails"}'
    )


def _speakable(text: str) -> str:
    """Return ``text`` with a mark for every half of a character that JSON may hold."""
    return text.encode(errors="replace").decode()


def detector_options(parser: argparse.ArgumentParser) -> None:
    """Add what ``open_detector`` reads."""
    parser.add_argument(
        "--words-only", action="store_true", help="judge by words alone, without embedding model"
    )
    parser.add_argument(
        "--second-opinion",
        action="store_true",
        help="ask the configured model, started if need be, where the classifier is in doubt",
    )


@contextmanager
def open_detector(command: str, options: argparse.Namespace) -> Iterator[Detector]:
    """Open the detector for ``command``, with the models that are asked for and at hand.

    Where one is not, or goes away, a line says so.

    Raises:
        ModelUnavailable: the detector's own weights are missing.
        UsageError: the settings of the model are wrong.
    """
    from agents.capture.detector import Detector

    def tell(text: str) -> None:
        sys.stderr.write(f"mcp-local-llm {command}: {text}\n")

    embedder: Embedder | None = None
    if not options.words_only:
        from memory.minilm import MiniLM

        try:
            embedder = MiniLM.resolve(threads=1)
        except ModelUnavailable as error:
            tell(f"judging by words alone, since {error}")
    with ExitStack() as stack:
        second = _second(stack, tell) if options.second_opinion else None
        yield Detector(embedder, second=second)
        if second is not None and second.problem:
            tell(f"no more second opinions, since {second.problem}")


def _second(stack: ExitStack, tell: Callable[[str], None]) -> SecondOpinion | None:
    from agents.capture.second_opinion import from_served_model
    from graph.settings import load_settings

    try:
        return stack.enter_context(from_served_model(load_settings(Path.cwd()).model))
    except ModelUnavailable as error:
        tell(f"no second opinion, since {error}")
        return None
