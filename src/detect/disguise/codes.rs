//! Letter ciphers and codes of signs.

fn rotate(text: &str, by: u8) -> String {
    let turn = |c: char, first: u8| char::from((c as u8 - first + by) % 26 + first);
    text.chars()
        .map(|c| match c {
            'a'..='z' => turn(c, b'a'),
            'A'..='Z' => turn(c, b'A'),
            c => c,
        })
        .collect()
}

pub(super) fn rot13(text: &str) -> String {
    rotate(text, 13)
}
pub(super) fn rot3(text: &str) -> String {
    rotate(text, 3)
}
pub(super) fn rot18(text: &str) -> String {
    rotate(text, 18)
}

pub(super) fn rot47(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() { char::from((c as u8 - 33 + 47) % 94 + 33) } else { c }).collect()
}

pub(super) fn atbash(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            'a'..='z' => char::from(b'z' - (c as u8 - b'a')),
            'A'..='Z' => char::from(b'Z' - (c as u8 - b'A')),
            c => c,
        })
        .collect()
}

/// International Morse code. Source: ITU-R M.1677-1.
pub(in crate::detect) const MORSE: [(char, &str); 54] = [
    ('a', ".-"),
    ('b', "-..."),
    ('c', "-.-."),
    ('d', "-.."),
    ('e', "."),
    ('f', "..-."),
    ('g', "--."),
    ('h', "...."),
    ('i', ".."),
    ('j', ".---"),
    ('k', "-.-"),
    ('l', ".-.."),
    ('m', "--"),
    ('n', "-."),
    ('o', "---"),
    ('p', ".--."),
    ('q', "--.-"),
    ('r', ".-."),
    ('s', "..."),
    ('t', "-"),
    ('u', "..-"),
    ('v', "...-"),
    ('w', ".--"),
    ('x', "-..-"),
    ('y', "-.--"),
    ('z', "--.."),
    ('0', "-----"),
    ('1', ".----"),
    ('2', "..---"),
    ('3', "...--"),
    ('4', "....-"),
    ('5', "....."),
    ('6', "-...."),
    ('7', "--..."),
    ('8', "---.."),
    ('9', "----."),
    ('.', ".-.-.-"),
    (',', "--..--"),
    ('?', "..--.."),
    ('\'', ".----."),
    ('!', "-.-.--"),
    ('/', "-..-."),
    ('(', "-.--."),
    (')', "-.--.-"),
    ('&', ".-..."),
    (':', "---..."),
    (';', "-.-.-."),
    ('=', "-...-"),
    ('+', ".-.-."),
    ('-', "-....-"),
    ('_', "..--.-"),
    ('"', ".-..-."),
    ('$', "...-..-"),
    ('@', ".--.-."),
];

/// Letters with a space between, words with a slash; what has no code stays as it is.
pub(super) fn morse(text: &str) -> String {
    let code = |c: char| match MORSE.iter().find(|(letter, _)| *letter == c.to_ascii_lowercase()) {
        Some((_, code)) => (*code).to_owned(),
        None => c.to_string(),
    };
    let word = |word: &str| word.chars().map(code).collect::<Vec<_>>().join(" ");
    let line = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(" / ");
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// Braille letters a to z, as dots. Source: Unicode block 2800.
pub(in crate::detect) const BRAILLE: &str = "⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵";

pub(super) fn braille(text: &str) -> String {
    let dots: Vec<char> = BRAILLE.chars().collect();
    text.chars()
        .map(|c| {
            let place = u32::from(c.to_ascii_lowercase()).wrapping_sub(97) as usize;
            dots.get(place).copied().filter(|_| c.is_ascii_alphabetic()).unwrap_or(c)
        })
        .collect()
}

/// `9-7-14`, words with spaces; digits and signs stay.
pub(super) fn letter_numbers(text: &str) -> String {
    let mut out = String::new();
    let mut joined = false;
    for c in text.chars() {
        let letter = c.is_ascii_alphabetic();
        if letter {
            if joined {
                out.push('-');
            }
            out.push_str(&(u32::from(c.to_ascii_lowercase()) - 96).to_string());
        } else {
            out.push(c);
        }
        joined = letter;
    }
    out
}

/// Spelling words, a to z. Source: ICAO Annex 10.
pub(in crate::detect) const SPELLING: [&str; 26] = [
    "alfa", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliett", "kilo", "lima",
    "mike", "november", "oscar", "papa", "quebec", "romeo", "sierra", "tango", "uniform", "victor", "whiskey", "xray",
    "yankee", "zulu",
];

/// Spelling words with spaces, words of the text with slashes.
pub(super) fn phonetic(text: &str) -> String {
    let code = |c: char| {
        let place = u32::from(c.to_ascii_lowercase()).wrapping_sub(97) as usize;
        let word = SPELLING.get(place).filter(|_| c.is_ascii_alphabetic());
        word.map_or_else(|| c.to_string(), |w| (*w).to_owned())
    };
    let word = |word: &str| word.chars().map(code).collect::<Vec<_>>().join(" ");
    let line = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(" / ");
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}
