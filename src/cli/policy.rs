//! `memgate policy`: check or show a policy.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use serde_json::json;

use super::{CliError, Context, Exit, Format};
use crate::config::{Config, read_policy};
use crate::gate::Policy;
use crate::gate::policy::DEFAULT_POLICY;
use crate::report::{show_line, show_plain};

/// Arguments of `memgate policy`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate policy check policy.toml\n  \
    memgate policy show --default > policy.toml")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs of `memgate policy`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say whether a policy file would load, and what is wrong with it
    #[command(after_help = "Examples:\n  \
    memgate policy check                   the data folder's own\n  \
    memgate policy check policy.toml\n\n\
        Exit code 4 when it is refused.")]
    Check {
        /// The policy file [default: the data folder's]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Print the policy in force, or the documented default
    #[command(after_help = "Examples:\n  \
    memgate policy show\n  \
    memgate policy show --default > policy.toml")]
    Show {
        /// The documented default
        #[arg(long)]
        default: bool,
    },
}

/// Checks or shows.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    match &args.command {
        Command::Check { file } => {
            let own = || context.data.join(crate::config::POLICY_FILE);
            let file = file.clone().unwrap_or_else(own);
            let policy = read_policy(&file)
                .map_err(|e| CliError::from(e).at(file.to_string_lossy().into_owned()).exits(Exit::Config))?;
            if context.format == Format::Json {
                context.print_json(&json!({ "schema": "memgate/policy-check/1", "digest": policy.digest() }))?;
            } else {
                context.print(&format!("The policy is good; digest {}.\n", policy.digest()))?;
            }
        }
        Command::Show { default: true } if context.format == Format::Json => {
            let policy = Policy::builtin();
            context.print_json(&json!({
                "schema": "memgate/policy/1", "digest": policy.digest(), "policy": policy,
                "operator": null, "reviewers": [],
            }))?;
        }
        Command::Show { default: true } => context.print(DEFAULT_POLICY)?,
        Command::Show { default: false } => {
            let config = Config::load(&context.data)?;
            if context.format == Format::Json {
                context.print_json(&json!({
                    "schema": "memgate/policy/1", "digest": config.policy.digest(), "policy": config.policy,
                    "operator": config.settings.operator, "reviewers": config.settings.reviewers,
                }))?;
            } else {
                let path = config.data.join(crate::config::POLICY_FILE);
                let text = std::fs::read_to_string(&path).map_err(|e| CliError::read(&path, e))?;
                let names: Vec<&str> = config.settings.reviewers.iter().map(|r| r.as_str()).collect();
                context.note(&format!(
                    "digest {}; operator {}; reviewers {}",
                    config.policy.digest().short(),
                    show_line(config.settings.operator.as_str(), 40),
                    show_line(&names.join(", "), 80)
                ));
                context.print(&show_plain(&text))?;
            }
        }
    }
    Ok(Exit::Done)
}
