"""What one lesson is: a principle, code that breaks it, and the same code in the right way."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Group = Literal["principle", "methodology", "constraint"]


class Lesson(NamedTuple):
    """``title`` completes "how do I …"; in the texts NOUN is a thing such as price, CLASS Price.

    ``fault`` says what is wrong with ``wrong``; both codes are Python that compiles.
    """

    name: str
    group: Group
    title: str
    guidance: str
    fault: str
    wrong: str
    right: str

    def about(self, noun: str) -> Lesson:
        """Return the lesson told with ``noun``."""
        return Lesson(
            *(part.replace("NOUN", noun).replace("CLASS", noun.title()) for part in self)  # type: ignore[arg-type]
        )


def lessons(group: Group, text: str) -> tuple[Lesson, ...]:
    """Return the lessons of ``text``, its parts apart by ``---`` lines, each in its order."""
    return tuple(
        Lesson(
            name.strip(),
            group,
            title.strip(),
            guidance.strip(),
            fault.strip(),
            wrong.strip("\n"),
            right.strip("\n"),
        )
        for block in text.strip("\n").split("\n===\n")
        for name, title, guidance, fault, wrong, right in [block.split("\n---\n")]
    )


KINDS: Final = ("principle_application", "violation_detection", "implementation_guidance")
