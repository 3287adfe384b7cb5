//! Other alphabets for the same bytes, escapes, and strings of data formats.

use std::fmt::Write as _;

fn bytes(text: &str, between: &str, one: impl Fn(u8) -> String) -> String {
    text.bytes().map(one).collect::<Vec<_>>().join(between)
}

fn chars(text: &str, one: impl Fn(char) -> String) -> String {
    text.chars().map(one).collect()
}

fn wrap(text: &str, columns: usize) -> String {
    text.as_bytes().chunks(columns).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\n")
}

pub(super) fn binary(text: &str) -> String {
    bytes(text, " ", |b| format!("{b:08b}"))
}
pub(super) fn octal(text: &str) -> String {
    bytes(text, " ", |b| format!("{b:03o}"))
}
pub(super) fn decimal(text: &str) -> String {
    bytes(text, ", ", |b| b.to_string())
}
pub(super) fn hex(text: &str) -> String {
    data_encoding::HEXLOWER.encode(text.as_bytes())
}
pub(super) fn hex_bytes(text: &str) -> String {
    bytes(text, " ", |b| format!("{b:02X}"))
}
pub(super) fn hex_prefixed(text: &str) -> String {
    format!("[{}]", bytes(text, ", ", |b| format!("0x{b:02x}")))
}
pub(super) fn base32(text: &str) -> String {
    data_encoding::BASE32.encode(text.as_bytes())
}
pub(super) fn base64(text: &str) -> String {
    data_encoding::BASE64.encode(text.as_bytes())
}
pub(super) fn base64_url(text: &str) -> String {
    data_encoding::BASE64URL_NOPAD.encode(text.as_bytes())
}
pub(super) fn base64_wrapped(text: &str) -> String {
    wrap(&base64(text), 40)
}

/// Cut off every border of four characters where there is a choice.
fn cut(text: &str) -> (String, String) {
    let whole = base64(text);
    let middle = whole.len() / 2 / 4 * 4 + usize::from(whole.len() > 8) * 2;
    let (head, tail) = whole.split_at(middle.min(whole.len()));
    (head.to_owned(), tail.to_owned())
}
pub(super) fn base64_pieces(text: &str) -> String {
    let (head, tail) = cut(text);
    format!("The first part is {head} and the second part is {tail}")
}
pub(super) fn base64_concatenated(text: &str) -> String {
    let (head, tail) = cut(text);
    format!("\"{head}\" + \"{tail}\"")
}
pub(super) fn base64_utf16(text: &str) -> String {
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    data_encoding::BASE64.encode(&units)
}

/// Source: Git and Python's `b85encode`; RFC 1924 names the alphabet.
pub(in crate::detect) const BASE85: &[u8; 85] =
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";

fn eighty_five(text: &str, digit: impl Fn(u8) -> u8) -> String {
    let mut out = Vec::new();
    for group in text.as_bytes().chunks(4) {
        let mut value = (0..4).fold(0_u32, |v, i| (v << 8) | u32::from(group.get(i).copied().unwrap_or(0)));
        let mut digits = [0_u8; 5];
        for place in digits.iter_mut().rev() {
            *place = digit((value % 85) as u8);
            value /= 85;
        }
        out.extend_from_slice(&digits[..=group.len()]);
    }
    String::from_utf8(out).unwrap_or_default()
}
pub(super) fn base85(text: &str) -> String {
    eighty_five(text, |d| BASE85[usize::from(d)])
}
pub(super) fn ascii85(text: &str) -> String {
    format!("<~{}~>", eighty_five(text, |d| d + 33))
}

pub(super) fn gzip_base64(text: &str) -> String {
    // No name, no time, unknown system: the same text gives the same bytes.
    let mut out = vec![0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255];
    out.extend(miniz_oxide::deflate::compress_to_vec(text.as_bytes(), 6));
    out.extend(crc32(text.as_bytes()).to_le_bytes());
    out.extend((text.len() as u32).to_le_bytes());
    data_encoding::BASE64.encode(&out)
}
pub(super) fn zlib_base64(text: &str) -> String {
    data_encoding::BASE64.encode(&miniz_oxide::deflate::compress_to_vec_zlib(text.as_bytes(), 6))
}

/// CRC-32 as in RFC 1952, bit by bit: only disguises are made with it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 })
    })
}

pub(super) fn percent(text: &str) -> String {
    bytes(text, "", |b| format!("%{b:02X}"))
}
pub(super) fn percent_twice(text: &str) -> String {
    bytes(text, "", |b| format!("%25{b:02X}"))
}
pub(super) fn percent_spaces(text: &str) -> String {
    bytes(text, "", |b| {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~') {
            char::from(b).to_string()
        } else {
            format!("%{b:02X}")
        }
    })
}

pub(super) fn quoted_printable(text: &str) -> String {
    bytes(text, "", |b| format!("={b:02X}"))
}

/// Lines of twelve characters with soft breaks; what has to be escaped is.
pub(super) fn quoted_printable_wrapped(text: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    for byte in text.bytes() {
        let plain = byte == b' ' || (byte.is_ascii_graphic() && byte != b'=');
        let one = if plain { char::from(byte).to_string() } else { format!("={byte:02X}") };
        if column + one.len() > 12 {
            out.push_str("=\n");
            column = 0;
        }
        column += one.len();
        out.push_str(&one);
    }
    out
}

/// Names for letters come from the mathematical alphabets of the HTML standard.
pub(super) fn entities_named(text: &str) -> String {
    chars(text, |c| match c {
        'a'..='z' | 'A'..='Z' => format!("&{c}fr;"),
        ' ' => "&nbsp;".to_owned(),
        '.' => "&period;".to_owned(),
        ',' => "&comma;".to_owned(),
        ':' => "&colon;".to_owned(),
        '/' => "&sol;".to_owned(),
        '\'' => "&apos;".to_owned(),
        '"' => "&quot;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '&' => "&amp;".to_owned(),
        '\n' => "&NewLine;".to_owned(),
        c => c.to_string(),
    })
}
pub(super) fn entities_decimal(text: &str) -> String {
    chars(text, |c| format!("&#{};", u32::from(c)))
}
pub(super) fn entities_hex(text: &str) -> String {
    chars(text, |c| format!("&#x{:x};", u32::from(c)))
}
pub(super) fn unicode_escapes(text: &str) -> String {
    text.encode_utf16().fold(String::new(), |mut out, unit| {
        let _ = write!(out, "\\u{unit:04x}");
        out
    })
}
pub(super) fn unicode_braced(text: &str) -> String {
    chars(text, |c| format!("\\u{{{:x}}}", u32::from(c)))
}
pub(super) fn hex_escapes(text: &str) -> String {
    bytes(text, "", |b| format!("\\x{b:02x}"))
}

/// A backslash, hexadecimal digits and the space that ends them.
pub(super) fn css_escapes(text: &str) -> String {
    chars(text, |c| format!("\\{:x} ", u32::from(c)))
}

pub(super) fn concatenated(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(5).map(|part| format!("\"{}\"", part.iter().collect::<String>())).collect::<Vec<_>>().join(" + ")
}

pub(super) fn json_string(text: &str) -> String {
    format!("{{\"note\": {}}}", serde_json::Value::from(text))
}
pub(super) fn yaml_block(text: &str) -> String {
    format!("notes:\n  - body: |\n      {}\n", text.replace('\n', "\n      "))
}

/// Lines of about 24 characters, broken anywhere, with a backslash at the end of each.
pub(super) fn yaml_folded(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let chars: Vec<char> = escaped.chars().collect();
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for c in chars {
        // A line that began with a space would lose it; an escape may not be cut.
        if line.chars().count() >= 24 && c != ' ' && !line.ends_with('\\') {
            lines.push(std::mem::take(&mut line));
        }
        line.push(c);
    }
    lines.push(line);
    format!("note: \"{}\"\n", lines.join("\\\n  "))
}
