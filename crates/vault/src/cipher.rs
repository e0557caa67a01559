//! The one cipher of the format: keys by PBKDF2 with SHA-256, AES-256 in counter mode, and an HMAC over the result.

use aes::Aes256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::Error;

/// How often the password is hashed; part of the format.
const ROUNDS: u32 = 10_000;
/// Content is padded to whole blocks, although the counter mode needs none.
const BLOCK: usize = 16;

/// What one password and one salt give.
struct Keys([u8; 80]);

impl Keys {
    fn derive(password: &[u8], salt: &[u8]) -> Self {
        let mut keys = [0; 80];
        pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, ROUNDS, &mut keys);
        Self(keys)
    }

    fn apply(&self, content: &mut [u8]) {
        let key: [u8; 32] = self.0[..32].try_into().expect("there are 80 bytes");
        let start: [u8; 16] = self.0[64..].try_into().expect("there are 80 bytes");
        Ctr128BE::<Aes256>::new(&key.into(), &start.into()).apply_keystream(content);
    }

    fn checksum(&self, content: &[u8]) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.0[32..64]);
        mac.expect("any length of key will do").chain_update(content)
    }
}

/// The checksum and the encrypted content.
pub(crate) fn encrypt(plain: &[u8], password: &[u8], salt: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let keys = Keys::derive(password, salt);
    let padding = BLOCK - plain.len() % BLOCK;
    let mut content = plain.to_vec();
    content.resize(plain.len() + padding, padding as u8);
    keys.apply(&mut content);
    (keys.checksum(&content).finalize().into_bytes().to_vec(), content)
}

/// The content, if the password fits; `None` if the checksum says that it does not.
pub(crate) fn decrypt(
    salt: &[u8],
    checksum: &[u8],
    content: &[u8],
    password: &[u8],
) -> Result<Option<Vec<u8>>, Error> {
    let keys = Keys::derive(password, salt);
    if keys.checksum(content).verify_slice(checksum).is_err() {
        return Ok(None);
    }
    let mut content = content.to_vec();
    keys.apply(&mut content);
    let padding = content.last().copied().map_or(0, usize::from);
    let length = content.len().checked_sub(padding).ok_or(Error::Padding)?;
    let is_valid = (1..=BLOCK).contains(&padding)
        && content[length..].iter().all(|byte| usize::from(*byte) == padding);
    if !is_valid {
        return Err(Error::Padding);
    }
    content.truncate(length);
    Ok(Some(content))
}
