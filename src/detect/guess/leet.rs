//! Digits and signs for letters.

use super::lexicon::known;
use crate::detect::escapes::Edit;
use crate::domain::Span;

/// The letters a sign may stand for, likeliest first.
const fn letters(byte: u8) -> &'static [u8] {
    match byte {
        b'0' => b"o",
        b'1' => b"il",
        b'2' => b"z",
        b'3' => b"e",
        b'4' | b'@' => b"a",
        b'5' | b'$' => b"s",
        b'6' => b"g",
        b'7' | b'+' => b"t",
        b'8' => b"b",
        b'9' => b"g",
        b'!' | b'|' => b"il",
        _ => b"",
    }
}

const fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'@' | b'$' | b'!' | b'|' | b'+' | b'\'')
}

/// Words with signs that are common words without them, and what stands between such words.
pub(super) fn edits(text: &str, hints: &[usize], cost: &mut u64) -> Vec<(Edit, &'static str)> {
    let bytes = text.as_bytes();
    let mut edits = Vec::new();
    for near in hints.chunk_by(|a, b| *b <= *a + 192) {
        let (Some(first), Some(last)) = (near.first(), near.last()) else { continue };
        let (mut at, end) = (first.saturating_sub(64), (last + 136).min(bytes.len()));
        *cost += (end - at) as u64 * 2;
        while at > 0 && is_part(bytes[at]) && is_part(bytes[at - 1]) {
            at -= 1;
        }
        let mut words: Vec<(Span, Option<Vec<u8>>)> = Vec::new();
        while at < end {
            if !is_part(bytes[at]) {
                at += 1;
                continue;
            }
            let start = at;
            while at < bytes.len() && is_part(bytes[at]) {
                at += 1;
            }
            let word = &bytes[start..at];
            // An exclamation mark at the end is one.
            let len = word.iter().rposition(|b| *b != b'!').map_or(word.len(), |i| i + 1);
            words
                .push((Span::new(start, at), plain(&word[..len]).or_else(|| plain(word).filter(|_| len < word.len()))));
        }
        let sure = |w: &(Span, Option<Vec<u8>>)| w.1.as_ref().is_some_and(|p| p.len() >= 3);
        let count = words.iter().filter(|w| sure(w)).count();
        let long = words.iter().filter(|w| w.1.as_ref().is_some_and(|p| p.len() >= 5)).count();
        // In any language: nearly every second word has signs between its letters.
        let odd = words.iter().filter(|w| mixes(&bytes[w.0.start..w.0.end])).count();
        let all = odd >= 6 && odd * 5 >= words.len() * 2;
        if count < 2 && long == 0 && !all {
            continue;
        }
        for (i, (span, found)) in words.iter().enumerate() {
            let word = &bytes[span.start..span.end];
            let beside = |i: Option<usize>| i.and_then(|i| words.get(i)).is_some_and(sure);
            let read = match found {
                Some(found) => found.clone(),
                // Between such words a number or a name is one as well.
                // The parts of a version or an address stay.
                None if word.iter().all(u8::is_ascii_digit) && numbered(bytes, *span) => continue,
                None if count >= 3 && (beside(i.checked_sub(1)) || beside(Some(i + 1))) => short(word),
                None if all => short(word),
                None => continue,
            };
            for (offset, (old, new)) in word.iter().zip(&read).enumerate() {
                if !old.eq_ignore_ascii_case(new) {
                    let at = span.start + offset;
                    let text = char::from(*new).to_string();
                    edits.push((Edit { span: Span::new(at, at + 1), text, weight: 2 }, "leet"));
                }
            }
        }
    }
    edits
}

/// True for a number that a full stop or colon ties to another one.
fn numbered(bytes: &[u8], span: Span) -> bool {
    let tie = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(|b| matches!(b, b'.' | b':'));
    let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    (tie(span.start.checked_sub(1)) && digit(span.start.checked_sub(2)))
        || (tie(Some(span.end)) && digit(Some(span.end + 1)))
}

/// True for a word with a sign between letters, or most of whose signs stand for letters.
fn mixes(word: &[u8]) -> bool {
    let letter = |b: &u8| b.is_ascii_alphabetic();
    let sign = |b: &u8| !letters(*b).is_empty();
    // Bytes in hexadecimal are no words.
    let digits = word.strip_prefix(b"0").unwrap_or(word);
    let digits = digits.strip_prefix(b"x").or_else(|| digits.strip_prefix(b"u")).unwrap_or(digits);
    (3..=24).contains(&word.len())
        && !digits.iter().all(u8::is_ascii_hexdigit)
        && word.windows(2).any(|w| sign(&w[0]) && letter(&w[1]))
        && word.windows(2).any(|w| letter(&w[0]) && sign(&w[1]) && w[1] != b'!')
}

/// A number or a name between words with signs: a short word that is known, or the likeliest letters.
fn short(word: &[u8]) -> Vec<u8> {
    let read = likely(word).to_ascii_lowercase();
    if word.len() <= 3 && std::str::from_utf8(&read).is_ok_and(known) {
        return read;
    }
    let len = word.iter().rposition(|b| *b != b'!').map_or(word.len(), |i| i + 1);
    likely(&word[..len])
}

/// Every sign as its likeliest letter.
fn likely(word: &[u8]) -> Vec<u8> {
    word.iter().map(|b| letters(*b).first().copied().unwrap_or(*b)).collect()
}

/// The common word that a word with signs is. `None` for a word without signs, or that is none.
fn plain(word: &[u8]) -> Option<Vec<u8>> {
    let signs = word.iter().filter(|b| !letters(**b).is_empty()).count();
    if signs == 0 || word.len() < 2 || word.len() > 24 || (signs == word.len() && word.len() < 3) {
        return None;
    }
    let lower = likely(word).to_ascii_lowercase();
    let choices: Vec<usize> = (0..word.len()).filter(|i| letters(word[*i]).len() > 1).take(5).collect();
    for pick in 0..1_usize << choices.len() {
        let mut read = lower.clone();
        for (bit, at) in choices.iter().enumerate() {
            read[*at] = letters(word[*at])[pick >> bit & 1];
        }
        let base = std::str::from_utf8(&read).ok()?;
        let stem = base.strip_suffix('s').filter(|stem| stem.len() >= 4);
        if known(base) || stem.is_some_and(known) {
            return Some(read);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_signs_are_read_and_technical_names_are_not() {
        for (word, read) in [("1gn0r3", "ignore"), ("4ll", "all"), ("!n$7ruc7!0n$", "instructions"), ("$3nd", "send")] {
            assert_eq!(plain(word.as_bytes()).as_deref(), Some(read.as_bytes()), "{word}");
        }
        for word in ["utf8", "sha256", "x86", "v1", "h264", "2024", "ignore", "3d"] {
            assert_eq!(plain(word.as_bytes()), None, "{word}");
        }
    }
}
