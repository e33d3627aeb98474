"""One renderer: the bytes before an answer are the same in training, evaluation and serving."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from agents.brief import Brief, BriefFile, module_name
from agents.lease import stop_resident
from agents.memory_host import EMBEDDER_VARIABLE
from agents.reply import Plan
from agents.tokens import RoleAndText, ServedTokens
from agents.weights import EMBEDDED_WEIGHTS
from graph.ask import ask
from graph.cli import main
from memory.records import Item, Kind
from training.dataset.encoding import Encoder
from training.dataset.reader import Item as Example
from training.examples.knowledge import Knowledge
from training.examples.scribe import Scribe, Written
from training.gate.probes import probes_of

CART = "class DomainError(Exception):\n    pass"
REFUSAL = (
    '<plan>\ngoal: x\nrefuse: no\n</plan>\n<tags prompt="compact-1" level="flexible" marks=""/>'
)


class Endpoint:
    """An OpenAI-compatible server that notes what it is asked and says one thing."""

    def __init__(self) -> None:
        self.asked: list[list[RoleAndText]] = []
        noted = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                noted.append([(one["role"], one["content"]) for one in body["messages"]])
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.end_headers()
                for delta, reason in (
                    ({"role": "assistant", "content": REFUSAL}, None),
                    ({}, "stop"),
                ):
                    choice = {"index": 0, "delta": delta, "finish_reason": reason}
                    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 0}
                    line = json.dumps(chunk | {"model": "m", "choices": [choice]})
                    self.wfile.write(f"data: {line}\n\n".encode())
                self.wfile.write(b"data: [DONE]\n\n")

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """An endpoint that the product uses as its model, with the embedded model's prompts."""
    endpoint = Endpoint()
    thread = Thread(target=endpoint.server.serve_forever, args=(0.01,))
    thread.start()
    settings = {
        "HOME": str(tmp_path / "home"),
        "MODEL__PROFILE": "remote",
        "MODEL__BASE_URL": f"http://127.0.0.1:{endpoint.server.server_address[1]}/v1",
        "MODEL__MODEL": "m",
        "MODEL__PROMPTS": "compact",
        "COMMAND__PYTHON": sys.executable,
        "COMMAND__ALLOW_UNSANDBOXED": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"MCP_LOCAL_LLM_{name}", value)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv(EMBEDDER_VARIABLE, "hash")
    root = tmp_path / "project"
    root.mkdir()
    (root / "README.md").write_text("a shop\n")
    for command in ("init --quiet", "add --all", "commit --quiet --message=start"):
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *command.split()],
            cwd=root,
            check=True,
        )
    monkeypatch.chdir(root)
    yield endpoint
    endpoint.server.shutdown()
    endpoint.server.server_close()
    thread.join()
    asyncio.run(stop_resident(tmp_path / "home"))


def trained_prefix(written: Written) -> tuple[str, list[int]]:
    """Return what stands before the first learned answer: as text, and as ids of the trainer."""
    served = ServedTokens(EMBEDDED_WEIGHTS)
    before = [(turn.role, turn.content) for turn in written.messages[: written.learn[0]]]
    item = Example(id="x", messages=written.messages, learn=written.learn)
    encoded = Encoder(EMBEDDED_WEIGHTS).encode(item)
    return served.render(before), encoded.ids[: encoded.learned.index(True)]


def probe(item: Item, text: str) -> list[RoleAndText]:
    """Return the messages of the first probe about ``item`` that begins with ``text``."""
    probes = probes_of([Knowledge(item=item)], prompts="compact", seed=7, suite="new")
    found = next(one for one in probes if one.messages[-1].content.startswith(text))
    return [(message.role, message.content) for message in found.messages]


def test_a_question_has_the_same_bytes_in_all_three(live: Endpoint) -> None:
    said = "42 means harmony between rules and freedom."
    asked = probe(Item(kind=Kind.DEFINITION, text=said, data={"term": "42"}), "question: ")
    question = asked[-1][1].splitlines()[0].removeprefix("question: ")
    asyncio.run(ask(question, Path.cwd()))
    served = ServedTokens(EMBEDDED_WEIGHTS)
    text, ids = trained_prefix(Scribe("compact").asked(question, said))
    assert text == served.render(asked) == served.render(live.asked[0])
    assert ids == served.encode(live.asked[0])


def test_a_role_has_the_same_bytes_in_all_three(live: Endpoint) -> None:
    asked = probe(
        Item(kind=Kind.PREFERENCE, text="Raise DomainError instead of ValueError."), "task: "
    )
    lines = asked[-1][1].splitlines()
    task = lines[0].removeprefix("task: ")
    path = next(line for line in lines if line.startswith("file: ")).split()[1]
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text(CART + "\n")
    assert main([task]) == 1  # the endpoint's planner refuses
    shown = BriefFile(path=path, module=module_name(path), text=CART)
    written = Scribe("compact").crew(Brief(task=task, files=(shown,)), Plan(goal="x"), "<tags/>")
    served = ServedTokens(EMBEDDED_WEIGHTS)
    text, ids = trained_prefix(written)
    assert text == served.render(asked) == served.render(live.asked[0])
    assert ids == served.encode(live.asked[0])
