//! `memgate show`: a version, or one memory in it.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde_json::json;

use super::{CliError, Context, Exit, Format, dream_text, store};
use crate::firewall::{Firewall, FirewallError, write_out};
use crate::report::table::Table;
use crate::report::{show_line, show_terminal};

/// Arguments of `memgate show`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate show head\n  \
    memgate show 4 /notes/deploy.md\n  \
    memgate show 4 --export ./version-4\n\n\
    What is shown was verified first.")]
pub struct Args {
    /// A version's number, or `head`
    #[arg(value_name = "VERSION", default_value = "head")]
    pub version: String,
    /// One memory
    #[arg(value_name = "PATH")]
    pub path: Option<String>,
    /// Write the version as a folder; must be new or empty
    #[arg(long, value_name = "DIR")]
    pub export: Option<PathBuf>,
}

/// Shows or exports.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    let firewall = store::open_read(context)?;
    let sequence = sequence(&firewall, &args.version)?;
    let texts = firewall.texts(sequence)?;
    if let Some(folder) = &args.export {
        write_out(&texts, folder)?;
        context.note(&format!("wrote {}", dream_text::count(texts.len(), "memory", "memories")));
        if context.format == Format::Json {
            context.print_json(&json!({
                "schema": "memgate/export/1", "version": sequence, "memories": texts.len(), "folder": folder.to_string_lossy(),
            }))?;
        }
        return Ok(Exit::Done);
    }
    if let Some(path) = &args.path {
        let wanted = if path.starts_with('/') { path.clone() } else { format!("/{path}") };
        let found = texts.iter().find(|t| t.path.as_str() == wanted).ok_or_else(|| CliError::Unknown {
            what: "memory",
            name: wanted.clone(),
            near: super::codes::near(&wanted, texts.iter().map(|t| t.path.as_str())),
        })?;
        if context.format == Format::Json {
            context.print_json(&json!({
                "schema": "memgate/memory/1", "version": sequence, "path": found.path,
                "sha256": crate::domain::Digest::of(&found.text), "text": &found.text,
            }))?;
        } else {
            context.print(&show_terminal(&found.text, &context.show()))?;
        }
        return Ok(Exit::Done);
    }
    if context.format == Format::Json {
        let rows: Vec<_> = texts
            .iter()
            .map(|t| json!({ "path": t.path, "sha256": crate::domain::Digest::of(&t.text), "bytes": t.text.len() }))
            .collect();
        context.print_json(&json!({ "schema": "memgate/store-version/1", "version": sequence, "memories": rows }))?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(["PATH", ">BYTES", "SHA256"]);
    for text in &texts {
        table.row([
            show_line(text.path.as_str(), 70),
            text.text.len().to_string(),
            crate::domain::Digest::of(&text.text).short(),
        ]);
    }
    let memories = dream_text::count(texts.len(), "memory", "memories");
    context.print(&format!("Version {sequence}, verified: {memories}\n\n"))?;
    context.print(&table.render(context.width, context.paint()))?;
    Ok(Exit::Done)
}

/// A version's number from what a user typed: a number, `head`, or the beginning of its id.
pub(super) fn sequence(firewall: &Firewall, text: &str) -> Result<u64, CliError> {
    let versions = firewall.versions()?;
    if text == "head" {
        return versions.last().map(|v| v.sequence).ok_or_else(|| FirewallError::NoVersion.into());
    }
    if let Ok(number) = text.parse::<u64>() {
        if versions.iter().any(|v| v.sequence == number) {
            return Ok(number);
        }
        return Err(FirewallError::UnknownVersion { sequence: number }.into());
    }
    let mut found = versions.iter().filter(|v| text.len() >= 8 && v.statement.hex().starts_with(text));
    match (found.next(), found.next()) {
        (Some(version), None) => Ok(version.sequence),
        _ => Err(CliError::Unknown { what: "version", name: text.to_owned(), near: Vec::new() }),
    }
}
