//! Exact fractions of permille: a score is rounded once, at the very end, and down.

/// A non-negative fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ratio {
    num: i128,
    den: i128,
}

/// Which way a fraction may move when it gets too long to keep exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Toward {
    /// Down: for low ends.
    Down,
    /// Up: for high ends.
    Up,
}

const GRAIN: i128 = 1_000_000_000_000;

const fn gcd(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl Ratio {
    /// `num / den`, cut to 0..=1000. `den` must be positive.
    pub(crate) fn cut(num: i128, den: i128) -> Self {
        let num = num.clamp(0, den.saturating_mul(1000));
        let divisor = gcd(num, den).max(1);
        Self { num: num / divisor, den: den / divisor }
    }
    /// A whole number of permille.
    pub(crate) fn whole(permille: u16) -> Self {
        Self { num: i128::from(permille.min(1000)), den: 1 }
    }
    /// The largest whole permille not above it.
    pub(crate) fn floor(self) -> u16 {
        u16::try_from(self.num / self.den).unwrap_or(1000)
    }
    /// Weighted mean; `None` when no weight counts. Exact as long as the fractions stay below
    /// 2^127; beyond that moved to a multiple of 10^-12 in the given direction.
    pub(crate) fn mean(parts: &[(u32, Self)], toward: Toward) -> Option<Self> {
        let weights: i128 = parts.iter().map(|(weight, _)| i128::from(*weight)).sum();
        if weights == 0 {
            return None;
        }
        let mut sum = Self { num: 0, den: 1 };
        for (weight, part) in parts {
            sum = sum.plus(*part, i128::from(*weight), toward);
        }
        let den = sum.den.checked_mul(weights);
        Some(match den {
            Some(den) => Self::cut(sum.num, den),
            None => Self::cut(sum.coarse(toward).num, GRAIN * weights),
        })
    }
    fn plus(self, part: Self, weight: i128, toward: Toward) -> Self {
        let exact = || {
            let num =
                self.num.checked_mul(part.den)?.checked_add(part.num.checked_mul(weight)?.checked_mul(self.den)?)?;
            let den = self.den.checked_mul(part.den)?;
            let divisor = gcd(num, den).max(1);
            Some(Self { num: num / divisor, den: den / divisor })
        };
        exact().unwrap_or_else(|| {
            let (a, b) = (self.coarse(toward), part.coarse(toward));
            Self { num: a.num.saturating_add(b.num.saturating_mul(weight)), den: GRAIN }
        })
    }
    fn coarse(self, toward: Toward) -> Self {
        // whole and rest apart, so that nothing overflows
        let (whole, rest) = (self.num / self.den, self.num % self.den);
        let scaled = rest.checked_mul(GRAIN).map_or_else(|| rest / (self.den / GRAIN).max(1), |n| n / self.den);
        let up = i128::from(toward == Toward::Up && rest != 0);
        Self { num: whole.saturating_mul(GRAIN) + (scaled + up).min(GRAIN), den: GRAIN }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn thirds_do_not_lose_a_permille_on_the_way_up() {
        let third = Ratio::cut(1000, 3);
        let two = Ratio::cut(2000, 3);
        let mean = Ratio::mean(&[(1, third), (1, two)], Toward::Down);
        assert_eq!(mean.map(Ratio::floor), Some(500));
    }

    proptest! {
        #[test]
        fn a_mean_lies_between_its_parts(parts in prop::collection::vec((1u32..1000, 0i128..1000, 1i128..1_000_000_007), 1..40)) {
            let parts: Vec<_> = parts.into_iter().map(|(w, n, d)| (w, Ratio::cut(n * d / 1000, d / 1000 + 1))).collect();
            let low = Ratio::mean(&parts, Toward::Down).unwrap().floor();
            let high = Ratio::mean(&parts, Toward::Up).unwrap().floor();
            let least = parts.iter().map(|p| p.1.floor()).min().unwrap();
            let most = parts.iter().map(|p| p.1.floor()).max().unwrap();
            prop_assert!(low <= high && low + 1 >= least && high <= most + 1);
        }
    }
}
