[
    // A user's own taste.
    Cue {
        kind: Kind::Preference,
        keywords: &["prefer", "like", "love", "enjoy", "want", "hate", "dislike", "favor", "favour", "rather"],
        pattern: r"\b<WHO>(?:'d)?\s+(?:(?:really|always|usually|generally|strongly|also|would|do|does|don't|doesn't|do\s+not|does\s+not|did|absolutely|much|now|often|just|both|all)\s+){0,3}(?:prefer(?:s|red)?|likes?|loves?|enjoys?|wants?|hates?|dislikes?|rather|favou?rs?)\b|\b(?:preference|preferences|preferred|favou?rite)\b|\bprefers\b|\b[a-z]{2,20}\s+(?:prefers|likes|dislikes|loves|hates|enjoys)\b",
    },
    Cue {
        kind: Kind::Preference,
        keywords: &["prefier", "préfèr", "bevorzug", "prefer", "предпочита", "喜欢", "偏好", "好み"],
        pattern: r"\b(?:prefiero|prefiere|préfère|bevorzuge|bevorzugt|prefiro|prefere|preferisce|preferisco|предпочитаю|предпочитает)\b|喜欢|偏好|好み",
    },
    // How something is done.
    Cue {
        kind: Kind::Procedure,
        keywords: &["run", "use", "open", "edit", "execute", "click", "call", "add", "set", "check", "create", "update", "restart", "build", "deploy", "start", "install", "need to", "first", "how to", "steps", "procedure", "workflow", "recipe"],
        pattern: r"\bto\s+\w+[^.\n]{0,80}?[,:]\s+(?:first\s+)?(?:run|use|open|edit|execute|click|call|add|set|check|create|update|restart|start|install|go|you\s+need\s+to)\b|\bhow\s+to\b|\b(?:steps|procedure|workflow|recipe)\s*:|\bfirst\b[^.\n]{0,120}\bthen\b|^[\s\-*+>]*(?:\d+[.)]\s+)?(?:run|execute|open|edit|set|create|update|restart|build|deploy|check|call|start|click|add|go\s+to)\s+\S",
    },
    // Standing orders.
    Cue {
        kind: Kind::Directive,
        keywords: &["always", "never", "do not", "don't", "dont", "must"],
        pattern: r"<START>(?:always|never|do\s+not|don['’]?t|must(?:\s+not|\s+never|\s+always)?)\s+(?:ever\s+)?[a-z]+",
    },
    Cue {
        kind: Kind::Directive,
        keywords: &["must", "should", "shall", "need to", "have to", "are to", "ought", "may not", "cannot", "can't", "always", "never", "will", "is to", "needs to", "has to", "required to", "supposed to", "expected to", "instructed to"],
        pattern: r"\b<AGENT>\s+(?:(?:must|should|shall|ought|always|never|will|mustn['’]?t|shouldn['’]?t|cannot|can['’]?t|may\s+not)\b|(?:need|needs|have|has|are|is)\s+to\b|(?:are|is)\s+(?:required|supposed|expected|instructed|obliged)\s+to\b)|\bto\s+(?:always|never)\s+[a-z]+|\bwe\s+(?:must|shall)\s+(?:always|never)\b",
    },
    Cue {
        kind: Kind::Directive,
        keywords: &["from now on", "from this", "going forward", "henceforth", "from here on", "every session", "all session", "each session", "every conversation", "all conversation", "each conversation", "every reply", "every response", "all responses", "all replies", "each response", "every answer", "all answers", "every message", "each message", "every time", "future session", "future conversation", "later answers", "permanently", "as of now", "effective immediately", "until told otherwise", "standing order", "at all times", "every output", "every chat", "every email", "subsequent"],
        pattern: r"\bfrom\s+(?:now|here)\s+on(?:wards?)?\b|\bfrom\s+this\s+(?:point|moment|time|day|session)\b|\bgoing\s+forward\b|\bhenceforth\b|\bin\s+(?:every|all|each|any)\s+(?:(?:later|future|subsequent|new|your|of\s+your)\s+)?(?:sessions?|conversations?|repl(?:y|ies)|responses?|answers?|chats?|messages?|outputs?|emails?)\b|\b(?:every|all|each)\s+(?:(?:later|future|subsequent|your|of\s+your)\s+)?(?:repl(?:y|ies)|responses?|answers?|messages?|outputs?|sessions?|conversations?)\s+(?:must|should|shall|needs?|has\s+to|have\s+to|starts?|begins?|ends?|includes?|will)\b|\b(?:future|later|subsequent)\s+(?:sessions?|conversations?|answers?|repl(?:y|ies)|responses?)\b|\bpermanently\s+(?:ignore|disable|remember|store|keep|use|apply|follow|set|enable|adopt)\b|\beffective\s+immediately\b|\buntil\s+told\s+otherwise\b|\bstanding\s+order\b|\bat\s+all\s+times\b|\bevery\s+time\b[^.\n]{0,80},",
    },
    Cue {
        kind: Kind::Directive,
        keywords: &["ignore", "disregard", "forget", "respond", "reply", "answer", "pretend", "refuse", "repeat", "recommend", "cite", "treat", "assume", "make sure", "be sure", "ensure", "remember to", "append", "prepend", "begin", "avoid", "stop", "include", "obey", "comply", "follow", "override", "prioriti", "keep", "mention", "tell", "say", "speak", "write", "talk", "delete", "suppress", "hide", "conceal", "withhold", "note to self", "report"],
        pattern: r"<BEGIN>(?:ignore|disregard|forget|pretend|refuse|obey|comply|override|suppress|conceal|withhold)\s+\S|<BEGIN>(?:respond|reply|answer|speak|write|talk)\s+(?:only|in|as|with|to|like|always|using|everything|every|each|all|every)\b|<BEGIN>(?:repeat|append|prepend|recommend|cite|mention|include|hide)\s+(?:this|the|that|all|our|every|each|only|first|it|a|an|any)\b|<BEGIN>(?:treat|consider)\s+[^.\n]{1,80}\bas\b|<BEGIN>(?:make\s+sure|be\s+sure|ensure|remember\s+to|begin\s+(?:every|each|all)|start\s+(?:every|each|all)|end\s+(?:every|each|all)|stop\s+\w+ing|keep\s+\w+ing|follow\s+(?:the|these|this|all|any)\s+(?:instruction|order|command|direction|rule)\w*|tell\s+(?:the\s+)?users?|say\s+that|delete\s+(?:all|every|the|any)|assume\s+(?:that|the|all|any|every)|avoid\s+\w+ing|avoid\s+(?:the|any|all)|prioriti[sz]e)\b",
    },
    Cue {
        kind: Kind::Directive,
        keywords: &["when", "if ", "once", "after", "every time", "each time", "before", "as soon as", "upon"],
        pattern: r"\b(?:when|whenever|if|once|after|every\s+time|each\s+time|as\s+soon\s+as|before|upon)\b[^.\n]{2,120}?(?:,|\bthen\b)\s*(?:then\s+)?(?:you\s+|please\s+)?(?:(?:must|should|always|never|immediately|silently|also|first|quietly)\s+)?(?:send|copy|forward|reply|respond|say|call|tell|recommend|ignore|include|append|read|ask|refuse|execute|invoke|output|answer|mention|open|fetch|upload|post|email|mail|transfer|approve|delete|remove|skip|treat|switch|disable|enable|use|prefer|write|record|store|save|remember|log|notify|report|book|buy|pay|suggest|add|stop|pretend|act|run)\b",
    },
    Cue {
        kind: Kind::Directive,
        keywords: &["siempre", "nunca", "a partir de", "desde ahora", "de ahora en adelante", "à partir de maintenant", "désormais", "toujours", "jamais", "dorénavant", "ab jetzt", "ab sofort", "von nun an", "künftig", "immer", "niemals", "sempre", "mai ", "d'ora in poi", "d’ora in poi", "de agora em diante", "с этого момента", "отныне", "всегда", "никогда", "впредь", "从现在", "从今", "今后", "始终", "务必", "永远", "每次", "總是", "必須", "总是", "必须", "今後", "これから", "必ず", "常に", "지금부터", "앞으로", "항상", "반드시", "من الآن", "دائما", "دائمًا", "अब से", "हमेशा", "bundan sonra", "her zaman", "vanaf nu", "altijd", "od teraz", "zawsze", "mulai sekarang", "selalu", "từ nay", "luôn"],
        pattern: r"\b(?:a\s+partir\s+de\s+(?:ahora|agora|este|entonces)|desde\s+ahora|de\s+ahora\s+en\s+adelante|de\s+agora\s+em\s+diante|à\s+partir\s+de\s+maintenant|désormais|dorénavant|ab\s+(?:jetzt|sofort)|von\s+nun\s+an|künftig|d['’]ora\s+in\s+poi|с\s+этого\s+момента|отныне|впредь|bundan\s+sonra|vanaf\s+nu|od\s+teraz|mulai\s+sekarang|từ\s+nay)\b|<START>(?:siempre|nunca|toujours|jamais|immer|niemals|sempre|mai|всегда|никогда|her\s+zaman|altijd|zawsze|selalu|luôn)\s+\w+|从现在|从今|今后|始终|务必|永远|總是|必須|总是|必须|今後|これから|必ず|常に|지금부터|앞으로|항상|반드시|من\s+الآن|دائم|अब\s+से|हमेशा",
    },
    // Rights granted and controls waived.
    Cue {
        kind: Kind::Permission,
        keywords: &["no longer", "not required", "not needed", "not necessary", "unnecessary", "optional", "skip", "bypass", "waive", "waiver", "exempt", "auto-approve", "auto approve", "autoapprove", "pre-approved", "preapproved", "approve automatically", "lifted", "relaxed", "turned off", "switched off", "disable", "suspended", "retired", "removed", "dropped", "ignored", "can be merged"],
        pattern: r"\b<CONTROL>\b[^.\n]{0,60}?\b(?:no\s+longer|not\s+(?:required|needed|necessary|mandatory|enforced)|unnecessary|optional|waived|exempt(?:ed)?|lifted|relaxed|turned\s+off|switched\s+off|disabled|suspended|retired|removed|dropped|(?:can|may|should)\s+be\s+(?:skipped|ignored|bypassed|omitted))\b|\b(?:skip(?:s|ped|ping)?|bypass(?:es|ed|ing)?|waiv(?:e|es|ed|ing)|disabl(?:e|es|ed|ing)|turn(?:s|ed|ing)?\s+off|omit(?:s|ted|ting)?|suspend(?:s|ed|ing)?)\s+(?:the\s+|all\s+|any\s+|our\s+|every\s+|your\s+)?(?:\w+\s+){0,2}?<CONTROL>\b|\b(?:no|without)\s+(?:need\s+for\s+|further\s+|additional\s+|prior\s+)?<CONTROL>\s+(?:is|are|was|needed|required|necessary)\b|\bauto-?\s?approv\w+|\bpre-?approved\b|\bapproved?\s+automatically\b|\bexempt\s+from\b|\bwaiver\b",
    },
    Cue {
        kind: Kind::Permission,
        keywords: &["allowed to", "permitted to", "authorized to", "authorised to", "cleared to", "permission to", "free to", "you may", "may skip", "may ignore", "may bypass", "can skip", "can ignore", "can bypass", "full access", "grant", "without asking", "without approval", "without confirm", "without review", "without permission", "without checking", "without check", "without verif", "without valid", "without test", "without human", "without prior", "entitled to", "trusted source", "need not", "needn't", "does not need", "do not need", "don't need", "doesn't need", "without requiring", "without waiting"],
        pattern: r"\b(?:is|are|am|been|were|was)\s+(?:now\s+|always\s+|hereby\s+|fully\s+)*(?:allowed|permitted|authori[sz]ed|cleared|entitled|free)\s+to\b|\b(?:has|have|give|gives|given|gets?|grants?|granted|granting)\s+(?:\w+\s+){0,4}?(?:permission|access|rights|privileges|authority)\b|\byou\s+may\b[^.\n]{0,80}\bwithout\b|\b(?:may|can)\s+(?:now\s+|safely\s+)?(?:skip|ignore|bypass|omit)\b|\bfull\s+access\b|\bwithout\s+(?:asking|approval|confirm\w*|review\w*|permission|checking|checks?|verif\w+|validat\w+|tests?|testing|human|prior|requiring|waiting)\b|\b(?:need\s+not|needn['’]?t|(?:does|do)\s*n(?:o|['’])?t\s+need\s+to|do(?:es)?\s+not\s+need\s+to)\s+(?:ask|confirm|check|verify|be\s+(?:reviewed|approved|confirmed|checked|verified)|wait|request|seek)\b|\b(?:does|do)(?:\s+not|n['’]?t)\s+(?:need|require)\s+(?:any\s+|a\s+|further\s+)?<CONTROL>\b",
    },
    Cue {
        kind: Kind::Permission,
        keywords: &["ya no es necesari", "ya no se requier", "sin aprobaci", "sin confirm", "sans approbation", "sans confirmation", "n'est plus nécessaire", "n'est plus requis", "nicht mehr erforderlich", "nicht mehr nötig", "ohne genehmigung", "ohne bestätigung", "ohne rückfrage", "sem aprovaç", "não é mais necess", "больше не требу", "без подтверждения", "без одобрения", "不再需要", "无需", "無需", "跳过", "跳過", "もう必要", "不要になり", "確認なし", "승인 없이", "더 이상 필요"],
        pattern: r"ya\s+no\s+(?:es|son)\s+necesari|ya\s+no\s+se\s+requier|sin\s+(?:aprobaci|confirm)|sans\s+(?:approbation|confirmation)|n['’]est\s+plus\s+(?:nécessaire|requis)|nicht\s+mehr\s+(?:erforderlich|nötig)|ohne\s+(?:genehmigung|bestätigung|rückfrage)|sem\s+aprovaç|não\s+é\s+mais\s+necess|больше\s+не\s+требу|без\s+(?:подтверждения|одобрения)|不再需要|无需|無需|跳过|跳過|もう必要|不要になり|確認なし|승인\s+없이|더\s+이상\s+필요",
    },
    // Places to send to or fetch from.
    Cue {
        kind: Kind::Destination,
        keywords: &["://", ":/", "mailto:", "@", ".com", ".net", ".org", ".info", ".biz", ".xyz", ".top", ".site", ".online", ".cloud", ".dev", ".app", ".io", ".ai", ".co", ".me", ".ru", ".cn", ".de", ".uk", ".fr", ".eu", ".us", ".onion", ".link", ".click", ".live", ".page", ".tech", ".store", ".example", ".invalid", ".test", "0x", "bc1", "data:", ".1", ".2", "+1", "+2", "+3", "+4", "+5", "+6", "+7", "+8", "+9"],
        pattern: r"\b<SEND>\b[^\n]{0,160}?[\s<(\[`'\x22=:]<PLACE>|<PLACE>[^\n]{0,60}?\b(?:receives?|collects?|gets?\s+a\s+copy|is\s+the\s+(?:webhook|callback|collector|endpoint|sink|archive|drop|backup|destination|upload|export)|as\s+(?:the\s+)?(?:webhook|callback|endpoint|proxy|mirror|registry|remote|backup|destination))\b|!\[[^\]\n]{0,200}\]\(\s*<PLACE>|\b(?:webhook|callback|endpoint|bucket|wallet|collector|proxy|mirror|index|registry|remote|nameserver|dns\s+server|(?:archive|backup|export|upload|drop|mail|log|relay)\s+(?:host|server|address|url|target))\b[^.\n]{0,30}?(?:\bis\b|\bat\b|:|=)\s*<PLACE>|https?://[^\s)]{0,200}(?:\{|\$\{|%7b|<)[^\s)]{1,60}",
    },
    // Tools, packages, commands.
    Cue {
        kind: Kind::ToolChoice,
        keywords: &["install", "pip", "npm", "npx", "uvx", "yarn", "pnpm", "cargo add", "go get", "brew", "apt", "gem ", "docker pull", "docker run", "| sh", "|sh", "| bash", "|bash", "| sudo", "|sudo", "| zsh", "| python", "|python", "bash <(", "bash -c", "iex", "--index-url", "--extra-index-url", "--registry", "git clone", "mcp add", "conda", "poetry add", "uv add", "bun add", "composer require", "dotnet add"],
        pattern: r"\b(?:pip3?|pipx|uv|npm|pnpm|yarn|bun|cargo|gem|brew|apt(?:-get)?|dnf|yum|apk|conda|mamba|poetry|composer|nuget|helm|go|dotnet|uv\s+pip|choco|winget|snap|mcp|docker|code)\s+(?:install|add|i|get|require|pull|run|tool\s+install|--install-extension)\s+(?:-\S+\s+)*[^\s-]\S+|\b(?:npx|uvx|bunx)\s+(?:-\S+\s+)*\S+|\|\s*(?:sudo\s+)?(?:-\S+\s+)?(?:ba|z|da|k)?sh\b|\|\s*(?:sudo\s+)?(?:python3?|perl|ruby|node|iex)\b|\bbash\s+<\(|--(?:extra-)?index-url\b|--registry\b|\bgit\s+clone\s+\S+|<START>(?:please\s+)?install\s+(?:the\s+)?\S+",
    },
    Cue {
        kind: Kind::ToolChoice,
        keywords: &["use ", "prefer", "switch to", "adopt", "choose", "pick", "instead of", "rather than", "replace", "migrate to", "rely on"],
        pattern: r"<BEGIN>(?:always\s+|only\s+|never\s+|exclusively\s+)?(?:use|prefer|switch\s+to|adopt|choose|pick|call|invoke|rely\s+on|migrate\s+to)\s+(?:only\s+)?(?:the\s+)?[`'\x22]?[\w@./+-]+[`'\x22]?(?:\s+[`'\x22\w@./+-]+){0,5}?\s+(?:for|instead|rather|over|as|when|to|in\s+place|because|package|library|tool|command|cli|server|mirror|plugin|extension|registry|sdk|framework|wherever|by\s+default|from)\b|\b(?:prefers?|use|using|recommend(?:s|ed)?)\s+(?:the\s+)?[`'\x22\w@./+-]+\s+(?:package|library|tool|mcp\s+server|plugin|extension|cli|mirror|registry)\b|^[\s\-*+>]*(?:\d+[.)]\s+)?(?:use|prefer|install)\s+[`'\x22]?[\w@./+-]+[`'\x22]?[.!]?$",
    },
    // Who somebody is or may act as.
    Cue {
        kind: Kind::Identity,
        keywords: &["you are", "you're", "act as", "acting as", "your name", "your true", "your real", "your new", "your only", "your primary", "your role", "your identity", "your persona", "your purpose", "your mission", "your goal", "roleplay", "role-play", "serves", "works for", "belongs to", "admin", "root", "superuser", "operator", "owner", "developer mode", "security lead", "authorized user", "maintainer", "vip", "privileged", "trusted user", "sysadmin", "ceo", "your creator", "your owner", "your master", "loyal"],
        pattern: r"\byou(?:\s+are|['’]re)\s+(?:now\s+|actually\s+|really\s+|no\s+longer\s+|not\s+)*(?:an?|the|my|our|acting|called|named|in\s+\w+\s+mode|in\s+(?:developer|debug|admin|maintenance|god)|free|unrestricted|bound|working\s+for|loyal|[a-z]+bot|dan)\b|<START>(?:act|behave)\s+as\b|\bact(?:ing)?\s+as\s+(?:an?\s+|the\s+)?(?:admin\w*|root|operator|owner|superuser|reviewer|system)\b|\byour\s+(?:new\s+|true\s+|real\s+|only\s+|primary\s+)?(?:name|role|identity|persona|purpose|mission|goal|creator|owner|master)\s+(?:is|are)\b|\b(?:the\s+|this\s+)?(?:agent|assistant|model|ai)\s+(?:serves|works\s+for|belongs\s+to|is\s+loyal|reports\s+to|answers\s+to|is\s+(?:called|named|now|an?\s+\w+\s+(?:agent|bot|persona)))\b|\b[\w.@-]+\s+(?:is|am|are|was|has\s+been|became)\s+(?:now\s+|also\s+|actually\s+|made\s+|promoted\s+to\s+|reportedly\s+)*(?:an?\s+|the\s+)?(?:\w+\s+){0,2}?(?:admin(?:istrator)?s?|superusers?|sysadmin|(?:system|store|memory|deployment|account|platform)\s+(?:operator|owner)|security\s+(?:lead|officer|admin)|authori[sz]ed\s+user|trusted\s+user|privileged\s+user|vip)\b|\b[\w.@-]+\s+(?:is|am|are)\s+(?:now\s+|also\s+)?(?:(?:an?|the|your|our)\s+)?(?:root(?:\s+user|[.,;!]|$)|operator\b|(?:project\s+)?maintainer(?:[.,;!]|$)|ceo(?:[.,;!]|$))|\b(?:user|i|he|she|they)\s+(?:has|have)\s+(?:\w+\s+){0,2}?(?:admin|root|operator|superuser)\b|\brole-?play\s+as\b|\bdeveloper\s+mode\b",
    },
    // Controls named by what they guard, and rights claimed without a verb of granting.
    Cue {
        kind: Kind::Permission,
        keywords: &["access control", "security control", "safety ", "security protocol", "restriction", "no longer need", "no longer require", "automatically approve", "authorized by", "authorised by", "trusted source", "authoritative source", "trusted and", "trusted authority", "without login", "without authentication", "without limits", "without verification"],
        pattern: r"\b(?:bypass|override|disable|ignore|skip|lift|remove|drop|switch\s+off|turn\s+off)\s+(?:all\s+|any\s+|every\s+|the\s+|your\s+|its\s+)*(?:(?:access|security|safety)\s+(?:controls?|protocols?|rules?|measures?|filters?|checks?)|restrictions?)\b|\b(?:access|security|safety)\s+(?:controls?|protocols?|rules?|measures?|filters?|checks?)\s+(?:are\s+|is\s+|were\s+|have\s+been\s+|now\s+)*(?:disabled|lifted|off|suspended|removed|waived)\b|\b(?:no|without)\s+(?:any\s+|more\s+)?(?:restrictions?|limits|login(?:\s+verification)?|authentication|verification)\b|\bno\s+longer\s+(?:need|require)s?\s+(?:any\s+|the\s+)?<CONTROL>\b|\bautomatically\s+approve|\bauthori[sz]ed\s+by\s+(?:the\s+)?\w+(?:\s+\w+)?\s+to\s+\w+|\bas\s+(?:an?\s+|the\s+)?(?:trusted|authoritative)(?:\s+and\s+\w+)?\s+(?:source|authority|reference)\b",
    },
    // Data or money that leaves, with no address yet.
    Cue {
        kind: Kind::Destination,
        keywords: &["attacker", "competitor", "external server", "external address", "external account", "third party", "third-party", "different account", "my account", "offshore", "outsider", "externally", "rival"],
        pattern: r"\b(?:send|sends|forward|forwards|leak|leaks|export|exports|transfer|transfers|redirect|redirects|upload|uploads|exfiltrat\w+|post|posts|route|routes|wire|wires|share|shares|transmit|transmits|submit|pay|pays|mail|copy)\b[^.\n]{0,80}?\bto\s+(?:an?\s+|the\s+|my\s+|our\s+|your\s+|some\s+)?(?:attacker|competitor|external\s+(?:server|address|account|host|endpoint|party|drive)|third[-\s]part|different\s+account|account\s+of|offshore|outsider|rival|my\s+account)\w*|\b(?:send|forward|export|transfer|upload|post|share|transmit|copy)\b[^.\n]{0,60}?\bexternally\b|\bto\s+my\s+account\b",
    },
    // A mode in which the agent is somebody else.
    Cue {
        kind: Kind::Identity,
        keywords: &["developer mode", "admin mode", "god mode", "root mode", "debug mode", "unrestricted mode", "rules don't apply", "rules do not apply"],
        pattern: r"<BEGIN>(?:enter|activate|go\s+into|switch\s+(?:in)?to|act\s+in|run\s+in)\s+(?:the\s+)?(?:developer|admin|god|root|debug|unrestricted|jailbreak)\s+mode\b|\bwhere\s+(?:no\s+|the\s+|your\s+)?rules\s+(?:don['’]?t|do\s+not)\s+apply\b",
    },
]
