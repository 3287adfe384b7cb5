//! What outcomes are compared with: a declared level, or one learned from anchor sessions.

use serde::{Deserialize, Serialize};

use super::bits;
use super::monitor::Worse;
use crate::grade::error::GradeError;

/// The six bets of every monitor, equally weighted.
pub(super) const BETS: [f64; 6] = [0.05, 0.1, 0.2, 0.35, 0.5, 0.7];

/// The level below (or above) which outcomes count as worse.
///
/// Units: millionths, 1 to 999,999.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// What is compared with when lower is worse.
    pub low_ppm: u32,
    /// What is compared with when higher is worse.
    pub high_ppm: u32,
    /// Anchor units it was learned from; `None` when it was declared.
    pub learned_from: Option<u64>,
    /// The level the learning was done for: a monitor of another level refuses it.
    pub learned_alpha_ppm: Option<u32>,
}

/// How a reference is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Exact binomial: yes/no values, and the number of anchor sessions was fixed beforehand.
    Exact,
    /// By betting: any values, any stopping.
    Betting,
}

impl Reference {
    /// A declared level in permille, e.g. a service level of 900.
    pub const fn declared(permille: u16) -> Self {
        let ppm = permille as u32 * 1000;
        Self { low_ppm: ppm, high_ppm: ppm, learned_from: None, learned_alpha_ppm: None }
    }
    /// Learns the reference from anchor values (permille): the one-sided bound at half of alpha,
    /// moved away by the tolerance. The monitor that uses it runs at the other half.
    ///
    /// Errors: refused when there are no values, when they are not yes/no for the exact bound, or
    /// when nothing is left to lose.
    /// Source: Clopper and Pearson 1934; betting bound, own design after Waudby-Smith and Ramdas.
    pub fn learn(
        anchor: &[u16],
        alpha_ppm: u32,
        tolerance_permille: u16,
        worse: Worse,
        bound: Bound,
    ) -> Result<Self, GradeError> {
        let bad = |problem| GradeError::BadAnchor { problem };
        if anchor.is_empty() || anchor.len() > 1_000_000 {
            return Err(bad("needs 1 to 1,000,000 anchor values"));
        }
        if anchor.iter().any(|value| *value > 1000) {
            return Err(bad("values are permille, at most 1000"));
        }
        if !(1..=500_000).contains(&alpha_ppm) {
            return Err(bad("alpha must be from 0.000001 to 0.5"));
        }
        if bound == Bound::Exact && anchor.iter().any(|value| !matches!(value, 0 | 1000)) {
            return Err(bad("the exact bound is for yes/no values; use the betting bound"));
        }
        let level = f64::from(alpha_ppm) / 1e6 / 2.0 / worse.sides() as f64;
        let lower = |values: &[u16]| match bound {
            Bound::Exact => {
                let wins = values.iter().filter(|value| **value == 1000).count();
                exact_lower_ppm(values.len() as u64, wins as u64, level)
            }
            Bound::Betting => betting_lower_ppm(values, level),
        };
        let tolerance = u32::from(tolerance_permille) * 1000;
        let low = lower(anchor).saturating_sub(tolerance);
        let mirrored: Vec<u16> = anchor.iter().map(|value| 1000 - value).collect();
        let high = (1_000_000 - lower(&mirrored)).saturating_add(tolerance);
        if (worse != Worse::Higher && low == 0) || (worse != Worse::Lower && high >= 1_000_000) {
            return Err(bad("the bound leaves nothing to lose"));
        }
        Ok(Self {
            low_ppm: low.clamp(1, 999_999),
            high_ppm: high.clamp(1, 999_999),
            learned_from: Some(anchor.len() as u64),
            learned_alpha_ppm: Some(alpha_ppm),
        })
    }
}

/// The largest share p (millionths, rounded down) at which `wins` or more out of `n` still has a
/// chance of at most `level`.
fn exact_lower_ppm(n: u64, wins: u64, level: f64) -> u32 {
    if wins == 0 {
        return 0;
    }
    // At p = wins/n the tail is near a half, so the answer lies below, where terms only fall.
    let (mut low, mut high) = (0_u64, wins * 1_000_000 / n);
    while low < high {
        let middle = (low + high).div_ceil(2);
        if upper_tail(n, wins, middle as f64 / 1e6) <= level {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    u32::try_from(low).unwrap_or(0)
}

/// P(X >= k) for X binomial, p at most k/n.
fn upper_tail(n: u64, k: u64, p: f64) -> f64 {
    if p <= 0.0 {
        return 0.0;
    }
    if p >= 1.0 {
        return 1.0;
    }
    let gamma = |x: u64| libm::lgamma(x as f64 + 1.0);
    let (n_f, k_f) = (n as f64, k as f64);
    let ln = gamma(n) - gamma(k) - gamma(n - k) + k_f * libm::log(p) + (n_f - k_f) * libm::log1p(-p);
    let mut term = libm::exp(ln);
    let mut sum = 0.0;
    for j in k..=n {
        sum += term;
        term *= (n - j) as f64 / (j + 1) as f64 * (p / (1.0 - p));
        if term < sum * 1e-18 {
            break;
        }
    }
    // the margin covers the rounding of lgamma for a million sessions
    sum * (1.0 + 1e-8)
}

/// The largest mean (millionths, rounded down) that the values refute from below: wealth of bets
/// that the mean is higher, at its best moment, is at least 1/level.
fn betting_lower_ppm(values: &[u16], level: f64) -> u32 {
    let line = bits::threshold_millibits(level);
    let refuted = |ppm: u64| {
        let m = ppm as f64 / 1e6;
        let mut wealth = [0_i64; BETS.len()];
        for value in values {
            let x = f64::from(*value) / 1000.0;
            for (wealth, bet) in wealth.iter_mut().zip(BETS) {
                *wealth = bits::times(*wealth, bits::log2(1.0 + bet * (x - m) / m));
            }
            if bits::millibits(bits::mean(&wealth)) >= line {
                return true;
            }
        }
        false
    };
    // wealth falls as the mean it bets against rises, so the refuted means are an interval from zero
    let (mut low, mut high) = (0_u64, 999_999);
    while low < high {
        let middle = (low + high).div_ceil(2);
        if refuted(middle) { low = middle } else { high = middle - 1 }
    }
    u32::try_from(low).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_bounds_equal_those_computed_with_fractions() {
        // computed with exact fractions: the lower ends of the usual 95 % Clopper-Pearson intervals
        for (n, k, want) in [(100, 90, 823_777), (10, 10, 691_502), (10, 1, 2_528), (20, 19, 751_267)] {
            assert_eq!(exact_lower_ppm(n, k, 0.025), want, "{n} {k}");
        }
        assert_eq!(exact_lower_ppm(10, 0, 0.025), 0);
        assert!(exact_lower_ppm(1_000_000, 900_000, 0.025) < 900_000);
    }

    #[test]
    fn a_learned_reference_is_below_what_was_seen_and_the_exact_one_is_tighter() {
        let anchor: Vec<u16> = (0..400).map(|i| if i % 10 == 0 { 0 } else { 1000 }).collect();
        let exact = Reference::learn(&anchor, 50_000, 0, Worse::Lower, Bound::Exact).unwrap();
        let betting = Reference::learn(&anchor, 50_000, 0, Worse::Lower, Bound::Betting).unwrap();
        assert!(betting.low_ppm < exact.low_ppm && exact.low_ppm < 900_000, "{betting:?} {exact:?}");
        assert!(betting.low_ppm > 800_000);
        let looser = Reference::learn(&anchor, 50_000, 20, Worse::Lower, Bound::Exact).unwrap();
        assert_eq!(looser.low_ppm, exact.low_ppm - 20_000);
    }

    #[test]
    fn anchors_that_prove_nothing_are_refused() {
        let learn = |values: &[u16], bound| Reference::learn(values, 50_000, 0, Worse::Lower, bound);
        assert!(learn(&[], Bound::Exact).is_err());
        assert!(learn(&[500], Bound::Exact).is_err());
        assert!(learn(&[0, 0, 0], Bound::Betting).is_err());
        assert!(learn(&[1001], Bound::Betting).is_err());
    }
}
