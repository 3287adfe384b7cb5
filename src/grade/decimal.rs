//! Exact decimals, so that 0.3 - 0.2 is within 0.1 on every machine.

use serde::Serialize;

/// A number as a whole multiple of 10^-12.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub(crate) struct Decimal(i128);

const SCALE: u32 = 12;

impl From<Decimal> for String {
    fn from(value: Decimal) -> Self {
        value.0.to_string()
    }
}

impl Decimal {
    /// Reads `-12.5`, `1e3`. `None` for anything else, for more than 21 digits before the point
    /// and for digits that do not fit 12 places: nothing is rounded in silence.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() > 64 {
            return None;
        }
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, digits) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let plain = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !plain(whole) || !plain(part) || (digits.contains('.') && part.is_empty()) {
            return None;
        }
        let part = part.trim_end_matches('0');
        let mut value: i128 = 0;
        for digit in whole.bytes().chain(part.bytes()) {
            value = value.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
        }
        let shift = i32::try_from(SCALE).ok()?.checked_add(exponent)?.checked_sub(i32::try_from(part.len()).ok()?)?;
        let power = 10_i128.checked_pow(shift.unsigned_abs());
        let value = match power {
            _ if value == 0 => 0,
            Some(power) if shift >= 0 => value.checked_mul(power)?,
            Some(power) if value % power == 0 => value / power,
            _ => return None,
        };
        let limit = 10_i128.pow(21 + SCALE);
        (value < limit).then_some(Self(if negative { -value } else { value }))
    }
    /// The distance of two numbers.
    pub(crate) const fn distance(self, other: Self) -> Self {
        Self((self.0 - other.0).abs())
    }
    /// True when `self <= of * permille / 1000`, by size.
    pub(crate) const fn within_permille(self, of: Self, permille: u64) -> bool {
        // Both sides stay below 2 * 10^21 * 10^12 * 1000 < 2^127 because permille is at most 1000.
        self.0.saturating_mul(1000) <= of.0.abs().saturating_mul(permille as i128)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_and_never_rounded() {
        let d = |s: &str| Decimal::parse(s);
        assert_eq!(d("1.50"), d("15e-1"));
        assert_eq!(d("1e21"), d("1000000000000000000000"));
        assert_eq!(d("0.3").unwrap().distance(d("0.2").unwrap()), d("0.1").unwrap());
        assert_eq!(d("-0"), d("0"));
        assert_eq!(d("0e999999999"), d("0"));
        for bad in ["", "-", "1.", ".5", "+1", "1e", "nan", "1e40", "0.1234567890123", "1_0", "1 "] {
            assert_eq!(d(bad), None, "{bad}");
        }
    }
}
