//! `memgate webhook`: who is told of what happens on a server, also while it runs.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args as ClapArgs, Subcommand};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use super::{CliError, Context, Exit, Format, stop};
use crate::config::server::ServerConfig;
use crate::http::{Network, Outbound};
use crate::report::show_line;
use crate::service::{Deliver, Options, Service, Webhook, WebhookCreate};

/// Arguments of `memgate webhook`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate webhook add --name soc --url https://hooks.example/memgate --event 'memory.*'\n  \
    memgate webhook test soc                 send one event now, say how it was answered\n  \
    memgate webhook log soc                  what was sent, and what came back\n  \
    memgate webhook replay soc               send again what was given up\n  \
    memgate webhook rotate soc               a new secret; the old one signs beside it for a day\n\n\
    Signed by Standard Webhooks: webhook-id, webhook-timestamp, webhook-signature. Payloads hold ids, never text.\n\
    A failed delivery is tried three times, then kept for replay. A redirect disables the endpoint.\n\
    Addresses that are not public need the server's --webhook-allow. A running server knows a change within\n\
    two seconds.")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What `memgate webhook` does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an endpoint; its secret is shown this once
    #[command(
        after_help = "Examples:\n  memgate webhook add --name soc --url https://hooks.example/memgate --event 'memory.*'"
    )]
    Add {
        /// What people call it
        #[arg(long, value_name = "NAME")]
        name: String,
        /// Where events go
        #[arg(long, value_name = "URL")]
        url: String,
        /// Type of event, or a group such as 'memory.*'; repeat for several [default: all]
        #[arg(long, value_name = "TYPE")]
        event: Vec<String>,
        /// Its workspace [default: the first]
        #[arg(long, value_name = "ID")]
        workspace: Option<String>,
        /// Take the secret (whsec_…) from this environment variable instead of making one
        #[arg(long, value_name = "VARIABLE")]
        secret_from_env: Option<String>,
    },
    /// List endpoints, never secrets
    #[command(after_help = "Examples:\n  memgate webhook list --format json")]
    List,
    /// The newest deliveries of an endpoint
    #[command(after_help = "Examples:\n  memgate webhook log soc --limit 50")]
    Log {
        /// Name or id
        endpoint: String,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// Send a webhook.test event now
    #[command(after_help = "Examples:\n  memgate webhook test soc --webhook-allow 10.0.0.0/8")]
    Test {
        /// Name or id
        endpoint: String,
        /// Network that may be connected to although it is not public; repeat for several
        #[arg(long, value_name = "NETWORK")]
        webhook_allow: Vec<Network>,
        /// Roots that are trusted beside the built-in ones, PEM
        #[arg(long, value_name = "FILE")]
        webhook_trust: Option<PathBuf>,
    },
    /// Send again what was given up
    #[command(after_help = "Examples:\n  memgate webhook replay soc")]
    Replay {
        /// Name or id of an endpoint, or id of one delivery
        endpoint: String,
    },
    /// Make a new secret; the old one signs beside it for a day
    #[command(after_help = "Examples:\n  memgate webhook rotate soc")]
    Rotate {
        /// Name or id
        endpoint: String,
    },
    /// Let a disabled endpoint get events again
    #[command(after_help = "Examples:\n  memgate webhook enable soc")]
    Enable {
        /// Name or id
        endpoint: String,
    },
    /// Remove an endpoint with everything that waits for it
    #[command(after_help = "Examples:\n  memgate webhook remove soc")]
    Remove {
        /// Name or id
        endpoint: String,
    },
}

/// Manages endpoints.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    let _working = stop::Working::begin()?;
    let service = Service::open_beside(Options::new(&context.data))?;
    match &args.command {
        Command::Add { name, url, event, workspace, secret_from_env } => {
            let secret = secret_from_env.as_deref().map(super::key::from_environment).transpose()?;
            let (events, given) = (event.clone(), secret.is_some());
            let events = if events.is_empty() { vec!["*".to_owned()] } else { events };
            let (name, url) = (name.clone(), url.clone());
            let request = WebhookCreate { name, url, events, workspace: workspace.clone(), secret };
            let (hook, secret) = service.add_webhook(&request)?;
            show_secret(&hook, (!given).then_some(secret), context)?;
        }
        Command::List => {
            let all: Vec<Value> = service.webhooks()?.iter().map(Webhook::shown).collect();
            match context.format {
                Format::Json => context.print_json(&json!({ "schema": "memgate/webhooks/1", "webhooks": all }))?,
                _ => context.print(&all.iter().map(line).collect::<String>())?,
            }
        }
        Command::Log { endpoint, limit } => {
            let all = service.webhook_deliveries(endpoint, *limit)?;
            match context.format {
                Format::Json => context.print_json(&json!({ "schema": "memgate/deliveries/1", "deliveries": all }))?,
                _ => context.print(&all.iter().map(delivery).collect::<String>())?,
            }
        }
        Command::Test { endpoint, webhook_allow, webhook_trust } => {
            let transport =
                transport(&ServerConfig::load(&context.data, &[])?, webhook_allow, webhook_trust.as_deref())?;
            let sent = service.test_webhook(endpoint, transport.as_ref())?;
            match context.format {
                Format::Json => context.print_json(&json!({ "schema": "memgate/delivery/1", "delivery": sent }))?,
                _ => context.print(&delivery(&sent))?,
            }
            return Ok(if sent["state"] == "delivered" { Exit::Done } else { Exit::Refused });
        }
        Command::Replay { endpoint } => {
            let count = service.replay_webhook(endpoint)?;
            match context.format {
                Format::Json => context.print_json(&json!({ "schema": "memgate/replay/1", "deliveries": count }))?,
                _ => context.print(&format!("{count} deliveries wait again; a running server sends them now\n"))?,
            }
        }
        Command::Rotate { endpoint } => {
            let (hook, secret) = service.rotate_webhook(endpoint)?;
            show_secret(&hook, Some(secret), context)?;
        }
        Command::Enable { endpoint } => {
            let hook = service.enable_webhook(endpoint)?;
            context.print(&format!("{} gets events again\n", show_line(hook.name(), 64)))?;
        }
        Command::Remove { endpoint } => {
            service.remove_webhook(endpoint)?;
            context.print(&format!("{} is gone\n", show_line(endpoint, 64)))?;
        }
    }
    Ok(Exit::Done)
}

/// The client that posts: these networks beside the public ones, these roots beside the built-in ones.
pub(super) fn transport(
    config: &ServerConfig,
    more: &[Network],
    trust: Option<&Path>,
) -> Result<Arc<dyn Deliver>, CliError> {
    let mut allowed = more.to_vec();
    for text in config.list("webhooks.allow") {
        let bad = |_| CliError::Usage("webhooks.allow: a list of networks such as 10.0.0.0/8".to_owned());
        allowed.push(text.parse().map_err(bad)?);
    }
    let configured = config.path("webhooks.trust");
    let trust = trust.or(configured.as_deref());
    let refuse = |path: &Path| CliError::Usage(format!("{} holds no PEM certificates", path.display()));
    let roots: Vec<CertificateDer<'static>> = match trust {
        Some(path) => CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .ok()
            .filter(|roots: &Vec<_>| !roots.is_empty())
            .ok_or_else(|| refuse(path))?,
        None => Vec::new(),
    };
    let outbound = Outbound::new(allowed, roots);
    let outbound = outbound.map_err(|_| refuse(trust.unwrap_or(Path::new("the built-in list"))))?;
    Ok(Arc::new(outbound))
}

fn show_secret(hook: &Webhook, secret: Option<String>, context: &Context) -> Result<(), CliError> {
    let shown = hook.shown();
    match (context.format, secret) {
        (Format::Json, secret) => {
            context.print_json(&json!({ "schema": "memgate/webhook/1", "webhook": shown, "signing_secret": secret }))
        }
        (_, Some(secret)) => context.print(&format!("{}Secret, shown this once:\n{secret}\n", line(&shown))),
        (_, None) => context.print(&line(&shown)),
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

fn line(hook: &Value) -> String {
    let mut out = format!("{}  {:<8} ", text(hook, "id"), text(hook, "state"));
    let _ = write!(out, "{:<16} {}", show_line(text(hook, "name"), 40), show_line(text(hook, "url"), 120));
    if let Some(reason) = hook["disabled_reason"].as_str() {
        let _ = write!(out, "  ({})", show_line(reason, 40));
    }
    out.push('\n');
    out
}

fn delivery(row: &Value) -> String {
    let result = row["last"]["result"].as_str().unwrap_or("not tried yet");
    format!(
        "{}  {}  {:<9} {} attempts  {:<28} {}\n",
        text(row, "id"),
        text(row, "created_at"),
        text(row, "state"),
        row["attempts"],
        show_line(text(row, "event_type"), 40),
        show_line(result, 80)
    )
}
