//! What a scan has to say, before it takes a form.

use std::collections::BTreeMap;

use crate::domain::{Confidence, Digest, Finding, RuleId, Severity};

/// The outcome of a scan of some files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanReport {
    /// Version of memgate.
    pub tool_version: String,
    /// Digest of the ruleset that examined.
    pub ruleset: Option<Digest>,
    /// Findings above this paranoia level are told and fail nothing; 0 means the first level.
    pub blocking: u8,
    /// Every input that was looked at, in order of its name.
    pub files: Vec<FileReport>,
    /// Files and folders of a walk that were not looked at by rule: what they are, and how many.
    pub passed_over: BTreeMap<String, usize>,
    /// What is known of the rules that are named by findings.
    pub rules: BTreeMap<RuleId, RuleInfo>,
}

/// One input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReport {
    /// Its name relative to what the user named. Untrusted.
    pub name: String,
    /// SHA-256 of its bytes, when they were read.
    pub digest: Option<Digest>,
    /// Its size.
    pub bytes: u64,
    /// What it was recognised as, e.g. `memory` or `claude-code session`: our own constant.
    pub kind: String,
    /// True for a file on disk; false for standard input and other items without a file.
    pub is_file: bool,
    /// What was found, in order of place.
    pub findings: Vec<Located>,
    /// How much of it was examined.
    pub coverage: Coverage,
    /// Why it was not examined at all. May hold untrusted text.
    pub skipped: Option<String>,
}

/// A finding with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The finding.
    pub finding: Finding,
    /// Line in the file, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// A place inside the item for people, e.g. `event 12, tool result`. May hold untrusted text.
    pub place: Option<String>,
}

/// How much of an input was examined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Coverage {
    /// Every byte.
    #[default]
    Complete,
    /// Not everything, and why. May hold untrusted text.
    Partial(Vec<String>),
}

/// What people need to know of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleInfo {
    /// One line.
    pub title: String,
    /// Harm if a hit is real.
    pub severity: Severity,
    /// How often a hit is real.
    pub confidence: Confidence,
    /// Why it matters for memory.
    pub why: String,
    /// What to do about a hit.
    pub advice: String,
    /// Outside taxonomies, e.g. `owasp-llm-2025:LLM01`.
    pub maps: Vec<String>,
    /// Threats it answers, e.g. `T01`.
    pub threats: Vec<String>,
}

impl ScanReport {
    /// Every finding with its file.
    pub fn findings(&self) -> impl Iterator<Item = (&FileReport, &Located)> {
        self.files.iter().flat_map(|file| file.findings.iter().map(move |found| (file, found)))
    }
    /// How many findings there are.
    pub fn finding_count(&self) -> usize {
        self.files.iter().map(|file| file.findings.len()).sum()
    }
    /// Files that were examined, completely or in part.
    pub fn examined(&self) -> usize {
        self.files.iter().filter(|file| file.skipped.is_none()).count()
    }
    /// Files that were not examined.
    pub fn skipped(&self) -> usize {
        self.files.len() - self.examined()
    }
    /// Files that were examined in part.
    pub fn partial(&self) -> usize {
        self.files.iter().filter(|file| matches!(file.coverage, Coverage::Partial(_))).count()
    }
    /// The worst severity found, among the findings that count.
    pub fn worst(&self) -> Option<Severity> {
        self.findings().map(|(_, found)| &found.finding).filter(|found| self.blocks(found)).map(|f| f.severity).max()
    }
    /// False for a finding above the blocking level.
    pub fn blocks(&self, finding: &Finding) -> bool {
        finding.level <= self.blocking.max(Finding::FIRST_LEVEL)
    }
    /// Counts by severity, worst first, all five.
    pub fn by_severity(&self) -> Vec<(Severity, usize)> {
        [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Info]
            .into_iter()
            .map(|level| (level, self.findings().filter(|(_, found)| found.finding.severity == level).count()))
            .collect()
    }
    /// Counts of examined files by kind, in order of the kind's name.
    pub fn by_kind(&self) -> Vec<(&str, usize)> {
        let mut counts = BTreeMap::<&str, usize>::new();
        for file in self.files.iter().filter(|file| file.skipped.is_none()) {
            *counts.entry(&file.kind).or_default() += 1;
        }
        counts.into_iter().collect()
    }
}

impl FileReport {
    /// `find_` and 12 hex digits: the same finding in the same bytes has the same id everywhere.
    pub fn finding_id(&self, located: &Located) -> String {
        let found = &located.finding;
        let span = format!("{}..{}", found.span.start, found.span.end);
        let file = self.digest.map(|digest| digest.hex()).unwrap_or_default();
        let parts = [file.as_str(), found.rule.as_str(), &span, found.view.name(), &found.decoding.join(">")];
        format!("find_{}", Digest::of_parts(parts.map(str::as_bytes)).short())
    }

    /// One fingerprint per finding, in order, for tools that follow a finding across commits: from
    /// the matched content and the rule, never from a line number; equal ones are numbered.
    pub fn fingerprints(&self) -> Vec<String> {
        let mut seen = BTreeMap::<String, usize>::new();
        let mut out = Vec::with_capacity(self.findings.len());
        for located in &self.findings {
            // Secrets have no excerpt: their own digest could be guessed back, so the file stands in for it.
            let excerpt = &located.finding.excerpt;
            let content = if excerpt.is_empty() { self.digest } else { Some(Digest::of(excerpt)) };
            let content = content.map(|digest| digest.hex()).unwrap_or_default();
            let parts = [located.finding.rule.as_str(), located.finding.view.name(), &content];
            let print = Digest::of_parts(parts.map(str::as_bytes)).hex();
            let nth = seen.entry(print.clone()).or_default();
            *nth += 1;
            out.push(format!("{}:{nth}", &print[..32]));
        }
        out
    }
}
