//! A scan for people: compiler-style diagnostics, then what was examined and what was not.

use std::fmt::Write as _;

use super::scan::{Coverage, FileReport, Located, ScanReport};
use super::show::{ShowOptions, show_line, show_terminal};
use super::style::{Paint, Style};
use crate::domain::Severity;

/// Columns of a title, at least: the classifier's names its reasons. A terminal wraps it before that.
const MAX_TITLE: usize = 240;

/// Excerpt bytes of one diagnostic: the first finding fits on a screen.
const MAX_EXCERPT: usize = 480;

/// Inputs that were not examined, named one by one before the rest is only counted.
const MAX_NAMED: usize = 20;

/// Renders findings at or above `least`, then the counts of everything.
pub fn scan(report: &ScanReport, least: Severity, options: &ShowOptions) -> String {
    let paint = Paint::new(options.color);
    let mut out = String::new();
    let mut below = 0;
    for file in &report.files {
        for located in &file.findings {
            if located.finding.severity < least {
                below += 1;
            } else {
                diagnostic(&mut out, report, file, located, options, paint);
            }
        }
    }
    not_examined(&mut out, report, options, paint);
    summary(&mut out, report, below, least, paint);
    out
}

/// One finding.
fn diagnostic(
    out: &mut String,
    report: &ScanReport,
    file: &FileReport,
    located: &Located,
    options: &ShowOptions,
    paint: Paint,
) {
    let found = &located.finding;
    let room = options.width.saturating_sub(8).max(20);
    let label = format!("{}[{}]", found.severity.name(), show_line(found.rule.as_str(), 60));
    let _ = writeln!(
        out,
        "{}{}",
        paint.wrap(Style::of(found.severity), &label),
        paint.wrap(Style::Title, &format!(": {}", show_line(&found.title, options.width.max(MAX_TITLE))))
    );
    let _ = write!(out, "  --> {}:{}:{}", show_line(&file.name, room), located.line, located.column);
    if let Some(place) = &located.place {
        let _ = write!(out, " ({})", show_line(place, room));
    }
    out.push('\n');
    if found.excerpt.is_empty() {
        out.push_str("   | (the text is not copied here)\n");
    } else {
        let layout = ShowOptions { width: room, max_bytes: MAX_EXCERPT, color: options.color, gutter: true };
        for line in show_terminal(&found.excerpt, &layout).lines() {
            let _ = writeln!(out, "   {line}");
        }
    }
    let mut seen = format!("seen in the {} text", found.view.name());
    if !found.decoding.is_empty() {
        let _ = write!(seen, " after {}", show_line(&found.decoding.join(" > "), room));
    }
    let _ = write!(seen, ", confidence {}", found.confidence.name());
    if !found.threats.is_empty() {
        let _ = write!(seen, ", threats {}", show_line(&found.threats.join(" "), room));
    }
    if !report.blocks(found) {
        let _ = write!(seen, ", told only (paranoia level {})", found.level);
    }
    let _ = writeln!(out, "   = {seen}, {}", file.finding_id(located));
    if let Some(rule) = report.rules.get(&found.rule).filter(|rule| !rule.advice.is_empty()) {
        // Advice comes from a rule pack, which may be someone else's: shown like any other text.
        let layout = ShowOptions { width: room, max_bytes: 600, color: false, gutter: false };
        for (n, line) in show_terminal(rule.advice.trim(), &layout).lines().enumerate() {
            let _ = writeln!(out, "   {} {}", if n == 0 { "= advice:" } else { "         " }, line.trim());
        }
    }
    out.push('\n');
}

fn not_examined(out: &mut String, report: &ScanReport, options: &ShowOptions, paint: Paint) {
    let room = options.width.saturating_sub(20).max(40);
    let mut named = 0;
    let mut left = 0;
    for file in &report.files {
        let reasons: Vec<(&str, &str)> = match (&file.skipped, &file.coverage) {
            (Some(why), _) => vec![("not examined", why.as_str())],
            (None, Coverage::Partial(gaps)) => gaps.iter().map(|gap| ("examined in part", gap.as_str())).collect(),
            (None, Coverage::Complete) => continue,
        };
        for (state, why) in reasons {
            if named == MAX_NAMED {
                left += 1;
                continue;
            }
            named += 1;
            let state = paint.wrap(Style::Warn, state);
            let _ = writeln!(out, "{state}: {}: {}", show_line(&file.name, room / 2), show_line(why, room));
        }
    }
    if left > 0 {
        let _ = writeln!(out, "and {left} more like these; --format json lists all");
    }
    if named > 0 {
        out.push('\n');
    }
}

fn summary(out: &mut String, report: &ScanReport, below: usize, least: Severity, paint: Paint) {
    let kinds: Vec<String> =
        report.by_kind().into_iter().map(|(kind, count)| format!("{count} {}", show_line(kind, 40))).collect();
    let _ = write!(out, "examined {} of {} inputs", report.examined(), report.files.len());
    if !kinds.is_empty() {
        let _ = write!(out, " ({})", kinds.join(", "));
    }
    out.push('\n');
    for (what, count) in &report.passed_over {
        let _ = writeln!(out, "passed over: {count} ({})", show_line(what, 100));
    }
    if report.finding_count() == 0 {
        let clean = report.partial() == 0 && report.skipped() == 0;
        let word = if clean { "nothing found" } else { "nothing found in what was examined" };
        let _ = writeln!(out, "{}", paint.wrap(if clean { Style::Good } else { Style::Warn }, word));
        return;
    }
    let counts: Vec<String> = report
        .by_severity()
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(severity, count)| paint.wrap(Style::of(severity), &format!("{count} {}", severity.name())))
        .collect();
    let total = report.finding_count();
    let _ = writeln!(out, "{total} finding{}: {}", if total == 1 { "" } else { "s" }, counts.join(", "));
    if below > 0 {
        let _ = writeln!(out, "{below} below {} not shown; show them with --min-severity info", least.name());
    }
    if let Some((_, first)) = report.findings().max_by_key(|(_, found)| found.finding.severity) {
        let rule = show_line(first.finding.rule.as_str(), 60);
        let _ = writeln!(out, "next: memgate explain {rule}");
    }
}
