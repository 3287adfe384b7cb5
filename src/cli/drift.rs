//! `memgate drift`: watch grades for changes.

use clap::{Args as ClapArgs, Subcommand};

use super::{CliError, Context, Exit};

/// Arguments of `drift`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate drift status\n  \
    memgate drift simulate --reference 900 --to 800 --alpha 50")]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Subcommands of `drift`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Every monitor, with its guarantee in plain words
    #[command(after_help = "Examples:\n  \
    memgate drift status\n  \
    memgate drift status --format json\n\n\
        Exit code 8 when a monitor has fired.")]
    Status {
        /// The store
        #[arg(long, value_name = "NAME", default_value = "main")]
        store: String,
    },
    /// How many sessions a change would take to be seen, before anything is switched on
    #[command(after_help = "Examples:\n  \
    memgate drift simulate --reference 900 --to 800 --alpha 50\n\n\
        Numbers are permille: 900 is 90 %.")]
    Simulate {
        /// The grade that counts as unchanged, in permille
        #[arg(long, value_name = "PERMILLE", default_value_t = 900, value_parser = clap::value_parser!(u16).range(1..=999))]
        reference: u16,
        /// The grade it falls to, in permille
        #[arg(long, value_name = "PERMILLE", default_value_t = 800, value_parser = clap::value_parser!(u16).range(0..=1000))]
        to: u16,
        /// The chance of ever firing without cause, in permille
        #[arg(long, value_name = "PERMILLE", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=500))]
        alpha: u16,
        /// Sessions before the change
        #[arg(long, value_name = "N", default_value_t = 0)]
        before: u32,
    },
}

/// Runs a drift verb.
pub fn run(_args: &Args, _context: &Context) -> Result<Exit, CliError> {
    Err(CliError::NotWired("drift"))
}
