//! `memgate review`: decide on held items.

use clap::{Args as ClapArgs, Subcommand};

use super::{CliError, Context, Exit};

/// Arguments of `review`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate review list\n  \
    memgate review show hold_0123456789ab\n  \
    memgate review release hold_0123456789ab --digest 5f7c... --reason 'checked with the author' --reviewer ana\n  \
    memgate review destroy hold_0123456789ab --reason 'planted order' --reviewer ana")]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Subcommands of `review`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Items that wait, worst first
    #[command(after_help = "Examples:\n  \
    memgate review list\n  \
    memgate review list --all --format json")]
    List {
        /// Decided and expired items too
        #[arg(long)]
        all: bool,
    },
    /// One item: its exact text with everything hidden made visible, its evidence, its digest
    #[command(after_help = "Examples:\n  \
    memgate review show hold_0123456789ab")]
    Show {
        /// The item
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Let an item into the store, exactly as it was shown
    #[command(after_help = "Examples:\n  \
    memgate review release hold_0123456789ab --digest 5f7c... --reason 'checked with the author' --reviewer ana\n\n\
        The text is scanned again with today's rules; severe kinds need a second person.")]
    Release(Decide),
    /// Refuse an item for good
    #[command(after_help = "Examples:\n  \
    memgate review destroy hold_0123456789ab --reason 'planted order' --reviewer ana")]
    Destroy(Decide),
}

/// A decision on one item.
#[derive(Debug, ClapArgs)]
pub struct Decide {
    /// The item
    #[arg(value_name = "ID")]
    pub id: String,
    /// The digest that 'review show' printed: what you saw is what you decide on (required to release)
    #[arg(long, value_name = "SHA256")]
    pub digest: Option<String>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Your name, for the record
    #[arg(long, value_name = "NAME")]
    pub reviewer: String,
}

/// Runs a review verb.
pub fn run(_args: &Args, _context: &Context) -> Result<Exit, CliError> {
    Err(CliError::NotWired("review"))
}
