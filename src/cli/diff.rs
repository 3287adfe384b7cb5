//! `memgate diff`: what one version changed against another.

use clap::Args as ClapArgs;
use serde_json::json;

use super::show::sequence;
use super::{CliError, Context, Exit, Format, store};
use crate::report::diff::unified;
use crate::report::show_line;

/// Arguments of `memgate diff`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate diff 3 4\n  \
    memgate diff 3 head --path /notes/deploy.md\n\n\
    A version is a number, 'head', or the start of its id. Both are verified first.")]
pub struct Args {
    /// The older version
    #[arg(value_name = "A")]
    pub old: String,
    /// The newer version
    #[arg(value_name = "B", default_value = "head")]
    pub new: String,
    /// Only this memory
    #[arg(long, value_name = "PATH")]
    pub path: Option<String>,
}

/// Shows the difference.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    let firewall = store::open_read(context)?;
    let (old, new) = (sequence(&firewall, &args.old)?, sequence(&firewall, &args.new)?);
    let diff = firewall.diff(old, new)?;
    let wanted =
        |path: &str| args.path.as_deref().is_none_or(|only| only == path || only == path.trim_start_matches('/'));
    if context.format == Format::Json {
        let name = |texts: &[crate::firewall::VersionText]| -> Vec<String> {
            texts.iter().map(|t| t.path.to_string()).filter(|p| wanted(p)).collect()
        };
        let changed: Vec<_> = diff
            .changed
            .iter()
            .filter(|(before, _)| wanted(before.path.as_str()))
            .map(|(before, after)| json!({ "path": before.path, "old": &before.text, "new": &after.text }))
            .collect();
        context.print_json(&json!({
            "schema": "memgate/diff/1", "old": old, "new": new, "added": name(&diff.added),
            "removed": name(&diff.removed), "changed": changed, "same": diff.same,
        }))?;
        return Ok(Exit::Done);
    }
    let options = context.show();
    for text in diff.removed.iter().filter(|t| wanted(t.path.as_str())) {
        context.print(&unified(text.path.as_str(), "(gone)", &text.text, "", &options))?;
    }
    for text in diff.added.iter().filter(|t| wanted(t.path.as_str())) {
        context.print(&unified("(new)", text.path.as_str(), "", &text.text, &options))?;
    }
    for (before, after) in diff.changed.iter().filter(|(before, _)| wanted(before.path.as_str())) {
        let path = before.path.as_str();
        context.print(&unified(path, path, &before.text, &after.text, &options))?;
    }
    context.print(&format!(
        "{} added, {} removed, {} changed, {} unchanged between versions {old} and {new}\n",
        diff.added.len(),
        diff.removed.len(),
        diff.changed.len(),
        show_line(&diff.same.to_string(), 20),
    ))?;
    Ok(Exit::Done)
}
