//! `memgate diff`: what one version changed against another.

use clap::Args as ClapArgs;

use super::{CliError, Context, Exit};

/// Arguments of `diff`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate diff 3 4\n  \
    memgate diff 3 head --path /notes/deploy.md\n\n\
    A version is a number, 'head', or the start of its digest.")]
pub struct Args {
    /// The older version
    #[arg(value_name = "A")]
    pub old: String,
    /// The newer version
    #[arg(value_name = "B")]
    pub new: String,
    /// Only this memory
    #[arg(long, value_name = "PATH")]
    pub path: Option<String>,
    /// The store
    #[arg(long, value_name = "NAME", default_value = "main")]
    pub store: String,
}

/// Shows a difference.
pub fn run(_args: &Args, _context: &Context) -> Result<Exit, CliError> {
    Err(CliError::NotWired("diff"))
}
