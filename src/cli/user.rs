//! `memgate user`: people who log in to a server's console, also while it runs.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{CliError, Context, Exit, Format, stop};
use crate::auth::CredentialRole;
use crate::report::show_line;
use crate::service::{Account, Options, Service};

/// Most bytes of a password that are read.
const MOST: u64 = 4096;

/// Arguments of `memgate user`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate user add ana --role reviewer               asks for a password\n  \
    memgate user add ben --role second_reviewer --password-file ./ben.txt\n  \
    memgate user passwd ana < new-password.txt\n  \
    memgate user disable ben\n  \
    memgate user list\n\n\
    People log in at /console. Roles: reviewer, second_reviewer, policy_author, grader_operator, auditor,\n\
    tenant_admin, operator. Agents have API keys (memgate key) and never log in. Stores that are made after an\n\
    account know a reviewer by its name, with a signing key of its own. Passwords are never arguments.")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What `memgate user` does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an account
    #[command(after_help = "Examples:\n  memgate user add ana --role reviewer")]
    Add {
        /// What the person logs in as; decisions carry this name
        name: String,
        /// What the person may do
        #[arg(long, value_name = "ROLE", default_value = "reviewer")]
        role: String,
        /// The account's workspace [default: the first]
        #[arg(long, value_name = "ID")]
        workspace: Option<String>,
        /// Read the password from the first line of this file; without it, it is asked for or read from stdin
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// List accounts: names, roles, times
    #[command(after_help = "Examples:\n  memgate user list --format json")]
    List,
    /// Switch an account off; it is logged out everywhere
    #[command(after_help = "Examples:\n  memgate user disable ana")]
    Disable {
        /// The account's name
        name: String,
        /// Switch it on again instead
        #[arg(long)]
        undo: bool,
    },
    /// Give an account a new password; it is logged out everywhere
    #[command(after_help = "Examples:\n  memgate user passwd ana")]
    Passwd {
        /// The account's name
        name: String,
        /// Read the password from the first line of this file; without it, it is asked for or read from stdin
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
}

/// Manages accounts.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    let _working = stop::Working::begin()?;
    let service = Service::open_beside(Options::new(&context.data))?;
    match &args.command {
        Command::Add { name, role, workspace, password_file } => {
            let role = CredentialRole::from_name(role)
                .ok_or_else(|| CliError::Usage("no such role; `memgate user --help` lists them".to_owned()))?;
            let password = password(password_file.as_ref(), name)?;
            let made = service.add_account(workspace.as_deref(), name, role, &password)?;
            told(context, &made, "can log in at /console")?;
        }
        Command::List => {
            let accounts = service.accounts()?;
            match context.format {
                Format::Json => context.print_json(&json!({
                    "schema": "memgate/users/1", "users": accounts.iter().map(value).collect::<Vec<_>>(),
                }))?,
                _ if accounts.is_empty() => context.print("No accounts. Make one: memgate user add NAME\n")?,
                _ => {
                    for account in &accounts {
                        let state = if account.disabled.is_some() { "disabled" } else { "active" };
                        let (role, name) = (account.role.name(), show_line(&account.name, 64));
                        context.print(&format!("{}  {role:<15} {state:<8} {name}\n", account.id))?;
                    }
                }
            }
        }
        Command::Disable { name, undo } => {
            let account = service.disable_account(name, !undo)?;
            told(context, &account, if *undo { "can log in again" } else { "is logged out and cannot log in" })?;
        }
        Command::Passwd { name, password_file } => {
            let password = password(password_file.as_ref(), name)?;
            let account = service.set_password(name, &password)?;
            told(context, &account, "has a new password and is logged out everywhere")?;
        }
    }
    Ok(Exit::Done)
}

fn value(account: &Account) -> Value {
    json!({
        "id": account.id, "workspace_id": account.workspace, "name": account.name, "role": account.role.name(),
        "created": account.created, "disabled": account.disabled,
    })
}

fn told(context: &Context, account: &Account, what: &str) -> Result<(), CliError> {
    match context.format {
        Format::Json => context.print_json(&json!({ "schema": "memgate/user/1", "user": value(account) })),
        _ => context.print(&format!("{} ({}) {what}\n", show_line(&account.name, 64), account.role.name())),
    }
}

/// A password from a file, from the terminal without echo, or from stdin: one line.
fn password(file: Option<&PathBuf>, name: &str) -> Result<Zeroizing<String>, CliError> {
    let mut text = Zeroizing::new(String::new());
    match file {
        Some(path) => {
            let file = std::fs::File::open(path).map_err(|e| CliError::read(path, e))?;
            file.take(MOST).read_to_string(&mut text).map_err(|e| CliError::read(path, e))?;
        }
        None if std::io::stdin().is_terminal() => text = ask(name)?,
        None => {
            let from = std::path::Path::new("stdin");
            std::io::stdin().lock().take(MOST).read_line(&mut text).map_err(|e| CliError::read(from, e))?;
        }
    }
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(CliError::Usage("no password was given: type it, pipe it, or name a --password-file".to_owned()));
    }
    Ok(Zeroizing::new(line.to_owned()))
}

/// Asks twice, without echo.
fn ask(name: &str) -> Result<Zeroizing<String>, CliError> {
    let once = |prompt: &str| -> Result<Zeroizing<String>, CliError> {
        let _ = std::io::stderr().write_all(prompt.as_bytes());
        let quiet = Quiet::begin();
        let mut line = Zeroizing::new(String::new());
        let from = std::path::Path::new("stdin");
        std::io::stdin().lock().take(MOST).read_line(&mut line).map_err(|e| CliError::read(from, e))?;
        drop(quiet);
        let _ = std::io::stderr().write_all(b"\n");
        Ok(Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned()))
    };
    let first = once(&format!("Password for {}: ", show_line(name, 64)))?;
    let second = once("Again: ")?;
    if first != second {
        return Err(CliError::Usage("the two passwords differ".to_owned()));
    }
    Ok(first)
}

/// The terminal shows nothing that is typed while this lives.
struct Quiet {
    #[cfg(unix)]
    before: Option<rustix::termios::Termios>,
}

impl Quiet {
    #[cfg(unix)]
    fn begin() -> Self {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let input = std::io::stdin();
        let before = tcgetattr(&input).ok();
        if let Some(before) = &before {
            let mut quiet = before.clone();
            quiet.local_modes.remove(LocalModes::ECHO);
            let _ = tcsetattr(&input, OptionalActions::Flush, &quiet);
        }
        Self { before }
    }
    #[cfg(not(unix))]
    fn begin() -> Self {
        Self {}
    }
}

#[cfg(unix)]
impl Drop for Quiet {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            use rustix::termios::{OptionalActions, tcsetattr};
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, before);
        }
    }
}
