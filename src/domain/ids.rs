//! Names and ids: newtypes, so that one cannot stand for another.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Digest;

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps the text as it is.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    };
}

name_type! {
    /// One transcript, e.g. `sesn_…` or a file stem. Comes from outside: show it escaped.
    SessionId
}
name_type! {
    /// The authenticated person or service on whose behalf something was said. Comes from
    /// outside when it is read from a transcript: show it escaped.
    PrincipalId
}
name_type! {
    /// A detection rule, e.g. `injection.instruction-override`. Permanent.
    RuleId
}
name_type! {
    /// A store's name in statements and logs, e.g. `memgate.example/stores/demo`.
    StoreName
}
name_type! {
    /// A held item, `hold_` and 12 hex digits of its content digest.
    HoldId
}

impl HoldId {
    /// The id of the item with this identity (content and place).
    pub fn of(identity: &Digest) -> Self {
        Self(format!("hold_{}", identity.short()))
    }
}
