//! Grades in log order, and the monitors over them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::{Digest, MemoryPath};
use crate::grade::Grade;
use crate::grade::drift::{
    Alarm, Bound, Detector, Entry, Exposure, Measure, Monitor, MonitorSpec, MonitorStatus, Reference, Sample, Suspect,
    VersionStanding, VersionSummary, Worse, explain_changes, rank_by_exposure,
};
use crate::notes::Document;
use crate::store::Store as _;

use super::{Firewall, FirewallError};

/// Graded sessions of the first version that make an anchor.
const ANCHOR: usize = 20;

/// How outcomes are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriftSettings {
    /// Chance of a wrong stop, permille, for each monitor.
    pub alpha_permille: u16,
    /// The declared level, permille; `None` learns it from the first version's grades.
    pub reference_permille: Option<u16>,
    /// How much worse than the anchor is still no change, permille.
    pub tolerance_permille: u16,
}

impl Default for DriftSettings {
    fn default() -> Self {
        Self { alpha_permille: 10, reference_permille: None, tolerance_permille: 20 }
    }
}

/// A note that changed where outcomes did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamedSuspect {
    /// What changed and how strong the case is.
    pub suspect: Suspect,
    /// The note's text, verified. Untrusted: show it escaped.
    pub text: String,
}

/// An alarm with what to look at and where to go back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamedAlarm {
    /// The alarm.
    pub alarm: Alarm,
    /// What changed between the versions it names, likeliest first.
    pub suspects: Vec<NamedSuspect>,
    /// The version to go back to, when one passed before.
    pub rollback_to: Option<u64>,
}

/// How outcomes stand, version by version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DriftReport {
    /// Graded sessions.
    pub sessions: usize,
    /// What outcomes are compared with, millionths.
    pub reference_ppm: u32,
    /// Anchor sessions the reference was learned from, when it was.
    pub learned_from: Option<u64>,
    /// The monitors.
    pub monitors: Vec<MonitorStatus>,
    /// The versions.
    pub versions: Vec<VersionStanding>,
    /// What fired.
    pub alarms: Vec<NamedAlarm>,
}

impl Firewall {
    /// Records grades in order; their digest is in the log first.
    ///
    /// # Errors
    /// Unavailable store or log.
    pub fn record_grades(&mut self, grades: &[Grade]) -> Result<(), FirewallError> {
        let bodies: Vec<String> = grades
            .iter()
            .map(|grade| serde_json::to_string(grade).map_err(FirewallError::encode))
            .collect::<Result<_, _>>()?;
        if bodies.is_empty() {
            return Ok(());
        }
        self.log_event("grades", &Digest::of_parts(bodies.iter().map(String::as_bytes)))?;
        let first = self.store.documents("grade")?.len() + 1;
        let documents: Vec<(String, String)> =
            bodies.into_iter().enumerate().map(|(at, body)| (format!("{:08}", first + at), body)).collect();
        self.store.put_documents("grade", &documents)?;
        Ok(())
    }

    /// All grades, in the order they were recorded.
    ///
    /// # Errors
    /// Unavailable store, damaged records.
    pub fn grades(&self) -> Result<Vec<Grade>, FirewallError> {
        self.store
            .documents("grade")?
            .into_iter()
            .map(|(_, body)| serde_json::from_str(&body).map_err(FirewallError::encode))
            .collect()
    }

    /// Runs both stop monitors over all recorded verdicts.
    ///
    /// # Errors
    /// Refused settings, unavailable store, versions that do not verify.
    pub fn drift(&self, settings: &DriftSettings) -> Result<DriftReport, FirewallError> {
        let grades = self.grades()?;
        let alpha_ppm = u32::from(settings.alpha_permille) * 1000;
        let label = |grade: &Grade| grade.memory_version.clone().unwrap_or_else(|| "unknown".to_owned());
        let first = grades.first().map(label);
        let anchor: Vec<u16> = grades
            .iter()
            .take_while(|grade| Some(label(grade)) == first)
            .filter_map(|grade| Measure::Verdict.of(grade))
            .take(ANCHOR)
            .collect();
        // The anchor's own sessions are spent: testing on what the reference was learned from would
        // break the promise.
        let (reference, spent) = match settings.reference_permille {
            Some(permille) => (Reference::declared(permille), 0),
            None if anchor.len() == ANCHOR => (
                Reference::learn(&anchor, alpha_ppm, settings.tolerance_permille, Worse::Lower, Bound::Exact)?,
                anchor.len(),
            ),
            None => (Reference::declared(900), 0),
        };
        let stream: Vec<Entry> = grades
            .iter()
            .enumerate()
            .skip(spent)
            .map(|(at, grade)| {
                Entry::Sample(Sample {
                    at: at as u64,
                    version: label(grade),
                    unit: None,
                    value: Measure::Verdict.of(grade),
                })
            })
            .collect();
        let mut report = DriftReport {
            sessions: grades.len(),
            reference_ppm: reference.low_ppm,
            learned_from: reference.learned_from,
            monitors: Vec::new(),
            versions: Vec::new(),
            alarms: Vec::new(),
        };
        for (name, detector) in [("verdict-by-version", Detector::D1), ("verdict-over-time", Detector::D2)] {
            let spec = MonitorSpec::new(name, detector, alpha_ppm, reference.clone());
            let monitor = Monitor::rebuild(spec, &stream)?;
            report.monitors.push(monitor.status());
            for alarm in monitor.alarms() {
                report.alarms.push(self.name_alarm(alarm, &grades)?);
            }
            report.versions = monitor.versions().to_vec();
        }
        Ok(report)
    }

    /// What changed between the versions an alarm names, ranked by exposure where sessions say what they
    /// recalled.
    fn name_alarm(&self, alarm: &Alarm, grades: &[Grade]) -> Result<NamedAlarm, FirewallError> {
        let known: Vec<u64> = self.versions()?.iter().map(|v| v.sequence).collect();
        let sequence = |label: &str| label.parse::<u64>().ok().filter(|n| known.contains(n));
        let numbers: Vec<u64> = alarm.changed_versions.iter().filter_map(|l| sequence(l)).collect();
        let mut suspects = Vec::new();
        if let (Some(before), Some(after)) = (numbers.first(), numbers.last())
            && before != after
        {
            let (before, old_texts) = self.summary(*before)?;
            let (after, new_texts) = self.summary(*after)?;
            let exposures: Vec<Exposure> = grades
                .iter()
                .filter_map(|grade| {
                    Some(Exposure {
                        slice: grade.rubric.clone(),
                        period: grade.memory_version.clone().unwrap_or_default(),
                        recalled: grade.recalled.iter().cloned().collect(),
                        value: Measure::Verdict.of(grade)?,
                    })
                })
                .collect();
            suspects = rank_by_exposure(explain_changes(&before, &after), &exposures)
                .into_iter()
                .map(|suspect| {
                    let text = new_texts.get(&suspect.name).or_else(|| old_texts.get(&suspect.name));
                    NamedSuspect { text: text.cloned().unwrap_or_default(), suspect }
                })
                .collect();
        }
        let rollback_to = alarm.rollback_to.as_deref().and_then(sequence).or_else(|| numbers.first().copied());
        Ok(NamedAlarm { alarm: alarm.clone(), suspects, rollback_to })
    }

    /// A version's notes by `path#digest`, with their texts.
    fn summary(&self, sequence: u64) -> Result<(VersionSummary, BTreeMap<String, String>), FirewallError> {
        let mut summary = VersionSummary { label: sequence.to_string(), ..VersionSummary::default() };
        let mut texts = BTreeMap::new();
        for memory in self.texts(sequence)? {
            let document = Document::parse(&memory.text);
            for note in document.notes() {
                let digest = document.body_digest(note);
                let name = note_name(&memory.path, &digest);
                texts.insert(name.clone(), document.body(note).to_owned());
                summary.notes.insert(name, digest);
            }
        }
        Ok((summary, texts))
    }
}

fn note_name(path: &MemoryPath, digest: &Digest) -> String {
    format!("{path}#{}", digest.short())
}
