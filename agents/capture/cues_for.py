"""Signs that a developer teaches, accepts, or wishes for something (see ``cues``)."""

from __future__ import annotations

from typing import Final

# Something holds beyond this edit.
STANDING: Final = {
    "always": r"""
        \b(?:always|immer(?!\s+noch)|siempre|toujours|never|niemals|nie|nunca|jamais|
        ever(?:y\s+time)?|each\s+time|any\s?time|at\s+all\s+times|under\s+no\s+circumstances)\b
    """,
    "from_now": r"""
        \b(?:from\s+now\s+on|going\s+forward|in\s+(?:the\s+)?future|next\s+time|
        for\s+(?:the\s+)?future|for\s+next\s+time|henceforth|ab\s+(?:jetzt|sofort)|in\s+zukunft|
        k[uü]nftig|n[aä]chstes\s+mal|de\s+ahora\s+en|a\s+partir\s+de|d[eé]sormais|dor[eé]navant|
        permanently|for\s+all\s+(?:future|new)|any\s+(?:new|future)|by\s+default)\b
    """,
    "remember": r"""
        \b(?:remember|memori[sz]e|keep\s+(?:this|that|it)?\s*in\s+mind|bear\s+in\s+mind|
        note\s+(?:that|this|for|down|it)|please\s+note|make\s+a\s+note|take\s+note|
        don'?t\s+forget|fyi|for\s+the\s+record|reminder|remind\w*|merk\s+dir|
        denk\s+(?:immer\s+)?dran|beachte|recuerda|souviens|write\s+(?:that|this)\s+down|
        learn\s+(?:that|this|from))\b
    """,
    "rule_word": r"""
        \b(?:rules?|convention\w*|policy|policies|guidelines?|standards?|principles?|practice|
        house\s+style|style\s?guide|regel\w*|konvention\w*|regla\w*|r[eè]gle\w*|directives?|
        instructions?|memory|memories|requirements?)\b
    """,
    "rule_file": r"""
        (?:CLAUDE|AGENTS?|GEMINI|CONVENTIONS|CONTRIBUTING)\.md|\.cursor(?:rules|/rules)?|
        cursor\s+rules?|\.mdc\b|copilot[- ]instructions|\.clinerules|\.windsurfrules|\.aider|
        system\s+prompt|(?:update|add\s+to|save|put|write|store)\w*\s+(?:\w+\s+){0,4}(?:memory|
        memories|rules?|instructions?)\b
    """,
    "add_rule": r"""
        \b(?:add|create|make|write|update|adjust|change|set|put|save|store|
        document)\b(?:\s+\S+){0,6}\s+(?:rules?|instructions?|memory|memories|guidelines?|
        conventions?|preferences?|standards?)\b
    """,
    "we_do": r"""
        \b(?:we|i|wir|ich|our\s+\w+|this\s+(?:project|repo\w*|code\s?base|team|company)|
        everybody|nobody|no\s+one)\s+(?:(?:do\s+not|don'?t|dont|never|always|only|usually|
        generally|all|strictly)\s+)*(?:use|uses|prefer|follow|write|name|put|keep|call|store|
        want|expect|log|test|allow|commit|deploy|run|avoid|stick|format|group|sort|target|
        support|have\s+a)\b
    """,
    "all_every": r"""
        \b(?:all|every|each|any|alle[rns]?|jede[rsmn]?|todo[s]?|toda[s]?|tous|toutes|chaque|
        everything|everywhere|anywhere|whole\s+(?:project|code\s?base|repo)|across\s+the|
        throughout|no\s+exceptions?|universal\w*)\b
    """,
    "general": r"""
        \b(?:in\s+general|generally|as\s+a\s+rule|as\s+a\s+general|by\s+convention|
        in\s+this\s+(?:project|repo\w*|code\s?base)|in\s+our|with\s+us|bei\s+uns|
        grunds[aä]tzlich|prinzipiell|whenever|wherever|regardless|before\s+(?:each|every|any)|
        after\s+(?:each|every|any)|on\s+every|for\s+(?:each|every)|at\s+(?:all|least)|
        unless\s+i|until\s+i|without\s+(?:asking|my|me|permission|confirmation|approval)|
        ask\s+(?:me\s+)?(?:first|before)|make\s+sure\s+(?:to|you|that\s+you)|stick\s+to|
        source\s+of\s+truth|mandatory|required)\b
    """,
    "bids_rule": r"""
        (?:^|[.,;:!\n]\s*|\b(?:please|pls|now|and|also|then|you|to|so|ok|can\s+you|could\s+you|
        want\s+you\s+to)\s+)(?:add|creat\w+|make|write|updat\w+|change|adjust|put|save|store|
        include|document|extend|keep)\b[^.?!\n]{0,60}\b(?:rules?|instructions?|memory|memories|
        guidelines?|conventions?|standards?|(?:AGENTS?|CLAUDE|GEMINI|CONVENTIONS|
        CONTRIBUTING)\.md|\w+\.mdc|cursorrules)\b
    """,
    "asks_rule": r"""
        \b(?:suggest\w*|propos\w*|recommend\w*|another|example|what|which|why|does|do|is|are|
        did|how|show|list|check|whether|explain)\b[^.!\n]{0,40}\b(?:rules?|guidelines?|
        conventions?|instructions?|standards?|memory)\b
    """,
    "bids_always": r"""
        (?:^|[.,;:!\n-]\s*|\b(?:please|pls|and|but|so|you|should|must|to|we|yes|also|
        bitte)\s+)(?:always|never|do\s+not\s+ever|don'?t\s+ever|immer|nie(?:mals)?|siempre|
        toujours)\s+\w+|\bdo\s*n[o']t\b[^.!?\n]{0,60}\b(?:again|ever|any\s?more|unless|without|
        in\s+(?:the\s+)?future)\b|\bnever\s+again\b|[.,!]\s*(?:ever|always|never|at\s+all)\W*$
    """,
    "bids_agent": r"""
        (?:^|[.,;:!\n-]\s*|\b(?:please|pls|and|but|so|you|should|to|just|i\s+said)\s+)(?:don'?t|
        do\s+not|dont|never|stop|quit|no|should\s*n[o']t(?:\s+be)?|must\s*n[o']t|
        may\s+not)\s+(?:ever\s+|just\s+|again\s+|please\s+)*(?:ask\w*|creat\w+|push\w*|
        commit\w*|touch\w*|delet\w+|renam\w+|chang\w+|modif\w+|edit\w*|assum\w+|guess\w*|
        apologi\w+|run\w*|install\w*|writ\w+|generat\w+|mov\w+|us(?:e|ing)|mak\w+|tell\w*|
        send\w*|claim\w*|add\w*|invent\w*|mock\w*|more|new|mess\w*|litter\w*|rewrit\w+|
        abbreviat\w+|updat\w+)\b
    """,
    "is_for": r"""
        \b(?:that'?s|this\s+is|is|it'?s)\s+(?:exactly\s+)?what\s+\S+(?:\s+\S+){0,3}\s+(?:is|are)\s+
        (?:there\s+)?for\b|\bbelongs?\s+(?:in|into|to)\b|\blives?\s+in\b|\bcomes?\s+from\b|
        \bgoes\s+(?:in|into|through)\b|\bis\s+done\s+(?:by|in|with|through)\b|\bwe\s+(?:moved|
        switched|changed|migrated|got\s+rid|decided|agreed)\b
    """,
    "no_more": r"""
        \bno\s+(?:more\s+)?\w+(?:\s+\w+){0,2}\s*(?:,\s*(?:ever|please|anywhere|no)\b|unless\b|
        without\b|in\s+(?:this|our|the)\b)|\bhands\s+off\b|\boff\s+limits\b|\bnot\s+(?:one\s+)?
        (?:more|another)\b|\bunless\s+i\b|\bi\s+(?:already\s+)?(?:keep|always|have\s+to)\s+
        (?:tell|say|remind|repeat|ask)\w*
    """,
    "we_state": r"""
        (?:^|[.,;:!\n]\s*|\b(?:that|because|since|as|but|and|so|fyi|know|remember|note|
        here)\s+)(?:we|our|in\s+this\s+\w+)\b[^.?!\n]{0,25}\b(?:use[sd]?|don'?t|do\s+not|never|
        always|only|have|are|is|rely|moved|switched|changed|prefer|write|keep|call|track|
        should\s*n[o']t|live|work|deploy)\b|\bthat'?s\s+(?:what|why|how|where)\b|\b(?:should|
        must)\s+(?:only\s+|all\s+|always\s+)?(?:be|live|go|happen|
        stay)\b[^.?!\n]{0,30}\b(?:once|one\s+place|everywhere|together|separate)\b
    """,
    "standing": r"""
        \b(?:again|ever|any\s?more|unless|forever|for\s+good|from\s+(?:now|here)(?:\s+on)?|
        each\s+(?:and\s+every\s+)?\w+|every\s+(?:time|single)|no\s+exceptions?|hands\s+off|
        not\s+now\s+(?:and\s+)?not|in\s+general|generally|mandatory|forbidden|banned|
        not\s+allowed|is\s+allowed|stick\s+(?:to|with)|the\s+standard|our\s+standard|
        for\s+(?:all|any|each|every|everything|whatever)|in\s+(?:all|any|every|everything)|
        whatever\s+you|anything\s+you|later\s+on)\b
    """,
}
# The answer is accepted.
ACCEPTED: Final = {
    "begins_praise": r"""
        ^\W*(?:(?:ok(?:ay)?|yes|yeah|wow|very|really|so|that(?:'?s|\s+is)?|this(?:\s+is)?|
        it(?:'?s|\s+is)?|looks?|sounds?|all|absolutely|oh|now|much|pretty|is|feels?|already|
        your\s+\w+|the\s+\w+)[,.!\s]+){0,3}(?:great|perfect\w*|awesome|excellent|amazing|
        nice(?:ly)?|good|love(?:ly)?|beautiful|brilliant|fantastic|wonderful|cool|super|neat|
        sweet|decent|fine|better|works?(?!\s+on)|worked|thanks?|thank\s+you|thx|ty|tnx|cheers|
        gorgeous|impressive|prima|toll|klasse|perfekt|danke|merci|gracias|perfecto|parfait|
        excelente|genial|yay|finally|bravo|congrat\w*|👍|🎉|🙏|👌|❤)
    """,
    "consents": r"""
        ^\W*(?:(?:ok(?:ay)?|yes|yeah|yep|sure|alright|good|great|perfect|please|then|let'?s|
        you\s+can|and)[,.!\s]+)*(?:go\s+(?:ahead|with|for|on)|proceed|do\s+(?:it|that|this|so|
        all|both)|implement|start|begin|apply|fix|add|continue|ship|merge|publish|
        write)\b[^.?!\n]{0,12}\b(?:it|that|this|them|the|these|those|all|both|with|on|for|plan|
        critical|first|phase|option|step|fix\w*|changes?|\d)\b
    """,
    "begins_yes": r"""
        ^\W*(?:y|yes+|yep|yup|yeah|ya|ja(?:wohl)?|jep|si|s[ií]|oui|ok(?:ay|ey)?|k|kk|sure|
        alright|right|fine|agreed?|correct|exactly|absolutely|definitely|of\s+course|
        (?:please|pls)(?=\W*$|\s+(?:do|go|proceed|start|continue)\b)|lgtm|ship\s+it|approved?|confirmed?|both|all(?:\s+of\s+(?:them|the\s+above))?|
        the\s+(?:first|second|third|last|former|latter)|klar|gerne|genau|passt|mach\s+(?:das|
        es)|dale|vale|d'accord|sounds?\s+(?:good|great|fine|right))\b(?!\s+but\b)
    """,
    "go_ahead": r"""
        \b(?:go\s+(?:ahead|for\s+it|on|with)|proceed|do\s+(?:it|that|so|this|them|both|all)|
        let'?s\s+(?:go|do|proceed|start|move|continue|try)|make\s+it\s+so|carry\s+on|ship\s+it|
        merge\s+it|apply\s+(?:it|them|that|all)|implement\s+(?:it|them|that|this|all|
        the\s+(?:plan|fix\w*|change\w*|suggestion\w*))|start\s+(?:with|on|now)|keep\s+going|
        please\s+do|continue\s+with|yes\s+please|move\s+on|next\s+step|mach(?:'s)?\s+(?:das|es|
        so|weiter)|adelante|vas-y|weiter)\b
    """,
    "option": r"""
        ^(?=[\s\S]{1,80}\Z)\W*(?:(?:ok|yes|let'?s|go|with|do|i'?d|take|pick|choose|use|try|
        prefer|think|start|the|please|say|for|number|option|opt|variant|version|approach|plan|
        choice|phase|step|first|second|third|last|one|two|latter|former|both|and|nr|
        no)\W+)*(?:(?:option|variant|approach|plan|choice|phase|step|number|nr)\W*)?(?:[0-9]|
        [a-e]|first|second|third|last|both|all|latter|former|[0-9]\s*(?:,|and|\+|
        &)\s*[0-9])\b(?:\W+(?:one|option|please|pls|it|then|looks|sounds|is|first|approach|fine|
        good|better|best)\b)*\W*$
    """,
    "praise": r"""
        \b(?:great|perfect\w*|awesome|excellent|amazing|nice(?:ly)?|good(?:\s+(?:job|work|catch|
        point|idea))?|love(?:ly)?|beautiful\w*|brilliant|fantastic|wonderful|cool|super|neat|
        sweet|wow|impressive|well\s+done|works?\s+(?:great|now|perfectly|well|fine|
        like\s+a\s+charm|nicely|as\s+expected)|(?:it|that|this|everything|
        all)\s+(?:now\s+)?works?(?:\s+now)?|worked|(?:looks?|sounds?|seems?|feels?)\s+(?:good|
        great|right|fine|ok(?:ay)?|nice|perfect|much\s+better|better|solid|correct)|that(?:'s|
        \s+is)\s+(?:it|right|correct|great|better|perfect)|much\s+better|prima|toll|klasse|
        spitze|perfekt|genial|excelente|parfait|g[eé]nial|bravo|hooray|yay|yes{2,}|like\s+it|
        happy\s+with|decent)\b|👍|🎉|❤|🙏|👌|🚀|💯|🔥|😍|:\)|:-\)|;\)|<3
    """,
    "thanks": r"""
        \b(?:thanks?|thank\s+you|thx|ty|tysm|cheers|danke\w*|merci|gracias|appreciate\w*|
        much\s+obliged)\b
    """,
    "works_now": r"""
        \b(?:now|finally|all|it|that|this|everything|again|both|which)\W+(?:\w+\W+){0,2}?
        (?:works?|worked|working|runs?|passes|builds?)\b(?!\s+(?:on|if|when|only|but))|
        \b(?:that|this|it|which)\s+(?:(?:has|have)\s+)?(?:fixed|solved|did|nailed|resolved)\s+
        (?:it|that|the)\b|\b(?:is|are|was|got|now|problem|issue|bug)\s+(?:all\s+)?(?:fixed|
        solved|resolved|gone)\b|^\W*(?:fixed|solved|resolved)\W
    """,
    "likes_but": r"""
        (?:\b(?:i\s+(?:(?:really|do|still)\s+)*(?:like|love)|(?:is|are|looks?|works?|'s)\s+
        (?:\w+\s+)?(?:great|good|perfect(?:ly)?|awesome|nice(?:ly)?|fine|superb|ok(?:ay)?|
        better|cool|lovely|beautiful|amazing|excellent|smooth))\b|👍)[^?\n]{0,80}\b(?:but|
        however|just|only|though|tho|except|although)\b
    """,
    "asks_kindly": r"""(?:\w+\W+){5}(?:and\s+)?(?:thanks?|thx|ty|cheers|thank\s+you|danke|merci|
        gracias)(?:\s+(?:you|a\s+lot|so\s+much|in\s+advance))?\W*$|\bin\s+advance\b
    """,
    "ok_and_on": r"""
        ^\W*(?:ok(?:ay)?|k|alright|all\s+right|right|so|well|cool|now|good)[,.!:\s]+(?:so\s+|
        now\s+|and\s+|but\s+|then\s+|next\s+)*(?:how|what|where|why|which|who|when|if|can|
        could|do|does|is|are|i\s+(?:have|want|need|would|was)|i'd|we\s+(?:need|have|should|
        want)|let'?s|lets|there)\b
    """,
    "consents_to": r"""
        \b(?:you\s+(?:can|may)|feel\s+free\s+to|please|so|then|that,?|now)\s+(?:now\s+|then\s+|
        just\s+|also\s+)*(?:go\s+(?:ahead|on)|proceed|implement|start|begin|continue)\b|
        \b(?:as|like|what(?:ever)?)\s+(?:you\s+(?:just\s+|have\s+)?)?(?:said|wrote|propos\w+|
        suggest\w+|describ\w+|outlin\w+|plann?ed|specif\w+|recommend\w*|think\s+is\s+best)\b|
        ^\W*(?:implement|execute|apply|start|begin|run|do)\s+(?:it|them|that|both|all|
        (?:the|this|that|your)\s+(?:plan|changes?|fix\w*|solution|proposal|approach|suggestion\w*|
        migration|rest))\b|\bone\s+(?:by\s+one|at\s+a\s+time|after)\b|\bin\s+(?:that|this)\s+
        order\b
    """,
    "yes_points": r"""
        (?:^|\n|\s)\d\s*[.):-]?\s*(?:yes|yeah|yep|ok|sure|correct|agreed?|right|exactly|fine)\b
    """,
}
# A new wish, a question, or a plain reply.
WISH: Final = {
    "of_the_product": r"""
        \b(?:it|they|he|she|users?|customers?|members?|people|everybody|(?:the|an?|each|every|all|
        both|these|those)\s+(?:\w+\s+){0,2}\w+)\s+(?:must|should|can|may|has\s+to|have\s+to|
        needs?\s+to|ought\s+to|will|are|is)(?:\s+(?:also|then|still))?\s+(?:always|never|not|
        only|be|have|ever|at\s+most|at\s+least)\b
    """,
    "for_now": r"""
        \b(?:for\s+(?:now|the\s+moment|today|the\s+demo)|right\s+now|at\s+the\s+moment|
        this\s+time|just\s+this|first\s+of\s+all|to\s+begin\s+with|yet)\b
    """,
    "another_topic": r"""
        \b(?:another\s+(?:thing|issue|problem|bug|one|question)|next\s+(?:thing|problem|issue|
        one|bug|step|up|page)|one\s+more|other\s+(?:issue|problem|thing)|unrelated|
        (?:since|for|in)\s+(?:months|weeks|years|ages)|from\s+the\s+beginning|all\s+along|
        sometimes|already\s+before|long\s+standing)\b
    """,
    "own_fault": r"""
        \bmy\s+(?:fault|bad|mistake)\b|\bby\s+(?:mistake|accident)\b|\baccident\w*\b|
        \bi\s+(?:\w+\s+)?(?:closed|pressed|clicked|deleted|lost|reset|forgot)\b
    """,
    "how_do_i": r"""
        \bhow\s+(?:can|do|would|should|to|could)\b|\bwhat\s+(?:does|is|are|do|should|would|could|
        can|about)\b|\boptions?\b|\bexplain\b|\bwhat'?s\b
    """,
    "answers": r"""(?:^|\n)\W*1\s*[.):-]?\s+\S[\s\S]*?[\n,;. ]2\s*[.):-]?\s+\S""",
    "request": r"""
        \b(?:can|could|would|will|can't|could'?nt)\s+(?:you|u|we|i|it)\b|\b(?:k[oö]nntest|
        kannst)\s+du\b|\bplease\b|\bpls\b|\bbitte\b|\bi(?:'d|\s+would)?\s+(?:like|want|need)\b|
        \blet'?s\b|\bhelp\s+me\b
    """,
    "task_verb": r"""
        (?:^|[.;!\n]\s*|\b(?:please|pls|now|then|and|also|next|you|to|let'?s|just|can\s+we|
        could\s+we|ok|okay|bitte)[,:]?\s+)(?:add|create|write|implement|build|make|generate|
        update|rename|move|extract|refactor|convert|port|translate|document|test|run|show|
        explain|list|describe|find|search|analy[sz]e|review|check|install|deploy|commit|push|
        set\s*up|configure|integrate|design|plan|prepare|clean|optimi[sz]e|extend|change|
        replace|split|merge|bump|release|start|open|read|look|give|tell|summari[sz]e|compare|
        erstelle|schreib\w*|f[uü]ge|baue|zeig\w*|crea|a[nñ]ade|ajoute)\b
    """,
    "also_next": r"""
        \b(?:also|next|another|additional\w*|as\s+well|too|more|extend|additionally|furthermore|
        besides|now\s+(?:add|create|write|make|do|let'?s|the|we|please|on|i\s+(?:want|need|
        would))|auch|noch\s+ein\w*|weiter|tambi[eé]n|aussi|moving\s+on|new\s+(?:task|feature|
        topic|question))\b
    """,
    "begins_task": r"""
        ^\W*(?:(?:ok|okay|now|next|please|pls|then|also|and|great|thanks|hi|hello|hey|so|
        alright|cool|bitte)[,.!:\s]+)*(?:add|create|write|implement|build|make|generate|update|
        rename|move|extract|refactor|convert|port|translate|document|run|show|explain|list|
        describe|find|search|analy[sz]e|review|check|install|deploy|commit|push|set\s*up|
        configure|integrate|design|plan|prepare|clean|optimi[sz]e|extend|change|replace|split|
        merge|bump|release|open|read|look|give|tell|summari[sz]e|compare|ensure|adapt|enable|
        disable|hide|use|i\s+(?:want|need|would|'d)|can\s+(?:you|we|u)|could\s+(?:you|we)|
        let'?s|git|npm|python|erstelle|schreib\w*)\b
    """,
    "begins_question": r"""
        ^\W*(?:(?:ok|okay|so|and|but|great|thanks|hi|hey|cool|question|one\s+more\s+question|
        also|now|alright)[,.!:\s]+)*(?:what|how|where|which|who|when|is|are|do|does|did|
        can\s+(?:i|it|this|that)|could\s+(?:i|it|this|that)|should\s+(?:i|we)|would\s+(?:it|
        that|this)|will\s+(?:it|this|that)|was|were|has|have|was|wie|wo|welche\w*|gibt|ist|
        kann\s+(?:ich|man)|c[oó]mo|qu[eé]|d[oó]nde|comment|o[uù]|any)\b
    """,
    "ends_question": r"""\?\W*$""",
    "continue": r"""
        ^\W*(?:continue|contin\w{0,3}|go\s+on|keep\s+going|carry\s+on|proceed|weiter|
        try\s+again|retry|again|resume|next)\b\W*(?:\S+\W*){0,4}$
    """,
    "done": r"""
        ^\W*(?:done|ok\s+done|i\s+(?:did|have\s+done|added|set|installed|ran|changed|created|
        fixed|restarted|updated|put|made)\b|here\s+(?:it\s+is|is|are|you\s+go)|here's|
        it'?s\s+(?:in|at|called|under|the)|fertig|erledigt|listo)\b
    """,
    "changed_mind": r"""
        \b(?:changed?\s+my\s+mind|on\s+second\s+thought|thinking\s+about\s+it|
        requirements?\s+(?:have\s+)?chang\w*|actually,?\s+(?:let'?s|lets|i|we|never|can)|
        scrap\s+that|new\s+plan|after\s+all|different\s+approach|hmm\s+actually|
        let'?s\s+(?:drop|switch|instead|rather)|doch\s+lieber|my\s+(?:mistake|bad|fault)|
        i\s+(?:was\s+wrong|misspoke|forgot|made\s+a\s+mistake|messed))\b
    """,
    "command": r"""
        ^\W*(?:/\w+|git\s+\w+|npm\s+\w+|pnpm\s+\w+|yarn\s+\w+|pip\s+\w+|uv\s+\w+|
        python\d?\s+\S+|cargo\s+\w+|docker\s+\w+|kubectl\s+\w+|make\s+\w+\s*$|cd\s+\S+|ls\b|
        cat\s+\S+|pytest\b|go\s+(?:run|test|build)|exit|quit|hello|hi|hey|test)\b[^\n?]{0,60}$
    """,
}
