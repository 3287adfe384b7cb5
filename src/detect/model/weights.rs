//! The weights file: read strictly, looked up fast.
//!
//! Layout, all little-endian: magic `MGMODEL\0`, version u16, scale u16, shrink u32, bias i32, report i32, hold i32, SHA-256 of the lexicon
//! (32 bytes), count of knots u16, knots (score i32, probability u16 in 1/65535), count of entries u32,
//! entries (key u32 ascending, weight i16). Nothing may follow.

use sha2::{Digest as _, Sha256};

use super::ModelError;

const MAGIC: &[u8; 8] = b"MGMODEL\0";
/// The only layout this build reads.
pub(super) const VERSION: u16 = 1;
/// Most entries a file may claim: a ceiling on memory.
const MOST: usize = 1 << 20;

/// What the trainer hands over and the file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Units of one: weights, bias and scores are counted in `1/scale`.
    pub scale: u16,
    /// Added to the number of features of a window before the root is taken.
    pub shrink: u32,
    /// Score of a window without features.
    pub bias: i32,
    /// Scores from here on are reported.
    pub report: i32,
    /// Scores from here on hold a text alone.
    pub hold: i32,
    /// SHA-256 of the word classes the weights were learned with.
    pub lexicon: [u8; 32],
    /// Score to probability: both ascend, straight lines between.
    pub knots: Vec<(i32, u16)>,
    /// Weights by key, ascending.
    pub entries: Vec<(u32, i16)>,
}

impl Parts {
    /// The file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(VERSION.to_le_bytes());
        out.extend(self.scale.to_le_bytes());
        out.extend(self.shrink.to_le_bytes());
        out.extend(self.bias.to_le_bytes());
        out.extend(self.report.to_le_bytes());
        out.extend(self.hold.to_le_bytes());
        out.extend(self.lexicon);
        out.extend(u16::try_from(self.knots.len()).unwrap_or(u16::MAX).to_le_bytes());
        for (score, probability) in &self.knots {
            out.extend(score.to_le_bytes());
            out.extend(probability.to_le_bytes());
        }
        out.extend(u32::try_from(self.entries.len()).unwrap_or(u32::MAX).to_le_bytes());
        for (key, weight) in &self.entries {
            out.extend(key.to_le_bytes());
            out.extend(weight.to_le_bytes());
        }
        out
    }

    /// Reads a file whose SHA-256 is `pinned`.
    ///
    /// # Errors
    /// [`ModelError`] when the digest differs, or the file is of another version, cut short, too long or out of order.
    pub fn from_bytes(bytes: &[u8], pinned: &[u8; 32]) -> Result<Self, ModelError> {
        let mut rest = Rest { bytes, at: 0 };
        if &rest.take::<8>()? != MAGIC {
            return Err(ModelError::Foreign);
        }
        let version = u16::from_le_bytes(rest.take()?);
        if version != VERSION {
            return Err(ModelError::Version { found: version, known: VERSION });
        }
        let scale = u16::from_le_bytes(rest.take()?);
        let shrink = u32::from_le_bytes(rest.take()?);
        let bias = i32::from_le_bytes(rest.take()?);
        let report = i32::from_le_bytes(rest.take()?);
        let hold = i32::from_le_bytes(rest.take()?);
        let lexicon = rest.take()?;
        let count = u16::from_le_bytes(rest.take()?);
        let mut knots = Vec::new();
        for _ in 0..count {
            knots.push((i32::from_le_bytes(rest.take()?), u16::from_le_bytes(rest.take()?)));
        }
        let count = u32::from_le_bytes(rest.take()?) as usize;
        if count > MOST {
            return Err(ModelError::Malformed { at: rest.at });
        }
        let mut entries = Vec::with_capacity(count.min(bytes.len() / 6));
        for _ in 0..count {
            entries.push((u32::from_le_bytes(rest.take()?), i16::from_le_bytes(rest.take()?)));
        }
        if rest.at != bytes.len() {
            return Err(ModelError::Malformed { at: rest.at });
        }
        if &<[u8; 32]>::from(Sha256::digest(bytes)) != pinned {
            return Err(ModelError::Digest);
        }
        let ordered = knots.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 <= w[1].1)
            && entries.windows(2).all(|w| w[0].0 < w[1].0);
        if !ordered || report > hold || scale == 0 || shrink == 0 || knots.len() < 2 {
            return Err(ModelError::Malformed { at: 8 });
        }
        Ok(Self { scale, shrink, bias, report, hold, lexicon, knots, entries })
    }
}

struct Rest<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], ModelError> {
        let end = self.at.saturating_add(N);
        let part = self.bytes.get(self.at..end).and_then(|p| <[u8; N]>::try_from(p).ok());
        let part = part.ok_or(ModelError::Truncated { at: self.at })?;
        self.at = end;
        Ok(part)
    }
}

/// Slots of one bucket, all looked at without a branch.
const BUCKET: usize = 6;

/// Weights by key, four bytes a slot, so that the table stays near the processor.
///
/// The upper half of a scrambled key is its bucket, the lower half stands in the slot above the weight: keys are told
/// apart exactly. Of more keys than a bucket has slots the strongest stay: of 120,000 all but some two hundred.
#[derive(Debug)]
pub(super) struct Table {
    buckets: Vec<[u32; BUCKET]>,
    /// One bit for the upper bits of every scrambled key: most keys have no weight, and this is told from a twelfth of the
    /// memory.
    known: Vec<u64>,
}

/// Bits of a scrambled key that the bits of `known` are counted by.
const KNOWN: u32 = 20;

impl Table {
    pub(super) fn new(entries: &[(u32, i16)]) -> Self {
        let mut buckets = vec![[0; BUCKET]; 1 << 16];
        let mut strongest: Vec<(u32, i16)> = entries.iter().copied().filter(|entry| entry.1 != 0).collect();
        strongest.sort_by(|a, b| b.1.unsigned_abs().cmp(&a.1.unsigned_abs()).then(a.0.cmp(&b.0)));
        for (key, weight) in strongest {
            let scrambled = scramble(key);
            let bucket: &mut [u32; BUCKET] = &mut buckets[(scrambled >> 16) as usize];
            if let Some(free) = bucket.iter_mut().find(|slot| **slot == 0) {
                *free = scrambled << 16 | u32::from(weight.cast_unsigned());
            }
        }
        let mut known = vec![0_u64; 1 << (KNOWN - 6)];
        for key in entries.iter().filter(|entry| entry.1 != 0).map(|entry| scramble(entry.0)) {
            known[(key >> (32 - KNOWN + 6)) as usize] |= 1 << (key >> (32 - KNOWN) & 63);
        }
        Self { buckets, known }
    }

    /// The sum of the weights of some keys; they are reordered.
    pub(super) fn sum(&self, keys: &mut [u32]) -> i64 {
        // Without a branch: whether a word has a weight cannot be foreseen.
        let mut left = 0;
        for at in 0..keys.len() {
            let key = keys[at];
            let bits = self.known.get((scramble(key) >> (32 - KNOWN + 6)) as usize).copied().unwrap_or_default();
            keys[left] = key;
            left += (bits >> (scramble(key) >> (32 - KNOWN) & 63) & 1) as usize;
        }
        keys[..left].iter().map(|key| i64::from(self.get(*key))).sum()
    }

    /// The weight of a key, zero where it has none.
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "the lower half of a slot is the weight")]
    pub(super) fn get(&self, key: u32) -> i16 {
        let scrambled = scramble(key);
        let Some(bucket) = self.buckets.get((scrambled >> 16) as usize) else { return 0 };
        let low = scrambled << 16;
        let mut weight = 0_u16;
        for &slot in bucket {
            // At most one slot agrees; an empty one adds nothing.
            weight |= if (slot ^ low) >> 16 == 0 { slot as u16 } else { 0 };
        }
        weight.cast_signed()
    }
}

const fn scramble(key: u32) -> u32 {
    key.wrapping_mul(0x9E37_79B1)
}
