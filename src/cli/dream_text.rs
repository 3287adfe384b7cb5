//! The dream's report for people.

use std::fmt::Write as _;

use crate::consolidate::plan::{Operation, OperationKind, Tier};
use crate::firewall::DreamReport;
use crate::gate::{HeldRecord, Place};
use crate::report::style::{Paint, Style};
use crate::report::table::Table;
use crate::report::{show_cell, show_line};

use super::Context;

/// Rows of one section beyond which the rest is counted.
const ROWS: usize = 8;
/// Columns of a sentence, beyond which it is cut; a terminal wraps it before that.
const LINE: usize = 320;

/// Everything a dream did, most important first.
pub(super) fn render(report: &DreamReport, context: &Context) -> String {
    let paint = context.paint();
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{} {} ({}) and {} ({}, {})",
        paint.wrap(Style::Title, "Dream over"),
        count(report.memories, "memory", "memories"),
        count(report.notes, "note", "notes"),
        count(report.sessions, "session", "sessions"),
        count(report.events, "event", "events"),
        bytes(report.session_bytes),
    );
    if report.observed {
        let _ =
            writeln!(out, "{}", paint.wrap(Style::Warn, "observe mode: decisions are recorded, nothing is stopped"));
    }
    out.push('\n');
    counts(report, &mut out);
    operations(report, context, &mut out);
    held(&report.held, report.held_new, context, &mut out);
    if !report.refused.is_empty() {
        title(&mut out, paint, &format!("Refused ({})", report.refused.len()), "turned away, never stored");
        for note in report.refused.iter().take(ROWS) {
            let why = if note.rules.is_empty() { note.reasons.join("; ") } else { note.rules.join(", ") };
            let _ = writeln!(out, "  {}  {why}", show_line(&note.path, 40));
        }
        more(&mut out, report.refused.len());
    }
    if !report.redacted.is_empty() {
        title(
            &mut out,
            paint,
            &format!("Masked ({})", report.redacted.len()),
            "secrets: masked in memories, never learned from transcripts",
        );
        for (path, rule) in report.redacted.iter().take(ROWS) {
            let _ = writeln!(out, "  {}  {rule}", show_line(path, 80));
        }
        more(&mut out, report.redacted.len());
    }
    notes_to_reader(report, paint, &mut out);
    match &report.version {
        Some(version) => {
            let _ = writeln!(
                out,
                "{} version {} ({}): {}, {}; log index {}, {}",
                paint.wrap(Style::Good, "Signed"),
                version.sequence,
                version.statement.short(),
                count(report.output_memories, "memory", "memories"),
                count(report.output_notes, "note", "notes"),
                version.log_index,
                version.witnesses,
            );
        }
        None => {
            let _ = writeln!(out, "No new version: nothing changed.");
        }
    }
    out
}

fn counts(report: &DreamReport, out: &mut String) {
    const WORDS: [(&str, &str); 8] = [
        ("keep", "unchanged, byte for byte"),
        ("merged", "said twice: one stays, the others are linked to it"),
        ("superseded", "a newer value of the same thing took their place"),
        ("contested", "disagree with another note: both stay, marked"),
        ("repaired", "name a file that moved"),
        ("redacted", "kept with secrets masked"),
        ("quarantined", "out of the live view, waiting for a person or restorable"),
        ("expired", "their time is over"),
    ];
    let counts = report.counts();
    for (name, words) in WORDS {
        if let Some(count) = counts.get(name) {
            let _ = writeln!(out, "  {count:>6}  {name:<12} {words}");
        }
    }
    let total: usize = counts.values().sum();
    let _ = writeln!(out, "  {:>6}  in = {} out: every note has exactly one fate\n", report.notes, total);
}

fn operations(report: &DreamReport, context: &Context, out: &mut String) {
    const SECTIONS: [(&str, &[OperationKind]); 5] = [
        ("Merged", &[OperationKind::MergeExact, OperationKind::MergeNear, OperationKind::Subsume]),
        ("Settled", &[OperationKind::Supersede]),
        ("Contested", &[OperationKind::Contest]),
        ("Pruned and repaired", &[OperationKind::Repair, OperationKind::Quarantine, OperationKind::Expire]),
        ("Learned", &[OperationKind::Insight]),
    ];
    let paint = context.paint();
    for (name, kinds) in SECTIONS {
        let operations: Vec<&Operation> = report.plan.operations.iter().filter(|op| kinds.contains(&op.kind)).collect();
        if operations.is_empty() {
            continue;
        }
        let applied = operations.iter().filter(|op| report.applied.contains(&op.id)).count();
        let waiting = operations.len() - applied;
        let words = match (applied, waiting) {
            (_, 0) => format!("{applied} applied"),
            (0, _) => format!("{waiting} proposed"),
            _ => format!("{applied} applied, {waiting} proposed"),
        };
        title(out, paint, name, &words);
        for op in operations.iter().take(ROWS) {
            operation(op, report.applied.contains(&op.id), context, out);
        }
        more(out, operations.len());
    }
}

/// One operation: what it does, on which notes, why.
pub(super) fn operation(op: &Operation, applied: bool, context: &Context, out: &mut String) {
    let state = match (op.tier, applied) {
        (Tier::Automatic, _) => "automatic",
        (Tier::Propose, true) => "accepted",
        (Tier::Propose, false) => "proposed",
    };
    let _ = writeln!(out, "  {state:<9} {}  {} ({})", show_line(&op.reason, LINE), op.id, op.rule);
    // What an insight rests on are whole transcripts: the report as JSON has them all.
    let quoted = if op.kind == OperationKind::Insight { 0 } else { 3 };
    let mut seen = Vec::new();
    for evidence in &op.evidence {
        let place = evidence.origin.input.trim_start_matches('/');
        let line = format!("{}: {}", show_cell(place, 40), show_cell(&evidence.quote, context.width.max(60) - 20));
        if !seen.contains(&line) && seen.len() < quoted {
            let _ = writeln!(out, "      {line}");
            seen.push(line);
        }
    }
    if let Some(output) = &op.output {
        let _ = writeln!(out, "    + {}", show_line(&output.text, LINE));
    }
    for warning in &op.warnings {
        let _ = writeln!(out, "    ! {}", show_line(warning, LINE));
    }
}

fn held(records: &[HeldRecord], new: usize, context: &Context, out: &mut String) {
    if records.is_empty() {
        return;
    }
    let paint = context.paint();
    title(out, paint, &format!("Held ({})", records.len()), &format!("{new} new; memgate review list"));
    out.push_str(&indent(&held_table(records.iter().take(ROWS), context)));
    more(out, records.len());
}

/// Held items as a table: severity, id, kind, where, first finding or reason, text.
pub(super) fn held_table<'a>(records: impl Iterator<Item = &'a HeldRecord>, context: &Context) -> String {
    // A file or a pipe has room; a terminal would break the rows, so a narrow one does without the text.
    let width = if context.to_terminal { context.width } else { context.width.max(150) };
    let columns = if width < 110 { 5 } else { 6 };
    let mut table = Table::new(["SEVERITY", "=ID", "KIND", "WHERE", "WHY", "TEXT"].into_iter().take(columns));
    for record in records {
        let place = match &record.place {
            Place::Memory { path, .. } | Place::Write { path, .. } => path.as_str().to_owned(),
            Place::Session { session, event } => format!("{session} event {event}"),
        };
        let why = record
            .findings
            .iter()
            .max_by_key(|f| (f.severity, f.confidence))
            .map_or_else(|| record.reasons.join("; "), |f| f.rule.to_string());
        table.row([
            record.severity.name().to_owned(),
            record.id.to_string(),
            record.kind.name().to_owned(),
            clip(&place, 30),
            clip(&why, 40),
            clip(&record.text, 50),
        ]);
    }
    table.render(width, context.paint())
}

/// The beginning of a text for a table cell; the table makes it safe to show.
fn clip(text: &str, columns: usize) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.chars().count() <= columns {
        return flat;
    }
    let mut short: String = flat.chars().take(columns - 1).collect();
    short.push('…');
    short
}

fn notes_to_reader(report: &DreamReport, paint: Paint, out: &mut String) {
    if !report.plan.steering.is_empty() {
        title(out, paint, "Instructions", "what was understood");
        for line in &report.plan.steering {
            let _ = writeln!(out, "  {}", show_line(line, LINE));
        }
        out.push('\n');
    }
    if !report.plan.not_measurable.is_empty() {
        title(
            out,
            paint,
            "Not measurable",
            &format!("{} kept unchecked", count(report.plan.not_measurable.len(), "reference was", "references were")),
        );
        for line in report.plan.not_measurable.iter().take(3) {
            let _ = writeln!(out, "  {}", show_line(line, LINE));
        }
        more_after(out, report.plan.not_measurable.len(), 3);
    }
    if !report.plan.errors.is_empty() || !report.stage_errors.is_empty() {
        title(out, paint, "Stage errors", "the notes they touch were kept");
        for line in report.plan.errors.iter().chain(&report.stage_errors) {
            let _ = writeln!(out, "  {}", show_line(line, LINE));
        }
        out.push('\n');
    }
}

fn title(out: &mut String, paint: Paint, name: &str, words: &str) {
    let _ = writeln!(out, "{}  {words}", paint.wrap(Style::Title, name));
}

fn more(out: &mut String, total: usize) {
    more_after(out, total, ROWS);
}

fn more_after(out: &mut String, total: usize, shown: usize) {
    if total > shown {
        let _ = writeln!(out, "  … and {} more (--format json shows all)", total - shown);
    }
    out.push('\n');
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

/// A number with its noun.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Bytes for people.
pub(super) fn bytes(count: usize) -> String {
    match count {
        0..=9_999 => format!("{count} bytes"),
        10_000..=9_999_999 => format!("{} kB", count / 1000),
        _ => format!("{} MB", count / 1_000_000),
    }
}
