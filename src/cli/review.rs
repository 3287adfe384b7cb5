//! `memgate review`: decide on held items.

use std::fmt::Write as _;

use clap::{Args as ClapArgs, Subcommand};
use serde_json::json;

use super::{CliError, Context, Exit, Format, dream_text, store};
use crate::domain::{Origin, PrincipalId};
use crate::firewall::{Decided, Firewall};
use crate::gate::review::REASONS;
use crate::gate::{HeldRecord, Place};
use crate::report::style::Style;
use crate::report::{show_line, show_terminal};

/// Arguments of `memgate review`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate review list\n  \
    memgate review show hold_0123456789ab\n  \
    memgate review release hold_0123456789ab --digest 5f7c0d1e2f3a --reason false_positive --note WHY\n  \
    memgate review destroy hold_0123456789ab --digest 5f7c0d1e2f3a --reason prompt_injection\n\n\
    Held items influence nothing that is served. Each has a deadline; when it passes, the answer is no.\n\
    'show' prints the digest of the text; a decision names it, so it counts for exactly those bytes.")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs of `memgate review`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Held items, worst first
    #[command(after_help = "Examples:\n  \
    memgate review list\n  \
    memgate review list --all --format json")]
    List {
        /// Also decided and expired items
        #[arg(long)]
        all: bool,
    },
    /// One held item with everything a decision needs
    #[command(after_help = "Examples:\n  \
    memgate review show hold_0123456789ab")]
    Show {
        /// The item's id, or the beginning of it
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Let exactly these bytes into the store
    #[command(after_help = "Examples:\n  \
    memgate review release hold_0123456789ab --digest 5f7c0d1e2f3a --reason false_positive --note WHY\n\n\
        The text is scanned again with today's rules; severe kinds need a second, different reviewer.")]
    Release(Decide),
    /// Never let it in; the same text is refused from now on
    #[command(after_help = "Examples:\n  \
    memgate review destroy hold_0123456789ab --digest 5f7c0d1e2f3a --reason prompt_injection")]
    Destroy(Decide),
    /// Take the last decision back, within ten minutes; the item waits again
    #[command(after_help = "Examples:\n  \
    memgate review undo hold_0123456789ab --reason stale_or_wrong\n\n\
        What a release brought into the store leaves it in a new signed version, as long as nothing was signed since.")]
    Undo {
        /// The item's id, or the beginning of it
        #[arg(value_name = "ID")]
        id: String,
        /// Reason code
        #[arg(long, value_name = "CODE", value_parser = clap::builder::PossibleValuesParser::new(REASONS))]
        reason: String,
        /// Why, in your words
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
        /// Who takes it back [default: the first reviewer]
        #[arg(long = "as", value_name = "NAME")]
        reviewer: Option<String>,
    },
}

/// Arguments of a decision.
#[derive(Debug, ClapArgs)]
pub struct Decide {
    /// The item's id, or the beginning of it
    #[arg(value_name = "ID")]
    pub id: String,
    /// Digest of what you saw, at least 12 digits: `memgate review show` prints it
    #[arg(long, value_name = "SHA256")]
    pub digest: String,
    /// Reason code
    #[arg(long, value_name = "CODE", value_parser = clap::builder::PossibleValuesParser::new(REASONS))]
    pub reason: String,
    /// Why, in your words; required to release anything severe
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Who decides [default: the first reviewer]
    #[arg(long = "as", value_name = "NAME")]
    pub reviewer: Option<String>,
}

/// Lists, shows or decides.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    match &args.command {
        Command::List { all } => list(*all, context),
        Command::Show { id } => show(id, context),
        Command::Release(decide) => decided(decide, context, Firewall::release),
        Command::Destroy(decide) => decided(decide, context, Firewall::destroy),
        Command::Undo { id, reason, note, reviewer } => {
            let (record, who) = store::with(context, |firewall| {
                let who = named(firewall, reviewer.as_ref())?;
                Ok((firewall.undo(id, &who, reason, note.clone())?, who))
            })?;
            match context.format {
                Format::Json => context.print_json(&json!({
                    "schema": "memgate/decision/1", "reviewer": who, "decided": { "outcome": "reopened" },
                }))?,
                _ => context.print(&format!(
                    "Taken back by {}. {} waits for a person again.\n",
                    show_line(who.as_str(), 40),
                    record.id
                ))?,
            }
            Ok(Exit::Done)
        }
    }
}

fn named(firewall: &Firewall, reviewer: Option<&String>) -> Result<PrincipalId, CliError> {
    let first = firewall.config().settings.reviewers.first().cloned();
    match reviewer {
        Some(name) => Ok(PrincipalId::new(name)),
        None => first.ok_or_else(|| CliError::Usage("name a reviewer with --as".to_owned())),
    }
}

fn list(all: bool, context: &Context) -> Result<Exit, CliError> {
    let records: Vec<HeldRecord> =
        store::open_read(context)?.held()?.into_iter().filter(|record| all || record.state.is_open()).collect();
    if context.format == Format::Json {
        context.print_json(&json!({ "schema": "memgate/held/1", "items": records }))?;
        return Ok(Exit::Done);
    }
    if records.is_empty() {
        context.print("Nothing waits for a person.\n")?;
        return Ok(Exit::Done);
    }
    context.print(&dream_text::held_table(records.iter(), context))?;
    context.print(&format!(
        "\n{}. Look at one: memgate review show ID\n",
        dream_text::count(records.len(), "item", "items")
    ))?;
    Ok(Exit::Done)
}

/// One item with its advice and what can be decided. Also what `explain` says of it.
pub(super) fn show(id: &str, context: &Context) -> Result<Exit, CliError> {
    let firewall = store::open_read(context)?;
    let record = firewall.held_item(id)?;
    if context.format == Format::Json {
        context.print_json(&json!({ "schema": "memgate/held-item/1", "item": record }))?;
        return Ok(Exit::Done);
    }
    context.print(&page(&record, context))?;
    let advice = record.findings.iter().filter_map(|f| firewall.scanner().rules().get(f.rule.as_str()));
    let mut seen = Vec::new();
    for rule in advice {
        if !seen.contains(&rule.id) {
            seen.push(rule.id.clone());
            context.print(&format!("  {}: {}\n", rule.id, show_line(&rule.advice, 400)))?;
        }
    }
    if record.state.is_open() {
        context.print(&format!(
            "\nDecide on exactly these bytes:\n  memgate review destroy {id} --digest {digest} --reason prompt_injection\n  \
             memgate review release {id} --digest {digest} --reason false_positive --note WHY\n",
            id = record.id,
            digest = record.digest.short(),
        ))?;
    }
    Ok(Exit::Done)
}

/// One item on one screen. Also used by the demo.
pub(super) fn page(record: &HeldRecord, context: &Context) -> String {
    let paint = context.paint();
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{}  {} {}, authority {}, {}",
        paint.wrap(Style::Title, record.id.as_str()),
        record.severity.name(),
        record.kind.name(),
        record.authority.name(),
        record.state.name(),
    );
    for reason in &record.reasons {
        let _ = writeln!(out, "  why: {reason}");
    }
    let place = match &record.place {
        Place::Memory { path, heading: Some(heading) } => format!("memory {path}, under \"{heading}\""),
        Place::Memory { path, heading: None } => format!("memory {path}"),
        Place::Write { path, base, moves, .. } => {
            let was = base.map_or("a new memory".to_owned(), |base| format!("in place of {}", base.short()));
            let from = moves.as_ref().map(|from| format!(", renamed from {from}")).unwrap_or_default();
            format!("memory {path}, the whole write, {was}{from}")
        }
        Place::Session { session, event } => format!("session {session}, event {event}: a dream does not see it"),
    };
    let _ = writeln!(out, "  where: {}", show_line(&place, context.width.saturating_sub(10)));
    let _ = writeln!(out, "  proposed by: {}", show_line(record.submitter.as_str(), 60));
    let _ = writeln!(out, "  held {}, becomes no at {}", record.created, record.deadline);
    if record.needs_two {
        let first = record.first_reviewer.as_ref().map_or("none yet".to_owned(), |r| show_line(r.as_str(), 40));
        let _ = writeln!(out, "  needs two different reviewers; first yes: {first}");
    }
    let _ = writeln!(out, "\n{}  {}", paint.wrap(Style::Title, "Text"), crate::report::describe(&record.text));
    out.push_str(&show_terminal(&record.text, &context.show()));
    if !record.findings.is_empty() {
        let _ = writeln!(out, "\n{}", paint.wrap(Style::Title, "Findings"));
        for finding in &record.findings {
            let decoding = if finding.decoding.is_empty() {
                String::new()
            } else {
                format!(", decoded by {}", finding.decoding.join(" > "))
            };
            let _ = writeln!(
                out,
                "  {} {}/{}  {}  bytes {}..{}, {} view{decoding}  {}",
                finding.rule,
                finding.severity.name(),
                finding.confidence.name(),
                finding.title,
                finding.span.start,
                finding.span.end,
                finding.view.name(),
                finding.threats.join(" "),
            );
            if !finding.excerpt.is_empty() && !finding.decoding.is_empty() {
                let _ = writeln!(out, "      reads: {}", show_line(&finding.excerpt, context.width.saturating_sub(14)));
            }
        }
    }
    if !record.origins.is_empty() {
        let _ = writeln!(out, "\n{}", paint.wrap(Style::Title, "Evidence"));
        for origin in record.origins.iter().take(8) {
            let _ = writeln!(out, "  {}", origin_line(origin));
        }
        if record.origins.len() > 8 {
            let _ = writeln!(out, "  … and {} more places", record.origins.len() - 8);
        }
    }
    out
}

fn origin_line(origin: &Origin) -> String {
    let session = match (&origin.session, origin.event) {
        (Some(session), Some(event)) => format!("session {} event {event}, ", show_line(session.as_str(), 40)),
        _ => String::new(),
    };
    format!(
        "{session}{} bytes {}..{}, {} channel, {} authority, on behalf of {}",
        show_line(&origin.input, 60),
        origin.span.start,
        origin.span.end,
        origin.channel.name(),
        origin.authority.name(),
        show_line(origin.principal.as_str(), 40),
    )
}

type Verb = fn(
    &mut Firewall,
    &str,
    &PrincipalId,
    &str,
    &str,
    Option<String>,
) -> Result<Decided, crate::firewall::FirewallError>;

fn decided(args: &Decide, context: &Context, verb: Verb) -> Result<Exit, CliError> {
    let (outcome, reviewer) = store::with(context, |firewall| {
        let reviewer = named(firewall, args.reviewer.as_ref())?;
        let outcome = verb(firewall, &args.id, &reviewer, &args.digest, &args.reason, args.note.clone())?;
        Ok((outcome, reviewer))
    })?;
    if context.format == Format::Json {
        context.print_json(&json!({ "schema": "memgate/decision/1", "reviewer": reviewer, "decided": outcome }))?;
        return Ok(Exit::Done);
    }
    let reviewer = show_line(reviewer.as_str(), 40);
    context.print(&match outcome {
        Decided::Released { version } => format!(
            "Released by {reviewer} into version {} ({}), log index {}.\nUndo: memgate rollback {} --reason WHY\n",
            version.sequence,
            version.statement.short(),
            version.log_index,
            version.sequence.saturating_sub(1),
        ),
        Decided::AwaitsSecond => {
            format!("First yes by {reviewer} recorded. A second, different reviewer is needed: --as NAME\n")
        }
        Decided::Destroyed => format!("Destroyed by {reviewer}. The same text is refused from now on.\n"),
    })?;
    Ok(Exit::Done)
}
