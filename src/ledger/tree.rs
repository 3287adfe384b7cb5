//! The Merkle tree of RFC 6962 section 2.1, its proofs (RFC 9162 section 2.1), and its tiles.

use sha2::{Digest as _, Sha256};

use super::LedgerError;
use crate::domain::Digest;

/// Hashes in a full tile. Source: C2SP tlog-tiles.
pub const TILE_WIDTH: u64 = 256;
/// Tree levels in one tile.
const TILE_HEIGHT: usize = 8;

/// Hash of one leaf: `SHA-256(0x00 || data)`.
pub fn leaf_hash(data: &[u8]) -> Digest {
    Digest(Sha256::new().chain_update([0]).chain_update(data).finalize().into())
}

/// Hash of an inner node: `SHA-256(0x01 || left || right)`.
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    Digest(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
}

/// Root of the tree over some leaf hashes.
pub fn root_of(leaves: impl IntoIterator<Item = Digest>) -> Digest {
    let mut tree = Tree::default();
    for leaf in leaves {
        tree.push(leaf);
    }
    tree.root()
}

/// All complete subtrees over the leaves pushed so far.
///
/// Cost: 64 bytes a leaf; a push is amortised constant, roots and proofs are logarithmic.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// `levels[k][i]` covers leaves `i*2^k .. (i+1)*2^k`.
    levels: Vec<Vec<Digest>>,
}

impl Tree {
    /// Adds a leaf.
    pub fn push(&mut self, leaf: Digest) {
        let mut hash = leaf;
        let mut level = 0;
        loop {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let row = &mut self.levels[level];
            row.push(hash);
            let count = row.len();
            if count % 2 == 1 {
                return;
            }
            hash = node_hash(&row[count - 2], &row[count - 1]);
            level += 1;
        }
    }
    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |row| row.len() as u64)
    }
    /// Forgets all leaves from `size` on.
    pub fn truncate(&mut self, size: u64) {
        for (level, row) in self.levels.iter_mut().enumerate() {
            row.truncate(usize::try_from(size >> level).unwrap_or(usize::MAX));
        }
    }
    /// The leaf hash at an index.
    pub fn leaf(&self, index: u64) -> Option<Digest> {
        self.levels.first()?.get(usize::try_from(index).ok()?).copied()
    }
    /// The root over all leaves.
    pub fn root(&self) -> Digest {
        self.range(0, self.size()).unwrap_or_else(|| Digest::of(b""))
    }
    /// The root over the first `size` leaves; `None` when there are fewer.
    pub fn root_at(&self, size: u64) -> Option<Digest> {
        if size == 0 {
            return Some(Digest::of(b""));
        }
        (size <= self.size()).then(|| self.range(0, size)).flatten()
    }
    /// Root over leaves `start..end`, where `start` is aligned as RFC 6962 splits are. `None` when empty.
    fn range(&self, start: u64, end: u64) -> Option<Digest> {
        // Collect the complete subtrees from the left, then fold them from the right.
        let mut parts = Vec::new();
        let mut at = start;
        while at < end {
            let level = (end - at).ilog2().min(if at == 0 { 63 } else { at.trailing_zeros() });
            let row = self.levels.get(level as usize)?;
            parts.push(*row.get(usize::try_from(at >> level).ok()?)?);
            at += 1 << level;
        }
        let mut parts = parts.into_iter().rev();
        let last = parts.next()?;
        Some(parts.fold(last, |right, left| node_hash(&left, &right)))
    }
    /// The sibling hashes that lead from leaf `index` to the root over `size` leaves. RFC 9162, 2.1.3.1.
    pub fn inclusion_proof(&self, index: u64, size: u64) -> Option<Vec<Digest>> {
        if index >= size || size > self.size() {
            return None;
        }
        let (mut start, mut end) = (0, size);
        let mut proof = Vec::new();
        while end - start > 1 {
            let split = start + split_of(end - start);
            if index < split {
                proof.push(self.range(split, end)?);
                end = split;
            } else {
                proof.push(self.range(start, split)?);
                start = split;
            }
        }
        proof.reverse();
        Some(proof)
    }
    /// The hashes that show the first `old` of `new` leaves to be unchanged. RFC 9162, 2.1.4.1.
    pub fn consistency_proof(&self, old: u64, new: u64) -> Option<Vec<Digest>> {
        if old > new || new > self.size() {
            return None;
        }
        if old == 0 || old == new {
            return Some(Vec::new());
        }
        let (mut start, mut end) = (0, new);
        let mut proof = Vec::new();
        // `old` stays inside start..=end; `whole` says that old's part began at 0 and needs no hash of its own.
        let mut whole = true;
        while old != end {
            let split = start + split_of(end - start);
            if old <= split {
                proof.push(self.range(split, end)?);
                end = split;
            } else {
                proof.push(self.range(start, split)?);
                start = split;
                whole = false;
            }
        }
        if !whole {
            proof.push(self.range(start, end)?);
        }
        proof.reverse();
        Some(proof)
    }
    /// The bytes of one tile of the tree over `size` leaves: up to 256 hashes. `None` when there are fewer.
    pub fn tile(&self, tile: Tile) -> Option<Vec<u8>> {
        let row = self.levels.get(TILE_HEIGHT.checked_mul(usize::from(tile.level))?)?;
        let start = usize::try_from(tile.index.checked_mul(TILE_WIDTH)?).ok()?;
        let hashes = row.get(start..start.checked_add(usize::from(tile.width))?)?;
        Some(hashes.iter().flat_map(|hash| hash.0).collect())
    }
}

/// The largest power of two smaller than `count`, which is at least 2.
const fn split_of(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// One tile of the hash tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tile {
    /// Tile level: 0 holds leaf hashes, 1 the roots of 256 leaves each, and so on.
    pub level: u8,
    /// Number of the tile in its level.
    pub index: u64,
    /// Hashes in it, 1 to 256.
    pub width: u16,
}

impl Tile {
    /// The path below the log's folder, e.g. `tile/0/x001/234.p/44`.
    pub fn path(&self) -> String {
        format!("tile/{}/{}", self.level, numbered(self.index, self.width))
    }
    /// All tiles that appear or grow when a tree grows from `old` to `new` leaves, lowest level first.
    pub fn grown(old: u64, new: u64) -> Vec<Self> {
        let mut tiles = Vec::new();
        for level in 0..8_u8 {
            let (before, after) = (old >> (8 * level), new >> (8 * level));
            if after == 0 {
                break;
            }
            tiles.extend(widths(before, after).map(|(index, width)| Self { level, index, width }));
        }
        tiles
    }
}

/// Path of an entry bundle, e.g. `tile/entries/000.p/5`.
pub fn entries_path(index: u64, width: u16) -> String {
    format!("tile/entries/{}", numbered(index, width))
}

/// Entry bundles that appear or grow when a log grows from `old` to `new` entries: number and width.
pub fn grown_bundles(old: u64, new: u64) -> Vec<(u64, u16)> {
    widths(old, new).collect()
}

fn widths(before: u64, after: u64) -> impl Iterator<Item = (u64, u16)> {
    let first = before / TILE_WIDTH;
    let last = if after > before { after.div_ceil(TILE_WIDTH) } else { first };
    (first..last).map(move |index| (index, (after - index * TILE_WIDTH).min(TILE_WIDTH) as u16))
}

/// Groups of three digits, all but the last with `x`; `.p/<width>` for a tile that is not full.
fn numbered(index: u64, width: u16) -> String {
    let mut text = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        text = format!("x{:03}/{text}", rest % 1000);
        rest /= 1000;
    }
    if u64::from(width) == TILE_WIDTH { text } else { format!("{text}.p/{width}") }
}

/// Checks that `leaf` is number `index` of the `size` leaves under `root`.
///
/// Errors: refused, [`LedgerError::Proof`]. Source: RFC 9162, section 2.1.3.2.
pub fn verify_inclusion(
    index: u64,
    size: u64,
    leaf: &Digest,
    proof: &[Digest],
    root: &Digest,
) -> Result<(), LedgerError> {
    // Step 1.
    if index >= size {
        return Err(LedgerError::Proof { why: "index outside the tree" });
    }
    // Steps 2 and 3.
    let (mut fn_, mut sn) = (index, size - 1);
    let mut hash = *leaf;
    // Step 4.
    for sibling in proof {
        if sn == 0 {
            return Err(LedgerError::Proof { why: "too many hashes" });
        }
        if fn_ & 1 == 1 || fn_ == sn {
            hash = node_hash(sibling, &hash);
            if fn_ & 1 == 0 {
                let zeros = fn_.trailing_zeros().min(63);
                fn_ >>= zeros;
                sn >>= zeros;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        fn_ >>= 1;
        sn >>= 1;
    }
    // Step 5.
    if sn != 0 {
        return Err(LedgerError::Proof { why: "too few hashes" });
    }
    if hash == *root { Ok(()) } else { Err(LedgerError::Proof { why: "does not lead to the root" }) }
}

/// Checks that a tree of `new` leaves continues one of `old` leaves.
///
/// Errors: refused: [`LedgerError::Shrink`], [`LedgerError::Fork`]. Source: RFC 9162, section 2.1.4.2.
pub fn verify_consistency(
    old: u64,
    old_root: &Digest,
    new: u64,
    new_root: &Digest,
    proof: &[Digest],
) -> Result<(), LedgerError> {
    let fork = LedgerError::Fork { size: old };
    if new < old {
        return Err(LedgerError::Shrink { old, new });
    }
    let empty = Digest::of(b"");
    if (old == 0 && *old_root != empty) || (new == 0 && *new_root != empty) {
        return Err(fork);
    }
    if old == 0 || old == new {
        return if proof.is_empty() && (old == 0 || old_root == new_root) { Ok(()) } else { Err(fork) };
    }
    // Steps 1 and 2: a complete old tree is its own first hash.
    let mut path = proof.iter();
    let first = if old.is_power_of_two() {
        *old_root
    } else {
        match path.next() {
            Some(first) => *first,
            None => return Err(fork),
        }
    };
    // Steps 3 and 4.
    let (mut fn_, mut sn) = (old - 1, new - 1);
    let ones = fn_.trailing_ones().min(63);
    fn_ >>= ones;
    sn >>= ones;
    // Steps 5 and 6.
    let (mut fr, mut sr) = (first, first);
    for hash in path {
        if sn == 0 {
            return Err(fork);
        }
        if fn_ & 1 == 1 || fn_ == sn {
            fr = node_hash(hash, &fr);
            sr = node_hash(hash, &sr);
            if fn_ & 1 == 0 {
                let zeros = fn_.trailing_zeros().min(63);
                fn_ >>= zeros;
                sn >>= zeros;
            }
        } else {
            sr = node_hash(&sr, hash);
        }
        fn_ >>= 1;
        sn >>= 1;
    }
    // Step 7.
    if sn == 0 && fr == *old_root && sr == *new_root { Ok(()) } else { Err(fork) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn leaves(count: u64) -> Vec<Digest> {
        (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
    }
    /// The definition of RFC 6962, section 2.1, word by word.
    fn naive(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => Digest::of(b""),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(split_of(leaves.len() as u64) as usize);
                node_hash(&naive(left), &naive(right))
            }
        }
    }

    #[test]
    fn every_root_and_every_inclusion_up_to_600_leaves_holds() {
        let all = leaves(600);
        let mut tree = Tree::default();
        for size in 1..=600_u64 {
            tree.push(all[size as usize - 1]);
            let root = tree.root();
            if size <= 64 || size % 37 == 0 {
                assert_eq!(root, naive(&all[..size as usize]));
            }
            for index in 0..size {
                let proof = tree.inclusion_proof(index, size).unwrap();
                verify_inclusion(index, size, &all[index as usize], &proof, &root).unwrap();
            }
        }
        for size in 0..=600 {
            assert_eq!(tree.root_at(size).unwrap(), root_of(all[..size as usize].iter().copied()));
        }
    }

    #[test]
    fn every_consistency_up_to_130_leaves_holds_and_no_wrong_pair_does() {
        let all = leaves(130);
        let mut tree = Tree::default();
        all.iter().for_each(|leaf| tree.push(*leaf));
        for new in 0..=130 {
            for old in 0..=new {
                let (a, b) = (tree.root_at(old).unwrap(), tree.root_at(new).unwrap());
                let proof = tree.consistency_proof(old, new).unwrap();
                verify_consistency(old, &a, new, &b, &proof).unwrap();
                if old > 0 {
                    let other = Digest::of(b"other");
                    assert!(verify_consistency(old, &other, new, &b, &proof).is_err());
                    assert!(verify_consistency(old, &a, new, &other, &proof).is_err());
                    if old > 1 {
                        assert!(verify_consistency(old - 1, &a, new, &b, &proof).is_err(), "{old} {new}");
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn one_changed_bit_breaks_a_proof(size in 2_u64..300, at in any::<prop::sample::Index>(), bit in 0_usize..256) {
            let all = leaves(size);
            let mut tree = Tree::default();
            all.iter().for_each(|leaf| tree.push(*leaf));
            let index = at.index(size as usize) as u64;
            let mut proof = tree.inclusion_proof(index, size).unwrap();
            let which = at.index(proof.len());
            proof[which].0[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(verify_inclusion(index, size, &all[index as usize], &proof, &tree.root()).is_err());
        }
        #[test]
        fn tiles_grown_in_random_batches_equal_a_rebuild(batches in prop::collection::vec(1_u64..400, 1..6)) {
            let mut tree = Tree::default();
            let mut files = std::collections::BTreeMap::new();
            for batch in batches {
                let old = tree.size();
                leaves(old + batch)[old as usize..].iter().for_each(|leaf| tree.push(*leaf));
                for tile in Tile::grown(old, tree.size()) {
                    let bytes = tree.tile(tile).unwrap();
                    let previous = files.insert(tile.path(), bytes.clone());
                    prop_assert!(previous.is_none_or(|p| p == bytes), "a path was rewritten");
                }
            }
            for tile in Tile::grown(0, tree.size()) {
                prop_assert_eq!(files.get(&tile.path()).cloned(), tree.tile(tile));
            }
        }
    }

    #[test]
    fn sizes_at_the_end_of_64_bits_do_not_overflow() {
        let hash = leaf_hash(b"");
        for index in [0, 1, u64::MAX - 1, u64::MAX] {
            for size in [0, 1, u64::MAX - 1, u64::MAX] {
                for length in [0, 1, 63, 64, 65] {
                    assert!(verify_inclusion(index, size, &hash, &vec![hash; length], &Digest::of(b"")).is_err());
                    let _ = verify_consistency(index, &hash, size, &Digest::of(b"x"), &vec![hash; length]);
                }
            }
        }
    }

    #[test]
    fn tile_paths_have_groups_of_three_digits() {
        assert_eq!(Tile { level: 0, index: 1_234_067, width: 256 }.path(), "tile/0/x001/x234/067");
        assert_eq!(Tile { level: 1, index: 0, width: 1 }.path(), "tile/1/000.p/1");
        assert_eq!(entries_path(1, 44), "tile/entries/001.p/44");
    }
}
