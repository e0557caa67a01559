//! The form of a journal: records with their length and checksum in front, only ever appended. No files here.
//!
//! ```text
//! record = length of the payload, crc32 of the payload, crc32 of these two (each u32, little-endian), payload
//! ```

/// Before each payload.
const HEADER: usize = 12;

/// What a journal holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parsed<'a> {
    /// The payloads of its whole records.
    pub(crate) records: Vec<&'a [u8]>,
    /// Bytes up to the end of the last of them.
    pub(crate) good: usize,
    /// What comes after.
    pub(crate) tail: Tail,
}

/// What comes after the last whole record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Nothing.
    Clean,
    /// A record whose writing was interrupted: it was never relied on and can be cut off.
    Torn,
    /// Something else: bytes that were whole once, and more behind them.
    Damaged,
}

/// A record, ready to be appended.
pub(crate) fn record(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("payloads are smaller than a message");
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Reads a journal from its start.
pub(crate) fn parse(bytes: &[u8]) -> Parsed<'_> {
    let mut records = Vec::new();
    let mut rest = bytes;
    while let Start::Record(payload, after) = start(rest) {
        records.push(payload);
        rest = after;
    }
    let tail = match rest {
        [] => Tail::Clean,
        _ if is_torn(rest) => Tail::Torn,
        _ => Tail::Damaged,
    };
    Parsed { records, good: bytes.len() - rest.len(), tail }
}

/// What stands at the start of some bytes.
enum Start<'a> {
    Record(&'a [u8], &'a [u8]),
    /// A whole header, but the payload is cut short, or it is the last one and was not all written.
    Interrupted,
    Other,
}

fn start(bytes: &[u8]) -> Start<'_> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else { return Start::Other };
    let [length, crc, own] = [0, 4, 8].map(|at| number(&header[at..at + 4]));
    // An empty record is never written; zeros are what a file system leaves of an unfinished append.
    if length == 0 || crc32fast::hash(&header[..8]) != own {
        return Start::Other;
    }
    match rest.split_at_checked(length as usize) {
        Some((payload, rest)) if crc32fast::hash(payload) == crc => Start::Record(payload, rest),
        Some((_, rest)) if !rest.is_empty() => Start::Other,
        _ => Start::Interrupted,
    }
}

/// Whether these bytes can be what an interrupted append left.
fn is_torn(rest: &[u8]) -> bool {
    rest.len() < HEADER
        || rest.iter().all(|byte| *byte == 0)
        || matches!(start(rest), Start::Interrupted)
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, byte| (number << 8) | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal() -> Vec<u8> {
        [b"plan".as_slice(), b"started 0", b"finished 0"].map(record).concat()
    }

    #[test]
    fn records_survive() {
        let bytes = journal();
        let parsed = parse(&bytes);
        assert_eq!(parsed.records, [b"plan".as_slice(), b"started 0", b"finished 0"]);
        assert_eq!((parsed.good, parsed.tail), (bytes.len(), Tail::Clean));
    }

    /// Where the records of [`journal`] end.
    const ENDS: [usize; 4] = [0, 16, 37, 59];

    #[test]
    fn a_torn_tail_is_told_at_every_cut() {
        let bytes = journal();
        assert_eq!(bytes.len(), ENDS[3]);
        for cut in 0..bytes.len() {
            let parsed = parse(&bytes[..cut]);
            let whole = ENDS[1..].iter().filter(|end| **end <= cut).count();
            assert_eq!((parsed.records.len(), parsed.good), (whole, ENDS[whole]), "cut at {cut}");
            let expected = if ENDS.contains(&cut) { Tail::Clean } else { Tail::Torn };
            assert_eq!(parsed.tail, expected, "cut at {cut}");
        }
    }

    #[test]
    fn data_that_never_reached_the_disk_is_a_torn_tail() {
        let mut bytes = journal();
        bytes[ENDS[2] + HEADER + 2..].fill(0);
        assert_eq!(parse(&bytes).tail, Tail::Torn);
        let mut bytes = journal();
        bytes.extend([0; 100]);
        assert_eq!((parse(&bytes).records.len(), parse(&bytes).tail), (3, Tail::Torn));
    }

    #[test]
    fn a_changed_byte_before_the_last_record_is_damage() {
        for at in 0..ENDS[2] {
            let mut bytes = journal();
            bytes[at] ^= 0x40;
            let parsed = parse(&bytes);
            assert!(parsed.records.len() < 2, "changed at {at}");
            assert_eq!(parsed.tail, Tail::Damaged, "changed at {at}");
        }
    }
}
