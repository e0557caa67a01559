//! Python's `random.Random`, bit for bit: `random(seed=inventory_hostname)` must choose what it has always chosen.

use sha2::{Digest, Sha512};

const SIZE: usize = 624;
const PERIOD: usize = 397;

/// The Mersenne Twister with Python's ways to seed it and to draw from it.
pub(crate) struct Random {
    state: [u32; SIZE],
    at: usize,
}

impl Random {
    /// `random.Random('text')`: the text and its SHA-512 as one large number.
    pub(crate) fn from_text(text: &str) -> Self {
        let mut bytes = text.as_bytes().to_vec();
        bytes.extend_from_slice(&Sha512::digest(text.as_bytes()));
        bytes.reverse();
        let words = bytes
            .chunks(4)
            .map(|chunk| chunk.iter().rev().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)));
        Self::from_words(&trimmed(words.collect()))
    }

    /// `random.Random(42)`.
    pub(crate) fn from_int(seed: i128) -> Self {
        let mut magnitude = seed.unsigned_abs();
        let mut words = Vec::new();
        while magnitude > 0 {
            words.push(magnitude as u32);
            magnitude >>= 32;
        }
        Self::from_words(&trimmed(words))
    }

    /// Seeded by the system.
    pub(crate) fn from_system() -> Self {
        Self::from_int(uuid::Uuid::new_v4().as_u128() as i128)
    }

    fn from_words(key: &[u32]) -> Self {
        let mut state = [0; SIZE];
        state[0] = 19_650_218;
        for at in 1..SIZE {
            let previous: u32 = state[at - 1];
            state[at] =
                (previous ^ previous >> 30).wrapping_mul(1_812_433_253).wrapping_add(at as u32);
        }
        let (mut at, mut word) = (1, 0);
        for _ in 0..SIZE.max(key.len()) {
            let previous = state[at - 1];
            state[at] = (state[at] ^ (previous ^ previous >> 30).wrapping_mul(1_664_525))
                .wrapping_add(key[word])
                .wrapping_add(word as u32);
            at += 1;
            word = (word + 1) % key.len();
            if at >= SIZE {
                state[0] = state[SIZE - 1];
                at = 1;
            }
        }
        for _ in 0..SIZE - 1 {
            let previous = state[at - 1];
            state[at] = (state[at] ^ (previous ^ previous >> 30).wrapping_mul(1_566_083_941))
                .wrapping_sub(at as u32);
            at += 1;
            if at >= SIZE {
                state[0] = state[SIZE - 1];
                at = 1;
            }
        }
        state[0] = 0x8000_0000;
        Self { state, at: SIZE }
    }

    fn next(&mut self) -> u32 {
        if self.at >= SIZE {
            for at in 0..SIZE {
                let joined =
                    self.state[at] & 0x8000_0000 | self.state[(at + 1) % SIZE] & 0x7fff_ffff;
                let odd = if joined & 1 == 0 { 0 } else { 0x9908_b0df };
                self.state[at] = self.state[(at + PERIOD) % SIZE] ^ joined >> 1 ^ odd;
            }
            self.at = 0;
        }
        let mut word = self.state[self.at];
        self.at += 1;
        word ^= word >> 11;
        word ^= word << 7 & 0x9d2c_5680;
        word ^= word << 15 & 0xefc6_0000;
        word ^ word >> 18
    }

    fn bits(&mut self, count: u32) -> u64 {
        match count {
            0 => 0,
            1..=32 => u64::from(self.next() >> (32 - count)),
            _ => {
                let low = u64::from(self.next());
                low | u64::from(self.next() >> (64 - count)) << 32
            }
        }
    }

    /// A number below the end, as Python's `_randbelow` draws it.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        let count = 64 - end.leading_zeros();
        loop {
            let drawn = self.bits(count);
            if drawn < end {
                return drawn;
            }
        }
    }
}

/// Without leading zero words, but never empty.
fn trimmed(mut words: Vec<u32>) -> Vec<u32> {
    while words.len() > 1 && words.last() == Some(&0) {
        words.pop();
    }
    if words.is_empty() { vec![0] } else { words }
}
