//! clap commands and exit codes.
//!
//! For: the terminal. In: argv. Out: exit code.
//! May touch: every room below. Never: decides; a command calls a verb and renders the answer.

/// Runs the command line and returns the exit code of the table in `cli::exit`.
pub fn run() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
