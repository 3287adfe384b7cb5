//! `memgate decode`: one text with everything that hides in it.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::{CliError, Context, Exit};

/// Arguments of `decode`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate decode suspicious.md\n  \
    pbpaste | memgate decode -\n  \
    memgate decode suspicious.md --format json\n\n\
    Safe to paste in a ticket: nothing in the output acts on a terminal or a page.")]
pub struct Args {
    /// The file, or - for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Decodes one text.
pub fn run(_args: &Args, _context: &Context) -> Result<Exit, CliError> {
    Err(CliError::NotWired("decode"))
}
