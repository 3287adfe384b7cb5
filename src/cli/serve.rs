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
use crate::config::server::{ServerConfig, Value, WebhookEntry};
use crate::domain::PrincipalId;
use crate::firewall::{Firewall, FirewallError};
use crate::http::{App, Bucket, ListenOptions, Network, Quotas, Subject, bind};
use crate::service::{Options, Service, WebhookCreate};

mod unit;

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
    /// Where to serve the API [default: 127.0.0.1:7878]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Where to serve health and metrics [default: 127.0.0.1:7879]
    #[arg(long, value_name = "ADDRESS")]
    pub admin: Option<SocketAddr>,
    /// Certificate chain, PEM
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// Key of the certificate, PEM
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// A proxy in front of this server speaks TLS: allow plain HTTP on a public address
    #[arg(long)]
    pub behind_tls_proxy: bool,
    /// Write the bound addresses as one JSON line to this file once the server listens
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
    /// Dreams that run at once [default: 1]
    #[arg(long, value_name = "N")]
    pub dream_workers: Option<u64>,
    /// Most connections at once [default: 1024]
    #[arg(long, value_name = "N")]
    pub connections: Option<u64>,
    /// Most bytes of a request's body [default: 16777216]
    #[arg(long, value_name = "BYTES")]
    pub body_bytes: Option<u64>,
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
    /// Log lines: plain or JSON; neither holds memory text [default: text]
    #[arg(long, value_name = "text|json", value_parser = ["text", "json"])]
    pub log: Option<String>,
    /// How much is logged [default: warn]
    #[arg(long, value_name = "LEVEL", value_parser = ["error", "warn", "info", "debug"])]
    pub log_level: Option<String>,
}

impl Args {
    /// What the flags say, for the configuration, where they are the strongest.
    fn flags(&self) -> Vec<(&'static str, Value)> {
        let path = |path: &PathBuf| Value::Text(path.to_string_lossy().into_owned());
        let list = |all: Vec<String>| (!all.is_empty()).then_some(Value::List(all));
        let text = |text: &String| Value::Text(text.clone());
        let all = [
            ("listen", self.listen.map(|at| Value::Text(at.to_string()))),
            ("admin", self.admin.map(|at| Value::Text(at.to_string()))),
            ("tls-cert", self.tls_cert.as_ref().map(path)),
            ("tls-key", self.tls_key.as_ref().map(path)),
            ("behind-tls-proxy", self.behind_tls_proxy.then_some(Value::Switch(true))),
            ("ready-file", self.ready_file.as_ref().map(path)),
            ("dream-workers", self.dream_workers.map(Value::Number)),
            ("connections", self.connections.map(Value::Number)),
            ("body-bytes", self.body_bytes.map(Value::Number)),
            ("reviewer", list(self.reviewer.clone())),
            ("policy", self.policy.as_ref().map(path)),
            ("webhook-allow", list(self.webhook_allow.iter().map(ToString::to_string).collect())),
            ("webhook-trust", self.webhook_trust.as_ref().map(path)),
            ("log", self.log.as_ref().map(text)),
            ("log-level", self.log_level.as_ref().map(text)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// What `memgate serve` can do beside serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a server's folder with one workspace and one API key
    #[command(after_help = "Examples:\n  memgate serve init --data ./server")]
    Init,
    /// Print a unit for systemd or a recipe for a container
    #[command(after_help = "Examples:\n  \
        memgate serve unit --systemd > /etc/systemd/system/memgate.service\n  \
        memgate serve unit --containerfile > Containerfile")]
    Unit(unit::Args),
}

/// Serves until it is told to stop.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    if let Some(Command::Unit(args)) = &args.command {
        return unit::run(args, context);
    }
    let config = ServerConfig::load(&context.data, &args.flags())?;
    let options = options(&config, &context.data, context)?;
    if matches!(args.command, Some(Command::Init)) {
        return init(options, context);
    }
    let (data, admin) = (address(&config, "server.listen")?, address(&config, "server.admin")?);
    let (certificates, key) = (config.path("server.tls_cert"), config.path("server.tls_key"));
    if !data.ip().is_loopback() && certificates.is_none() && !config.switch("server.behind_tls_proxy") {
        return Err(CliError::Usage(
            "a public address without TLS would send API keys in the clear: add --tls-cert and --tls-key, or \
             --behind-tls-proxy when a proxy in front speaks TLS"
                .to_owned(),
        ));
    }
    let tls = match (&certificates, &key) {
        (Some(certificates), Some(key)) => Some(tls(certificates, key)?),
        _ => None,
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    logging(&config);
    let working = stop::Working::begin()?;
    let transport = super::webhook::transport(&config, &[], None)?;
    let hooks = webhooks(&config)?;
    let service = Service::open(options)?;
    service.configure_webhooks(&hooks)?;
    service.configure_schedules(&schedules(&config))?;
    service.start_webhooks(&transport)?;
    service.start_schedules()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|e| CliError::Listen { verb: "start the runtime", source: e })?;
    let listen = ListenOptions {
        data,
        admin,
        tls,
        connections: config.number("server.connections").max(1),
        patience: Duration::from_secs(10),
    };
    let over_tls = listen.tls.is_some() || config.switch("server.behind_tls_proxy");
    let app = App::new(Arc::clone(&service), config.number("server.body_bytes"), config.number("server.in_flight"))
        .with_quotas(quotas(&config), None)
        .with_transport(Arc::clone(&transport))
        .secured(over_tls);
    let outcome = runtime.block_on(async {
        let bound = bind(listen).await.map_err(|e| CliError::Listen { verb: "listen", source: e })?;
        let data = bound.data_address().map_err(|e| CliError::Listen { verb: "listen", source: e })?;
        let admin = bound.admin_address().map_err(|e| CliError::Listen { verb: "listen", source: e })?;
        let line = json!({ "data": format!("{scheme}://{data}"), "admin": format!("http://{admin}") });
        if let Some(path) = &config.path("server.ready_file") {
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

/// Serves a service on a free port of the loopback until the process is told to stop.
pub(super) fn until_stopped(
    service: Arc<Service>,
    context: &Context,
    announce: impl Fn(SocketAddr) -> Result<(), CliError>,
) -> Result<Exit, CliError> {
    let failed = |verb| move |e| CliError::Listen { verb, source: e };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(failed("start the runtime"))?;
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    let listen =
        ListenOptions { data: free, admin: free, tls: None, connections: 64, patience: Duration::from_secs(10) };
    let app = App::new(Arc::clone(&service), 1 << 20, 64);
    let outcome = runtime.block_on(async {
        let bound = bind(listen).await.map_err(failed("listen"))?;
        announce(bound.data_address().map_err(failed("listen"))?)?;
        context.finish()?;
        bound.serve(app, asked()).await;
        Ok::<(), CliError>(())
    });
    service.stop();
    runtime.shutdown_timeout(Duration::from_secs(5));
    outcome?;
    Ok(stop::asked().map_or(Exit::Done, stop::Signal::exit))
}

/// Ends when the process is asked to stop.
pub(super) async fn asked() {
    while stop::asked().is_none() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What the service is told.
fn options(config: &ServerConfig, data: &Path, context: &Context) -> Result<Options, CliError> {
    let mut options = Options::new(data);
    options.outside = super::store::outside(context);
    // A server asks before it serves, or not at all: nobody sits at its terminal later.
    let encrypted = |store: std::fs::DirEntry| Firewall::encrypted_keys(&store.path()).is_ok_and(|(some, _)| some > 0);
    let stores = std::fs::read_dir(data.join("stores")).into_iter().flatten().flatten();
    if context.passphrase_given || stores.into_iter().any(encrypted) {
        (context.passphrase.0)().map_err(|source| CliError::from(FirewallError::Passphrase { source }))?;
        options.outside.encrypt = context.passphrase_given;
    } else {
        options.outside.passphrase = None;
    }
    options.dream_workers = config.number("dreams.workers").clamp(1, 16);
    options.reviewers = config.list("stores.reviewers").iter().map(PrincipalId::new).collect();
    if let Some(path) = config.path("stores.policy") {
        crate::config::read_policy(&path)?;
        options.policy = std::fs::read_to_string(&path).map_err(|e| CliError::read(&path, e))?;
    }
    Ok(options)
}

fn address(config: &ServerConfig, key: &str) -> Result<SocketAddr, CliError> {
    let text = config.text(key).unwrap_or_default();
    text.parse().map_err(|_| CliError::Usage(format!("{key} is not an address such as 127.0.0.1:7878")))
}

/// How many requests one credential, workspace or agent may send in a minute.
fn quotas(config: &ServerConfig) -> Quotas {
    let all = Subject::ALL.into_iter().flat_map(|subject| Bucket::ALL.map(|bucket| (subject, bucket)));
    all.fold(Quotas::NONE, |quotas, (subject, bucket)| {
        let key = format!("limits.{}_per_{}", bucket.name(), subject.name());
        quotas.with(subject, bucket, u64::try_from(config.number(&key)).unwrap_or(u64::MAX))
    })
}

/// The schedules of the configuration, as the API takes them.
fn schedules(config: &ServerConfig) -> Vec<(String, serde_json::Value)> {
    config.schedules.iter().map(|entry| (entry.store.clone(), json!(entry.rules))).collect()
}

/// The endpoints of the configuration, with their secrets.
fn webhooks(config: &ServerConfig) -> Result<Vec<WebhookCreate>, CliError> {
    let one = |entry: &WebhookEntry| {
        Ok(WebhookCreate {
            name: entry.name.clone(),
            url: entry.url.clone(),
            events: entry.events.clone(),
            workspace: entry.workspace.clone(),
            secret: Some(entry.secret.read().map_err(|e| CliError::from(e).at(entry.source.to_string()))?),
        })
    };
    config.webhooks.iter().map(one).collect()
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
fn logging(config: &ServerConfig) {
    let filter =
        tracing_subscriber::EnvFilter::new(format!("off,memgate={}", config.text("log.level").unwrap_or("warn")));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    // A second server in one process (tests) keeps the first one's.
    let _ = match config.text("log.format") {
        Some("json") => builder.json().try_init(),
        _ => builder.try_init(),
    };
}
