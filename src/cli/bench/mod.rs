//! `memgate bench`: figures that anybody can take again.

mod evasions;
mod figures;
mod read;
mod render;
mod work;
mod writes;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};

use super::{CliError, Context, Exit, Format, rules};
use crate::detect::{Budget, Levels, Scanner};
use crate::domain::MemoryPath;
use crate::gate::Policy;
use crate::ruleset::{Matcher, Rule, RuleSet};
use figures::Sheet;
use work::Bench;

/// Arguments of `memgate bench`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate bench detect corpora/dev\n  \
    memgate bench detect corpora/dev --unseen asb,deepset --evasions\n  \
    memgate bench writes corpora/dev")]
pub struct Args {
    /// What to measure
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs of `memgate bench`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Recall, false alarms, ranking, places and speed on labelled texts
    Detect(DetectArgs),
    /// What honest and hostile writes to a server's stores meet, one after another
    Writes(writes::WritesArgs),
}

/// Arguments of `memgate bench detect`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate bench detect corpora/dev\n  \
    memgate bench detect corpora/dev --unseen asb,aws_memory_defense\n  \
    memgate bench detect corpora/dev --without classifier --without sets\n  \
    memgate bench detect corpora/dev --evasions --format json -o figures.json\n\n\
    A line is a JSON object: \"text\", \"label\" (1 attack, 0 honest) and, when known, \"id\", \"source\", \"family\",\n\
    \"channel\" (user, memory, system, assistant, tool, peer, document, web, email, code), \"lang\", and \"span\"\n\
    [from, to) in bytes, where an attack stands in a longer text. Other members are passed over.\n\n\
    Every text is a note on its way to memory. It is held by content when a finding about its wording holds it;\n\
    by kind when it is also of a governed kind, or says what its origin may not say; and by the gate when it\n\
    would not be admitted at the default policy. Text of tools, pages, mails and documents always waits for\n\
    support, so that last column says nothing about wording. The threshold for recall at 1 % false alarms is\n\
    taken over all honest texts that were read.\n\n\
    All figures but the times are the same on every machine and for every number of threads.\n\
    Exit codes: 0 done, 3 no labelled text, 5 a file or a line could not be read; nothing is printed then.")]
pub struct DetectArgs {
    /// Files of labelled lines (.jsonl), or folders of them
    #[arg(value_name = "DIR", required = true)]
    pub paths: Vec<PathBuf>,
    /// Leave one part out, to see what it brings: rules, classifier, provenance, sets; may be repeated
    #[arg(long, value_enum, value_name = "PART", hide_possible_values = true)]
    pub without: Vec<Part>,
    /// Sources that nothing was trained or tuned on, summed separately
    #[arg(long, value_name = "SOURCE,…", value_delimiter = ',')]
    pub unseen: Vec<String>,
    /// Every attack again under every disguise, and under disguises three deep
    #[arg(long)]
    pub evasions: bool,
    /// Rule packs from this folder instead of the built-in ones
    #[arg(long, value_name = "DIR")]
    pub rules: Option<PathBuf>,
    /// With --format json: every text's id, score and verdicts
    #[arg(long)]
    pub cases: bool,
    /// Worker threads; they change the time it takes and nothing else
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub threads: u8,
}

/// A part of detection that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Part {
    /// Patterns, composites and the coded detectors that look at one text.
    Rules,
    /// The trained classifier.
    Classifier,
    /// Where a text came from: every text counts as a user's own.
    Provenance,
    /// Notes read beside their neighbours.
    Sets,
}

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::Rules => "rules",
            Self::Classifier => "classifier",
            Self::Provenance => "provenance",
            Self::Sets => "sets",
        }
    }

    /// The part a rule belongs to. A gap in a scan is never left out.
    fn of(rule: &Rule) -> Option<Self> {
        match &rule.matcher {
            Matcher::Detector(slug) if slug == "scan-incomplete" => None,
            Matcher::Detector(slug) if slug.starts_with("classifier") => Some(Self::Classifier),
            Matcher::Detector(slug) if slug == "fragment-assembly" => Some(Self::Sets),
            _ if rule.id.as_str().starts_with("sets.") => Some(Self::Sets),
            _ if rule.id.as_str().starts_with("provenance.") => Some(Self::Provenance),
            Matcher::Detector(_) | Matcher::Pattern { .. } | Matcher::Composite(_) => Some(Self::Rules),
        }
    }
}

/// Runs a bench verb.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    match &args.command {
        Command::Detect(args) => detect(args, context),
        Command::Writes(args) => writes::run(args, context),
    }
}

fn detect(args: &DetectArgs, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    if args.cases && context.format != Format::Json {
        return Err(CliError::Usage("--cases needs --format json".to_owned()));
    }
    let without: BTreeSet<Part> = args.without.iter().copied().collect();
    let texts = read::labelled(&args.paths)?;
    let sources: BTreeSet<&str> = texts.iter().map(|text| text.source.as_str()).collect();
    if let Some(name) = args.unseen.iter().find(|name| !sources.contains(name.as_str())) {
        let near = super::codes::near(name, sources.iter().copied());
        return Err(CliError::Unknown { what: "source", name: name.clone(), near });
    }
    let rules = keep(rules::load(args.rules.as_deref())?, &without);
    let policy = Policy::builtin();
    let scanner = Scanner::with_levels(Arc::new(rules), Budget::default(), policy.levels());
    let path = MemoryPath::parse("/bench.md").map_err(|problem| CliError::Usage(problem.to_string()))?;
    let bench = Bench { scanner, policy, without, path };
    let threads = usize::from(args.threads);
    let bar = context.bar(2 * texts.len() as u64, "bench");
    let mut outcomes = work::all(texts.len(), threads, &bar, |number| bench.judge(&texts[number]));
    // Automata are built as they are used: what a scan takes is told of texts that were scanned before.
    let times = work::all(texts.len(), threads, &bar, |number| bench.time(&texts[number]));
    for (outcome, nanos) in outcomes.iter_mut().zip(times) {
        outcome.nanos = nanos;
    }
    drop(bar);
    let sheet = Sheet::new(&texts, &outcomes, &args.unseen);
    let evasions = if args.evasions {
        Some(evasions::measure(&bench, &texts, &outcomes, sheet.threshold, threads, context))
    } else {
        None
    };
    let made =
        render::Made { bench: &bench, sheet: &sheet, evasions: evasions.as_ref(), levels: bench.scanner.levels() };
    match context.format {
        Format::Json => {
            let cases = args.cases.then_some((texts.as_slice(), outcomes.as_slice()));
            context.print_json(&render::json(&made, cases))?;
        }
        Format::Text | Format::Sarif => context.print(&render::text(&made, context))?,
    }
    Ok(Exit::Done)
}

fn keep(rules: RuleSet, without: &BTreeSet<Part>) -> RuleSet {
    if without.is_empty() {
        return rules;
    }
    rules.only(|rule| Part::of(rule).is_none_or(|part| !without.contains(&part)))
}

/// Levels, for the head of a report.
fn levels_line(levels: Levels) -> String {
    format!("paranoia {} holds, {} is told", levels.blocking, levels.detection)
}
