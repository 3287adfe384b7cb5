//! `memgate version`: version and ruleset digest.

use clap::Args as ClapArgs;
use serde_json::json;

use super::{CliError, Context, Exit, Format};

/// Arguments of `version`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  memgate version\n  memgate version --json")]
pub struct Args {
    /// One line of JSON; the same as --format json
    #[arg(long)]
    pub json: bool,
}

/// Prints what this build is.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    let version = env!("CARGO_PKG_VERSION");
    if args.json || context.format == Format::Json {
        context.print_json(&json!({"schema": "memgate/version/1", "name": "memgate", "version": version}))?;
    } else {
        context.print(&format!("memgate {version}\n"))?;
    }
    Ok(Exit::Done)
}
