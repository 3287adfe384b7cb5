//! How many requests one credential, one workspace and one named agent may send: a generic cell rate algorithm in
//! integers, by work: proposing, reading, reviewing and the rest each have their own measure.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::auth::Scope;

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bucket {
    /// Proposing text and starting work.
    Submit,
    /// Reading.
    Recall,
    /// The quarantine.
    Review,
    /// Everything else.
    Admin,
}

impl Bucket {
    /// Every bucket.
    pub const ALL: [Self; 4] = [Self::Submit, Self::Recall, Self::Review, Self::Admin];
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Recall => "recall",
            Self::Review => "review",
            Self::Admin => "admin",
        }
    }
    /// The bucket of an operation with this scope.
    pub(super) const fn of(scope: Scope) -> Self {
        match scope {
            Scope::Submit | Scope::StoreWrite | Scope::DreamRun => Self::Submit,
            Scope::Recall | Scope::StoreRead => Self::Recall,
            Scope::ReviewRead | Scope::ReviewDecide | Scope::ReviewSecond => Self::Review,
            _ => Self::Admin,
        }
    }
}

/// Whose requests are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// One credential.
    Credential,
    /// All credentials of a workspace.
    Workspace,
    /// The agent that a request names in `memgate-agent`, within its workspace.
    Agent,
}

impl Subject {
    /// Every subject.
    pub const ALL: [Self; 3] = [Self::Credential, Self::Workspace, Self::Agent];
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::Workspace => "workspace",
            Self::Agent => "agent",
        }
    }
}

/// The window that quotas are for.
const WINDOW_S: u64 = 60;
const SECOND: u64 = 1_000_000_000;
/// Most names that are remembered of each subject. Those beyond it share one measure: a table that forgot would let
/// whoever fills it begin anew.
const REMEMBERED: usize = 65_536;

/// A clock in nanoseconds that never goes back.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Requests per minute; 0 for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quotas([[u64; 4]; 3]);

impl Quotas {
    /// No limits.
    pub const NONE: Self = Self([[0; 4]; 3]);
    /// With a quota, at most a thousand million.
    #[must_use]
    pub fn with(mut self, subject: Subject, bucket: Bucket, per_minute: u64) -> Self {
        self.0[subject as usize][bucket as usize] = per_minute.min(1_000_000_000);
        self
    }
    const fn of(&self, subject: Subject, bucket: Bucket) -> u64 {
        self.0[subject as usize][bucket as usize]
    }
}

/// When each name has its whole quota again, by bucket.
#[derive(Debug, Default)]
struct Table {
    full_at: BTreeMap<String, [u64; 4]>,
    /// The measure that names share when there are too many.
    shared: [u64; 4],
    /// When those with their whole quota were last forgotten.
    swept: u64,
}

impl Table {
    /// The place of a name's measure, made when it is new.
    fn place(&mut self, name: &str, now: u64) -> &mut [u64; 4] {
        if !self.full_at.contains_key(name) {
            // At most once a second: whoever fills the table must not make every request walk through it.
            if self.full_at.len() >= REMEMBERED && now >= self.swept.saturating_add(SECOND) {
                self.swept = now;
                // Who has its whole quota loses nothing by being forgotten.
                self.full_at.retain(|_, full_at| full_at.iter().any(|at| *at > now));
            }
            if self.full_at.len() >= REMEMBERED {
                return &mut self.shared;
            }
        }
        self.full_at.entry(name.to_owned()).or_default()
    }
}

/// What a subject has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    subject: Subject,
    bucket: Bucket,
    quota: u64,
    left: u64,
    /// Seconds until the whole quota is there again.
    full_s: u64,
}

/// What a request's headers say about its limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standings(Vec<Standing>);

impl Standings {
    /// Values of `RateLimit-Policy` and `RateLimit`; `None` without limits.
    pub(super) fn headers(&self) -> Option<(String, String)> {
        let (mut policy, mut limit) = (String::new(), String::new());
        for Standing { subject, bucket, quota, left, full_s } in &self.0 {
            let name = format!("\"{}-{}\"", bucket.name(), subject.name());
            let comma = if policy.is_empty() { "" } else { ", " };
            let _ = write!(policy, "{comma}{name};q={quota};w={WINDOW_S}");
            let _ = write!(limit, "{comma}{name};r={left};t={full_s}");
        }
        (!policy.is_empty()).then_some((policy, limit))
    }
}

/// All limits of a server.
pub(super) struct Rates {
    quotas: Quotas,
    clock: Clock,
    tables: [Mutex<Table>; 3],
}

impl std::fmt::Debug for Rates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rates({:?})", self.quotas)
    }
}

impl Rates {
    pub(super) fn new(quotas: Quotas, clock: Clock) -> Self {
        Self { quotas, clock, tables: Default::default() }
    }

    pub(super) fn clock(&self) -> Clock {
        Arc::clone(&self.clock)
    }

    /// Counts `cost` requests for everybody named, or for nobody: then the seconds until it is worth asking again.
    pub(super) fn take(&self, bucket: Bucket, names: &[(Subject, &str)], cost: u64) -> (Standings, Result<(), u64>) {
        let now = (self.clock)();
        // Locked in one order, and all before anything is counted: a refusal by one costs nothing with another.
        let mut measures: Vec<(Subject, u64, MutexGuard<'_, Table>, &str)> = Vec::with_capacity(names.len());
        for (subject, name) in names {
            let quota = self.quotas.of(*subject, bucket);
            if quota > 0 {
                let table = self.tables[*subject as usize].lock().unwrap_or_else(PoisonError::into_inner);
                measures.push((*subject, quota, table, name));
            }
        }
        let mut wait = 0;
        for (_, quota, table, name) in &mut measures {
            let (each, whole) = interval(*quota);
            let full_at = table.place(name, now)[bucket as usize].max(now);
            let after = full_at.saturating_add(each.saturating_mul(cost));
            wait = wait.max(after.saturating_sub(now.saturating_add(whole)));
        }
        let mut standings = Standings::default();
        for (subject, quota, table, name) in &mut measures {
            let (each, whole) = interval(*quota);
            let place = &mut table.place(name, now)[bucket as usize];
            let mut full_at = (*place).max(now);
            if wait == 0 {
                full_at = full_at.saturating_add(each.saturating_mul(cost));
                *place = full_at;
            }
            let debt = full_at.saturating_sub(now);
            let (left, full_s) = (whole.saturating_sub(debt) / each, debt.div_ceil(SECOND));
            standings.0.push(Standing { subject: *subject, bucket, quota: *quota, left, full_s });
        }
        (standings, if wait == 0 { Ok(()) } else { Err(wait.div_ceil(SECOND)) })
    }
}

/// Nanoseconds that one request takes of a quota, and that the whole quota takes.
const fn interval(quota: u64) -> (u64, u64) {
    let each = WINDOW_S * SECOND / quota;
    (each, each * quota)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use proptest::prelude::*;

    use super::*;

    fn rates(quotas: Quotas) -> (Rates, Arc<AtomicU64>) {
        let time = Arc::new(AtomicU64::new(5));
        let clock = Arc::clone(&time);
        (Rates::new(quotas, Arc::new(move || clock.load(Ordering::Relaxed))), time)
    }

    #[test]
    fn a_quota_comes_back_one_by_one_and_others_are_not_touched() {
        let quotas = Quotas::NONE.with(Subject::Credential, Bucket::Submit, 3);
        let (rates, time) = rates(quotas);
        let ask = |who: &str| rates.take(Bucket::Submit, &[(Subject::Credential, who)], 1);
        for left in [2, 1, 0] {
            let (standings, result) = ask("a");
            assert_eq!((standings.0[0].left, result), (left, Ok(())));
        }
        let (standings, result) = ask("a");
        assert_eq!(result, Err(20));
        let (policy, limit) = standings.headers().unwrap();
        assert_eq!(policy, "\"submit-credential\";q=3;w=60");
        assert_eq!(limit, "\"submit-credential\";r=0;t=60");
        assert_eq!(ask("b").1, Ok(()));
        assert_eq!(rates.take(Bucket::Recall, &[(Subject::Credential, "a")], 1), (Standings::default(), Ok(())));
        time.fetch_add(20 * SECOND, Ordering::Relaxed);
        assert_eq!(ask("a").1, Ok(()));
        assert_eq!(ask("a").1, Err(20));
    }

    #[test]
    fn a_refusal_by_one_measure_costs_nothing_with_another() {
        let quotas = Quotas::NONE.with(Subject::Workspace, Bucket::Submit, 10).with(Subject::Agent, Bucket::Submit, 1);
        let (rates, _) = rates(quotas);
        let ask = |agent: &str| rates.take(Bucket::Submit, &[(Subject::Workspace, "w"), (Subject::Agent, agent)], 1);
        assert_eq!(ask("noisy").1, Ok(()));
        for _ in 0..50 {
            assert!(ask("noisy").1.is_err());
        }
        let (standings, result) = ask("quiet");
        assert_eq!((standings.0[0].left, result), (8, Ok(())));
    }

    #[test]
    fn more_names_than_are_remembered_share_one_measure_and_nobody_begins_anew() {
        let quotas = Quotas::NONE.with(Subject::Agent, Bucket::Submit, 2);
        let (rates, time) = rates(quotas);
        let ask = |name: &str| rates.take(Bucket::Submit, &[(Subject::Agent, name)], 1).1;
        assert_eq!((ask("first"), ask("first")), (Ok(()), Ok(())));
        for number in 1..REMEMBERED {
            assert_eq!(ask(&number.to_string()), Ok(()));
        }
        assert_eq!((ask("x"), ask("y")), (Ok(()), Ok(())));
        assert!(ask("z").is_err(), "a new name begins anew");
        assert!(ask("first").is_err(), "a name was forgotten");
        assert!(rates.tables[2].lock().unwrap().full_at.len() <= REMEMBERED);
        time.fetch_add(61 * SECOND, Ordering::Relaxed);
        assert_eq!(ask("z"), Ok(()));
    }

    proptest! {
        #[test]
        fn no_window_lets_more_than_twice_the_quota_through(quota in 1_u64..200, steps in prop::collection::vec(0_u64..SECOND, 1..400)) {
            let (rates, time) = rates(Quotas::NONE.with(Subject::Credential, Bucket::Admin, quota));
            let mut passed = Vec::new();
            for step in steps {
                let now = time.fetch_add(step, Ordering::Relaxed) + step;
                if rates.take(Bucket::Admin, &[(Subject::Credential, "a")], 1).1.is_ok() {
                    passed.push(now);
                }
            }
            for (at, start) in passed.iter().enumerate() {
                let within = passed[at..].iter().take_while(|time| **time < start + WINDOW_S * SECOND).count() as u64;
                prop_assert!(within <= 2 * quota, "{within} of {quota}");
            }
        }
    }
}
