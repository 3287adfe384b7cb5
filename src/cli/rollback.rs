//! `memgate rollback`: put a store back, as a new version.

use clap::Args as ClapArgs;

use super::{CliError, Context, Exit};

/// Arguments of `rollback`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate rollback 3 --reason 'grades fell with version 4' --reviewer ana --dry-run\n  \
    memgate rollback 3 --reason 'grades fell with version 4' --reviewer ana --yes\n\n\
    Nothing is erased: a new signed version gets the old content, scanned again with today's rules.")]
pub struct Args {
    /// The version to go back to
    #[arg(value_name = "VERSION")]
    pub version: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Your name, for the record
    #[arg(long, value_name = "NAME")]
    pub reviewer: String,
    /// The store
    #[arg(long, value_name = "NAME", default_value = "main")]
    pub store: String,
    /// Only show what would change
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// Rolls forward to old content.
pub fn run(_args: &Args, _context: &Context) -> Result<Exit, CliError> {
    Err(CliError::NotWired("rollback"))
}
