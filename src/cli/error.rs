//! Errors of the command line: what, where, why, and what to do.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::exit::Exit;
use super::stop::{self, Signal};
use crate::domain::{Coded, Family};
use crate::report::json::to_line;
use crate::report::style::{Paint, Style};
use crate::report::{show_line, show_plain};

/// An error of a room, or of the command line itself.
///
/// Every room's error turns into one with `?`; [`CliError::at`] says where, [`CliError::exits`] overrides
/// the exit code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// The arguments do not make sense together.
    #[error("{0}")]
    Usage(String),
    /// A folder or list without anything to examine.
    #[error("there is nothing to examine")]
    Nothing {
        /// What was named.
        place: String,
    },
    /// An input cannot be read.
    #[error("cannot read an input")]
    Read {
        /// The input.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line of labelled data is not what it should be.
    #[error("a line of labelled data cannot be used")]
    Labelled {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong. May hold untrusted text.
        why: String,
    },
    /// A result cannot be written.
    #[error("cannot write the result")]
    Write {
        /// Where to.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An address cannot be listened on.
    #[error("cannot {verb}")]
    Listen {
        /// What was tried.
        verb: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The command has no such form.
    #[error("this command does not write the format {format}")]
    Format {
        /// The form asked for.
        format: &'static str,
    },
    /// A change that needs a yes, and nobody to ask.
    #[error("this changes something and needs a yes: {action}")]
    NeedsYes {
        /// What would be done.
        action: String,
    },
    /// A name that nothing has.
    #[error("there is no {what} of that name")]
    Unknown {
        /// What was looked for, e.g. `rule`.
        what: &'static str,
        /// The name given.
        name: String,
        /// The nearest names there are.
        near: Vec<String>,
    },
    /// A command that this build does not carry out.
    #[error("{bad} problems in {files} files: nothing was imported")]
    Refused {
        /// Problems, each reported before.
        bad: usize,
        /// Files that were read.
        files: usize,
    },
    /// Asked to stop.
    #[error("{} before it was done", signal.name())]
    Stopped {
        /// By whom.
        signal: Signal,
    },
    /// Something that cannot happen did.
    #[error("internal error")]
    Internal {
        /// The report that was written, when one could be.
        report: Option<PathBuf>,
    },
    /// An error of a room.
    #[error("{source}")]
    Room {
        /// Its code.
        code: &'static str,
        /// Its family.
        family: Family,
        /// What to do.
        remedy: &'static str,
        /// Where it happened.
        place: Option<String>,
        /// Overrides the exit code of the table.
        exit: Option<Exit>,
        /// The room's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl<E: Coded + Send + Sync + 'static> From<E> for CliError {
    fn from(error: E) -> Self {
        Self::Room {
            code: error.code(),
            family: error.family(),
            remedy: error.remedy(),
            place: None,
            exit: None,
            source: Box::new(error),
        }
    }
}

impl CliError {
    /// An input that cannot be read.
    pub fn read(path: &Path, source: io::Error) -> Self {
        Self::Read { path: path.to_owned(), source }
    }
    /// A result that cannot be written.
    pub fn write(path: &Path, source: io::Error) -> Self {
        Self::Write { path: path.to_owned(), source }
    }
    /// Says where a room's error happened.
    #[must_use]
    pub fn at(mut self, where_: impl Into<String>) -> Self {
        if let Self::Room { place, .. } = &mut self {
            *place = Some(where_.into());
        }
        self
    }
    /// Overrides the exit code of a room's error.
    #[must_use]
    pub fn exits(mut self, with: Exit) -> Self {
        if let Self::Room { exit, .. } = &mut self {
            *exit = Some(with);
        }
        self
    }

    /// Names what asked, when a room left off because it was asked to.
    #[must_use]
    pub(super) fn stopped(self) -> Self {
        match stop::asked() {
            Some(signal) if self.code() == "firewall-stopped" => Self::Stopped { signal },
            _ => self,
        }
    }

    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Usage(_) => "cli-usage",
            Self::Nothing { .. } => "cli-nothing-to-examine",
            Self::Read { .. } => "cli-unreadable",
            Self::Labelled { .. } => "cli-labelled-line",
            Self::Write { .. } => "cli-unwritable",
            Self::Listen { .. } => "cli-listen",
            Self::Format { .. } => "cli-format",
            Self::NeedsYes { .. } => "cli-needs-yes",
            Self::Unknown { .. } => "cli-unknown-name",
            Self::Refused { .. } => "cli-inputs-refused",
            Self::Stopped { .. } => "cli-stopped",
            Self::Internal { .. } => "cli-internal",
            Self::Room { code, .. } => code,
        }
    }

    /// What to do about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Usage(_) => "see --help for the arguments and examples",
            Self::Nothing { .. } => "name a file or a folder that holds memories, instructions or transcripts",
            Self::Read { .. } => "check that it exists and may be read",
            Self::Labelled { .. } => "mend the line; `memgate bench detect --help` says what one has to have",
            Self::Listen { .. } => "choose another address with --listen and --admin; port 0 takes any free one",
            Self::Write { .. } => "check the folder, its permissions and the free space; nothing was left half-written",
            Self::Format { .. } => "use --format text or --format json",
            Self::NeedsYes { .. } => "look at it with --dry-run, then say --yes",
            Self::Unknown { .. } => "check the spelling; the matching list command shows all names",
            Self::Refused { .. } => "mend or take out the files named above, then run again",
            Self::Stopped { .. } => "nothing is half-done; run the command again",
            Self::Internal { .. } => "this is a bug in memgate: please report it with the file named above",
            Self::Room { remedy, .. } => remedy,
        }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Format { .. } | Self::NeedsYes { .. } | Self::Unknown { .. } => Exit::Usage,
            Self::Nothing { .. } => Exit::Nothing,
            Self::Read { .. }
            | Self::Labelled { .. }
            | Self::Write { .. }
            | Self::Listen { .. }
            | Self::Refused { .. } => Exit::Incomplete,
            Self::Stopped { signal } => signal.exit(),
            Self::Internal { .. } => Exit::Internal,
            Self::Room { exit: Some(exit), .. } => *exit,
            Self::Room { code, family, .. } => Exit::of_error(code, *family),
        }
    }

    fn place(&self) -> Option<String> {
        match self {
            Self::Nothing { place } => Some(place.clone()),
            Self::Read { path, .. } | Self::Write { path, .. } | Self::Internal { report: Some(path) } => {
                Some(path.to_string_lossy().into_owned())
            }
            Self::Unknown { name, .. } => Some(name.clone()),
            Self::Labelled { file, line, .. } => Some(format!("{file}:{line}")),
            Self::Room { place, .. } => place.clone(),
            _ => None,
        }
    }

    fn why(&self) -> Option<String> {
        if let Self::Unknown { near, .. } = self {
            return (!near.is_empty()).then(|| format!("did you mean: {}", near.join(", ")));
        }
        if let Self::Labelled { why, .. } = self {
            return Some(why.clone());
        }
        let mut cause: Option<&(dyn std::error::Error + 'static)> = match self {
            // The room's own message is `what` already; its causes are the why.
            Self::Room { source, .. } => source.source(),
            other => std::error::Error::source(other),
        };
        let mut causes = Vec::new();
        while let Some(one) = cause.filter(|_| causes.len() < 8) {
            causes.push(one.to_string());
            cause = one.source();
        }
        (!causes.is_empty()).then(|| causes.join(": "))
    }

    /// For people: `error[CODE]: what`, where, why, what to do. Safe to print.
    pub fn text(&self, paint: Paint) -> String {
        let label = paint.wrap(Style::Bad, &format!("error[{}]", self.code()));
        let what = self.to_string();
        let mut lines = what.lines();
        let mut out = format!("{label}: {}\n", one_line(lines.next().unwrap_or_default()));
        for line in lines {
            let _ = writeln!(out, "  | {}", one_line(line));
        }
        if let Some(place) = self.place() {
            let _ = writeln!(out, "  --> {}", one_line(&place));
        }
        if let Some(why) = self.why() {
            let _ = writeln!(out, "  = why: {}", one_line(&why));
        }
        let _ = writeln!(out, "  = help: {}", one_line(self.remedy()));
        out
    }

    /// For programs: one line of JSON in the form `memgate/error/1`.
    pub fn json(&self) -> String {
        to_line(&json!({
            "schema": "memgate/error/1",
            "code": self.code(),
            "what": self.to_string(),
            "where": self.place(),
            "why": self.why(),
            "help": self.remedy(),
            "exit": self.exit().code(false),
        }))
    }
}

fn one_line(text: &str) -> String {
    show_line(text, 400)
}

/// Runs a command; a panic becomes an internal error with a report file, never a trace on the terminal.
pub(super) fn guarded<T>(command: impl FnOnce() -> Result<T, CliError>) -> Result<T, CliError> {
    // A panic message may quote untrusted text, so the default hook, which prints it raw, is replaced.
    std::panic::set_hook(Box::new(|info| {
        let message =
            format!("memgate {}\n{info}\n{}", env!("CARGO_PKG_VERSION"), std::backtrace::Backtrace::force_capture());
        let kept = tempfile::Builder::new().prefix("memgate-report-").suffix(".txt").tempfile().and_then(|mut file| {
            file.write_all(show_plain(&message).as_bytes())?;
            file.keep().map(|(_, path)| path).map_err(|problem| problem.error)
        });
        if let Ok(mut last) = LAST_REPORT.lock() {
            *last = kept.ok();
        }
    }));
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(command));
    drop(std::panic::take_hook());
    outcome.unwrap_or_else(|_| {
        let report = LAST_REPORT.lock().ok().and_then(|mut last| last.take());
        Err(CliError::Internal { report })
    })
}

static LAST_REPORT: std::sync::Mutex<Option<PathBuf>> = std::sync::Mutex::new(None);

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests use their own folders")]

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the line is not JSON: \u{1b}[2J")]
    struct Bad;

    impl Coded for Bad {
        fn code(&self) -> &'static str {
            "ingest-bad-json"
        }
        fn family(&self) -> Family {
            Family::Refused
        }
        fn remedy(&self) -> &'static str {
            "look at line 3"
        }
    }

    #[test]
    fn a_room_error_says_what_where_and_what_to_do() {
        let error = CliError::from(Bad).at("a.jsonl:3");
        assert_eq!(
            error.text(Paint::default()),
            "error[ingest-bad-json]: the line is not JSON: \u{27E6}U+001B ESC\u{27E7}[2J\n  --> a.jsonl:3\n  = help: look at line 3\n"
        );
        assert_eq!(error.exit(), Exit::Incomplete);
        assert!(error.json().starts_with("{\"code\":\"ingest-bad-json\"") && error.json().contains("\\u001b"));
    }

    #[test]
    #[expect(clippy::panic, reason = "the panic is what is tested")]
    fn a_panic_becomes_an_internal_error_with_a_report_file() {
        let error = guarded::<()>(|| panic!("hostile \u{1b}[2J")).unwrap_err();
        assert_eq!(error.exit(), Exit::Internal);
        let CliError::Internal { report: Some(path) } = error else { unreachable!("a report is written") };
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("hostile \u{27E6}U+001B ESC\u{27E7}"), "{text}");
        std::fs::remove_file(path).unwrap();
    }
}
