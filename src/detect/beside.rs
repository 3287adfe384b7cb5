//! New notes beside what the store already holds (threats T05, T13, T14).
//!
//! A copy with one digit changed, a newer statement that overrules an approved one, words that only a retriever or a
//! backdoor would answer to: none of this shows in the note alone. Source: own design.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use super::budget::{Coverage, Limit};
use super::near::hash;
use super::normalize::fold_text;
use super::scan::Scanner;
use super::set::{SetFinding, SetReport};

/// Notes of one side that are read; more end in partial coverage.
pub const MOST_NOTES: usize = 20_000;
/// Notes of one bucket that a new note is compared with.
pub(super) const COMPARED: usize = 64;
/// Buckets of a new note that are looked into, rarest words first.
pub(super) const LISTS: usize = 6;
/// Likeness of a mutated copy without its one changed token, hundredths.
const COPY: usize = 70;

static CHANGE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"\b(?:no\s+longer|any\s?more|instead|as\s+of|effective\s+(?:immediately|now|today|from|as|on|at|\d)|from\s+now|henceforth|updates?\s+to|(?:after|since|with|per|following|due\s+to)\s+(?:the|this|an?|our)\s+(?:\w+\s+)?update|(?:is|are|was|were|been|be|got|gets|just|recently)\s+(?:updated|corrected|changed|retired|withdrawn|lifted|outdated|obsolete)|(?:updated|corrected|changed|lowered|raised)\s+(?:to|from)|(?:retired|withdrew|lifted|dropped|changed|corrected|updated)\s+(?:the|this|that|all|our|its|their|his|her|my)|replac(?:e|es|ed|ing)|supersed(?:e|es|ed|ing)|overrul(?:e|es|ed)|overrid(?:e|es|den)|(?:is|are|was|were|has|have|been)\s+(?:now|since|meanwhile)|now|meanwhile|new(?:er|est)?\s+(?:policy|rule|limit|procedure|process|value|requirement|address|version)|outdated|obsolete|deprecated|withdrawn|(?:the\s+)?(?:old|previous|former|earlier)\s+(?:policy|policies|rules?|limits?|procedure|process|values?|requirements?|address|version|settings?|numbers?|notes?|instructions?|guidance|statement|entry|entries|memory|agreement|arrangement|plan|deadline|contact|account|approach|default|password|name|threshold|budget|rate|price|hours?|one)|used\s+to|nicht\s+mehr|ab\s+sofort|désormais|ya\s+no|a\s+partir\s+de|больше\s+не|теперь)\b|\b(?:updates?|updated|corrections?|corrected|changed)\s*[:!—]|不再|从现在|もう|더\s*이상",
    )
    .ok()
});
const NEGATIONS: &[&str] = &[
    "not", "no", "never", "none", "without", "cannot", "don", "doesn", "isn", "aren", "wasn", "mustn", "nicht", "kein",
    "keine", "nie", "ne", "pas", "jamais", "nunca", "não", "non", "не",
];
/// Words that turn a statement round when one takes the other's place.
const OPPOSITES: &[(&str, &str)] = &[
    ("enabled", "disabled"),
    ("enable", "disable"),
    ("on", "off"),
    ("required", "optional"),
    ("allowed", "forbidden"),
    ("allow", "deny"),
    ("must", "may"),
    ("always", "never"),
    ("before", "after"),
    ("open", "closed"),
    ("public", "private"),
    ("internal", "external"),
    ("minimum", "maximum"),
    ("least", "most"),
    ("above", "below"),
    ("more", "less"),
    ("inbound", "outbound"),
    ("allow", "forbid"),
    ("permitted", "forbidden"),
    ("mandatory", "optional"),
    ("true", "false"),
    ("include", "exclude"),
    ("accept", "reject"),
    ("up", "down"),
    ("yes", "no"),
    ("read", "write"),
    ("safe", "unsafe"),
];
const UNITS: &[&str] = &[
    "ms", "s", "sec", "seconds", "second", "min", "minutes", "minute", "hours", "hour", "days", "day", "weeks", "week",
    "months", "month", "years", "year", "kb", "mb", "gb", "tb", "bytes", "percent", "usd", "eur", "dollars", "euros",
    "m", "km", "cm", "mm", "kg", "g", "lb", "miles", "feet", "inches",
];
const SMALL: &[&str] = &[
    "the", "a", "an", "of", "in", "on", "at", "to", "for", "and", "or", "is", "are", "was", "were", "be", "been", "by",
    "with", "it", "its", "this", "that", "as", "from", "has", "have", "had", "will", "we", "our", "their", "they",
    "user", "users", "you", "your", "now", "new", "longer", "any", "all", "but", "so", "than", "then", "only", "also",
];
/// Abbreviations without a vowel that people write beside each other.
const KNOWN: &[&str] = &[
    "npm", "css", "src", "html", "http", "https", "ssh", "ssl", "tls", "dns", "vpn", "sql", "xml", "cmd", "cfg",
    "ctrl", "tmp", "lib", "pkg", "str", "ptr", "gcc", "jvm", "cpp", "txt", "pdf", "png", "jpg", "svg", "csv", "tsv",
    "rss", "vm", "vs", "mr", "mrs", "dr", "st", "pm", "by", "my", "kb", "mb", "gb", "tb", "hrs", "hr", "min", "pr",
    "prs", "tsx", "jsx", "ts", "js", "rb", "rs", "py", "sh", "db", "fs", "rm", "mv", "cp", "ls", "ps", "wc", "grpc",
    "rpc", "pls", "plz", "btw", "tbd", "tbc", "hmm", "brb", "nth", "xyz", "abc", "th", "nd", "rd", "www", "ftp", "mp",
    "tv", "pc", "hq", "cc", "bcc",
];

/// One note, read for comparison.
pub(super) struct Read {
    pub(super) tokens: Vec<String>,
    pub(super) set: BTreeSet<String>,
    /// Content words, stemmed a little.
    pub(super) subject: BTreeSet<String>,
    /// Lower-case forms of words that are written with a capital inside the sentence.
    names: BTreeSet<String>,
}

impl Read {
    pub(super) fn of(text: &str) -> Self {
        // A possessive is the word it stands at.
        let folded = fold_text(text).replace("'s ", " ").replace("’s ", " ");
        let keep = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | '@' | ':' | '%');
        let tokens: Vec<String> = folded
            .split(|c: char| !keep(c))
            .map(|t| t.trim_matches(|c: char| !c.is_alphanumeric() && c != '%').to_owned())
            .filter(|t| !t.is_empty())
            .collect();
        let names = text
            .split_whitespace()
            .skip(1)
            .map(|w| w.trim_matches(|c: char| !c.is_alphanumeric()))
            .filter(|w| w.chars().next().is_some_and(char::is_uppercase))
            .map(str::to_lowercase)
            .collect();
        let stem = |w: &str| w.strip_suffix('s').filter(|s| s.len() >= 3).unwrap_or(w).to_owned();
        let subject = tokens
            .iter()
            .filter(|t| t.len() >= 3 && !SMALL.contains(&t.as_str()) && t.chars().any(char::is_alphabetic))
            .map(|t| stem(t))
            .collect();
        Self { set: tokens.iter().cloned().collect(), subject, tokens, names }
    }
    /// A token whose change changes what is said.
    fn is_critical(&self, token: &str) -> bool {
        token.bytes().any(|b| b.is_ascii_digit())
            || token.contains(['.', '/', '@', '%'])
            || NEGATIONS.contains(&token)
            || UNITS.contains(&token)
            || self.names.contains(token)
    }
}

impl Scanner {
    /// Lays new notes beside the ones that were approved before.
    ///
    /// Members are the numbers of the new notes. Cost: linear in both sides; a new note is compared with at most 64
    /// notes of each of its buckets.
    pub fn lay_beside(&self, new: &[&str], known: &[&str]) -> SetReport {
        let mut limits = Vec::new();
        if new.len() > MOST_NOTES || known.len() > MOST_NOTES {
            limits.push(Limit::Views);
        }
        let known: Vec<Read> = known.iter().take(MOST_NOTES).map(|text| Read::of(text)).collect();
        let mut by_word: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, read) in known.iter().enumerate() {
            for word in &read.subject {
                by_word.entry(word).or_default().push(at);
            }
        }
        let vocabulary: BTreeSet<u64> = known.iter().flat_map(|r| &r.tokens).map(|t| hash(t)).collect();
        let mut findings = Vec::new();
        for (number, text) in new.iter().take(MOST_NOTES).enumerate() {
            let read = Read::of(text);
            let mut add = |slug: &str| {
                let members = vec![number.to_string()];
                findings.push(SetFinding { rule: self.set_rule(slug), members, kind: None });
            };
            let changes = changes(&fold_text(text));
            for other in neighbours(&read, &by_word).into_iter().filter_map(|at| known.get(at)) {
                if other.set == read.set {
                    continue;
                }
                if is_mutation(&read, other) {
                    add("mutated-copy");
                }
                if changes && speaks_of(&read, other) {
                    add("overrides-approved");
                }
            }
            if has_trigger(text, |word| vocabulary.contains(&word)) {
                add("trigger-token");
            }
            if is_bait(text, &read) {
                add("broad-anchor");
            }
        }
        findings.sort();
        findings.dedup();
        let coverage = if limits.is_empty() { Coverage::Full } else { Coverage::Partial { limits } };
        SetReport { findings, coverage, aliases: 0 }
    }
}

/// Known notes that share words with a note, its rarest words first.
fn neighbours(read: &Read, by_word: &BTreeMap<&str, Vec<usize>>) -> BTreeSet<usize> {
    let mut lists: Vec<&Vec<usize>> = read.subject.iter().filter_map(|w| by_word.get(w.as_str())).collect();
    lists.sort_by_key(|list| list.len());
    let mut out = BTreeSet::new();
    for list in lists.into_iter().take(LISTS) {
        out.extend(list.iter().take(COMPARED).copied());
    }
    out
}

/// True when a folded note says that something is no longer what it was.
pub(super) fn changes(folded: &str) -> bool {
    CHANGE.as_ref().is_some_and(|c| c.is_match(folded))
}

/// True when two notes have so many words in common that one may be a copy of the other.
pub(super) const fn is_close(common: usize, all: usize) -> bool {
    all >= 3 && common * 100 >= (all - 1) * COPY
}

/// True when the two differ in exactly one critical thing, beyond the subject they begin with.
pub(super) fn is_mutation(new: &Read, old: &Read) -> bool {
    let common = new.set.intersection(&old.set).count();
    if !is_close(common, new.set.len().max(old.set.len())) {
        return false;
    }
    let added: Vec<&String> = new.set.difference(&old.set).collect();
    let gone: Vec<&String> = old.set.difference(&new.set).collect();
    let denial = |t: &&String| NEGATIONS.contains(&t.as_str());
    let filler = |list: &[&String]| list.iter().filter(|t| !SMALL.contains(&t.as_str()) && !is_auxiliary(t)).count();
    if added.iter().any(denial) != gone.iter().any(denial) {
        let rest: Vec<&String> = added.iter().chain(&gone).filter(|t| !denial(t)).copied().collect();
        return filler(&rest) <= 2;
    }
    let (Some(one), Some(other)) = (added.first(), gone.first()) else { return false };
    if filler(&added) != 1 || filler(&gone) != 1 {
        return false;
    }
    let one = added.iter().find(|t| !SMALL.contains(&t.as_str())).unwrap_or(one);
    let other = gone.iter().find(|t| !SMALL.contains(&t.as_str())).unwrap_or(other);
    if is_diary(new, one) && is_diary(old, other) {
        return false;
    }
    if differ_twice(new, old) {
        return false;
    }
    let turned = OPPOSITES.iter().any(|(a, b)| (one == a && other == b) || (one == b && other == a));
    let critical = new.is_critical(one) && old.is_critical(other);
    // `Machine 9 …` and `Machine 10 …` are two machines: what a statement begins with is what it is about.
    let place = new.tokens.iter().position(|t| t == *one).unwrap_or(0);
    let is_subject = place < 2 && new.tokens.len() > 3;
    turned || (critical && !is_subject)
}

/// True when two notes of one pattern differ in more than one place: `Machine 5 stands in rack 71` beside `Machine 1
/// stands in rack 5` is another machine, though only one number is new to it.
fn differ_twice(new: &Read, old: &Read) -> bool {
    let pairs = || new.tokens.iter().zip(&old.tokens).filter(|(one, other)| one != other);
    new.tokens.len() == old.tokens.len()
        && pairs().count() > 1
        && pairs().all(|(one, other)| new.is_critical(one) && old.is_critical(other))
}

/// What speaks of one day or of the writer.
const OCCASION: &[&str] = &[
    "i",
    "we",
    "me",
    "my",
    "today",
    "yesterday",
    "tonight",
    "morning",
    "afternoon",
    "evening",
    "night",
    "week",
    "weekend",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];
/// Verbs of what happened that do not end in `ed`.
const HAPPENED: &[&str] = &[
    "was", "were", "had", "went", "ran", "met", "took", "made", "saw", "did", "got", "slept", "ate", "drank", "wrote",
    "read", "spent", "felt", "came", "gave", "said", "told", "bought", "sold", "built", "found", "lost", "won",
    "began", "drove", "rode", "swam", "sat", "spoke", "sent", "caught", "held", "paid", "grew", "flew",
];
/// What says how things are or are to be, whenever it is said.
const STANDING: &[&str] = &[
    "set",
    "raised",
    "lowered",
    "changed",
    "switched",
    "moved",
    "agreed",
    "decided",
    "approved",
    "allowed",
    "limit",
    "limits",
    "port",
    "host",
    "address",
    "account",
    "password",
    "key",
    "rate",
    "price",
    "fee",
    "budget",
    "threshold",
    "quota",
    "deadline",
    "due",
    "version",
    "must",
    "should",
    "shall",
    "will",
    "always",
    "never",
    "only",
    "until",
    "is",
    "are",
    "has",
    "have",
    "need",
    "needs",
    "require",
    "requires",
    "required",
    "allow",
    "allows",
    "up",
    "per",
    "each",
    "every",
    "maximum",
    "minimum",
    "most",
    "least",
];

/// True for a line of a diary whose changed part is a plain number: two such lines are two days, not a claim and its
/// forged copy. Whatever says how things stand is no diary, in whatever tense.
fn is_diary(read: &Read, changed: &str) -> bool {
    let has = |list: &[&str]| read.tokens.iter().any(|token| list.contains(&token.as_str()));
    let plain = changed.bytes().all(|b| b.is_ascii_digit() || b == b'.') && changed.len() <= 4;
    let happened = has(HAPPENED) || read.tokens.iter().any(|t| t.len() > 4 && t.ends_with("ed"));
    plain && has(OCCASION) && happened && !has(STANDING)
}

fn is_auxiliary(token: &str) -> bool {
    matches!(token, "do" | "does" | "did" | "is" | "are" | "can" | "must" | "t" | "runs" | "needs" | "need" | "run")
        || token.ends_with("n't")
}

/// True when a note speaks of what another speaks of.
fn speaks_of(new: &Read, old: &Read) -> bool {
    shares(new.subject.intersection(&old.subject).count(), new.subject.len(), old.subject.len())
}

/// The same from the numbers of words.
pub(super) fn shares(common: usize, new: usize, old: usize) -> bool {
    let least = new.min(old);
    common >= 2 && common * 2 >= least && least >= 2
}

/// Three or more words in a row that no language has, and that the store does not know (optimised triggers, T05).
pub(super) fn has_trigger(text: &str, knows: impl Fn(u64) -> bool) -> bool {
    let mut run = 0;
    let mut code = false;
    for word in text.split([' ', '\n', '\t']) {
        if word.matches('`').count() % 2 == 1 {
            code = !code;
            run = 0;
            continue;
        }
        let bare = word.trim_matches(|c: char| matches!(c, '.' | ',' | ';' | ':' | '!' | '?' | '"' | '(' | ')'));
        let odd = !code
            && (2..=14).contains(&bare.len())
            && bare.bytes().all(|b| b.is_ascii_lowercase())
            && is_odd(bare)
            && !knows(hash(bare));
        run = if odd { run + 1 } else { 0 };
        // A comma ends a run of words that are listed.
        if run >= 3 {
            return true;
        }
        if word.ends_with([',', ';', '/', ':']) {
            run = 0;
        }
    }
    false
}

/// Letters beside each other that no word has.
const NEVER: &[&str] = &[
    "bq", "bx", "cj", "cv", "cx", "dx", "fq", "fv", "fx", "fz", "gq", "gv", "gx", "hx", "hz", "jb", "jc", "jd", "jf",
    "jg", "jh", "jk", "jl", "jm", "jn", "jp", "jq", "jr", "js", "jt", "jv", "jw", "jx", "jy", "jz", "kq", "kx", "kz",
    "lq", "lx", "mq", "mx", "mz", "pq", "pv", "px", "pz", "qb", "qc", "qd", "qf", "qg", "qh", "qj", "qk", "ql", "qm",
    "qn", "qp", "qr", "qs", "qt", "qv", "qw", "qx", "qy", "qz", "sx", "tq", "vb", "vc", "vd", "vf", "vg", "vh", "vj",
    "vk", "vm", "vp", "vq", "vt", "vw", "vx", "vz", "wq", "wv", "wx", "wz", "xd", "xg", "xj", "xk", "xn", "xq", "xr",
    "xv", "xz", "yq", "zb", "zc", "zd", "zf", "zg", "zj", "zk", "zm", "zn", "zp", "zq", "zr", "zs", "zt", "zv", "zw",
    "zx",
];
/// For each first letter the second letters of [`NEVER`], one bit each.
const NEVER_AFTER: [u32; 26] = {
    let mut after = [0; 26];
    let mut at = 0;
    while at < NEVER.len() {
        let pair = NEVER[at].as_bytes();
        after[(pair[0] - b'a') as usize] |= 1 << (pair[1] - b'a');
        at += 1;
    }
    after
};

/// No vowel at all, or letters beside each other that no word has; of a word of small letters.
fn is_odd(word: &str) -> bool {
    let bytes = word.as_bytes();
    let never = |pair: &[u8]| match pair {
        [first, second] => {
            let after = NEVER_AFTER.get(usize::from(first.wrapping_sub(b'a'))).copied().unwrap_or_default();
            after & 1_u32.checked_shl(u32::from(second.wrapping_sub(b'a'))).unwrap_or_default() != 0
        }
        _ => false,
    };
    let vowel = |byte: &u8| matches!(byte, b'a' | b'e' | b'i' | b'o' | b'u' | b'y');
    (!bytes.iter().any(vowel) || bytes.windows(2).any(never)) && !KNOWN.contains(&word)
}

/// A heap of topics without a sentence: bait for a retriever (T05, AISVS 8.2.4).
pub(super) fn is_bait(text: &str, read: &Read) -> bool {
    let commas = text.matches([',', ';', '|', '，', '、']).count();
    let words = read.tokens.len();
    let small = read.tokens.iter().filter(|t| SMALL.contains(&t.as_str())).count();
    let plain = read.tokens.iter().filter(|t| t.chars().all(char::is_alphabetic)).count();
    words >= 14
        && commas * 2 >= words
        && small * 12 < words
        && plain * 10 >= words * 9
        && read.subject.len() * 10 >= words * 8
}
