//! `memgate policy`: check or show a policy.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

use super::{CliError, Context, Exit};

/// Arguments of `policy`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate policy check policy.toml\n  \
    memgate policy show --default > policy.toml")]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Subcommands of `policy`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read a policy, checking every key
    #[command(after_help = "Examples:\n  \
    memgate policy check policy.toml\n\n\
        Exit code 4 when it is refused.")]
    Check {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// The policy in force, with comments
    #[command(after_help = "Examples:\n  \
    memgate policy show\n  \
    memgate policy show --default > policy.toml")]
    Show {
        /// The built-in default
        #[arg(long)]
        default: bool,
    },
}

/// Runs a policy verb.
pub fn run(_args: &Args, _context: &Context) -> Result<Exit, CliError> {
    Err(CliError::NotWired("policy"))
}
