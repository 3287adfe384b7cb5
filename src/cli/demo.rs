//! `memgate demo`: a guided tour on sample data.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::{CliError, Context, Exit};

/// Arguments of `demo`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate demo                            in a temporary folder that is removed at the end\n  \
    memgate demo --keep ./demo              keep everything to look around\n\n\
    Needs no network and asks nothing.")]
pub struct Args {
    /// Keep the data folder, the input and the output here; the folder must be empty or new
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// Plays the tour.
pub fn run(_args: &Args, _context: &Context) -> Result<Exit, CliError> {
    Err(CliError::NotWired("demo"))
}
