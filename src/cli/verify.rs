//! `memgate verify`: verify everything, offline.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::{CliError, Context, Exit};

/// Arguments of `verify`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate verify\n  \
    memgate verify --data /srv/memgate --format json\n  \
    memgate verify --trust keys/public.txt     against keys you already have, not those in the folder\n\n\
    Every problem has its own code (memgate explain CODE) and names the file. Exit code 6.")]
pub struct Args {
    /// Trusted public keys, instead of those in the data folder
    #[arg(long, value_name = "FILE")]
    pub trust: Option<PathBuf>,
}

/// Verifies.
pub fn run(_args: &Args, _context: &Context) -> Result<Exit, CliError> {
    Err(CliError::NotWired("verify"))
}
