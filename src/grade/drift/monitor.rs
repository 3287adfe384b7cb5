//! D1, the version test, and D2, the stop monitor.
//!
//! Both bet against "outcomes are at least the reference". Wealth that doubles ten times is ten
//! bits of evidence; if nothing got worse, wealth reaches 1/alpha with a chance of at most alpha,
//! at whatever time one looks (Ville's inequality).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bits;
use super::reference::{BETS, Reference};
use crate::grade::error::GradeError;

/// Which recursion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Detector {
    /// Version test: E is multiplied by f, from the first session of each version.
    D1,
    /// Stop monitor, time of change unknown: S becomes f times (S + w), never reset by a version.
    D2,
}

/// Which way is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Worse {
    /// Falling values, e.g. pass rates.
    Lower,
    /// Rising values, e.g. errors.
    Higher,
    /// Either, each at half of alpha.
    Either,
}

impl Worse {
    pub(super) const fn sides(self) -> usize {
        match self {
            Self::Lower | Self::Higher => 1,
            Self::Either => 2,
        }
    }
}

/// What is one observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnitRule {
    /// Every session is on its own.
    Session,
    /// Sessions of one unit (a user, a task instance, a day) are averaged; a unit closes at so many
    /// sessions, when its version ends, and at a flush.
    Average {
        /// Sessions in a full unit.
        size: u32,
    },
}

/// How D1's alpha is spent over versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// Each version is tested at alpha.
    EachVersion,
    /// The v-th version is tested at alpha * 6 / (pi^2 v^2), so that all of them together keep alpha.
    AllVersions,
}

/// What a monitor does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonitorSpec {
    /// Its name.
    pub id: String,
    /// The recursion.
    pub detector: Detector,
    /// Chance of a wrong alarm, in millionths; 50,000 is 5 %.
    pub alpha_ppm: u32,
    /// Which way is worse.
    pub worse: Worse,
    /// What is compared with.
    pub reference: Reference,
    /// What is one observation.
    pub unit: UnitRule,
    /// How D1 spends alpha; D2 has one alarm for all time and ignores it.
    pub budget: Budget,
    /// Observations a version needs without an alarm before it counts as passed.
    pub pass_after: u32,
}

impl MonitorSpec {
    /// A monitor with the usual settings: lower is worse, every session counts, each version at
    /// alpha, ten quiet sessions make a version passed.
    pub fn new(id: impl Into<String>, detector: Detector, alpha_ppm: u32, reference: Reference) -> Self {
        Self {
            id: id.into(),
            detector,
            alpha_ppm,
            worse: Worse::Lower,
            reference,
            unit: UnitRule::Session,
            budget: Budget::EachVersion,
            pass_after: 10,
        }
    }
    fn check(&self) -> Result<(), GradeError> {
        let bad = |problem| Err(GradeError::BadMonitor { id: self.id.clone(), problem });
        let ppm = |n: u32| (1..1_000_000).contains(&n);
        if !(1..=500_000).contains(&self.alpha_ppm) {
            return bad("alpha must be from 0.000001 to 0.5");
        }
        if !ppm(self.reference.low_ppm) || !ppm(self.reference.high_ppm) {
            return bad("the reference must lie strictly between 0 and 1");
        }
        if self.reference.learned_alpha_ppm.is_some_and(|alpha| alpha != self.alpha_ppm) {
            return bad("the reference was learned for another alpha");
        }
        if matches!(self.unit, UnitRule::Average { size: 0 }) {
            return bad("a unit has at least one session");
        }
        Ok(())
    }
    /// Alpha of one side's detector, before D1's budget.
    fn level(&self) -> f64 {
        let learned = if self.reference.learned_from.is_some() { 2.0 } else { 1.0 };
        f64::from(self.alpha_ppm) / 1e6 / self.worse.sides() as f64 / learned
    }
    /// The line in thousandths of a bit, for the v-th version (from zero).
    fn line(&self, version: usize) -> i64 {
        let spread = match (self.detector, self.budget) {
            (Detector::D1, Budget::AllVersions) => {
                let v = version as f64 + 1.0;
                6.0 / (std::f64::consts::PI * std::f64::consts::PI * v * v)
            }
            _ => 1.0,
        };
        bits::threshold_millibits(self.level() * spread)
    }
    /// The promise, in words.
    pub fn guarantee(&self) -> String {
        let family = match (self.detector, self.budget) {
            (Detector::D1, Budget::EachVersion) => "for any one version ever fires",
            (Detector::D1, Budget::AllVersions) => "ever fires for any version",
            (Detector::D2, _) => "ever fires",
        };
        let worse = match self.worse {
            Worse::Lower => "at least",
            Worse::Higher => "at most",
            Worse::Either => "at",
        };
        format!(
            "Stop: if nothing got worse, the chance that this monitor {family} is at most {}.{:04} %, however often one \
             looks. Condition: given the past, the mean of the next observation is {worse} the reference.",
            self.alpha_ppm / 10_000,
            self.alpha_ppm % 10_000
        )
    }
}

/// One graded session in ledger order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// Its place in the ledger's order.
    pub at: u64,
    /// Label of the store version it ran on. Untrusted: show it escaped.
    pub version: String,
    /// The unit it belongs to; `None` is a unit of its own.
    pub unit: Option<String>,
    /// The value in permille; `None` when it was not graded: counted, never imputed.
    pub value: Option<u16>,
}

/// One item of a monitor's stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// A session.
    Sample(Sample),
    /// All open units end here (the end of a day, of an import).
    Flush,
}

/// A monitor fired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// The monitor.
    pub monitor: String,
    /// Where in the ledger's order.
    pub at: u64,
    /// The version that was running. Untrusted: show it escaped.
    pub version: String,
    /// Evidence, thousandths of a bit, rounded down.
    pub evidence_millibits: i64,
    /// The line it reached.
    pub threshold_millibits: i64,
    /// The promise, in words.
    pub guarantee: String,
    /// Versions among which the change lies, oldest first; the first is the one before it.
    pub changed_versions: Vec<String>,
    /// The last version that passed before them, if one has enough graded sessions.
    pub rollback_to: Option<String>,
    /// Sessions without a value so far: an outcome nobody saw may hide more.
    pub missing: u64,
    /// Said when observations look dependent, which breaks the promise.
    pub warning: Option<String>,
}

/// How a version stands under a monitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionStanding {
    /// Its label. Untrusted: show it escaped.
    pub label: String,
    /// Where it first appeared.
    pub first_at: u64,
    /// Sessions with a value.
    pub sessions: u64,
    /// Sessions without.
    pub missing: u64,
    /// Observations.
    pub units: u64,
    /// Sum of the observations, in millionths.
    pub sum_ppm: u64,
    /// True once an alarm named it.
    pub alarmed: bool,
    /// D1's wealth per side and bet, millionths of a bit.
    bets: Vec<[i64; BETS.len()]>,
}

impl VersionStanding {
    /// Mean of the observations in permille, rounded down.
    pub fn mean_permille(&self) -> Option<u16> {
        u16::try_from(self.sum_ppm.checked_div(self.units)? / 1000).ok()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenUnit {
    version: usize,
    sum: u64,
    count: u32,
}

/// One side of D2: wealth per bet, and where its leading start lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stop {
    bets: [i64; BETS.len()],
    /// How far each bet's product has risen above its lowest point (a CUSUM, only to date the change).
    climb: [i64; BETS.len()],
    /// Version number and observations it had when each climb last began.
    since: [(usize, u64); BETS.len()],
}

/// Sums for the lag-one correlation of observations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lag {
    last: Option<u32>,
    n: u64,
    sum: u64,
    squares: u64,
    products: u64,
}

/// A monitor with its state: integers only, the same on every machine, rebuildable from its stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Monitor {
    spec: MonitorSpec,
    versions: Vec<VersionStanding>,
    open: BTreeMap<String, OpenUnit>,
    stops: Vec<Stop>,
    units: u64,
    missing: u64,
    last_at: u64,
    lag: Lag,
    alarms: Vec<Alarm>,
}

/// What a monitor says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MonitorStatus {
    /// The monitor.
    pub monitor: String,
    /// `quiet`, `alarm`, or `too few` while nobody could have fired yet.
    pub state: &'static str,
    /// Current evidence of the running version (D1) or of all (D2), thousandths of a bit.
    pub evidence_millibits: i64,
    /// The line.
    pub threshold_millibits: i64,
    /// Observations so far.
    pub units: u64,
    /// Sessions without a value so far.
    pub missing: u64,
    /// Mean of all observations in permille, as seen; and if every missing one were bad, or good.
    pub mean_permille: Option<(u16, u16, u16)>,
    /// The promise.
    pub guarantee: String,
    /// Said when observations look dependent.
    pub warning: Option<String>,
}

const NEVER: i64 = i64::MIN / 4;

impl Monitor {
    /// Starts a monitor.
    ///
    /// Errors: refused when the numbers make no test.
    pub fn new(spec: MonitorSpec) -> Result<Self, GradeError> {
        spec.check()?;
        let stop = Stop { bets: [NEVER; BETS.len()], climb: [0; BETS.len()], since: [(0, 0); BETS.len()] };
        let stops = if spec.detector == Detector::D2 { vec![stop; spec.worse.sides()] } else { Vec::new() };
        Ok(Self {
            spec,
            versions: Vec::new(),
            open: BTreeMap::new(),
            stops,
            units: 0,
            missing: 0,
            last_at: 0,
            lag: Lag::default(),
            alarms: Vec::new(),
        })
    }
    /// Runs a whole stream.
    pub fn rebuild<'e>(spec: MonitorSpec, stream: impl IntoIterator<Item = &'e Entry>) -> Result<Self, GradeError> {
        let mut monitor = Self::new(spec)?;
        for entry in stream {
            match entry {
                Entry::Sample(sample) => drop(monitor.push(sample)),
                Entry::Flush => drop(monitor.flush()),
            }
        }
        Ok(monitor)
    }
    /// Checks a stored monitor against its stream.
    ///
    /// Errors: refused when the stream produces another state: somebody changed one of them.
    pub fn verify<'e>(&self, stream: impl IntoIterator<Item = &'e Entry>) -> Result<(), GradeError> {
        if Self::rebuild(self.spec.clone(), stream)? == *self {
            return Ok(());
        }
        Err(GradeError::StateMismatch { id: self.spec.id.clone() })
    }
    /// The state as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
    /// Reads a stored state. A stored state is a cache: [`Monitor::verify`] says whether it is true.
    ///
    /// Errors: refused when it is not the form [`Monitor::to_json`] writes.
    pub fn from_json(text: &str) -> Result<Self, GradeError> {
        let bad = |problem: &str| GradeError::BadState { problem: problem.to_owned() };
        let monitor: Self = serde_json::from_str(text).map_err(|error| bad(&error.to_string()))?;
        monitor.spec.check()?;
        let sides = monitor.spec.worse.sides();
        let d1 = monitor.spec.detector == Detector::D1;
        let stops = if d1 { 0 } else { sides };
        let bets = if d1 { sides } else { 0 };
        let known = |version: usize| version < monitor.versions.len();
        if monitor.stops.len() != stops
            || monitor.versions.iter().any(|version| version.bets.len() != bets)
            || monitor.open.values().any(|unit| !known(unit.version) || unit.count == 0)
        {
            return Err(bad("the parts do not fit each other"));
        }
        Ok(monitor)
    }
    /// What it was made with.
    pub fn spec(&self) -> &MonitorSpec {
        &self.spec
    }
    /// Versions in order of appearance.
    pub fn versions(&self) -> &[VersionStanding] {
        &self.versions
    }
    /// Alarms so far, oldest first.
    pub fn alarms(&self) -> &[Alarm] {
        &self.alarms
    }
    /// Takes the next session; returns the alarms it raised.
    pub fn push(&mut self, sample: &Sample) -> Vec<Alarm> {
        let before = self.alarms.len();
        self.last_at = sample.at;
        let running = self.versions.len().checked_sub(1);
        let version = self.version(sample);
        if running.is_some_and(|running| running != version) {
            // another version speaks: what was averaged so far belongs to its own version
            self.close(|unit| unit.version != version);
        }
        let Some(value) = sample.value.map(|value| u64::from(value.min(1000))) else {
            self.missing = self.missing.saturating_add(1);
            self.versions[version].missing = self.versions[version].missing.saturating_add(1);
            return Vec::new();
        };
        self.versions[version].sessions = self.versions[version].sessions.saturating_add(1);
        match (self.spec.unit, &sample.unit) {
            (UnitRule::Average { size }, Some(key)) => {
                let fresh = OpenUnit { version, sum: 0, count: 0 };
                let unit = self.open.entry(key.clone()).or_insert(fresh);
                unit.sum = unit.sum.saturating_add(value);
                unit.count = unit.count.saturating_add(1);
                if unit.count >= size {
                    let unit = unit.clone();
                    self.open.remove(key);
                    self.observe(&unit);
                }
            }
            _ => self.observe(&OpenUnit { version, sum: value, count: 1 }),
        }
        self.alarms.get(before..).unwrap_or_default().to_vec()
    }
    /// Ends all open units; returns the alarms that raised.
    pub fn flush(&mut self) -> Vec<Alarm> {
        let before = self.alarms.len();
        self.close(|_| true);
        self.alarms.get(before..).unwrap_or_default().to_vec()
    }
    /// How it stands.
    pub fn status(&self) -> MonitorStatus {
        let current = self.versions.len().saturating_sub(1);
        let sum = self.versions.iter().fold(0_u64, |sum, version| sum.saturating_add(version.sum_ppm));
        let sessions = self.versions.iter().fold(0_u64, |sum, version| sum.saturating_add(version.sessions));
        let mean = sum.checked_div(self.units).map(|ppm| {
            let all = (u128::from(sessions) + u128::from(self.missing)).max(1);
            let bad = u128::from(ppm) * u128::from(sessions) / all;
            let good = (u128::from(ppm) * u128::from(sessions) + u128::from(self.missing) * 1_000_000) / all;
            let permille = |ppm: u128| u16::try_from(ppm / 1000).unwrap_or(1000);
            (permille(u128::from(ppm)), permille(bad), permille(good))
        });
        let state = match (self.alarms.is_empty(), self.units) {
            (false, _) => "alarm",
            (true, 0) => "too few",
            (true, _) => "quiet",
        };
        MonitorStatus {
            monitor: self.spec.id.clone(),
            state,
            evidence_millibits: self.evidence(current).0,
            threshold_millibits: self.spec.line(current),
            units: self.units,
            missing: self.missing,
            mean_permille: mean,
            guarantee: self.spec.guarantee(),
            warning: self.warning(),
        }
    }
    /// Lag-one correlation of the observations in permille, when there are at least 100.
    pub fn dependence_permille(&self) -> Option<i32> {
        let n = i128::from(self.lag.n);
        if n < 100 {
            return None;
        }
        // all three scaled by n^2, so that nothing is divided before the end
        let (sum, squares, products) =
            (i128::from(self.lag.sum), i128::from(self.lag.squares), i128::from(self.lag.products));
        let variance = squares.saturating_mul(n).saturating_sub(sum.saturating_mul(sum));
        let covariance = products.saturating_mul(n).saturating_sub(sum.saturating_mul(sum));
        if variance <= 0 {
            return None;
        }
        i32::try_from((covariance.saturating_mul(1000) / variance).clamp(-1000, 1000)).ok()
    }
    fn warning(&self) -> Option<String> {
        let r = i128::from(self.dependence_permille()?);
        let strong = r >= 150 && r * r * i128::from(self.lag.n) > 9_000_000;
        strong.then(|| {
            format!(
                "observations look dependent (lag-one correlation 0.{r:03}): the promise does not hold; average sessions \
                 that share a user, a task or a day inside a unit"
            )
        })
    }
    fn version(&mut self, sample: &Sample) -> usize {
        if let Some(known) = self.versions.iter().rposition(|version| version.label == sample.version) {
            return known;
        }
        let sides = if self.spec.detector == Detector::D1 { self.spec.worse.sides() } else { 0 };
        self.versions.push(VersionStanding {
            label: sample.version.clone(),
            first_at: sample.at,
            sessions: 0,
            missing: 0,
            units: 0,
            sum_ppm: 0,
            alarmed: false,
            bets: vec![[0; BETS.len()]; sides],
        });
        self.versions.len() - 1
    }
    fn close(&mut self, which: impl Fn(&OpenUnit) -> bool) {
        let keys: Vec<String> = self.open.iter().filter(|(_, unit)| which(unit)).map(|(key, _)| key.clone()).collect();
        for key in keys {
            if let Some(unit) = self.open.remove(&key) {
                self.observe(&unit);
            }
        }
    }
    /// One observation: the mean of a unit.
    fn observe(&mut self, unit: &OpenUnit) {
        let x = unit.sum as f64 / (1000.0 * f64::from(unit.count));
        let ppm = (unit.sum.saturating_mul(1000) / u64::from(unit.count.max(1))).min(1_000_000);
        self.units = self.units.saturating_add(1);
        self.remember(ppm);
        let sides: &[Worse] = match self.spec.worse {
            Worse::Lower => &[Worse::Lower],
            Worse::Higher => &[Worse::Higher],
            Worse::Either => &[Worse::Lower, Worse::Higher],
        };
        let (low, high) = (f64::from(self.spec.reference.low_ppm) / 1e6, f64::from(self.spec.reference.high_ppm) / 1e6);
        // w = ln 10 / ((t + 10) ln^2 (t + 10)), t from one: their sum over all time stays below one
        let w = if self.stops.is_empty() {
            NEVER
        } else {
            let t = self.units as f64 + 10.0;
            bits::log2(libm::log(10.0) / (t * libm::log(t) * libm::log(t)))
        };
        for (side, worse) in sides.iter().enumerate() {
            for (bet, g) in BETS.iter().enumerate() {
                // lambda (m - x) with lambda = g / (1 - m), or lambda (x - m) with lambda = g / m
                let gain = match worse {
                    Worse::Higher => g * (x - high) / high,
                    _ => g * (low - x) / (1.0 - low),
                };
                let factor = bits::log2(1.0 + gain);
                if let Some(stop) = self.stops.get_mut(side) {
                    if stop.climb[bet] <= 0 {
                        stop.climb[bet] = 0;
                        stop.since[bet] = (unit.version, self.versions[unit.version].units);
                    }
                    stop.climb[bet] = bits::times(stop.climb[bet], factor);
                    stop.bets[bet] = bits::times(bits::add(stop.bets[bet], w), factor);
                } else if let Some(wealth) = self.versions[unit.version].bets.get_mut(side) {
                    wealth[bet] = bits::times(wealth[bet], factor);
                }
            }
        }
        let version = &mut self.versions[unit.version];
        version.units = version.units.saturating_add(1);
        version.sum_ppm = version.sum_ppm.saturating_add(ppm);
        self.judge(unit.version);
    }
    fn judge(&mut self, version: usize) {
        let line = self.spec.line(version);
        // a mean is never above its largest part: most of the time nothing more need be computed
        let bets = match self.spec.detector {
            Detector::D1 => self.versions[version].bets.iter().flatten().max(),
            Detector::D2 => self.stops.iter().flat_map(|stop| &stop.bets).max(),
        };
        if bets.is_none_or(|most| bits::millibits(*most) < line) {
            return;
        }
        let (evidence, side) = self.evidence(version);
        let silent = match self.spec.detector {
            Detector::D1 => self.versions[version].alarmed,
            Detector::D2 => !self.alarms.is_empty(),
        };
        if silent || evidence < line {
            return;
        }
        let (first, passed) = self.change(version, side);
        // Interleaved versions: the running one need not be the newest.
        let last = if self.spec.detector == Detector::D2 { self.versions.len() - 1 } else { version };
        self.versions[version].alarmed = true;
        let enough = |v: &&VersionStanding| v.units >= u64::from(self.spec.pass_after) && !v.alarmed;
        let rollback = self.versions.get(..passed).unwrap_or_default().iter().rev().find(enough);
        let alarm = Alarm {
            monitor: self.spec.id.clone(),
            at: self.last_at,
            version: self.versions[version].label.clone(),
            evidence_millibits: evidence,
            threshold_millibits: line,
            guarantee: self.spec.guarantee(),
            changed_versions: self.versions[first..=last.max(first)].iter().map(|v| v.label.clone()).collect(),
            rollback_to: rollback.map(|version| version.label.clone()),
            missing: self.missing,
            warning: self.warning(),
        };
        self.alarms.push(alarm);
    }
    /// The number of the version before the change, and how many versions count as before it.
    fn change(&self, version: usize, side: usize) -> (usize, usize) {
        let Some(stop) = self.stops.get(side) else { return (version.saturating_sub(1), version) };
        let best = (0..BETS.len()).max_by_key(|bet| stop.bets[*bet]).unwrap_or(0);
        let (began, units_then) = stop.since[best];
        // A version that ran long enough before suspicion began has itself passed.
        let passed = began.saturating_add(usize::from(units_then >= u64::from(self.spec.pass_after)));
        (began.min(version).saturating_sub(1), passed.min(version))
    }
    /// Evidence of the strongest side, and which side that is.
    fn evidence(&self, version: usize) -> (i64, usize) {
        let sides: Vec<i64> = match self.spec.detector {
            Detector::D1 => {
                let bets = self.versions.get(version).map(|v| v.bets.as_slice()).unwrap_or_default();
                bets.iter().map(|bets| bits::mean(bets)).collect()
            }
            Detector::D2 => self.stops.iter().map(|stop| bits::mean(&stop.bets)).collect(),
        };
        let best = (0..sides.len()).max_by_key(|side| sides[*side]).unwrap_or(0);
        (bits::millibits(sides.get(best).copied().unwrap_or(0)), best)
    }
    fn remember(&mut self, ppm: u64) {
        // permille is fine enough here and keeps 2^64 sums out of reach
        let value = ppm / 1000;
        if let Some(last) = self.lag.last {
            self.lag.n = self.lag.n.saturating_add(1);
            self.lag.sum = self.lag.sum.saturating_add(value);
            self.lag.squares = self.lag.squares.saturating_add(value * value);
            self.lag.products = self.lag.products.saturating_add(value * u64::from(last));
        }
        self.lag.last = u32::try_from(value).ok();
    }
}
