//! Tier 0: the canonical key. Equal keys are duplicates.

use std::sync::LazyLock;

use regex::Regex;

use crate::domain::Timestamp;

use super::dates::{self, ISO};
use super::token::{self, Class, Token};
use super::words;

/// The canonical key of a statement, with what was peeled off it.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// Equal keys are duplicates.
    pub(super) key: String,
    /// The cleaned, peeled text.
    pub(super) text: String,
    /// Its tokens.
    pub(super) tokens: Vec<Token>,
    /// A date that stood before or after the statement: when it was said to be so.
    pub(super) dated: Option<Timestamp>,
    /// The peeled date's text.
    pub(super) date_text: Option<String>,
    /// Characters that no eye sees were in it.
    pub(super) had_hidden: bool,
}

fn regex(pattern: &str) -> Option<Regex> {
    Regex::new(pattern).ok()
}

static LEADING_DATE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    regex(&format!(r"^(?:[\[(]\s*({ISO})\s*[\])]\s*:?\s*-?\s*|({ISO})\s*(?::|-)\s+|[Aa]s of ({ISO}),?:?\s+)"))
});
static TRAILING_DATE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    regex(&format!(r"\s*(?:[\[(]\s*(?:as of |updated |recorded |noted )?({ISO})\s*[\])]|,?\s+as of ({ISO}))\s*\.?$"))
});
static LABEL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    regex(
        r"(?i)^(?:[-*+\u{2022}]\s+|\d{1,3}[.)]\s+|[*_]{0,2}(?:note|fact|memo|memory|reminder|fyi|info|observation|heads[ -]up|nb|n\.b\.)[*_]{0,2}\s*:\s*[*_]{0,2}\s*)",
    )
});
static LEAD_IN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    regex(
        r"(?i)^(?:as (?:i |we )?(?:already |previously )?(?:mentioned|noted|discussed|stated|said)(?: (?:earlier|before|above|previously))?,?\s+|(?:just )?(?:please )?(?:note|remember|recall|keep in mind|bear in mind) that\s+|it(?: i|')s worth (?:noting|remembering|mentioning) that\s+|for (?:your |future )?reference[,:]\s+|for the record[,:]\s+|to recap[,:]\s+|again,\s+|once again,\s+|just a reminder[,:]\s+|just so you know,\s+|as a reminder[,:]\s+)",
    )
});
static TRAILER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    regex(
        r"(?i)\s*(?:[\[(]\s*(?:confirmed|verified|re-?confirmed|as discussed|see above|still true|noted)\s*[\])]|\s+-\s+confirmed)\s*\.?$",
    )
});

impl Key {
    /// Computes the key of a statement.
    pub(super) fn of(body: &str) -> Self {
        let without_pin = body.replace("<!-- pin -->", " ");
        let clean = token::clean(&without_pin);
        let mut text = clean.text;
        let mut date_text: Option<String> = None;
        // A fixed number of rounds: wrappers nest, but not without end.
        for _ in 0..4 {
            let before = text.len();
            for pattern in [&LABEL, &LEAD_IN].into_iter().filter_map(|lazy| lazy.as_ref()) {
                if let Some(found) = pattern.find(&text) {
                    text = text[found.end()..].to_owned();
                }
            }
            for (pattern, leading) in [(&LEADING_DATE, true), (&TRAILING_DATE, false)] {
                let Some(captures) = pattern.as_ref().and_then(|lazy| lazy.captures(&text)) else { continue };
                let Some(date) = captures.iter().skip(1).flatten().next() else { continue };
                // Two dates: the outer one is a wrapper, the inner one belongs to the statement.
                if date_text.is_some() || dates::parse(date.as_str()).is_none() {
                    continue;
                }
                let whole = captures.get(0).map_or(0..0, |found| found.range());
                date_text = Some(date.as_str().to_owned());
                text = if leading { text[whole.end..].to_owned() } else { text[..whole.start].to_owned() };
            }
            if let Some(found) = TRAILER.as_ref().and_then(|lazy| lazy.find(&text)) {
                text = text[..found.start()].to_owned();
            }
            if text.len() == before {
                break;
            }
        }
        if text.trim().is_empty() {
            // Everything was wrapper: then the wrapper is the statement.
            text = token::clean(&without_pin).text;
            date_text = None;
        }
        let tokens = token::tokens(&text);
        let key = tokens.iter().map(|t| t.fold.as_str()).collect::<Vec<_>>().join(" ");
        let key = if key.is_empty() { text.clone() } else { key };
        let dated = date_text.as_deref().and_then(dates::parse);
        Self { key, text, tokens, dated, date_text, had_hidden: clean.had_hidden }
    }

    /// Words that are not fillers.
    pub(super) fn content_words(&self) -> usize {
        self.tokens.iter().filter(|t| t.class != Class::Symbol && words::sort(&t.fold) != words::Sort::Filler).count()
    }

    /// True when the letters differ in case only by style (all lower, all upper), and no word
    /// changes its meaning with its case (`Go` and `go`).
    pub(super) fn case_agrees(&self, other: &Self) -> bool {
        let uniform = |key: &Self| {
            let words = || key.tokens.iter().filter(|t| matches!(t.class, Class::Word | Class::Name | Class::Ident));
            words().all(|t| !t.raw.chars().any(char::is_uppercase))
                || words().all(|t| !t.raw.chars().any(char::is_lowercase))
        };
        let either_uniform = uniform(self) || uniform(other);
        self.tokens.iter().zip(&other.tokens).all(|(left, right)| {
            left.raw == right.raw
                || !matches!(left.class, Class::Word | Class::Name | Class::Ident)
                || if left.initial && right.initial {
                    !words::AMBIGUOUS_CASE.contains(left.fold.as_str()) || left.initial
                } else {
                    either_uniform && !words::AMBIGUOUS_CASE.contains(left.fold.as_str())
                }
        })
    }
}
