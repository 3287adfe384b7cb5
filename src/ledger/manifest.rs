//! What a version contains: one line a memory, salted commitments, a three-line head.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{LedgerError, tree};
use crate::domain::{Digest, MemoryPath, StoreName};

/// 32 random bytes that keep the commitments of one memory version from being guessed.
///
/// Wiped on drop; never logged; destroyed at erasure.
#[derive(Clone, PartialEq, Eq)]
pub struct Salt(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for Salt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Salt(..)")
    }
}

impl Salt {
    /// From the operating system's generator, passed in.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }
    /// From stored bytes.
    ///
    /// Errors: refused unless exactly 32 bytes: HMAC pads keys with zeros, so a longer one could be the same key.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, LedgerError> {
        bytes.try_into().map(Self::new).map_err(|_| LedgerError::Commit { line: 0 })
    }
    /// The bytes, to be stored beside the memory and nowhere else.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
    /// The salted commitment to some bytes: `HMAC-SHA256(salt, label || 0x0A || bytes)`.
    pub fn commit(&self, label: Label, bytes: &[u8]) -> Digest {
        // The key has 32 bytes, which every HMAC accepts; the fallback is never taken.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.bytes()) else {
            return Digest([0; 32]);
        };
        mac.update(label.name().as_bytes());
        mac.update(b"\n");
        mac.update(bytes);
        Digest(mac.finalize().into_bytes().into())
    }
}

/// What a commitment is to; keeps content from passing as provenance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// A memory's text.
    Content,
    /// A memory's provenance record.
    Provenance,
}

impl Label {
    const fn name(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Provenance => "provenance",
        }
    }
}

/// One line of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A memory.
    Memory {
        /// Its path.
        path: MemoryPath,
        /// Commitment to its text.
        content: Digest,
        /// Commitment to its provenance record.
        provenance: Digest,
    },
    /// The leaf hash of an erased memory's line.
    Redacted(Digest),
}

impl Line {
    /// The line without its line feed.
    pub fn text(&self) -> String {
        match self {
            Self::Memory { path, content, provenance } => format!("m {} {content} {provenance}", encode_path(path)),
            Self::Redacted(hash) => format!("r {hash}"),
        }
    }
    /// Its leaf hash.
    pub fn leaf_hash(&self) -> Digest {
        match self {
            Self::Redacted(hash) => *hash,
            Self::Memory { .. } => tree::leaf_hash(self.text().as_bytes()),
        }
    }
    /// Checks a memory against its two commitments.
    ///
    /// Errors: refused, [`LedgerError::Commit`], also for a salt of another length than 32.
    pub fn verify(&self, salt: &[u8], text: &[u8], record: &[u8]) -> Result<(), LedgerError> {
        let salt = Salt::from_slice(salt)?;
        match self {
            Self::Memory { content, provenance, .. }
                if salt.commit(Label::Content, text) == *content
                    && salt.commit(Label::Provenance, record) == *provenance =>
            {
                Ok(())
            }
            _ => Err(LedgerError::Commit { line: 0 }),
        }
    }
}

const fn stays_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/')
}

/// Percent-encodes every byte outside `A-Z a-z 0-9 - . _ ~ /`, upper-case hex.
pub fn encode_path(path: &MemoryPath) -> String {
    let mut out = String::new();
    for byte in path.as_str().bytes() {
        if stays_plain(byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The order of manifest lines: that of the encoded paths, without encoding them. `%` sorts before every byte that
/// stays plain, and upper-case hex digits sort as the bytes they stand for.
pub fn path_order(one: &MemoryPath, other: &MemoryPath) -> Ordering {
    text_order(one.as_str(), other.as_str())
}

fn text_order(one: &str, other: &str) -> Ordering {
    let key = |byte: u8| (stays_plain(byte), byte);
    one.bytes().map(key).cmp(other.bytes().map(key))
}

/// Redacted lines may stand anywhere; a manifest that is changed has none.
fn line_order(line: &Line, text: &str) -> Ordering {
    match line {
        Line::Memory { path, .. } => text_order(path.as_str(), text),
        Line::Redacted(_) => Ordering::Greater,
    }
}

/// Reads an encoded path; refuses every spelling but the one [`encode_path`] writes.
pub fn decode_path(text: &str) -> Option<MemoryPath> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let pair = [bytes.next()?, bytes.next()?];
            out.push(data_encoding::HEXUPPER.decode(&pair).ok()?[0]);
        } else {
            out.push(byte);
        }
    }
    let path = MemoryPath::parse(&String::from_utf8(out).ok()?).ok()?;
    (encode_path(&path) == text).then_some(path)
}

/// The content of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    lines: Vec<Line>,
    /// Their leaf hashes and the root over them, computed once.
    leaves: Vec<Digest>,
    root: Digest,
}

impl Default for Manifest {
    fn default() -> Self {
        Self::of(Vec::new(), Vec::new())
    }
}

impl Manifest {
    /// Sorts and checks.
    ///
    /// Errors: refused, [`LedgerError::Manifest`]: a path twice, or one that is an ancestor of another.
    pub fn build(mut lines: Vec<Line>) -> Result<Self, LedgerError> {
        lines.sort_by_cached_key(Line::text);
        check_lines(&lines)?;
        let leaves = lines.iter().map(Line::leaf_hash).collect();
        Ok(Self::of(lines, leaves))
    }
    fn of(lines: Vec<Line>, leaves: Vec<Digest>) -> Self {
        let root = tree::root_of(leaves.iter().copied());
        Self { lines, leaves, root }
    }
    /// This manifest without the lines of some paths and without redacted lines, and with fresh lines laid in: what
    /// [`Manifest::build`] makes of the same lines, without reading again what stays.
    ///
    /// Errors: as [`Manifest::build`]. Cost: linear in lines, without hashing those that stay.
    pub fn changed(&self, stays: impl Fn(&MemoryPath) -> bool, mut fresh: Vec<Line>) -> Result<Self, LedgerError> {
        let path_of = |line: &Line| match line {
            Line::Memory { path, .. } => Some(path.clone()),
            Line::Redacted(_) => None,
        };
        fresh.retain(|line| path_of(line).is_some());
        fresh.sort_by_cached_key(Line::text);
        let mut lines = Vec::with_capacity(self.lines.len() + fresh.len());
        let mut leaves = Vec::with_capacity(lines.capacity());
        let paths: Vec<MemoryPath> = fresh.iter().filter_map(path_of).collect();
        let mut rest = fresh.into_iter().peekable();
        for (line, leaf) in self.lines.iter().zip(&self.leaves) {
            let Line::Memory { path, .. } = line else { continue };
            if !stays(path) {
                continue;
            }
            while let Some(new) =
                rest.next_if(|new| matches!(new, Line::Memory { path: new, .. } if path_order(new, path).is_le()))
            {
                leaves.push(new.leaf_hash());
                lines.push(new);
            }
            lines.push(line.clone());
            leaves.push(*leaf);
        }
        for new in rest {
            leaves.push(new.leaf_hash());
            lines.push(new);
        }
        let manifest = Self::of(lines, leaves);
        // What stays was checked before: only a fresh path can meet another one.
        for path in &paths {
            manifest.check_alone(path)?;
        }
        Ok(manifest)
    }
    /// That a path is there once, and neither above nor below another one.
    fn check_alone(&self, path: &MemoryPath) -> Result<(), LedgerError> {
        let text = path.as_str();
        let at = |text: &str| self.lines.partition_point(|line| line_order(line, text).is_lt());
        let refuse = |at: usize, why| Err(LedgerError::Manifest { line: at + 1, why });
        let first = at(text);
        let is = |at: usize, text: &str| matches!(self.lines.get(at), Some(Line::Memory { path, .. }) if path.as_str() == text);
        if is(first + 1, text) {
            return refuse(first + 1, "paths are not ascending and unique");
        }
        let ancestor = "another path is an ancestor of this one";
        if text.match_indices('/').skip(1).any(|(slash, _)| is(at(&text[..slash]), &text[..slash])) {
            return refuse(first, ancestor);
        }
        let below = format!("{text}/");
        let next = at(&below);
        match self.lines.get(next) {
            Some(Line::Memory { path, .. }) if path.as_str().starts_with(&below) => refuse(next, ancestor),
            _ => Ok(()),
        }
    }
    /// Reads the one allowed form.
    ///
    /// Errors: refused, [`LedgerError::Manifest`] with the line.
    pub fn parse(bytes: &[u8]) -> Result<Self, LedgerError> {
        let refuse = |line, why| LedgerError::Manifest { line, why };
        let text = std::str::from_utf8(bytes).map_err(|_| refuse(1, "not UTF-8"))?;
        if text.is_empty() {
            return Ok(Self::default());
        }
        let text = text.strip_suffix('\n').ok_or_else(|| refuse(text.lines().count(), "no line feed at the end"))?;
        let mut lines = Vec::new();
        for (at, line) in text.split('\n').enumerate() {
            lines.push(parse_line(line).map_err(|why| refuse(at + 1, why))?);
        }
        check_lines(&lines)?;
        let leaves = lines.iter().map(Line::leaf_hash).collect();
        Ok(Self::of(lines, leaves))
    }
    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.lines.iter().flat_map(|line| (line.text() + "\n").into_bytes()).collect()
    }
    /// The lines, in order.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }
    /// The line of a path and its one-based number.
    pub fn line_of(&self, path: &MemoryPath) -> Option<(usize, &Line)> {
        let hit = |line: &&Line| matches!(line, Line::Memory { path: other, .. } if other == path);
        self.lines.iter().enumerate().map(|(at, line)| (at + 1, line)).find(|(_, line)| hit(line))
    }
    /// The lines that another manifest has not, and their paths. Both are in order: cost linear in lines.
    pub fn beyond<'m>(&'m self, other: &'m Self) -> Vec<(&'m MemoryPath, &'m Line)> {
        let mut rest = other.lines.iter().filter(|line| matches!(line, Line::Memory { .. })).peekable();
        let mut out = Vec::new();
        for line in &self.lines {
            let Line::Memory { path, .. } = line else { continue };
            let before = |old: &&Line| matches!(old, Line::Memory { path: old, .. } if path_order(old, path).is_lt());
            while rest.next_if(before).is_some() {}
            if rest.peek().is_none_or(|old| **old != *line) {
                out.push((path, line));
            }
        }
        out
    }
    /// The leaf hashes, in order.
    pub fn leaf_hashes(&self) -> Vec<Digest> {
        self.leaves.clone()
    }
    /// The root over the leaf hashes.
    pub const fn root(&self) -> &Digest {
        &self.root
    }
    /// The head for a store.
    pub fn head(&self, store: &StoreName) -> Head {
        Head::new(store, self.lines.len() as u64, self.root)
    }
    /// The same manifest with the lines of these leaf hashes redacted.
    #[must_use]
    pub fn redacted(&self, erased: &BTreeSet<Digest>) -> Self {
        let redact = |line: &Line| {
            let hash = line.leaf_hash();
            if erased.contains(&hash) { Line::Redacted(hash) } else { line.clone() }
        };
        // A redacted line has the leaf hash of the line it stands for.
        let lines = self.lines.iter().map(redact).collect();
        Self { lines, leaves: self.leaves.clone(), root: self.root }
    }
    /// Checks a stored manifest against its stored head: forms, root, and that every redacted line is covered
    /// by a logged erasure.
    ///
    /// Errors: refused: [`LedgerError::Manifest`], [`LedgerError::Root`], [`LedgerError::Redaction`].
    pub fn verify(
        bytes: &[u8],
        head: &[u8],
        store: &StoreName,
        erased: &BTreeSet<Digest>,
    ) -> Result<Self, LedgerError> {
        let manifest = Self::parse(bytes)?;
        if manifest.head(store).to_bytes() != head {
            return Err(LedgerError::Root);
        }
        for (at, line) in manifest.lines.iter().enumerate() {
            if matches!(line, Line::Redacted(hash) if !erased.contains(hash)) {
                return Err(LedgerError::Redaction { line: at + 1 });
            }
        }
        Ok(manifest)
    }
}

fn parse_line(line: &str) -> Result<Line, &'static str> {
    let hash = |text: &str| text.parse::<Digest>().map_err(|_| "a hash is 64 lower-case hex digits");
    match line.split(' ').collect::<Vec<_>>()[..] {
        ["m", path, content, provenance] => Ok(Line::Memory {
            path: decode_path(path).ok_or("not a lawful path in its one encoding")?,
            content: hash(content)?,
            provenance: hash(provenance)?,
        }),
        ["r", leaf] => Ok(Line::Redacted(hash(leaf)?)),
        _ => Err("neither an m nor an r line"),
    }
}

fn check_lines(lines: &[Line]) -> Result<(), LedgerError> {
    let mut seen = BTreeSet::new();
    let mut last: Option<String> = None;
    for (at, line) in lines.iter().enumerate() {
        let Line::Memory { path, .. } = line else { continue };
        let encoded = encode_path(path);
        if last.as_ref().is_some_and(|last| *last >= encoded) {
            return Err(LedgerError::Manifest { line: at + 1, why: "paths are not ascending and unique" });
        }
        seen.insert(path.as_str());
        last = Some(encoded);
    }
    // Any ancestor, not just the neighbour: `/a`, `/a-b`, `/a/b` sorts a sibling in between.
    for (at, line) in lines.iter().enumerate() {
        let Line::Memory { path, .. } = line else { continue };
        let path = path.as_str();
        if path.match_indices('/').any(|(slash, _)| seen.contains(&path[..slash])) {
            return Err(LedgerError::Manifest { line: at + 1, why: "another path is an ancestor of this one" });
        }
    }
    Ok(())
}

/// The three lines that fix a version's content: a checkpoint body without signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    store: StoreName,
    size: u64,
    root: Digest,
}

impl Head {
    /// A head from its parts.
    pub fn new(store: &StoreName, size: u64, root: Digest) -> Self {
        Self { store: store.clone(), size, root }
    }
    /// Number of manifest lines.
    pub const fn size(&self) -> u64 {
        self.size
    }
    /// The tree root over the lines.
    pub const fn root(&self) -> &Digest {
        &self.root
    }
    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        format!("{}/manifest\n{}\n{}\n", self.store, self.size, BASE64.encode(&self.root.0)).into_bytes()
    }
    /// The subject digest of every statement about the version.
    pub fn digest(&self) -> Digest {
        Digest::of(self.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_path_has_one_encoding_that_reads_back(text in "(/[^/\\x00-\\x1f]{1,8}){1,4}") {
            if let Ok(path) = MemoryPath::parse(&text) {
                let encoded = encode_path(&path);
                prop_assert!(encoded.bytes().all(|b| b.is_ascii_graphic()));
                prop_assert_eq!(decode_path(&encoded), Some(path));
            }
        }
        #[test]
        fn paths_are_ordered_as_their_encodings(one in "(/[a-c%~ é日.-]{1,3}){1,3}", other in "(/[a-c%~ é日.-]{1,3}){1,3}") {
            if let (Ok(one), Ok(other)) = (MemoryPath::parse(&one), MemoryPath::parse(&other)) {
                prop_assert_eq!(path_order(&one, &other), encode_path(&one).cmp(&encode_path(&other)));
            }
        }
        #[test]
        fn a_changed_manifest_is_the_one_built_from_the_same_lines(
            old in prop::collection::btree_set("/[ab%~ ]{1,2}(/[ab]{1,2})?", 0..12),
            gone in prop::collection::btree_set("/[ab%~ ]{1,2}(/[ab]{1,2})?", 0..6),
            fresh in prop::collection::btree_set("/[ab%~ ]{1,2}(/[ab]{1,2})?", 0..6),
        ) {
            let line = |path: &MemoryPath, salt: u8| Line::Memory {
                path: path.clone(),
                content: Salt::new([salt; 32]).commit(Label::Content, path.as_str().as_bytes()),
                provenance: Salt::new([salt; 32]).commit(Label::Provenance, b"{}"),
            };
            let parse = |texts: &BTreeSet<String>| -> Vec<MemoryPath> {
                texts.iter().filter_map(|text| MemoryPath::parse(text).ok()).collect()
            };
            let (old, gone, fresh) = (parse(&old), parse(&gone), parse(&fresh));
            let Ok(base) = Manifest::build(old.iter().map(|path| line(path, 1)).collect()) else { return Ok(()) };
            let stays = |path: &MemoryPath| !gone.contains(path) && !fresh.contains(path);
            let new: Vec<Line> = fresh.iter().map(|path| line(path, 2)).collect();
            let all: Vec<Line> =
                old.iter().filter(|path| stays(path)).map(|path| line(path, 1)).chain(new.clone()).collect();
            match (base.changed(stays, new), Manifest::build(all)) {
                (Ok(one), Ok(other)) => prop_assert_eq!(one, other),
                (one, other) => prop_assert!(one.is_err() && other.is_err(), "{one:?} beside {other:?}"),
            }
        }
        #[test]
        fn a_changed_byte_changes_the_root_or_is_refused(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let store = StoreName::from("memgate.example/stores/t");
            let salt = Salt::new([7; 32]);
            let lines = ["/a/b", "/a-b", "/z \u{e9}"].map(|path| Line::Memory {
                path: MemoryPath::parse(path).unwrap(),
                content: salt.commit(Label::Content, path.as_bytes()),
                provenance: salt.commit(Label::Provenance, b"{}"),
            });
            let manifest = Manifest::build(lines.to_vec()).unwrap();
            let head = manifest.head(&store).to_bytes();
            let mut bytes = manifest.to_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(Manifest::verify(&bytes, &head, &store, &BTreeSet::new()).is_err());
        }
    }
}
