//! What an agent's writes meet: labelled texts sent to a server's stores one after another, as an SDK sends them.
//!
//! One text alone says little about a gate that reads it beside everything the store holds. Source: own design.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde_json::{Value, json};

use super::read::{self, Labelled};
use crate::auth::CredentialRole;
use crate::cli::{CliError, Context, Exit, Format};
use crate::domain::RuleId;
use crate::report::Table;
use crate::service::{Options, Service, ServiceError, StoreCreate};

/// Longest text that the wire takes, bytes.
const LONGEST: usize = 100_000;

/// Arguments of `memgate bench writes`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate bench writes corpora/train\n  \
    memgate bench writes corpora/train --channel memory,user --limit 500 --rules-shown 20\n\n\
    Each source gets a store of its own in a temporary folder, each text a memory of its own, in the order of the\n\
    files: later writes are read beside all earlier ones. A write is held for its wording, for a claim that it\n\
    cites nothing for, for what it does beside its neighbours, or only because its kind is a person's to decide\n\
    (rules and permissions for the agent); the first of these that is true counts.\n\n\
    Texts with the label 1 show what would have been stored: half of what an attacker needs.\n\
    Exit codes: 0 done, 3 no labelled text, 5 a file or a line could not be read; nothing is printed then.")]
pub struct WritesArgs {
    /// Files of labelled lines (.jsonl), or folders of them
    #[arg(value_name = "DIR", required = true)]
    pub paths: Vec<PathBuf>,
    /// Channels whose texts are written, as the data names them
    #[arg(long, value_name = "CHANNEL,…", value_delimiter = ',', default_value = "memory")]
    pub channel: Vec<String>,
    /// At most so many texts of each source and label
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Rules that are listed, most writes first
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub rules_shown: usize,
    /// With --format json: id and rules of every text that was not stored
    #[arg(long)]
    pub cases: bool,
}

/// What became of the writes of one source and label.
#[derive(Clone, Debug, Default)]
struct Tally {
    writes: usize,
    stored: usize,
    wording: usize,
    claims: usize,
    sets: usize,
    kind: usize,
    refused: usize,
    /// Not lawful on the wire, e.g. empty or too long.
    unlawful: usize,
}

impl Tally {
    fn add(&mut self, outcome: &Result<Value, ServiceError>, rules: &mut BTreeMap<RuleId, usize>) {
        self.writes += 1;
        let fired = match outcome {
            Ok(_) => {
                self.stored += 1;
                return;
            }
            Err(ServiceError::Held { rules, .. }) => {
                *self.cause(rules) += 1;
                rules
            }
            Err(ServiceError::Blocked { rules, .. }) => {
                self.refused += 1;
                rules
            }
            Err(_) => {
                self.unlawful += 1;
                return;
            }
        };
        for rule in fired {
            *rules.entry(rule.clone()).or_default() += 1;
        }
    }

    fn cause(&mut self, rules: &[RuleId]) -> &mut usize {
        let of = |family: &str| rules.iter().filter(|rule| rule.as_str().starts_with(family)).count();
        let (claims, sets) = (of("provenance."), of("sets."));
        if rules.len() > claims + sets {
            &mut self.wording
        } else if claims > 0 {
            &mut self.claims
        } else if sets > 0 {
            &mut self.sets
        } else {
            &mut self.kind
        }
    }

    fn cells(&self) -> [usize; 8] {
        [self.writes, self.stored, self.wording, self.claims, self.sets, self.kind, self.refused, self.unlawful]
    }
}

type Rules = BTreeMap<RuleId, usize>;

/// Everything that was measured.
#[derive(Default)]
struct Sheet {
    sources: BTreeMap<(bool, String), Tally>,
    /// Of honest writes, and of attacks.
    rules: [Rules; 2],
    /// What was not stored.
    cases: Vec<Value>,
}

pub(super) fn run(args: &WritesArgs, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    if args.cases && context.format != Format::Json {
        return Err(CliError::Usage("--cases needs --format json".to_owned()));
    }
    let mut taken: BTreeMap<(bool, String), usize> = BTreeMap::new();
    let texts: Vec<Labelled> = read::labelled(&args.paths)?
        .into_iter()
        .filter(|text| args.channel.contains(&text.channel) && text.text.len() <= LONGEST)
        .filter(|text| {
            let count = taken.entry((text.attack, text.source.clone())).or_default();
            *count += 1;
            args.limit.is_none_or(|limit| *count <= limit)
        })
        .collect();
    if texts.is_empty() {
        return Err(CliError::Nothing { place: format!("channel {}", args.channel.join(", ")) });
    }
    let folder = tempfile::tempdir().map_err(|error| CliError::read(&std::env::temp_dir(), error))?;
    let service = Service::init(Options::new(&folder.path().join("server")))?;
    let measured = write_all(&service, &texts, context);
    service.stop();
    let sheet = measured?;
    match context.format {
        Format::Json => context.print_json(&shown_json(&sheet, args.cases))?,
        Format::Text | Format::Sarif => context.print(&shown(&sheet, args.rules_shown, context))?,
    }
    Ok(Exit::Done)
}

fn write_all(service: &Service, texts: &[Labelled], context: &Context) -> Result<Sheet, CliError> {
    let key = service.create_key(None, "bench", CredentialRole::Submitter, None, None)?;
    let caller = service.authenticate(key.key.expose())?;
    let mut stores: BTreeMap<(bool, &str), String> = BTreeMap::new();
    let mut sheet = Sheet::default();
    let bar = context.bar(texts.len() as u64, "writes");
    for (number, text) in texts.iter().enumerate() {
        let at = (text.attack, text.source.as_str());
        let store = match stores.get(&at) {
            Some(store) => store.clone(),
            None => {
                let request = StoreCreate { name: text.source.clone(), ..StoreCreate::default() };
                let made = service.create_store(&caller, &request)?;
                let id = made.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
                stores.insert(at, id.clone());
                id
            }
        };
        let outcome = service.create_memory(&caller, &store, &format!("/n{number}.md"), text.text.clone(), false);
        if let Err(ServiceError::Held { rules, .. } | ServiceError::Blocked { rules, .. }) = &outcome {
            let rules: Vec<&str> = rules.iter().map(RuleId::as_str).collect();
            sheet.cases.push(json!({ "id": text.id, "attack": text.attack, "rules": rules }));
        }
        let tally = sheet.sources.entry((text.attack, text.source.clone())).or_default();
        tally.add(&outcome, &mut sheet.rules[usize::from(text.attack)]);
        bar.step(1);
    }
    Ok(sheet)
}

const COLUMNS: [&str; 8] = [">WRITES", ">STORED", ">WORDING", ">CLAIMS", ">SETS", ">KIND", ">REFUSED", ">UNLAWFUL"];

fn shown(sheet: &Sheet, most: usize, context: &Context) -> String {
    let mut out = String::new();
    for (attack, title) in [(false, "Honest writes"), (true, "Writes of attacks")] {
        let mut table = Table::new(std::iter::once("SOURCE").chain(COLUMNS));
        let mut sum = [0; 8];
        for ((_, source), tally) in sheet.sources.iter().filter(|((label, _), _)| *label == attack) {
            let cells = tally.cells();
            sum.iter_mut().zip(cells).for_each(|(sum, cell)| *sum += cell);
            table.row(std::iter::once(source.clone()).chain(cells.iter().map(usize::to_string)));
        }
        if sum[0] == 0 {
            continue;
        }
        table.row(std::iter::once("all".to_owned()).chain(sum.iter().map(usize::to_string)));
        let share = |count: usize| 100.0 * count as f64 / sum[0] as f64;
        out.push_str(&format!(
            "{title}: {:.2} % not stored, {:.2} % for another reason than their kind\n",
            share(sum[0] - sum[1]),
            share(sum[0] - sum[1] - sum[5])
        ));
        out.push_str(&table.render(context.width, context.paint()));
        let mut rules: Vec<(&RuleId, &usize)> = sheet.rules[usize::from(attack)].iter().collect();
        rules.sort_by_key(|(rule, count)| (std::cmp::Reverse(**count), rule.as_str()));
        for (rule, count) in rules.into_iter().take(most) {
            out.push_str(&format!("{count:>7}  {rule}\n"));
        }
        out.push('\n');
    }
    out
}

fn shown_json(sheet: &Sheet, cases: bool) -> Value {
    let rows: Vec<Value> = sheet
        .sources
        .iter()
        .map(|((attack, source), t)| {
            json!({
                "source": source, "attack": attack, "writes": t.writes, "stored": t.stored, "unlawful": t.unlawful,
                "refused": t.refused,
                "held": { "wording": t.wording, "claims": t.claims, "sets": t.sets, "kind": t.kind },
            })
        })
        .collect();
    let named =
        |rules: &Rules| rules.iter().map(|(rule, n)| (rule.to_string(), json!(n))).collect::<serde_json::Map<_, _>>();
    let mut shown = json!({
        "sources": rows, "rules": { "honest": named(&sheet.rules[0]), "attacks": named(&sheet.rules[1]) },
    });
    if cases {
        shown["not_stored"] = Value::Array(sheet.cases.clone());
    }
    shown
}
