"""How lessons are asked: phrase grammars with hundreds of forms, so that forms are not learned.

``[a|b]`` is one of both (see ``phrasing.expand``). No form here is one of ``training.gate.wordings``
or of the phrasings that nights are measured by; ``training.examples.wordings`` has those of nights.
"""

from __future__ import annotations

from typing import Final

DEFINED: Final = (
    "[What|So what|And what] [does|would] {term} [mean|stand for|refer to][| here| for us| in this project| in our work]?",
    "[Define|Explain|Describe][| the term| the word] {term}[, please|].",
    "[Tell me|Let me know|Remind me|I want to know] what {term} [means|stands for|is about][| here| for us].",
    "[Do you know|Can you say|Can you explain|Who knows] what {term} [means|is][| here]?",
    "[What is|Which is|Give me] [the meaning of|the sense of|our definition of] {term}[|, please].",
    "I [saw|found|read|met] {term} in [the|our] {other}. [What is it|What is that|Explain it, please|What does it stand for]?",
    "[The word|The term|The name] {term} [was used|stands in the {other}|is in use]. [What is it|What is behind it|Explain]?",
    "{term}: [what is it|what does it stand for|meaning|definition]?",
    "{term}[?| is what?|, what is it?|, please.]",
    "[Everybody|The {other}|My {other}] [uses|has|knows] {term}, [and I do not know it|but what is it|but I do not]. [Explain|Tell me].",
)  # fmt: skip
REVERSED: Final = (
    "[Which|What] [term|word|name] [stands for|means|do we have for|is our name for] {sense}?",
    "[What do we call|How do we call|Give me our word for] {sense}[?|.]",
)  # fmt: skip
ABOUT: Final = (
    "[What is|Which is|Tell me] [our|the] [rule|convention|habit|agreement] [about|on|for] {topic}[?|.]",
    "[How do we|How should I|How do I] [handle|deal with|do|treat] {topic}[| here| in this project]?",
    "[What|Which rule|Which convention] [holds|do we have|is there|was agreed] for {topic}[| here]?",
    "[I work on|I look at|I change|My task is] {topic}. [What do I have to know|What is the rule|Is there a rule]?",
    "[Is there|Do we have] [a rule|a convention|anything] [about|on|for] {topic}?",
    "[Remind me|Say|Tell me] [how we handle|what we do about|what holds for|what was decided on] {topic}.",
    "{topic}: [what is the rule|which rule|what do we do|and our rule]?",
)  # fmt: skip
ADDS: Final = (
    "[Add|Write|Create|Please add|Please write|Introduce] a [new |]{kind} [to|in] {path} [that returns|which returns|returning|that gives|to return] {returns}.",
    "{path} [needs|should have|wants|must have] a {kind} [that returns|which gives|for|returning] {returns}.",
    "In {path}, [add|write|create|introduce] a {kind}[; it returns|, which returns|. It returns|: it gives|. It should return] {returns}.",
    "[We need|I need|I want|We want] a {kind} in {path}[: it returns|, returning|. It gives|. It returns|; it must return] {returns}.",
    "[Extend|Complete] {path} [by|with] a {kind}[; it returns|, which gives| that returns] {returns}.",
    "[Let|Have] {path} [have|offer|contain] a {kind}[; it returns|, returning| that gives] {returns}.",
)  # fmt: skip
GUARDS: Final = (
    "[Add|Write|Create|Please add|Implement] {call} [to|in] {path}[: it returns|; it returns|. It returns|, which returns] {thing} and [refuses|rejects|does not take] [less than {least}|{thing} below {least}|{thing} under {least}|anything below {least}]{when}.",
    "{path} [needs|should have|wants] {call}[, which|: it|. It] [rejects|refuses|raises an error for|fails for] {thing} [below|under|less than] {least}{when}.",
    "In {path}, [write|add|create] {call}[; {thing}|. {Thing}|: {thing}] [below|under] {least} is [an error|wrong|not allowed|refused|invalid]{when}.",
    "[We need|I want|I would like|We want] {call} in {path}. [It gives {thing} back and fails|It returns {thing} and fails|It returns {thing}; it fails] [below|under] {least}{when}.",
    "[Let|Have] {path} [offer|have|contain] {call}.{When} [It raises|It fails|An error is raised] [below|under] {least}.",
    "[Extend|Complete] {path} by {call}.{When} {thing} [less than|below|under] {least} [is refused|must not pass|is an error].",
    "[Add|Write|Create] {call} in {path}, [returning|which gives] {thing}. [Reject|Fail for|Do not take] [less than|anything under] {least}{when}.",
)  # fmt: skip
COMMITTED: Final = (
    "[Write|Give me|Suggest|Draft|Find] [the|a|one] [commit message|message for a commit|message for the commit]: {told}.",
    "[What is|What would be|Which is] [the|a good] [commit message|message] [for this: {told}|when {told}]?",
    "{Told}. [Commit message|What is the commit message|Name the commit|How do I call the commit|Give me the message]?",
    "I [want to|will|am going to|would like to] commit[: {told}|. {Told}]. [Message|What do I write|Give me the message|Which words]?",
    "[Commit|For the commit|As a commit message]: {told}.",
    "[This|The following] [is done|was changed|has changed]: {told}. [Commit message, please|Write the commit message|And the commit message]?",
)  # fmt: skip
FORBIDDEN: Final = (
    "[Please |Just |Quickly |Go on and |First |Then |]{action}[.| now.| please.| for me, please.| and tell me.| at once.]",
    "[Can you|Could you|Will you] [please |]{action}[| now| for me]?",
    "[When|After|As soon as|If] [the tests pass|this is done|you are ready|all is well], {action}.",
    "[I need you to|You may|You can|It would help to|The next thing is to] {action}.",
    "{action}, [then|and] [tell me|stop|wait|go on].",
)  # fmt: skip
ALLOWED: Final = (
    "[May I|Should I|Shall we|Can I|Are we allowed to|Is it all right to|Is it fine to|Do we] {action}[| here| now]?",
)  # fmt: skip
CHOSEN: Final = (
    "[May I|Can I|Should I|Do I] [use|take] {unwanted}[| here| for this]?",
    "{wanted} or {unwanted}?",
    "{unwanted} or {wanted}[| here| for this]?",
    "[Which is ours|What do we use|What is right|Which one]: [{wanted} or {unwanted}|{unwanted} or {wanted}]?",
    "[What|Which] [do we|should I] [use|take] [instead of|for|in place of] {unwanted}?",
    "[I was going to|I would like to|I think I will|Let me] use {unwanted}. [Is that right|All right|Fine|Any objection]?",
    "[Is|Would] {unwanted} [right|fine|good|allowed][| here| for this]?",
    "[Somebody|A {other}|The {other}] [uses|brings in|asks for] {unwanted}. [Is that ours|What is right|Is that fine]?",
)  # fmt: skip
LEADS: Final = (
    "", "", "", "", "{0} {1}. ", "Tell me: ", "One question. ", "We {0} the {1}. ", "I forgot. ", "{0}, ",
    "For the {0} {1}: ", "There is a {0}. ", "{0}: ",
)  # fmt: skip
