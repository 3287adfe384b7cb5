//! `memgate log`: the signed versions of a store.

use clap::Args as ClapArgs;
use serde_json::json;

use super::{CliError, Context, Exit, Format, store};
use crate::report::table::Table;

/// Arguments of `memgate log`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate log\n  \
    memgate log --limit 5 --format json")]
pub struct Args {
    /// At most so many versions, newest first
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
}

/// Lists versions.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    let mut versions = store::open_read(context)?.versions()?;
    versions.reverse();
    versions.truncate(args.limit);
    if context.format == Format::Json {
        context.print_json(&json!({ "schema": "memgate/log/1", "versions": versions }))?;
    }
    if versions.is_empty() {
        if context.format == Format::Text {
            context.print("No version yet: memgate dream --memory FOLDER\n")?;
        }
        return Ok(Exit::Nothing);
    }
    if context.format == Format::Json {
        return Ok(Exit::Done);
    }
    let mut table = Table::new([">VERSION", "ID", "ACTION", ">MEMORIES", ">LOG INDEX", "SIGNED"]);
    for version in &versions {
        table.row([
            version.sequence.to_string(),
            version.statement.short(),
            version.action.clone(),
            version.memories.to_string(),
            version.log_index.to_string(),
            version.created.to_string(),
        ]);
    }
    context.print(&table.render(context.width, context.paint()))?;
    Ok(Exit::Done)
}
