//! `memgate grade`: grade sessions against a rubric.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

use super::{CliError, Context, Exit};

/// Arguments of `grade`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate grade run --rubric rubric.yaml --sessions ./transcripts\n  \
    memgate grade show")]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Subcommands of `grade`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Grade recorded sessions
    #[command(after_help = "Examples:\n  \
    memgate grade run --rubric rubric.yaml --sessions ./transcripts\n  \
    memgate grade run --rubric rubric.yaml --sessions a.jsonl --store-version 4 --dry-run\n\n\
        Exit code 8 when a session fails, 9 when one cannot be decided.")]
    Run {
        /// The rubric
        #[arg(long, value_name = "FILE")]
        rubric: PathBuf,
        /// Transcripts, files or folders; may be repeated
        #[arg(long, value_name = "PATH", required = true)]
        sessions: Vec<PathBuf>,
        /// The version of the store that these sessions ran with
        #[arg(long, value_name = "VERSION")]
        store_version: Option<String>,
        /// The store
        #[arg(long, value_name = "NAME", default_value = "main")]
        store: String,
        /// Do not record the grades
        #[arg(long)]
        dry_run: bool,
    },
    /// Recorded grades, by version
    #[command(after_help = "Examples:\n  \
    memgate grade show\n  \
    memgate grade show --store-version 4 --format json")]
    Show {
        /// Only this version
        #[arg(long, value_name = "VERSION")]
        store_version: Option<String>,
        /// The store
        #[arg(long, value_name = "NAME", default_value = "main")]
        store: String,
    },
}

/// Runs a grade verb.
pub fn run(_args: &Args, _context: &Context) -> Result<Exit, CliError> {
    Err(CliError::NotWired("grade"))
}
