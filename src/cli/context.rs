//! What every command gets: the global flags resolved, the output streams, the clock.

use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use clap::{Args, ValueEnum};

use super::error::CliError;
use super::exit::Exit;
use super::progress::Bar;
use super::stop;
use crate::domain::Timestamp;
use crate::firewall::Passphrase;
use crate::report::json::to_line;
use crate::report::style::{Paint, Style};
use crate::report::{ShowOptions, show_line, show_plain};

/// Flags every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Form of the result
    #[arg(long, global = true, value_enum, default_value_t = Format::Text, value_name = "text|json|sarif", hide_possible_values = true)]
    pub format: Format,
    /// Colours: on a terminal only, always, or never (NO_COLOR, FORCE_COLOR and CLICOLOR_FORCE are honoured)
    #[arg(long, global = true, value_enum, default_value_t = ColorWhen::Auto, value_name = "auto|always|never", hide_possible_values = true)]
    pub color: ColorWhen,
    /// No progress bar (there is none either when stderr is not a terminal, or in CI)
    #[arg(long, global = true)]
    pub no_progress: bool,
    /// Report findings and failed quality gates, but exit with 0; incomplete scans and errors keep their code
    #[arg(long, global = true)]
    pub exit_zero: bool,
    /// The data folder: keys, log, database [default: MEMGATE_DATA, else .memgate]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// File whose first line is the passphrase of encrypted keys [default: asked on the terminal]
    #[arg(long, global = true, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Descriptor to read the passphrase from
    #[arg(long, global = true, value_name = "N", conflicts_with = "passphrase_file")]
    pub passphrase_fd: Option<u32>,
    /// Write the result to a file (whole or not at all) instead of stdout
    #[arg(long, short = 'o', global = true, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

impl Global {
    /// Where the passphrase is, unless it is asked for.
    fn passphrase_place(&self) -> Option<PathBuf> {
        let descriptor = self.passphrase_fd.map(|number| PathBuf::from(format!("/dev/fd/{number}")));
        self.passphrase_file.clone().or(descriptor)
    }
}

/// Form of a command's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One line of versioned JSON.
    Json,
    /// SARIF 2.1.0.
    Sarif,
}

impl Format {
    /// Stable lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Sarif => "sarif",
        }
    }
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless the environment says otherwise.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The global flags resolved, the output, the clock.
#[derive(Debug)]
pub struct Context {
    /// Form of the result.
    pub format: Format,
    /// True to style the result.
    pub color: bool,
    /// Columns of a line.
    pub width: usize,
    /// True when the result goes to a terminal.
    pub to_terminal: bool,
    /// The data folder.
    pub data: PathBuf,
    /// The way to the passphrase of encrypted keys.
    pub passphrase: Passphrase,
    /// True when it comes from a file or a descriptor.
    pub passphrase_given: bool,
    progress: bool,
    color_stderr: bool,
    output: Option<PathBuf>,
    buffer: RefCell<String>,
    closed: Cell<bool>,
}

impl Context {
    /// Resolves the flags against the environment and the terminal.
    pub fn new(global: &Global) -> Self {
        let to_terminal = global.output.is_none() && io::stdout().is_terminal();
        Self {
            format: global.format,
            color: color_for(global.color, to_terminal, environment),
            color_stderr: color_for(global.color, io::stderr().is_terminal(), environment),
            width: columns(to_terminal),
            to_terminal,
            data: data_folder(global.data.as_deref()),
            passphrase: super::passphrase::provider(global.passphrase_place()),
            passphrase_given: global.passphrase_place().is_some(),
            progress: !global.no_progress && io::stderr().is_terminal() && environment("CI").is_none(),
            output: global.output.clone(),
            buffer: RefCell::new(String::new()),
            closed: Cell::new(false),
        }
    }

    /// How untrusted text is laid out on the result stream.
    pub fn show(&self) -> ShowOptions {
        ShowOptions { width: self.width, color: self.color, ..ShowOptions::default() }
    }
    /// Styles for the result stream.
    pub const fn paint(&self) -> Paint {
        Paint::new(self.color)
    }
    /// A progress bar over `total` steps, or none.
    pub fn bar(&self, total: u64, what: &str) -> Bar {
        Bar::new(self.progress, total, what)
    }
    /// The clock, read once per call.
    pub fn now(&self) -> Timestamp {
        clock()
    }

    /// Refuses a form that a command does not write.
    pub fn formats(&self, allowed: &[Format]) -> Result<(), CliError> {
        if allowed.contains(&self.format) { Ok(()) } else { Err(CliError::Format { format: self.format.name() }) }
    }

    /// Writes a part of the result. The text must be ours or come from `report::show`.
    ///
    /// A reader that has closed the pipe is a quiet end: later parts are dropped, the exit code stays.
    pub fn print(&self, text: &str) -> Result<(), CliError> {
        if self.output.is_some() {
            self.buffer.borrow_mut().push_str(text);
            return Ok(());
        }
        if self.closed.get() {
            return Ok(());
        }
        let choice = if self.color { ColorChoice::Always } else { ColorChoice::Never };
        let mut stream = AutoStream::new(io::stdout().lock(), choice);
        match stream.write_all(text.as_bytes()).and_then(|()| stream.flush()) {
            Err(problem) if problem.kind() == io::ErrorKind::BrokenPipe => {
                self.closed.set(true);
                Ok(())
            }
            other => other.map_err(|problem| CliError::write(Path::new("standard output"), problem)),
        }
    }

    /// Writes a result in its JSON form: one line.
    pub fn print_json<T: serde::Serialize>(&self, value: &T) -> Result<(), CliError> {
        self.print(&format!("{}\n", to_line(value)))
    }

    /// A note to people on stderr; any text may be in it.
    pub fn note(&self, text: &str) {
        self.stderr(&format!("{}\n", show_plain(text)));
    }
    /// A warning to people on stderr; any text may be in it.
    pub fn warn(&self, text: &str) {
        let label = Paint::new(self.color_stderr).wrap(Style::Warn, "warning");
        self.stderr(&format!("{label}: {}\n", show_plain(text)));
    }

    /// Asks a yes-or-no question on a terminal; elsewhere the answer must have been given as a flag.
    ///
    /// Errors: refused when nobody can be asked.
    pub fn confirm(&self, action: &str, yes: bool) -> Result<bool, CliError> {
        if yes {
            return Ok(true);
        }
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Err(CliError::NeedsYes { action: action.to_owned() });
        }
        self.stderr(&format!("{} [y/N] ", show_line(action, self.width)));
        Ok(matches!(answer()?.trim(), "y" | "Y" | "yes"))
    }

    /// Puts the collected result in place when it goes to a file.
    pub(super) fn finish(&self) -> Result<(), CliError> {
        match &self.output {
            Some(path) => write_whole(path, self.buffer.borrow().as_bytes()),
            None => Ok(()),
        }
    }

    /// Reports an error on stderr: lines for people, one line of JSON with `--format json`.
    pub(super) fn problem(&self, problem: &CliError) {
        match self.format {
            Format::Text => self.stderr(&problem.text(Paint::new(self.color_stderr))),
            Format::Json | Format::Sarif => self.stderr(&format!("{}\n", problem.json())),
        }
    }

    fn stderr(&self, text: &str) {
        let choice = if self.color_stderr { ColorChoice::Always } else { ColorChoice::Never };
        // Nobody is left to tell when stderr itself is gone.
        let _ = AutoStream::new(io::stderr().lock(), choice).write_all(text.as_bytes());
    }
}

/// The clock.
#[expect(clippy::disallowed_methods, reason = "the command line is where the clock is read")]
pub(super) fn clock() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A line from the terminal, or the end of the command when somebody would rather stop.
fn answer() -> Result<String, CliError> {
    let (tell, heard) = mpsc::channel();
    let listen = move || {
        let mut line = String::new();
        // Nobody listens any more when the command has ended.
        let _ = tell.send(io::stdin().read_line(&mut line).map(|_| line));
    };
    std::thread::spawn(listen);
    loop {
        match heard.recv_timeout(Duration::from_millis(50)) {
            Ok(line) => return line.map_err(|problem| CliError::read(Path::new("standard input"), problem)),
            Err(mpsc::RecvTimeoutError::Timeout) => stop::go_on()?,
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(String::new()),
        }
    }
}

/// Writes a file whole or not at all: to a temporary file beside it, synced, then renamed into place.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let _working = stop::Working::begin()?;
    let write = || -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|problem| problem.error)?;
        Ok(())
    };
    write().map_err(|problem| CliError::write(path, problem))
}

/// Answers wrong usage, `--help` and `--version`.
pub(super) fn usage(problem: &clap::Error, arguments: &[OsString]) -> u8 {
    let rendered = problem.render();
    if !problem.use_stderr() {
        // Help and version are results.
        let choice = AutoStream::choice(&io::stdout());
        let text = if choice == ColorChoice::Never { rendered.to_string() } else { rendered.ansi().to_string() };
        let _ = AutoStream::new(io::stdout().lock(), choice).write_all(text.as_bytes());
        return Exit::Done.code(false);
    }
    let wants_json =
        arguments.windows(2).any(|pair| pair[0] == "--format" && (pair[1] == "json" || pair[1] == "sarif"))
            || arguments.iter().any(|one| one == "--format=json" || one == "--format=sarif");
    let text = rendered.to_string();
    let body = text.strip_prefix("error: ").unwrap_or(&text);
    let shown = if wants_json {
        format!("{}\n", CliError::Usage(body.lines().next().unwrap_or(body).to_owned()).json())
    } else if problem.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        show_plain(&text)
    } else {
        // The message quotes an argument, and an argument may be a file name that somebody else chose.
        format!("error[cli-usage]: {}", show_plain(body))
    };
    let _ = io::stderr().lock().write_all(shown.as_bytes());
    Exit::Usage.code(false)
}

/// Whether to use colours, given the flag, whether the stream is a terminal, and the environment.
pub fn color_for(when: ColorWhen, terminal: bool, variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let forced = |name: &str| set(name).is_some_and(|value| value != "0" && value != "false");
    match when {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto if set("NO_COLOR").is_some() => false,
        ColorWhen::Auto if forced("FORCE_COLOR") || forced("CLICOLOR_FORCE") => true,
        ColorWhen::Auto => {
            terminal && set("CLICOLOR").as_deref() != Some("0") && set("TERM").as_deref() != Some("dumb")
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the command line is where the environment is read")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn data_folder(flag: Option<&Path>) -> PathBuf {
    let named = flag.map(Path::to_owned).or_else(|| std::env::var_os("MEMGATE_DATA").map(PathBuf::from));
    named.filter(|path| !path.as_os_str().is_empty()).unwrap_or_else(|| PathBuf::from(".memgate"))
}

fn columns(to_terminal: bool) -> usize {
    let named = environment("COLUMNS").and_then(|text| text.parse::<usize>().ok());
    let measured = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    let columns = if to_terminal { measured().or(named) } else { named };
    columns.unwrap_or(100).clamp(40, 200)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests use their own folders")]

    use super::*;

    #[test]
    fn colours_follow_flag_then_environment_then_terminal() {
        let with = |pairs: &'static [(&str, &str)]| {
            move |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        type Row = (ColorWhen, bool, &'static [(&'static str, &'static str)], bool);
        let cases: [Row; 11] = [
            (ColorWhen::Auto, true, &[], true),
            (ColorWhen::Auto, false, &[], false),
            (ColorWhen::Always, false, &[("NO_COLOR", "1")], true),
            (ColorWhen::Never, true, &[("FORCE_COLOR", "1")], false),
            (ColorWhen::Auto, true, &[("NO_COLOR", "1")], false),
            (ColorWhen::Auto, true, &[("NO_COLOR", "")], true),
            (ColorWhen::Auto, false, &[("FORCE_COLOR", "1")], true),
            (ColorWhen::Auto, false, &[("CLICOLOR_FORCE", "1")], true),
            (ColorWhen::Auto, false, &[("CLICOLOR_FORCE", "0")], false),
            (ColorWhen::Auto, true, &[("TERM", "dumb")], false),
            (ColorWhen::Auto, false, &[("NO_COLOR", "1"), ("FORCE_COLOR", "1")], false),
        ];
        for (n, (when, terminal, pairs, expected)) in cases.into_iter().enumerate() {
            assert_eq!(color_for(when, terminal, with(pairs)), expected, "case {n}");
        }
    }

    #[test]
    fn a_failed_write_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.json");
        write_whole(&path, b"first").unwrap();
        assert!(write_whole(&folder.path().join("missing/out.json"), b"x").is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
