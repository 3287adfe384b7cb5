//! Splits a statement into tokens without touching what must stay exact.
//!
//! Folding may never cross code, paths, identifiers, flags, URLs, versions or numbers: a merge
//! that "cleans" one of those plants a wrong fact (threat T14).

use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::UnicodeNormalization;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Class {
    /// A word in ordinary letters.
    Word,
    /// A word with a capital that is not only due to its place.
    Name,
    /// Inline code with its backticks.
    Code,
    /// A URL or mail address.
    Url,
    /// A path or file name.
    Path,
    /// A command-line flag.
    Flag,
    /// An identifier, acronym, issue or commit id, variable.
    Ident,
    /// A number with its unit, money, percentage.
    Number,
    /// A version.
    Version,
    /// A calendar date or clock time.
    Date,
    /// A mark that changes meaning, such as `?` or `<`.
    Symbol,
}

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) class: Class,
    /// As written, after Unicode folding.
    pub(super) raw: String,
    /// The form that is compared: lower case for words, exact for the rest.
    pub(super) fold: String,
    /// First of its sentence: its capital says nothing.
    pub(super) initial: bool,
}

/// The cleaned text and whether something invisible was in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clean {
    pub(super) text: String,
    pub(super) had_hidden: bool,
}

/// NFKC, format characters out, quotes and dashes folded, white space collapsed.
///
/// Superscripts and vulgar fractions keep a mark, since NFKC would turn `10⁵` into `105`.
pub(super) fn clean(text: &str) -> Clean {
    let mut had_hidden = false;
    let mut out = String::with_capacity(text.len());
    let push = |c: char, out: &mut String| match c {
        '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{2032}' | '\u{ff07}' | '\u{2bc}' => out.push('\''),
        '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{2033}' | '\u{ab}' | '\u{bb}' => out.push('"'),
        '\u{2010}' | '\u{2011}' | '\u{2012}' | '\u{2212}' => out.push('-'),
        '\u{2013}' | '\u{2014}' | '\u{2015}' => out.push_str(" - "),
        _ if c.is_whitespace() || c.is_control() => {
            if !out.ends_with(' ') {
                out.push(' ');
            }
        }
        _ => out.push(c),
    };
    if text.is_ascii() {
        text.chars().for_each(|c| push(c, &mut out));
        return Clean { text: out.trim().to_owned(), had_hidden };
    }
    for c in text.chars() {
        let category = get_general_category(c);
        let invisible = category == GeneralCategory::Format
            || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{3164}');
        if invisible {
            had_hidden = true;
            continue;
        }
        if category == GeneralCategory::OtherNumber {
            out.push('^');
        }
        for folded in std::iter::once(c).nfkc() {
            push(folded, &mut out);
        }
    }
    // Marks may compose with what now stands before them.
    Clean { text: out.trim().nfkc().collect(), had_hidden }
}

/// The tokens of a cleaned text.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut initial = true;
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| !c.is_whitespace()) {
        rest = &rest[start..];
        if let Some(code) = code_span(rest) {
            out.push(Token { class: Class::Code, raw: code.to_owned(), fold: code.to_owned(), initial });
            initial = false;
            rest = &rest[code.len()..];
            continue;
        }
        let end = rest
            .char_indices()
            .find(|&(at, c)| c.is_whitespace() || (c == '`' && at > 0 && code_span(&rest[at..]).is_some()))
            .map_or(rest.len(), |(at, _)| at);
        let chunk = &rest[..end];
        rest = &rest[end..];
        push_chunk(chunk, &mut initial, &mut out);
    }
    out
}

fn code_span(text: &str) -> Option<&str> {
    let ticks = text.bytes().take_while(|&b| b == b'`').count();
    if ticks == 0 || ticks > 3 {
        return None;
    }
    let fence = &text[..ticks];
    let close = text[ticks..].find(fence)?;
    (close > 0).then(|| &text[..ticks + close + ticks])
}

fn push_chunk(chunk: &str, initial: &mut bool, out: &mut Vec<Token>) {
    let mut body = chunk.trim_start_matches(['(', '[', '{', '"', '\'']);
    if !body.starts_with("*.") {
        body = body.trim_start_matches('*').trim_start_matches(['(', '[', '"', '\'']);
    }
    let trimmed = body.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '}', '"', '\'', '*']);
    // `main()` and `list[0]` keep their closing bracket.
    let trimmed = match &body[trimmed.len()..] {
        tail if tail.starts_with(')') && trimmed.ends_with('(') => &body[..=trimmed.len()],
        tail if tail.starts_with(']') && trimmed.contains('[') => &body[..=trimmed.len()],
        _ => trimmed,
    };
    let tail = &body[trimmed.len()..];
    if !trimmed.is_empty() {
        push_inner(trimmed, *initial, out);
        *initial = false;
    }
    if tail.contains('?') {
        out.push(Token { class: Class::Symbol, raw: "?".into(), fold: "?".into(), initial: false });
    }
    if tail.contains(['.', '!', '?']) && !matches!(trimmed, "e.g" | "i.e" | "etc" | "vs" | "Mr" | "Mrs" | "Dr") {
        *initial = true;
    }
}

fn exact(class: Class, text: &str, initial: bool, out: &mut Vec<Token>) {
    out.push(Token { class, raw: text.to_owned(), fold: text.to_owned(), initial });
}

fn push_inner(text: &str, initial: bool, out: &mut Vec<Token>) {
    let has_digit = text.bytes().any(|b| b.is_ascii_digit());
    let has_alpha = text.chars().any(char::is_alphabetic);
    if !has_digit && !has_alpha {
        // A lone dash or bullet separates; every other mark may carry meaning.
        if !text.chars().all(|c| matches!(c, '-' | '_' | '.' | ',' | '|' | '\u{2022}' | '\u{b7}' | '~')) {
            exact(Class::Symbol, text, initial, out);
        }
        return;
    }
    if text.contains("://") || text.starts_with("www.") || (text.contains('@') && text.contains('.')) {
        return exact(Class::Url, text, initial, out);
    }
    if text.starts_with("--") || (text.starts_with('-') && !has_digit && text.len() > 1) {
        return exact(Class::Flag, text, initial, out);
    }
    if text.contains(['/', '\\']) {
        return exact(Class::Path, text, initial, out);
    }
    if text.contains(['_', '$', '#', '@', '(', '[', '<', '>', '{', '=', '&', '%', '^', '+', '~', '*'])
        || text.contains("::")
    {
        let class = match number_like(text) {
            Some(class) => class,
            None => Class::Ident,
        };
        return exact(class, text, initial, out);
    }
    if has_digit {
        return exact(number_like(text).unwrap_or(Class::Ident), text, initial, out);
    }
    if text.contains(':') && !text.ends_with(':') {
        // `key:value` without a space.
        return exact(Class::Ident, text, initial, out);
    }
    if text.trim_end_matches('.').contains('.') || text.starts_with('.') {
        let short = text.split('.').all(|part| part.chars().count() <= 1);
        return if short { word(text, initial, out) } else { exact(Class::Path, text, initial, out) };
    }
    if text.contains('-') && text.split('-').all(|part| !part.is_empty() && part.chars().all(char::is_alphabetic)) {
        for (at, part) in text.split('-').enumerate() {
            word(part, initial && at == 0, out);
        }
        return;
    }
    word(text, initial, out);
}

fn word(text: &str, initial: bool, out: &mut Vec<Token>) {
    let lower = text.to_lowercase();
    // Contractions: the negation must become visible to the gate.
    if let Some(stem) = lower.strip_suffix("n't") {
        let base = match stem {
            "ca" => "can",
            "wo" => "will",
            "sha" => "shall",
            "ai" => "is",
            other => other,
        };
        plain(base, base, initial, out);
        return plain("not", "not", false, out);
    }
    for (suffix, expanded) in [("'re", "are"), ("'ve", "have"), ("'ll", "will"), ("'m", "am"), ("'d", "would")] {
        if let Some(base) = lower.strip_suffix(suffix) {
            plain(&text[..base.len().min(text.len())], base, initial, out);
            return plain(expanded, expanded, false, out);
        }
    }
    if let Some(base) = lower.strip_suffix("'s") {
        plain(text.get(..base.len()).unwrap_or(base), base, initial, out);
        return plain("'s", "'s", false, out);
    }
    plain(text, &lower, initial, out);
}

fn plain(raw: &str, lower: &str, initial: bool, out: &mut Vec<Token>) {
    let mut chars = raw.chars();
    let first_upper = chars.next().is_some_and(char::is_uppercase);
    let rest_upper = chars.clone().any(char::is_uppercase);
    let class = if rest_upper && raw.chars().count() > 1 {
        // Acronyms and camelCase.
        Class::Ident
    } else if first_upper && !initial && raw != "I" {
        Class::Name
    } else {
        Class::Word
    };
    let camel = class == Class::Ident && raw.chars().any(char::is_lowercase);
    let fold = if camel { raw.to_owned() } else { lower.to_owned() };
    out.push(Token { class, raw: raw.to_owned(), fold, initial });
}

fn number_like(text: &str) -> Option<Class> {
    let bare = text.trim_start_matches(['$', '+', '-', '~', '^', '<', '>', '=', '\u{20ac}', '\u{a3}', '\u{a5}']);
    if super::dates::is_date(bare) {
        return Some(Class::Date);
    }
    let version = bare.strip_prefix(['v', 'V']).unwrap_or(bare);
    let dots = version.matches('.').count();
    if version.starts_with(|c: char| c.is_ascii_digit()) {
        let head: String = version.chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ',' | '_')).collect();
        let unit = &version[head.len()..];
        if (dots >= 2 || version.len() < bare.len()) && head.chars().all(|c| c != ',') {
            return Some(Class::Version);
        }
        if unit.len() <= 5 && unit.chars().all(|c| c.is_alphabetic() || c == '%' || c == '+') {
            return Some(Class::Number);
        }
        if unit.starts_with(':') && unit[1..].chars().all(|c| c.is_ascii_digit() || c == ':') {
            return Some(Class::Date);
        }
        if unit.starts_with('-') && unit[1..].chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '%')) {
            return Some(Class::Number);
        }
    }
    None
}

/// The value of a number in a fixed unit, where the spelling alone differs: `1k` and `1000`,
/// `5min` and `300s`. `None` when it is not plainly a number.
///
/// Units: thousandths of the unit named.
pub(super) fn quantity(text: &str) -> Option<(i128, &'static str)> {
    let lower = text.to_lowercase();
    let head_len = lower.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ','))).unwrap_or(lower.len());
    let (head, unit) = lower.split_at(head_len);
    let (whole, fraction) = match head.split_once(['.', ',']) {
        // Three digits after one mark may be thousands: not plain.
        Some((_, fraction)) if fraction.is_empty() || fraction.len() >= 3 || fraction.contains(['.', ',']) => {
            return None;
        }
        Some((whole, fraction)) => (whole, fraction),
        None => (head, ""),
    };
    if whole.is_empty() || whole.len() > 15 || (whole.len() > 1 && whole.starts_with('0')) {
        return None;
    }
    let mut milli: i128 = whole.parse::<i128>().ok()?.checked_mul(1000)?;
    let fraction_value = |digits: &str| digits.parse::<i128>().ok();
    milli += match fraction.len() {
        0 => 0,
        1 => fraction_value(fraction)? * 100,
        _ => fraction_value(fraction)? * 10,
    };
    let (factor, name) = match unit.trim() {
        "" => (1, ""),
        "k" => (1000, ""),
        "s" | "sec" | "secs" | "second" | "seconds" => (1000, "ms"),
        "ms" => (1, "ms"),
        "min" | "mins" | "minute" | "minutes" => (60_000, "ms"),
        "h" | "hr" | "hour" | "hours" => (3_600_000, "ms"),
        "%" => (1, "%"),
        _ => return None,
    };
    Some((milli.checked_mul(factor)?, name))
}
