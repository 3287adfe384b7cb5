//! The clock and the randomness a run uses: read once, passed down, replaced in tests.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::domain::Timestamp;
use crate::ledger::Asker;

/// Fills 32 bytes that nobody can guess.
pub type Random = Box<dyn FnMut(&mut [u8; 32]) -> Result<(), std::io::Error> + Send>;

/// True once somebody wants the run to end: it leaves off between two steps and changes nothing.
pub type Stopped = Box<dyn Fn() -> bool + Send>;

/// The way to the passphrase of encrypted keys, filled in above this room.
#[derive(Clone)]
pub struct Passphrase(pub Arc<AskPassphrase>);

/// Gives the passphrase, asking for it when nobody has yet.
pub type AskPassphrase = dyn Fn() -> std::io::Result<Zeroizing<String>> + Send + Sync;

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

/// What a run may ask of the world beyond its folder; nothing by default.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    /// The way to the witnesses of a log policy.
    pub witnesses: Option<Asker>,
    /// The way to the passphrase of encrypted keys.
    pub passphrase: Option<Passphrase>,
    /// True when the keys of new data folders are encrypted.
    pub encrypt: bool,
}

/// What a run takes from outside.
pub struct Env {
    /// The time of the run.
    pub now: Timestamp,
    /// Fills a salt or a key seed.
    pub random: Random,
    /// Whether to leave off.
    pub stopped: Stopped,
    /// Witnesses.
    pub outside: Outside,
}

impl Env {
    /// The system's clock and generator.
    #[expect(clippy::disallowed_methods, reason = "the firewall is where the clock is read")]
    pub fn system() -> Self {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX));
        Self {
            now: Timestamp(now),
            random: Box::new(|bytes| getrandom::fill(bytes).map_err(std::io::Error::other)),
            stopped: Box::new(|| false),
            outside: Outside::default(),
        }
    }

    /// A fixed time and a counting generator: the same run gives the same bytes. The keys it makes are
    /// worthless.
    pub fn dangerous_fixed(now: Timestamp) -> Self {
        let mut counter = 0_u64;
        Self {
            now,
            random: Box::new(move |bytes| {
                counter += 1;
                *bytes = *crate::domain::Digest::of_parts([b"fixed".as_slice(), &counter.to_be_bytes()]).bytes();
                Ok(())
            }),
            stopped: Box::new(|| false),
            outside: Outside::default(),
        }
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env").field("now", &self.now).finish_non_exhaustive()
    }
}
