"""Signs that a developer refuses an answer, or is angry (see ``cues``)."""

from __future__ import annotations

from typing import Final

# The answer, or what it did, is wrong or not wanted.
WRONG: Final = {
    "begins_no": r"""
        ^\W*(?:no+|nope|nah|nein|non|nee|wrong|incorrect|falsch|stop+|wait|
        halt)\b(?!\s+(?:problem|worries|need|rush|idea|tests?|questions?)\b)
    """,
    "begins_but": r"""
        ^\W*(?:but|however|yeah\s+but|yes\s+but|aber|pero|mais|not|except|only|just|hm+|well|
        actually|uh+|um+|eh)\b
    """,
    "begins_why": r"""
        ^\W*(?:(?:so|and|but|ok|wait)[,\s]+)*(?:why|how\s+come|warum|wieso|por\s*qu[eé]|
        pourquoi)\b
    """,
    "begins_you": r"""^\W*(?:(?:so|and|but|ok|wait|no)[,\s]+)*(?:you|u|du|your)\b(?!\s+can\b)""",
    "still": r"""
        \b(?:still|immer\s+noch|todav[ií]a|sigue|toujours|noch\s+immer|persist\w*|remains?)\b
    """,
    "same_again": r"""
        \bsame\s+(?:\w+\s+)?(?:error|issue|problem|thing|result|bug|message|behaviou?r|mistake)|
        \bagain\b.{0,30}$|\bno\s+(?:difference|change|effect|luck|success)|\bdidn'?t\s+(?:help|
        change|fix|work|solve)|\bnothing\s+(?:chang|happen)\w*|\bselbe\b|\bnot\s+(?:help\w*|
        fixed|solved|it)\b|\bmismo\b
    """,
    "not_working": r"""
        \b(?:(?:do(?:es)?|did|is|are|was|were|has|have|can|could|will|wo|would|ca)(?:n'?t|nt|
        \s+not)|not|never|no\s+longer|cannot|kann\s+nicht|nicht|kein\w*|geht\s+nicht|
        no\s+funciona|ne\s+\w+\s+pas)\b(?:\s+\w+){0,2}\s*\b(?:work\w*|show\w*|appear\w*|load\w*|
        run\w*|start\w*|build\w*|compile\w*|open\w*|save\w*|updat\w*|chang\w*|render\w*|
        display\w*|visible|there|happen\w*|respond\w*|trigger\w*|fire\w*|see|find|connect\w*|
        correct\w*|right|good|mehr|match\w*|scroll\w*|click\w*|move\w*|refresh\w*|reset\w*|
        reload\w*|funktion\w*)
    """,
    "broken": r"""
        \b(?:broke|broken|breaks|crash\w*|fail(?:s|ed|ing|ure)?|hangs?|freez\w*|frozen|stuck|
        stopped\s+working|explod\w*|kaputt|roto|cass[eé]|buggy|glitch\w*|flicker\w*|jumps?|
        jitter\w*|lags?|leak\w*|regress\w*|blows\s+up|dies|dead)\b
    """,
    "symptom": r"""
        \b(?:missing|empty|blank|gone|lost|disappear\w*|vanish\w*|duplicat\w*|twice|double[ds]?|
        overlap\w*|cut\s+off|cropped|truncat\w*|misaligned|shifted|null|none|nan|undefined|
        garbage|garbled|infinite|forever|black|white|weird|strange|odd|wrongly|unreadable|
        invisible|out\s+of\s+(?:sync|place|range|memory))\b
    """,
    "wrong": r"""
        \b(?:wrong\w*|incorrect\w*|mistakes?|bug+y?|falsch\w*|invalid|inaccurate|nonsense|
        not\s+(?:right|correct|true|what|how|the\s+(?:right|point|problem|issue|case))|
        isn'?t\s+(?:right|correct|true|what)|faux|incorrecto|mal\b|bad\s+(?:design|idea|
        practice)|terrible|awful|horrible|makes?\s+no\s+sense|doesn'?t\s+make\s+sense)\b
    """,
    "error_word": r"""
        \b(?:errors?|exceptions?|traceback|fehler\w*|erreur|error(?:es)?|warnings?|
        \d+\s+fail\w*|40[0-9]|50[0-9])\b
    """,
    "forgot": r"""
        \b(?:you|u|du|it|that|this|which|and)(?:'ve|\s+have|\s+has|\s+just|\s+also|\s+even|
        \s+only|\s+now)*\s+(?:forgot\w*|miss(?:ed|es|ing)|broke|removed|deleted|dropped|changed|
        ignored|skipped|overwrote|replaced|renamed|left|lost|messed|mixed|misunderstood|misread|
        invented|made\s+up|hallucinat\w*|assumed?|guess\w*|added|created|put|hard-?coded|
        duplicated|touched|wrote|used?|introduced|kept|did(?:n'?t|\s+not)|are\s+(?:not|wrong|
        looking|using|still|mixing|confus\w*)|have\s?n[o']t|(?:was|were|are|is)\s+supposed|
        should(?:n'?t|\s+not))
    """,
    "you_wrong": r"""
        \byou(?:'re|\s+are|\s+were)?\s+(?:wrong|not|still|supposed|keep|always|never|don'?t|
        didn'?t|did\s+not|haven'?t|can'?t|cannot|shouldn'?t|missed|forgot|broke|keep)\b
    """,
    "asked_for": r"""
        \b(?:i|we)(?:'ve|\s+have|\s+had|\s+just|\s+already|\s+clearly|\s+only|\s+explicitly|
        \s+never)*\s+(?:said|asked|told|meant|wanted|mentioned|wrote|specified|explained|
        requested|need(?:ed)?\s+(?:it|the|this|that)\s+to)\b|\b(?:as|like)\s+i\s+(?:said|asked|
        told|mentioned|wrote|specified|requested)|\bich\s+(?:habe|hatte|wollte|meinte)\b|
        \b(?:was|is)\s+the\s+requirement|\bi\s+(?:didn'?t|did\s+not|never)\s+(?:ask|want|say|
        said|asked|wanted|mean|request\w*|mention\w*)
    """,
    "should": r"""
        \b(?:should(?:n'?t|\s+not)?|shld|must(?:n'?t|\s+not)?|ought|(?:is|are|was|
        were)\s+supposed|needs?\s+to\s+(?:be|have|go|run|use|stay|work)|has\s+to\s+be|
        have\s+to\s+be|soll\w*|muss|m[uü]ssen|debe\w*|doit|expected?)\b
    """,
    "should_not": r"""
        \b(?:should(?:n'?t|\s+not)|must(?:n'?t|\s+not)|mustnt|shouldnt|no\s+need|not\s+supposed|
        not\s+allowed|unnecessar\w*|superfluous|redundant|overkill|over-?engineer\w*)\b
    """,
    "instead": r"""
        \b(?:instead|rather|statt\w*|stattdessen|en\s+lugar|plut[oô]t|in\s+place\s+of)\b
    """,
    "x_not_y": r"""
        (?:,|\bis|\bit'?s|\bare|;|\()\s*not\s+(?!sure|only\b|yet|that\s+i)\w+|
        \bnot\s+[\w`'\"./-]+(?:\s+[\w`'\"./-]+){0,3}\s+but\b|\bnot\s+just\b|
        \bnicht\s+\w+\s*,?\s*sondern\b|^\W*not\s+\w+|\bno,\s+\w+
    """,
    "dont_do": r"""
        (?:^|[.,;:!?\n]\s*|\b(?:please|pls|and|but|so|just|ok|bitte)\s+)(?:do\s+not|don'?t|dont|
        never|stop|quit|no\s+more|avoid)\s+\w+|\bw(?:e|i)ll?\s+not\b|\bkein\w*\s+\w+|\bohne\b|
        \bwithout\b
    """,
    "dont_want": r"""
        \b(?:do\s+not|don'?t|dont|didn'?t|never)\s+(?:want|like|need|care|asked|use|have|do)\b|
        \bnot\s+(?:needed|wanted|necessary|required)|\bhate\b|\bdislike\b|\bno\s+need\b|
        \bgef[aä]llt\s+mir\s+nicht
    """,
    "too_much": r"""
        \b(?:(?:way|far|much|bit|little|still)\s+)?(?:too|zu|demasiado|trop)\s+(?!bad\b|
        please\b|thanks?\b|pls\b|thx\b)\w+|\btoo\s+(?:many|much|few|little)\b|
        \bnot\s+\w+\s+enough\b|\bmuch\s+(?:more|less|bigger|smaller|larger|faster|slower)\b
    """,
    "dislike": r"""
        \b(?:ugly|hideous|horrible|boring|crowded|cluttered|clunky|bloated|verbose|confusing|
        messy|noisy|harsh|cheap|looks?\s+(?:bad|off|weird|odd|strange|wrong|terrible|awful|
        like\s+(?:crap|shit|a))|feels?\s+(?:off|weird|wrong|slow|sluggish|heavy|cheap|clunky|
        laggy)|not\s+(?:a\s+fan|happy|great|nice|pretty|good|ideal|convinced|readable)|
        prefer\w*|liked\s+the\s+(?:old|previous)|h[aä]sslich|lieber|hard\s+to\s+(?:read|see|
        follow|tell)|(?:a\s+little|a\s+bit|kinda|somewhat|too|so|very)\s+(?:slow|fast|big|small|
        long|short|dark|bright|sensitive|wide|narrow|high|low|heavy|loud))\b
    """,
    "more_less": r"""
        \b(?:smaller|bigger|larger|shorter|longer|less|fewer|simpler|thinner|wider|narrower|
        lighter|darker|brighter|slower|faster|higher|lower|closer|tighter|max(?:imum)?|half|
        twice)\b
    """,
    "correction_verb": r"""
        (?:^|[.,;!\n]\s*|\b(?:please|pls|and|then|just|ok|now)\s+)(?:fix|correct|repair|remove|
        undo|put\s+(?:it\s+|that\s+|this\s+)?back|restore|bring\s+back|re-?add|rework|redo|
        look\s+again|try\s+again|check\s+again|reread|read\s+(?:it\s+)?again|get\s+rid)\b
    """,
    "revert": r"""
        \b(?:revert\w*|undo|roll(?:ed|ing)?\s?back|restore|git\s+(?:checkout|restore|reset|
        revert)|put\s+(?:it|that|this|everything|them)\s+back|go\s+back\s+to|
        bring\s+(?:it\s+)?back|take\s+(?:it|that)\s+(?:out|back)|r[uü]ckg[aä]ngig|zur[uü]ck|
        deshacer|annule\w*|as\s+it\s+was|how\s+it\s+was)\b
    """,
    "stop": r"""
        ^\W*(?:stop+|abort|cancel|halt|wait|hold\s+on|never\s*mind|nvm|forget\s+(?:it|that|
        about)|leave\s+(?:it|that|this|them)|skip\s+(?:it|that|this)|don'?t|do\s+not|no+|
        none(?:\s+of\s+\w+)?|nope|not\s+(?:yet|now))\W*(?:(?:please|thanks?|it|that|this|
        for\s+now|yet)\W*)*$|\[request\s+interrupted|\b(?:stop|hold)\s+(?:it|there|here|
        right\s+there|on)\b|\bleave\s+(?:it|this|that|them)\s+(?:as|alone|for|like)
    """,
    "now_symptom": r"""
        \bnow\s+(?:it|the|i|all|every\w*|my|there|nothing|none|on|in|when|half|we|its|it's)\b|
        \b(?:it|that|this|which)\s+(?:now|broke|breaks|gives|throws|returns|shows|says|prints|
        still|only|also|always|never|keeps|just|doesn'?t|didn'?t|isn'?t|crashes|fails|hangs)\b
    """,
    "i_get": r"""
        \b(?:i|we)(?:'m|\s+am|\s+are)?\s*(?:still\s+|now\s+|just\s+|only\s+|
        also\s+)*(?:get(?:ting)?|got|see(?:ing)?|saw|have|having|notice\w*|receive\w*|can'?t|
        cannot|cant|could\s?n[o']t|don'?t\s+(?:see|get|find)|dont\s+(?:see|get|find)|
        didn'?t\s+(?:see|get))\b|\bbekomme\b|\bgetting\b|\bgives?\s+me\b|\bgot\b
    """,
    "when_i": r"""
        \b(?:when(?:ever)?|if|once|after|as\s+soon\s+as|every\s+time|wenn|sobald|cuando|
        quand)\s+(?:i|we|you|the\s+user|ich|it|someone|there)\b
    """,
    "but_inside": r"""
        \b(?:but|however|though|although|except|aber|pero|mais|apart\s+from|unfortunately|
        leider)\b
    """,
    "why_did_you": r"""
        \b(?:why|warum|wieso)\s+(?:did|do|does|are|is|would|have|has|had|the\s+hell|on\s+earth|
        don'?t|didn'?t|isn'?t|aren'?t|can'?t|not|hast|machst|ist)\b|\bisn'?t\s+(?:that|it|
        this)\b|\bshould\s?n'?t\s+(?:it|that|this|we|the)\b|\bdidn'?t\s+(?:you|we|i)\b|
        \bwhere\s+(?:did|is|are)\s+(?:you|the|all|my)\b
    """,
    "doubts": r"""
        \b(?:is|are|does|do|did|can|could|would|should|was|has)(?:n'?t|\s+not)\s+(?:we|it|that|
        this|there|the|they|you|\w+\s+(?:a|the|too))\b|\bdo\s+(?:we|i)\s+(?:really|actually|even)\b|
        \bwhy\s+(?:do|would|should|not|are|is|did)\b|\bis\s+there\s+(?:no|any|a)\s+(?:other|better|
        simpler|easier)\b|\bi\s+(?:don'?t|dont|do\s+not|doubt|never)\s+(?:think|believe|see\s+why|
        trust)\b|\bnot\s+sure\b|\bright\s*\?
    """,
    "reports": r"""
        \b(?:i\s+(?:just\s+)?(?:noticed|found|saw|tried|tested|checked|looked)|i'?ve\s+(?:just\s+)?
        (?:noticed|found|tried|tested)|for\s+(?:some|whatever)\s+reason|turns\s+out|there\s+(?:is|
        are|'s)\s+(?:an?\s+|still\s+|many\s+|lots?\s+of\s+|more\s+)?(?:issues?|problems?|bugs?|
        errors?))\b
    """,
    "look_again": r"""
        \b(?:look|check|read|search|try|think|see)\s+(?:it\s+|this\s+|that\s+)?(?:again|
        more\s+carefully|carefully|closer|properly|the\s+(?:docs?|logs?|spec|screenshot|
        design))|\bre-?(?:check|read|think|do)\b|\bproperly\b|\bcorrectly\b|\bdo\s+your\b|
        \bverify\b
    """,
    "only": r"""\b(?:only|just|nur|solo|seulement|exactly|solely|simply)\b""",
    "already": r"""\b(?:already|schon|bereits|ya\b|d[eé]j[aà]|before\s+your|before\s+you)\b""",
    "works_elsewhere": r"""
        \b(?:work(?:s|ed)?|was|were)\s+(?:just\s+)?(?:fine|ok|before|perfectly|in|on)\b.{0,60}|
        \b(?:before|earlier|previously|used\s+to|yesterday|until\s+now|last\s+time)\b
    """,
}
# Somebody is angry.
ANGER: Final = {
    "profanity": r"""
        \b(?:fuck\w*|f\*+\w*|wtf|ffs|shit\w*|bullshit|crap\w*|damn\w*|dammit|hell|goddamn|
        bloody|scheiss\w*|schei(?:ß|ss)e|verdammt|mist|mierda|joder|putain|merde|ass|piss\w*|
        jesus|christ|omfg|omg|stfu|sucks?)\b
    """,
    "angry": r"""
        \b(?:seriously|are\s+you\s+(?:kidding|serious|joking|blind|stupid|dumb|even)|come\s+on|
        how\s+(?:many\s+times|often|hard|difficult|can\s+you|dumb)|useless|stupid|idiot\w*|
        dumb\w*|ridiculous|annoy\w*|frustrat\w*|sick\s+of|tired\s+of|fed\s+up|
        waste\w*\s+(?:of\s+)?(?:my\s+)?(?:time|hours?|tokens|money|a)|wasting|
        for\s+the\s+(?:\w+\s+)?(?:time|\w+th)|(?:third|fourth|fifth|hundredth|\d+(?:th|rd|nd)|
        last)\s+time|(?:\d+|two|three|four|five|several|many|hundred|thousand|
        so\s+many)\s+times|what\s+(?:the|is\s+wrong\s+with|are\s+you\s+doing)|keep\s+(?:\w+ing|
        on)|keeps\s+\w+ing|once\s+(?:again|more)|yet\s+again|over\s+and\s+over|give\s+up|
        i\s+quit|unbelievable|incredible|pathetic|terrible|horrible|garbage|trash|joke|mess|
        nightmare|worst|hopeless|ugh+|argh+|grr+|sigh|facepalm|smh|enough|pay\s+attention|focus|
        listen|wrong\s+with\s+you|make\s+up\s+your|stop\s+(?:\w+ing)|nervt|nerv\w*|
        schon\s+wieder|zum\s+\w+\s+mal|can\s+you\s+(?:please\s+)?(?:just|even|finally)|
        just\s+do\s+(?:it|what)|what\s+a|circles?|disaster|lazy|lying|lied|liar|nonsense)\b|🤦|😡|
        🙄|😤|🤬|:\(|\.\.\.\s*(?:again|really|seriously|still)
    """,
    "sarcasm": r"""
        \b(?:(?:oh\s+)?(?:wow|great|brilliant|bravo|fantastic|wonderful|nice|awesome|congrat\w*|
        amazing|good\s+job|well\s+done|thanks?\s+(?:a\s+lot\s+)?for|slow\s+clap|
        genius)[,.! ]+(?:now|another|so|you|it|and|that|just|for|the|again|more|still|\"|
        breaking|nothing)|slow\s+clap|real\s+genius|truly|how\s+(?:nice|lovely|helpful)|
        yeah\s+right|sure\s+it\s+(?:is|does|works))\b|\s/s\W*$|\bsuu+re\b
    """,
    "shout": r"""[!?]{2,}|!\?|\?!""",
    "shouted": r"""
        (?-i:\b(?:NO+|NOT|NEVER|ALWAYS|STOP|AGAIN|WHY|WHERE|WHAT|STILL|ONLY|READ|NEED|WRONG|
        PLEASE|WANT|WORKS?|FIX|DON'?T|EVERY|THIS|THAT|YOU|ARE|HOW|ALL|BOTH|SAID|ASKED|TOLD|DID|
        DO|EVER|WHO|FINALLY|JUST|MUST|SHOULD)\b)
    """,
    "impatient": r"""
        \b(?:i\s+(?:said|told|asked|already\s+\w+)\b.{0,30}\b(?:twice|already|before|again|
        times)|(?:twice|again\s+and\s+again|third\s+time|how\s+often)|as\s+i\s+(?:said|told)|
        like\s+i\s+(?:said|asked)|just\s+(?:do|give|fix|make|answer)|don'?t\s+make\s+me|
        you\s+(?:just|keep|always|never|still|can'?t\s+even|don'?t\s+even|told\s+me|said)|
        what\s+the|why\s+(?:on\s+earth|the\s+hell|can'?t\s+you)|i\s+never\s+(?:asked|said|
        wanted)|nothing\s+works|one\s+simple|simple\s+(?:thing|task)|do\s+you\s+even|
        did\s+you\s+even)\b
    """,
}
