//! `memgate init`: set up a data folder.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args as ClapArgs;
use serde_json::json;

use super::{CliError, Context, Exit, Format, dream_text, passphrase, stop, store};
use crate::domain::{Authority, PrincipalId};
use crate::firewall::{AcceptMode, DreamRequest, Firewall, InitRequest, Passphrase};
use crate::gate::policy::DEFAULT_POLICY;

/// Arguments of `memgate init`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate init                            keys, policy and an empty store in .memgate\n  \
    memgate init --memory ./memory          and the folder's notes as version 1, vouched for by you\n  \
    memgate init --reviewer ana --reviewer ben --operator ops\n  \
    memgate init --encrypt                  keys that need a passphrase\n\n\
    Keys are made here and stay here, in files only you can read. Nothing is overwritten.")]
pub struct Args {
    /// Name of the store in statements and in the log
    #[arg(long, value_name = "NAME", default_value = "main")]
    pub store: String,
    /// Who runs this deployment
    #[arg(long, value_name = "NAME", default_value = "owner")]
    pub operator: String,
    /// Who decides on held items; repeat for several [default: the operator]
    #[arg(long, value_name = "NAME")]
    pub reviewer: Vec<String>,
    /// Memory folder whose notes become version 1; you vouch for them, findings are still held
    #[arg(long, value_name = "DIR")]
    pub memory: Option<PathBuf>,
    /// Encrypt the private keys with a passphrase
    #[arg(long)]
    pub encrypt: bool,
    /// Policy file to start with [default: the documented default]
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
}

/// Makes the data folder.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    let policy = match &args.policy {
        Some(path) => {
            crate::config::read_policy(path)?;
            std::fs::read_to_string(path).map_err(|e| CliError::read(path, e))?
        }
        None => DEFAULT_POLICY.to_owned(),
    };
    let inputs = match &args.memory {
        Some(folder) => Some(store::read_memories(folder, &args.operator, Authority::Agent, context)?),
        None => None,
    };
    let reviewers = if args.reviewer.is_empty() { vec![args.operator.clone()] } else { args.reviewer.clone() };
    let request = InitRequest {
        store: args.store.clone(),
        operator: PrincipalId::new(&args.operator),
        reviewers: reviewers.iter().map(PrincipalId::new).collect(),
        policy,
    };
    let _working = stop::Working::begin()?;
    let mut env = store::env(context);
    env.outside.encrypt = args.encrypt;
    if args.encrypt && !context.passphrase_given {
        let fresh = passphrase::fresh(None)?;
        env.outside.passphrase = Some(Passphrase(Arc::new(move || Ok(fresh.clone()))));
    }
    let mut firewall = Firewall::init(&context.data, request, env)?;
    let report = match inputs {
        Some(inputs) => {
            let request = DreamRequest {
                memories: Some(inputs.memories),
                sessions: Vec::new(),
                raw: inputs.raw,
                instructions: None,
                workspace: None,
                accept: AcceptMode::None,
                ask: None,
                adopt: true,
                dry_run: false,
            };
            let outcome = firewall.dream(request, &mut store::follow(context));
            Some(outcome)
        }
        None => None,
    };
    firewall.close()?;
    let report = report.transpose()?;
    match context.format {
        Format::Json => context.print_json(&json!({
            "schema": "memgate/init/1",
            "data": context.data.to_string_lossy(),
            "store": args.store,
            "reviewers": reviewers,
            "version": report.as_ref().and_then(|r| r.version.as_ref()),
        }))?,
        Format::Text | Format::Sarif => {
            context.print(&format!(
                "Made {}: keys, log, database, policy.toml\n  operator {}, reviewers {}\n",
                crate::report::show_line(&context.data.to_string_lossy(), 80),
                crate::report::show_line(&args.operator, 40),
                crate::report::show_line(&reviewers.join(", "), 80),
            ))?;
            if let Some(report) = &report {
                context.print("\n")?;
                context.print(&dream_text::render(report, context))?;
            }
            context.print("\nNext: memgate dream --memory FOLDER --sessions TRANSCRIPTS --out NEW-FOLDER\n")?;
        }
    }
    Ok(Exit::Done)
}
