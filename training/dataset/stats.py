"""What a dataset holds, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from agents.reply import parse_plan
from memory.records import Record
from tools.wire import parse_reply
from training.dataset.encoding import Encoder
from training.dataset.reader import PARTS, Dataset, Item


class Spread(Record):
    """Smallest, middle, 95th of a hundred, and largest."""

    smallest: int = 0
    median: int = 0
    p95: int = 0
    largest: int = 0


class PartStats(Record):
    """The figures of one file. ``same`` counts items whose messages an earlier item has too.

    ``direct`` are items that answer in words alone. With 20 to 35 % of them a model learns both to
    call and not to call.
    """

    items: int
    groups: int
    messages: int
    same: int
    tokens: int
    learned_tokens: int
    tokens_per_item: Spread
    too_long: int
    direct: int
    sources: dict[str, int]

    @property
    def share(self) -> float:
        """The share of direct answers."""
        return self.direct / self.items if self.items else 0.0


class DatasetStats(Record):
    """The figures of a dataset, with one model's tokens."""

    max_tokens: int
    parts: dict[str, PartStats]


def dataset_stats(dataset: Dataset, encoder: Encoder, max_tokens: int) -> DatasetStats:
    """Return the figures of ``dataset`` with the tokens of ``encoder``'s model."""
    parts = {
        part: _part_stats(items, encoder, max_tokens)
        for part in PARTS
        if (items := dataset.items(part))
    }
    return DatasetStats(max_tokens=max_tokens, parts=parts)


def _part_stats(items: Sequence[Item], encoder: Encoder, max_tokens: int) -> PartStats:
    encoded = [encoder.encode(item) for item in items]
    lengths = sorted(len(one.ids) for one in encoded)
    return PartStats(
        items=len(items),
        groups=len({item.group for item in items if item.group}),
        messages=sum(len(item.messages) for item in items),
        same=len(items) - len({item.messages for item in items}),
        tokens=sum(lengths),
        learned_tokens=sum(sum(one.learned) for one in encoded),
        tokens_per_item=spread(lengths),
        direct=sum(map(is_direct, items)),
        too_long=sum(length > max_tokens for length in lengths),
        sources=dict(Counter(item.source or "unnamed" for item in items).most_common()),
    )


def is_direct(item: Item) -> bool:
    """Say whether what is learned of ``item`` is words alone: no call, and no plan for one."""
    replies = [parse_reply(item.messages[place].content) for place in item.learned]
    return not any(reply.calls or parse_plan(reply.text) for reply in replies)


def spread(ordered: Sequence[int]) -> Spread:
    """Return the spread of numbers in ascending order; zeros where there are none."""
    if not ordered:
        return Spread()
    last = len(ordered) - 1
    return Spread(
        smallest=ordered[0],
        median=ordered[last // 2],
        p95=ordered[round(0.95 * last)],
        largest=ordered[-1],
    )
