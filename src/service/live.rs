//! Open stores: one writer thread each, and the last signed version for readers.
//!
//! The writer takes every write that waits, checks each against the head, lets the gate judge it, and signs one version
//! for all that were admitted (group commit). Nobody is answered before that version is in the log.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::auth::{Principal, Role};
use crate::detect::{Scanned, Scanner};
use crate::domain::{
    Authority, Candidate, Channel, Claim, Digest, MemoryPath, Origin, PrincipalId, RuleId, Span, Stage, Untrusted,
};
use crate::firewall::{Actor, Env, Firewall, FirewallError, Head, InitRequest, Judged, MemoryRow, Outside};
use crate::store::StoreError;

use super::{Options, STORES, ServiceError, ids, lock, now};

/// Most writes in one version: what a crash may lose unanswered, and what one version may hold back.
const BATCH: usize = 256;

/// How long nobody may write before the files of the log are brought up to its last entry.
const REST: Duration = Duration::from_millis(500);

/// How long a server is not ready after a store's writer gave up.
const NOT_READY_MS: u64 = 5_000;
/// What the disk must take before it is ready again: about what one version needs.
const PROBE_BYTES: usize = 256 * 1024;

/// A change of one memory.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// A new memory; never overwrites.
    Create { path: MemoryPath, text: String },
    /// New text, a new path, or both.
    Update { id: String, path: Option<MemoryPath>, text: Option<String>, expected: Option<Digest> },
    /// The memory goes.
    Delete { id: String, expected: Option<Digest> },
}

/// A change with its author.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) author: PrincipalId,
    pub(super) actor: Actor,
    pub(super) op: Op,
    /// The scan, when it was made before the writer's turn; of this path and text.
    pub(super) scanned: Option<Scanned>,
}

/// A change that is in a signed version.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) head: Arc<Head>,
    /// The memory as it is now; `None` when it was deleted.
    pub(super) row: Option<MemoryRow>,
    pub(super) redacted: Vec<RuleId>,
    pub(super) observed: bool,
}

type Reply = SyncSender<Result<Written, ServiceError>>;
type Errand = Box<dyn FnOnce(&mut Firewall) + Send>;

enum Job {
    Write(Box<Write>, Reply),
    Errand(Errand, SyncSender<()>),
    Close(SyncSender<()>),
}

/// One open store.
#[derive(Debug)]
pub(super) struct LiveStore {
    head: Arc<RwLock<Arc<Head>>>,
    jobs: Sender<Job>,
    scanner: Scanner,
    used: AtomicU64,
}

impl LiveStore {
    /// The last signed version.
    pub(super) fn head(&self) -> Arc<Head> {
        Arc::clone(&self.head.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Scans a text as a write of this author: on the caller's thread, before the writer's turn.
    pub(super) fn scan(&self, author: &PrincipalId, path: &MemoryPath, text: &str) -> Scanned {
        self.scanner.scan(Untrusted::new(candidate(author, path, text)))
    }

    /// Carries out one change and waits for its version.
    pub(super) fn write(&self, write: Write) -> Result<Written, ServiceError> {
        let (reply, answer) = sync_channel(1);
        self.jobs.send(Job::Write(Box::new(write), reply)).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }

    /// Carries out changes, each as one that came alone: the writer puts them into as few versions as it can.
    pub(super) fn write_all(&self, writes: Vec<Write>) -> Vec<Result<Written, ServiceError>> {
        let waiting: Vec<_> = writes
            .into_iter()
            .map(|write| {
                let (reply, answer) = sync_channel(1);
                self.jobs.send(Job::Write(Box::new(write), reply)).map(|()| answer)
            })
            .collect();
        let answer = |sent: Result<Receiver<_>, _>| sent.map_err(|_| gone())?.recv().map_err(|_| gone())?;
        waiting.into_iter().map(answer).collect()
    }

    /// What the gate would say to a text; nothing is kept.
    pub(super) fn judge(&self, author: &PrincipalId, scanned: Scanned) -> Result<Judged, ServiceError> {
        let author = author.clone();
        let judged = self.with(move |firewall| -> Result<Judged, FirewallError> {
            let mut batch = firewall.batch()?;
            let who = agent(&author, &batch)?;
            // Dropped without a commit: no version, no held item.
            batch.put(&who, Actor::ApiKey(author.to_string()), scanned, None)
        })?;
        match judged {
            Err(FirewallError::PathTaken { path, by }) => {
                let memory = self.head().at(&by).map_or_else(String::new, |row| row.id.clone());
                Err(ServiceError::PathConflict { memory, path: path.to_string() })
            }
            other => Ok(other?),
        }
    }

    /// What a rule advises whoever wrote the text.
    pub(super) fn advice(&self, rule: &RuleId) -> Option<&str> {
        self.scanner.rules().get(rule.as_str()).map(|rule| rule.advice.as_str())
    }

    /// Digest of the rules in force.
    pub(super) fn ruleset(&self) -> Digest {
        self.scanner.rules().digest()
    }

    /// Does something else with the store, alone.
    pub(super) fn with<T: Send + 'static>(
        &self,
        errand: impl FnOnce(&mut Firewall) -> T + Send + 'static,
    ) -> Result<T, ServiceError> {
        let (out, result) = sync_channel(1);
        let (reply, done) = sync_channel(1);
        let errand: Errand = Box::new(move |firewall| {
            let _ = out.send(errand(firewall));
        });
        self.jobs.send(Job::Errand(errand, reply)).map_err(|_| gone())?;
        // The head is new before the caller goes on.
        done.recv().map_err(|_| gone())?;
        result.recv().map_err(|_| gone())
    }
}

const fn gone() -> ServiceError {
    ServiceError::Unavailable { why: "the store's writer has ended; it opens again with the next request" }
}

/// An open store and its writer.
type Open = (Arc<LiveStore>, JoinHandle<()>);

/// All open stores of a server.
#[derive(Debug)]
pub(super) struct LiveStores {
    folder: PathBuf,
    request: InitRequest,
    most: usize,
    memories: usize,
    dangerous_unscanned: bool,
    outside: Outside,
    clock: AtomicU64,
    failed_at: Arc<AtomicI64>,
    open: Mutex<BTreeMap<String, Open>>,
}

impl LiveStores {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            folder: options.root.join(STORES),
            request: InitRequest {
                store: String::new(),
                operator: options.operator.clone(),
                reviewers: options.reviewers.clone(),
                policy: options.policy.clone(),
            },
            most: options.open_stores.max(1),
            memories: options.memories_per_store,
            dangerous_unscanned: options.dangerous_unscanned,
            outside: options.outside.clone(),
            clock: AtomicU64::new(0),
            failed_at: Arc::new(AtomicI64::new(i64::MIN)),
            open: Mutex::default(),
        }
    }

    /// True when stores can be written: no writer gave up lately, and after one did the disk takes a file again.
    pub(super) fn takes_writes(&self) -> bool {
        let failed = self.failed_at.load(Ordering::Relaxed);
        if failed == i64::MIN {
            return true;
        }
        // A moment of not being ready, or whoever balances load would never see it.
        if (now().0).saturating_sub(failed).unsigned_abs() < NOT_READY_MS {
            return false;
        }
        let tried = tempfile::NamedTempFile::new_in(&self.folder)
            .and_then(|mut file| file.write_all(&[0; PROBE_BYTES]).and_then(|()| file.as_file().sync_all()));
        if tried.is_ok() {
            let _ = self.failed_at.compare_exchange(failed, i64::MIN, Ordering::Relaxed, Ordering::Relaxed);
        }
        tried.is_ok()
    }

    /// Clock, randomness, witnesses.
    pub(super) fn env(&self) -> Env {
        Env { outside: self.outside.clone(), ..Env::system() }
    }

    /// The data folder of a store.
    pub(super) fn data(&self, id: &str) -> PathBuf {
        self.folder.join(id)
    }

    /// Makes a store's data folder and opens it. These people review beside those of the configuration.
    pub(super) fn make(&self, id: &str, people: Vec<PrincipalId>) -> Result<Arc<LiveStore>, ServiceError> {
        let mut request = self.request.clone();
        request.store = ledger_name(id);
        for name in people {
            if !request.reviewers.contains(&name) {
                request.reviewers.push(name);
            }
        }
        let data = self.data(id);
        let env = self.env();
        self.start(id, move || Firewall::init(&data, request, env))
    }

    /// An open store; opened when it is not.
    pub(super) fn get(&self, id: &str) -> Result<Arc<LiveStore>, ServiceError> {
        let known = {
            let mut open = lock(&self.open);
            // A writer that failed is opened again: what it left is finished or dropped then.
            if open.get(id).is_some_and(|(_, thread)| thread.is_finished()) {
                open.remove(id);
            }
            open.get(id).map(|(store, _)| Arc::clone(store))
        };
        if let Some(store) = known {
            store.used.store(self.clock.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
            return Ok(store);
        }
        let data = self.data(id);
        let env = self.env();
        self.start(id, move || Firewall::open(&data, env))
    }

    fn start(
        &self,
        id: &str,
        open: impl FnOnce() -> Result<Firewall, FirewallError> + Send + 'static,
    ) -> Result<Arc<LiveStore>, ServiceError> {
        let mut stores = lock(&self.open);
        if let Some((store, _)) = stores.get(id).filter(|(_, thread)| !thread.is_finished()) {
            return Ok(Arc::clone(store));
        }
        let (jobs, waiting) = channel();
        let (ready, opened) = sync_channel(1);
        let (most, dangerous_unscanned) = (self.memories, self.dangerous_unscanned);
        let failed_at = Arc::clone(&self.failed_at);
        let thread = std::thread::Builder::new().name("memgate-store".to_owned()).spawn(move || {
            let started = open().and_then(|mut firewall| {
                if dangerous_unscanned {
                    firewall.dangerous_scanner(Scanner::dangerous_without_rules()?);
                }
                Ok((firewall.live_head()?, firewall))
            });
            match started {
                Ok((head, firewall)) => {
                    let shared = Arc::new(RwLock::new(head));
                    let scanner = firewall.scanner().clone();
                    if ready.send(Ok((Arc::clone(&shared), scanner))).is_ok() {
                        Writer { firewall, shared, most, failed_at }.run(&waiting);
                    }
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            }
        });
        let thread = thread.map_err(|_| ServiceError::Unavailable { why: "no thread could be started" })?;
        let (head, scanner) = opened.recv().map_err(|_| gone())??;
        let used = AtomicU64::new(self.clock.fetch_add(1, Ordering::Relaxed));
        let store = Arc::new(LiveStore { head, jobs, scanner, used });
        stores.insert(id.to_owned(), (Arc::clone(&store), thread));
        while stores.len() > self.most {
            // Only what nobody holds is closed; the oldest first.
            let idle = stores
                .iter()
                .filter(|(_, (store, _))| Arc::strong_count(store) == 1)
                .min_by_key(|(_, (store, _))| store.used.load(Ordering::Relaxed))
                .map(|(id, _)| id.clone());
            let Some((store, thread)) = idle.and_then(|id| stores.remove(&id)) else { break };
            close(&store, thread);
        }
        Ok(store)
    }

    /// Ends a store's writer; its folder is sealed.
    pub(super) fn close(&self, id: &str) {
        let closed = lock(&self.open).remove(id);
        if let Some((store, thread)) = closed {
            close(&store, thread);
        }
    }

    /// Ends all writers.
    pub(super) fn close_all(&self) {
        let all = std::mem::take(&mut *lock(&self.open));
        for (store, thread) in all.into_values() {
            close(&store, thread);
        }
    }

    /// Closes a store and removes its folder.
    pub(super) fn delete(&self, id: &str) -> Result<(), ServiceError> {
        self.close(id);
        let data = self.data(id);
        match std::fs::remove_dir_all(&data) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::Io { verb: "remove", path: data, source: error }.into())
            }
            _ => Ok(()),
        }
    }

    /// How many are open.
    pub(super) fn len(&self) -> usize {
        lock(&self.open).len()
    }
}

fn close(store: &LiveStore, thread: JoinHandle<()>) {
    let (reply, done) = sync_channel(1);
    if store.jobs.send(Job::Close(reply)).is_ok() {
        let _ = done.recv();
    }
    let _ = thread.join();
}

/// The name of a wire store in statements: ids have capitals, statement names have none.
pub(super) fn ledger_name(id: &str) -> String {
    let digest = Digest::of(id).hex();
    format!("s-{}", digest.get(..32).unwrap_or(&digest))
}

/// A write as it goes to the scanner: the author's own words, whatever they cite.
fn candidate(author: &PrincipalId, path: &MemoryPath, text: &str) -> Candidate {
    let span = Span::new(0, text.len());
    let origin = Origin {
        input: "write".to_owned(),
        input_digest: Digest::of(text),
        session: None,
        event: None,
        span,
        channel: Channel::Assistant,
        principal: author.clone(),
        authority: Authority::Agent,
        at: Some(now()),
    };
    let claims = vec![Claim { span, origins: vec![origin], authority: Authority::Agent }];
    Candidate { path: path.clone(), text: text.to_owned(), claims, stage: Stage::Write }
}

/// The one thread that writes to a store.
struct Writer {
    firewall: Firewall,
    shared: Arc<RwLock<Arc<Head>>>,
    most: usize,
    /// When a writer last gave up, for readiness.
    failed_at: Arc<AtomicI64>,
}

/// A change that was checked against the head.
struct Checked {
    path: MemoryPath,
    text: String,
    moves: Option<MemoryPath>,
    adds: bool,
}

enum Check {
    Put(Checked),
    Delete(MemoryPath),
    /// The memory is already what was asked for.
    Same(MemoryRow),
}

/// An admitted or deleted memory that waits for its version.
struct Waiting {
    reply: Reply,
    path: Option<MemoryPath>,
    redacted: Vec<RuleId>,
    observed: bool,
}

impl Writer {
    fn run(mut self, jobs: &Receiver<Job>) {
        let mut next = self.wait(jobs);
        while let Some(job) = next.take() {
            self.firewall.set_now(now());
            match job {
                Job::Write(write, reply) => {
                    let mut batch = vec![(write, reply)];
                    while batch.len() < BATCH {
                        match jobs.try_recv() {
                            Ok(Job::Write(write, reply)) => batch.push((write, reply)),
                            Ok(other) => {
                                next = Some(other);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    if self.writes(batch).is_err() {
                        self.failed_at.store(now().0, Ordering::Relaxed);
                        // Memory and disk may differ: opening again finds out what is in the log.
                        return;
                    }
                }
                Job::Errand(errand, done) => {
                    errand(&mut self.firewall);
                    let fresh = self.refresh();
                    let _ = done.send(());
                    if fresh.is_err() {
                        return;
                    }
                }
                Job::Close(done) => {
                    let _ = self.firewall.close();
                    let _ = done.send(());
                    return;
                }
            }
            if next.is_none() {
                next = self.wait(jobs);
            }
        }
        let _ = self.firewall.close();
    }

    /// The next job. A writer that rests leaves its log as anybody reads it.
    fn wait(&mut self, jobs: &Receiver<Job>) -> Option<Job> {
        if self.firewall.is_behind() {
            match jobs.recv_timeout(REST) {
                Err(RecvTimeoutError::Timeout) => self.firewall.lay_out().ok()?,
                other => return other.ok(),
            }
        }
        jobs.recv().ok()
    }

    fn head(&self) -> Arc<Head> {
        Arc::clone(&self.shared.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn refresh(&mut self) -> Result<Arc<Head>, FirewallError> {
        let head = self.firewall.live_head()?;
        *self.shared.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&head);
        Ok(head)
    }

    /// Carries out writes in their order, as few versions as their paths allow.
    fn writes(&mut self, writes: Vec<(Box<Write>, Reply)>) -> Result<(), ()> {
        let mut rest = writes.into_iter().peekable();
        while rest.peek().is_some() {
            let head = self.head();
            let scanner = self.firewall.scanner().clone();
            let mut batch = match self.firewall.batch() {
                Ok(batch) => batch,
                Err(error) => return fail(rest.map(|(_, reply)| reply), error),
            };
            let mut touched = BTreeSet::new();
            let (mut waiting, mut held): (Vec<Waiting>, Vec<(Reply, ServiceError)>) = (Vec::new(), Vec::new());
            let mut added = 0;
            let mut failed = None;
            // A path that this version changes already waits for the next one: every change has a version.
            while let Some((write, reply)) = rest.next_if(|(write, _)| !meets(&touched, &write.op, &head)) {
                let full = head.len() + added >= self.most;
                let check = match check(&write.op, &head, full) {
                    Ok(check) => check,
                    Err(error) => {
                        let _ = reply.send(Err(error));
                        continue;
                    }
                };
                let judged = match check {
                    Check::Same(row) => {
                        let written =
                            Written { head: Arc::clone(&head), row: Some(row), redacted: Vec::new(), observed: false };
                        let _ = reply.send(Ok(written));
                        continue;
                    }
                    Check::Delete(path) => match batch.delete(write.actor, &path) {
                        Ok(_) => {
                            touched.insert(path);
                            waiting.push(Waiting { reply, path: None, redacted: Vec::new(), observed: false });
                            continue;
                        }
                        Err(error) => Err(error),
                    },
                    Check::Put(put) => {
                        let Write { author, actor, scanned, .. } = *write;
                        let fits = |s: &Scanned| s.candidate().path == put.path && s.candidate().text == put.text;
                        let scanned = scanned
                            .filter(fits)
                            .unwrap_or_else(|| scanner.scan(Untrusted::new(candidate(&author, &put.path, &put.text))));
                        agent(&author, &batch)
                            .and_then(|who| batch.put(&who, actor, scanned, put.moves.as_ref()))
                            .map(|judged| (judged, put))
                    }
                };
                match judged {
                    Ok((Judged::Admitted { redacted, observed, .. }, put)) => {
                        added += usize::from(put.adds);
                        touched.extend(put.moves);
                        touched.insert(put.path.clone());
                        waiting.push(Waiting { reply, path: Some(put.path), redacted, observed });
                    }
                    Ok((Judged::Unchanged, put)) => {
                        let row = head.at(&put.path).cloned();
                        let head = Arc::clone(&head);
                        let _ = reply.send(Ok(Written { head, row, redacted: Vec::new(), observed: false }));
                    }
                    Ok((Judged::Held { item, rules, .. }, _)) => {
                        held.push((reply, ServiceError::Held { review: item, rules }));
                    }
                    Ok((Judged::Refused { rules, .. }, _)) => {
                        let decision = ids::fresh("dec_").unwrap_or_default();
                        held.push((reply, ServiceError::Blocked { decision, rules }));
                    }
                    Err(error) => {
                        failed = Some(error);
                        let _ = reply.send(Err(unavailable()));
                        break;
                    }
                }
            }
            if let Some(error) = failed {
                drop(batch);
                let replies = waiting.into_iter().map(|w| w.reply).chain(held.into_iter().map(|(reply, _)| reply));
                return fail(replies.chain(rest.map(|(_, reply)| reply)), error);
            }
            if let Err(error) = batch.commit() {
                let replies = waiting.into_iter().map(|w| w.reply).chain(held.into_iter().map(|(reply, _)| reply));
                return fail(replies.chain(rest.map(|(_, reply)| reply)), error);
            }
            let head = match self.refresh() {
                Ok(head) => head,
                Err(error) => {
                    let replies = waiting.into_iter().map(|w| w.reply);
                    return fail(replies.chain(rest.map(|(_, reply)| reply)), error);
                }
            };
            for Waiting { reply, path, redacted, observed } in waiting {
                let row = path.as_ref().and_then(|path| head.at(path)).cloned();
                let _ = reply.send(Ok(Written { head: Arc::clone(&head), row, redacted, observed }));
            }
            for (reply, error) in held {
                let _ = reply.send(Err(error));
            }
        }
        Ok(())
    }
}

const fn unavailable() -> ServiceError {
    ServiceError::Unavailable { why: "the store's disk or log refused the write; nothing was acknowledged" }
}

/// Tells everybody who waits, and the log of the server, that the store's writer gives up.
fn fail(replies: impl Iterator<Item = Reply>, error: FirewallError) -> Result<(), ()> {
    tracing::error!(code = crate::domain::Coded::code(&error), "a store's writer failed and opens again: {error}");
    for reply in replies {
        let _ = reply.send(Err(unavailable()));
    }
    Err(())
}

/// The author as a principal that may propose and nothing else.
fn agent(author: &PrincipalId, batch: &crate::firewall::Batch<'_>) -> Result<Principal, FirewallError> {
    Ok(Principal::new(author.clone(), batch.store_name().clone(), [Role::Agent])?)
}

/// True when a change meets a path that this version changes already, or lies above or below one.
fn meets(touched: &BTreeSet<MemoryPath>, op: &Op, head: &Head) -> bool {
    if touched.is_empty() {
        return false;
    }
    let current = |id: &str| head.memory(id).map(|row| &row.path);
    let paths: [Option<&MemoryPath>; 2] = match op {
        Op::Create { path, .. } => [Some(path), None],
        Op::Update { id, path, .. } => [path.as_ref(), current(id)],
        Op::Delete { id, .. } => [current(id), None],
    };
    paths.into_iter().flatten().any(|path| {
        let below = format!("{}/", path.as_str());
        ancestors(path.as_str()).any(|above| MemoryPath::parse(above).is_ok_and(|above| touched.contains(&above)))
            || touched.contains(path)
            || touched.iter().any(|other| other.as_str().starts_with(&below))
    })
}

/// The paths above a path, nearest last: `/a`, `/a/b` for `/a/b/c`.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').filter(|(at, _)| *at > 0).filter_map(|(at, _)| path.get(..at))
}

/// What stands in a path's way: itself, a path above it, a path below it.
fn in_the_way<'h>(head: &'h Head, path: &MemoryPath, own: Option<&str>) -> Option<&'h MemoryRow> {
    let other = |row: &&MemoryRow| Some(row.id.as_str()) != own;
    if let Some(row) = head.at(path).filter(other) {
        return Some(row);
    }
    let above = ancestors(path.as_str()).filter_map(|above| MemoryPath::parse(above).ok());
    if let Some(row) = above.into_iter().find_map(|above| head.at(&above).filter(other)) {
        return Some(row);
    }
    let below = format!("{}/", path.as_str());
    head.from(&below).take_while(|row| row.path.as_str().starts_with(&below)).find(other)
}

fn free(head: &Head, path: &MemoryPath, own: Option<&str>) -> Result<(), ServiceError> {
    match in_the_way(head, path, own) {
        Some(row) => Err(ServiceError::PathConflict { memory: row.id.clone(), path: row.path.to_string() }),
        None => Ok(()),
    }
}

/// Checks a change in the order the wire gives: there, the same, precondition, path free.
fn check(op: &Op, head: &Head, full: bool) -> Result<Check, ServiceError> {
    let known = |id: &str| head.memory(id).ok_or(ServiceError::Unknown { what: "memory" });
    match op {
        Op::Create { path, text } => {
            free(head, path, None)?;
            if full {
                return Err(ServiceError::invalid("the memory store is full: delete or merge memories first"));
            }
            Ok(Check::Put(Checked { path: path.clone(), text: text.clone(), moves: None, adds: true }))
        }
        Op::Update { id, path, text, expected } => {
            let row = known(id)?;
            let same_path = path.as_ref().is_none_or(|path| *path == row.path);
            let same_text = text.as_ref().is_none_or(|text| Digest::of(text) == row.sha256);
            if same_path && same_text {
                return Ok(Check::Same(row.clone()));
            }
            if expected.is_some_and(|expected| expected != row.sha256) {
                return Err(ServiceError::Precondition);
            }
            let target = path.as_ref().unwrap_or(&row.path);
            free(head, target, Some(id))?;
            Ok(Check::Put(Checked {
                path: target.clone(),
                text: text.clone().unwrap_or_else(|| head.text(row).to_owned()),
                moves: (*target != row.path).then(|| row.path.clone()),
                adds: false,
            }))
        }
        Op::Delete { id, expected } => {
            let row = known(id)?;
            if expected.is_some_and(|expected| expected != row.sha256) {
                return Err(ServiceError::Precondition);
            }
            Ok(Check::Delete(row.path.clone()))
        }
    }
}
