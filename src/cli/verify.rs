//! `memgate verify`: verify everything, offline.

use std::fmt::Write as _;

use clap::Args as ClapArgs;
use serde_json::json;

use super::{CliError, Context, Exit, Format, store};
use crate::auditor::{self, AuditReport};
use crate::report::show_line;
use crate::report::style::Style;

/// Arguments of `memgate verify`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate verify\n  \
    memgate verify --data /srv/memgate --format json\n  \
    memgate verify --policy 3f9a0c1d2e4f    against the trust policy digest you wrote down\n\n\
    Checks every file against the signed seal, every log entry, tile and checkpoint, every statement\n\
    from the first version on, every memory against its commitment, every held item and raw input.\n\
    Exit code 6 when anything is wrong; 'memgate explain CODE' explains each problem it names.")]
pub struct Args {
    /// Digest of the trust policy you know from elsewhere: the folder must use that one
    #[arg(long, value_name = "SHA256")]
    pub policy: Option<String>,
}

/// Verifies.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    let report = auditor::verify(&context.data, args.policy.as_deref(), store::env(context).now)?;
    if context.format == Format::Json {
        context.print_json(&json!({ "schema": "memgate/verify/1", "good": report.is_good(), "report": report }))?;
    } else {
        context.print(&render(&report, context))?;
    }
    Ok(if report.is_good() { Exit::Done } else { Exit::Verification })
}

/// The report for people. Also used by the demo.
pub(super) fn render(report: &AuditReport, context: &Context) -> String {
    let paint = context.paint();
    let mut out = String::new();
    for check in &report.checks {
        let mark = if check.good { paint.wrap(Style::Good, "ok  ") } else { paint.wrap(Style::Bad, "FAIL") };
        let _ = writeln!(out, "{mark}  {:<11} {}", check.name, show_line(&check.detail, context.width));
    }
    for problem in &report.problems {
        let _ = writeln!(
            out,
            "{}  {}  {}",
            paint.wrap(Style::Bad, &problem.code),
            show_line(&problem.place, 60),
            show_line(&problem.what, context.width)
        );
    }
    let _ = writeln!(out, "trust policy {}, {}", report.policy.short(), report.witnesses);
    let verdict =
        if report.is_good() { paint.wrap(Style::Good, "Verified.") } else { paint.wrap(Style::Bad, "NOT verified.") };
    let _ = writeln!(out, "{verdict}");
    out
}
