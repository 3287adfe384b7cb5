//! `memgate init`: set up a data folder.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::{CliError, Context, Exit};

/// Arguments of `init`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate init                            keys, policy and an empty store in .memgate\n  \
    memgate init --store notes --memory ./memory\n  \
    memgate init --data /srv/memgate --dry-run\n\n\
    Overwrites nothing: what is there already is named and kept.")]
pub struct Args {
    /// Name of the store
    #[arg(long, value_name = "NAME", default_value = "main")]
    pub store: String,
    /// A folder of Markdown memories to start the store with; it goes through the gate like any write
    #[arg(long, value_name = "DIR")]
    pub memory: Option<PathBuf>,
    /// A policy file instead of the documented default
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Only say what would be created
    #[arg(long)]
    pub dry_run: bool,
}

/// Sets the data folder up.
pub fn run(_args: &Args, _context: &Context) -> Result<Exit, CliError> {
    Err(CliError::NotWired("init"))
}
