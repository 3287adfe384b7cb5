//! `memgate scan`: examine files, folders, memories and transcripts.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use super::{CliError, Context, Exit};

/// Arguments of `scan`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate scan .                          memory and instruction files of this folder\n  \
    memgate scan ~/.claude/projects --min-severity medium\n  \
    memgate scan notes.md --format json\n  \
    memgate scan . --format sarif -o memgate.sarif\n  \
    git show HEAD:AGENTS.md | memgate scan -\n\n\
    Exit codes: 0 nothing at or above --fail-on, 1 findings, 3 nothing to examine, 5 something could not be\n\
    fully examined (beats 0 and 1). Links are never followed out of the folder that was named.")]
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

/// Scans.
pub fn run(_args: &Args, _context: &Context) -> Result<Exit, CliError> {
    Err(CliError::NotWired("scan"))
}
