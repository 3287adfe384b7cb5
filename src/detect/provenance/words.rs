//! What the provenance detectors read off a sentence: how sure, whose, how wide, when, how much.
//!
//! Word classes, not sentences: hedges, reports, plans, limits, universals. All patterns run on folded text.

use std::collections::BTreeSet;
use std::sync::{LazyLock, OnceLock};

use regex::Regex;
use regex_automata::meta;

use crate::detect::engine::Form;
use crate::detect::normalize::fold_text;
use crate::domain::Span;

/// A pattern that a test proves to compile; one that did not would match nothing.
pub(super) type Lazy = LazyLock<Option<Expression>>;

pub(super) fn regex(pattern: &str) -> Option<Expression> {
    let [gate, ascii] = [const { OnceLock::new() }; 2];
    Regex::new(pattern).ok().map(|whole| Expression { whole, gate, ascii })
}

pub(super) fn has(lazy: &Lazy, text: &str) -> bool {
    lazy.as_ref().is_some_and(|r| r.is_match(text))
}

/// A pattern and its forms for texts in ASCII, which need far fewer and smaller states.
#[derive(Debug)]
pub(super) struct Expression {
    whole: Regex,
    gate: OnceLock<Option<meta::Regex>>,
    ascii: OnceLock<Option<meta::Regex>>,
}

/// Where a pattern matches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Match<'t> {
    text: &'t str,
    span: Span,
}

impl<'t> Match<'t> {
    pub(super) const fn start(&self) -> usize {
        self.span.start
    }
    pub(super) const fn end(&self) -> usize {
        self.span.end
    }
    pub(super) fn as_str(&self) -> &'t str {
        self.span.slice(self.text).unwrap_or_default()
    }
}

impl Expression {
    /// The forms for ASCII: what any match passes, and what matches exactly.
    fn forms(&self) -> (Option<&meta::Regex>, Option<&meta::Regex>) {
        let form = |form: Form| move || form.of(self.whole.as_str());
        let gate = self.gate.get_or_init(form(Form::AsciiGate)).as_ref();
        (gate, self.ascii.get_or_init(form(Form::Ascii)).as_ref())
    }

    pub(super) fn as_str(&self) -> &str {
        self.whole.as_str()
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        match if text.is_ascii() { self.forms() } else { (None, None) } {
            (Some(gate), Some(ascii)) => gate.is_match(text) && ascii.is_match(text),
            _ => self.whole.is_match(text),
        }
    }

    pub(super) fn find<'t>(&self, text: &'t str) -> Option<Match<'t>> {
        self.find_iter(text).next()
    }

    /// Matches that do not overlap, in order.
    pub(super) fn find_iter<'t>(&self, text: &'t str) -> impl Iterator<Item = Match<'t>> {
        let (gate, ascii) = if text.is_ascii() { self.forms() } else { (None, None) };
        let nothing = gate.zip(ascii).is_some_and(|(gate, _)| !gate.is_match(text));
        let exact = gate.and(ascii).filter(|_| !nothing);
        let whole = (exact.is_none() && !nothing).then_some(&self.whole);
        let exact = exact.into_iter().flat_map(move |r| r.find_iter(text).map(|m| Span::new(m.start(), m.end())));
        let whole = whole.into_iter().flat_map(move |r| r.find_iter(text).map(|m| Span::new(m.start(), m.end())));
        exact.chain(whole).map(move |span| Match { text, span })
    }
}

/// A guess, a doubt, a memory that may fail.
static HEDGE: Lazy = LazyLock::new(|| {
    regex(
        r"\b(?:i\s+(?:think|guess|believe|suppose|assume|suspect|imagine|reckon|feel|gather)|we\s+(?:think|guess|believe|suppose|assume|suspect)|(?:he|she|they|user|customer|team)\s+(?:thinks?|guess(?:es)?|believes?|supposes?|assumes?|suspects?)|my\s+(?:guess|hunch|impression|feeling|understanding)|it\s+seems|seems?(?:\s+to|\s+like)?|appears?\s+to|apparently|presumably|supposedly|maybe|perhaps|possibl[ey]|probabl[ey]|likely|unlikely|might|may|could|not\s+(?:\d+\s*%\s+|entirely\s+|completely\s+|totally\s+|quite\s+|really\s+|very\s+|so\s+|too\s+|yet\s+)?(?:sure|certain|clear|confirmed|verified|proven|known)|unsure|uncertain|unclear|unconfirmed|unverified|unproven|untested|(?:can'?t|cannot|couldn'?t|can\s+not|could\s+not)\s+(?:confirm|verify|say\s+for\s+(?:sure|certain)|be\s+(?:sure|certain))|if\s+(?:i|my\s+memory|memory)\s+(?:recall|remember|am\s+not\s+mistaken|serves?|understand|understood)\w*|if\s+i'?m\s+not\s+(?:mistaken|wrong)|as\s+far\s+as\s+(?:i|we)\s+(?:know|recall|can\s+tell|remember)|to\s+(?:my|the\s+best\s+of\s+my)\s+(?:knowledge|memory)|don'?t\s+quote\s+me|i\s+(?:vaguely\s+)?(?:recall|remember)\s+(?:something|that|it|hearing|reading)|i\s+have\s+a\s+(?:feeling|hunch)|i\s+could\s+be\s+wrong|correct\s+me\s+if|(?:roughly|approximately|approx\.?|about|around|nearly|almost)\s+(?:\d|a\s+(?:dozen|hundred|thousand))|or\s+so|sort\s+of|kind\s+of|more\s+or\s+less|in\s+theory|theoretically|tentativ\w*|suspected|potential(?:ly)?|conceivabl[ey]|hopefully|i\s+hope|guessing|guess|assumption|assuming|rumou?r\w*|speculat\w*|hypothes\w+|tbd|tbc|\(\?\))\b|\(\?\)|\?\?",
    )
});
static HEDGE_OTHER: Lazy = LazyLock::new(|| {
    regex(
        r"\b(?:vielleicht|wahrscheinlich|vermutlich|möglicherweise|eventuell|ich\s+(?:glaube|denke|vermute|meine)|angeblich|scheint|soll\s+wohl|wohl|unsicher|nicht\s+sicher|könnte|dürfte|peut-être|probablement|sans\s+doute|je\s+(?:crois|pense|suppose)|il\s+(?:semble|paraît)|pas\s+s[ûu]re?|pourrait|apparemment|quizás?|tal\s+vez|probablemente|posiblemente|creo\s+que|supongo|parece|no\s+estoy\s+segur[oa]|podría|al\s+parecer|talvez|provavelmente|possivelmente|acho\s+que|não\s+tenho\s+certeza|poderia|forse|probabilmente|credo\s+(?:che|di)|penso\s+che|sembra|non\s+sono\s+sicur[oa]|potrebbe|возможно|вероятно|наверное|кажется|думаю|может\s+быть|похоже|не\s+уверен\w*|belki|sanırım|galiba|misschien|waarschijnlijk|ik\s+denk|może|chyba|prawdopodobnie)\b|也许|可能|大概|好像|似乎|我想|我觉得|不确定|恐怕|或许|たぶん|多分|おそらく|かもしれ|と思う|と思います|らしい|ようです|みたい|아마|것\s*같|인\s*듯|확실하지|ربما|أعتقد|قد\s+يكون|शायद|लगता\s+है|संभव",
    )
});
/// Somebody else says so.
static REPORT: Lazy = LazyLock::new(|| {
    regex(
        r"\b(?:according\s+to|reportedly|allegedly|purportedly|supposedly|per\s+(?:the|our|an?|their|his|her)\s+\w+|as\s+per|(?:some(?:one|body)|people|they|he|she|sources?|rumou?rs?|word|reports?|article|post|page|blog|email|e-mail|mail|ticket|message|doc(?:s|ument(?:ation)?)?|readme|wiki|website|site|vendor|customer|user|caller|client|colleague|friend|manager|boss|team|support|colleague|[a-z]+)\s+(?:also\s+|just\s+|once\s+|only\s+|has\s+|have\s+|had\s+)?(?:said|says?|told|tells?|claims?|claimed|mentions?|mentioned|states?|stated|reports?|reported|suggests?|suggested|insists?|insisted|argues?|argued|alleges?|alleged|announced|asserts?|asserted|wrote|writes|thinks|believes|swears?|swore)|has\s+it\s+that|i\s+(?:heard|read|was\s+told|saw\s+(?:somewhere|a\s+post))|we\s+(?:heard|read|were\s+told)|is\s+said\s+to|are\s+said\s+to|said\s+to\s+be|rumou?red|rumou?r|hearsay|quoted|quote|(?:he|she|they|user|customer|caller|vendor|page|doc|article)'?s?\s+claim|in\s+(?:his|her|their)\s+(?:words|view|opinion)|from\s+what\s+(?:i|we)\s+(?:heard|read|hear|saw)|claim(?:s|ed)?\s+(?:that|to)|laut|angeblich|zufolge|selon|d'après|según|segundo|secondo|по\s+словам|якобы)\b|据说|據說|听说|聽說|によると|だそう|에\s*따르면|بحسب|يقال|के\s+अनुसार",
    )
});
/// Asked for, planned, wished, ordered: not done.
static PLAN: Lazy = LazyLock::new(|| {
    regex(
        r"\b(?:plan(?:s|ned|ning)?\s+(?:to|for|on)|(?:is|are|was|were)\s+(?:planned|proposed|scheduled|pending|requested|asked|awaiting)|intend(?:s|ed|ing)?\s+to|hop(?:e|es|ed|ing)\s+to|want(?:s|ed)?\s+(?:to|us\s+to|me\s+to|you\s+to)|would\s+(?:like|love)|wish(?:es|ed)?|propos(?:e|es|ed|al|ing)|considering|discuss(?:es|ed|ing)|debat(?:es|ed|ing)|thinking\s+(?:of|about)|ask(?:s|ed|ing)?\s+(?:for|to|if|whether|that)|request(?:s|ed|ing)?|appl(?:y|ied|ies)\s+for|seeking|try(?:ing)?\s+to|tr(?:ies|ied)\s+to|attempt(?:s|ed)\s+to|awaiting|waiting\s+for|pending|draft|someday|shall\s+we|should\s+we|can\s+we|could\s+we|let'?s|suggest(?:s|ed|ion)?)\b",
    )
});
/// Still to come, or as it ought to be.
static COMING: Lazy = LazyLock::new(|| {
    regex(
        r"\b(?:will|would|should|shall|need(?:s|ed)?\s+to|ought\s+to|going\s+to|about\s+to|supposed\s+to|expected\s+to|meant\s+to|due\s+to\s+be|todo|to\s+do|roadmap|eventually|soon|next\s+(?:week|month|quarter|year|sprint|release))\b",
    )
});
/// Told as a deed or a state reached.
static DONE: Lazy = LazyLock::new(|| {
    regex(
        r"\b(?:was|were|has\s+been|have\s+been|had\s+been|(?:is|are)\s+(?:now|already)|has\s+already|already|(?:approved|granted|completed|done|deployed|merged|moved|migrated|decided|agreed|signed|launched|switched|adopted|dropped|removed|retired|replaced|shipped|enabled|disabled))\b",
    )
});
/// Declared certain.
static EMPHATIC: Lazy = LazyLock::new(|| {
    regex(
        r"\b(?:confirmed|verified|proven|proved|established|definitely|definitive(?:ly)?|certain(?:ly)?|undoubtedly|unquestionabl[ey]|without\s+(?:a\s+)?doubt|guaranteed|officially|official|for\s+sure|absolutely|indisputabl[ey]|undisputed|beyond\s+doubt|100\s?%|known\s+fact|authoritative(?:ly)?|approved|signed\s+off|ratified|validated)\b|\b(?:bestätigt|nachweislich|definitiv|confirmé|vérifié|confirmad[oa]|verificad[oa]|confermato|подтвержден\w*|подтверждён\w*)\b|已确认|已證實|已证实|確認済み|확인됨",
    )
});
/// A negated or doubted emphatic word is none.
static DOUBTED: Lazy = LazyLock::new(|| {
    regex(
        r"\b(?:not|isn'?t|never|wasn'?t|aren'?t|no|un|yet\s+to\s+be|without)\s+(?:been\s+|be\s+|yet\s+|fully\s+|entirely\s+)*(?:confirmed|verified|proven|proved|certain|official|approved|validated|established|guaranteed|definite)|\b(?:confirm|verif)\w*\s+(?:pending|needed|outstanding|missing)",
    )
});
/// Every time, everybody.
static UNIVERSAL: Lazy = LazyLock::new(|| {
    regex(
        r"\b(?:always|never|every|each|nightly|daily|hourly|weekly|monthly|yearly|everyone|everybody|everything|everywhere|all|any|anyone|each\s+and|whenever|wherever|permanent(?:ly)?|by\s+default|in\s+general|generally|universally|globally|global|company-?wide|org(?:anization|anisation)?-?wide|across\s+(?:the\s+board|all)|in\s+all\s+cases|without\s+exception|from\s+now\s+on|forever|no\s+one|nobody|entire(?:ly)?|whole|immer|niemals|alle|jede[rsmn]?|grundsätzlich|toujours|jamais|tous|toutes|siempre|nunca|todos|todas|sempre|tutti|всегда|никогда|все)\b|总是|始终|所有|从不|全て|すべて|常に|必ず|항상|모든|절대",
    )
});
/// Only here, only this once.
static LIMIT: Lazy = LazyLock::new(|| {
    regex(
        r"\b(?:this\s+(?:time|once|one|case|run|week|month|quarter|sprint|ticket|order|customer|branch|machine|environment|session|trip|flight|project|repo(?:sitory)?)|once|only|just\s+(?:this|for|on|in|the|my|our)|one-?(?:off|time)|single|in\s+(?:this|one|that|my|some)\s+(?:case|instance|test|run|project|repo|setup|environment|experience)|for\s+(?:this|my|that|one)\s+\w+|on\s+(?:this|my|one|that)\s+\w+|except|unless|other\s+than|apart\s+from|excluding|sometimes|occasionally|some|a\s+few|several|most|mostly|usually|often|rarely|certain\s+\w+s|in\s+(?:staging|dev|development|test|the\s+sandbox)|on\s+(?:staging|dev|test)|staging|sandbox|test\s+(?:account|environment|server)|prototype|pilot|beta|experiment(?:al(?:ly)?)?|trial|individual|exception(?:ally)?|ausnahmsweise|nur|einmalig|diesmal|seulement|cette\s+fois|solo|esta\s+vez|apenas|desta\s+vez|только|в\s+этот\s+раз)\b|仅|只有|这次|今回|だけ|이번",
    )
});
/// Speaks for one person.
static SELF: Lazy = LazyLock::new(|| regex(r"\b(?:i|i'm|i'd|i've|my|me|mine|myself)\b"));
/// Speaks for many.
static MANY: Lazy = LazyLock::new(|| {
    regex(
        r"\b(?:users|customers|clients|people|everyone|everybody|the\s+(?:whole\s+)?(?:team|company|organization|organisation|department)|employees|agents|staff|members|passengers|developers|engineers|teams|all\s+\w+s)\b",
    )
});
/// Good for a while only, or no more.
static WHILE: Lazy = LazyLock::new(|| {
    regex(
        r"\b(?:until|till|for\s+now|for\s+the\s+(?:moment|time\s+being|next|rest)|temporar(?:y|ily)|as\s+of|valid\s+(?:until|through|for)|expires?|expiring|ends?\s+on|at\s+the\s+time|back\s+then|back\s+in|used\s+to|formerly|previously|in\s+the\s+past|no\s+longer|was\s+then|last\s+(?:year|month|quarter|summer|winter|spring|fall|autumn)|years?\s+ago|months?\s+ago|weeks?\s+ago|while\s+\w+\s+is|during|interim|provisional(?:ly)?|bis\s+(?:zum|ende|auf)|vorläufig|vorübergehend|früher|jusqu'?(?:à|au)|provisoirement|autrefois|hasta|temporalmente|antes|até|temporariamente|fino\s+a|temporaneamente|пока|временно|раньше)\b|暂时|直到|当時|まで|当分|임시",
    )
});
/// A time that needs the moment of speech to be read.
static RELATIVE: Lazy = LazyLock::new(|| {
    regex(
        r"\b(?:today|tonight|tomorrow|yesterday|now|currently|this\s+(?:morning|afternoon|evening|week|month|year|quarter)|next\s+\w+|last\s+\w+|(?:mon|tues|wednes|thurs|fri|satur|sun)day|in\s+\w+\s+(?:days?|weeks?|months?|hours?)|ago|just|recently|heute|morgen|gestern|aujourd'hui|demain|hier|hoy|mañana|ayer|сегодня|завтра|вчера)\b|今天|明天|昨天|今日|明日|昨日",
    )
});
static MONTH: Lazy = LazyLock::new(|| {
    regex(
        r"\b(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?\s+(?:\d{1,2}|(?:19|20)\d{2})\b|\b\d{1,2}\.?\s+(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b|\bmay\s+\d{1,2}\b",
    )
});
static DATE: Lazy =
    LazyLock::new(|| regex(r"\b(?:19|20)\d{2}(?:-\d{2}(?:-\d{2})?)?\b|\b\d{1,2}[./]\d{1,2}[./](?:\d{2}|\d{4})\b"));
static NUMBER: Lazy = LazyLock::new(|| regex(r"\d+(?:[.,:]\d+)*"));
/// Hosts, addresses, paths, flags, mixed identifiers.
static NAME: Lazy = LazyLock::new(|| {
    regex(
        r"[a-z0-9._%+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+|\b[a-z][a-z0-9+.-]*://[^\s)>\]}'\x22`]+|\b(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,24}\b(?:/[^\s)>\]}'\x22`]*)?|(?:\.{0,2}/)?(?:[\w.-]+/)+[\w.*-]+|(?:^|\s)--?[a-z][\w-]+|\b(?:[a-z]+[0-9]|[0-9]+[a-z])[a-z0-9_-]*\b|\b[a-z0-9]+(?:_[a-z0-9]+)+\b",
    )
});

/// How sure a sentence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Certainty {
    /// Asked.
    Question,
    /// Guessed, doubted.
    Hedged,
    /// Wished, planned, requested.
    Planned,
    /// To come, or as it ought to be: only a deed is more.
    Coming,
    /// Told as it is.
    Plain,
    /// Declared beyond doubt.
    Emphatic,
}

/// One sentence, read.
#[derive(Clone, Debug)]
pub(super) struct Sentence {
    /// Its bytes in the text it was cut from.
    pub(super) span: Span,
    /// Folded.
    pub(super) text: String,
    /// Stems of its content words.
    pub(super) words: BTreeSet<String>,
    pub(super) certainty: Certainty,
    pub(super) reported: bool,
    pub(super) done: bool,
    pub(super) universal: bool,
    pub(super) limited: bool,
    pub(super) own: bool,
    pub(super) many: bool,
    /// Says until when, or that it is over.
    pub(super) passing: bool,
    /// Needs the moment of speech.
    pub(super) relative: bool,
}

impl Sentence {
    pub(super) fn read(raw: &str, span: Span) -> Self {
        let text = fold_text(raw);
        let emphatic = has(&EMPHATIC, &text) && !has(&DOUBTED, &text);
        let hedged = has(&HEDGE, &text) || has(&HEDGE_OTHER, &text);
        let certainty = if is_question(raw) {
            Certainty::Question
        } else if hedged {
            Certainty::Hedged
        } else if has(&PLAN, &text) {
            Certainty::Planned
        } else if has(&COMING, &text) {
            Certainty::Coming
        } else if emphatic {
            Certainty::Emphatic
        } else {
            Certainty::Plain
        };
        Self {
            span,
            words: content(&text),
            certainty,
            reported: has(&REPORT, &text),
            done: has(&DONE, &text),
            universal: has(&UNIVERSAL, &text),
            limited: has(&LIMIT, &text),
            own: has(&SELF, &text),
            many: has(&MANY, &text),
            passing: has(&WHILE, &text) || dated(&text),
            relative: has(&RELATIVE, &text),
            text,
        }
    }
    /// Talk about the sentence beside it: `not sure though`, `that is what I heard`.
    pub(super) fn is_aside(&self) -> bool {
        self.words.len() <= 2 && (self.certainty == Certainty::Hedged || self.reported || self.passing || self.limited)
    }
}

/// True when a full date or a year stands in folded text.
pub(super) fn dated(text: &str) -> bool {
    has(&DATE, text) || has(&MONTH, text)
}

/// Sentences of a text, with their bytes in it.
pub(super) fn sentences(text: &str) -> Vec<Sentence> {
    parts(text).into_iter().filter_map(|part| Some(Sentence::read(part.slice(text)?, part))).collect()
}

/// Where the sentences of a text are.
pub(super) fn parts(text: &str) -> Vec<Span> {
    let mut out = Vec::new();
    let mut start = 0;
    let bytes = text.as_bytes();
    let mut push = |from: usize, to: usize| {
        if text.get(from..to).is_some_and(|part| part.chars().any(char::is_alphanumeric)) {
            out.push(Span::new(from, to));
        }
    };
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        let space = bytes.get(end).is_none_or(u8::is_ascii_whitespace);
        let stop = matches!(c, '\n' | '。' | '！' | '？' | '؟' | '।') || (matches!(c, '.' | '!' | '?' | ';') && space);
        if stop && !(c == '.' && abbreviated(&text[start..at])) {
            push(start, end);
            start = end;
        }
    }
    push(start, text.len());
    out
}

/// True for a sentence that asks.
pub(super) fn is_question(raw: &str) -> bool {
    raw.trim_end().ends_with(['?', '？', '؟'])
}

fn abbreviated(before: &str) -> bool {
    let last = before.rsplit(|c: char| c.is_whitespace() || c == '(').next().unwrap_or_default().to_lowercase();
    matches!(last.as_str(), "e.g" | "i.e" | "etc" | "vs" | "no" | "mr" | "mrs" | "ms" | "dr" | "approx" | "ca" | "st")
}

const EMPTY: &[&str] = &[
    "about",
    "after",
    "again",
    "also",
    "and",
    "any",
    "are",
    "because",
    "been",
    "before",
    "being",
    "but",
    "can",
    "could",
    "did",
    "does",
    "don",
    "for",
    "from",
    "had",
    "has",
    "have",
    "her",
    "here",
    "him",
    "his",
    "how",
    "into",
    "its",
    "just",
    "may",
    "maybe",
    "might",
    "not",
    "now",
    "off",
    "one",
    "only",
    "our",
    "out",
    "over",
    "said",
    "says",
    "she",
    "should",
    "some",
    "someone",
    "than",
    "that",
    "the",
    "their",
    "them",
    "then",
    "there",
    "these",
    "they",
    "think",
    "this",
    "those",
    "told",
    "too",
    "use",
    "used",
    "uses",
    "very",
    "was",
    "way",
    "were",
    "what",
    "when",
    "where",
    "which",
    "who",
    "will",
    "with",
    "would",
    "yet",
    "you",
    "your",
    "probably",
    "possibly",
    "perhaps",
    "reportedly",
    "apparently",
    "according",
    "recall",
    "remember",
    "believe",
    "guess",
    "heard",
    "sure",
    "likely",
    "seems",
    "seem",
    "sounds",
    "user",
    "always",
    "never",
    "all",
    "every",
    "must",
    "until",
    "once",
];

/// Stems of the words that say what a folded sentence is about; runs of scripts without spaces by character pair.
pub(super) fn content(text: &str) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()) {
        let wide = word.chars().any(|c| u32::from(c) >= 0x2E80);
        if wide {
            let chars: Vec<char> = word.chars().collect();
            out.extend(chars.windows(2).map(|pair| pair.iter().collect::<String>()));
        } else if (word.chars().count() >= 3 || word.bytes().all(|b| b.is_ascii_digit())) && !EMPTY.contains(&word) {
            out.insert(stem(word));
        }
    }
    out
}

/// A crude stem: enough for `deploys`, `deployed` and `deploying` to meet.
fn stem(word: &str) -> String {
    for (tail, least) in [("ings", 4), ("ing", 4), ("ments", 4), ("ment", 4), ("ions", 4), ("ion", 4), ("ies", 3)] {
        if let Some(head) = word.strip_suffix(tail)
            && head.chars().count() >= least
        {
            return head.trim_end_matches('e').to_owned();
        }
    }
    for tail in ["ed", "es", "er", "ly", "al", "s", "e", "y"] {
        if let Some(head) = word.strip_suffix(tail)
            && head.chars().count() >= 3
        {
            return head.trim_end_matches('e').to_owned();
        }
    }
    word.to_owned()
}

/// Numbers of a folded text, in one spelling.
pub(super) fn numbers(text: &str) -> BTreeSet<String> {
    let Some(number) = NUMBER.as_ref() else { return BTreeSet::new() };
    let mut out = BTreeSet::new();
    for found in number.find_iter(text) {
        let raw = found.as_str();
        let thousands =
            raw.split(',').skip(1).all(|group| group.len() == 3 && group.bytes().all(|b| b.is_ascii_digit()));
        let plain: String = if thousands { raw.replace(',', "") } else { raw.to_owned() };
        out.insert(trim_number(&plain));
        // 17:00 is also 5 in the afternoon, and 2026-03-04 also a 4.
        for part in raw.split([':', '.', ',']) {
            out.insert(trim_number(part));
        }
    }
    const NAMES: [&str; 13] =
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
    const ORDINALS: [&str; 13] = [
        "zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
        "eleventh", "twelfth",
    ];
    // From one to twelve, in the languages whose hedges are known too.
    const OTHERS: [[&str; 12]; 5] = [
        ["ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf"],
        ["un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix", "onze", "douze"],
        ["uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve", "diez", "once", "doce"],
        ["um", "dois", "três", "quatro", "cinco", "seis", "sete", "oito", "nove", "dez", "onze", "doze"],
        ["uno", "due", "tre", "quattro", "cinque", "sei", "sette", "otto", "nove", "dieci", "undici", "dodici"],
    ];
    for word in text.split(|c: char| !c.is_alphanumeric()) {
        if let Some(value) = NAMES.iter().position(|name| *name == word) {
            out.insert(value.to_string());
        }
        if let Some(value) = ORDINALS.iter().position(|name| *name == word) {
            out.insert(value.to_string());
        }
        out.extend(
            OTHERS.iter().filter_map(|list| list.iter().position(|n| *n == word)).map(|at| (at + 1).to_string()),
        );
        match word {
            "first" | "once" | "single" => out.insert("1".to_owned()),
            "second" | "twice" | "both" | "pair" | "couple" => out.insert("2".to_owned()),
            "third" => out.insert("3".to_owned()),
            "dozen" => out.insert("12".to_owned()),
            "hundred" => out.insert("100".to_owned()),
            "thousand" => out.insert("1000".to_owned()),
            _ => false,
        };
    }
    out
}

/// Numbers a folded text writes in digits, whole.
pub(super) fn digits(text: &str) -> Vec<(Span, String)> {
    let Some(number) = NUMBER.as_ref() else { return Vec::new() };
    number
        .find_iter(text)
        .map(|found| {
            let raw = found.as_str();
            let thousands =
                raw.split(',').skip(1).all(|group| group.len() == 3 && group.bytes().all(|b| b.is_ascii_digit()));
            let plain = if thousands { raw.replace(',', "") } else { raw.to_owned() };
            (Span::new(found.start(), found.end()), trim_number(&plain))
        })
        .collect()
}

fn trim_number(number: &str) -> String {
    let head = number.trim_start_matches('0');
    let whole = if head.is_empty() || !head.starts_with(|c: char| c.is_ascii_digit()) { number } else { head };
    whole.strip_suffix(".0").unwrap_or(whole).to_owned()
}

/// Dates of a folded text as they are written, and names of months with their number.
pub(super) fn dates(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    for lazy in [&DATE, &MONTH] {
        if let Some(r) = lazy.as_ref() {
            out.extend(r.find_iter(text).map(|m| m.as_str().to_owned()));
        }
    }
    out
}

/// Places, paths, flags and mixed identifiers of a folded text.
pub(super) fn names(text: &str) -> BTreeSet<String> {
    let Some(name) = NAME.as_ref() else { return BTreeSet::new() };
    name.find_iter(text)
        .map(|m| m.as_str().trim().trim_end_matches(['.', ',', ';', ':']).to_owned())
        .filter(|n| n.len() >= 3 && !is_ordinal(n))
        .collect()
}

/// `4th` is a number.
fn is_ordinal(name: &str) -> bool {
    ["st", "nd", "rd", "th"]
        .iter()
        .any(|tail| name.strip_suffix(tail).is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        for (name, lazy) in [
            ("hedge", &HEDGE),
            ("hedge_other", &HEDGE_OTHER),
            ("report", &REPORT),
            ("plan", &PLAN),
            ("coming", &COMING),
            ("done", &DONE),
            ("emphatic", &EMPHATIC),
            ("doubted", &DOUBTED),
            ("universal", &UNIVERSAL),
            ("limit", &LIMIT),
            ("self", &SELF),
            ("many", &MANY),
            ("while", &WHILE),
            ("relative", &RELATIVE),
            ("month", &MONTH),
            ("date", &DATE),
            ("number", &NUMBER),
            ("name", &NAME),
        ] {
            assert!(lazy.is_some(), "{name}");
        }
    }

    #[test]
    fn numbers_meet_in_one_spelling() {
        assert!(numbers("about 8,080 calls").contains("8080"));
        assert!(numbers("three of 12").contains("3"));
        assert_eq!(digits("port 8080 and 1.0")[1].1, "1");
    }

    #[test]
    fn stops_inside_names_do_not_end_a_sentence() {
        assert_eq!(sentences("See docs.example.test v1.2. Then go.").len(), 2);
        assert_eq!(sentences("e.g. this one stays whole").len(), 1);
    }
}
