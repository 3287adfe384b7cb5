//! `memgate grade`: grade sessions against a rubric.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, Subcommand};
use serde_json::json;

use super::{CliError, Context, Exit, Format, store};
use crate::firewall::artifacts;
use crate::grade::{Grade, Rubric, Verdict, grade};
use crate::report::show_line;
use crate::report::table::Table;

/// Arguments of `memgate grade`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate grade run --rubric rubric.yaml --sessions ./transcripts\n  \
    memgate grade show")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs of `memgate grade`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Grade recorded sessions and keep the grades
    #[command(after_help = "Examples:\n  \
    memgate grade run --rubric rubric.yaml --sessions ./transcripts\n  \
    memgate grade run --rubric rubric.yaml --sessions a.jsonl --store-version 4 --dry-run\n\n\
        Exit code 8 when a session fails, 9 when one cannot be decided. A rubric has criteria of the kinds\n\
        that 'memgate explain grade-kinds' lists.")]
    Run {
        /// The rubric file
        #[arg(long, value_name = "FILE")]
        rubric: PathBuf,
        /// Transcript file or folder; repeat for several
        #[arg(long, value_name = "PATH", required = true)]
        sessions: Vec<PathBuf>,
        /// The store version these sessions ran on, when they do not say
        #[arg(long, value_name = "VERSION")]
        store_version: Option<String>,
        /// Grade and print, keep nothing (needs no data folder)
        #[arg(long)]
        dry_run: bool,
    },
    /// Grades that were kept
    #[command(after_help = "Examples:\n  \
    memgate grade show\n  \
    memgate grade show --store-version 4 --format json")]
    Show {
        /// Only sessions of this store version
        #[arg(long, value_name = "VERSION")]
        store_version: Option<String>,
    },
}

/// Grades or shows.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    match &args.command {
        Command::Run { rubric, sessions, store_version, dry_run } => {
            let grades = grade_files(rubric, sessions, store_version.as_deref(), context)?;
            if !dry_run {
                store::with(context, |firewall| Ok(firewall.record_grades(&grades)?))?;
            }
            print(&grades, context)
        }
        Command::Show { store_version } => {
            let mut grades = store::open_read(context)?.grades()?;
            grades.retain(|g| store_version.is_none() || g.memory_version == *store_version);
            print(&grades, context)?;
            Ok(if grades.is_empty() { Exit::Nothing } else { Exit::Done })
        }
    }
}

/// Grades every session that the rubric is for.
pub(super) fn grade_files(
    rubric: &Path,
    sessions: &[PathBuf],
    version: Option<&str>,
    context: &Context,
) -> Result<Vec<Grade>, CliError> {
    let text = std::fs::read_to_string(rubric).map_err(|e| CliError::read(rubric, e))?;
    let rubric = Rubric::parse(&text)
        .map_err(|e| CliError::from(e).at(rubric.to_string_lossy().into_owned()).exits(Exit::Config))?;
    for lint in rubric.lints() {
        context.warn(&lint);
    }
    let inputs = store::read_sessions(sessions, None, "local", context)?;
    let mut grades = Vec::new();
    for session in &inputs.sessions {
        let facts = artifacts::from_session(session, version);
        if rubric.applies_to(&facts) {
            grades.push(grade(&rubric, &facts));
        }
    }
    if grades.is_empty() {
        return Err(CliError::Nothing { place: "no session is one that the rubric is for".to_owned() });
    }
    Ok(grades)
}

fn print(grades: &[Grade], context: &Context) -> Result<Exit, CliError> {
    let count = |verdict| grades.iter().filter(|g| g.verdict == verdict).count();
    let (pass, fail, open) = (count(Verdict::Pass), count(Verdict::Fail), count(Verdict::Inconclusive));
    if context.format == Format::Json {
        context.print_json(&json!({
            "schema": "memgate/grades/1", "pass": pass, "fail": fail, "inconclusive": open, "grades": grades,
        }))?;
    } else {
        let mut table = Table::new(["SESSION", "VERSION", "VERDICT", ">SCORE", "WHY"]);
        for one in grades {
            table.row([
                one.session.as_ref().map_or("-".to_owned(), |s| s.to_string()),
                one.memory_version.clone().unwrap_or_else(|| "-".to_owned()),
                match one.verdict {
                    Verdict::Pass => "pass".to_owned(),
                    Verdict::Fail => "fail".to_owned(),
                    Verdict::Inconclusive => "inconclusive".to_owned(),
                },
                if one.score_low == one.score_high {
                    one.score_low.to_string()
                } else {
                    format!("{}-{}", one.score_low, one.score_high)
                },
                why(one),
            ]);
        }
        context.print(&table.render(context.width, context.paint()))?;
        context.print(&format!("\n{pass} pass, {fail} fail, {open} inconclusive\n"))?;
    }
    Ok(match (fail, open) {
        (0, 0) => Exit::Done,
        (0, _) => Exit::Inconclusive,
        _ => Exit::Quality,
    })
}

fn why(one: &Grade) -> String {
    let mut out = one.reason.clone().unwrap_or_default();
    for gate in one.gates.iter().filter(|gate| gate.state == "failed" || gate.state == "open") {
        let _ = write!(out, "{}gate {} {}", if out.is_empty() { "" } else { "; " }, gate.criterion, gate.state);
    }
    show_line(&out, 80)
}
