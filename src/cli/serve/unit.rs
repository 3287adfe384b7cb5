//! `memgate serve unit`: how an operator's system runs the server.

use clap::Args as ClapArgs;

use crate::cli::{CliError, Context, Exit};

/// Arguments of `memgate serve unit`.
#[derive(Debug, ClapArgs)]
#[group(required = true, multiple = false)]
pub struct Args {
    /// A service unit with everything shut off that the server does not need
    #[arg(long)]
    pub systemd: bool,
    /// A recipe for an image without a shell, run by nobody
    #[arg(long)]
    pub containerfile: bool,
}

const SYSTEMD: &str = include_str!("memgate.service");
const CONTAINERFILE: &str = include_str!("Containerfile");

/// Prints one.
pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.print(if args.systemd { SYSTEMD } else { CONTAINERFILE })?;
    Ok(Exit::Done)
}
