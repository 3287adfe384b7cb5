//! Requests that are carried out once, however often they arrive: by credential and key, for a day.
//!
//! What is being worked on is known in memory; what was answered is in the database. A process that dies between
//! doing and keeping leaves no row: the next attempt is carried out, and meets the operation's own checks (a path
//! that is taken, an item that is decided).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use crate::domain::{Digest, Timestamp};
use crate::store::server::AnswerRow;

use super::{Caller, Service, ServiceError, lock, now};

/// How long an answer comes again.
const KEPT_MS: i64 = 24 * 3_600_000;
/// How often rows that ran out are removed.
const SWEEP_MS: i64 = 60_000;
/// Most answers, and most bytes of answers, that one credential can have kept.
const ANSWERS: u64 = 10_000;
const ANSWER_BYTES: u64 = 64 << 20;

/// An answer as it went out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// Its status.
    pub status: u16,
    /// Headers that come again with it.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

/// What is known of a key.
#[derive(Debug)]
pub enum Begun {
    /// Nothing: carry the request out, then [`Service::end_once`].
    Run(RunningKey),
    /// The first request's answer.
    Answered(KeptAnswer),
}

type Running = Arc<Mutex<BTreeMap<(String, String), Digest>>>;

/// A key whose request is being worked on. Dropping it without an answer forgets the key.
#[derive(Debug)]
pub struct RunningKey {
    running: Running,
    name: (String, String),
    request: Digest,
}

impl Drop for RunningKey {
    fn drop(&mut self) {
        lock(&self.running).remove(&self.name);
    }
}

/// What is being worked on, and when the table was last swept.
#[derive(Debug, Default)]
pub(super) struct Keys {
    running: Running,
    swept: AtomicI64,
}

impl Service {
    /// Begins the request of a key, unless it was begun before.
    ///
    /// # Errors
    /// Refused when the key came with another request; unavailable while the first one runs, and when this credential
    /// has as many answers kept as it may.
    pub fn begin_once(&self, caller: &Caller, key: &str, request: Digest) -> Result<Begun, ServiceError> {
        let name = (caller.id.clone(), key.to_owned());
        {
            let mut running = lock(&self.keys.running);
            match running.get(&name) {
                Some(known) if *known != request => return Err(ServiceError::KeyReused),
                Some(_) => return Err(ServiceError::KeyRunning),
                None => running.insert(name.clone(), request),
            };
        }
        // From here on the key is ours until this is dropped.
        let key = RunningKey { running: Arc::clone(&self.keys.running), name, request };
        let at = now();
        self.sweep(at)?;
        let known = self.db.answer(&key.name.0, &key.name.1)?.filter(|row| at.0 - row.at.0 < KEPT_MS);
        match known {
            Some(row) if row.request != request => Err(ServiceError::KeyReused),
            Some(row) => Ok(Begun::Answered(KeptAnswer { status: row.status, headers: row.headers, body: row.body })),
            None => {
                let (count, bytes, oldest) = self.db.answers_of(&key.name.0)?;
                if count >= ANSWERS || bytes >= ANSWER_BYTES {
                    let after = (oldest.map_or(at.0, |oldest| oldest.0) + KEPT_MS - at.0).max(1000);
                    return Err(ServiceError::Limited { after_s: u64::try_from(after / 1000).unwrap_or(1) });
                }
                Ok(Begun::Run(key))
            }
        }
    }

    /// Keeps the answer of a key's first request.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn end_once(&self, key: RunningKey, answer: &KeptAnswer) -> Result<(), ServiceError> {
        let row = AnswerRow {
            credential: key.name.0.clone(),
            key: key.name.1.clone(),
            request: key.request,
            at: now(),
            status: answer.status,
            headers: answer.headers.clone(),
            body: answer.body.clone(),
        };
        self.db.put_answer(&row)?;
        // Only now: nobody sees the key neither running nor answered.
        drop(key);
        Ok(())
    }

    fn sweep(&self, at: Timestamp) -> Result<(), ServiceError> {
        let last = self.keys.swept.load(Ordering::Relaxed);
        let due = (at.0 - last).abs() >= SWEEP_MS;
        if due && self.keys.swept.compare_exchange(last, at.0, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.db.forget_answers(Timestamp(at.0 - KEPT_MS))?;
        }
        Ok(())
    }
}
