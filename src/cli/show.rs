//! `memgate show`: a version, or one memory in it.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::{CliError, Context, Exit};

/// Arguments of `show`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate show head\n  \
    memgate show 4 /notes/deploy.md\n  \
    memgate show 4 --export ./version-4\n\n\
    What is shown was verified first.")]
pub struct Args {
    /// A number, 'head', or the start of a digest
    #[arg(value_name = "VERSION", default_value = "head")]
    pub version: String,
    /// One memory
    #[arg(value_name = "PATH")]
    pub path: Option<String>,
    /// Write the memories of the version, byte for byte, to this empty or new folder
    #[arg(long, value_name = "DIR")]
    pub export: Option<PathBuf>,
    /// The store
    #[arg(long, value_name = "NAME", default_value = "main")]
    pub store: String,
}

/// Shows a version.
pub fn run(_args: &Args, _context: &Context) -> Result<Exit, CliError> {
    Err(CliError::NotWired("show"))
}
