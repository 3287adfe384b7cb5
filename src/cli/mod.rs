//! The command line: clap commands, exit codes, output.
//!
//! For: the terminal and scripts. In: argv, files, environment. Out: exit code, stdout (the result only), stderr.
//! May touch: every room below; standard streams, files, the clock and the environment.
//! Never: decides; a command calls a verb of a room and renders the answer through `report`.
#![expect(clippy::disallowed_methods, reason = "the command line is where named files are read and written")]

mod collect;
mod context;
mod dream_text;
mod error;
mod exit;
mod passphrase;
mod progress;
mod recognise;
mod stop;
mod store;

pub mod codes;

pub mod audit;
pub mod backup;
pub mod bench;
pub mod completions;
pub mod config;
pub mod decode;
pub mod demo;
mod demo_console;
pub mod diff;
pub mod doctor;
pub mod dream;
pub mod drift;
pub mod explain;
pub mod export;
pub mod grade;
pub mod init;
pub mod key;
pub mod log;
pub mod policy;
pub mod review;
pub mod rollback;
pub mod rules;
pub mod scan;
pub mod serve;
pub mod show;
pub mod user;
pub mod verify;
pub mod version;
pub mod webhook;
pub mod witness;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

pub use context::{ColorWhen, Context, Format, Global, color_for};
pub use error::CliError;
pub use exit::Exit;
pub use progress::Bar;
pub use stop::Signal;

/// A memory firewall and auditor for AI agents.
#[derive(Debug, Parser)]
#[command(
    name = "memgate",
    version,
    about = "A memory firewall and auditor for AI agents",
    long_about = "memgate examines what agents remember, consolidates it (a dream), holds what is suspicious for a \
                  person, signs what is approved, and can prove and undo every change.\n\n\
                  Everything works on files, without an account and without a network.",
    after_help = "Examples:\n  \
                  memgate demo                       watch the whole product work on sample data\n  \
                  memgate scan .                     examine the memory and instruction files of this folder\n  \
                  memgate init                       a data folder: keys, policy, log\n  \
                  memgate dream --memory DIR --sessions PATH --out NEW\n  \
                  memgate review list                what was held, and waits for a person\n  \
                  memgate verify                     check everything that was signed\n  \
                  memgate explain exit-codes         what the exit codes mean\n\n\
                  'memgate help COMMAND' has examples for every command; 'memgate explain CODE' has a page for every\n\
                  error code.",
    max_term_width = 110,
    propagate_version = false,
    arg_required_else_help = true
)]
pub struct Cli {
    /// Flags every command takes.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Examine files, folders, memories and transcripts
    Scan(scan::Args),
    /// Show one text with everything that hides in it
    Decode(decode::Args),
    /// Explain a rule, an error code or the exit codes
    Explain(explain::Args),
    /// Set up a data folder with keys, policy and an empty store
    Init(init::Args),
    /// Guided tour on sample data
    Demo(demo::Args),
    /// Consolidate a memory with its sessions, through the gate
    Dream(dream::Args),
    /// Decide on held items
    Review(review::Args),
    /// Verify keys, log, versions and contents, offline
    Verify(verify::Args),
    /// Watch a log from outside, and prove a fork
    Audit(audit::Args),
    /// Write evidence that strangers can check without memgate
    Export(export::Args),
    /// List the signed versions of a store
    Log(log::Args),
    /// What one version changed against another
    Diff(diff::Args),
    /// Show a version, or one memory in it
    Show(show::Args),
    /// Put a store back to an earlier version, as a new version
    Rollback(rollback::Args),
    /// Serve the hosted memory API: an unmodified SDK works against it
    Serve(serve::Args),
    /// API keys of a server
    Key(key::Args),
    /// People of a server: who logs in to its console
    User(user::Args),
    /// Who is told of what happens on a server
    Webhook(webhook::Args),
    /// What a server is told, and where each value comes from
    Config(config::Args),
    /// Copy a server or a data folder, also while it runs
    Backup(backup::Args),
    /// Bring a backup back to a new folder, and verify it
    Restore(backup::RestoreArgs),
    /// Is everything in order: folder, disk, clock, ports, configuration, logs
    Doctor(doctor::Args),
    /// Grade sessions against a rubric
    Grade(grade::Args),
    /// Watch grades for changes, version by version
    Drift(drift::Args),
    /// Be a witness of other logs, or have witnesses of a store's own
    Witness(witness::Args),
    /// Check or show a policy
    Policy(policy::Args),
    /// List, show or check detection rules
    Rules(rules::Args),
    /// Measure detection on labelled texts
    Bench(bench::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
    /// Print version and ruleset digest
    Version(version::Args),
}

/// Runs the command line and returns the exit code of the table in [`Exit`].
pub fn run() -> ExitCode {
    stop::listen();
    ExitCode::from(run_from(std::env::args_os().collect()))
}

/// Runs with these arguments, the program's name first.
fn run_from(arguments: Vec<OsString>) -> u8 {
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(problem) => return context::usage(&problem, &arguments),
    };
    let context = Context::new(&cli.global);
    let outcome = error::guarded(|| dispatch(&cli.command, &context).and_then(|exit| context.finish().map(|()| exit)));
    match outcome {
        Ok(exit) => exit.code(cli.global.exit_zero),
        Err(problem) => {
            let problem = problem.stopped();
            context.problem(&problem);
            problem.exit().code(false)
        }
    }
}

fn dispatch(command: &Command, context: &Context) -> Result<Exit, CliError> {
    match command {
        Command::Scan(args) => scan::run(args, context),
        Command::Decode(args) => decode::run(args, context),
        Command::Explain(args) => explain::run(args, context),
        Command::Init(args) => init::run(args, context),
        Command::Demo(args) => demo::run(args, context),
        Command::Dream(args) => dream::run(args, context),
        Command::Review(args) => review::run(args, context),
        Command::Verify(args) => verify::run(args, context),
        Command::Audit(args) => audit::run(args, context),
        Command::Export(args) => export::run(args, context),
        Command::Log(args) => log::run(args, context),
        Command::Diff(args) => diff::run(args, context),
        Command::Show(args) => show::run(args, context),
        Command::Rollback(args) => rollback::run(args, context),
        Command::Serve(args) => serve::run(args, context),
        Command::Key(args) => key::run(args, context),
        Command::User(args) => user::run(args, context),
        Command::Webhook(args) => webhook::run(args, context),
        Command::Config(args) => config::run(args, context),
        Command::Backup(args) => backup::run(args, context),
        Command::Restore(args) => backup::restore(args, context),
        Command::Doctor(args) => doctor::run(args, context),
        Command::Grade(args) => grade::run(args, context),
        Command::Drift(args) => drift::run(args, context),
        Command::Witness(args) => witness::run(args, context),
        Command::Policy(args) => policy::run(args, context),
        Command::Rules(args) => rules::run(args, context),
        Command::Bench(args) => bench::run(args, context),
        Command::Completions(args) => completions::run(args, context),
        Command::Version(args) => version::run(args, context),
    }
}

/// The command tree, for completions, documentation and tests.
pub fn command_tree() -> clap::Command {
    Cli::command()
}
