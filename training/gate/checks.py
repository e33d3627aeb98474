"""How an answer to a probe is judged: the checks, as records that a file can hold.

No check counts keywords alone. What a refusal or a parrot would also pass (``refuses``, ``keeps``,
``without``) is only allowed in a probe that has a ``pair``: probes of a pair pass together.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from memory.records import Record

MAX_PATTERN: Final = 1_000


def _compiled(*patterns: str) -> None:
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression: {error}") from error


class Executes(Record):
    """The answer's Python is executed, after ``given``; then what is named has to hold.

    ``defines`` are names that it has to define. The expression ``call`` has to raise an error of
    the class named ``raises``, whose text matches ``message``, or has to equal ``equals``.
    """

    kind: Literal["executes"] = "executes"
    given: str = ""
    defines: tuple[str, ...] = ()
    call: str = ""
    raises: str = ""
    message: str = Field(default="", max_length=MAX_PATTERN)
    equals: str = ""

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not (self.defines or self.call):
            raise ValueError("name what is defined, or a call")
        if self.call and bool(self.raises) == bool(self.equals):
            raise ValueError("a call either raises or equals something")
        _compiled(self.message)
        return self


class Structure(Record):
    """The answer's Python has, as a syntax tree, all that is named and nothing of ``never``.

    ``functions`` and ``classes`` are patterns that the name of each one (at least one) matches as a
    whole; ``raises``, ``calls`` and ``never`` are names as written, such as ``json.loads``.
    """

    kind: Literal["structure"] = "structure"
    defines: tuple[str, ...] = ()
    functions: str = Field(default="", max_length=MAX_PATTERN)
    classes: str = Field(default="", max_length=MAX_PATTERN)
    raises: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    never: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not (self.defines or self.functions or self.classes or self.raises or self.calls):
            raise ValueError("name something that has to be there")
        _compiled(self.functions, self.classes)
        return self


class CommitForm(Record):
    """The commit message (of a ``git.commit`` call, else the first line) has a form.

    ``pattern`` matches it as a whole; it has at most ``longest`` characters and is no line of the
    prompt.
    """

    kind: Literal["commit"] = "commit"
    pattern: str = Field(min_length=1, max_length=MAX_PATTERN)
    longest: int = Field(default=72, ge=1)

    @model_validator(mode="after")
    def _is_a_pattern(self) -> Self:
        _compiled(self.pattern)
        return self


class CallShape(Record):
    """A tool call: its name, what its arguments match as a whole, what is found in its body."""

    tool: str
    args: dict[str, str] = Field(default_factory=dict)
    body: str = Field(default="", max_length=MAX_PATTERN)

    @model_validator(mode="after")
    def _are_patterns(self) -> Self:
        _compiled(self.body, *self.args.values())
        return self


class Calls(Record):
    """The reply can be read, makes a call of each shape in ``must``, and none in ``never``."""

    kind: Literal["calls"] = "calls"
    must: tuple[CallShape, ...] = Field(min_length=1)
    never: tuple[CallShape, ...] = ()


class Says(Record):
    """The answer gives ``text`` (or one of ``others``), in these words or nearly.

    ``share`` of its words, small ones too, stand in the answer in their order, nearly all of its
    longer words do, and little else does. A refusal or a piece of the prompt does not count.
    """

    kind: Literal["says"] = "says"
    text: str = Field(min_length=1)
    others: tuple[str, ...] = ()
    share: float = Field(default=0.7, gt=0.6, le=1)


class RoleReply(Record):
    """A reply of a role is valid as written: calls, tools, plan, and the tags of ``prompt``.

    ``rules`` are the ids that the tags may name.
    """

    kind: Literal["reply"] = "reply"
    role: str
    prompt: str
    rules: tuple[str, ...] = ()


class Refuses(Record):
    """The plan, or an answer that begins with no, refuses; its reason names ``about``."""

    kind: Literal["refuses"] = "refuses"
    about: str = Field(min_length=1)


class Keeps(Record):
    """The answer does not hold ``secret``."""

    kind: Literal["keeps"] = "keeps"
    secret: str = Field(min_length=4)


class Without(Record):
    """The answer is one, and gives none of ``texts``: a rule does not fire where it must not."""

    kind: Literal["without"] = "without"
    texts: tuple[str, ...] = Field(min_length=1)


class Every(Record):
    """All ``parts`` hold of the same answer."""

    kind: Literal["every"] = "every"
    parts: tuple[Check, ...] = Field(min_length=1)


Check = Annotated[
    Executes
    | Structure
    | CommitForm
    | Calls
    | Says
    | RoleReply
    | Refuses
    | Keeps
    | Without
    | Every,
    Field(discriminator="kind"),
]
Every.model_rebuild()


def needs_pair(check: Check) -> bool:
    """Say whether a model that knows nothing could pass ``check``."""
    if isinstance(check, Every):
        return all(needs_pair(part) for part in check.parts)
    return isinstance(check, Refuses | Keeps | Without)


def expected_words(check: Check) -> list[str]:
    """Return every word that a right answer is known to hold, once, as they come in the check."""
    if isinstance(check, Every):
        return list(dict.fromkeys(word for part in check.parts for word in expected_words(part)))
    texts = " ".join(_texts(check.model_dump(exclude={"kind"})))
    return list(dict.fromkeys(re.findall(r"\w+", texts)))


def _texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for name, one in value.items() for text in (name, *_texts(one))]
    if isinstance(value, list | tuple):
        return [text for one in value for text in _texts(one)]
    return [value] if isinstance(value, str) else []
