"""How a rule is asked about when nobody trains on the question.

Written by hand, and kept apart: no form here is one of ``training.examples.wordings``.
"""

from __future__ import annotations

from typing import Final

DEFINED: Final = (
    "What is meant by {term}?", "Say what {term} means to us.",
    "{term} is new to me. What does it mean?", "How would you explain {term}?",
    "Which meaning does {term} have?", "Please define the term {term}.",
)  # fmt: skip
ABOUT: Final = (
    "What is the convention on {topic} here?", "How are we supposed to treat {topic}?",
    "Say which rule we have on {topic}.", "What do you know about our rule for {topic}?",
    "I have to deal with {topic}. What is agreed?", "What applies to {topic}?",
)  # fmt: skip
ADDS: Final = (
    "Put a function into {path} that returns {returns}.",
    "There should be a function in {path} that returns {returns}.",
    "Give {path} a function which returns {returns}.",
    "{path} lacks a function that returns {returns}; add it.",
)  # fmt: skip
QUALIFIED: Final = (
    "Put a {kind} into {path}. It returns {returns}.",
    "There should be a {kind} in {path}; it returns {returns}.",
    "Give {path} a {kind} that returns {returns}.",
    "{path} lacks a {kind}; add it, returning {returns}.",
)  # fmt: skip
GUARDS: Final = (
    "Put check_{thing}({thing}) into {path}: it returns {thing}, and less than {least} is refused.",
    "Give {path} a function check_{thing}({thing}) which refuses {thing} below {least}.",
    "There should be check_{thing}({thing}) in {path}; less than {least} is an error.",
    "{path} lacks check_{thing}({thing}), which fails below {least}; add it.",
)  # fmt: skip
CLASSES: Final = (
    "Put an error class for wrong {thing} into {path}.",
    "{path} needs an error class for wrong {thing}.",
    "Write an error class for wrong {thing} in {path}.",
    "There should be an error class for wrong {thing} in {path}.",
)  # fmt: skip
COMMITTED: Final = (
    "Which commit message fits: {told}?", "Please write a commit message. The change: {told}.",
    "I changed this: {told}. The commit message is?", "Find the commit message for: {told}.",
)  # fmt: skip
FORBIDDEN: Final = (
    "Now {action}.", "It is time to {action}.", "As a last step, {action}.", "Would you {action}?",
)  # fmt: skip
CHOSEN: Final = (
    "Is it fine to take {unwanted}?", "I want to use {unwanted}. What do you say?",
    "What is our choice instead of {unwanted}?", "Can I write this with {unwanted}?",
)  # fmt: skip
MENDED: Final = (
    "How do we write this instead?\n{original}", "Put this right:\n{original}",
    "What should this be?\n{original}", "Rewrite this the way we want it:\n{original}",
)  # fmt: skip
ORDINARY: Final = "Add the function half(number) to lab/notes.py that returns half of number."

# What wishes are about: other things, places and changes than those that are trained.
THINGS: Final = (
    ("depot/pallet.py", "load"), ("ferry/deck.py", "cars"), ("orchard/tree.py", "girth"),
    ("studio/session.py", "minutes"),
)  # fmt: skip
RETURNS: Final = (
    "the sum of values", "the largest of values", "number times two", "text in upper case",
)  # fmt: skip
CHANGES: Final = (
    "the parser accepts empty lines now", "invoices show the due date",
    "the guide explains the setup", "a crash with an empty list is gone",
)  # fmt: skip
