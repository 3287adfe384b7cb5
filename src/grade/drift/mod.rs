//! Since when did outcomes get worse, and what changed then.
//!
//! Monitors read one stream of grades in ledger order and fire with a guarantee on false alarms
//! that holds at all times at once; an alarm names the versions between which to look.

mod bits;
mod changes;
mod monitor;
mod reference;
mod simulate;

use super::run::{Grade, Verdict};

pub use changes::{
    Association, ChangeKind, Exposure, Rung, Suspect, VersionSummary, explain_changes, rank_by_exposure,
};
pub use monitor::{
    Alarm, Budget, Detector, Entry, Monitor, MonitorSpec, MonitorStatus, Sample, UnitRule, VersionStanding, Worse,
};
pub use reference::{Bound, Reference};
pub use simulate::{Scenario, Simulation, simulate};

/// Which number of a grade a monitor watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Pass is 1000, fail is 0, inconclusive has no value.
    Verdict,
    /// The score, when it is decided.
    Score,
    /// A criterion's answer, when it is decided.
    Criterion(String),
    /// 1000 when the verdict is inconclusive, else 0: missing grades are a stream of their own.
    Ungraded,
}

impl Measure {
    /// The value in permille; `None` is never made up, it is counted as missing.
    pub fn of(&self, grade: &Grade) -> Option<u16> {
        let decided = |low: u16, high: u16| (low == high).then_some(low);
        match self {
            Self::Verdict => match grade.verdict {
                Verdict::Pass => Some(1000),
                Verdict::Fail => Some(0),
                Verdict::Inconclusive => None,
            },
            Self::Score => decided(grade.score_low, grade.score_high),
            Self::Criterion(id) => {
                let result = grade.criterion(id)?;
                let counts = result.status == super::run::Status::Met;
                counts.then_some(()).and_then(|()| decided(result.low, result.high))
            }
            Self::Ungraded => Some(if grade.verdict == Verdict::Inconclusive { 1000 } else { 0 }),
        }
    }
}
