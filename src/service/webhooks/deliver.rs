//! Deliveries: taken when due, posted, tried again, given up.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;

use crate::domain::Coded as _;
use crate::service::{Service, ServiceError, ids, lock, now};
use crate::store::server::DeliveryRow;

use super::{Webhook, sign};

/// Deliveries that are on their way at once, one an endpoint.
const WORKERS: usize = 2;
/// An endpoint that has failed for so long gets nothing more.
const FAILING_MS: i64 = 3 * 24 * 3_600_000;
/// How long delivered and dead deliveries are kept.
const KEEP_MS: (i64, i64) = (7 * 24 * 3_600_000, 30 * 24 * 3_600_000);

/// How often and after how long a failed delivery is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all.
    pub attempts: u32,
    /// The shortest wait, and the wait after the first attempt.
    pub base_ms: i64,
    /// The longest wait.
    pub most_ms: i64,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 3, base_ms: 5_000, most_ms: 120_000 }
    }
}

impl Retry {
    /// How long to wait after this many attempts: four times as long each time, half to one and a half of it.
    fn wait_ms(self, attempts: u32, random: u32) -> i64 {
        let step = self.base_ms.saturating_mul(4_i64.saturating_pow(attempts.saturating_sub(1)));
        let permille = 500 + i64::from(random % 1001);
        let wait = step.min(self.most_ms).saturating_mul(permille) / 1000;
        wait.clamp(self.base_ms.min(self.most_ms), self.most_ms)
    }
}

/// A request that carries one event.
#[derive(Debug)]
pub struct Post<'a> {
    /// Where to.
    pub url: &'a str,
    /// Headers beside host, length and content type.
    pub headers: Vec<(&'static str, String)>,
    /// The body, exactly as it was signed.
    pub body: &'a [u8],
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The receiver's status.
    Status(u16),
    /// The address is not one that may be connected to.
    NotAllowed,
    /// No answer.
    Failed(&'static str),
    /// Left off: the server stops.
    Stopped,
}

impl Answer {
    /// True for any 2xx.
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Status(200..=299))
    }
    /// Why an endpoint that answers so gets nothing more.
    const fn disables(self) -> Option<&'static str> {
        match self {
            Self::Status(300..=399) => Some("redirect"),
            Self::Status(410) => Some("gone"),
            Self::NotAllowed => Some("address_not_allowed"),
            _ => None,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "status {status}"),
            Self::NotAllowed => write!(f, "the address is not public and not on the list of allowed networks"),
            Self::Failed(why) => write!(f, "{why}"),
            Self::Stopped => write!(f, "stopped"),
        }
    }
}

/// What brings a request to an endpoint. A room above owns the network.
pub trait Deliver: fmt::Debug + Send + Sync {
    /// Posts once, follows nothing, ends soon after `stop` becomes true.
    fn post(&self, post: &Post<'_>, stop: &AtomicBool) -> Answer;
}

/// The workers and what they wait for.
#[derive(Debug, Default)]
pub(in crate::service) struct Queue {
    stop: AtomicBool,
    wake: (Mutex<u64>, Condvar),
    busy: Mutex<BTreeSet<String>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Queue {
    pub(super) fn notify(&self) {
        *lock(&self.wake.0) += 1;
        self.wake.1.notify_all();
    }
    /// Ends the workers; what was not delivered waits for the next start.
    pub(in crate::service) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.notify();
        for thread in std::mem::take(&mut *lock(&self.threads)) {
            // A worker that drops the last reference joins itself here otherwise.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl Service {
    /// Begins to deliver. What an earlier run left goes out first.
    ///
    /// # Errors
    /// Unavailable when no thread can be started.
    pub fn start_webhooks(self: &Arc<Self>, transport: &Arc<dyn Deliver>) -> Result<(), ServiceError> {
        let at = now();
        self.db.forget_deliveries(at.plus_ms(-KEEP_MS.0), at.plus_ms(-KEEP_MS.1))?;
        for number in 0..WORKERS {
            let (service, transport) = (Arc::downgrade(self), Arc::clone(transport));
            let thread = std::thread::Builder::new()
                .name(format!("memgate-webhook-{number}"))
                .spawn(move || work(&service, transport.as_ref()));
            let thread = thread.map_err(|_| ServiceError::Unavailable { why: "no thread could be started" })?;
            lock(&self.deliveries.threads).push(thread);
        }
        Ok(())
    }

    /// Takes the delivery that has been due longest, of an endpoint that no other worker talks to.
    fn take_delivery(&self) -> Result<Option<DeliveryRow>, ServiceError> {
        let mut busy = lock(&self.deliveries.busy);
        let due = self.db.due_deliveries(now())?.into_iter().find(|row| !busy.contains(&row.endpoint));
        if let Some(row) = &due {
            busy.insert(row.endpoint.clone());
        }
        Ok(due)
    }

    pub(super) fn post(
        &self,
        hook: &Webhook,
        row: &DeliveryRow,
        transport: &dyn Deliver,
    ) -> Result<Answer, ServiceError> {
        let text = row.body["text"].as_str().unwrap_or_default();
        let id = row.body["event"].as_str().unwrap_or_default();
        // The time is of this attempt: a receiver refuses what is older than five minutes.
        let at = now();
        let signature = sign::signatures(hook.secrets(at), id, at, text.as_bytes());
        let signature = signature.ok_or(ServiceError::Bug { what: "an endpoint has no secret that signs" })?;
        let post = Post {
            url: &hook.kept.url,
            headers: vec![
                ("webhook-id", id.to_owned()),
                ("webhook-timestamp", at.seconds().to_string()),
                ("webhook-signature", signature),
            ],
            body: text.as_bytes(),
        };
        Ok(transport.post(&post, &self.deliveries.stop))
    }

    /// One attempt, and what follows from it.
    fn attempt(&self, mut row: DeliveryRow, transport: &dyn Deliver) -> Result<(), ServiceError> {
        let Some(mut hook) = self.read_webhooks()?.iter().find(|hook| hook.id == row.endpoint).cloned() else {
            // Removed while the event was being written: what nobody can take must not be looked at again and again.
            self.db.bury_deliveries(&row.endpoint)?;
            return Ok(());
        };
        if hook.kept.disabled.is_some() {
            self.db.bury_deliveries(&hook.id)?;
            return Ok(());
        }
        let answer = self.post(&hook, &row, transport)?;
        if answer == Answer::Stopped {
            // Not an attempt: the next start tries it again.
            return Ok(());
        }
        let at = now();
        row.attempts = row.attempts.saturating_add(1);
        row.body["last"] = json!({ "at": at, "result": answer.to_string() });
        if answer.is_good() {
            row.next = None;
            "delivered".clone_into(&mut row.state);
            self.db.put_delivery(&row)?;
            return self.change_webhook(&hook.id, |hook| std::mem::take(&mut hook.kept.failing).is_some());
        }
        let last = row.attempts >= self.options.webhook_retry.attempts || answer.disables().is_some();
        if last {
            row.next = None;
            "dead".clone_into(&mut row.state);
        } else {
            let mut random = [0_u8; 4];
            ids::random(&mut random)?;
            let wait = self.options.webhook_retry.wait_ms(row.attempts, u32::from_le_bytes(random));
            row.next = Some(at.plus_ms(wait));
        }
        self.db.put_delivery(&row)?;
        tracing::warn!(webhook = hook.id, delivery = row.id, attempts = row.attempts, last, "a webhook was not taken");
        let since = *hook.kept.failing.get_or_insert(at);
        let reason = answer.disables().or_else(|| (at.0 - since.0 >= FAILING_MS).then_some("failing"));
        self.change_webhook(&hook.id, |hook| {
            let new = hook.kept.failing.replace(since) != Some(since);
            if let Some(reason) = reason {
                hook.kept.disabled = Some(reason.to_owned());
            }
            new || reason.is_some()
        })?;
        if let Some(reason) = reason {
            self.db.bury_deliveries(&hook.id)?;
            self.audit(&hook.workspace, "webhook.disabled", &json!({ "webhook": hook.id, "reason": reason }))?;
        }
        Ok(())
    }

    /// Changes an endpoint as it is now: an attempt takes seconds, and its secret may have been rotated meanwhile.
    fn change_webhook(&self, id: &str, change: impl FnOnce(&mut Webhook) -> bool) -> Result<(), ServiceError> {
        if let Some(mut hook) = self.read_webhooks()?.iter().find(|hook| hook.id == id).cloned()
            && change(&mut hook)
        {
            self.keep_webhook(&hook)?;
        }
        Ok(())
    }
}

/// One worker: deliveries one after another until the server ends.
fn work(service: &Weak<Service>, transport: &dyn Deliver) {
    loop {
        let Some(service) = service.upgrade() else { return };
        let queue = &service.deliveries;
        if queue.stop.load(Ordering::SeqCst) {
            return;
        }
        let seen = *lock(&queue.wake.0);
        match service.take_delivery() {
            Ok(Some(mut row)) => {
                let endpoint = row.endpoint.clone();
                let failed = row.clone();
                if let Err(error) = service.attempt(std::mem::replace(&mut row, failed), transport) {
                    tracing::error!(code = error.code(), delivery = row.id, "a delivery failed: {error}");
                    // What this server cannot send today must not be tried without a pause.
                    row.next = Some(now().plus_ms(service.options.webhook_retry.most_ms));
                    let _ = service.db.put_delivery(&row);
                }
                lock(&queue.busy).remove(&endpoint);
                continue;
            }
            Ok(None) => {}
            Err(error) => tracing::error!(code = error.code(), "the deliveries cannot be read: {error}"),
        }
        let guard = lock(&queue.wake.0);
        if *guard == seen && !queue.stop.load(Ordering::SeqCst) {
            // Looks again now and then: waits end, and another process may have put something back.
            let waited = queue.wake.1.wait_timeout(guard, Duration::from_millis(500));
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_between_their_bounds() {
        let retry = Retry::default();
        for random in [0, 1, 499, 500, 1000, u32::MAX] {
            let waits: Vec<i64> = (1..=6).map(|attempt| retry.wait_ms(attempt, random)).collect();
            assert!(waits.iter().all(|wait| (5_000..=120_000).contains(wait)), "{waits:?}");
            assert!(waits.is_sorted(), "{waits:?}");
        }
        assert_ne!(retry.wait_ms(2, 0), retry.wait_ms(2, 1000));
        assert_eq!(Retry { attempts: 1, base_ms: 10, most_ms: 1 }.wait_ms(u32::MAX, 7), 1);
    }

    #[test]
    fn only_a_2xx_is_good_and_redirects_disable() {
        for (status, good, disables) in [
            (200, true, false),
            (204, true, false),
            (301, false, true),
            (410, false, true),
            (404, false, false),
            (500, false, false),
            (199, false, false),
        ] {
            assert_eq!(Answer::Status(status).is_good(), good, "{status}");
            assert_eq!(Answer::Status(status).disables().is_some(), disables, "{status}");
        }
        assert!(Answer::NotAllowed.disables().is_some() && Answer::Failed("x").disables().is_none());
    }
}
