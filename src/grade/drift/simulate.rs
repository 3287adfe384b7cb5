//! What to expect of a monitor before it is switched on.

use serde::Serialize;

use super::monitor::{Detector, Monitor, MonitorSpec, Sample};
use crate::grade::error::GradeError;

/// A fall to try a monitor on: yes/no outcomes, independent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Pass rate before, in permille.
    pub before_permille: u16,
    /// Pass rate after, in permille.
    pub after_permille: u16,
    /// Sessions before the change; for D1 the change is the start of a new version.
    pub change_at: u32,
    /// Sessions after the change that are watched at most.
    pub horizon: u32,
    /// How many streams.
    pub runs: u32,
    /// Where the pseudo-random numbers start; the same seed gives the same answer.
    pub seed: u64,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Simulation {
    /// Streams.
    pub runs: u32,
    /// Streams that fired before anything changed.
    pub false_alarms: u32,
    /// Streams that fired after the change.
    pub fired: u32,
    /// Streams that never fired.
    pub missed: u32,
    /// Sessions from the change to the alarm, median over streams that did not fire before it;
    /// `None` when half of them never fired.
    pub median_delay: Option<u32>,
    /// The delay nine in ten streams keep.
    pub p90_delay: Option<u32>,
}

/// Tries a monitor on a fall.
///
/// Errors: refused when the monitor's numbers make no test.
/// Cost: runs times sessions; about a microsecond each.
pub fn simulate(spec: &MonitorSpec, scenario: &Scenario) -> Result<Simulation, GradeError> {
    let mut random = SplitMix(scenario.seed);
    let mut delays: Vec<Option<u32>> = Vec::new();
    let mut false_alarms = 0;
    for _ in 0..scenario.runs {
        let mut monitor = Monitor::new(spec.clone())?;
        let mut sample = Sample { at: 0, version: "before".to_owned(), unit: None, value: None };
        let mut early = false;
        for _ in 0..scenario.change_at {
            sample.at += 1;
            sample.value = Some(random.pass(scenario.before_permille));
            early |= !monitor.push(&sample).is_empty();
        }
        if early {
            false_alarms += 1;
            // D1 tests the new version on its own; a D2 that fired has nothing left to say
            if spec.detector == Detector::D2 {
                continue;
            }
        }
        "after".clone_into(&mut sample.version);
        let mut delay = None;
        for n in 1..=scenario.horizon {
            sample.at += 1;
            sample.value = Some(random.pass(scenario.after_permille));
            if !monitor.push(&sample).is_empty() {
                delay = Some(n);
                break;
            }
        }
        delays.push(delay);
    }
    delays.sort_by_key(|delay| delay.unwrap_or(u32::MAX));
    let at = |share: usize| delays.get((delays.len().max(1) - 1) * share / 100).copied().flatten();
    let fired = u32::try_from(delays.iter().flatten().count()).unwrap_or(u32::MAX);
    let watched = u32::try_from(delays.len()).unwrap_or(u32::MAX);
    Ok(Simulation {
        runs: scenario.runs,
        false_alarms,
        fired,
        missed: watched.saturating_sub(fired),
        median_delay: at(50),
        p90_delay: at(90),
    })
}

/// Source: Steele, Lea and Flood 2014 (SplitMix64). Not for keys or ids.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    fn pass(&mut self, permille: u16) -> u16 {
        // the high half times 1000: the bias is below 2^-32
        let draw = ((self.next() >> 32) * 1000) >> 32;
        if draw < u64::from(permille) { 1000 } else { 0 }
    }
}
