//! Entry bundles and write-ahead records: entries as bytes on disk.

use sha2::{Digest as _, Sha256};

/// An entry as a bundle holds it: two length bytes, then the bytes. Source: C2SP tlog-tiles.
pub(crate) fn write_entry(entry: &[u8], out: &mut Vec<u8>) {
    // Envelopes are at most 65,535 bytes, checked when they are read.
    out.extend_from_slice(&(entry.len().min(65_535) as u16).to_be_bytes());
    out.extend_from_slice(entry);
}

/// The entries of a bundle; `None` when it is cut short or has bytes left over.
pub fn read_entries(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        entries.push(entry);
        bytes = rest;
    }
    Some(entries)
}

/// One batch in the write-ahead file.
///
/// Shape: `start` and body length (u64, big-endian each), the body as a bundle, SHA-256 of all before it.
pub(crate) fn write_record(start: u64, entries: &[Vec<u8>]) -> Vec<u8> {
    let mut body = Vec::new();
    entries.iter().for_each(|entry| write_entry(entry, &mut body));
    let mut record = start.to_be_bytes().to_vec();
    record.extend_from_slice(&(body.len() as u64).to_be_bytes());
    record.extend_from_slice(&body);
    let digest: [u8; 32] = Sha256::digest(&record).into();
    record.extend_from_slice(&digest);
    record
}

/// Index of the first entry, and the entries.
pub(crate) type Batch = (u64, Vec<Vec<u8>>);

/// The complete records of a write-ahead file; a torn one ends the reading.
pub(crate) fn read_records(bytes: &[u8]) -> Vec<Batch> {
    let mut records = Vec::new();
    let mut rest = bytes;
    while let Some((record, after)) = read_record(rest) {
        records.push(record);
        rest = after;
    }
    records
}

fn read_record(bytes: &[u8]) -> Option<(Batch, &[u8])> {
    let (start, rest) = bytes.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
    let (body, rest) = rest.split_at_checked(length)?;
    let (digest, rest) = rest.split_first_chunk::<32>()?;
    let expected: [u8; 32] = Sha256::digest(&bytes[..16 + length]).into();
    if expected != *digest {
        return None;
    }
    let entries = read_entries(body)?.into_iter().map(<[u8]>::to_vec).collect();
    Some(((u64::from_be_bytes(*start), entries), rest))
}
