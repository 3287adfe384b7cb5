//! `memgate rules`: list, show or check detection rules.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

use super::{CliError, Context, Exit};

/// Arguments of `rules`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate rules list\n  \
    memgate rules show injection.instruction-override\n  \
    memgate rules check ./my-rules")]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Subcommands of `rules`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// All rules, one a line
    #[command(after_help = "Examples:\n  \
    memgate rules list\n  \
    memgate rules list --format json")]
    List,
    /// One rule: what it finds, why, what to do, and its examples
    #[command(after_help = "Examples:\n  \
    memgate rules show injection.instruction-override")]
    Show {
        /// The rule
        #[arg(value_name = "RULE")]
        rule: String,
    },
    /// Compile packs and try every example
    #[command(after_help = "Examples:\n  \
    memgate rules check                     the built-in packs\n  \
    memgate rules check ./my-rules          a folder of packs\n\n\
        Exit code 4 when a pack is refused or an example disagrees.")]
    Check {
        /// A folder of packs
        #[arg(value_name = "FOLDER")]
        folder: Option<PathBuf>,
    },
}

/// Runs a rules verb.
pub fn run(_args: &Args, _context: &Context) -> Result<Exit, CliError> {
    Err(CliError::NotWired("rules"))
}
