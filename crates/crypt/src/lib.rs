//! crypt(3): the hashes of passwords that `/etc/shadow` and web servers keep. SHA-crypt and MD5-crypt are here, bcrypt is a
//! crate's. Knows nothing of templates, modules and files.

mod entry;

pub use entry::{Scheme, Unknown, verify};
use md5::Md5;
use sha2::{Digest, Sha256, Sha512};

/// The alphabet of crypt(3).
pub const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The order in which the bytes of a digest are written, three at a time.
const SHA512_ORDER: [usize; 63] = [
    0, 21, 42, 22, 43, 1, 44, 2, 23, 3, 24, 45, 25, 46, 4, 47, 5, 26, 6, 27, 48, 28, 49, 7, 50, 8,
    29, 9, 30, 51, 31, 52, 10, 53, 11, 32, 12, 33, 54, 34, 55, 13, 56, 14, 35, 15, 36, 57, 37, 58,
    16, 59, 17, 38, 18, 39, 60, 40, 61, 19, 62, 20, 41,
];
const SHA256_ORDER: [usize; 30] = [
    0, 10, 20, 21, 1, 11, 12, 22, 2, 3, 13, 23, 24, 4, 14, 15, 25, 5, 6, 16, 26, 27, 7, 17, 18, 28,
    8, 9, 19, 29,
];

const MD5_ORDER: [usize; 15] = [0, 6, 12, 1, 7, 13, 2, 8, 14, 3, 9, 15, 4, 10, 5];

/// The hash of `$5$`.
pub fn sha256(key: &[u8], salt: &[u8], rounds: u32) -> String {
    encoded(&sha_crypt::<Sha256>(key, salt, rounds), &SHA256_ORDER)
}

/// The hash of `$6$`.
pub fn sha512(key: &[u8], salt: &[u8], rounds: u32) -> String {
    encoded(&sha_crypt::<Sha512>(key, salt, rounds), &SHA512_ORDER)
}

/// The hash of `$1$`, by Poul-Henning Kamp; Apache's variant has the magic `$apr1$`.
pub fn md5(key: &[u8], salt: &[u8], magic: &str) -> String {
    let first = Md5::new().chain_update(key).chain_update(salt).chain_update(key).finalize();
    let mut digest = Md5::new().chain_update(key).chain_update(magic).chain_update(salt);
    digest.update(repeated(&first, key.len()));
    let mut count = key.len();
    while count > 0 {
        digest.update(if count & 1 == 1 { &[0][..] } else { &key[..1] });
        count >>= 1;
    }
    let mut last = digest.finalize().to_vec();
    for round in 0..1000 {
        let odd = round & 1 == 1;
        let mut digest = Md5::new();
        digest.update(if odd { key } else { &last });
        if round % 3 != 0 {
            digest.update(salt);
        }
        if round % 7 != 0 {
            digest.update(key);
        }
        digest.update(if odd { &last } else { key });
        last = digest.finalize().to_vec();
    }
    encoded(&last, &MD5_ORDER)
}

/// Ulrich Drepper's SHA-crypt.
fn sha_crypt<D: Digest>(key: &[u8], salt: &[u8], rounds: u32) -> Vec<u8> {
    let first = D::new().chain_update(key).chain_update(salt).chain_update(key).finalize();
    let mut digest = D::new();
    digest.update(key);
    digest.update(salt);
    digest.update(repeated(&first, key.len()));
    let mut count = key.len();
    while count > 0 {
        if count & 1 == 1 {
            digest.update(&first);
        } else {
            digest.update(key);
        }
        count >>= 1;
    }
    let mut last = digest.finalize().to_vec();
    let mut keys = D::new();
    for _ in 0..key.len() {
        keys.update(key);
    }
    let keys = repeated(&keys.finalize(), key.len());
    let mut salts = D::new();
    for _ in 0..16 + usize::from(last[0]) {
        salts.update(salt);
    }
    let salts = repeated(&salts.finalize(), salt.len());
    for round in 0..rounds {
        let odd = round & 1 == 1;
        let mut digest = D::new();
        digest.update(if odd { &keys } else { &last });
        if round % 3 != 0 {
            digest.update(&salts);
        }
        if round % 7 != 0 {
            digest.update(&keys);
        }
        digest.update(if odd { &last } else { &keys });
        last = digest.finalize().to_vec();
    }
    last
}

fn repeated(bytes: &[u8], len: usize) -> Vec<u8> {
    bytes.iter().copied().cycle().take(len).collect()
}

fn encoded(digest: &[u8], order: &[usize]) -> String {
    let mut out = String::new();
    let mut write = |mut word: u32, letters: usize| {
        for _ in 0..letters {
            out.push(char::from(ALPHABET[(word & 63) as usize]));
            word >>= 6;
        }
    };
    let byte = |at: usize| u32::from(digest[at]);
    for group in order.chunks_exact(3) {
        write(byte(group[0]) << 16 | byte(group[1]) << 8 | byte(group[2]), 4);
    }
    match digest.len() {
        64 => write(byte(63), 2),
        32 => write(byte(31) << 8 | byte(30), 3),
        _ => write(byte(11), 2),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_published_vectors() {
        let key = b"Hello world!";
        assert_eq!(
            sha512(key, b"saltstring", 5000),
            "svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"
        );
        assert_eq!(sha256(key, b"saltstring", 5000), "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5");
    }
}
