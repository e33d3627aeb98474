"""Named signs of a feeling in a developer's text: plain patterns, most of them in English.

A pattern is a hint and no verdict; what each one weighs is learnt (training/feelings).
"""

from __future__ import annotations

import re
from typing import Final

_PLEASED: Final = {
    "thanks": r"""
        \b(?:thanks?|thank\s*(?:you|u)|thx|thks|thnx|tnx|ty|tysm|cheers|kudos|danke\w*|
        vielen\s+dank|merci|
        gracias|grazie|obrigad[oa]|appreciat\w+|grateful)\b|🙏
    """,
    "praise": r"""
        \b(?:great|awesome|excellent|perfect(?:ly)?|fantastic|wonderful\w*|brilliant\w*|
        amazing\w*|superb|
        beautiful\w*|lovely|impressi\w+|incredible|elegant\w*|neat(?:ly)?|sweet|cool|nice(?:ly|r)?|
        well\s+(?:done|spotted|explained|written)|good\s+(?:job|work|stuff|one|find|catch|call|
        point|idea|thinking|eye|question)|solid|clever|gorgeous|splendid|stellar|gem|
        toll|super|klasse|genial|parfait)\b
    """,
    "joy": r"""
        \b(?:yay+|woo+\s?hoo+|woot|hooray|hurra[yh]|wo+w+|phew|ha(?:ha)+|he(?:he)+|lo+l|rofl|xd|
        finally|bravo|congrat\w*|welcome|enjoy\w*|happy|happily|glad\w*|delight\w*|excited|
        thrilled|pleased|relie(?:f|ved)|proud|fun|pleasure|joy)\b
    """,
    "love": r"""
        \b(?:i|we|really|just|totally|also|would|'d|they|absolutely|and)\s+(?:lov(?:e|ing)|like|
        enjoy)\b(?!\s+to\s+(?:know|see\s+(?:a|some|the)\s+(?:test|log)))|^lov(?:e|ing|ed)\b
    """,
    "smile": r"""
        (?:^|[\s.!?,)])(?:[:;=]-?[)DP]+|\(:|<3|\^_?\^|xD)(?![\w(])|
        :(?:smil\w*|slight(?:ly)?_smil\w*|grin\w*|laugh\w*|joy|wink|blush|heart\w*|tada|rocket|clap|
        \+1|thumbsup|sparkles|raised_hands|pray|ok_hand|relaxed|sunglasses|100|fire|trophy|
        star\w*|stuck_out\w*|innocent|beers?|muscle|sweat_smile|upside_down_face):|
        [😀-😎😏😗-😝😇😺-😽🙂🙃🙌🤗🤩🥰🥳🎉🎊🚀👍👏💯✨🔥💪🙏❤♥💚💙💛🧡💜😍😻🏆⭐🌟👌]
    """,
    "helped": r"""
        \b(?:works?\s+(?:great|well|fine|perfectly|like\s+a\s+charm|now|again|beautifully|very)|
        working\s+(?:great|now|again|fine)|did\s+the\s+trick|solved\s+(?:it|my|the)|that\s+fixed|
        (?:very|really|super|so|extremely|quite)\s+(?:helpful|useful|handy|nice|good|cool|clear)|
        helped|saved?\s+(?:me|my|us)|life\s?saver|made\s+my\s+\w+|nailed|rocks?\b|
        much\s+(?:better|cleaner|nicer|clearer|simpler|easier|more\s+readable)|so\s+much|
        improvement|best)\b
    """,
    "looks_good": r"""
        \b(?:lgtm|look(?:s|ing)?\s+(?:\w+\s+)?(?:good|great|nice|fine|excellent|awesome|amazing|
        solid|perfect)|sounds\s+(?:\w+\s+)?(?:good|great|perfect|awesome|like\s+a\s+(?:good|great)))
        \b|\+1|👍|:shipit:|\bship\s+it\b
    """,
    "eager": r"""
        \b(?:(?:happy|glad|love|delighted|pleased|be\s+(?:nice|great))\s+to|
        look(?:ing)?\s+forward|can'?t\s+wait|with\s+pleasure|my\s+pleasure|any\s?time|
        (?:i|we|you|it)\s+hope|hope\s+(?:that|this|you|it)|hopefully|good\s+luck|have\s+(?:fun|
        a\s+\w+\s+(?:day|weekend)))\b
    """,
    "kindly": r"""
        \b(?:no\s+(?:worries|problem(?:o)?|rush|hurry|hard\s+feelings|need\s+to\s+(?:apologi\w+|
        be\s+sorry))|
        don'?t\s+worry|you'?re\s+welcome|take\s+your\s+time|all\s+good|np|good\s+(?:to\s+know|
        news))\b
    """,
    "insight": r"""
        \b(?:oh,?\s+i\s+see|ah+,?\s+(?:i\s+see|ok\w*|right|great|yes|nice|cool)|
        makes?\s+(?:\w+\s+)?sense|good\s+point|
        you(?:'re|\s+are)\s+(?:absolutely\s+|totally\s+)?right|interesting|fair\s+(?:point|enough)|
        learn(?:ed|t)\s+(?:something|a\s+lot))\b
    """,
}
_SURE: Final = {
    "sure": r"""
        \b(?:i'?m\s+(?:\w+\s+)?(?:sure|certain|confident|positive|convinced)|definitely|certainly|
        absolutely|exactly|without\s+(?:a|any)\s+doubt|no\s+doubt|clearly|obviously|for\s+sure|
        for\s+a\s+fact|of\s+course|indeed|100\s?%|guarantee\w*|verified|trust\s+me|spot\s+on)\b
    """,
    "agrees": r"""
        \b(?:agreed?|approved?|go\s+(?:ahead|for\s+it)|ready\s+to\s+merge|good\s+to\s+go|
        no\s+objections?|merge\s+(?:it|this|when\w*|away)|ship\s+it|lgtm|do\s+it|yes|yep|sure|
        yup|correct|confirm\w*|let'?s\s+(?:do|go|take|merge))\b|\+1
    """,
    "unsure": r"""
        \b(?:not\s+(?:\w+\s+)?(?:sure|certain|convinced|clear)|unsure|uncertain|i\s+guess|maybe|
        perhaps|might|probably|possibly|i\s+(?:think|believe|suppose|assume)|seems?|not\s+know|
        don'?t\s+know|no\s+idea|no\s+clue|wonder\w*|imo|imho|could\s+be|doubt\w*|afaik|iirc)\b
    """,
}
_DISPLEASED: Final = {
    "apology": r"""
        \b(?:sorry|apolog\w+|my\s+(?:bad|fault|mistake)|forgive|pardon|mea\s+culpa|
        (?:should|could)\s+have\s+(?:\w+\s+)?(?:checked|seen|read|tested|known|noticed)|
        i\s+(?:\w+\s+)?(?:messed|screwed|missed|overlooked|misread|misunderst\w+|forgot)|
        entschuldig\w*|désolée?|perd[oó]n)\b
    """,
    "oops": r"""
        \b(?:o+ps|wh?oops\w*|uh[\s-]?oh|oh\s+no+|yikes|ouch|eek|damn\w*|dang|darn|shoot|crap|ahh+)\b
    """,
    "regret": r"""
        \b(?:unfortunate(?:ly)?|sadly|alas|regret\w*|i'?m\s+afraid|afraid\s+(?:that|not|so|i|we|
        you|of)|(?:a|what\s+a|such\s+a)\s+(?:shame|pity|bummer)|too\s+bad|bummer|pity|sad|
        disappoint\w*|i\s+wish|wish\s+(?:i|we|it|there)|feel\s+bad|bad\s+news|leider|schade|
        malheureusement|desafortunadamente|lástima)\b
    """,
    "frown": r"""
        (?:^|[\s.!?,)])[:;=]'?-?[(/\\|]+(?!\w)|:(?:cry|sob|disappointed\w*|frowning\w*|confused|
        slightly_frowning_face|rage|angry|worried|weary|tired_face|thinking\w*|unamused|
        expressionless|scream|fearful|pensive|persevere|-1|thumbsdown|facepalm|man_facepalming|
        broken_heart|grimacing|neutral_face|open_mouth|cold_sweat):|
        [😐-😒😓-😖😞-😭😰-😱😿🙁🙄☹🤦😬🤬💔👎😤😩😫🤔😕😟]
    """,
    "dislike": r"""
        \b(?:(?:do\s+not|don'?t|dont|didn'?t|not|never)\s+(?:\w+\s+)?(?:like|love|happy|pleased|
        keen|comfortable|convinced|good|great|nice|pretty|ideal|enough|worth\w*|a\s+fan|helpful|
        a\s+good)|dislike\w*|hate[sd]?|hating|can'?t\s+stand|despise|
        (?:rather|prefer)\s+not|not\s+(?:\w+\s+)?(?:see|get)\s+(?:the|any|how|why))\b
    """,
    "annoyed": r"""
        \b(?:annoy\w*|frustrat\w*|irritat\w*|infuriat\w*|madden\w*|driv\w+\s+\w+\s+(?:crazy|mad|
        nuts|up|insane)|going\s+(?:mad|crazy|nuts)|
        tired\s+of|sick\s+of|fed\s+up|give\s+up|giving\s+up|gave\s+up|lose\s+patience|losing|
        pain|waste[ds]?|wasting|wasted|nightmare|headache|hell|bother\w*|bites?|biting|
        demotivat\w*|exhaust\w*|enough\s+is|stop\s+(?:\w+ing)|ignor(?:e|es|ing)\s+(?:me|
        the\s+actual|my))\b
    """,
    "insult": r"""
        \b(?:stupid\w*|dumb|idiot\w*|ridiculous\w*|absurd|insane|useless|garbage|rubbish|crap\w*|
        trash|bullshit|shit\w*|wtf|ffs|fuck\w*|suck(?:s|ed|ing)?|lame|joke|nonsense|unacceptable|
        pathetic|sloppy|lazy|hideous|horribl\w*|terribl\w*|awful\w*|dreadful|horrid|atrocious|
        disaster|mess\w*|ugly|nasty|evil|worst|poor(?:ly)?|broken|unusable|ugh+|arg+h*|meh|yuck|
        sigh|
        gross|damn)\b
    """,
    "worry": r"""
        \b(?:worr(?:y|ied|ies|ying|some)|concern(?:s|ed|ing)?|afraid|fear\w*|scar(?:ed|y|es)|
        nervous|uneasy|uncomfortable|hesita\w+|reluctan\w+|danger\w*|risky|panic\w*|desperat\w*|
        dread\w*|anxious|unsafe|suspicious|skeptical|sceptical)\b
    """,
    "confused": r"""
        \b(?:confus\w+|(?:do\s+not|don'?t|dont|didn'?t|can'?t|not)\s+(?:really\s+|quite\s+|
        fully\s+)?
        (?:understand|get\s+(?:it|why|what|how)|follow)|lost|puzzl\w+|baffl\w+|weird\w*|
        strange\w*|odd(?:ly)?|bizarre|mysterious\w*|h+m+|huh|no\s+(?:idea|clue)|no\s+sense|unclear|
        mislead\w*|surpris\w*|unexpected\w*|wonder\s+why|beyond\s+me)\b
    """,
    "stuck": r"""
        \b(?:stuck|struggl\w+|no\s+luck|in\s+vain|tried\s+everything|out\s+of\s+ideas|
        hours?|days?|weeks?|ages|still\s+(?:\w+\s+)?(?:not|fail\w*|broken|wrong|get\w*|no|nothing|
        the\s+same|happens|see\w*|an?\b)|
        (?:did|does|do|is|was)n'?t\s+(?:work|help)\w*|(?:did|does|do)\s+not\s+(?:work|help)|
        not\s+work\w*|can'?t\s+(?:get|make|seem|figure|reproduce|find)|could\s?n'?t|unable|
        fail\w*|again)\b
    """,
    "wrong": r"""
        \b(?:wrong\w*|incorrect\w*|bad(?:ly)?|worse|problem\w*|issue\w*|bug\w*|crash\w*|errors?|
        break(?:s|ing)?|broke|hurt\w*|harm\w*|ruin\w*|regress\w*|fragile|brittle|hack\w*|smell\w*|
        overkill|overly|too\s+(?:much|many|big|large|slow|long|complicated|complex|clever)|
        slow(?:er|ly)?|missing|hard(?:er)?\s+to|difficult\w*|complicated|verbose|hacky)\b
    """,
    "objects": r"""
        \b(?:i\s+(?:don'?t|do\s+not|really\s+don'?t)\s+(?:think|believe|see|want|agree|know)|
        disagree\w*|i'?d\s+rather|why\s+(?:would|on\s+earth|is\s+this|do(?:es)?|not)|
        seriously|really\?|come\s+on|honestly|how\s+is\s+this|still\b|
        please\s+(?:don'?t|stop|no)|no\s+no|nope|should\s?n'?t|whoever|nobody|no\s+one|
        keep(?:s)?\s+\w+ing|yet\s+another|for\s+the\s+\w+\s+time|(?:third|fourth|second)\s+time)\b
    """,
    "mocks": r"""
        \b(?:(?:great|wow|nice|wonderful|fantastic|brilliant|perfect|awesome|lovely),?\s+(?:so|
        now|another|yet)|
        oh\s+(?:great|wonderful|perfect),|thanks?\s+(?:a\s+lot\s+)?for\s+(?:nothing|breaking|
        deleting)|
        what\s+could\s+(?:possibly\s+)?go\s+wrong|thanks\s+a\s+lot\s*\.\.\.)\b
    """,
}
_PLAIN: Final = {
    "asks": r"""\b(?:please|could\s+you|can\s+you|would\s+you|can\s+we|should\s+(?:we|this|i))\b""",
    "wishes": r"""
        \b(?:(?:would|'d|might|could)\s+be\s+(?:\w+\s+)?(?:nice|great|good|cool|useful|helpful|
        better|awesome|nicer|perfect)|it\s+is\s+better|nice\s+to\s+have|if\s+you\s+(?:like|want)|
        feel\s+free|(?:would|'d)\s+(?:like|love|prefer))\b
    """,
    "reports": r"""
        \b(?:fix(?:es|ed)|clos(?:es|ed|ing)|merged|added|adds|removed?s?|updated?|rebased?|renamed?|
        moved?|changed?|see|related|refs?|depends|tested|version|summary|description|steps)\b
    """,
    "but": r"""\b(?:but|however|although|though|yet|except|nevertheless|anyway)\b""",
    "emphasis": r"""
        \b(?:so|very|really|extremely|super|such|too|quite|totally|completely|pretty|just)\b
    """,
    "first_person": r"""\b(?:i|i'?m|i'?ve|i'?d|i'?ll|me|my)\b""",
    "you": r"""\b(?:you|your|you'?re|you'?ve)\b""",
}
SIGNS: Final = {
    name: re.compile(pattern, re.IGNORECASE | re.VERBOSE)
    for group in (_PLEASED, _SURE, _DISPLEASED, _PLAIN)
    for name, pattern in group.items()
}
"""Signs in what somebody wrote, by name."""
