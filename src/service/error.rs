//! What an operation of the service can answer instead of a result.

use crate::domain::{Coded, Family, HoldId, RuleId};
use crate::firewall::FirewallError;
use crate::store::StoreError;

/// Why an operation was not carried out. Nothing is half-done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The request is malformed, or the object is in a state that does not allow it.
    #[error("{message}")]
    Invalid {
        /// What is wrong, without the caller's text.
        message: String,
    },
    /// A feature of the hosted service that is not offered here.
    #[error("{message}")]
    NotServed {
        /// What.
        message: String,
        /// The stable code on the wire.
        code: &'static str,
    },
    /// No such route here.
    #[error("this route is not served by this server")]
    RouteNotServed,
    /// No credential, an unknown one, an expired one.
    #[error("{message}")]
    Unauthenticated {
        /// Which.
        message: &'static str,
    },
    /// The credential's role does not allow it.
    #[error("this credential may not do that: it needs the scope {scope}")]
    Forbidden {
        /// The scope.
        scope: &'static str,
    },
    /// The credential is of another workspace than the one named.
    #[error("the credential belongs to another workspace")]
    OtherWorkspace,
    /// There is no such object here.
    #[error("there is no such {what}")]
    Unknown {
        /// The kind of object.
        what: &'static str,
    },
    /// A path is taken, or lies above or below one that is.
    #[error("the path is taken, or lies above or below a path that is")]
    PathConflict {
        /// The memory in the way.
        memory: String,
        /// Its path.
        path: String,
    },
    /// A precondition does not hold.
    #[error("the memory is not what the precondition names")]
    Precondition,
    /// The object was changed since the caller saw it.
    #[error("the object is not what If-Match names any more")]
    Stale,
    /// The request must say which state of the object it means.
    #[error("If-Match is needed: the entity tag of what was seen")]
    MatchNeeded,
    /// The request must say which attempts are one.
    #[error("Idempotency-Key is needed: 1 to 255 visible ASCII characters, one for each thing to be done")]
    KeyNeeded,
    /// The key came with another request before.
    #[error("this Idempotency-Key came with another request")]
    KeyReused,
    /// The first request with the key is still being worked on.
    #[error("the first request with this Idempotency-Key is still being worked on")]
    KeyRunning,
    /// Something else is in the way.
    #[error("{message}")]
    Conflict {
        /// What.
        message: String,
    },
    /// The body is too long.
    #[error("the request body is longer than {limit} bytes")]
    TooLarge {
        /// Most bytes.
        limit: usize,
    },
    /// Too many requests, or too much in flight.
    #[error("too many requests; try again in {after_s} s")]
    Limited {
        /// Seconds.
        after_s: u64,
    },
    /// The server is stopping, or the disk or database refuses: trying again may work.
    #[error("the server cannot do this now: {why}")]
    Unavailable {
        /// Why, without paths.
        why: &'static str,
    },
    /// The gate refuses the write.
    #[error("the write was blocked by policy: {}", rules.iter().map(RuleId::as_str).collect::<Vec<_>>().join(", "))]
    Blocked {
        /// The decision's id.
        decision: String,
        /// The rules.
        rules: Vec<RuleId>,
    },
    /// The gate holds the write for a person.
    #[error("the write waits for a reviewer as {review}; nothing was stored")]
    Held {
        /// The quarantine item.
        review: HoldId,
        /// The rules.
        rules: Vec<RuleId>,
    },
    /// A verb of the firewall failed.
    #[error(transparent)]
    Firewall(#[from] FirewallError),
    /// The server's database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A bug.
    #[error("internal: {what}")]
    Bug {
        /// What.
        what: &'static str,
    },
}

impl ServiceError {
    /// A malformed request.
    ///
    /// The message begins with the place that is wrong and a colon where there is one: `events[2].type: …`.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid { message: message.into() }
    }

    /// The place in the request that a malformed one is wrong at, as `events[2].type`.
    pub fn place(&self) -> Option<&str> {
        let Self::Invalid { message } = self else { return None };
        let (place, _) = message.split_once(": ")?;
        let lawful = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'[' | b']');
        (place.len() <= 128 && place.starts_with(|c: char| c.is_ascii_lowercase()) && place.bytes().all(lawful))
            .then_some(place)
    }
}

impl Coded for ServiceError {
    fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "service-invalid",
            Self::NotServed { .. } => "service-not-served",
            Self::RouteNotServed => "service-route-not-served",
            Self::Unauthenticated { .. } => "service-unauthenticated",
            Self::Forbidden { .. } => "service-forbidden",
            Self::OtherWorkspace => "service-other-workspace",
            Self::Unknown { .. } => "service-unknown",
            Self::PathConflict { .. } => "service-path-conflict",
            Self::Precondition => "service-precondition",
            Self::Stale => "service-stale",
            Self::MatchNeeded => "service-match-needed",
            Self::KeyNeeded => "service-key-needed",
            Self::KeyReused => "service-key-reused",
            Self::KeyRunning => "service-key-running",
            Self::Conflict { .. } => "service-conflict",
            Self::TooLarge { .. } => "service-too-large",
            Self::Limited { .. } => "service-limited",
            Self::Unavailable { .. } => "service-unavailable",
            Self::Blocked { .. } => "service-blocked",
            Self::Held { .. } => "service-held",
            Self::Firewall(e) => e.code(),
            Self::Store(e) => e.code(),
            Self::Bug { .. } => "service-bug",
        }
    }
    fn family(&self) -> Family {
        match self {
            Self::Limited { .. } | Self::Unavailable { .. } | Self::KeyRunning => Family::Unavailable,
            Self::Bug { .. } => Family::Bug,
            Self::Firewall(e) => e.family(),
            Self::Store(e) => e.family(),
            _ => Family::Refused,
        }
    }
    fn remedy(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "mend the request; the message names the field",
            Self::NotServed { .. } => "leave the field out",
            Self::RouteNotServed => "see the README for what is served",
            Self::Unauthenticated { .. } => "send a key of this server; `memgate key create` makes one",
            Self::Forbidden { .. } => "use a credential whose role has the scope",
            Self::OtherWorkspace => "leave anthropic-workspace-id out, or use a key of that workspace",
            Self::Unknown { .. } => "list the objects of this workspace",
            Self::PathConflict { .. } => "choose another path, or update the memory that is there",
            Self::Precondition => "read the memory again, then decide",
            Self::Stale | Self::MatchNeeded => "read the object, look at it, and send its ETag as If-Match",
            Self::KeyNeeded => "send a fresh random key with each new thing, and the same one when you try again",
            Self::KeyReused => "send a fresh key: this one belongs to what was asked first",
            Self::KeyRunning => "wait, then send the same request again: it answers what the first one did",
            Self::Conflict { .. } => "wait until what is in the way has ended",
            Self::TooLarge { .. } => "send less at once",
            Self::Limited { .. } | Self::Unavailable { .. } => "try again later",
            Self::Blocked { .. } => "the text is not stored; `memgate explain RULE` says why",
            Self::Held { .. } => "a reviewer decides; `memgate review show` shows the item",
            Self::Firewall(e) => e.remedy(),
            Self::Store(e) => e.remedy(),
            Self::Bug { .. } => "please report this",
        }
    }
}
