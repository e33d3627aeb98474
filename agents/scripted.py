"""A model that says what it was told to say: for tests of everything around a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from agents.chat import Completion, Message
from mcp_local_llm import ModelUnavailable

Script = Callable[[Sequence[Message]], str]


@dataclass
class ScriptedModel:
    """Implements ``ChatModel`` without a network: replies come from a list or a function.

    Deterministic: no clock is read, and a "token" is a word. As with a real server, the longest
    prefix of messages shared with the call before counts as cached. ``calls`` holds every
    conversation it was asked.
    """

    replies: Sequence[str] | Script
    model_id: str = "scripted"
    adapter_id: str | None = None
    calls: list[tuple[Message, ...]] = field(default_factory=list)

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        on_token: Callable[[str], None] | None = None,
    ) -> Completion:
        """Return the next reply, cut after ``max_tokens`` words as a server would.

        Raises:
            ModelUnavailable: the list of replies is used up.
        """
        text = self._reply(messages)
        cached = self._cached(messages)
        self.calls.append(tuple(messages))
        kept, whole = _cut(text, max_tokens)
        if on_token is not None and kept:
            on_token(kept)
        return Completion(
            text=kept,
            prompt_tokens=self.count(messages),
            cached_tokens=cached,
            completion_tokens=len(kept.split()),
            duration_s=0.0,
            first_token_s=0.0,
            finish_reason="stop" if whole else "length",
        )

    def count(self, messages: Sequence[Message]) -> int:
        """Return the number of words, plus one for each message's role."""
        return sum(1 + len(message.content.split()) for message in messages)

    def _reply(self, messages: Sequence[Message]) -> str:
        if callable(self.replies):
            return self.replies(messages)
        if len(self.calls) >= len(self.replies):
            raise ModelUnavailable(
                f"the scripted model has only {len(self.replies)} replies and was asked for one "
                f"more, after {messages[-1].content!r}; add a reply to the script"
            )
        return self.replies[len(self.calls)]

    def _cached(self, messages: Sequence[Message]) -> int:
        before = self.calls[-1] if self.calls else ()
        shared = 0
        while shared < min(len(before), len(messages)) and before[shared] == messages[shared]:
            shared += 1
        return self.count(messages[:shared])


def _cut(text: str, max_words: int) -> tuple[str, bool]:
    """Return the start of ``text`` up to ``max_words`` words, and whether that is all of it."""
    seen, inside = 0, False
    for at, character in enumerate(text):
        if character.isspace():
            inside = False
        elif not inside:
            inside, seen = True, seen + 1
            if seen > max_words:
                return text[:at].rstrip(), False
    return text, True
