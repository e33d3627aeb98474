"""A second opinion moves what the classifier is in doubt of, and is never needed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path

import pytest

from agents.capture.detector import Detector, Label
from agents.capture.second_opinion import DOUBT, SecondOpinion, from_served_model
from agents.profiles import ModelConfig
from mcp_local_llm import ModelUnavailable

CORPUS = Path(__file__).parents[2] / "training" / "reactions" / "corpus.jsonl"
PLAIN = ("Done.", "perfect, thanks!")
Pair = tuple[str, str]


@pytest.fixture(scope="session")
def doubtful(detector: Detector) -> Pair:
    """An answer and a turn of which one thing alone is in doubt: whether it refuses the answer."""
    with CORPUS.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in islice(lines, 600)]
    turns = [(row["prev_assistant"], row["text"]) for row in rows]
    for turn, found in zip(turns, detector.detect_all(turns), strict=True):
        others = max(found.scores[name] for name in ("teach", "approve", "anger"))
        if abs(found.scores["fix"] - 0.5) <= DOUBT and others < 0.3:
            return turn
    raise AssertionError("no turn is doubtful")


def test_a_doubtful_turn_is_what_the_model_says_it_is(doubtful: Pair) -> None:
    yes = Detector(second=SecondOpinion(lambda prompt: " Yes.")).detect(*doubtful)
    no = Detector(second=SecondOpinion(lambda prompt: "no, it isn't")).detect(*doubtful)
    assert yes.label in {Label.CORRECTION, Label.REJECTION}
    assert no.label not in {Label.CORRECTION, Label.REJECTION}


@pytest.mark.parametrize("answer", ["", "I think so", "yesterday", "**maybe**"])
def test_anything_but_yes_or_no_changes_nothing(
    detector: Detector, doubtful: Pair, answer: str
) -> None:
    second = SecondOpinion(lambda prompt: answer)
    assert Detector(second=second).detect(*doubtful) == detector.detect(*doubtful)
    assert second.asked >= 1


def test_what_is_plain_or_not_typed_is_not_asked() -> None:
    second = SecondOpinion(lambda prompt: "no")
    detector = Detector(second=second)
    assert detector.detect(*PLAIN).label is Label.APPROVAL
    detector.detect("Done.", "```\nalways use tabs\n```")
    assert second.asked == 0


def test_a_model_that_is_gone_is_asked_once(detector: Detector, doubtful: Pair) -> None:
    def gone(prompt: str) -> str:
        raise ModelUnavailable("it went away")

    second = SecondOpinion(gone)
    alone = detector.detect(*doubtful)
    assert Detector(second=second).detect_all([doubtful, doubtful]) == [alone, alone]
    assert (second.asked, second.problem) == (1, "it went away")


@contextmanager
def served(answer: str) -> Iterator[tuple[str, list[str]]]:
    """A server on this machine that gives one answer to everything; yields address and prompts."""
    prompts: list[str] = []
    chunk = {
        "id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": {"content": answer}, "finish_reason": "stop"}],
    }  # fmt: skip

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            prompts.append(asked["messages"][-1]["content"])
            body = f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1", prompts
        finally:
            server.shutdown()
            thread.join()


def test_a_served_model_is_asked_about_what_was_typed_alone(doubtful: Pair) -> None:
    with served("yes") as (address, prompts):
        settings = ModelConfig(profile="remote", base_url=address, model="m")
        with from_served_model(settings) as second:
            pasted = f"{doubtful[1]}\n```\nSECRET LOG\n```"
            found = Detector(second=second).detect_all([doubtful, (doubtful[0], pasted)])
    assert found[0].label in {Label.CORRECTION, Label.REJECTION}
    assert prompts and doubtful[1] in prompts[0] and doubtful[0] in prompts[0]
    assert not any("SECRET LOG" in prompt for prompt in prompts)


def test_what_was_typed_stays_on_this_machine() -> None:
    settings = ModelConfig(profile="remote", base_url="https://models.example/v1", model="m")
    with pytest.raises(ModelUnavailable, match="another machine"), from_served_model(settings):
        pass
