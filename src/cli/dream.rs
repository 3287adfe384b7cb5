//! `memgate dream`: consolidate a memory with its sessions, through the gate.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use super::{CliError, Context, Exit};

/// Arguments of `dream`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate dream --memory ./memory --sessions ./transcripts --out ./memory-new\n  \
    memgate dream --memory ./memory --sessions a.jsonl --sessions b.jsonl --accept none\n  \
    memgate dream --memory ./memory --workspace ~/src/app --instructions 'keep the deployment notes'\n  \
    memgate dream --memory ./memory --dry-run --format json\n\n\
    The input is never modified. What is suspicious waits in the quarantine (memgate review list);\n\
    --accept decides on proposals only and never reaches the quarantine.")]
pub struct Args {
    /// The memory to consolidate: a folder of Markdown files
    #[arg(long, value_name = "DIR")]
    pub memory: PathBuf,
    /// Transcripts, files or folders; may be repeated
    #[arg(long, value_name = "PATH")]
    pub sessions: Vec<PathBuf>,
    /// Where the output store goes; must be empty or new
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The folder that notes refer to (files, commands, versions), to check what is stale
    #[arg(long, value_name = "DIR")]
    pub workspace: Option<PathBuf>,
    /// What to keep or drop, in plain words; @FILE reads a file
    #[arg(long, value_name = "TEXT")]
    pub instructions: Option<String>,
    /// What happens to proposals
    #[arg(long, value_enum, default_value_t = Accept::None, value_name = "WHAT")]
    pub accept: Accept,
    /// The form of the transcripts, instead of recognising it
    #[arg(long, value_name = "NAME")]
    pub session_format: Option<String>,
    /// On whose behalf sessions ran that do not say so
    #[arg(long, value_name = "NAME", default_value = "local")]
    pub principal: String,
    /// What the memory folder may claim: agent, unless you vouch for it
    #[arg(long, value_enum, default_value_t = Vouch::Agent, value_name = "WHO")]
    pub memory_authority: Vouch,
    /// The name that decisions at the keyboard are recorded under
    #[arg(long, value_name = "NAME")]
    pub reviewer: Option<String>,
    /// Only print the plan; nothing is stored, signed or held
    #[arg(long)]
    pub dry_run: bool,
}

/// What happens to proposals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Accept {
    /// They stay proposals.
    None,
    /// All are accepted, as far as the policy allows.
    Proposals,
    /// Each is asked for on the terminal.
    Ask,
}

/// Who stands behind a memory folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Vouch {
    /// The agent wrote it.
    Agent,
    /// The user wrote it.
    User,
    /// The operator wrote it.
    Operator,
}

/// Runs a dream.
pub fn run(_args: &Args, _context: &Context) -> Result<Exit, CliError> {
    Err(CliError::NotWired("dream"))
}
