//! The objects of the wire on top of the firewall: workspaces, credentials, stores, memories, sessions, dreams.
//!
//! For: one function an operation; the queue of dreams; one writer thread a store.
//! In: typed requests with their caller. Out: objects as the wire shows them.
//! May touch: everything below; clock, randomness, the server's folder.
//! Never: decides what enters memory (the gate does), serves what no signed version holds.
#![expect(clippy::disallowed_methods, reason = "the service reads the clock and keeps its own folder")]

mod access;
mod accounts;
pub mod backup;
pub mod console;
mod cursor;
mod dreams;
mod error;
mod events;
mod evidence;
mod idempotency;
mod ids;
mod listing;
mod live;
mod memories;
mod recall;
mod reviews;
mod rules;
mod schedules;
mod sessions;
mod stores;
mod submissions;
mod tool;
mod versions;
mod webhooks;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::auth::Scope;
use crate::domain::{Digest, PrincipalId, Timestamp};
pub use crate::firewall::{Outside, Send};
use crate::store::{ServerDb, StoreError, folder};

pub use crate::gate::review::REASONS;
pub use access::{Caller, Credential, NewKey};
pub use accounts::{Account, ROLES as ACCOUNT_ROLES, Visitor};
pub use dreams::{DreamCreate, DreamList, Output};
pub use error::ServiceError;
pub use events::{EventList, Subscription};
pub use idempotency::{Begun, KeptAnswer, RunningKey};
pub use listing::{Ask, Listed, etag_of};
pub use memories::{Listing, MemoryList, MemoryUpdate};
pub use recall::Recall;
pub use reviews::ReviewDecision;
pub use schedules::ScheduleRules;
pub use sessions::{SessionCreate, SessionList, SessionUpdate};
pub use stores::{Metadata, MetadataPatch, StoreCreate, StoreList, StoreUpdate};
pub use submissions::{Submission, SubmitMode};
pub use tool::{Command, ToolAnswer};
pub use versions::VersionList;
pub use webhooks::{Answer, Deliver, Post, Retry, Webhook, WebhookChange, WebhookCreate};

use cursor::Cursors;
use live::LiveStores;

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The items.
    pub data: Vec<T>,
    /// The cursor of the next page.
    pub next: Option<String>,
}

/// What a server is told when it starts.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server's folder.
    pub root: PathBuf,
    /// Who runs the deployment: signs what agents write.
    pub operator: PrincipalId,
    /// Who reviews.
    pub reviewers: Vec<PrincipalId>,
    /// The policy of new stores, TOML.
    pub policy: String,
    /// Most memories in a store.
    pub memories_per_store: usize,
    /// Most stores that are kept open.
    pub open_stores: usize,
    /// Dreams that run at once.
    pub dream_workers: usize,
    /// Stores are opened without any rule: only a benchmark asks for this, to see what the rules cost.
    #[doc(hidden)]
    pub dangerous_unscanned: bool,
    /// How failed deliveries of webhooks are tried again.
    pub webhook_retry: Retry,
    /// What stores may ask of the world: witnesses.
    pub outside: Outside,
    /// How long a text has to be on a reviewer's screen before a release, in permille of the default.
    pub review_dwell_permille: u32,
}

impl Options {
    /// The documented defaults for a folder.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            operator: PrincipalId::new("owner"),
            reviewers: vec![PrincipalId::new("owner")],
            policy: crate::gate::policy::DEFAULT_POLICY.to_owned(),
            memories_per_store: 10_000,
            open_stores: 64,
            dream_workers: 1,
            dangerous_unscanned: false,
            webhook_retry: Retry::default(),
            outside: Outside::default(),
            review_dwell_permille: 1000,
        }
    }
}

/// The file of the server's own records.
const SERVER_DB: &str = "server.db";
/// The folder of the stores' data folders.
const STORES: &str = "stores";
const LOCK: &str = "server.lock";

/// Everything behind the wire. Shared by all connections.
#[derive(Debug)]
pub struct Service {
    options: Options,
    db: ServerDb,
    cursors: Cursors,
    credentials: RwLock<BTreeMap<Digest, Arc<Credential>>>,
    credentials_at: AtomicI64,
    stores: LiveStores,
    hub: events::Hub,
    dreams: dreams::Queue,
    endpoints: webhooks::Endpoints,
    deliveries: webhooks::Queue,
    doorman: accounts::Doorman,
    showings: console::Showings,
    clock: schedules::Clock,
    keys: idempotency::Keys,
    rules: Mutex<Option<rules::Known>>,
    stopping: AtomicBool,
    // Held for its advisory lock: one server a folder. None for commands that only manage keys.
    lock: Option<std::fs::File>,
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(lock) = &self.lock {
            let _ = lock.unlock();
        }
    }
}

impl Service {
    /// True when a folder holds a server.
    pub fn exists(root: &Path) -> bool {
        root.join(SERVER_DB).exists()
    }

    /// Makes a server's folder with one workspace. Opens it.
    ///
    /// # Errors
    /// Refused when there is one; unavailable when the disk refuses.
    pub fn init(options: Options) -> Result<Arc<Self>, ServiceError> {
        if Self::exists(&options.root) {
            return Err(StoreError::Exists { folder: options.root }.into());
        }
        folder::create_private_dir(&options.root.join(STORES))?;
        let db = ServerDb::open(&options.root.join(SERVER_DB))?;
        let mut key = [0_u8; 32];
        ids::random(&mut key)?;
        db.put_meta("cursor-key", &key)?;
        db.put_workspace(&ids::fresh("wrkspc_")?, "default", now())?;
        drop(db);
        Self::open(options)
    }

    /// Opens a server's folder, alone. Dreams that a crash interrupted wait in the queue again.
    ///
    /// # Errors
    /// Refused when there is no server here or another process runs it.
    pub fn open(options: Options) -> Result<Arc<Self>, ServiceError> {
        let path = options.root.join(LOCK);
        if !Self::exists(&options.root) {
            return Err(StoreError::Missing { folder: options.root }.into());
        }
        folder::create_private_file(&path)?;
        let lock = std::fs::File::open(&path).map_err(|source| StoreError::Io { verb: "open", path, source })?;
        if lock.try_lock().is_err() {
            return Err(StoreError::Busy { folder: options.root }.into());
        }
        let service = Self::build(options, Some(lock))?;
        service.drop_hidden_stores()?;
        service.resume_dreams()?;
        Ok(service)
    }

    /// Opens a server's folder beside a running server, for its workspaces and keys only.
    ///
    /// # Errors
    /// Refused when there is no server here.
    pub fn open_beside(options: Options) -> Result<Arc<Self>, ServiceError> {
        if !Self::exists(&options.root) {
            return Err(StoreError::Missing { folder: options.root }.into());
        }
        Self::build(options, None)
    }

    fn build(options: Options, lock: Option<std::fs::File>) -> Result<Arc<Self>, ServiceError> {
        let db = ServerDb::open(&options.root.join(SERVER_DB))?;
        let key = db.meta("cursor-key")?.and_then(|key| <[u8; 32]>::try_from(key).ok());
        let cursors = Cursors::new(&key.ok_or(ServiceError::Bug { what: "the cursor key is missing" })?)?;
        let service = Arc::new(Self {
            stores: LiveStores::new(&options),
            db,
            cursors,
            credentials: RwLock::default(),
            credentials_at: AtomicI64::new(0),
            hub: events::Hub::default(),
            dreams: dreams::Queue::default(),
            endpoints: webhooks::Endpoints::default(),
            deliveries: webhooks::Queue::default(),
            doorman: accounts::Doorman::new()?,
            showings: console::Showings::default(),
            clock: schedules::Clock::default(),
            keys: idempotency::Keys::default(),
            rules: Mutex::default(),
            stopping: AtomicBool::new(false),
            lock,
            options,
        });
        service.load_credentials()?;
        Ok(service)
    }

    /// Ends: no new work, dreams leave off, stores are sealed. What was acknowledged is kept.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.clock.stop();
        self.dreams.stop();
        self.deliveries.stop();
        self.stores.close_all();
        let _ = self.db.checkpoint();
    }

    /// True once [`Service::stop`] was called.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// True when the server can do its work: the database takes writes and it is not stopping.
    pub fn is_ready(&self) -> bool {
        !self.is_stopping() && self.db.is_writable() && self.stores.takes_writes()
    }

    /// Number of open stores.
    pub fn open_stores(&self) -> usize {
        self.stores.len()
    }

    /// The id of a request. The number makes it unique in this process; the rest is random.
    pub fn request_id(&self, number: u64) -> String {
        ids::fresh("req_").unwrap_or_else(|_| format!("req_{number}"))
    }

    fn require(caller: &Caller, scope: Scope) -> Result<(), ServiceError> {
        if caller.role.may(scope) { Ok(()) } else { Err(ServiceError::Forbidden { scope: scope.name() }) }
    }
}

/// The current time.
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp(since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
}

/// A lock whose holder panicked is still a lock: what it guards is replaced whole, never half.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
