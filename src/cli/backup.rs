//! `memgate backup` and `memgate restore`.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde_json::json;

use super::{CliError, Context, Exit, Format, stop, store, verify};
use crate::report::show_line;
use crate::service::backup::{self, Backup};

/// Arguments of `memgate backup`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate backup --data ./server --to /backups/2026-01-31\n  \
    memgate backup --data ./server/stores/memstore_01… --to ./one-store\n\n\
    The server may run, and nobody who writes waits: each store is copied as of one moment, and\n\
    nothing acknowledged before is missing.\n\
    The copy holds private keys, API key digests and webhook secrets: keep it as you keep the server.")]
pub struct Args {
    /// The new folder
    #[arg(long, value_name = "FOLDER")]
    pub to: PathBuf,
}

/// Arguments of `memgate restore`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate restore --from /backups/2026-01-31 --data ./server-again\n\n\
    Every file is compared with the backup's list, every store is opened, sealed and verified. Exit code 6 when one\n\
    is not good. What was signed after the backup is not in it: whoever kept a later checkpoint will notice.\n\
    Never run the old server and the restored one side by side: two histories under one key are a fork.")]
pub struct RestoreArgs {
    /// The backup
    #[arg(long, value_name = "FOLDER")]
    pub from: PathBuf,
}

/// Makes a backup.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    let _working = stop::Working::begin()?;
    let made = backup::backup(&context.data, &args.to)?;
    match context.format {
        Format::Json => context.print_json(&described("memgate/backup-made/1", &made))?,
        _ => context.print(&format!(
            "Copied {} files to {}\nTo check it: memgate restore --from {} --data NEW\n",
            made.files.len(),
            show_line(&args.to.to_string_lossy(), 80),
            show_line(&args.to.to_string_lossy(), 80),
        ))?,
    }
    Ok(Exit::Done)
}

/// Brings a backup back and verifies it.
pub fn restore(args: &RestoreArgs, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    let _working = stop::Working::begin()?;
    let (list, folders) = backup::restore(&args.from, &context.data, &store::outside(context))?;
    if context.format == Format::Text {
        context.print(&format!(
            "Restored {} files of {} to {}\n",
            list.files.len(),
            list.made,
            show_line(&context.data.to_string_lossy(), 80)
        ))?;
    }
    let problems = if list.server { backup::parts(&context.data)?.1 } else { Vec::new() };
    verify::all_good(&folders, &problems, context)
}

fn described(schema: &str, list: &Backup) -> serde_json::Value {
    json!({ "schema": schema, "made": list.made, "server": list.server, "stores": list.stores,
        "files": list.files.len() })
}
