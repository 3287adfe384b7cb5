//! `memgate dream`: consolidate a memory with its sessions, through the gate.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use serde_json::json;

use super::{CliError, Context, Exit, Format, dream_text, store};
use crate::consolidate::Workspace;
use crate::consolidate::plan::Operation;
use crate::domain::Authority;
use crate::firewall::{AcceptMode, DreamReport, DreamRequest, check_out, workspace, write_out};
use crate::ingest;

/// Arguments of `memgate dream`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate dream --memory ./memory --sessions ./transcripts --out ./memory-new\n  \
    memgate dream --sessions a.jsonl --sessions b.jsonl             over the store's current version\n  \
    memgate dream --memory ./memory --workspace ~/src/app --instructions 'focus on topic deployment'\n  \
    memgate dream --memory ./memory --sessions ./transcripts --accept proposals\n  \
    memgate dream --memory ./memory --dry-run --format json\n\n\
    The input is never modified. What is suspicious waits in the quarantine (memgate review list);\n\
    --accept decides on proposals only and never reaches the quarantine.\n\n\
    Instructions are sentences of a small closed language: focus on topic X, ignore path X,\n\
    never merge notes about X, treat X as single-valued, treat X as multi-valued,\n\
    keep tasks for 90 days. What is not understood is said and changes nothing.\n\n\
    On the first dream you vouch for the memory folder's notes by naming it; later, what changed in the\n\
    folder since the last signed version is a write like any other (--adopt vouches again).")]
pub struct Args {
    /// Memory folder to consolidate [default: the store's current version]
    #[arg(long, value_name = "DIR")]
    pub memory: Option<PathBuf>,
    /// Transcript file or folder; repeat for several
    #[arg(long, value_name = "PATH")]
    pub sessions: Vec<PathBuf>,
    /// Write the new memory folder here; must be new or empty
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Folder the notes speak of: files and git history tell which references are stale
    #[arg(long, value_name = "DIR")]
    pub workspace: Option<PathBuf>,
    /// Steering text; it can narrow a dream, never loosen it
    #[arg(long, value_name = "TEXT")]
    pub instructions: Option<String>,
    /// What happens to proposals
    #[arg(long, value_enum, default_value_t = Accept::None, value_name = "WHAT")]
    pub accept: Accept,
    /// Transcript form, when it cannot be recognised: managed-json, managed-jsonl, claude-code, anthropic, openai, memgate
    #[arg(long, value_name = "NAME")]
    pub session_format: Option<String>,
    /// On whose behalf sessions ran that do not say so
    #[arg(long, value_name = "NAME", default_value = "local")]
    pub principal: String,
    /// Vouch for the memory folder's notes again, though the store has a version already
    #[arg(long, requires = "memory")]
    pub adopt: bool,
    /// Make the plan and the report; change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What happens to proposals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Accept {
    /// They stay proposals, except those the policy accepts.
    None,
    /// All are accepted; the gate still looks at each.
    Proposals,
    /// Asked one by one on the terminal.
    Ask,
}

/// Runs a dream.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    if args.accept == Accept::Ask && !std::io::stdin().is_terminal() {
        return Err(CliError::Usage("--accept ask needs a terminal; use none or proposals".to_owned()));
    }
    if args.memory.is_none() && args.sessions.is_empty() {
        return Err(CliError::Usage("name --memory, --sessions or both".to_owned()));
    }
    if let (Some(out), false) = (&args.out, args.dry_run) {
        // Before anything is signed for it.
        check_out(out)?;
    }
    let format = args.session_format.as_deref().map(session_format).transpose()?;
    let memories = match &args.memory {
        Some(folder) => Some(store::read_memories(folder, &args.principal, Authority::Agent, context)?),
        None => None,
    };
    let sessions = store::read_sessions(&args.sessions, format, &args.principal, context)?;
    let facts = args.workspace.as_deref().map(workspace::read).transpose()?;
    let mut raw = sessions.raw;
    let memories = memories.map(|inputs| {
        raw.extend(inputs.raw);
        inputs.memories
    });
    let mut ask = |op: &Operation| Some(ask(op, context).unwrap_or(false));
    let report = store::with(context, |firewall| {
        let request = DreamRequest {
            memories,
            sessions: sessions.sessions,
            raw,
            instructions: args.instructions.clone(),
            workspace: facts.as_ref().map(|facts| facts as &dyn Workspace),
            accept: if args.accept == Accept::Proposals { AcceptMode::Proposals } else { AcceptMode::None },
            ask: if args.accept == Accept::Ask { Some(&mut ask) } else { None },
            adopt: args.adopt,
            dry_run: args.dry_run,
        };
        let report = firewall.dream(request, &mut store::follow(context))?;
        if let (Some(out), false) = (&args.out, args.dry_run) {
            let head = firewall.head()?.ok_or(crate::firewall::FirewallError::NoVersion)?;
            write_out(&firewall.texts(head.sequence)?, out)?;
        }
        Ok(report)
    })?;
    print(&report, args, context)?;
    Ok(if report.held.is_empty() && report.refused.is_empty() { Exit::Done } else { Exit::Findings })
}

fn print(report: &DreamReport, args: &Args, context: &Context) -> Result<(), CliError> {
    if context.format == Format::Json {
        return context.print_json(&json!({
            "schema": "memgate/dream/1",
            "dry_run": args.dry_run,
            "counts": report.counts(),
            "report": report,
        }));
    }
    context.print(&dream_text::render(report, context))?;
    if args.dry_run {
        context.print("Dry run: nothing was changed.\n")?;
    }
    if let Some(out) = args.out.as_ref().filter(|_| !args.dry_run) {
        context.print(&format!("Wrote {}\n", crate::report::show_line(&out.to_string_lossy(), 80)))?;
    }
    let waiting = report.plan.operations.len().saturating_sub(report.applied.len());
    if waiting > 0 && args.accept == Accept::None {
        context.print(&format!("\n{waiting} proposals wait: run again with --accept proposals or --accept ask\n"))?;
    }
    if !report.held.is_empty() {
        context.print("Next: memgate review list\n")?;
    }
    Ok(())
}

fn ask(op: &Operation, context: &Context) -> Result<bool, CliError> {
    let mut text = String::new();
    dream_text::operation(op, false, context, &mut text);
    let stderr = std::io::stderr();
    let _ = stderr.lock().write_all(text.as_bytes());
    context.confirm("accept this?", false)
}

/// The transcript forms a user can name.
pub(super) fn session_format(name: &str) -> Result<ingest::Format, CliError> {
    ingest::Format::from_name(name).ok_or_else(|| CliError::Unknown {
        what: "transcript form",
        name: name.to_owned(),
        near: ingest::Format::ALL.iter().map(|format| format.name().to_owned()).collect(),
    })
}
