//! HTML character references. Source: HTML standard, section 13.5 (names that hide ASCII).

/// Names that stand for an ASCII or an invisible character, and a few that pages use everywhere.
const NAMES: [(&str, char); 47] = [
    ("Tab", '\t'),
    ("NewLine", '\n'),
    ("nbsp", '\u{a0}'),
    ("excl", '!'),
    ("quot", '"'),
    ("num", '#'),
    ("dollar", '$'),
    ("percnt", '%'),
    ("amp", '&'),
    ("AMP", '&'),
    ("apos", '\''),
    ("lpar", '('),
    ("rpar", ')'),
    ("ast", '*'),
    ("midast", '*'),
    ("plus", '+'),
    ("comma", ','),
    ("period", '.'),
    ("sol", '/'),
    ("colon", ':'),
    ("semi", ';'),
    ("lt", '<'),
    ("LT", '<'),
    ("equals", '='),
    ("gt", '>'),
    ("GT", '>'),
    ("quest", '?'),
    ("commat", '@'),
    ("lsqb", '['),
    ("lbrack", '['),
    ("bsol", '\\'),
    ("rsqb", ']'),
    ("rbrack", ']'),
    ("Hat", '^'),
    ("lowbar", '_'),
    ("grave", '`'),
    ("lcub", '{'),
    ("lbrace", '{'),
    ("verbar", '|'),
    ("vert", '|'),
    ("rcub", '}'),
    ("rbrace", '}'),
    ("shy", '\u{ad}'),
    ("zwnj", '\u{200c}'),
    ("zwj", '\u{200d}'),
    ("hyphen", '-'),
    ("dash", '-'),
];

/// The character reference that starts at `at`, and where it ends.
///
/// The semicolon may be missing after digits, as browsers allow.
pub(super) fn entity(text: &str, at: usize) -> Option<(String, usize)> {
    let rest = text.get(at + 1..)?;
    if let Some(number) = rest.strip_prefix('#') {
        let (digits, radix, lead) = match number.strip_prefix(['x', 'X']) {
            Some(hex) => (hex, 16, 3),
            None => (number, 10, 2),
        };
        let len = digits.bytes().take(9).take_while(|b| (*b as char).is_digit(radix)).count();
        let value = u32::from_str_radix(digits.get(..len)?, radix).ok()?;
        let c = char::from_u32(value).filter(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'))?;
        let end = at + lead + len + usize::from(digits.as_bytes().get(len) == Some(&b';'));
        return Some((c.to_string(), end));
    }
    let len = rest.bytes().take(10).take_while(u8::is_ascii_alphanumeric).count();
    if rest.as_bytes().get(len) != Some(&b';') {
        return None;
    }
    let name = rest.get(..len)?;
    let end = at + len + 2;
    NAMES.iter().find(|(n, _)| *n == name).map(|(_, c)| c.to_string()).or_else(|| letter(name)).map(|text| (text, end))
}
/// A letter of a mathematical alphabet (as the plain letter), or with an accent.
fn letter(name: &str) -> Option<String> {
    let first = name.chars().next().filter(char::is_ascii_alphabetic)?;
    let mark = match name.get(1..)? {
        "fr" | "opf" | "scr" => return Some(first.to_string()),
        "acute" => '\u{301}',
        "grave" => '\u{300}',
        "circ" => '\u{302}',
        "uml" => '\u{308}',
        "tilde" => '\u{303}',
        "ring" => '\u{30A}',
        "cedil" => '\u{327}',
        "caron" => '\u{30C}',
        _ => return None,
    };
    Some([first, mark].iter().collect())
}
