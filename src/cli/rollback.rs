//! `memgate rollback`: put a store back, as a new version.

use clap::Args as ClapArgs;
use serde_json::json;

use super::show::sequence;
use super::{CliError, Context, Exit, Format, store};

/// Arguments of `memgate rollback`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate rollback 3 --reason 'grades fell with version 4' --dry-run\n  \
    memgate rollback 3 --reason 'grades fell with version 4' --yes\n\n\
    Nothing is erased: a new signed version gets the old content, scanned again with today's rules.\n\
    Content that today's rules would hold does not come back.")]
pub struct Args {
    /// The version to go back to
    #[arg(value_name = "VERSION")]
    pub version: String,
    /// Why, in your words; kept with the new version
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Show what would change, change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// Rolls back.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    let (target, head, diff) = {
        let firewall = store::open_read(context)?;
        let (target, head) = (sequence(&firewall, &args.version)?, sequence(&firewall, "head")?);
        let diff = firewall.diff(head, target)?;
        (target, head, diff)
    };
    let summary = format!(
        "back from version {head} to the content of version {target}: {} memories return, {} go, {} change",
        diff.added.len(),
        diff.removed.len(),
        diff.changed.len()
    );
    if args.dry_run {
        context.print(&format!("Would go {summary}.\nLook: memgate diff {head} {target}\n"))?;
        return Ok(Exit::Done);
    }
    if !context.confirm(&format!("Go {summary}?"), args.yes)? {
        context.note("nothing was changed");
        return Ok(Exit::Done);
    }
    let version = store::with(context, |firewall| Ok(firewall.rollback(target, &args.reason)?))?;
    if context.format == Format::Json {
        context.print_json(&json!({ "schema": "memgate/rollback/1", "restored": target, "version": version }))?;
    } else {
        context.print(&format!(
            "Version {} ({}) has the content of version {target}; log index {}.\n",
            version.sequence,
            version.statement.short(),
            version.log_index
        ))?;
    }
    Ok(Exit::Done)
}
