//! `memgate drift`: watch grades for changes.

use std::fmt::Write as _;

use clap::{Args as ClapArgs, Subcommand};
use serde_json::json;

use super::{CliError, Context, Exit, Format, store};
use crate::firewall::{DriftReport, DriftSettings};
use crate::grade::drift::{Detector, MonitorSpec, Reference, Scenario, simulate};
use crate::report::style::Style;
use crate::report::table::Table;
use crate::report::{ShowOptions, show_line, show_terminal};

/// Arguments of `memgate drift`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate drift status\n  \
    memgate drift simulate --reference 900 --to 800 --alpha 50")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs of `memgate drift`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Whether grades fell, how sure that is, and which changes to suspect
    #[command(after_help = "Examples:\n  \
    memgate drift status\n  \
    memgate drift status --reference 900 --alpha 50 --format json\n\n\
        Exit code 8 when a monitor has fired.")]
    Status {
        /// The declared level in permille [default: learned from the first version's first 20 grades]
        #[arg(long, value_name = "PERMILLE", value_parser = clap::value_parser!(u16).range(1..=999))]
        reference: Option<u16>,
        /// Chance of a wrong stop, in permille
        #[arg(long, value_name = "PERMILLE", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=500))]
        alpha: u16,
    },
    /// How fast a fall would be noticed, and how often wrongly: before you rely on it
    #[command(after_help = "Examples:\n  \
    memgate drift simulate --reference 900 --to 800 --alpha 50\n\n\
        Numbers are permille: 900 is 90 %.")]
    Simulate {
        /// The level outcomes are compared with
        #[arg(long, value_name = "PERMILLE", default_value_t = 900, value_parser = clap::value_parser!(u16).range(1..=999))]
        reference: u16,
        /// The level they fall to
        #[arg(long, value_name = "PERMILLE", default_value_t = 800, value_parser = clap::value_parser!(u16).range(0..=1000))]
        to: u16,
        /// Chance of a wrong stop
        #[arg(long, value_name = "PERMILLE", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=500))]
        alpha: u16,
        /// Sessions before the fall, for the monitor that does not know when it happens
        #[arg(long, value_name = "N", default_value_t = 300)]
        before: u32,
    },
}

/// Shows or simulates.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    match args.command {
        Command::Status { reference, alpha } => {
            let settings =
                DriftSettings { alpha_permille: alpha, reference_permille: reference, ..DriftSettings::default() };
            let report = store::open_read(context)?.drift(&settings)?;
            if context.format == Format::Json {
                context.print_json(&json!({ "schema": "memgate/drift/1", "report": report }))?;
            } else {
                context.print(&render(&report, context))?;
            }
            if report.sessions == 0 {
                return Ok(Exit::Nothing);
            }
            Ok(if report.alarms.is_empty() { Exit::Done } else { Exit::Quality })
        }
        Command::Simulate { reference, to, alpha, before } => simulated(reference, to, alpha, before, context),
    }
}

/// The report for people. Also used by the demo.
pub(super) fn render(report: &DriftReport, context: &Context) -> String {
    let paint = context.paint();
    let mut out = String::new();
    if report.sessions == 0 {
        return "No grades yet: memgate grade run --rubric FILE --sessions PATH\n".to_owned();
    }
    let level = f64::from(report.reference_ppm) / 10_000.0;
    let how = report.learned_from.map_or("declared".to_owned(), |n| format!("learned from {n} anchor sessions"));
    let _ = writeln!(out, "{} graded sessions against a pass rate of {level:.1} % ({how})\n", report.sessions);
    let mut versions = Table::new(["VERSION", ">SESSIONS", ">PASS", "STATE"]);
    for version in &report.versions {
        let mean = version.mean_permille().map_or("-".to_owned(), |m| format!("{}.{} %", m / 10, m % 10));
        let state = if version.alarmed { "worse" } else { "no change shown" };
        versions.row([version.label.clone(), version.sessions.to_string(), mean, state.to_owned()]);
    }
    out.push_str(&versions.render(context.width, paint));
    out.push('\n');
    for monitor in &report.monitors {
        let style = if monitor.state == "alarm" { Style::Bad } else { Style::Good };
        let _ = writeln!(
            out,
            "{}  {}  {:.1} of {:.1} bits of evidence",
            paint.wrap(style, monitor.state),
            monitor.monitor,
            monitor.evidence_millibits as f64 / 1000.0,
            monitor.threshold_millibits as f64 / 1000.0,
        );
        let layout = ShowOptions { width: context.width.saturating_sub(4), gutter: false, ..context.show() };
        for line in show_terminal(&monitor.guarantee, &layout).lines() {
            let _ = writeln!(out, "    {}", line.trim());
        }
        if let Some(warning) = &monitor.warning {
            let _ = writeln!(out, "    ! {warning}");
        }
    }
    if let Some(first) = report.alarms.first() {
        let _ = writeln!(
            out,
            "\n{} version {} made outcomes worse (session {}).",
            paint.wrap(Style::Bad, "Alarm:"),
            show_line(&first.alarm.version, 20),
            first.alarm.at + 1,
        );
        let _ = writeln!(out, "What changed (candidates, not proof):");
        for named in first.suspects.iter().take(8) {
            let _ = writeln!(
                out,
                "  {:<8} {}  {}",
                format!("{:?}", named.suspect.change).to_lowercase(),
                show_line(&named.suspect.name, 50),
                show_line(&named.text, 70)
            );
        }
        if first.suspects.len() > 8 {
            let _ = writeln!(out, "  … and {} more", first.suspects.len() - 8);
        }
        match first.rollback_to {
            Some(target) => {
                let _ = writeln!(out, "Go back: memgate rollback {target} --reason 'grades fell' --dry-run");
            }
            None => {
                let _ = writeln!(out, "No earlier version passed: nothing to go back to.");
            }
        }
    }
    out
}

fn simulated(reference: u16, to: u16, alpha: u16, before: u32, context: &Context) -> Result<Exit, CliError> {
    let mut rows = Vec::new();
    for (detector, change_at) in [(Detector::D1, 0), (Detector::D2, before)] {
        let spec = MonitorSpec::new("simulated", detector, u32::from(alpha) * 1000, Reference::declared(reference));
        let scenario =
            Scenario { before_permille: reference, after_permille: to, change_at, horizon: 5_000, runs: 400, seed: 1 };
        rows.push((detector, simulate(&spec, &scenario)?));
    }
    if context.format == Format::Json {
        context.print_json(&json!({ "schema": "memgate/drift-simulation/1", "rows": rows }))?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(["MONITOR", ">RUNS", ">FALSE", ">FIRED", ">MISSED", ">MEDIAN DELAY", ">90 %"]);
    for (detector, outcome) in rows {
        let delay = |d: Option<u32>| d.map_or("-".to_owned(), |d| d.to_string());
        table.row([
            if detector == Detector::D1 { "by version" } else { "over time" }.to_owned(),
            outcome.runs.to_string(),
            outcome.false_alarms.to_string(),
            outcome.fired.to_string(),
            outcome.missed.to_string(),
            delay(outcome.median_delay),
            delay(outcome.p90_delay),
        ]);
    }
    context.print(&format!(
        "Pass rate falls from {}.{} % to {}.{} %, alpha {}.{} %; delays in sessions.\n\n",
        reference / 10,
        reference % 10,
        to / 10,
        to % 10,
        alpha / 10,
        alpha % 10
    ))?;
    context.print(&table.render(context.width, context.paint()))?;
    Ok(Exit::Done)
}
