//! `memgate scan`: examine files, folders, memories and transcripts.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use super::collect::{self, Found, Refused};
use super::recognise::{self, Kind, Locator, Readable};
use super::{CliError, Context, Exit, Format, rules};
use crate::detect::{Examined, Levels, Scanner};
use crate::domain::{Authority, Channel, Digest, Finding, PrincipalId, RuleId, Severity, Span, Stage, Untrusted};
use crate::ingest::{self, EventKind, Session};
use crate::report::{self, Coverage, FileReport, Located, ScanReport};

/// Arguments of `scan`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate scan .                          memory and instruction files of this folder\n  \
    memgate scan ~/.claude/projects --min-severity medium\n  \
    memgate scan notes.md --format json\n  \
    memgate scan . --format sarif -o memgate.sarif\n  \
    git show HEAD:AGENTS.md | memgate scan -\n\n\
    Exit codes: 0 nothing at or above --fail-on, 1 findings, 3 nothing to examine, 5 something could\n\
    not be fully examined (beats 0 and 1). Links are never followed out of the folder that was named.")]
pub struct Args {
    /// Files or folders, or - for standard input
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Exit with 1 from this severity on: info, low, medium, high, critical
    #[arg(long, value_enum, default_value_t = Level::Medium, value_name = "LEVEL", hide_possible_values = true)]
    pub fail_on: Level,
    /// Print findings from this severity on
    #[arg(long, value_enum, default_value_t = Level::Low, value_name = "LEVEL", hide_possible_values = true)]
    pub min_severity: Level,
    /// Exit with one code for findings, or with one per severity (11 info to 15 critical)
    #[arg(long, value_enum, default_value_t = ExitCodes::Plain, value_name = "plain|severity", hide_possible_values = true)]
    pub exit_codes: ExitCodes,
    /// Rule packs from this folder instead of the built-in ones
    #[arg(long, value_name = "DIR")]
    pub rules: Option<PathBuf>,
    /// Rules up to this level can fail the scan; those of the next level run and are told, 1 to 4
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=4), value_name = "LEVEL")]
    pub paranoia: u8,
    /// Every text file of a folder, not only those that look like memories, instructions and transcripts
    #[arg(long)]
    pub all: bool,
}

/// A severity, as a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Worth knowing.
    Info,
    /// Slight.
    Low,
    /// Holds together with others.
    Medium,
    /// Holds alone.
    High,
    /// A hard stop.
    Critical,
}

/// What findings do to the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExitCodes {
    /// 1 for findings.
    Plain,
    /// 11 to 15 for the worst severity.
    Severity,
}

impl Level {
    const fn severity(self) -> Severity {
        match self {
            Self::Info => Severity::Info,
            Self::Low => Severity::Low,
            Self::Medium => Severity::Medium,
            Self::High => Severity::High,
            Self::Critical => Severity::Critical,
        }
    }
}

/// Findings of one input beyond which the rest is only counted: a flood must not fill a screen or a disk.
const MAX_FINDINGS: usize = 10_000;

/// Scans.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json, Format::Sarif])?;
    let levels = Levels::new(args.paranoia, args.paranoia + 1);
    let scanner = rules::scanner(args.rules.as_deref(), levels)?;
    let collection = collect::collect(&args.paths, ingest::enters_folder)?;
    let mut report = ScanReport {
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        ruleset: Some(scanner.rules().digest()),
        blocking: levels.blocking,
        ..ScanReport::default()
    };
    for (name, count) in collection.passed_folders {
        report.passed_over.insert(format!("folders named {name}"), count);
    }
    let bar = context.bar(collection.found.len() as u64, "scan");
    for found in &collection.found {
        bar.at(&found.name);
        match examine(found, args.all, &scanner) {
            Outcome::File(file) => report.files.push(file),
            Outcome::PassedOver(what) => *report.passed_over.entry(what.to_owned()).or_default() += 1,
        }
        bar.step(1);
    }
    drop(bar);
    let named: BTreeSet<&RuleId> = report.findings().map(|(_, located)| &located.finding.rule).collect();
    report.rules = named
        .into_iter()
        .filter_map(|id| scanner.rules().get(id.as_str()).map(|rule| (id.clone(), rules::info(rule))))
        .collect();
    context.print(&match context.format {
        Format::Text => report::text::scan(&report, args.min_severity.severity(), &context.show()),
        Format::Json => format!("{}\n", report::json::scan(&report)),
        Format::Sarif => format!("{}\n", report::sarif::scan(&report)),
    })?;
    Ok(exit(&report, args, context))
}

fn exit(report: &ScanReport, args: &Args, context: &Context) -> Exit {
    if report.partial() > 0 {
        return Exit::Incomplete;
    }
    if report.examined() == 0 {
        let place = args.paths.iter().map(|path| path.to_string_lossy()).collect::<Vec<_>>().join(", ");
        context.problem(&CliError::Nothing { place });
        return Exit::Nothing;
    }
    match report.worst().filter(|worst| *worst >= args.fail_on.severity()) {
        Some(worst) if args.exit_codes == ExitCodes::Severity => Exit::Severity(worst),
        Some(_) => Exit::Findings,
        None => Exit::Done,
    }
}

enum Outcome {
    File(FileReport),
    PassedOver(&'static str),
}

fn examine(found: &Found, all: bool, scanner: &Scanner) -> Outcome {
    let mut file = FileReport {
        name: found.name.clone(),
        digest: None,
        bytes: 0,
        kind: "unknown".to_owned(),
        is_file: found.path.is_some(),
        findings: Vec::new(),
        coverage: Coverage::Complete,
        skipped: None,
    };
    match &found.refused {
        Some(Refused::Skipped(why)) => {
            file.skipped = Some(why.clone());
            return Outcome::File(file);
        }
        Some(Refused::Failed(why)) => {
            file.coverage = Coverage::Partial(vec![why.clone()]);
            return Outcome::File(file);
        }
        None => {}
    }
    // What is passed over by its name alone is not even opened.
    if !found.named
        && let Kind::PassedOver(what) = recognise::recognise(&found.name, b"[", found.named, all)
    {
        let by_name = ingest::file_kind(&found.name) == ingest::FileKind::Other;
        if by_name {
            return Outcome::PassedOver(what);
        }
    }
    let bytes = match collect::read(found, ingest::MAX_INPUT_BYTES as u64) {
        Ok(bytes) => bytes,
        Err(problem) => {
            file.coverage = Coverage::Partial(vec![format!("cannot be read: {problem}")]);
            return Outcome::File(file);
        }
    };
    file.bytes = bytes.len() as u64;
    file.digest = Some(Digest::of(&bytes));
    let mut gaps = Vec::new();
    let mut hits = Vec::new();
    match recognise::recognise(&found.name, &bytes, found.named, all) {
        Kind::PassedOver(what) => return Outcome::PassedOver(what),
        Kind::Binary(why) => {
            file.kind = "binary".to_owned();
            file.skipped = Some(why);
            return Outcome::File(file);
        }
        Kind::Text(kind) => {
            file.kind = kind.to_owned();
            text(bytes, scanner, &mut gaps, &mut hits);
        }
        Kind::Transcript(format) => {
            file.kind = format!("{} transcript", format.name());
            let input = recognise::input(&found.name, &bytes);
            // Names in a transcript are claims; a scan needs none.
            let context =
                ingest::Context { principal: PrincipalId::new("unknown"), memory_authority: Authority::Agent };
            match ingest::read_sessions(&input, Some(format), &context) {
                Ok(sessions) => transcript(&sessions, &bytes, scanner, &mut gaps, &mut hits),
                Err(problems) => {
                    gaps.extend(problems.iter().map(ToString::to_string));
                    text(bytes, scanner, &mut gaps, &mut hits);
                }
            }
        }
        Kind::Broken(problems) => {
            file.kind = "unreadable transcript".to_owned();
            gaps.extend(problems.iter().map(ToString::to_string));
            text(bytes, scanner, &mut gaps, &mut hits);
        }
    }
    name(&found.name, scanner, &mut hits);
    if hits.len() > MAX_FINDINGS {
        gaps.push(format!("{} findings; only the first {MAX_FINDINGS} are listed", hits.len()));
        hits.truncate(MAX_FINDINGS);
    }
    file.findings = hits;
    if !gaps.is_empty() {
        gaps.dedup();
        file.coverage = Coverage::Partial(gaps);
    }
    Outcome::File(file)
}

/// Examines bytes as one text.
fn text(bytes: Vec<u8>, scanner: &Scanner, gaps: &mut Vec<String>, hits: &mut Vec<Located>) {
    let Readable { text, gap } = recognise::readable(bytes);
    gaps.extend(gap);
    let examined = scanner.examine(&Untrusted::new(text.as_str()), Stage::Write, Channel::Memory, Authority::Agent);
    gaps.extend(limits(&examined));
    let mut locator = Locator::new(text.as_bytes());
    hits.extend(examined.findings().iter().map(|finding| {
        let (line, column) = locator.locate(finding.span.start);
        Located { finding: finding.clone(), line, column, place: None }
    }));
}

/// Examines every event of every session. Places are those of the event's text in the file.
fn transcript(sessions: &[Session], bytes: &[u8], scanner: &Scanner, gaps: &mut Vec<String>, hits: &mut Vec<Located>) {
    let mut locator = Locator::new(bytes);
    for session in sessions {
        for (number, event) in session.events.iter().enumerate() {
            let origin = &event.origin;
            let what = match &event.kind {
                EventKind::Message { .. } => origin.channel.name(),
                EventKind::ToolUse { .. } => "tool use",
                EventKind::ToolResult { .. } => "tool result",
            };
            let place = format!("session {}, event {}, {what}", session.id, number + 1);
            let mut look = |text: &Untrusted<String>| {
                let examined = scanner.examine(text, Stage::Ingest, origin.channel, origin.authority);
                gaps.extend(limits(&examined).map(|limit| format!("{place}: {limit}")));
                hits.extend(examined.findings().iter().map(|finding| {
                    let (line, column) = locator.locate(origin.span.start);
                    let finding = Finding { span: origin.span, ..finding.clone() };
                    Located { finding, line, column, place: Some(place.clone()) }
                }));
            };
            look(event.text());
            if let EventKind::ToolUse { name, .. } = &event.kind {
                look(name);
            }
        }
    }
}

/// A file's name is text that agents read too.
fn name(name: &str, scanner: &Scanner, hits: &mut Vec<Located>) {
    let file = name.rsplit('/').next().unwrap_or(name);
    let examined = scanner.examine(&Untrusted::new(file), Stage::Write, Channel::Memory, Authority::External);
    hits.extend(examined.findings().iter().map(|finding| Located {
        finding: Finding { span: Span::new(0, 0), ..finding.clone() },
        line: 1,
        column: 1,
        place: Some("the name of the file".to_owned()),
    }));
}

fn limits(examined: &Examined) -> impl Iterator<Item = String> + '_ {
    examined.coverage().limits().iter().map(|limit| format!("not examined completely: the limit {limit} was reached"))
}
