//! Witnesses over HTTP: the listener of one, and the requests of a log to several.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use super::listen::accept;
use super::outbound::{Outbound, Plain};
use crate::domain::Timestamp;
use crate::witness::Witness;

/// Most bytes of a request: a note is at most 64 KiB, a proof 3 KiB.
const MAX_BODY: usize = 72 * 1024;
/// How long a log waits for a witness.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a witness that did not answer is left alone.
const PAUSE: Duration = Duration::from_secs(10);

/// The clock that cosignatures carry.
pub type WitnessClock = fn() -> Timestamp;

struct Shared {
    witness: Witness,
    clock: WitnessClock,
}

/// A witness that is bound to an address but not served yet.
#[derive(Debug)]
pub struct BoundWitness(TcpListener);

/// Binds the address of a witness.
///
/// # Errors
/// The system's answer, e.g. an address in use.
pub async fn bind_witness(at: SocketAddr) -> std::io::Result<BoundWitness> {
    TcpListener::bind(at).await.map(BoundWitness)
}

impl BoundWitness {
    /// Where it is.
    ///
    /// # Errors
    /// The system's answer.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }
    /// Serves until `stop`, then finishes what is in flight.
    pub async fn serve(self, witness: Witness, clock: WitnessClock, stop: impl Future<Output = ()>) {
        let (tell, told) = watch::channel(false);
        let connections = Arc::new(Semaphore::new(256));
        let patience = Duration::from_secs(10);
        let serving = tokio::spawn(accept(self.0, router(witness, clock), None, connections, told, patience));
        stop.await;
        let _ = tell.send(true);
        let _ = tokio::time::timeout(patience, serving).await;
    }
}

/// The routes of a witness.
pub fn router(witness: Witness, clock: WitnessClock) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/vkey", get(vkey))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(Arc::new(Shared { witness, clock }))
}

async fn vkey(State(shared): State<Arc<Shared>>) -> String {
    format!("{}\n", shared.witness.vkey())
}

async fn add_checkpoint(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    // It waits for the disk: not on a thread that others need.
    let answered = tokio::task::spawn_blocking(move || {
        let now = (shared.clock)();
        shared.witness.add_checkpoint(&body, now)
    });
    match answered.await {
        Ok(answer) => {
            let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, [(header::CONTENT_TYPE, answer.media)], answer.body).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A log's way to its witnesses: all at once, each with its patience; one that did not answer is left alone for a
/// while, so that a dead witness does not slow every write.
///
/// # Errors
/// When TLS cannot be set up.
#[expect(clippy::disallowed_methods, reason = "how long ago a witness was silent is nobody else's business")]
pub fn asker() -> Result<Arc<crate::service::Send>, rustls::Error> {
    // Where witnesses are is in the log policy, which only whoever holds the store can write: inside is allowed.
    let outbound = Arc::new(Outbound::anywhere()?);
    let silent: Mutex<BTreeMap<String, Instant>> = Mutex::default();
    Ok(Arc::new(move |requests: &[(String, Vec<u8>)]| {
        let quiet = |url: &String| {
            let silent = silent.lock().unwrap_or_else(PoisonError::into_inner);
            silent.get(url).is_some_and(|since| since.elapsed() < PAUSE)
        };
        let wanted: Vec<bool> = requests.iter().map(|(url, _)| !quiet(url)).collect();
        let asked = std::thread::scope(|scope| {
            let mut handles = Vec::new();
            for ((url, body), wanted) in requests.iter().zip(&wanted) {
                let outbound = &outbound;
                handles.push(scope.spawn(move || {
                    let request = Plain { url, media: "text/plain", body: Some(body) };
                    wanted.then(|| outbound.exchange(&request, PATIENCE)).flatten()
                }));
            }
            handles.into_iter().map(|handle| handle.join().unwrap_or(None)).collect::<Vec<_>>()
        });
        let mut silent = silent.lock().unwrap_or_else(PoisonError::into_inner);
        for (((url, _), answer), wanted) in requests.iter().zip(&asked).zip(wanted) {
            match answer {
                Some(_) => drop(silent.remove(url)),
                None if wanted => drop(silent.insert(url.clone(), Instant::now())),
                None => {}
            }
        }
        asked
    }))
}
