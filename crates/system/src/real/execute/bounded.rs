//! What is kept of an output without end: its first and its last part, and the count of the rest.

use std::collections::VecDeque;

/// Of each end.
const KEPT: usize = 1024 * 1024;

/// An output, bounded.
#[derive(Default)]
pub(super) struct Bounded {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: u64,
}

impl Bounded {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let room = KEPT - self.head.len();
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(first);
        self.tail.extend(rest);
        let excess = self.tail.len().saturating_sub(KEPT);
        self.tail.drain(..excess);
        self.left_out += excess as u64;
    }

    pub(super) fn finish(self) -> Vec<u8> {
        let mut whole = self.head;
        if self.left_out > 0 {
            whole.extend(format!("\n[{} bytes left out]\n", self.left_out).into_bytes());
        }
        whole.extend(self.tail);
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_output_is_whole() {
        let mut bounded = Bounded::default();
        bounded.add(b"one ");
        bounded.add(b"two");
        assert_eq!(bounded.finish(), b"one two");
    }

    #[test]
    fn long_output_keeps_both_ends_and_counts_the_rest() {
        let mut bounded = Bounded::default();
        bounded.add(b"first");
        for _ in 0..50 {
            bounded.add(&vec![b'x'; 100_000]);
        }
        bounded.add(b"last");
        let text = String::from_utf8(bounded.finish()).expect("ASCII");
        assert!(text.starts_with("firstx") && text.ends_with("xlast"));
        let left_out = 5 + 5_000_000 + 4 - 2 * KEPT;
        assert!(text.contains(&format!("\n[{left_out} bytes left out]\n")));
    }
}
