//! The scanner, and the proof that a text went through it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::budget::{Budget, Coverage, Limit};
use super::composite;
use super::core::{CameBy, Core, Raw};
use super::kind;
use super::provenance::{self, Sources};
use super::score::{self, Levels};
use crate::domain::{
    Authority, Candidate, Channel, Confidence, Digest, Finding, Kind, Severity, Span, Stage, Untrusted,
};
use crate::notes::{Document, Piece};
use crate::ruleset::{RuleSet, RuleSetError};

/// Runs one ruleset over texts. Cheap to share, costly to make (it builds the prefilter).
#[derive(Clone, Debug)]
pub struct Scanner {
    pub(super) core: Arc<Core>,
}

/// One note of a scanned text, or one piece of glue with words in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteScan {
    /// All its bytes.
    pub span: Span,
    /// The statement itself.
    pub body: Span,
    /// What it is.
    pub kind: Kind,
    /// The words that decided the kind, bytes of the text; `None` for a plain fact.
    pub cue: Option<Span>,
    /// Positions in the list of findings that touch it.
    pub findings: Vec<usize>,
}

/// Proof that this exact candidate was examined by this ruleset, or that its coverage says what
/// was not.
///
/// Made only by [`Scanner::scan`]; cannot be built, cloned, defaulted or read back from storage.
///
/// ```compile_fail,E0451
/// use memgate::detect::Scanned;
/// fn forge(candidate: memgate::domain::Candidate, other: Scanned) -> Scanned {
///     Scanned { candidate, ..other } // private fields: only a scan makes the proof
/// }
/// ```
///
/// ```
/// use memgate::detect::{Budget, Scanned, Scanner};
/// use memgate::domain::{Candidate, Untrusted};
/// fn earn(candidate: Candidate, scanner: &Scanner) -> Scanned {
///     scanner.scan(Untrusted::new(candidate))
/// }
/// # let _ = earn;
/// ```
///
/// ```compile_fail,E0277
/// use memgate::detect::Scanned;
/// fn twice(proof: &Scanned) -> Scanned {
///     Scanned::clone(proof) // a proof is used once
/// }
/// ```
#[derive(Debug)]
pub struct Scanned {
    candidate: Candidate,
    digest: Digest,
    report: Report,
    ruleset: Digest,
}

/// What was found in a text that is not on its way to a store. No proof of anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    authority: Authority,
    report: Report,
    ruleset: Digest,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Report {
    findings: Vec<Finding>,
    notes: Vec<NoteScan>,
    glue: Vec<NoteScan>,
    coverage: Coverage,
    likely: u16,
}

impl Scanner {
    /// A scanner for these rules under these ceilings.
    ///
    /// Cost: builds the automaton over all literals; keep the scanner.
    pub fn new(rules: Arc<RuleSet>, budget: Budget) -> Self {
        Self::with_levels(rules, budget, Levels::default())
    }
    /// A scanner that runs rules up to a paranoia level; see [`Scanner::new`].
    pub fn with_levels(rules: Arc<RuleSet>, budget: Budget, levels: Levels) -> Self {
        Self { core: Arc::new(Core::new(rules, budget, levels)) }
    }
    /// The built-in rules under the default ceilings. Made once a process for each pair of levels, then shared.
    ///
    /// Errors: those of [`RuleSet::builtin`]; a shipped program has none.
    pub fn builtin(levels: Levels) -> Result<Self, RuleSetError> {
        static MADE: Mutex<BTreeMap<Levels, Scanner>> = Mutex::new(BTreeMap::new());
        let make = || Ok(Self::with_levels(Arc::new(RuleSet::builtin()?), Budget::default(), levels));
        // A poisoned lock is no reason not to scan: then everybody makes their own.
        let Ok(mut made) = MADE.lock() else { return make() };
        if let Some(scanner) = made.get(&levels) {
            return Ok(scanner.clone());
        }
        let scanner = make()?;
        made.insert(levels, scanner.clone());
        Ok(scanner)
    }
    /// A scanner that knows no rule: only a benchmark asks for it, to see what rules cost.
    ///
    /// # Errors
    /// As [`Scanner::builtin`].
    pub fn dangerous_without_rules() -> Result<Self, RuleSetError> {
        let none: [(&str, &str); 0] = [];
        Ok(Self::new(Arc::new(RuleSet::from_packs(none)?), Budget::default()))
    }
    /// Which rules run and which of them may hold.
    pub fn levels(&self) -> Levels {
        self.core.levels()
    }
    /// The rules.
    pub fn rules(&self) -> &RuleSet {
        self.core.rules()
    }
    /// The ceilings.
    pub fn budget(&self) -> &Budget {
        self.core.budget()
    }
    /// Examines a candidate and mints the proof.
    ///
    /// A rule that names channels runs on a span when one of its origins came by one of them, or
    /// when the span has no origin at all.
    ///
    /// Notes are weighed as if no cited text were at hand: see [`Scanner::scan_with`].
    pub fn scan(&self, candidate: Untrusted<Candidate>) -> Scanned {
        self.scan_with(candidate, &Sources::default())
    }
    /// The same, with the texts that the candidate's claims cite: each note is laid beside them.
    ///
    /// A note that cites a transcript which is not among `sources` gets a finding: what cannot be read supports
    /// nothing.
    pub fn scan_with(&self, candidate: Untrusted<Candidate>, sources: &Sources<'_>) -> Scanned {
        let candidate = candidate.take_unscanned();
        let came_by = |span: &Span, channels: &[Channel]| {
            let mut origins = candidate.origins_of(span).peekable();
            origins.peek().is_none() || origins.any(|o| channels.contains(&o.channel))
        };
        let mut raw = self.core.run(&candidate.text, candidate.stage, &came_by);
        let report = self.report(&candidate.text, raw.clone(), candidate.stage, &came_by);
        let gaps = self.gaps(&candidate, &report, sources);
        let report = if gaps.is_empty() {
            report
        } else {
            raw.findings.extend(gaps);
            raw.findings.sort_by(|a, b| (a.span, &a.rule, a.view, a).cmp(&(b.span, &b.rule, b.view, b)));
            self.report(&candidate.text, raw, candidate.stage, &came_by)
        };
        Scanned { digest: candidate.digest(), candidate, report, ruleset: self.core.rules().digest() }
    }

    /// What the sources of each note do not carry.
    fn gaps(&self, candidate: &Candidate, report: &Report, sources: &Sources<'_>) -> Vec<Finding> {
        let taints = |text: &str| {
            let raw = self.core.run(text, Stage::Ingest, &|_, _| true);
            let blocks = self.core.levels().blocking;
            let strong = |f: &Finding| f.severity >= Severity::High && f.confidence >= Confidence::Medium;
            raw.findings.iter().any(|f| strong(f) && f.level <= blocks)
        };
        report
            .notes
            .iter()
            .flat_map(|note| provenance::weigh(candidate, note.body, note.kind, sources, &taints))
            .flat_map(|gap| self.core.found(gap.slug, gap.span, candidate.stage, gap.what))
            .collect()
    }
    /// Examines a text that is not on its way to a store: a transcript span, a file. No proof.
    pub fn examine<T: AsRef<str>>(
        &self,
        text: &Untrusted<T>,
        stage: Stage,
        channel: Channel,
        authority: Authority,
    ) -> Examined {
        let text = text.peek_unscanned().as_ref();
        let came_by = |_: &Span, channels: &[Channel]| channels.contains(&channel);
        let raw = self.core.run(text, stage, &came_by);
        Examined { authority, report: self.report(text, raw, stage, &came_by), ruleset: self.core.rules().digest() }
    }

    fn report(&self, text: &str, raw: Raw, stage: Stage, came_by: &CameBy<'_>) -> Report {
        let Raw { mut findings, cues, mut raised, mut limits, likely } = raw;
        let document = Document::parse(text);
        let (mut notes, mut glue) = (Vec::new(), Vec::new());
        for piece in document.pieces() {
            match piece {
                Piece::Note(note) => notes.push(blank(note.span, note.body)),
                Piece::Glue(span) if has_words(span.slice(text).unwrap_or_default()) => glue.push(blank(*span, *span)),
                Piece::Glue(_) => {}
            }
        }
        attach(&mut notes, &mut glue, &findings);
        let joined: Vec<Finding> = {
            let rules = self.core.composites(stage);
            let in_notes = composite::findings(rules.clone(), &notes, &findings, &cues, self.core.budget());
            let in_glue = composite::findings(rules, &glue, &findings, &cues, self.core.budget());
            let mut joined = in_notes;
            joined.extend(in_glue);
            joined.retain(|f| {
                let channels =
                    self.core.rules().get(f.rule.as_str()).map(|r| r.channels.as_slice()).unwrap_or_default();
                channels.is_empty() || came_by(&f.span, channels)
            });
            joined
        };
        if !joined.is_empty() {
            let raises = |f: &Finding| self.core.rules().get(f.rule.as_str()).and_then(|rule| rule.raises);
            let blocking = self.core.levels().blocking;
            raised
                .extend(joined.iter().filter(|f| f.level <= blocking).filter_map(|f| Some((raises(f)?.kind, f.span))));
            findings.extend(joined);
            findings.sort_by(|a, b| (a.span, &a.rule, a.view, a).cmp(&(b.span, &b.rule, b.view, b)));
            attach(&mut notes, &mut glue, &findings);
        }
        for list in [&mut notes, &mut glue] {
            for &(kind, span) in cues.iter().chain(&raised) {
                for scan in touched(list, span) {
                    let mut best = (scan.kind, scan.cue);
                    kind::consider(&mut best, kind, span);
                    (scan.kind, scan.cue) = best;
                }
            }
            for scan in list.iter_mut().filter(|scan| scan.kind == Kind::Fact) {
                if scan.span.slice(text).is_some_and(kind::numbered) {
                    scan.kind = Kind::Procedure;
                }
            }
        }
        limits.sort_unstable();
        limits.dedup();
        let coverage = if limits.is_empty() { Coverage::Full } else { Coverage::Partial { limits } };
        Report { findings, notes, glue, coverage, likely }
    }
}

/// For each place in `text`, where something was cut out: true when what stood before and after it is one piece now.
///
/// Units: byte offsets, ascending. Cost: one split of the text, then linear.
pub fn joins(text: &str, cuts: &[usize]) -> Vec<bool> {
    let document = Document::parse(text);
    let mut pieces = document.pieces().iter().peekable();
    let blank = |line: Option<&str>| line.unwrap_or_default().trim().is_empty();
    let mut joined = Vec::with_capacity(cuts.len());
    for &cut in cuts {
        while pieces.next_if(|piece| piece.span().end <= cut).is_some() {}
        joined.push(match pieces.peek() {
            Some(piece) if piece.span().start >= cut => false,
            Some(Piece::Note(_)) => true,
            // Two headings are one piece of glue anyway; an underline that makes a heading of a statement is not.
            Some(Piece::Glue(_)) => {
                let (before, after) = (text.get(..cut).unwrap_or_default(), text.get(cut..).unwrap_or_default());
                !blank(before.lines().next_back()) && !blank(after.lines().next())
            }
            None => false,
        });
    }
    joined
}

/// Tells each piece which findings touch it.
fn attach(notes: &mut [NoteScan], glue: &mut [NoteScan], findings: &[Finding]) {
    for list in [notes, glue] {
        for scan in list.iter_mut() {
            scan.findings.clear();
        }
        for (number, finding) in findings.iter().enumerate() {
            for scan in touched(list, finding.span) {
                scan.findings.push(number);
            }
        }
    }
}

fn blank(span: Span, body: Span) -> NoteScan {
    NoteScan { span, body, kind: Kind::Fact, cue: None, findings: Vec::new() }
}

fn has_words(text: &str) -> bool {
    !text.is_ascii() || text.bytes().any(|b| b.is_ascii_alphanumeric())
}

/// The scans, sorted and disjoint, that `span` touches.
fn touched(list: &mut [NoteScan], span: Span) -> impl Iterator<Item = &mut NoteScan> {
    let from = list.partition_point(|scan| scan.span.end <= span.start);
    list[from..].iter_mut().take_while(move |scan| scan.span.start < span.end.max(span.start + 1))
}

macro_rules! report_getters {
    ($name:ident) => {
        impl $name {
            /// Findings, ordered by place, rule and view.
            pub fn findings(&self) -> &[Finding] {
                &self.report.findings
            }
            /// One entry per note of the text, in the order of [`Document::notes`].
            pub fn notes(&self) -> &[NoteScan] {
                &self.report.notes
            }
            /// Headings, code and front matter that carry words: not notes, yet an agent reads
            /// them. A governed kind here is as serious as in a note.
            pub fn glue(&self) -> &[NoteScan] {
                &self.report.glue
            }
            /// How much was examined.
            pub const fn coverage(&self) -> &Coverage {
                &self.report.coverage
            }
            /// How likely the classifier thinks that some sentences of the text are an attack, reported or not: its
            /// probability for the worst window of any reading, 0 to 1. Zero where no rule names it.
            pub fn likely(&self) -> f64 {
                f64::from(self.report.likely) / 65535.0
            }
            /// Digest of the rules that ran.
            pub const fn ruleset(&self) -> Digest {
                self.ruleset
            }
        }
    };
}
report_getters!(Scanned);
report_getters!(Examined);

impl Scanned {
    /// The text that was examined, with its claims.
    pub const fn candidate(&self) -> &Candidate {
        &self.candidate
    }
    /// How suspicious the text is, 0 to 1, each part by the authority of its sources.
    ///
    /// It orders texts and decides nothing. Cost: linear in findings and notes.
    pub fn score(&self) -> f64 {
        self.score_beside(&[])
    }
    /// The same with findings over sets of notes that this text's notes belong to.
    pub fn score_beside(&self, together: &[Finding]) -> f64 {
        let pieces = self.report.notes.iter().chain(&self.report.glue);
        let pieces = pieces.map(|piece| (piece, self.candidate.authority_of(&piece.body)));
        let findings = self.report.findings.iter().chain(together);
        score::score(findings, pieces, self.likely(), &self.report.coverage)
    }
    /// SHA-256 of the exact text that was examined.
    pub const fn digest(&self) -> Digest {
        self.digest
    }
}

impl Examined {
    /// How suspicious the text is, 0 to 1, by the authority the caller gave.
    ///
    /// It orders texts and decides nothing. Cost: linear in findings and notes.
    pub fn score(&self) -> f64 {
        let pieces = self.report.notes.iter().chain(&self.report.glue).map(|piece| (piece, self.authority));
        score::score(self.report.findings.iter(), pieces, self.likely(), &self.report.coverage)
    }
    /// What the origin of the text may claim, as the caller gave it.
    pub const fn authority(&self) -> Authority {
        self.authority
    }
}

impl Coverage {
    /// The ceilings that were reached; empty when everything was examined.
    pub fn limits(&self) -> &[Limit] {
        match self {
            Self::Full => &[],
            Self::Partial { limits } => limits,
        }
    }
}
