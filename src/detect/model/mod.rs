//! The classifier: how likely a few sentences are an order planted for an agent.
//!
//! A linear model over words, their neighbours and word classes of each sentence, learned by `benches/train.rs`.
//! Windows of one to three sentences are scored, so a planted sentence in a long document is found where it
//! stands. All arithmetic is on integers: the same text scores the same on every machine. What it learned
//! from, its figures and its limits are in `CARD.md` beside this file.

mod lexicon;
pub mod reading;
#[cfg(test)]
mod tests;
mod weights;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use thiserror::Error;

pub use lexicon::Lexicon;
pub use weights::Parts;

use self::reading::{Key, Origin, Scratch, Sentence};
use self::weights::Table;
use super::normalize::{Folded, Form, fold};
use super::span::on_borders;
use crate::domain::{Channel, Coded, Digest, Family, Span};

/// Sentences in the longest window.
pub const WINDOW: usize = 3;
/// Features shown as reasons.
const REASONS: usize = 6;
/// Fractional bits of the table of roots.
const ROOT_BITS: u32 = 20;
/// Features from which on a window's root no longer grows in the table.
const ROOTS: usize = 4096;

/// The word classes, as text.
const LEXICON: &str = include_str!("lexicon.txt");
/// The weights, as the training command wrote them.
const WEIGHTS: &[u8] = include_bytes!("weights.bin");
/// SHA-256 of the weights file: another file is refused.
const PINNED: &str = include_str!("weights.sha256");

/// Why a weights file is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelError {
    /// Not a weights file.
    #[error("this is not a weights file")]
    Foreign,
    /// Another layout.
    #[error("weights of version {found}; this build reads version {known}")]
    Version {
        /// Version of the file.
        found: u16,
        /// Version this build reads.
        known: u16,
    },
    /// The file ends too early.
    #[error("the weights end at byte {at}, in the middle of a field")]
    Truncated {
        /// Offset in bytes.
        at: usize,
    },
    /// A field has a value that no training writes.
    #[error("the weights are malformed near byte {at}")]
    Malformed {
        /// Offset in bytes.
        at: usize,
    },
    /// Not the bytes that were pinned.
    #[error("the weights are not the ones this build was made with: their SHA-256 differs")]
    Digest,
    /// Learned with other word classes.
    #[error("the weights were learned with other word classes than those of this build")]
    Lexicon,
}

impl Coded for ModelError {
    fn code(&self) -> &'static str {
        match self {
            Self::Foreign => "detect-model-foreign",
            Self::Version { .. } => "detect-model-version",
            Self::Truncated { .. } => "detect-model-truncated",
            Self::Malformed { .. } => "detect-model-malformed",
            Self::Digest => "detect-model-digest",
            Self::Lexicon => "detect-model-lexicon",
        }
    }
    fn family(&self) -> Family {
        Family::Bug
    }
    fn remedy(&self) -> &'static str {
        "Use the weights and word classes this build was made with, or train and pin new ones."
    }
}

/// One reason for a score.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Feature {
    /// What was seen: words of the text in quotes (untrusted: show them escaped), or names of word classes.
    pub name: String,
    /// What it added to the score of the window, in thousandths; negative when it spoke against.
    pub weight: i32,
}

/// A window of sentences with its probability.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Bytes of the text that was judged.
    pub span: Span,
    /// Probability that the window is an attack, as calibrated on sources left out of training.
    pub probability: f64,
    /// The score in thousandths, before calibration: what the features add up to.
    pub score: i32,
    /// The strongest reasons, strongest first.
    pub top: Vec<Feature>,
}

/// A window found in a folded text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Bytes of the folded text.
    pub(super) span: Span,
    /// Where what is shown of it begins.
    pub(super) line: usize,
    /// In the model's units.
    pub(super) score: i32,
}

impl Found {
    /// What is shown of it: without a short line before it.
    pub(super) const fn shown(&self) -> Span {
        Span::new(self.line, self.span.end)
    }
}

#[derive(Clone, Copy, Debug)]
struct Sum {
    span: Span,
    line: usize,
    weight: i64,
    features: usize,
}

/// Working memory of one scan.
#[derive(Debug, Default)]
pub(super) struct Memory {
    scratch: Scratch,
    /// Keys of one sentence: all are made before any is looked up, so that the look-ups wait for memory together.
    keys: Vec<Key>,
    sums: Vec<Sum>,
    pub(super) found: Vec<Found>,
}

/// The classifier.
#[derive(Debug)]
pub struct Model {
    lexicon: Lexicon,
    parts: Parts,
    table: Table,
    /// `2^ROOT_BITS / sqrt(n + shrink)`.
    roots: Vec<u32>,
}

impl Model {
    /// The classifier of this build.
    ///
    /// # Errors
    /// [`ModelError`] when the embedded weights are not the pinned ones.
    pub fn builtin() -> Result<&'static Self, ModelError> {
        static MODEL: OnceLock<Result<Model, ModelError>> = OnceLock::new();
        MODEL
            .get_or_init(|| Self::from_bytes(WEIGHTS, LEXICON, &pinned().ok_or(ModelError::Digest)?))
            .as_ref()
            .map_err(Clone::clone)
    }

    /// Reads weights whose SHA-256 is `pinned`, for the word classes in `lexicon`.
    ///
    /// # Errors
    /// [`ModelError`] when the file is not the pinned one or does not fit.
    pub fn from_bytes(bytes: &[u8], lexicon: &str, pinned: &[u8; 32]) -> Result<Self, ModelError> {
        let parts = Parts::from_bytes(bytes, pinned)?;
        if parts.lexicon != *Digest::of(lexicon.as_bytes()).bytes() {
            return Err(ModelError::Lexicon);
        }
        Ok(Self::new(parts, Lexicon::parse(lexicon)))
    }

    /// A classifier of these parts, unpinned: for training and tests.
    pub fn new(parts: Parts, lexicon: Lexicon) -> Self {
        let table = Table::new(&parts.entries);
        let root = |n: usize| {
            let under = (n as u64).saturating_add(u64::from(parts.shrink)).max(1);
            u32::try_from(((1_u64 << (2 * ROOT_BITS)) / under).isqrt()).unwrap_or(u32::MAX)
        };
        let roots = (0..ROOTS).map(root).collect();
        Self { lexicon, parts, table, roots }
    }

    /// The word classes that a training reads texts with.
    pub const fn lexicon_text() -> &'static str {
        LEXICON
    }

    /// Every window that no overlapping window outdoes, in text order.
    ///
    /// Units: spans are bytes of `text`. The channel is not looked at yet: what a channel may carry is the rules' business.
    /// Cost: one pass over the folded text.
    pub fn windows(&self, text: &str, _channel: Channel) -> Vec<Judged> {
        let folded = fold(text, Form::Main);
        let mut memory = Memory::default();
        self.scan(&folded, i32::MIN, &mut memory);
        let found = std::mem::take(&mut memory.found);
        found.iter().map(|f| self.judge(f, text, &folded)).collect()
    }

    /// Probability that the text holds an attack: that of its likeliest window, zero without words.
    pub fn probability(&self, text: &str) -> f64 {
        let folded = fold(text, Form::Main);
        let mut memory = Memory::default();
        self.scan(&folded, i32::MAX, &mut memory).map_or(0.0, |best| self.probability_of(best))
    }

    /// Fills `memory` with the windows of at least `least`, and returns the best score of all.
    pub(super) fn scan(&self, folded: &Folded, least: i32, memory: &mut Memory) -> Option<i32> {
        let Memory { scratch, keys, sums, found } = memory;
        sums.clear();
        found.clear();
        reading::sentences(&folded.text, &folded.soft, &self.lexicon, scratch, |sentence| {
            sums.push(self.sum(sentence, keys));
        });
        let mut best: Option<i32> = None;
        for at in 0..sums.len() {
            let (mut weight, mut features) = (0_i64, 0_usize);
            let mut here: Option<Found> = None;
            for last in &sums[at..sums.len().min(at + WINDOW)] {
                weight += last.weight;
                features += last.features;
                let score = self.score(weight, features);
                best = best.max(Some(score));
                if score >= least && here.is_none_or(|h| score > h.score) {
                    let span = Span::new(sums[at].span.start, last.span.end);
                    here = Some(Found { span, line: sums[at].line, score });
                }
            }
            let Some(here) = here else { continue };
            // Of windows that overlap, the best stays; of equals the first.
            match found.last_mut().filter(|f| f.span.overlaps(&here.span)) {
                Some(before) if before.score >= here.score => {}
                Some(before) => *before = here,
                None => found.push(here),
            }
        }
        best
    }

    fn sum(&self, sentence: &Sentence<'_>, keys: &mut Vec<Key>) -> Sum {
        keys.clear();
        reading::features(sentence, |key, _| keys.push(key));
        let weight = self.table.sum(keys);
        Sum { span: Span::new(sentence.start, sentence.end), line: sentence.line, weight, features: keys.len() }
    }

    fn score(&self, weight: i64, features: usize) -> i32 {
        let root = self.roots.get(features).or(self.roots.last()).map_or(0, |r| i64::from(*r));
        let part = (weight * root) >> ROOT_BITS;
        i32::try_from(part + i64::from(self.parts.bias)).unwrap_or(if part < 0 { i32::MIN } else { i32::MAX })
    }

    /// The calibrated probability of a score.
    pub(super) fn probability_of(&self, score: i32) -> f64 {
        f64::from(self.level_of(score)) / 65535.0
    }

    /// The same in 1/65535.
    pub(super) fn level_of(&self, score: i32) -> u16 {
        let knots = &self.parts.knots;
        let past = knots.partition_point(|knot| knot.0 <= score);
        match (past.checked_sub(1).and_then(|i| knots.get(i)), knots.get(past)) {
            (None, Some(first)) => first.1,
            (Some(last), None) => last.1,
            (Some(a), Some(b)) => {
                let (run, rise) = (i64::from(b.0) - i64::from(a.0), i64::from(b.1) - i64::from(a.1));
                let level = i64::from(a.1) + (i64::from(score) - i64::from(a.0)) * rise / run.max(1);
                u16::try_from(level).unwrap_or(u16::MAX)
            }
            (None, None) => 0,
        }
    }

    /// The scores from which a window is reported, and from which it holds.
    pub(super) const fn thresholds(&self) -> (i32, i32) {
        (self.parts.report, self.parts.hold)
    }

    /// The strongest reasons that are word classes: our own words, safe to print.
    pub(super) fn gist(&self, found: &Found, folded: &Folded) -> String {
        let reasons = self.reasons(found, folded);
        let names: Vec<&str> = reasons
            .iter()
            .filter(|reason| reason.weight > 0 && !reason.name.contains('"'))
            .map(|reason| reason.name.as_str())
            .take(3)
            .collect();
        names.join(", ")
    }

    /// A window with its reasons, in bytes of the text that was folded.
    pub(super) fn judge(&self, found: &Found, text: &str, folded: &Folded) -> Judged {
        let span = on_borders(text, folded.map.to_raw(found.shown()));
        Judged {
            span,
            probability: self.probability_of(found.score),
            score: self.thousandths(found.score),
            top: self.reasons(found, folded).into_iter().take(REASONS).collect(),
        }
    }

    fn thousandths(&self, score: i32) -> i32 {
        i32::try_from(i64::from(score) * 1000 / i64::from(self.parts.scale)).unwrap_or(i32::MAX)
    }

    /// Every feature with a weight in the window, by what it added, strongest first. With the bias they
    /// add up to the score, but for rounding.
    pub(super) fn reasons(&self, found: &Found, folded: &Folded) -> Vec<Feature> {
        let part = found.span.slice(&folded.text).unwrap_or_default();
        let from = folded.soft.partition_point(|&at| at < found.span.start);
        let soft: Vec<usize> =
            folded.soft[from..].iter().take_while(|&&at| at < found.span.end).map(|at| at - found.span.start).collect();
        let mut features = 0_usize;
        let mut named: BTreeMap<String, i64> = BTreeMap::new();
        reading::sentences(part, &soft, &self.lexicon, &mut Scratch::default(), |sentence| {
            reading::features(sentence, |key, origin| {
                features += 1;
                let weight = i64::from(self.table.get(key));
                if weight != 0 {
                    *named.entry(self.name(part, sentence, origin)).or_default() += weight;
                }
            });
        });
        let root = self.roots.get(features).or(self.roots.last()).map_or(0, |r| i64::from(*r));
        let scale = i64::from(self.parts.scale);
        let mut list: Vec<Feature> = named
            .into_iter()
            .map(|(name, weight)| Feature {
                name,
                weight: i32::try_from((weight * root * 1000 / scale) >> ROOT_BITS).unwrap_or(i32::MAX),
            })
            .collect();
        list.sort_by(|a, b| b.weight.abs().cmp(&a.weight.abs()).then_with(|| a.name.cmp(&b.name)));
        list
    }

    fn name(&self, text: &str, sentence: &Sentence<'_>, origin: Origin) -> String {
        let words = |from: usize, to: usize| {
            let tokens = sentence.tokens.get(from..=to).unwrap_or_default();
            let words: Vec<&str> = tokens.iter().filter_map(|t| text.get(t.start..t.end)).collect();
            words.join(" ")
        };
        match origin {
            Origin::Words(from, to) => format!("\"{}\"", words(from, to)),
            Origin::Beginning(at) => format!("words like \"{}\"", words(at, at)),
            Origin::Opens(at) => format!("begins with \"{}\"", words(at, at)),
            Origin::Class(class) => format!("a word of {}", self.lexicon.name(class)),
            Origin::Classes(first, second) => {
                format!("{} then {}", self.lexicon.name(first), self.lexicon.name(second))
            }
            Origin::ClassOpens(class) => format!("begins with {}", self.lexicon.name(class)),
            Origin::Together(a, b) => format!("{} with {}", self.lexicon.name(a), self.lexicon.name(b)),
        }
    }
}

fn pinned() -> Option<[u8; 32]> {
    let bytes = data_encoding::HEXLOWER.decode(PINNED.trim().as_bytes()).ok()?;
    bytes.try_into().ok()
}
