//! `memgate log`: the signed versions of a store.

use clap::Args as ClapArgs;

use super::{CliError, Context, Exit};

/// Arguments of `log`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate log\n  \
    memgate log --limit 5 --format json")]
pub struct Args {
    /// The newest so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
    /// The store
    #[arg(long, value_name = "NAME", default_value = "main")]
    pub store: String,
}

/// Lists versions.
pub fn run(_args: &Args, _context: &Context) -> Result<Exit, CliError> {
    Err(CliError::NotWired("log"))
}
