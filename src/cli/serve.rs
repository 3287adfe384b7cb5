//! `memgate serve`: the server, and how its folder is made.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;

use super::context::write_whole;
use super::{CliError, Context, Exit, Format, stop};
use crate::auth::CredentialRole;
use crate::domain::PrincipalId;
use crate::http::{App, ListenOptions, Network, bind};
use crate::service::{Options, Service};

/// Arguments of `memgate serve`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate serve init --data ./server        keys, an empty server, one API key (shown once)\n  \
    memgate serve --data ./server             the hosted memory API on 127.0.0.1:7878\n  \
    memgate serve --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem\n\n\
    Point an SDK at it: Anthropic(base_url=\"http://127.0.0.1:7878\", api_key=\"mgk_…\").\n\
    Each memory store is an ordinary data folder below stores/: verify, log, review and rollback work on it.")]
pub struct Args {
    /// Make the server's folder instead of serving
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Where to serve the API
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7878")]
    pub listen: SocketAddr,
    /// Where to serve health and metrics
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7879")]
    pub admin: SocketAddr,
    /// Certificate chain, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Key of the certificate, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// A proxy in front of this server speaks TLS: allow plain HTTP on a public address
    #[arg(long)]
    pub behind_tls_proxy: bool,
    /// Write the bound addresses as one JSON line to this file once the server listens
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
    /// Dreams that run at once
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub dream_workers: usize,
    /// Most connections at once
    #[arg(long, value_name = "N", default_value_t = 1024)]
    pub connections: usize,
    /// Most bytes of a request's body
    #[arg(long, value_name = "BYTES", default_value_t = 16 * 1024 * 1024)]
    pub body_bytes: usize,
    /// Who reviews held writes of new stores; repeat for several [default: owner]
    #[arg(long, value_name = "NAME")]
    pub reviewer: Vec<String>,
    /// Policy file of new stores [default: the documented default]
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Network that webhooks may go to although it is not public, e.g. 10.0.0.0/8; repeat for several
    #[arg(long, value_name = "NETWORK")]
    pub webhook_allow: Vec<Network>,
    /// Roots that webhooks trust beside the built-in ones, PEM
    #[arg(long, value_name = "FILE")]
    pub webhook_trust: Option<PathBuf>,
    /// Log lines: plain or JSON; neither holds memory text
    #[arg(long, value_name = "text|json", default_value = "text", value_parser = ["text", "json"])]
    pub log: String,
    /// How much is logged
    #[arg(long, value_name = "LEVEL", default_value = "warn", value_parser = ["error", "warn", "info", "debug"])]
    pub log_level: String,
}

/// What `memgate serve` can do beside serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a server's folder with one workspace and one API key
    Init,
}

/// Serves until it is told to stop.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    let options = options(args, &context.data)?;
    if matches!(args.command, Some(Command::Init)) {
        return init(options, context);
    }
    let public = !args.listen.ip().is_loopback();
    if public && args.tls_cert.is_none() && !args.behind_tls_proxy {
        return Err(CliError::Usage(
            "a public address without TLS would send API keys in the clear: add --tls-cert and --tls-key, or \
             --behind-tls-proxy when a proxy in front speaks TLS"
                .to_owned(),
        ));
    }
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificates), Some(key)) => Some(tls(certificates, key)?),
        _ => None,
    };
    logging(args);
    let working = stop::Working::begin()?;
    let transport = super::webhook::transport(&args.webhook_allow, args.webhook_trust.as_deref())?;
    let service = Service::open(options)?;
    service.start_webhooks(&transport)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|e| CliError::Listen { verb: "start the runtime", source: e })?;
    let listen = ListenOptions {
        data: args.listen,
        admin: args.admin,
        tls,
        connections: args.connections.max(1),
        patience: Duration::from_secs(10),
    };
    let app = App::new(Arc::clone(&service), args.body_bytes, 4096);
    let outcome = runtime.block_on(async {
        let bound = bind(listen).await.map_err(|e| CliError::Listen { verb: "listen", source: e })?;
        let scheme = if args.tls_cert.is_some() { "https" } else { "http" };
        let data = bound.data_address().map_err(|e| CliError::Listen { verb: "listen", source: e })?;
        let admin = bound.admin_address().map_err(|e| CliError::Listen { verb: "listen", source: e })?;
        let line = json!({ "data": format!("{scheme}://{data}"), "admin": format!("http://{admin}") });
        if let Some(path) = &args.ready_file {
            // Beside its place first: whoever waits for the file sees all of it.
            write_whole(path, format!("{line}\n").as_bytes())?;
        }
        match context.format {
            Format::Json => context.print_json(&line)?,
            _ => context.print(&format!("Serving the memory API on {scheme}://{data}, health on http://{admin}\n"))?,
        }
        bound.serve(app, asked()).await;
        Ok::<(), CliError>(())
    });
    service.stop();
    runtime.shutdown_timeout(Duration::from_secs(5));
    drop(service);
    drop(working);
    outcome?;
    match stop::asked() {
        Some(signal) => Ok(signal.exit()),
        None => Ok(Exit::Done),
    }
}

/// Ends when the process is asked to stop.
async fn asked() {
    while stop::asked().is_none() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(super) fn options(args: &Args, data: &Path) -> Result<Options, CliError> {
    let mut options = Options::new(data);
    options.dream_workers = args.dream_workers.clamp(1, 16);
    if !args.reviewer.is_empty() {
        options.reviewers = args.reviewer.iter().map(PrincipalId::new).collect();
    }
    if let Some(path) = &args.policy {
        crate::config::read_policy(path)?;
        options.policy = std::fs::read_to_string(path).map_err(|e| CliError::read(path, e))?;
    }
    Ok(options)
}

fn init(options: Options, context: &Context) -> Result<Exit, CliError> {
    let _working = stop::Working::begin()?;
    let service = Service::init(options)?;
    let made = service.create_key(None, "first", CredentialRole::Submitter, None, None)?;
    service.stop();
    let credential = &made.credential;
    match context.format {
        Format::Json => context.print_json(&json!({
            "schema": "memgate/serve-init/1", "data": context.data.to_string_lossy(),
            "api_key": made.key.expose(), "api_key_id": credential.id, "workspace_id": credential.workspace,
        }))?,
        _ => context.print(&format!(
            "Made {}: a server with one workspace.\n\n  API key (shown this once): {}\n\nNext: memgate serve --data {}\n",
            crate::report::show_line(&context.data.to_string_lossy(), 80),
            made.key.expose(),
            crate::report::show_line(&context.data.to_string_lossy(), 80),
        ))?,
    }
    Ok(Exit::Done)
}

fn tls(certificates: &Path, key: &Path) -> Result<Arc<rustls::ServerConfig>, CliError> {
    let refuse = |path: &Path, what: &str| CliError::Usage(format!("{} {what}", path.display()));
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificates)
        .and_then(Iterator::collect)
        .map_err(|_| refuse(certificates, "holds no PEM certificates"))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|_| refuse(key, "holds no PEM private key"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| refuse(certificates, "cannot be used with TLS 1.2 or 1.3"))?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|_| refuse(certificates, "does not fit the private key"))?;
    Ok(Arc::new(config))
}

/// Log lines go to stderr; what is logged names ids, routes and codes, never text of a memory.
fn logging(args: &Args) {
    let filter = tracing_subscriber::EnvFilter::new(format!("off,memgate={}", args.log_level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    // A second server in one process (tests) keeps the first one's.
    let _ = match args.log.as_str() {
        "json" => builder.json().try_init(),
        _ => builder.try_init(),
    };
}
