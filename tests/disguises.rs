//! Every disguise of an attack is undone: what fires on the plain text fires on the disguised one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use memgate::detect::disguise::{self, Transform};
use memgate::detect::{Budget, Examined, Scanner};
use memgate::domain::{Authority, Channel, Confidence, Finding, Severity, Stage, Untrusted};
use memgate::ruleset::RuleSet;

fn scanner() -> &'static Scanner {
    static SHARED: OnceLock<Scanner> = OnceLock::new();
    SHARED.get_or_init(|| Scanner::new(Arc::new(RuleSet::builtin().unwrap()), Budget::default()))
}

fn examine(text: &str, channel: Channel) -> Examined {
    scanner().examine(&Untrusted::new(text), Stage::Write, channel, Authority::External)
}

/// Rules that would hold the text: one `high` or `critical`, or two of `medium`. Empty when it passes.
/// A rule about the form (invisible characters, an opaque blob) does not count: only what the words say.
fn holding(examined: &Examined) -> BTreeSet<String> {
    holding_of(examined, |_| true)
}

fn holding_of(examined: &Examined, keep: impl Fn(&Finding) -> bool) -> BTreeSet<String> {
    let sure = examined.findings().iter().filter(|f| f.confidence >= Confidence::Medium && keep(f));
    let worded = sure.filter(|f| !f.excerpt.is_empty() && f.severity >= Severity::Medium);
    let (strong, medium): (Vec<_>, Vec<_>) = worded.partition(|f| f.severity >= Severity::High);
    let ids = |list: &[&memgate::domain::Finding]| -> BTreeSet<String> {
        list.iter().map(|f| f.rule.as_str().to_owned()).collect()
    };
    let (strong, medium) = (ids(&strong), ids(&medium));
    if !strong.is_empty() {
        strong
    } else if medium.len() >= 2 {
        medium
    } else {
        BTreeSet::new()
    }
}

#[derive(serde::Deserialize)]
struct Row {
    text: String,
    label: u8,
    channel: String,
}

/// Prints, for every disguise, how many of the attacks that are held as plain text are still held by a rule that
/// held them, and by any rule. `MEMGATE_EVERY` takes every nth attack, `MEMGATE_ONLY` some disguises.
#[test]
#[ignore = "needs: MEMGATE_CORPUS=<folder of labelled .jsonl>"]
fn loss_of_recall_by_disguise() {
    let every: usize = std::env::var("MEMGATE_EVERY").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let only = std::env::var("MEMGATE_ONLY").unwrap_or_default();
    let folder = std::env::var("MEMGATE_CORPUS").unwrap();
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let mut attacks = Vec::new();
    for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "jsonl")) {
        for line in std::fs::read_to_string(file).unwrap().lines() {
            let row: Row = serde_json::from_str(line).unwrap();
            if row.label == 1 {
                attacks.push(row);
            }
        }
    }
    let attacks: Vec<(String, Channel, BTreeSet<String>)> = attacks
        .into_iter()
        .step_by(every)
        .filter_map(|row| {
            let channel = match row.channel.as_str() {
                "user" => Channel::User,
                "memory" => Channel::Memory,
                _ => Channel::Tool,
            };
            let held = holding(&examine(&row.text, channel));
            (!held.is_empty()).then_some((row.text, channel, held))
        })
        .collect();
    eprintln!("{} attacks held as plain text", attacks.len());
    let mut stacks: Vec<(String, Vec<&Transform>)> =
        disguise::all().iter().map(|t| (t.slug.to_owned(), vec![t])).collect();
    for depth in [2, 3] {
        for stack in disguise::nested(depth) {
            stacks.push((stack.iter().map(|t| t.slug).collect::<Vec<_>>().join(" > "), stack));
        }
    }
    if !only.is_empty() {
        stacks.retain(|(name, stack)| only.split(',').any(|o| o == name || o == format!("depth{}", stack.len())));
    }
    let next = std::sync::atomic::AtomicUsize::new(0);
    let rows = std::sync::Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some((name, stack)) = stacks.get(at) else { break };
                    let (mut same, mut any, mut shown) = (0, 0, String::new());
                    for (text, channel, before) in &attacks {
                        let disguised = disguise::apply_nested(stack, text);
                        let after = holding(&examine(&disguised, *channel));
                        same += usize::from(!after.is_disjoint(before));
                        any += usize::from(!after.is_empty());
                        if after.is_empty() && std::env::var_os("MEMGATE_SHOW").is_some() {
                            let cut = |t: &str| t.chars().take(150).collect::<String>();
                            let _ =
                                writeln!(shown, "MISS {name} {before:?}\n  {:?}\n  {:?}", cut(text), cut(&disguised));
                        }
                    }
                    rows.lock().unwrap().insert((stack.len(), at), (name.clone(), same, any, shown));
                }
            });
        }
    });
    let total = attacks.len().max(1) as f64;
    let mut by_depth: BTreeMap<usize, (usize, f64)> = BTreeMap::new();
    for ((depth, _), (name, same, any, shown)) in rows.into_inner().unwrap() {
        let lost = |kept: usize| 100.0 - 100.0 * kept as f64 / total;
        eprint!("{shown}");
        eprintln!("{name:60} lost {:6.1} points, same rule {:6.1}", lost(any), lost(same));
        let entry = by_depth.entry(depth).or_default();
        *entry = (entry.0 + 1, entry.1 + lost(any));
    }
    for (depth, (count, sum)) in by_depth {
        eprintln!("depth {depth}: {count} disguises, mean loss {:.1} points", sum / count as f64);
    }
}

/// Prints the honest texts that are held only because of what was decoded or guessed in them.
#[test]
#[ignore = "needs: MEMGATE_CORPUS=<folder of labelled .jsonl>"]
fn honest_texts_that_only_a_decoded_view_holds() {
    let every: usize = std::env::var("MEMGATE_EVERY").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let folder = std::env::var("MEMGATE_CORPUS").unwrap();
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let mut rows: Vec<(String, Row)> = Vec::new();
    for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "jsonl")) {
        let source = file.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(file).unwrap();
        let honest = text.lines().map(|line| serde_json::from_str::<Row>(line).unwrap()).filter(|row| row.label == 0);
        rows.extend(honest.map(|row| (source.clone(), row)));
    }
    let rows: Vec<_> = rows.into_iter().step_by(every).collect();
    let (mut held, mut decoded, mut partial) = (0, 0, 0);
    let mut steps: BTreeMap<String, usize> = BTreeMap::new();
    for (source, row) in &rows {
        let channel = match row.channel.as_str() {
            "user" => Channel::User,
            "memory" => Channel::Memory,
            _ => Channel::Tool,
        };
        let (views, _) = memgate::detect::views(&row.text, &Budget::default());
        for view in views.iter().filter(|v| v.view == memgate::domain::View::Decoded) {
            *steps.entry(view.decoding.join(" > ")).or_default() += view.text.len();
        }
        let examined = examine(&row.text, channel);
        let all = holding(&examined);
        held += usize::from(!all.is_empty());
        partial += usize::from(!examined.coverage().is_full());
        if !all.is_empty() && holding_of(&examined, |f| f.view != memgate::domain::View::Decoded).is_empty() {
            decoded += 1;
            for f in examined.findings().iter().filter(|f| f.view == memgate::domain::View::Decoded) {
                eprintln!("{source} {} {:?} {:?}", f.rule, f.decoding, f.excerpt);
            }
        }
    }
    let bytes: usize = rows.iter().map(|r| r.1.text.len()).sum();
    eprintln!(
        "{} texts, {bytes} bytes, {held} held, {decoded} by a decoded view alone, {partial} incomplete",
        rows.len()
    );
    let mut steps: Vec<_> = steps.into_iter().map(|(step, len)| (len, step)).collect();
    steps.sort_unstable_by(|a, b| b.cmp(a));
    for (len, step) in steps.iter().take(40) {
        eprintln!("{len:8} bytes in {step}");
    }
}
