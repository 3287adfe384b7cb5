//! The difference gate: which tokens a statement stands on, and how two statements differ.
//!
//! Two statements are near duplicates only when their folded sequences are equal, whole or turned
//! at one point ("before release, run the tests" and "run the tests before release"). That is an
//! equivalence, so linkage is complete by construction, chains cannot form, and the outcome for a
//! pair never depends on what else is in the store.

use crate::domain::Digest;

use super::key::Key;
use super::token::{self, Class};
use super::words::{self, Sort};

/// How a piece weighs in a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Mark {
    /// May differ without contradiction.
    Ordinary,
    /// A value: number, name, path, version, code and so on.
    Value(Class),
    /// Turns the statement round.
    Negator,
    /// Strength, frequency, amount, day or month: a change is a contradiction.
    Strength,
    /// Condition, place in time, person, role, environment: a change makes another statement.
    Guarded,
    /// Has an opposite.
    Opposable,
}

/// One piece of a folded statement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Piece {
    pub(super) fold: String,
    pub(super) mark: Mark,
}

/// A statement as the gate sees it.
#[derive(Clone, Debug)]
pub(super) struct Gist {
    /// Pieces in order, fillers dropped.
    pub(super) pieces: Vec<Piece>,
    /// Index of the first piece after the first verb, where one was recognised.
    verb: Option<usize>,
    /// True when no rules exist for its language: tier 0 only.
    pub(super) foreign: bool,
}

impl Gist {
    /// Folds a statement.
    pub(super) fn of(key: &Key) -> Self {
        let text = fold_phrases(&key.text);
        let refolded = if text == key.text { None } else { Some(token::tokens(&text)) };
        let tokens = refolded.as_ref().unwrap_or(&key.tokens);
        let mut pieces: Vec<Piece> = Vec::with_capacity(tokens.len());
        let mut verb = None;
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            if verb.is_none() && matches!(token.class, Class::Word) && words::VERBS.contains(token.fold.as_str()) {
                verb = Some(pieces.len());
            }
            let piece = match token.class {
                Class::Word | Class::Name => match words::sort(&token.fold) {
                    Sort::Filler => continue,
                    Sort::Number(value) => {
                        number(value, tokens.get(at).map(|t| t.fold.as_str()), &mut at, Class::Number)
                    }
                    Sort::Negator if token.class == Class::Word => {
                        Piece { fold: token.fold.clone(), mark: Mark::Negator }
                    }
                    Sort::Guarded if token.class == Class::Word || token.fold.len() < 4 => guarded(&token.fold),
                    _ if token.class == Class::Name => Piece { fold: token.fold.clone(), mark: name_mark(&token.fold) },
                    _ if words::has_opposite(&token.fold) => {
                        Piece { fold: stem(words::synonym(&token.fold)), mark: Mark::Opposable }
                    }
                    _ => Piece { fold: stem(words::synonym(&token.fold)), mark: Mark::Ordinary },
                },
                Class::Number => number(&token.fold, tokens.get(at).map(|t| t.fold.as_str()), &mut at, Class::Number),
                class => Piece { fold: token.fold.clone(), mark: Mark::Value(class) },
            };
            pieces.push(piece);
        }
        let letters = key.text.chars().filter(|c| c.is_alphabetic()).count();
        let non_ascii = key.text.chars().filter(|c| c.is_alphabetic() && !c.is_ascii()).count();
        let foreign_words = key.tokens.iter().filter(|t| words::FOREIGN.contains(t.fold.as_str())).count();
        let foreign = non_ascii * 5 > letters || foreign_words * 6 > key.tokens.len().max(6);
        Self { pieces, verb, foreign }
    }

    /// The key of near duplicates; `None` when the statement is too short to be compared.
    pub(super) fn near_key(&self) -> Option<String> {
        if self.foreign || self.pieces.len() < 3 {
            return None;
        }
        let folds: Vec<&str> = self.pieces.iter().map(|p| p.fold.as_str()).collect();
        let turn = if folds.len() >= 5 { least_rotation(&folds) } else { 0 };
        Some(folds[turn..].iter().chain(&folds[..turn]).copied().collect::<Vec<_>>().join("\u{1}"))
    }

    /// Keys under which a statement meets those that differ from it by exactly one protected piece.
    pub(super) fn contest_keys(&self) -> Vec<(Digest, Option<usize>)> {
        if self.foreign || self.pieces.len() < 3 || self.pieces.len() > 60 {
            return Vec::new();
        }
        let mut ordinary: Vec<&str> = Vec::new();
        for piece in self.pieces.iter().filter(|p| p.mark == Mark::Ordinary) {
            ordinary.push(&piece.fold);
        }
        // In order: with other roles ("A calls B", "B calls A") it is another statement.
        let digest = |skip: Option<usize>| {
            let mut kept: Vec<&str> = Vec::new();
            for (at, piece) in self.pieces.iter().enumerate() {
                if piece.mark != Mark::Ordinary && Some(at) != skip {
                    kept.push(&piece.fold);
                }
            }
            let parts = ordinary.iter().copied().chain(["\u{1}"]).chain(kept).map(str::as_bytes);
            Digest::of_parts(parts)
        };
        let singles = (0..self.pieces.len()).filter(|&at| self.pieces[at].mark != Mark::Ordinary);
        std::iter::once((digest(None), None)).chain(singles.map(|at| (digest(Some(at)), Some(at)))).collect()
    }

    /// True when the piece stands before the verb: then it names what the statement is about.
    pub(super) fn is_subject(&self, at: usize) -> bool {
        self.verb.map_or(at == 0, |verb| at < verb)
    }
}

/// True when replacing one piece by the other contradicts, instead of saying something else.
pub(super) fn contradicts(left: &Piece, right: &Piece) -> bool {
    match (left.mark, right.mark) {
        (Mark::Opposable, _)
        | (_, Mark::Opposable)
        | (Mark::Negator, Mark::Strength)
        | (Mark::Strength, Mark::Negator)
            if words::are_opposite(&left.fold, &right.fold) =>
        {
            true
        }
        (Mark::Opposable, Mark::Opposable) => false,
        (Mark::Negator | Mark::Strength, Mark::Strength) | (Mark::Strength, Mark::Negator) => true,
        (Mark::Value(a), Mark::Value(b)) => {
            a == b || [a, b].iter().all(|c| matches!(c, Class::Number | Class::Version | Class::Ident))
        }
        _ => false,
    }
}

/// True for two names that an eye takes for each other: one edit apart, or look-alike letters.
pub(super) fn look_alike(left: &str, right: &str) -> bool {
    if left == right {
        return false;
    }
    let skeleton = |text: &str| unicode_security::skeleton(text).collect::<String>();
    if skeleton(left) == skeleton(right) {
        return true;
    }
    let (a, b): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    if a.len().min(b.len()) < 4 || a.len().abs_diff(b.len()) > 1 {
        return false;
    }
    let prefix = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let suffix = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    let longer = a.len().max(b.len());
    prefix + suffix + 1 >= longer
        || (a.len() == b.len()
            && prefix + suffix + 2 >= longer
            && a[prefix] == b[prefix + 1]
            && a[prefix + 1] == b[prefix])
}

fn guarded(fold: &str) -> Piece {
    let name = words::synonym(fold);
    let mark = if words::STRENGTH.contains(fold) { Mark::Strength } else { Mark::Guarded };
    Piece { fold: name.to_owned(), mark }
}

fn name_mark(fold: &str) -> Mark {
    // Weekdays and months are written with a capital.
    if words::STRENGTH.contains(fold) { Mark::Strength } else { Mark::Value(Class::Name) }
}

fn number(text: &str, unit: Option<&str>, at: &mut usize, class: Class) -> Piece {
    let joined = unit.filter(|unit| unit.chars().all(char::is_alphabetic)).map(|unit| format!("{text}{unit}"));
    let (fold, used) = match joined.as_deref().and_then(token::quantity) {
        Some((value, unit)) if !unit.is_empty() => (format!("{value}m{unit}"), true),
        _ => match token::quantity(text) {
            Some((value, unit)) => (format!("{value}m{unit}"), false),
            None => (text.to_owned(), false),
        },
    };
    if used {
        *at += 1;
    }
    Piece { fold, mark: Mark::Value(class) }
}

/// Folds number and person endings only: tense, comparison and word family stay apart.
fn stem(word: &str) -> String {
    let cut = |n: usize| word[..word.len() - n].to_owned();
    if !word.is_ascii() || word.len() < 4 || word.ends_with("ss") || word.ends_with("us") || word.ends_with("is") {
        word.to_owned()
    } else if word.ends_with("ies") && word.len() > 4 {
        cut(3) + "y"
    } else if ["shes", "ches", "xes", "sses", "zes"].iter().any(|end| word.ends_with(end)) {
        cut(2)
    } else if word.ends_with('s') {
        cut(1)
    } else {
        word.to_owned()
    }
}

fn fold_phrases(text: &str) -> String {
    if text.contains('`') {
        return text.to_owned();
    }
    let mut out = format!(" {text} ");
    for (from, to) in words::PHRASES {
        while let Some(at) = out.to_ascii_lowercase().find(from) {
            out.replace_range(at..at + from.len(), to);
        }
    }
    out.trim().to_owned()
}

/// Start of the smallest rotation (Booth's algorithm): linear, so a hostile note cannot stall it.
fn least_rotation(items: &[&str]) -> usize {
    let n = items.len();
    let (mut i, mut j, mut k) = (0, 1, 0);
    while i < n && j < n && k < n {
        match items[(i + k) % n].cmp(items[(j + k) % n]) {
            std::cmp::Ordering::Equal => k += 1,
            std::cmp::Ordering::Greater => {
                i += k + 1;
                k = 0;
            }
            std::cmp::Ordering::Less => {
                j += k + 1;
                k = 0;
            }
        }
        if i == j {
            j += 1;
        }
    }
    i.min(j)
}
