//! `memgate audit`: watch a log from outside, and check the proof of a fork.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};
use serde_json::json;

use super::{CliError, Context, Exit, Format, stop};
use crate::auditor::watch::{self, Look, Watcher};
use crate::http::{Outbound, Plain};
use crate::report::show_line;
use crate::report::style::Style;

/// How long one file of a watched log may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Arguments of `memgate audit`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate audit watch ./evidence --root trust-root.json --state ./monitor --once\n  \
    memgate audit watch https://log.example/main --root trust-root.json --state ./monitor\n  \
    memgate audit fork ./monitor/fork-12-15.txt --root trust-root.json --trust ./evidence\n\n\
    A monitor keeps its own copy of what it saw. It needs no key and asks nobody for leave.")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What `memgate audit` does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Follow a log: verify each new statement, and raise an alarm when it is not the log seen before
    #[command(after_help = "Examples:\n  \
        memgate audit watch ./evidence --root trust-root.json --state ./monitor --once\n  \
        memgate audit watch .memgate --root trust-root.json --state ./monitor --every 300\n\n\
        What is watched: an evidence folder, a data folder, or the address where such a folder is served as files.\n\
        Exit code 6 and an end at the first alarm. Two histories of one log leave a file in the state folder that\n\
        proves the fork to others: 'memgate audit fork', or the Go block of an evidence folder's README.")]
    Watch {
        /// Folder or address
        #[arg(value_name = "FOLDER|URL")]
        source: String,
        /// The trust root you got by another way
        #[arg(long, value_name = "FILE")]
        root: PathBuf,
        /// The monitor's own folder: what it saw, and what it can prove
        #[arg(long, value_name = "DIR")]
        state: PathBuf,
        /// Look once and end
        #[arg(long)]
        once: bool,
        /// Seconds between looks
        #[arg(long, value_name = "SECONDS", default_value_t = 60)]
        every: u64,
    },
    /// Check a file that is said to prove a fork
    #[command(after_help = "Examples:\n  \
        memgate audit fork fork-12-15.txt --root trust-root.json --trust ./evidence\n\n\
        Exit code 0 when the log's key has signed two histories, 6 when the file does not prove it.")]
    Fork {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The trust root you got by another way
        #[arg(long, value_name = "FILE")]
        root: PathBuf,
        /// A folder with the trust files below trust/: evidence, or a data folder
        #[arg(long, value_name = "DIR")]
        trust: PathBuf,
    },
}

/// Audits.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    let read = |path: &Path| std::fs::read(path).map_err(|error| CliError::read(path, error));
    match &args.command {
        Command::Watch { source, root, state, once, every } => {
            let root = read(root)?;
            if source.starts_with("http://") || source.starts_with("https://") {
                let what = |_| CliError::Usage("TLS cannot be set up for this address".to_owned());
                let outbound = Outbound::anywhere().map_err(what)?;
                let base = source.trim_end_matches('/').to_owned();
                let fetch = |name: &str| download(&outbound, &format!("{base}/{name}"));
                follow(&fetch, &root, state, *once, *every, context)
            } else {
                let folder = PathBuf::from(source);
                let fetch = |name: &str| from_folder(&folder, name);
                follow(&fetch, &root, state, *once, *every, context)
            }
        }
        Command::Fork { file, root, trust } => {
            let folder = trust.clone();
            let fetch = |name: &str| from_folder(&folder, name);
            let text = String::from_utf8_lossy(&read(file)?).into_owned();
            let origin = watch::check_fork(&text, &read(root)?, &fetch)?;
            match context.format {
                Format::Json => {
                    context.print_json(&json!({ "schema": "memgate/fork/1", "fork": true, "log": origin }))?
                }
                _ => context.print(&format!("Proven: {} signed two histories.\n", show_line(&origin, 100)))?,
            }
            Ok(Exit::Done)
        }
    }
}

fn from_folder(folder: &Path, name: &str) -> Result<Option<Vec<u8>>, String> {
    let path = folder.join(name);
    match std::fs::metadata(&path) {
        Ok(data) if data.is_file() => {}
        _ => return Ok(None),
    }
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{name}: {error}")),
    }
}

fn download(outbound: &Outbound, url: &str) -> Result<Option<Vec<u8>>, String> {
    match outbound.exchange(&Plain { url, media: "text/plain", body: None }, PATIENCE) {
        Some((200, bytes)) => Ok(Some(bytes)),
        Some((404 | 410, _)) => Ok(None),
        Some((status, _)) => Err(format!("{url} answers with status {status}")),
        None => Err(format!("{url} does not answer")),
    }
}

fn follow(
    fetch: watch::Fetch<'_>,
    root: &[u8],
    state: &Path,
    once: bool,
    every: u64,
    context: &Context,
) -> Result<Exit, CliError> {
    let mut watcher = Watcher::open(state, root, fetch)?;
    loop {
        match watcher.look(fetch) {
            Ok(look) => {
                if once || look.entries > 0 || !look.alarms.is_empty() {
                    show(&look, context)?;
                }
                if !look.alarms.is_empty() {
                    return Ok(Exit::Verification);
                }
            }
            // A log that cannot be reached may come back; one look that sees nothing is not a pass.
            Err(error) if once => return Err(error.into()),
            Err(error) => context.warn(&error.to_string()),
        }
        if once {
            return Ok(Exit::Done);
        }
        for _ in 0..every.max(1).saturating_mul(10) {
            stop::go_on()?;
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn show(look: &Look, context: &Context) -> Result<(), CliError> {
    if context.format == Format::Json {
        return context
            .print_json(&json!({ "schema": "memgate/watch/1", "good": look.alarms.is_empty(), "look": look }));
    }
    let paint = context.paint();
    let mut text = format!(
        "{} entries, {} versions, {} entries new and verified\n{}\n",
        look.size, look.versions, look.entries, look.witnesses
    );
    for alarm in &look.alarms {
        text.push_str(&format!(
            "{}  {}  {}\n",
            paint.wrap(Style::Bad, &alarm.code),
            show_line(&alarm.place, 60),
            show_line(&alarm.what, context.width)
        ));
    }
    if let Some(path) = &look.evidence {
        text.push_str(&format!("Proof for others: {}\n", show_line(&path.to_string_lossy(), 100)));
    }
    context.print(&text)
}
