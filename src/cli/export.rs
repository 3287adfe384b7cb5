//! `memgate export`: what a stranger can check without memgate.

use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, Subcommand};
use serde_json::json;

use super::context::write_whole;
use super::{CliError, Context, Exit, Format, stop, store};
use crate::auditor::export::{self, Options};
use crate::domain::Digest;
use crate::report::show_line;

/// Arguments of `memgate export`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate export root --out trust-root.json      the one file that has to reach the other side by itself\n  \
    memgate export evidence --out ./evidence       everything else, to be checked against it\n  \
    memgate verify ./evidence --root trust-root.json\n\n\
    The folder's README.md says how to check it with openssl, Python and Go, without memgate.")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What `memgate export` does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Versions, statements, proofs, checkpoints, policies and public keys as one folder of plain files
    #[command(after_help = "Examples:\n  \
        memgate export evidence --out ./evidence\n  \
        memgate export evidence --out ./evidence --since last-year/log/checkpoint\n  \
        memgate export evidence --out ./evidence --without-contents\n\n\
        Everything is verified on the way. No private key is in it; texts of memories are, unless left out.\n\
        While a server runs on the store: memgate backup first, and export from the copy.")]
    Evidence {
        /// The new folder
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// A signed checkpoint from before: the folder then proves that the log only grew since; repeat for several
        #[arg(long, value_name = "FILE")]
        since: Vec<PathBuf>,
        /// Without texts, provenance and salts: signatures, order and approvals can still be checked
        #[arg(long)]
        without_contents: bool,
    },
    /// The trust root alone: give it to verifiers by another way than the evidence
    #[command(after_help = "Examples:\n  memgate export root --out trust-root.json")]
    Root {
        /// The new file
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// Exports.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    let _working = stop::Working::begin()?;
    match &args.command {
        Command::Evidence { out, since, without_contents } => evidence(out, since, *without_contents, context),
        Command::Root { out } => {
            refuse_existing(out)?;
            let bytes = export::root(&context.data)?;
            write_whole(out, &bytes)?;
            let digest = Digest::of(&bytes);
            match context.format {
                Format::Json => context.print_json(&json!({ "schema": "memgate/root/1", "sha256": digest }))?,
                _ => context.print(&format!("Wrote {}\nsha256 {digest}\n", shown(out)))?,
            }
            Ok(Exit::Done)
        }
    }
}

fn evidence(out: &Path, since: &[PathBuf], without_contents: bool, context: &Context) -> Result<Exit, CliError> {
    refuse_existing(out)?;
    let read = |path: &PathBuf| std::fs::read(path).map_err(|error| CliError::read(path, error));
    if export::is_behind(&context.data)? {
        store::with(context, |_| Ok(()))?;
    }
    let since = since.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let made = export::export(&context.data, out, &Options { since, without_contents })?;
    match context.format {
        Format::Json => context.print_json(&json!({
            "schema": "memgate/evidence/1", "versions": made.versions, "entries": made.entries,
            "memories": made.memories, "files": made.files, "root": made.root, "witnesses": made.witnesses,
        }))?,
        _ => context.print(&format!(
            "Wrote {}: {} versions, {} log entries, {} memories, {} files\n{}\n\
             Whoever checks it needs trust-root.json by another way: sha256 {}\n",
            shown(out),
            made.versions,
            made.entries,
            made.memories,
            made.files,
            made.witnesses,
            made.root,
        ))?,
    }
    Ok(Exit::Done)
}

fn refuse_existing(out: &Path) -> Result<(), CliError> {
    if out.exists() {
        return Err(CliError::from(crate::firewall::FirewallError::OutputExists { path: out.to_owned() }));
    }
    Ok(())
}

fn shown(path: &Path) -> String {
    show_line(&path.to_string_lossy(), 80)
}
