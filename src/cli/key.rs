//! `memgate key`: API keys of a server, also while it runs; and the signing keys' passphrase.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use serde_json::json;

use super::{CliError, Context, Exit, Format, passphrase, stop, store};
use crate::auth::CredentialRole;
use crate::domain::Timestamp;
use crate::firewall::Firewall;
use crate::service::{Options, Service, backup};

/// Arguments of `memgate key`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate key create --name ci --role agent          a key for an agent, shown once\n  \
    memgate key create --name ana --role reviewer      a key for a person who decides\n  \
    memgate key list\n  \
    memgate key revoke apikey_01…\n\n\
    A running server knows a change within two seconds. Roles: agent, submitter, reviewer, second_reviewer,\n\
    policy_author, grader_operator, auditor, tenant_admin, operator. Who proposes can never decide.")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What `memgate key` does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a key
    #[command(after_help = "Examples:\n  memgate key create --name ci --role agent")]
    Create {
        /// What people call it; a reviewer's key carries the reviewer's name
        #[arg(long, value_name = "NAME")]
        name: String,
        /// What it may do
        #[arg(long, value_name = "ROLE")]
        role: String,
        /// Its workspace [default: the first]
        #[arg(long, value_name = "ID")]
        workspace: Option<String>,
        /// When it ends to work, RFC 3339
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
        /// Take the key's text from this environment variable instead of making one
        #[arg(long, value_name = "VARIABLE")]
        secret_from_env: Option<String>,
    },
    /// List keys: names, roles, times, never secrets
    #[command(after_help = "Examples:\n  memgate key list --format json")]
    List,
    /// Encrypt the private signing keys of a data folder, or of every store of a server
    #[command(after_help = "Examples:\n  \
        memgate key encrypt --data .memgate\n  \
        memgate key encrypt --data ./server --new-passphrase-file /run/secrets/memgate\n\n\
        PKCS#8 with scrypt and AES-256-CBC, which openssl opens, too. Keys stay the same. What the disk held before may\n\
        stay in blocks that were freed.")]
    Encrypt {
        /// File whose first line is the new passphrase [default: asked on the terminal, twice]
        #[arg(long, value_name = "FILE")]
        new_passphrase_file: Option<PathBuf>,
    },
    /// Write the private signing keys as plain files again
    #[command(after_help = "Examples:\n  memgate key decrypt --data .memgate --passphrase-file old.txt")]
    Decrypt,
    /// Encrypt the private signing keys with another passphrase
    #[command(after_help = "Examples:\n  \
        memgate key change-passphrase --passphrase-file old.txt --new-passphrase-file new.txt")]
    ChangePassphrase {
        /// File whose first line is the new passphrase [default: asked on the terminal, twice]
        #[arg(long, value_name = "FILE")]
        new_passphrase_file: Option<PathBuf>,
    },
    /// Take a key back
    #[command(after_help = "Examples:\n  memgate key revoke apikey_01…")]
    Revoke {
        /// The key's id
        id: String,
    },
}

/// Manages keys.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    let _working = stop::Working::begin()?;
    match &args.command {
        Command::Encrypt { new_passphrase_file } | Command::ChangePassphrase { new_passphrase_file } => {
            let fresh = passphrase::fresh(new_passphrase_file.as_deref())?;
            return rekey(Some(&fresh), context);
        }
        Command::Decrypt => return rekey(None, context),
        _ => {}
    }
    let service = Service::open_beside(Options::new(&context.data))?;
    match &args.command {
        Command::Create { name, role, workspace, expires, secret_from_env } => {
            let role = CredentialRole::from_name(role)
                .ok_or_else(|| CliError::Usage("no such role; `memgate key --help` lists them".to_owned()))?;
            let expires: Option<Timestamp> = match expires {
                Some(text) => {
                    Some(text.parse().map_err(|_| CliError::Usage("--expires is not an RFC 3339 time".to_owned()))?)
                }
                None => None,
            };
            let secret = secret_from_env.as_deref().map(from_environment).transpose()?;
            let made = service.create_key(workspace.as_deref(), name, role, expires, secret.as_deref())?;
            let key = if secret.is_some() { None } else { Some(made.key.expose()) };
            let credential = &made.credential;
            match context.format {
                Format::Json => context.print_json(&json!({
                    "schema": "memgate/key/1", "api_key": key, "api_key_id": credential.id,
                    "workspace_id": credential.workspace, "role": credential.role.name(),
                }))?,
                _ => context.print(&match key {
                    Some(key) => format!("{} ({}), shown this once:\n{key}\n", credential.id, credential.role.name()),
                    None => format!("{} ({})\n", credential.id, credential.role.name()),
                })?,
            }
        }
        Command::Encrypt { .. } | Command::Decrypt | Command::ChangePassphrase { .. } => {}
        Command::List => {
            let keys = service.keys(None);
            match context.format {
                Format::Json => context.print_json(&json!({
                    "schema": "memgate/keys/1",
                    "keys": keys.iter().map(|key| json!({
                        "id": key.id, "workspace_id": key.workspace, "name": key.name, "role": key.role.name(),
                        "hint": key.hint, "created": key.created, "expires": key.expires, "revoked": key.revoked,
                    })).collect::<Vec<_>>(),
                }))?,
                _ => {
                    for key in keys {
                        let state = if key.revoked.is_some() { "revoked" } else { "active" };
                        let name = crate::report::show_line(&key.name, 40);
                        let hint = crate::report::show_line(&key.hint, 20);
                        context.print(&format!(
                            "{}  {:<15} {state:<8} {hint:<12} {name}\n",
                            key.id,
                            key.role.name()
                        ))?;
                    }
                }
            }
        }
        Command::Revoke { id } => {
            service.revoke_key(id)?;
            context.print(&format!("{} no longer works\n", crate::report::show_line(id, 60)))?;
        }
    }
    Ok(Exit::Done)
}

/// Writes the signing keys of a data folder, or of every store of a server, anew.
fn rekey(fresh: Option<&str>, context: &Context) -> Result<Exit, CliError> {
    let stores =
        if Service::exists(&context.data) { backup::parts(&context.data)?.0 } else { vec![context.data.clone()] };
    let mut keys = 0;
    for data in &stores {
        keys += Firewall::rekey(data, fresh, store::env(context))?;
    }
    let how = if fresh.is_some() { "encrypted" } else { "plain" };
    match context.format {
        Format::Json => {
            context.print_json(&json!({ "schema": "memgate/rekey/1", "keys": keys, "encrypted": fresh.is_some() }))?
        }
        _ => context.print(&format!("{keys} keys of {} data folders are {how} files now\n", stores.len()))?,
    }
    Ok(Exit::Done)
}

/// A secret that stands in a variable: never an argument, which every process of the machine can read.
pub(super) fn from_environment(variable: &str) -> Result<String, CliError> {
    let text = std::env::var(variable).ok().filter(|text| !text.is_empty());
    text.ok_or_else(|| CliError::Usage("the variable of --secret-from-env is not set".to_owned()))
}
