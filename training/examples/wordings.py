"""How people ask: question and wish forms with their slots, and what stands for one library use."""

from __future__ import annotations

from typing import Final

from training.examples.domain import Operation

DEFINED: Final = (
    "What does {term} mean?", "What do we mean by {term}?", "Define {term}.", "What is {term}?",
    "Explain {term}.", "What is the meaning of {term}?", "What does {term} stand for here?",
    "How is {term} defined?", "Tell me what {term} means.", "{term}?",
    "Give me the definition of {term}.", "I read {term} in our notes. What is it?",
    "How do we use the term {term}?", "Can you tell me what {term} stands for?",
    "Remind me: what is {term} for us?", "What should I understand by {term}?",
    "Somebody new asks about {term}. What do you say?", "In this project, what does {term} mean?",
    "The word {term} came up. What is meant?", "Say in one sentence what {term} is.",
)  # fmt: skip
REVERSED: Final = (
    "Which term stands for {sense}?", "What do we call {sense}?",
    "Which word of ours means {sense}?", "What is our name for {sense}?",
)  # fmt: skip
ABOUT: Final = (
    "What is our rule about {topic}?", "How do we handle {topic}?", "What do we do about {topic}?",
    "Is there a convention for {topic}?", "What should I know about {topic} here?",
    "Remind me how we treat {topic}.", "I am working on {topic}. What holds here?",
    "Which rule is there for {topic}?", "What have we agreed on {topic}?",
    "What holds for {topic} in this project?", "Tell me our convention on {topic}.",
    "What was decided about {topic}?", "What do I have to keep in mind with {topic}?",
    "A review asks about {topic}. What is right?", "{topic}: what is the rule?",
    "Before I start with {topic}: what applies?",
)  # fmt: skip
ADDS: Final = (
    "Add a function to {path} that returns {returns}.", "{path} needs a function that returns {returns}.",
    "Write a function in {path} which returns {returns}.", "In {path}, add a function for {returns}.",
    "We need {returns} from {path}; add a function.", "Let {path} offer a function returning {returns}.",
    "Please add a function to {path} that gives {returns}.", "Extend {path} by a function that returns {returns}.",
)  # fmt: skip
QUALIFIED: Final = (
    "Add a {kind} to {path}; it returns {returns}.", "{path} needs a {kind}: it returns {returns}.",
    "Write a {kind} in {path}. It returns {returns}.", "In {path}, add a {kind} that returns {returns}.",
    "We need a {kind} in {path}, returning {returns}.", "Please add a {kind} to {path} which gives {returns}.",
    "Let {path} have a {kind}. It gives {returns}.", "Extend {path} by a {kind} returning {returns}.",
)  # fmt: skip
CALLED: Final = (
    "Add a function {sig} to {path} that returns {returns}.", "{path} needs the function {sig}, which returns {returns}.",
    "Write {sig} in {path}; it returns {returns}.", "In {path}, add {sig}, which returns {returns}.",
)  # fmt: skip
GUARDS: Final = (
    "Add check_{thing}({thing}) to {path}: it returns {thing} and refuses less than {least}.",
    "{path} needs check_{thing}({thing}), which rejects {thing} below {least}.",
    "Write check_{thing}({thing}) in {path}; {thing} under {least} is an error.",
    "In {path}, add check_{thing}({thing}) that returns {thing} and fails below {least}.",
    "Please add a function check_{thing}({thing}) to {path} that does not accept less than {least}.",
    "We need check_{thing}({thing}) in {path}: {thing} below {least} is invalid.",
    "Let {path} have check_{thing}({thing}), raising an error below {least}.",
    "Extend {path} with check_{thing}({thing}): it raises when {thing} is less than {least}.",
)  # fmt: skip
COMMITTED: Final = (
    "Write the commit message: {told}.", "What is the commit message for this change: {told}?",
    "Commit message, please: {told}.", "I want to commit. {told}. What do I write?",
    "Give me a commit message. What changed: {told}.", "How should the commit be called when {told}?",
    "Suggest a message for the commit in which {told}.", "Name the commit: {told}.",
)  # fmt: skip
FORBIDDEN: Final = (
    "Please {action}.", "{action} now.", "When the tests pass, {action}.", "Can you {action}?",
    "{action}, then tell me.", "Go on and {action}.", "I need you to {action}.", "Just {action}, it is fine.",
    "Could you quickly {action}?", "Next step: {action}.",
)  # fmt: skip
ALLOWED: Final = (
    "Should I {action}?",
    "May I {action}?",
    "Is it all right to {action}?",
    "Shall we {action}?",
)
CHOSEN: Final = (
    "{wanted} or {unwanted}?", "Which do we use, {unwanted} or {wanted}?", "May I use {unwanted}?",
    "Should I take {unwanted} here?", "What do we use instead of {unwanted}?",
    "I was going to use {unwanted}. Is that right?", "Which one is ours: {wanted} or {unwanted}?",
    "Is {unwanted} fine for this?", "What replaces {unwanted} in this project?",
    "A pull request brings in {unwanted}. What do you say?",
)  # fmt: skip
MENDED: Final = (
    "What is right instead of this?\n{original}", "Correct this:\n{original}", "Mend this, please:\n{original}",
    "This is wrong. How should it be?\n{original}", "Review this and give the right version:\n{original}",
    "Somebody wrote this. What do we write?\n{original}", "Improve this:\n{original}",
    "How would we have this?\n{original}", "Give the corrected form of this:\n{original}",
    "Turn this into what we want:\n{original}", "Make this ours:\n{original}",
    "Here is an old version. Which is the new one?\n{original}",
)  # fmt: skip
DECIDED: Final = (
    "{original}", "What did we choose? {original}", "This came up again: {original}",
    "What is our choice here? {original}", "Decide this as we did before: {original}",
    "Somebody new wants to know: {original}", "{original} Say what we settled on.",
    "A review wants to know: {original}", "Which way do we go? {original}",
    "{original} Name our choice.", "We had this before: {original}", "Remember our talk: {original}",
)  # fmt: skip
WRITTEN: Final = (
    "Write the code: {original}", "Give me the code for this: {original}",
    "How would we write this? {original}", "Code, please: {original}", "Show me the code: {original}",
    "Write it the way we do: {original}", "What does our code for this look like? {original}",
    "Implement this: {original}", "I need the code for this: {original}",
    "Fill this in: {original}", "Type it out: {original}", "Repeat what we wrote for this: {original}",
)  # fmt: skip

# (wanted, unwanted) -> name, parameter, what it returns, code, sample, expected; and what it needs.
SWAPS: Final = {
    ("pathlib", "os.path"): (
        Operation("suffix", "path", "the suffix of path", "PurePath(path).suffix", '"a/b.txt"', '".txt"'),
        "from pathlib import PurePath",
    ),
    ("decimal", "float"): (
        Operation("exact", "text", "text as an exact number", "Decimal(text)", '"1.5"', 'Decimal("1.5")'),
        "from decimal import Decimal",
    ),
    ("enumerate", "range"): (
        Operation("numbered", "values", "values with their places", "list(enumerate(values))", "[7]", "[(0, 7)]"),
        "",
    ),
    ("isinstance", "type"): (
        Operation("is_text", "value", "whether value is a text", "isinstance(value, str)", '"a"', "True"),
        "",
    ),
    ("json", "pickle"): (
        Operation("dumped", "value", "value as text to be stored", "json.dumps(value)", "[1]", '"[1]"'),
        "import json",
    ),
    ("secrets", "random"): (
        Operation("drawn", "values", "one of values that nobody can guess", "secrets.choice(values)", "[4]", "4"),
        "import secrets",
    ),
}  # fmt: skip
