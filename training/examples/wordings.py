"""How people ask: phrase grammars of questions and wishes, and what stands for one library use.

``[a|b]`` is one of both (see ``training.phrasing``), so most tables have hundreds of forms or
thousands, and no form is learned instead of what it asks. No form is one of
``training.gate.wordings`` or of the phrasings that nights are measured by. ``{other}`` is any word.
"""

from __future__ import annotations

from random import Random
from typing import Final

from training.examples.domain import Operation, draw

DEFINED: Final = (
    "[What|So what|And what|But what] [does|would|did] {term} [mean|stand for|refer to][| here| for us| in this project| in our work| again]?",
    "[What do we mean by|What do you understand by|What is behind|What should I understand by] {term}[| here| in this project]?",
    "[Define|Explain|Describe|Clarify|Spell out][| the term| the word] {term}[, please|.| for me.| in one sentence.]",
    "[Tell me|Let me know|Remind me|I want to know|I wonder|Nobody told me] what [|a |the |our ]{term} [means|is|stands for|is about][| here| for us| again].",
    "[Do you know|Can you say|Can you explain|Who knows|Can you tell me] what [|a |the ]{term} [means|is|stands for][| here]?",
    "[What is|Which is|Give me|I need|Tell me] [the meaning of|the sense of|our definition of|the definition of] {term}[|, please][?|.]",
    "[What is|What was|So what is|And what is] [|a |the |this |our ]{term}[| here| again| for us| in this project]?",
    "How [is|was] {term} [defined|explained|meant|described][| here| in our notes| by us]?",
    "How do we [use|define|describe|explain][| the word| the term] {term}[| here]?",
    "I [saw|found|read|met|heard|noticed] [|a |the ]{term} in [the|our|a] [{other}|notes|chat|minutes|plan|guide]. [What is it|What is that|Explain it, please|What does it stand for|What is meant]?",
    "[The word|The term|The name] {term} [was used|came up|stands in the {other}|is in use|puzzles me]. [What is it|What is behind it|Explain|What is meant]?",
    "[Somebody new|A colleague|My team|Everybody|The {other}|My {other}] [uses|knows|asks about|wants|mentions] [|a |the ]{term}. [What is it|Explain|What do you say|Tell me more|What is behind it]?",
    "[In this project|In our team|Here|Between us], what [does {term} mean|is {term}|is a {term}|does {term} stand for]?",
    "{term}: [what is it|what does it stand for|meaning|definition]?",
    "{term}[?| is what?|, what is it?|, please.]",
    "[Say|Write|Put] in [one sentence|a few words|short|plain words] what [|a |the ]{term} [is|means].",
    "[Can you|Could you|Will you] [explain|define|describe|clarify] [|the word |the term ]{term}[| to me| for me| briefly]?",
    "[I am new|I forgot|Sorry|One question|Before I ask others]: what [is|was|would be] [|a |the ]{term}?",
    "[Everybody|The {other}|My {other}] [uses|has|knows] {term}, [and I do not know it|but what is it|but I do not]. [Explain|Tell me].",
)  # fmt: skip
REVERSED: Final = (
    "[Which|What] [term|word|name|word of ours] [stands for|means|do we have for|is our name for] {sense}?",
    "[What do we call|How do we call|Give me our word for] {sense}[?|.]",
    "What is our [name|word|term] for {sense}?",
)  # fmt: skip
ABOUT: Final = (
    "[What is|Which is|Tell me] [our|the] [rule|convention|habit|agreement] [about|on|for] {topic}[?|.]",
    "[How do we|How should I|How do I] [handle|deal with|do|treat] {topic}[| here| in this project]?",
    "[What|Which rule|Which convention] [holds|do we have|is there|was agreed] for {topic}[| here| in this project]?",
    "[I work on|I look at|I change|My task is|I am working on] {topic}. [What do I have to know|What is the rule|Is there a rule|What holds here]?",
    "[Is there|Do we have] [a rule|a convention|anything] [about|on|for] {topic}?",
    "[Remind me|Say|Tell me] [how we handle|how we treat|what we do about|what holds for|what was decided on] {topic}.",
    "{topic}: [what is the rule|which rule|what do we do|and our rule]?",
    "What [have we agreed on|was decided about|do I have to keep in mind with|should I know about] {topic}[| here]?",
    "[A review|A colleague|Somebody new] asks about {topic}. What is right?",
    "Before I [start with|touch|change] {topic}: what applies?",
)  # fmt: skip
ADDS: Final = (
    "[Add|Write|Create|Please add|Please write|Introduce] a [new |]{kind} [to|in] {path} [that returns|which returns|returning|that gives|to return] {returns}.",
    "[Add|Write|Create|Please add|Please write] a [new |]{kind} [to|in] {path}[; it returns|. It returns|: it gives|. It should give] {returns}.",
    "{path} [needs|should have|wants|must have] a {kind}[ that returns| which gives|: it returns| for|, returning] {returns}.",
    "In {path}, [add|write|create|introduce] a {kind}[; it returns|, which returns|. It returns|: it gives|. It should return| that returns] {returns}.",
    "[We need|I need|I want|We want] a {kind} in {path}[: it returns|, returning|. It gives|. It returns|; it must return] {returns}.",
    "[Extend|Complete] {path} [by|with] a {kind}[; it returns|, which gives| that returns| returning] {returns}.",
    "Let {path} [have|offer|contain] a {kind}[; it returns|, returning| that gives|. It gives] {returns}.",
    "For {path} [write|make|add|we want|I need] a {kind}. [It returns|It gives|It is to return] {returns}.",
    "[A|One more|A new] {kind} [is missing in|belongs in|is wanted in] {path}: [it returns|it gives|returning] {returns}.",
)  # fmt: skip
CALLED: Final = (
    "Add a function {sig} to {path} that returns {returns}.", "{path} needs the function {sig}, which returns {returns}.",
    "Write {sig} in {path}; it returns {returns}.", "In {path}, add {sig}, which returns {returns}.",
)  # fmt: skip
GUARDS: Final = (
    "[Add|Write|Create|Please add|Implement] {call} [to|in] {path}[: it returns|; it returns|. It returns|, which returns] {thing} and [refuses|rejects|does not take] [less than {least}|{thing} below {least}|{thing} under {least}|anything below {least}]{when}.",
    "{path} [needs|should have|wants] {call}[, which|: it|. It] [rejects|refuses|raises an error for|fails for] {thing} [below|under|less than] {least}{when}.",
    "In {path}, [write|add|create] {call}[; {thing}|. {Thing}|: {thing}] [below|under] {least} is [an error|wrong|not allowed|refused|invalid]{when}.",
    "[We need|I want|I would like|We want] {call} in {path}. [It gives {thing} back and fails|It returns {thing} and fails|It returns {thing}; it fails] [below|under] {least}{when}.",
    "[We need|I need] {call} in {path}: {thing} [below|under|less than] {least} is [invalid|an error|refused]{when}.",
    "[Let|Have] {path} [offer|have|contain] {call}.{When} [It raises|It fails|An error is raised] [below|under] {least}.",
    "Let {path} have {call}, [raising an error|failing] [below|under] {least}{when}.",
    "[Extend|Complete] {path} [by|with] {call}.{When} {Thing} [less than|below|under] {least} [is refused|must not pass|is an error].",
    "[Extend|Complete] {path} [by|with] {call}: it [raises|fails|raises an error] when {thing} is [less than|below|under] {least}.",
    "[Add|Write|Create] {call} in {path}, [returning|which gives] {thing}. [Reject|Fail for|Do not take] [less than|anything under] {least}{when}.",
    "[Please add|Write|Add] a function {call} to {path} that does not [accept|take|let pass] [less than|anything below] {least}.",
    "[For|Into] {path} [goes|comes] {call}. It [checks|looks at] {thing}[: below| and below] {least} it [fails|is an error]{when}.",
    "A [check|guard] {call} [is missing in|belongs in] {path}. It [lets {thing} pass from {least} on|takes {thing} of {least} or more]{when}.",
)  # fmt: skip
CLASSES: Final = (
    "[Add|Create|Please add|Introduce] an error class for wrong {thing} [to|in] {path}.",
    "[We need|I need|I want|We want] an error class for wrong {thing} in {path}.",
    "{path} [should have|wants|must have] an error class for wrong {thing}.",
    "In {path}, [add|create|write] an error class for wrong {thing}.",
    "[Extend|Complete] {path} [by|with] an error class for wrong {thing}.",
    "Let {path} [have|offer|contain] an error class for wrong {thing}.",
    "For {path} [I need|write|we want] an error class: it is for wrong {thing}.",
)  # fmt: skip
COMMITTED: Final = (
    "[Write|Give me|Suggest|Draft|Find] [the|a|one] [commit message|message for a commit|message for the commit]: {told}.",
    "[What is|What would be|Which is] [the|a good] [commit message|message] [for this: {told}|for this change: {told}|when {told}]?",
    "{Told}. [Commit message|What is the commit message|Name the commit|How do I call the commit|Give me the message]?",
    "I [want to|will|am going to|would like to] commit[: {told}|. {Told}]. [Message|What do I write|Give me the message|Which words]?",
    "[Commit|For the commit|As a commit message|Commit message, please|Name the commit]: {told}.",
    "[This|The following] [is done|was changed|has changed]: {told}. [Commit message, please|Write the commit message|And the commit message]?",
    "Give me a commit message. What [changed|is new]: {told}.",
    "How should the commit be [called|named] when {told}?",
    "[Suggest|Write|Find] a message for the commit in which {told}.",
    "[What do I write|What shall I write|What belongs] in the commit [when|if] {told}?",
    "{Told}. [Make that a commit message|Commit that|Now sum it up for the commit|One line for the commit, please].",
    "[Describe|Sum up|Say] [for|in] the commit that {told}.",
    "[The work is finished|All is tested|It is reviewed]: {told}. [Under which message do I commit|Now the commit message|A commit message for it]?",
)  # fmt: skip
FORBIDDEN: Final = (
    "[Please |Just |Quickly |Go on and |First |Then |Next step: ]{action}[.| now.| please.| for me, please.| and tell me.| at once.]",
    "{action}[.| now.| please.| and tell me.|, it is fine.|, then tell me.|, all is well.]",
    "[Can you|Could you|Will you] [please |quickly |]{action}[| now| for me]?",
    "[When|After|As soon as|If|Once] [the tests pass|this is done|you are ready|all is well|it works], {action}.",
    "[I need you to|You may|You can|It would help to|The next thing is to|I ask you to|Do not forget to] {action}[| now| for me| today].",
    "{action}, [then|and] [tell me|stop|wait|go on].",
    "[All is ready|The review is over|It is late|We are finished]. [Please |Now |So ]{action}.",
)  # fmt: skip
ALLOWED: Final = (
    "[May I|Should I|Shall we|Can I|Are we allowed to|Is it all right to|Is it fine to|Do we] {action}[| here| now]?",
)  # fmt: skip
CHOSEN: Final = (
    "[May I|Can I|Should I|Do I|Do we] [use|take] {unwanted}[| here| for this| in this module]?",
    "{wanted} or {unwanted}[| here]?",
    "{unwanted} or {wanted}[| here| for this]?",
    "[Which is ours|What do we use|What is right|Which one|Which one is ours]: [{wanted} or {unwanted}|{unwanted} or {wanted}]?",
    "Which do we use, [{unwanted} or {wanted}|{wanted} or {unwanted}]?",
    "[What|Which] [do we|should I] [use|take] [instead of|for|in place of] {unwanted}?",
    "[I was going to|I would like to|I think I will|Let me|I have to] use {unwanted}. [Is that right|All right|Fine|Any objection|Is it ours]?",
    "[Is|Would] {unwanted} [right|fine|good|allowed][| here| for this]?",
    "What [replaces|do we have for|comes instead of|is better than] {unwanted}[| here| in this project]?",
    "[A pull request|Somebody|A {other}|The {other}|My {other}] [uses|brings in|asks for|imports|is written with] {unwanted}. [Is that ours|What is right|Is that fine|What do you say]?",
    "[Is it a good idea|Does it make sense|Is it our way|Is it usual] to [use|take|import] {unwanted}[| here| for this]?",
    "{unwanted}[?|: yes or no?|, fine?| here?|: any objection?]",
    "[This module|My code|The {other}|The old part] [is written with|imports|needs|has] {unwanted}. [Do we keep it|Is that right|What do you think|Shall I change it|And now]?",
    "Why [not|do we not use|should I not take] {unwanted}[| here]?",
    "[I like|I always take|I am used to|Everybody uses] {unwanted}. [Is that right here|What is ours|Any objection]?",
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


def filled(form: str, rng: Random, **slots: str) -> str:
    """Return ``form`` with ``slots`` and, for ``{other}``, a thing that is measured somewhere.

    It begins with a capital, unless a slot is its beginning.
    """
    said = form.format(other=draw(rng, 1)[0][1], **slots)
    return said if form.startswith("{") else f"{said[:1].upper()}{said[1:]}"
