//! `memgate doctor`: is everything a server needs in order.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use clap::Args as ClapArgs;
use serde_json::json;

use super::{CliError, Context, Exit, Format, store};
use crate::auditor;
use crate::config::server::ServerConfig;
use crate::firewall::Firewall;
use crate::report::show_line;
use crate::report::style::Style;
use crate::ruleset::RuleSet;
use crate::service::{Service, backup};

/// Arguments of `memgate doctor`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate doctor --data ./server\n  \
    memgate doctor --data ./server --format json\n\n\
    Looks at permissions, disk, clock, configuration, ports, rule packs, database and every store's log, and changes\n\
    nothing. Exit code 1 when something should be mended, 6 when something does not verify.")]
pub struct Args {}

/// Free bytes below which a server should not start.
const LEAST_FREE: u64 = 256 << 20;
/// A clock before this was never set: 2025-01-01.
const EARLIEST_MS: i64 = 1_735_689_600_000;
/// Clocks of one machine and its disks differ by less.
const SKEW_MS: i64 = 60_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    Problem,
    Unverified,
}

struct Line {
    what: &'static str,
    verdict: Verdict,
    detail: String,
    remedy: &'static str,
}

#[derive(Default)]
struct Lines(Vec<Line>);

impl Lines {
    fn say(&mut self, what: &'static str, good: bool, detail: impl Into<String>, remedy: &'static str) {
        let verdict = if good { Verdict::Good } else { Verdict::Problem };
        self.0.push(Line { what, verdict, detail: detail.into(), remedy });
    }
}

/// Looks at everything.
pub fn run(_: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    let mut lines = Lines::default();
    let data = &context.data;
    let server = Service::exists(data);
    let there = server || data.join(crate::config::SETTINGS_FILE).exists();
    let detail = if server { "a server" } else { "a data folder" };
    lines.say(
        "folder",
        there,
        if there { detail } else { "neither a server nor a data folder" },
        "make one with `memgate serve init` or `memgate init`, or name it with --data",
    );
    rules(&mut lines);
    clock(data, context, &mut lines);
    if there {
        permissions(data, server, &mut lines);
        keys(data, server, &mut lines);
        disk(data, &mut lines);
    }
    if server {
        let running = is_running(data);
        configuration(data, running, &mut lines);
    }
    if there {
        verified(data, server, context, &mut lines);
    }
    show(&lines.0, context)?;
    let has = |verdict| lines.0.iter().any(|line| line.verdict == verdict);
    Ok(match (has(Verdict::Unverified), has(Verdict::Problem)) {
        (true, _) => Exit::Verification,
        (false, true) => Exit::Findings,
        (false, false) => Exit::Done,
    })
}

fn rules(lines: &mut Lines) {
    match RuleSet::builtin() {
        Ok(rules) => {
            lines.say("rules", true, format!("the built-in packs, digest {}", short(&rules.digest().hex())), "")
        }
        Err(error) => lines.say("rules", false, error.to_string(), "this binary is damaged: install it again"),
    }
}

fn short(text: &str) -> &str {
    text.get(..12).unwrap_or(text)
}

fn clock(data: &Path, context: &Context, lines: &mut Lines) {
    let now = context.now();
    let written = std::fs::metadata(data.join("server.db")).and_then(|data| data.modified()).ok();
    let written = written.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    let written = written.and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(0);
    let remedy = "set the clock and keep it by NTP: signatures carry times, and times never go back";
    if now.0 < EARLIEST_MS {
        lines.say("clock", false, format!("it says {now}"), remedy);
    } else if written > now.0.saturating_add(SKEW_MS) {
        lines.say("clock", false, format!("it says {now}, but the database was written later"), remedy);
    } else {
        lines.say("clock", true, now.to_string(), "");
    }
}

/// Whether who gets at the files gets at the keys. No problem by itself: a demo may live with it.
fn keys(data: &Path, server: bool, lines: &mut Lines) {
    let stores = match server {
        true => backup::parts(data).map(|(stores, _)| stores).unwrap_or_default(),
        false => vec![data.to_owned()],
    };
    let counts = stores.iter().filter_map(|store| Firewall::encrypted_keys(store).ok());
    let (encrypted, all) = counts.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let detail = match (encrypted, all) {
        (_, 0) => "none yet".to_owned(),
        (some, all) if some == all => format!("{all} signing keys, encrypted"),
        (some, all) => format!("{} of {all} signing keys are plain files: memgate key encrypt", all - some),
    };
    lines.say("signing keys", true, detail, "");
}

#[cfg(unix)]
fn permissions(data: &Path, server: bool, lines: &mut Lines) {
    use std::os::unix::fs::PermissionsExt as _;
    let names: &[&str] = if server { &[".", "server.db", "stores"] } else { &[".", "keys", "memgate.db"] };
    let open =
        |name: &&&str| std::fs::metadata(data.join(name)).is_ok_and(|data| data.permissions().mode() & 0o077 != 0);
    let open: Vec<&str> = names.iter().filter(open).copied().collect();
    let detail = match open.is_empty() {
        true => "only the owner gets in".to_owned(),
        false => format!("others may read: {}", open.join(", ")),
    };
    lines.say("permissions", open.is_empty(), detail, "chmod -R go-rwx the folder: it holds keys");
}

#[cfg(not(unix))]
fn permissions(_: &Path, _: bool, _: &mut Lines) {}

#[cfg(unix)]
fn disk(data: &Path, lines: &mut Lines) {
    match rustix::fs::statvfs(data) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let remedy = "make room: a full disk stops writes (nothing acknowledged is lost)";
            lines.say("disk", free >= LEAST_FREE, format!("{} MiB free", free >> 20), remedy);
        }
        Err(error) => lines.say("disk", false, error.to_string(), "check the file system"),
    }
}

#[cfg(not(unix))]
fn disk(_: &Path, _: &mut Lines) {}

/// True when a server holds the folder.
fn is_running(data: &Path) -> bool {
    let lock = std::fs::File::open(data.join("server.lock"));
    lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(std::fs::TryLockError::WouldBlock)))
}

fn configuration(data: &Path, running: bool, lines: &mut Lines) {
    let config = match ServerConfig::load(data, &[]).map_err(CliError::from).and_then(|config| {
        super::config::check(&config)?;
        Ok(config)
    }) {
        Ok(config) => config,
        Err(error) => {
            let detail = error.to_string().lines().next().unwrap_or_default().to_owned();
            lines.say("config", false, detail, "see `memgate config check`");
            return;
        }
    };
    lines.say("config", true, "server.toml, environment and policy are good", "");
    for key in ["server.listen", "server.admin"] {
        let what = if key == "server.listen" { "port" } else { "admin port" };
        let Some(address) = config.text(key).and_then(|text| text.parse::<SocketAddr>().ok()) else { continue };
        match TcpListener::bind(address) {
            Ok(_) => lines.say(what, true, format!("{address} is free"), ""),
            // Which program holds it is not known; a running server of this folder is the likely one.
            Err(_) if running => lines.say(what, true, format!("{address} is in use, and a server runs here"), ""),
            Err(error) => {
                lines.say(what, false, format!("{address}: {error}"), "choose another address, or end what holds it");
            }
        }
    }
}

fn verified(data: &Path, server: bool, context: &Context, lines: &mut Lines) {
    let mut stores = vec![data.to_owned()];
    if server {
        match backup::parts(data) {
            Ok((found, problems)) => {
                stores = found;
                let detail = problems.first().cloned().unwrap_or_else(|| "server.db is whole".to_owned());
                lines.say("database", problems.is_empty(), detail, "restore a backup: `memgate restore --help`");
            }
            Err(error) => {
                lines.say("database", false, error.to_string(), "restore a backup: `memgate restore --help`");
                return;
            }
        }
    }
    let (mut good, mut busy, mut bad) = (0_usize, 0_usize, Vec::new());
    for folder in &stores {
        match auditor::verify(folder, None, store::env(context).now) {
            Ok(report) if report.is_good() => good += 1,
            Ok(report) => bad.push(format!("{}: {} problems", name(folder), report.problems.len())),
            Err(error) => match CliError::from(error) {
                error if error.code() == "store-busy" => busy += 1,
                error => bad.push(format!("{}: {}", name(folder), error.code())),
            },
        }
    }
    let detail = match bad.is_empty() {
        true if busy == 0 => format!("{good} verified, from the first entry to the head"),
        true => format!("{good} verified; {busy} in use by a running server, not looked at"),
        false => bad.join("; "),
    };
    let verdict = if bad.is_empty() { Verdict::Good } else { Verdict::Unverified };
    lines.0.push(Line { what: "stores", verdict, detail, remedy: "see `memgate verify --data` of the store" });
}

fn name(folder: &Path) -> String {
    folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned()
}

fn show(lines: &[Line], context: &Context) -> Result<(), CliError> {
    if context.format == Format::Json {
        let shown: Vec<_> = lines
            .iter()
            .map(|line| {
                let good = line.verdict == Verdict::Good;
                let remedy = if good { None } else { Some(line.remedy) };
                json!({ "check": line.what, "good": good, "detail": line.detail, "remedy": remedy })
            })
            .collect();
        let good = lines.iter().all(|line| line.verdict == Verdict::Good);
        return context.print_json(&json!({ "schema": "memgate/doctor/1", "good": good, "checks": shown }));
    }
    let paint = context.paint();
    for line in lines {
        let good = line.verdict == Verdict::Good;
        let mark = if good { paint.wrap(Style::Good, "ok     ") } else { paint.wrap(Style::Bad, "PROBLEM") };
        context.print(&format!("{mark}  {:<11} {}\n", line.what, show_line(&line.detail, 200)))?;
        if !good {
            context.print(&format!("{:22}{}\n", "", line.remedy))?;
        }
    }
    Ok(())
}
