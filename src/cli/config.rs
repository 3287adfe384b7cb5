//! `memgate config`: what a server is told, and by whom.

use std::fmt::Write as _;

use clap::{Args as ClapArgs, Subcommand};
use serde_json::json;

use super::{CliError, Context, Exit, Format};
use crate::config::server::{SERVER_FILE, ServerConfig, Value, WebhookEntry};
use crate::http::Network;
use crate::report::show_line;

/// Arguments of `memgate config`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate config check --data ./server      would the server start with this?\n  \
    memgate config show --data ./server       every value in force\n  \
    memgate config sources --data ./server    and where each comes from\n\n\
    Strength, later wins: built-in, server.toml in the server's folder, environment (MEMGATE_SERVER__LISTEN for\n\
    server.listen), flags of 'memgate serve'. Secrets are never in the file: it names a variable or a file.")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What `memgate config` does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say whether the server would start with it, and what is wrong
    #[command(after_help = "Examples:\n  memgate config check --data ./server\n\nExit code 4 when it is refused.")]
    Check,
    /// Print every value in force, as a file would hold it
    #[command(after_help = "Examples:\n  memgate config show > server.toml")]
    Show,
    /// Print where each value comes from
    #[command(after_help = "Examples:\n  memgate config sources --format json")]
    Sources,
}

/// Checks or shows.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    let config = ServerConfig::load(&context.data, &[])?;
    let text = context.format == Format::Text;
    match args.command {
        Command::Check => {
            check(&config)?;
            match text {
                true => context.print(&format!("{SERVER_FILE}, environment and built-in values are good\n"))?,
                false => context.print_json(&json!({ "schema": "memgate/config-check/1", "good": true }))?,
            }
        }
        Command::Show if text => context.print(&shown(&config))?,
        Command::Sources if text => {
            let mut out = String::new();
            for (name, value, source) in config.values() {
                let _ = writeln!(out, "{name:<26} {:<32} {}", show_line(&value.to_string(), 60), source);
            }
            for hook in &config.webhooks {
                let _ = writeln!(out, "{:<26} {:<32} {}", "webhook", show_line(&hook.name, 60), hook.source);
            }
            for schedule in &config.schedules {
                let _ = writeln!(out, "{:<26} {:<32} {}", "schedule", show_line(&schedule.store, 60), schedule.source);
            }
            context.print(&out)?;
        }
        Command::Show | Command::Sources => {
            let values: Vec<_> = config
                .values()
                .map(
                    |(name, value, source)| json!({ "key": name, "value": plain(value), "source": source.to_string() }),
                )
                .collect();
            let hooks: Vec<_> = config
                .webhooks
                .iter()
                .map(|hook| {
                    json!({ "name": hook.name, "url": masked(&hook.url), "events": hook.events,
                        "secret": hook.secret.to_string(), "source": hook.source.to_string() })
                })
                .collect();
            let schedules: Vec<_> = config
                .schedules
                .iter()
                .map(|one| json!({ "store": one.store, "rules": one.rules, "source": one.source.to_string() }))
                .collect();
            context.print_json(&json!({
                "schema": "memgate/config/1", "values": values, "webhooks": hooks, "schedules": schedules,
            }))?;
        }
    }
    Ok(Exit::Done)
}

/// What only the programs that use a value can check.
pub(super) fn check(config: &ServerConfig) -> Result<(), CliError> {
    if let Some(policy) = config.path("stores.policy") {
        crate::config::read_policy(&policy)?;
    }
    for network in config.list("webhooks.allow") {
        if network.parse::<Network>().is_err() {
            let problems = vec!["webhooks.allow: a list of networks such as 10.0.0.0/8".to_owned()];
            return Err(crate::config::ConfigError::Server { problems }.into());
        }
    }
    for hook in &config.webhooks {
        hook.secret.read().map_err(|e| CliError::from(e).at(hook.source.to_string()))?;
    }
    for path in ["server.tls_cert", "server.tls_key", "webhooks.trust"].iter().filter_map(|key| config.path(key)) {
        std::fs::metadata(&path).map_err(|e| CliError::read(&path, e))?;
    }
    Ok(())
}

/// An address without its query: that is where people put tokens.
fn masked(url: &str) -> String {
    url.split_once('?').map_or_else(|| url.to_owned(), |(url, _)| format!("{url}?(masked)"))
}

fn plain(value: &Value) -> serde_json::Value {
    match value {
        Value::None => serde_json::Value::Null,
        Value::Text(text) => json!(text),
        Value::Switch(on) => json!(on),
        Value::Number(number) => json!(number),
        Value::List(all) => json!(all),
    }
}

/// The configuration as a file.
fn shown(config: &ServerConfig) -> String {
    let mut out = String::new();
    let mut section = "";
    for (key, value, source) in config.values() {
        let (head, name) = key.split_once('.').unwrap_or(("", key));
        if head != section {
            let _ = writeln!(out, "{}[{head}]", if section.is_empty() { "" } else { "\n" });
            section = head;
        }
        let _ = match value {
            Value::None => writeln!(out, "# {name} is not set"),
            value => writeln!(out, "{:<40} # {source}", format!("{name} = {}", show_line(&value.to_string(), 200))),
        };
    }
    for hook in &config.webhooks {
        let WebhookEntry { name, url, events, secret, source, .. } = hook;
        let (name, url) = (show_line(name, 64), show_line(&masked(url), 200));
        let _ = writeln!(
            out,
            "\n[[webhook]] # {source}\nname = {name:?}\nurl = {url:?}\nevents = {events:?}\nsecret = {secret}"
        );
    }
    for one in &config.schedules {
        let _ = writeln!(out, "\n[[schedule]] # {}\nstore = {:?}", one.source, show_line(&one.store, 128));
        for (name, value) in &one.rules {
            let _ = writeln!(out, "{name} = {}", show_line(&value.to_string(), 400));
        }
    }
    out
}
