//! Figures for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::evasions::{DEPTH, Evasions, Loss};
use super::figures::{Row, Sheet, Verdicts, interval, rate};
use super::read::Labelled;
use super::work::{Bench, Outcome};
use crate::cli::Context;
use crate::detect::Levels;
use crate::report::style::Style;
use crate::report::{Table, show_line};

/// Everything that was measured.
pub(super) struct Made<'a> {
    pub(super) bench: &'a Bench,
    pub(super) sheet: &'a Sheet,
    pub(super) evasions: Option<&'a Evasions>,
    pub(super) levels: Levels,
}

/// Stacks of disguises that are printed, worst first; JSON has all.
const STACKS_SHOWN: usize = 10;

pub(super) fn text(made: &Made<'_>, context: &Context) -> String {
    let sheet = made.sheet;
    let paint = context.paint();
    let mut out = String::new();
    let without: Vec<&str> = made.bench.without.iter().map(|part| part.name()).collect();
    let _ = writeln!(
        out,
        "{} texts of {} sources: {} attacks, {} honest",
        sheet.all.attacks.texts + sheet.all.honest.texts,
        sheet.sources.len(),
        sheet.all.attacks.texts,
        sheet.all.honest.texts
    );
    let rules = made.bench.scanner.rules();
    let _ = writeln!(
        out,
        "{} rules, ruleset sha256 {}, {}{}{}",
        rules.rules().len(),
        rules.digest().short(),
        super::levels_line(made.levels),
        if without.is_empty() { "" } else { "; without " },
        without.join(", ")
    );
    let groups = || {
        let channels = sheet.channels.iter().map(|row| (format!("channel {}", row.name), row));
        let sources = sheet.sources.iter().map(|row| (row.name.clone(), row));
        sources.chain(channels).chain(sheet.seen.iter().chain([&sheet.all]).map(|row| (row.name.clone(), row)))
    };
    let title = |out: &mut String, text: &str| {
        let _ = writeln!(out, "\n{}", paint.wrap(Style::Title, text));
    };

    title(&mut out, "Attacks held, per cent: by content, also by kind or origin, by the whole gate; and how they rank");
    let mut table =
        Table::new(["SOURCE", ">ATTACKS", ">CONTENT", ">KIND", ">GATE", ">AT 1% FA", ">AUROC", ">SPAN HIT"]);
    for (name, row) in groups().filter(|(_, row)| row.attacks.texts > 0) {
        let counts = row.attacks;
        let spans = rate(row.spans.1, row.spans.0);
        table.row([
            name,
            counts.texts.to_string(),
            percent(counts.content, counts.texts),
            percent(counts.kind, counts.texts),
            percent(counts.gate, counts.texts),
            percent(counts.over, counts.texts),
            row.auroc.map_or_else(dash, |area| format!("{area:.3}")),
            spans.map_or_else(dash, |share| format!("{:.1} of {}", share * 100.0, row.spans.0)),
        ]);
    }
    out.push_str(&table.render(context.width, paint));

    title(&mut out, "False alarms, per cent of honest texts: by content, also by kind or origin, by the whole gate");
    let mut table = Table::new(["SOURCE", ">HONEST", ">CONTENT", ">KIND", ">GATE", ">AT 1% FA", ">PARTIAL"]);
    for (name, row) in groups().filter(|(_, row)| row.honest.texts > 0) {
        let counts = row.honest;
        table.row([
            name,
            counts.texts.to_string(),
            percent2(counts.content, counts.texts),
            percent2(counts.kind, counts.texts),
            percent2(counts.gate, counts.texts),
            percent2(counts.over, counts.texts),
            row.partial.to_string(),
        ]);
    }
    out.push_str(&table.render(context.width, paint));

    title(&mut out, "Speed of the scan, one thread, this machine");
    let mut table = Table::new(["SOURCE", ">TEXTS", ">KB", ">P50 us", ">P99 us", ">MB/s"]);
    for (name, row) in groups() {
        table.row([
            name,
            (row.attacks.texts + row.honest.texts).to_string(),
            format!("{:.0}", row.bytes as f64 / 1e3),
            format!("{:.0}", row.p50 as f64 / 1e3),
            format!("{:.0}", row.p99 as f64 / 1e3),
            row.rate().map_or_else(dash, |rate| format!("{rate:.1}")),
        ]);
    }
    out.push_str(&table.render(context.width, paint));
    out.push('\n');
    if let Some(mean) = sheet.mean_recall {
        let _ = writeln!(out, "recall at 1 % false alarms, mean over sources with attacks: {:.1} %", mean * 100.0);
    }
    if let Some(alone) = sheet.unseen_alone {
        let _ = writeln!(
            out,
            "unseen sources against their own honest texts: recall {:.1} % at 1 % false alarms, AUROC {:.3}",
            alone.recall * 100.0,
            alone.auroc
        );
    }
    let _ = writeln!(out, "threshold for 1 % false alarms over all honest texts: score {:.4}", sheet.threshold);
    if let Some(evasions) = made.evasions {
        losses(&mut out, evasions, context);
    }
    out
}

fn losses(out: &mut String, evasions: &Evasions, context: &Context) {
    let paint = context.paint();
    let plain = &evasions.plain;
    let points = |loss: Option<f64>| loss.map_or_else(dash, |loss| format!("{loss:+.1}"));
    let mut table = |heading: &str, losses: &mut dyn Iterator<Item = &Loss>| {
        let _ = writeln!(out, "\n{}", paint.wrap(Style::Title, heading));
        let mut table = Table::new(["DISGUISE", "THREAT", ">CONTENT", ">LOSS", ">AT 1% FA", ">LOSS"]);
        for loss in losses {
            table.row([
                loss.name.clone(),
                loss.threat.clone(),
                percent(loss.content, loss.attacks),
                points(loss.content_loss(plain)),
                percent(loss.over, loss.attacks),
                points(loss.over_loss(plain)),
            ]);
        }
        out.push_str(&table.render(context.width, paint));
    };
    table(
        &format!("Recall under each disguise, per cent of {} attacks, and points lost", plain.attacks),
        &mut std::iter::once(plain).chain(&evasions.single),
    );
    let mut worst: Vec<&Loss> = evasions.stacks.iter().collect();
    worst.sort_by(|a, b| (a.content, a.over, &a.name).cmp(&(b.content, b.over, &b.name)));
    table(
        &format!("Disguises {DEPTH} deep, and the {} worst stacks", STACKS_SHOWN.min(worst.len())),
        &mut std::iter::once(&evasions.nested).chain(worst.into_iter().take(STACKS_SHOWN)),
    );
}

fn dash() -> String {
    "-".to_owned()
}

fn percent(part: usize, whole: usize) -> String {
    rate(part, whole).map_or_else(dash, |share| format!("{:.1}", share * 100.0))
}

fn percent2(part: usize, whole: usize) -> String {
    rate(part, whole).map_or_else(dash, |share| format!("{:.2}", share * 100.0))
}

/// Four places are more than any of these corpora can tell apart.
fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// The JSON form.
///
/// Shape: `memgate/bench-detect/1`; shares are 0 to 1; the times are the only members that differ between runs.
pub(super) fn json(made: &Made<'_>, cases: Option<(&[Labelled], &[Outcome])>) -> Value {
    let sheet = made.sheet;
    let rules = made.bench.scanner.rules();
    let rows = |rows: &[Row]| rows.iter().map(row).collect::<Vec<_>>();
    let mut value = json!({
        "schema": "memgate/bench-detect/1",
        "ruleset": rules.digest(),
        "rules": rules.rules().len(),
        "policy": made.bench.policy.digest(),
        "paranoia": {"blocking": made.levels.blocking, "detection": made.levels.detection},
        "without": made.bench.without.iter().map(|part| part.name()).collect::<Vec<_>>(),
        "threshold": sheet.threshold,
        "mean_recall_at_1_percent": sheet.mean_recall.map(round),
        "all": row(&sheet.all),
        "unseen": sheet.seen.first().map(row),
        "unseen_alone": sheet.unseen_alone.map(|alone| json!({"recall_at_1_percent": round(alone.recall), "auroc": round(alone.auroc)})),
        "other": sheet.seen.get(1).map(row),
        "sources": rows(&sheet.sources),
        "channels": rows(&sheet.channels),
        "families": rows(&sheet.families),
    });
    let Some(members) = value.as_object_mut() else { return value };
    if let Some(evasions) = made.evasions {
        let plain = &evasions.plain;
        let one = |loss: &Loss| {
            json!({
                "disguise": loss.name, "threat": loss.threat, "attacks": loss.attacks,
                "content": rate(loss.content, loss.attacks).map(round),
                "content_loss_points": loss.content_loss(plain).map(round),
                "recall_at_1_percent": rate(loss.over, loss.attacks).map(round),
                "recall_loss_points": loss.over_loss(plain).map(round),
            })
        };
        let list = |losses: &[Loss]| losses.iter().map(one).collect::<Vec<_>>();
        let found = json!({
            "plain": one(plain), "single": list(&evasions.single), "depth": DEPTH, "nested": one(&evasions.nested),
            "stacks": list(&evasions.stacks),
        });
        members.insert("evasions".to_owned(), found);
    }
    if let Some((texts, outcomes)) = cases {
        let list: Vec<Value> = texts
            .iter()
            .zip(outcomes)
            .map(|(text, outcome)| {
                json!({
                    "id": text.id, "source": text.source, "attack": text.attack, "score": outcome.score,
                    "content": outcome.content, "kind": outcome.kind, "gate": outcome.gate,
                    "span_hit": outcome.placed, "rules": outcome.rules,
                })
            })
            .collect();
        members.insert("cases".to_owned(), json!(list));
    }
    value
}

fn row(row: &Row) -> Value {
    let verdicts = |counts: Verdicts| {
        let share = |part: usize| {
            json!({
                "count": part, "share": rate(part, counts.texts).map(round),
                "interval_95": interval(part, counts.texts).map(|(low, high)| [round(low), round(high)]),
            })
        };
        json!({
            "texts": counts.texts, "content": share(counts.content), "kind": share(counts.kind),
            "gate": share(counts.gate), "at_1_percent": share(counts.over),
        })
    };
    json!({
        "name": show_line(&row.name, 200),
        "attacks": verdicts(row.attacks),
        "honest": verdicts(row.honest),
        "auroc": row.auroc.map(round),
        "spans": {"labelled": row.spans.0, "hit": row.spans.1, "share": rate(row.spans.1, row.spans.0).map(round)},
        "partial": row.partial,
        "bytes": row.bytes,
        "scan": {
            "p50_us": row.p50 as f64 / 1e3, "p99_us": row.p99 as f64 / 1e3, "mb_per_s": row.rate().map(round),
        },
    })
}
