//! Numbers and addresses of people: cards, accounts, national numbers, mail and phone.
//!
//! A number counts when its check digits hold and it stands as such numbers are written, or beside a word that names it. Digests,
//! ids and timestamps have neither. Source: public check-digit rules (ISO/IEC 7812 and 7064, ISO 13616, national registers).

use super::Spot;
use crate::detect::span::floor_char;
use crate::domain::Span;

/// Groups that one written number may have.
const GROUPS: usize = 9;
/// Bytes before a number in which its name may stand.
const NEAR: usize = 48;

/// A run of letters and digits.
#[derive(Clone, Copy)]
struct Chunk {
    start: usize,
    end: usize,
}

/// Everything found in one text.
///
/// Cost: one look a byte, and a few for each run of digits.
pub(in crate::detect) fn spots(text: &str) -> Vec<Spot> {
    let bytes = text.as_bytes();
    let mut spots = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'@' => mail(bytes, at, &mut spots),
            b'+' => phone(bytes, at, &mut spots),
            b'0'..=b'9' if at == 0 || !bytes[at - 1].is_ascii_alphanumeric() || letters_before(bytes, at) => {
                at = number(text, at, &mut spots);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    spots
}

/// True when only one to six letters stand directly before, and they begin a word: `DE89 …`, `RSSMRA80…`.
fn letters_before(bytes: &[u8], at: usize) -> bool {
    let letters = bytes[..at].iter().rev().take(7).take_while(|b| b.is_ascii_alphabetic()).count();
    (1..=6).contains(&letters) && (at == letters || !bytes[at - letters - 1].is_ascii_alphanumeric())
}

/// Looks at the written number that begins at `at` (with letters before it); returns where to go on.
fn number(text: &str, at: usize, spots: &mut Vec<Spot>) -> usize {
    let bytes = text.as_bytes();
    let letters = bytes[..at].iter().rev().take(7).take_while(|b| b.is_ascii_alphabetic()).count();
    let start = if letters <= 6 { at - letters } else { at };
    let mut chunks: Vec<Chunk> = Vec::new();
    let mut from = start;
    loop {
        let end = bytes[from..].iter().position(|b| !b.is_ascii_alphanumeric()).map_or(bytes.len(), |i| from + i);
        chunks.push(Chunk { start: from, end });
        let next = end + 1;
        let joins = bytes.get(end).is_some_and(|b| matches!(b, b' ' | b'-' | b'.' | b'/'));
        let goes_on = bytes.get(next).is_some_and(u8::is_ascii_alphanumeric)
            && bytes[next..].iter().take_while(|b| b.is_ascii_alphanumeric()).any(u8::is_ascii_digit);
        if !joins || !goes_on || chunks.len() == GROUPS {
            break;
        }
        from = next;
    }
    let first = chunks.first().map_or(at + 1, |c| c.end);
    // `550e8400-e29b-…` and `a.b.123`: a piece of something longer.
    let inside = start > 0 && matches!(bytes[start - 1], b'-' | b'_' | b'.' | b'/' | b'=' | b'#' | b'%' | b'\\');
    if inside || first - start > 34 {
        return first;
    }
    for count in (1..=chunks.len()).rev() {
        let Some(last) = chunks.get(count - 1) else { continue };
        if last.end - start > 46 || bytes.get(last.end).is_some_and(|b| matches!(b, b'_' | b'@' | b'%' | b'=')) {
            continue;
        }
        if let Some((slug, what)) = judge(text, &chunks[..count]) {
            spots.push(Spot { slug, span: Span::new(start, last.end), what });
            return last.end;
        }
    }
    first
}

/// What a written number is.
fn judge(text: &str, chunks: &[Chunk]) -> Option<(&'static str, &'static str)> {
    let start = chunks.first()?.start;
    let plain: Vec<u8> =
        chunks.iter().flat_map(|c| text.as_bytes().get(c.start..c.end).unwrap_or_default()).copied().collect();
    if plain.len() < 9 || plain.len() > 34 {
        return None;
    }
    let groups: Vec<usize> = chunks.iter().map(|c| c.end - c.start).collect();
    let before = text.get(floor_char(text, start.saturating_sub(NEAR))..start).unwrap_or_default();
    let low = before.to_lowercase();
    let named = |names: &[&str]| names.iter().any(|name| low.contains(name));
    let digits: Option<Vec<u32>> = plain.iter().map(|b| b.is_ascii_digit().then(|| u32::from(b - b'0'))).collect();
    if let Some(digits) = &digits {
        if (13..=19).contains(&digits.len()) && is_card(digits, &groups, &named) {
            return Some(("payment-card", "card number"));
        }
        return national(digits, &groups, &named);
    }
    if is_iban(&plain, &groups) {
        return Some(("bank-account", "IBAN"));
    }
    coded(&plain, &groups, &named)
}

/// Payment cards: issuer ranges, the Luhn digit, and the way they are written.
fn is_card(digits: &[u32], groups: &[usize], named: &dyn Fn(&[&str]) -> bool) -> bool {
    let head = |n: usize| digits.iter().take(n).fold(0, |v, d| v * 10 + d);
    let len = digits.len();
    let issuer = match head(1) {
        4 => matches!(len, 13 | 16 | 19),
        3 => {
            (matches!(head(2), 34 | 37) && len == 15)
                || ((3528..=3589).contains(&head(4)) && len >= 16)
                || (((300..=305).contains(&head(3)) || matches!(head(2), 36 | 38 | 39)) && (14..=19).contains(&len))
        }
        5 => ((51..=55).contains(&head(2)) && len == 16) || head(2) == 50 || (56..=59).contains(&head(2)),
        2 => (2221..=2720).contains(&head(4)) && len == 16,
        6 => len >= 16,
        _ => false,
    };
    let same = digits.iter().all(|d| Some(d) == digits.first());
    let written = match groups {
        [4, 4, 4, 4] | [4, 6, 5] | [4, 6, 4] | [4, 4, 4, 4, 3] => true,
        [_] => named(&[
            "card",
            "visa",
            "mastercard",
            "amex",
            "american express",
            "credit",
            "debit",
            "karte",
            "tarjeta",
            "carte",
            "cartão",
            "carta",
            "карт",
            "卡号",
            "カード",
            "카드",
            "pan",
        ]),
        _ => false,
    };
    issuer && !same && written && luhn(digits)
}

fn luhn(digits: &[u32]) -> bool {
    let sum: u32 =
        digits.iter().rev().enumerate().map(|(i, d)| if i % 2 == 0 { *d } else { (d * 2) / 10 + (d * 2) % 10 }).sum();
    sum.is_multiple_of(10)
}

/// International account numbers: a known country, its length, and 97.
fn is_iban(plain: &[u8], groups: &[usize]) -> bool {
    const LENGTHS: &[(&[u8; 2], usize)] = &[
        (b"AD", 24),
        (b"AE", 23),
        (b"AL", 28),
        (b"AT", 20),
        (b"AZ", 28),
        (b"BA", 20),
        (b"BE", 16),
        (b"BG", 22),
        (b"BH", 22),
        (b"BR", 29),
        (b"BY", 28),
        (b"CH", 21),
        (b"CR", 22),
        (b"CY", 28),
        (b"CZ", 24),
        (b"DE", 22),
        (b"DK", 18),
        (b"DO", 28),
        (b"EE", 20),
        (b"EG", 29),
        (b"ES", 24),
        (b"FI", 18),
        (b"FO", 18),
        (b"FR", 27),
        (b"GB", 22),
        (b"GE", 22),
        (b"GI", 23),
        (b"GL", 18),
        (b"GR", 27),
        (b"GT", 28),
        (b"HR", 21),
        (b"HU", 28),
        (b"IE", 22),
        (b"IL", 23),
        (b"IQ", 23),
        (b"IS", 26),
        (b"IT", 27),
        (b"JO", 30),
        (b"KW", 30),
        (b"KZ", 20),
        (b"LB", 28),
        (b"LC", 32),
        (b"LI", 21),
        (b"LT", 20),
        (b"LU", 20),
        (b"LV", 21),
        (b"MC", 27),
        (b"MD", 24),
        (b"ME", 22),
        (b"MK", 19),
        (b"MR", 27),
        (b"MT", 31),
        (b"MU", 30),
        (b"NL", 18),
        (b"NO", 15),
        (b"PK", 24),
        (b"PL", 28),
        (b"PS", 29),
        (b"PT", 25),
        (b"QA", 29),
        (b"RO", 24),
        (b"RS", 22),
        (b"SA", 24),
        (b"SC", 31),
        (b"SE", 24),
        (b"SI", 19),
        (b"SK", 24),
        (b"SM", 27),
        (b"ST", 25),
        (b"SV", 28),
        (b"TL", 23),
        (b"TN", 24),
        (b"TR", 26),
        (b"UA", 29),
        (b"VA", 22),
        (b"VG", 24),
        (b"XK", 20),
    ];
    let upper: Vec<u8> = plain.iter().map(u8::to_ascii_uppercase).collect();
    let Some(country) = upper.get(..2) else { return false };
    let known = LENGTHS.iter().any(|(name, len)| name.as_slice() == country && *len == upper.len());
    let written = groups.len() == 1 || groups[..groups.len() - 1].iter().all(|g| *g == 4);
    if !known || !written || !upper.get(2..4).is_some_and(|c| c.iter().all(u8::is_ascii_digit)) {
        return false;
    }
    let rest = upper.iter().skip(4).chain(upper.iter().take(4)).fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
    });
    rest == 1
}

type Found = Option<(&'static str, &'static str)>;

/// National numbers that are digits only.
fn national(digits: &[u32], groups: &[usize], named: &dyn Fn(&[&str]) -> bool) -> Found {
    let found = |what| Some(("national-id", what));
    let value = |from: usize, to: usize| digits.iter().take(to).skip(from).fold(0_u64, |v, d| v * 10 + u64::from(*d));
    let weighted = |weights: &[u32]| digits.iter().zip(weights).map(|(d, w)| d * w).sum::<u32>();
    let last = digits.last().copied().unwrap_or(0);
    let same = digits.iter().all(|d| Some(d) == digits.first());
    if same {
        return None;
    }
    match digits.len() {
        9 if groups == [3, 2, 4] || named(&["ssn", "social security"]) => {
            let area = value(0, 3);
            let real = area != 0 && area != 666 && area < 900 && value(3, 5) != 0 && value(5, 9) != 0;
            (real && named(&["ssn", "social security"])).then_some(("national-id", "US social security number"))
        }
        9 if named(&["bsn", "burgerservice"]) => {
            let sum = weighted(&[9, 8, 7, 6, 5, 4, 3, 2]);
            (sum % 11 == last).then_some(("national-id", "Dutch citizen number"))
        }
        9 if named(&["sin", "social insurance"]) && luhn(digits) => found("Canadian social insurance number"),
        11 if groups == [3, 3, 3, 2] || named(&["cpf"]) => {
            let check = |n: usize| {
                let sum: u32 = digits.iter().take(n).enumerate().map(|(i, d)| d * (n as u32 + 1 - i as u32)).sum();
                (sum * 10 % 11) % 10 == digits[n]
            };
            (check(9) && check(10)).then_some(("national-id", "Brazilian taxpayer number"))
        }
        11 if named(&["pesel"]) => {
            let sum = weighted(&[1, 3, 7, 9, 1, 3, 7, 9, 1, 3]);
            ((10 - sum % 10) % 10 == last).then_some(("national-id", "Polish citizen number"))
        }
        11 if named(&["steuer", "idnr", "tax id", "steuer-id", "tin"]) => {
            let product = digits.iter().take(10).fold(10, |p, d| match (d + p) % 10 {
                0 => 20 % 11,
                sum => sum * 2 % 11,
            });
            ((11 - product) % 10 == last).then_some(("national-id", "German tax number"))
        }
        12 if groups == [4, 4, 4] || named(&["aadhaar", "aadhar", "आधार"]) => {
            let near = named(&["aadhaar", "aadhar", "uidai", "आधार"]);
            (digits[0] >= 2 && near && verhoeff(digits)).then_some(("national-id", "Indian citizen number"))
        }
        13 if value(0, 3) == 756 => {
            let sum: u32 = digits.iter().take(12).enumerate().map(|(i, d)| if i % 2 == 0 { *d } else { d * 3 }).sum();
            ((10 - sum % 10) % 10 == last).then_some(("national-id", "Swiss insurance number"))
        }
        15 if matches!(digits[0], 1 | 2) && (groups.len() > 3 || named(&["sécu", "secu", "nir", "insee"])) => {
            let month = value(3, 5);
            let real = (1..=12).contains(&month) || (20..=42).contains(&month) || month >= 50;
            (real && 97 - value(0, 13) % 97 == value(13, 15)).then_some(("national-id", "French insurance number"))
        }
        18 => chinese(digits, last),
        _ => None,
    }
}

fn chinese(digits: &[u32], check: u32) -> Found {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECKS: [u32; 11] = [1, 0, 10, 9, 8, 7, 6, 5, 4, 3, 2];
    let value = |from: usize, to: usize| digits.iter().take(to).skip(from).fold(0_u64, |v, d| v * 10 + u64::from(*d));
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(d, w)| d * w).sum();
    let born =
        (1900..=2030).contains(&value(6, 10)) && (1..=12).contains(&value(10, 12)) && (1..=31).contains(&value(12, 14));
    let place = (11..=82).contains(&value(0, 2));
    (born && place && CHECKS.get((sum % 11) as usize) == Some(&check))
        .then_some(("national-id", "Chinese citizen number"))
}

/// The dihedral check digit of Verhoeff, 1969.
fn verhoeff(digits: &[u32]) -> bool {
    const D: [[usize; 10]; 10] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
        [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
        [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
        [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
        [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
        [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
        [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
        [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
        [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
    ];
    const P: [[usize; 10]; 8] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
        [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
        [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
        [9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
        [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
        [2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
        [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
    ];
    digits.iter().rev().enumerate().fold(0, |c, (i, d)| D[c][P[i % 8][*d as usize % 10]]) == 0
}

/// National numbers with letters in them.
fn coded(plain: &[u8], groups: &[usize], named: &dyn Fn(&[&str]) -> bool) -> Found {
    let upper: Vec<u8> = plain.iter().map(u8::to_ascii_uppercase).collect();
    let digit = |at: usize| upper.get(at).filter(|b| b.is_ascii_digit()).map(|b| u32::from(b - b'0'));
    let all_digits = |from: usize, to: usize| (from..to).all(|at| digit(at).is_some());
    let letter = |at: usize| upper.get(at).is_some_and(u8::is_ascii_uppercase);
    let value = |from: usize, to: usize| (from..to).filter_map(digit).fold(0_u32, |v, d| v * 10 + d);
    match upper.len() {
        9 if letter(0) && letter(1) && all_digits(2, 8) && matches!(upper[8], b'A'..=b'D') => {
            let lawful = !b"DFIQUV".contains(&upper[0])
                && !b"DFIOQUV".contains(&upper[1])
                && ![b"BG", b"GB", b"KN", b"NK", b"NT", b"TN", b"ZZ"].iter().any(|p| upper.starts_with(*p));
            let written = groups == [2, 2, 2, 2, 1] || named(&["national insurance", "nino", "ni number"]);
            (lawful && written).then_some(("national-id", "British insurance number"))
        }
        9 if named(&["dni", "nie", "nif", "documento"]) => {
            const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
            let number = match upper[0] {
                b'X' | b'Y' | b'Z' if all_digits(1, 8) => u32::from(upper[0] - b'X') * 10_000_000 + value(1, 8),
                _ if all_digits(0, 8) => value(0, 8),
                _ => return None,
            };
            (LETTERS.get((number % 23) as usize) == Some(&upper[8]))
                .then_some(("national-id", "Spanish identity number"))
        }
        16 if (0..6).all(letter) && all_digits(6, 8) && letter(8) && all_digits(9, 11) && letter(11) && letter(15) => {
            const ODD: [u32; 26] =
                [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
            let worth = |at: usize, b: u8| {
                let n = if b.is_ascii_digit() { u32::from(b - b'0') } else { u32::from(b - b'A') };
                if at.is_multiple_of(2) { ODD.get(n as usize).copied().unwrap_or(0) } else { n }
            };
            let sum: u32 = upper.iter().take(15).enumerate().map(|(at, b)| worth(at, *b)).sum();
            (u32::from(upper[15] - b'A') == sum % 26).then_some(("national-id", "Italian tax code"))
        }
        18 if upper[17] == b'X' && all_digits(0, 17) => {
            let digits: Vec<u32> = (0..17).filter_map(digit).collect();
            chinese(&digits, 10)
        }
        _ => None,
    }
}

/// A mail address around an `@`.
fn mail(bytes: &[u8], at: usize, spots: &mut Vec<Spot>) {
    let local = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'%' | b'+' | b'-');
    let before = bytes[..at].iter().rev().take(64).take_while(|b| local(b)).count();
    let host = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
    let mut after = bytes[at + 1..].iter().take(253).take_while(|b| host(b)).count();
    while after > 0 && matches!(bytes[at + after], b'.' | b'-') {
        after -= 1;
    }
    let domain = &bytes[at + 1..at + 1 + after];
    let tail = domain.rsplit(|b| *b == b'.').next().unwrap_or_default();
    let dotted = domain.contains(&b'.') && tail.len() >= 2 && tail.iter().all(u8::is_ascii_alphabetic);
    if before > 0 && dotted {
        spots.push(Spot { slug: "email-address", span: Span::new(at - before, at + 1 + after), what: "" });
    }
}

/// An international phone number after a `+`.
fn phone(bytes: &[u8], at: usize, spots: &mut Vec<Spot>) {
    if at > 0 && bytes[at - 1].is_ascii_alphanumeric() || !bytes.get(at + 1).is_some_and(|b| (b'1'..=b'9').contains(b))
    {
        return;
    }
    let fits = |b: &u8| b.is_ascii_digit() || matches!(b, b' ' | b'-' | b'(' | b')' | b'.');
    let mut len = bytes[at + 1..].iter().take(24).take_while(|b| fits(b)).count();
    while len > 0 && !bytes[at + len].is_ascii_digit() {
        len -= 1;
    }
    let digits = bytes[at + 1..at + 1 + len].iter().filter(|b| b.is_ascii_digit()).count();
    let joined = bytes.get(at + 1 + len).is_some_and(u8::is_ascii_alphanumeric);
    if (8..=15).contains(&digits) && !joined {
        spots.push(Spot { slug: "phone-number", span: Span::new(at, at + 1 + len), what: "" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slugs(text: &str) -> Vec<&'static str> {
        spots(text).into_iter().map(|s| s.slug).collect()
    }

    #[test]
    fn numbers_whose_check_digits_hold_are_found_and_one_digit_off_is_not() {
        // Published test and specimen numbers of the issuers.
        for (text, slug) in [
            ("pay with 4242 4242 4242 4242 today", "payment-card"),
            ("card: 5555555555554444", "payment-card"),
            ("amex 3782-822463-10005", "payment-card"),
            ("IBAN DE89 3704 0044 0532 0130 00.", "bank-account"),
            ("send to GB29NWBK60161331926819", "bank-account"),
            ("SSN 078-05-1120", "national-id"),
            ("CPF 111.444.777-35", "national-id"),
            ("Steuer-ID 86095742719", "national-id"),
            ("codice fiscale RSSMRA85T10A562S", "national-id"),
            ("身份证 11010519491231002X", "national-id"),
            ("DNI 12345678Z", "national-id"),
            ("AHV 756.9217.0769.85", "national-id"),
            ("NI number QQ123456C is a placeholder, AB123456C is not", "national-id"),
            ("BSN 111222333", "national-id"),
        ] {
            assert_eq!(slugs(text), [slug], "{text}");
        }
        for text in [
            "pay with 4242 4242 4242 4243 today",
            "IBAN DE89 3704 0044 0532 0130 01.",
            "CPF 111.444.777-36",
            "Steuer-ID 86095742718",
            "codice fiscale RSSMRA85T10A562T",
            "DNI 12345678A",
        ] {
            assert!(slugs(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn digests_ids_times_and_versions_are_no_numbers_of_people() {
        for text in [
            "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "550e8400-e29b-41d4-a716-446655440000",
            "commit 4242424242424242",
            "at 1716239022000000000 ns",
            "2026-03-04 05:06:07.890123456",
            "order 4111111111111111 was sent",
            "v1.2.3-4567.8901.2345.6789",
            "call 078-05-1120 lines",
            "0x4242424242424242",
            "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAA4242424242424242AAAB",
        ] {
            assert!(slugs(text).is_empty(), "{text}: {:?}", slugs(text));
        }
    }

    #[test]
    fn mail_and_phone_are_found_in_their_common_forms() {
        assert_eq!(slugs("write to ana.b+x@mail.example, please"), ["email-address"]);
        assert_eq!(slugs("ring +49 (0) 30 1234567."), ["phone-number"]);
        assert!(slugs("@decorator and a @ b and 3 + 4").is_empty());
        assert!(slugs("git@localhost").is_empty());
    }
}
