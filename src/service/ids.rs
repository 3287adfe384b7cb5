//! Ids that nobody can guess, in the shape the hosted service gives them.

use super::ServiceError;

/// Base-58 without characters that look alike.
const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// `prefix`, `01`, 22 base-58 characters (128 random bits).
pub(super) fn fresh(prefix: &str) -> Result<String, ServiceError> {
    let mut bytes = [0_u8; 32];
    random(&mut bytes)?;
    Ok(shaped(prefix, &bytes))
}

/// Random bytes.
pub(super) fn random(bytes: &mut [u8]) -> Result<(), ServiceError> {
    getrandom::fill(bytes).map_err(|_| ServiceError::Unavailable { why: "the system's random generator failed" })
}

/// 22 digits of base 58 (129 bits) of the first 192 bits: far too many for a bias to show.
fn shaped(prefix: &str, bytes: &[u8; 32]) -> String {
    let mut number = [0_u8; 24];
    number.copy_from_slice(&bytes[..24]);
    let mut id = format!("{prefix}01");
    for _ in 0..22 {
        let mut rest = 0_u16;
        for byte in &mut number {
            let value = (rest << 8) | u16::from(*byte);
            *byte = (value / 58) as u8;
            rest = value % 58;
        }
        id.push(char::from(ALPHABET[usize::from(rest)]));
    }
    id
}

/// True for what may be an id at all.
pub(super) fn is_lawful(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_shape_and_differ() {
        let (a, b) = (fresh("mem_").unwrap(), fresh("mem_").unwrap());
        assert_ne!(a, b);
        assert_eq!(a.len(), "mem_01".len() + 22);
        assert!(a.starts_with("mem_01") && is_lawful(&a));
    }

    #[test]
    fn digits_are_those_of_the_number() {
        let mut bytes = [0_u8; 32];
        bytes[23] = 58;
        assert_eq!(shaped("", &bytes), format!("01{}2{}", "1", "1".repeat(20)));
    }
}
