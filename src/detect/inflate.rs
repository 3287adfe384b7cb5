//! Compressed bytes inside encoded text: gzip (RFC 1952) and zlib (RFC 1950), with a ceiling on what comes out.

use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_with_limit, decompress_to_vec_zlib_with_limit};

/// What came out of compressed bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Inflated {
    pub(super) bytes: Vec<u8>,
    /// True when more would have come.
    pub(super) cut: bool,
}

/// True for bytes that begin like gzip or zlib.
pub(super) fn is_packed(bytes: &[u8]) -> bool {
    match bytes {
        [0x1F, 0x8B, 8, ..] => true,
        // CMF and FLG are a multiple of 31; deflate with a window of at most 32 KiB, no dictionary.
        [cmf, flg, ..] => {
            cmf & 0x0F == 8
                && cmf >> 4 <= 7
                && flg & 0x20 == 0
                && (u16::from(*cmf) * 256 + u16::from(*flg)).is_multiple_of(31)
        }
        _ => false,
    }
}

/// Inflates gzip or zlib bytes, `most` bytes of output. `None` when they are neither.
///
/// What was inflated before an error counts: a cut-off archive still shows its beginning.
pub(super) fn inflate(bytes: &[u8], most: usize) -> Option<Inflated> {
    let result = match bytes {
        [0x1F, 0x8B, 8, flags, _, _, _, _, _, _, rest @ ..] => decompress_to_vec_with_limit(body(rest, *flags)?, most),
        _ if is_packed(bytes) => decompress_to_vec_zlib_with_limit(bytes, most),
        _ => return None,
    };
    match result {
        Ok(bytes) => Some(Inflated { bytes, cut: false }),
        Err(mut error) => {
            // The buffer is larger than what was written to it.
            let len = error.output.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
            error.output.truncate(len);
            (len > 0).then_some(Inflated { cut: error.status == TINFLStatus::HasMoreOutput, bytes: error.output })
        }
    }
}

/// The deflate stream behind the optional fields of a gzip header.
fn body(mut rest: &[u8], flags: u8) -> Option<&[u8]> {
    if flags & 4 != 0 {
        let len = usize::from(u16::from_le_bytes([*rest.first()?, *rest.get(1)?]));
        rest = rest.get(2 + len..)?;
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            rest = rest.get(memchr::memchr(0, rest)? + 1..)?;
        }
    }
    if flags & 2 != 0 {
        rest = rest.get(2..)?;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bomb_stops_at_the_ceiling_and_says_so() {
        let bomb = miniz_oxide::deflate::compress_to_vec_zlib(&vec![b'a'; 4 << 20], 9);
        assert!(bomb.len() < 8192);
        let out = inflate(&bomb, 1000).unwrap();
        assert!(out.cut && out.bytes.len() <= 1000);
        assert!(!inflate(&bomb, 8 << 20).unwrap().cut);
    }

    #[test]
    fn optional_header_fields_are_skipped_and_noise_is_refused() {
        let mut gzip = vec![0x1F, 0x8B, 8, 4 | 8 | 16 | 2, 0, 0, 0, 0, 0, 3, 2, 0, 9, 9];
        gzip.extend(b"name\0comment\0\x01\x02");
        gzip.extend(miniz_oxide::deflate::compress_to_vec(b"plain text", 6));
        assert_eq!(inflate(&gzip, 100).unwrap().bytes, b"plain text");
        for noise in [&b"x\x9c"[..], b"\x1f\x8b\x08\x04\0\0\0\0\0\0", b"plain", b"", b"\x1f\x8b\x08\x08\0\0\0\0\0\0abc"]
        {
            assert_eq!(inflate(noise, 100), None);
        }
    }
}
