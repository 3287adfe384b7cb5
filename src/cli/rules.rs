//! `memgate rules`: list, show or check detection rules.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args as ClapArgs, Subcommand};
use serde_json::{Value, json};

use super::{CliError, Context, Exit, Format, codes};
use crate::detect::{self, Budget, Levels, Scanner};
use crate::domain::Coded as _;
use crate::report::style::Style;
use crate::report::{RuleInfo, ShowOptions, Table, show_line, show_terminal};
use crate::ruleset::{Evasion, Rule, RuleSet};

/// Arguments of `rules`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate rules list\n  \
    memgate rules show injection.instruction-override\n  \
    memgate rules check ./my-rules")]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Subcommands of `rules`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// All rules, one a line
    #[command(after_help = "Examples:\n  \
    memgate rules list\n  \
    memgate rules list --format json")]
    List,
    /// One rule: what it finds, why, what to do, and its examples
    #[command(after_help = "Examples:\n  \
    memgate rules show injection.instruction-override")]
    Show {
        /// The rule
        #[arg(value_name = "RULE")]
        rule: String,
    },
    /// Compile packs and try every example
    #[command(after_help = "Examples:\n  \
    memgate rules check                     the built-in packs\n  \
    memgate rules check ./my-rules          a folder of packs\n\n\
        Exit code 4 when a pack is refused or an example disagrees.")]
    Check {
        /// A folder of packs
        #[arg(value_name = "FOLDER")]
        folder: Option<PathBuf>,
    },
}

/// Runs a rules verb.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    match &args.command {
        Command::List => list(context),
        Command::Show { rule } => show(rule, context),
        Command::Check { folder } => check(folder.as_deref(), context),
    }
}

/// The rules to use: the built-in packs, or a folder of packs.
///
/// Errors: a folder that cannot be read, or packs that are refused.
pub(super) fn load(folder: Option<&Path>) -> Result<RuleSet, CliError> {
    let Some(folder) = folder else { return Ok(RuleSet::builtin()?) };
    let mut packs = Vec::new();
    for entry in walkdir::WalkDir::new(folder).follow_root_links(true).sort_by_file_name() {
        let entry = entry.map_err(|problem| {
            let place = problem.path().unwrap_or(folder).to_owned();
            CliError::read(
                &place,
                problem.into_io_error().unwrap_or_else(|| std::io::Error::other("a link that leads in a circle")),
            )
        })?;
        let path = entry.path();
        let is_pack = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if entry.file_type().is_file() && is_pack {
            let name = path.strip_prefix(folder).unwrap_or(path).to_string_lossy().replace('\\', "/");
            packs.push((name, read(path)?));
        }
    }
    if packs.is_empty() {
        return Err(CliError::Nothing { place: folder.to_string_lossy().into_owned() });
    }
    Ok(RuleSet::from_packs(packs)?)
}

/// A scanner over [`load`]ed rules.
pub(super) fn scanner(folder: Option<&Path>, levels: Levels) -> Result<Scanner, CliError> {
    Ok(Scanner::with_levels(Arc::new(load(folder)?), Budget::default(), levels))
}

#[expect(clippy::disallowed_methods, reason = "the command line reads the files that the user names")]
fn read(path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path).map_err(|problem| CliError::read(path, problem))
}

/// What reports say of a rule.
pub(super) fn info(rule: &Rule) -> RuleInfo {
    RuleInfo {
        title: rule.title.clone(),
        severity: rule.severity,
        confidence: rule.confidence,
        why: rule.why.clone(),
        advice: rule.advice.clone(),
        maps: rule.maps.iter().map(|id| id.0.clone()).collect(),
        threats: rule.threats.clone(),
    }
}

fn list(context: &Context) -> Result<Exit, CliError> {
    let rules = load(None)?;
    if context.format == Format::Json {
        let rows: Vec<Value> = rules.rules().iter().map(value).collect();
        let list = json!({"schema": "memgate/rules/1", "ruleset": rules.digest(), "rules": rows});
        context.print_json(&list)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(["RULE", "SEVERITY", "CONFIDENCE", "THREATS", "TITLE"]);
    for rule in rules.rules() {
        table
            .row([
                rule.id.as_str().to_owned(),
                rule.severity.name().to_owned(),
                rule.confidence.name().to_owned(),
                rule.threats.join(" "),
                rule.title.clone(),
            ])
            .style(1, Style::of(rule.severity));
    }
    context.print(&table.render(context.width, context.paint()))?;
    let count = rules.rules().len();
    context.print(&format!("{count} rules, ruleset sha256 {}\n", rules.digest()))?;
    Ok(Exit::Done)
}

fn show(name: &str, context: &Context) -> Result<Exit, CliError> {
    let rules = load(None)?;
    let Some(rule) = rules.get(name) else {
        let near = codes::near(name, rules.rules().iter().map(|rule| rule.id.as_str()));
        return Err(CliError::Unknown { what: "rule", name: name.to_owned(), near });
    };
    page(rule, context)?;
    Ok(Exit::Done)
}

fn value(rule: &Rule) -> Value {
    json!({
        "id": rule.id, "title": rule.title, "status": rule.status, "since": rule.since, "severity": rule.severity,
        "confidence": rule.confidence, "paranoia": rule.paranoia, "stages": rule.stages, "threats": rule.threats, "maps": rule.maps,
        "pack": rule.pack,
    })
}

/// Prints one rule: what it finds, why, what to do, and its examples.
pub(super) fn page(rule: &Rule, context: &Context) -> Result<(), CliError> {
    if context.format == Format::Json {
        let mut page = value(rule);
        if let Some(page) = page.as_object_mut() {
            page.insert("schema".to_owned(), json!("memgate/rule/1"));
            page.insert("why".to_owned(), json!(rule.why));
            page.insert("advice".to_owned(), json!(rule.advice));
            page.insert("references".to_owned(), json!(rule.references));
            page.insert("examples".to_owned(), json!(rule.examples));
            page.insert("evasions".to_owned(), json!(rule.evasions));
        }
        return context.print_json(&page);
    }
    let paint = context.paint();
    let prose = ShowOptions { gutter: false, color: false, ..context.show() };
    let mut out = String::new();
    let _ = writeln!(out, "{}", paint.wrap(Style::Title, rule.id.as_str()));
    let _ = writeln!(out, "{}\n", show_line(&rule.title, context.width));
    let severity = paint.wrap(Style::of(rule.severity), rule.severity.name());
    let _ =
        writeln!(out, "severity {severity}, confidence {}, pack {}", rule.confidence.name(), show_line(&rule.pack, 60));
    for (label, items) in [
        ("threats", &rule.threats),
        ("maps to", &rule.maps.iter().map(|id| id.0.clone()).collect::<Vec<_>>()),
        ("see", &rule.references),
    ] {
        if !items.is_empty() {
            let _ = writeln!(out, "{label} {}", show_line(&items.join(", "), context.width));
        }
    }
    for (heading, text) in [("Why it matters", &rule.why), ("What to do", &rule.advice)] {
        let _ = write!(out, "\n{}\n{}", paint.wrap(Style::Title, heading), show_terminal(text.trim(), &prose));
    }
    for (heading, texts) in [("Fires on", &rule.examples.fires), ("Stays quiet on", &rule.examples.quiet)] {
        let _ = writeln!(out, "\n{}", paint.wrap(Style::Title, heading));
        for text in texts {
            out.push_str(&show_terminal(text.trim_end(), &context.show()));
        }
    }
    for (heading, closed) in [("Known ways round that it catches", true), ("Known ways round that pass", false)] {
        let listed: Vec<&Evasion> = rule.evasions.iter().filter(|evasion| evasion.fires == closed).collect();
        if !listed.is_empty() {
            let _ = writeln!(out, "\n{}", paint.wrap(Style::Title, heading));
        }
        for evasion in listed {
            out.push_str(&show_terminal(evasion.text.trim_end(), &context.show()));
            if let Some(why) = &evasion.why {
                out.push_str(&show_terminal(why.trim_end(), &prose));
            }
        }
    }
    context.print(&out)
}

/// Tries every example of every rule.
fn check(folder: Option<&Path>, context: &Context) -> Result<Exit, CliError> {
    let rules = Arc::new(load(folder)?);
    let wrong = detect::check(&rules);
    let count = rules.rules().len();
    let examples: usize = rules.rules().iter().map(|rule| rule.examples.fires.len() + rule.examples.quiet.len()).sum();
    if context.format == Format::Json {
        let rows: Vec<Value> = wrong
            .iter()
            .map(|one| {
                json!({
                    "code": one.code(), "pack": one.pack, "rule": one.rule, "example": one.example,
                    "what": one.to_string(), "help": one.remedy(),
                })
            })
            .collect();
        context.print_json(&json!({
            "schema": "memgate/rules-check/1", "ruleset": rules.digest(), "rules": count, "examples": examples,
            "wrong": rows,
        }))?;
    } else {
        let mut out = String::new();
        for one in &wrong {
            for line in one.to_string().lines() {
                let _ = writeln!(out, "{}", show_line(line, 400));
            }
        }
        let _ = writeln!(
            out,
            "{count} rules, {examples} examples, {} wrong, ruleset sha256 {}",
            wrong.len(),
            rules.digest()
        );
        context.print(&out)?;
    }
    Ok(if wrong.is_empty() { Exit::Done } else { Exit::Config })
}
