//! Logarithms of evidence as integers, the same bits on every machine.
//!
//! The only operations are IEEE additions, products and quotients (exact by standard) and the
//! software logarithm of `libm`. Everything is rounded down, so evidence is never overstated.

/// Millionths of a bit: the unit in which evidence is added up.
pub(super) const MICRO: i64 = 1_000_000;

/// Lowest evidence that is kept: below it nothing can ever matter, and sums cannot overflow.
const FLOOR: i64 = i64::MIN / 4;

/// log2 in millionths of a bit, rounded down.
pub(super) fn log2(x: f64) -> i64 {
    if x.is_nan() || x <= 0.0 {
        return FLOOR;
    }
    // a finite log2 lies within 1100 bits; the margin covers the last place of the software logarithm
    libm::floor(libm::log2(x) * MICRO as f64 - 1e-6) as i64
}

/// log2(1/alpha) in thousandths of a bit, rounded up: a line that is never too low.
pub(super) fn threshold_millibits(alpha: f64) -> i64 {
    libm::ceil(-libm::log2(alpha) * 1000.0 + 1e-9) as i64
}

/// log2(2^a + 2^b), rounded down.
pub(super) fn add(a: i64, b: i64) -> i64 {
    let (high, low) = if a >= b { (a, b) } else { (b, a) };
    let apart = high.saturating_sub(low);
    if apart > 60 * MICRO {
        return high;
    }
    high.saturating_add(log2(1.0 + libm::exp2(-(apart as f64) / MICRO as f64)))
}

/// a * b in logarithms, never below the floor.
pub(super) fn times(a: i64, b: i64) -> i64 {
    a.saturating_add(b).max(FLOOR)
}

/// log2 of the mean of 2^value, rounded down.
pub(super) fn mean(values: &[i64]) -> i64 {
    let Some(&high) = values.iter().max() else { return FLOOR };
    let sum: f64 = values.iter().map(|value| libm::exp2(high.saturating_sub(*value) as f64 / -(MICRO as f64))).sum();
    times(high, log2(sum / values.len() as f64))
}

/// Whole thousandths of a bit, rounded down.
pub(super) const fn millibits(micro: i64) -> i64 {
    micro.div_euclid(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_rounded_down_and_agree_with_known_values() {
        assert_eq!(log2(1.0), -1); // the margin
        assert_eq!(log2(2.0), 999_999);
        assert_eq!(log2(0.95), -74_001);
        assert_eq!(threshold_millibits(0.05), 4322);
        assert_eq!(threshold_millibits(0.01), 6644);
        assert_eq!(millibits(-1), -1);
        assert!((add(0, 0) - MICRO).abs() <= 2);
        assert_eq!(add(FLOOR, 5), 5);
        assert!((mean(&[0, 0, 0, 0, 0, 0])).abs() <= 2);
        assert_eq!(log2(f64::NAN), FLOOR);
    }
}
