//! Long runs of encoded bytes that decode to nothing readable.

use super::Spot;
use crate::domain::Span;

/// Shortest opaque run, characters: longer than any common digest or id in base64.
const OPAQUE_CHARS: usize = 100;

/// Spots among runs that did not decode.
pub(in crate::detect) fn spots(text: &str, runs: &[Span]) -> Vec<Spot> {
    runs.iter()
        .filter(|run| run.len() >= OPAQUE_CHARS && is_opaque(text, **run))
        .map(|run| Spot { slug: "opaque-blob", span: *run, what: "unreadable encoded run" })
        .collect()
}

fn is_opaque(text: &str, run: Span) -> bool {
    let Some(part) = run.slice(text) else { return false };
    if part.bytes().all(|b| b.is_ascii_hexdigit()) && part.len() <= 128 {
        return false;
    }
    // Public parts: keys, certificates, integrity digests.
    let mut from = run.start.saturating_sub(160);
    while !text.is_char_boundary(from) {
        from -= 1;
    }
    let before = text.get(from..run.start).unwrap_or_default();
    if [
        "ssh-rsa ",
        "ssh-ed25519 ",
        "ssh-dss ",
        "ecdsa-sha2-",
        "sha512-",
        "sha384-",
        "sha256-",
        "CERTIFICATE-----",
        "PUBLIC KEY-----",
    ]
    .iter()
    .any(|p| before.contains(p))
        || part.starts_with("sha512-")
        || part.starts_with("AAAAB3NzaC1")
    {
        return false;
    }
    // Paths and hyphenated names change case and digit class rarely; encodings do all the time.
    let class = |b: u8| match b {
        b'a'..=b'z' => 0_u8,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    };
    let bytes = part.as_bytes();
    let changes = bytes.windows(2).filter(|w| class(w[0]) != class(w[1])).count();
    let mut seen = [false; 256];
    for byte in bytes {
        seen[usize::from(*byte)] = true;
    }
    let distinct = seen.iter().filter(|s| **s).count();
    changes * 100 >= bytes.len() * 35 && distinct >= 14
}
