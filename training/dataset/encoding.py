"""A conversation as the token ids that serving sees, and which of them are learned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from agents.tokens import RoleAndText, ServedTokens
from mcp_local_llm import UsageError
from training.dataset.reader import PARTS, Dataset, Item, Problem, file_name


class Encoded(NamedTuple):
    """Token ids, and of each whether it is learned; nothing follows the last that is."""

    ids: list[int]
    learned: list[bool]


class Encoder:
    """Renders and encodes with the tokenizer and chat template of a model folder.

    What stands before an answer has the ids of a live prompt, because text is cut at the very
    place where a prompt ends. An answer is learned with the token that ends it.
    """

    def __init__(self, model: Path) -> None:
        """Load the tokenizer; ``ModelUnavailable`` when a file is missing or unreadable."""
        self._tokens = ServedTokens(model)

    def encode(self, item: Item) -> Encoded:
        """Return the ids of ``item``.

        Raises:
            UsageError: the model's chat template does not let an answer be told from its prompt.
        """
        ids: list[int] = []
        learned: list[bool] = []
        for text, learn in self._pieces(item):
            piece = self._tokens.encode_text(text)
            ids += piece
            learned += [learn] * len(piece)
        return Encoded(ids, learned)

    def _pieces(self, item: Item) -> Iterator[tuple[str, bool]]:
        turns: list[RoleAndText] = [(turn.role, turn.content) for turn in item.messages]
        whole, at = self._tokens.render(turns, asks=False), 0
        for place in item.learned:
            prompt = self._tokens.render(turns[:place])
            spoken = self._tokens.render(turns[: place + 1], asks=False)
            if not (whole.startswith(spoken) and spoken.startswith(prompt)):
                raise UsageError(
                    f"the chat template writes the item {item.id!r} anew after each turn, so its "
                    f"message {place} cannot be learned; give `learn` the last message alone"
                )
            last = spoken.rfind(self._tokens.end, len(prompt)) if self._tokens.end else -1
            end = last + len(self._tokens.end) if last >= 0 else len(spoken)
            yield whole[at : len(prompt)], False
            yield whole[len(prompt) : end], True
            at = end


def too_long(dataset: Dataset, encoder: Encoder, max_tokens: int) -> Iterator[Problem]:
    """Yield the items of more than ``max_tokens`` tokens, which training leaves out."""
    for part in PARTS:
        for line, item in dataset.part(part):
            count = len(encoder.encode(item).ids)
            if count > max_tokens:
                what = f"too long: {count} tokens of at most {max_tokens}; training leaves it out"
                yield Problem(file=file_name(part), line=line, what=what)
