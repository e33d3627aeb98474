"""What a local model says about turns that the detector is in doubt of: yes, no, or nothing.

The model is asked one question that the classifier nearly answered either way, and its answer moves
that alone. It never words a rule. Anything but a plain yes or no leaves the classifier's mind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from mcp_local_llm import ModelUnavailable

if TYPE_CHECKING:
    from agents.profiles import ModelConfig

DOUBT: Final = 0.15  # how far from one half a probability is doubtful
_SETTLED: Final = 0.1  # how far from one half a plain answer moves it
_THIS_MACHINE: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_SHOWN: Final = 1_500  # characters of the turn, and of the end of the answer before it
_QUESTIONS: Final = {
    "fix": "Does the developer say that the answer is wrong, incomplete or unwanted?",
    "teach": "Does the developer state a rule or fact to be kept in mind for later work too?",
    "approve": "Does the developer say that they like or accept the answer?",
}
_PROMPT: Final = """\
An assistant wrote:
{previous}

The developer then wrote:
{typed}

{question} Answer with one word, yes or no."""


class SecondOpinion:
    """Asks ``ask`` about doubtful turns; ``asked`` counts how often, ``problem`` says why it ended.

    A model that cannot be reached is not asked again.
    """

    def __init__(self, ask: Callable[[str], str]) -> None:
        """Ask by ``ask``, which answers a prompt or raises ``ModelUnavailable``."""
        self._ask = ask
        self.asked = 0
        self.problem = ""

    def settled(self, chances: dict[str, float], previous: str, typed: str) -> dict[str, float]:
        """Return ``chances`` with the doubtful ones moved to where the model sees them."""
        moved = dict(chances)
        for name, question in _QUESTIONS.items():
            if typed.strip() and not self.problem and abs(chances[name] - 0.5) <= DOUBT:
                said = self._plainly(question, previous, typed)
                moved[name] = (
                    chances[name] if said is None else 0.5 + (_SETTLED if said else -_SETTLED)
                )
        return moved

    def _plainly(self, question: str, previous: str, typed: str) -> bool | None:
        self.asked += 1
        shown = {"previous": previous[-_SHOWN:], "typed": typed[:_SHOWN], "question": question}
        try:
            answer = self._ask(_PROMPT.format(**shown)).strip().lower()
        except ModelUnavailable as error:
            self.problem = str(error)
            return None
        word = answer.split()[0].strip(".,!*\"'") if answer else ""
        return {"yes": True, "no": False}.get(word)


@contextmanager
def from_served_model(settings: ModelConfig) -> Iterator[SecondOpinion]:
    """Serve the model of ``settings`` meanwhile and ask it; not from within an event loop.

    Raises:
        UsageError: the settings are wrong.
        ModelUnavailable: the model cannot be served, or is on another machine.
    """
    from agents.chat import Message
    from agents.serving import open_model

    host = urlsplit(settings.base_url or "").hostname
    if host is not None and host not in _THIS_MACHINE:
        raise ModelUnavailable(
            f"the model at {settings.base_url!r} is on another machine, and what you typed stays "
            "on this one; configure a model that is served here"
        )
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        model = runner.run(stack.enter_async_context(open_model(settings)))

        def ask(prompt: str) -> str:
            said = model.complete([Message(role="user", content=prompt)], max_tokens=4)
            return runner.run(said).text

        try:
            yield SecondOpinion(ask)
        finally:
            runner.run(stack.aclose())
