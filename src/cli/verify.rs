//! `memgate verify`: verify everything, offline.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use serde_json::json;

use super::{CliError, Context, Exit, Format, store};
use crate::auditor::{self, AuditReport, stranger};
use crate::report::show_line;
use crate::report::style::Style;
use crate::service::{Service, backup};

/// Arguments of `memgate verify`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate verify\n  \
    memgate verify --data /srv/memgate --format json\n  \
    memgate verify --data ./server          a server: its database and every store\n  \
    memgate verify --policy 3f9a0c1d2e4f    against the trust policy digest you wrote down\n  \
    memgate verify ./evidence --root trust-root.json          a folder of 'memgate export evidence'\n\n\
    Checks every file against the signed seal, every log entry, tile and checkpoint, every statement\n\
    from the first version on, every memory against its commitment, every held item and raw input.\n\
    Exit code 6 when anything is wrong; 'memgate explain CODE' explains each problem it names.")]
pub struct Args {
    /// An evidence folder to verify with nothing but a root file, or a data folder
    #[arg(value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// The trust root you got by another way than the evidence
    #[arg(long, value_name = "FILE", requires = "folder")]
    pub root: Option<PathBuf>,
    /// A checkpoint you kept from before: the evidence must continue it
    #[arg(long, value_name = "FILE", requires = "root")]
    pub since: Option<PathBuf>,
    /// Digest of the trust policy you know from elsewhere: the folder must use that one
    #[arg(long, value_name = "SHA256")]
    pub policy: Option<String>,
}

/// Verifies.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    let now = store::env(context).now;
    let data = args.folder.as_ref().unwrap_or(&context.data);
    let report = if let Some(root) = &args.root {
        let read = |path: &PathBuf| std::fs::read(path).map_err(|error| CliError::read(path, error));
        let since = args.since.as_ref().map(read).transpose()?;
        std::fs::read_dir(data).map_err(|error| CliError::read(data, error))?;
        stranger::verify(data, &read(root)?, since.as_deref(), now)
    } else if stranger::is_evidence(data) {
        let what = "an evidence folder is verified against a root file from elsewhere: add --root FILE";
        return Err(CliError::Usage(what.to_owned()));
    } else if Service::exists(data) {
        return server(args, data, context);
    } else {
        auditor::verify(data, args.policy.as_deref(), now)?
    };
    if context.format == Format::Json {
        context.print_json(&json!({ "schema": "memgate/verify/1", "good": report.is_good(), "report": report }))?;
    } else {
        context.print(&render(&report, context))?;
    }
    Ok(if report.is_good() { Exit::Done } else { Exit::Verification })
}

/// Verifies a server: its database, and every store by itself.
fn server(args: &Args, data: &Path, context: &Context) -> Result<Exit, CliError> {
    if args.policy.is_some() {
        return Err(CliError::Usage("each store has a trust policy of its own: verify one with --data".to_owned()));
    }
    let (stores, problems) = backup::parts(data)?;
    let exit = all_good(&stores, &problems, context)?;
    Ok(exit)
}

/// Verifies these data folders and says what came of each. A store that a running server holds is not verified.
pub(super) fn all_good(stores: &[PathBuf], problems: &[String], context: &Context) -> Result<Exit, CliError> {
    let (mut bad, mut busy) = (!problems.is_empty(), false);
    let mut rows = Vec::new();
    for data in stores {
        let name = data.file_name().unwrap_or(data.as_os_str()).to_string_lossy().into_owned();
        match auditor::verify(data, None, store::env(context).now) {
            Ok(report) => {
                bad |= !report.is_good();
                if context.format == Format::Text {
                    let verdict = if report.is_good() { "good" } else { "NOT good" };
                    context.print(&format!("{}: {verdict}\n", show_line(&name, 80)))?;
                    if !report.is_good() {
                        context.print(&render(&report, context))?;
                    }
                }
                rows.push(json!({ "store": name, "good": report.is_good(), "report": report }));
            }
            Err(error) => {
                let error = CliError::from(error);
                busy |= error.code() == "store-busy";
                bad |= error.code() != "store-busy";
                if context.format == Format::Text {
                    context.print(&format!("{}: not verified: {}\n", show_line(&name, 80), error.code()))?;
                }
                rows.push(json!({ "store": name, "good": null, "error": error.code() }));
            }
        }
    }
    match context.format {
        Format::Text => {
            for problem in problems {
                context.print(&format!("server.db: {}\n", show_line(problem, 200)))?;
            }
            context.print(&format!(
                "{} stores, server.db {}\n",
                stores.len(),
                if problems.is_empty() { "good" } else { "NOT good" }
            ))?;
        }
        _ => context.print_json(&json!({
            "schema": "memgate/verify-server/1", "good": !bad && !busy, "stores": rows, "server_db": problems,
        }))?,
    }
    Ok(match (bad, busy) {
        (true, _) => Exit::Verification,
        (false, true) => Exit::Incomplete,
        (false, false) => Exit::Done,
    })
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
