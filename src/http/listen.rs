//! Listeners: bounded connections, header timeouts, TLS, a stop that loses nothing.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::{App, admin_router, data_router};

/// Certificate chain and key, PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The chain.
    pub certificates: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// Where and how to listen.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// The data listener.
    pub data: SocketAddr,
    /// The admin listener: health and metrics.
    pub admin: SocketAddr,
    /// TLS on the data listener, already loaded.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Most connections at once; more wait unaccepted.
    pub connections: usize,
    /// How long a client may take for its headers, and a stop for what is in flight.
    pub patience: Duration,
}

/// Listeners that are bound but not served yet.
#[derive(Debug)]
pub struct Bound {
    data: TcpListener,
    admin: TcpListener,
    options: ListenOptions,
}

/// Binds both listeners.
///
/// # Errors
/// The system's answer, e.g. an address in use.
pub async fn bind(options: ListenOptions) -> std::io::Result<Bound> {
    let data = TcpListener::bind(options.data).await?;
    let admin = TcpListener::bind(options.admin).await?;
    Ok(Bound { data, admin, options })
}

impl Bound {
    /// Where the data listener is.
    ///
    /// # Errors
    /// The system's answer.
    pub fn data_address(&self) -> std::io::Result<SocketAddr> {
        self.data.local_addr()
    }
    /// Where the admin listener is.
    ///
    /// # Errors
    /// The system's answer.
    pub fn admin_address(&self) -> std::io::Result<SocketAddr> {
        self.admin.local_addr()
    }

    /// Serves until `stop`; then takes nothing new and waits for what is in flight, within the patience.
    pub async fn serve(self, app: App, stop: impl Future<Output = ()>) {
        let Self { data, admin, options } = self;
        let (tell, told) = watch::channel(false);
        let connections = Arc::new(Semaphore::new(options.connections));
        let tls = options.tls.map(TlsAcceptor::from);
        let patience = options.patience;
        let serving = tokio::spawn(accept(data, data_router(app.clone()), tls, connections, told.clone(), patience));
        let admins = Arc::new(Semaphore::new(64));
        let health = tokio::spawn(accept(admin, admin_router(app), None, admins, told, patience));
        stop.await;
        // Nobody listens any more: then everything has ended already.
        let _ = tell.send(true);
        let _ = tokio::time::timeout(patience, async {
            let _ = serving.await;
            let _ = health.await;
        })
        .await;
    }
}

/// Accepts connections until told to stop, then waits for those that are open.
pub(super) async fn accept(
    listener: TcpListener,
    router: Router,
    tls: Option<TlsAcceptor>,
    connections: Arc<Semaphore>,
    mut told: watch::Receiver<bool>,
    patience: Duration,
) {
    let most = u32::try_from(connections.available_permits()).unwrap_or(u32::MAX);
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(&connections).acquire_owned() => permit,
            _ = told.changed() => break,
        };
        let Ok(permit) = permit else { break };
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = told.changed() => break,
        };
        let stream = match stream {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, for one: going on at once would only spin.
                tracing::warn!("a connection could not be accepted: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (router, tls, told) = (router.clone(), tls.clone(), told.clone());
        tokio::spawn(async move {
            let _permit = permit;
            secured(stream, router, tls, told, patience).await;
        });
    }
    drop(listener);
    let _ = connections.acquire_many(most).await;
}

async fn secured(
    stream: TcpStream,
    router: Router,
    tls: Option<TlsAcceptor>,
    told: watch::Receiver<bool>,
    patience: Duration,
) {
    let _ = stream.set_nodelay(true);
    match tls {
        None => talk(stream, router, told, patience).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(patience, tls.accept(stream)).await {
                talk(stream, router, told, patience).await;
            }
        }
    }
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    router: Router,
    mut told: watch::Receiver<bool>,
    patience: Duration,
) {
    let service = TowerToHyperService::new(router);
    let mut builder = hyper::server::conn::http1::Builder::new();
    // A client that sends its headers byte by byte holds a connection no longer than this.
    builder.timer(TokioTimer::new()).header_read_timeout(patience).max_buf_size(64 * 1024);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => {}
        _ = told.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
