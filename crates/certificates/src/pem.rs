//! PEM: armour around DER, with OpenSSL's old way of encrypting it.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Digest as _;

use crate::Error;

/// One armoured block.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    /// What it says it is, e.g. `CERTIFICATE`.
    pub label: String,
    /// The bytes, still encrypted if `encryption` is there.
    pub content: Vec<u8>,
    /// The value of the header `DEK-Info`.
    pub encryption: Option<String>,
}

/// The first block of a text whose label `is_wanted` likes.
pub(crate) fn find(text: &[u8], is_wanted: impl Fn(&str) -> bool) -> Option<Block> {
    let text = std::str::from_utf8(text).ok()?;
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix("-----BEGIN ").and_then(|l| l.strip_suffix("-----"))
        else {
            continue;
        };
        let end = format!("-----END {label}-----");
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
        if !is_wanted(label) {
            continue;
        }
        let header = body.iter().find_map(|line| line.strip_prefix("DEK-Info:"));
        let digits: String = body.iter().filter(|line| !line.contains(':')).copied().collect();
        return Some(Block {
            label: label.to_owned(),
            content: STANDARD.decode(digits).ok()?,
            encryption: header.map(|header| header.trim().to_owned()),
        });
    }
    None
}

/// The text of a block.
pub(crate) fn armour(label: &str, content: &[u8]) -> String {
    armour_with(label, "", content)
}

fn armour_with(label: &str, headers: &str, content: &[u8]) -> String {
    const WIDTH: usize = 64;
    let digits = STANDARD.encode(content);
    let mut text = format!("-----BEGIN {label}-----\n{headers}");
    for line in digits.as_bytes().chunks(WIDTH) {
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

/// The text of a block that a passphrase protects, as `openssl` did it before PKCS#8 (AES-256-CBC).
pub(crate) fn armour_encrypted(label: &str, content: &[u8], passphrase: &[u8]) -> String {
    let iv: [u8; 16] = rand::random();
    let key = stretched(passphrase, &iv, 32);
    let encryptor = cbc::Encryptor::<aes::Aes256>::new_from_slices(&key, &iv)
        .expect("the lengths are those of AES-256");
    let sealed = encryptor.encrypt_padded_vec::<Pkcs7>(content);
    let iv: String = iv.iter().map(|byte| format!("{byte:02X}")).collect();
    let headers = format!("Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,{iv}\n\n");
    armour_with(label, &headers, &sealed)
}

/// The bytes of a block that a passphrase protects in the old way.
pub(crate) fn decrypted(block: &Block, passphrase: &[u8]) -> Result<Vec<u8>, Error> {
    let Some(header) = &block.encryption else { return Ok(block.content.clone()) };
    let odd = || Error::new(format!("the encryption `{header}` is not known"));
    let (cipher, iv) = header.split_once(',').ok_or_else(odd)?;
    let iv = bytes_of(iv).filter(|iv| iv.len() == 16).ok_or_else(odd)?;
    let wrong = |_| Error::passphrase();
    macro_rules! open {
        ($cipher:ty, $length:literal) => {
            cbc::Decryptor::<$cipher>::new_from_slices(&stretched(passphrase, &iv, $length), &iv)
                .expect("the lengths are those of the cipher")
                .decrypt_padded_vec::<Pkcs7>(&block.content)
                .map_err(wrong)
        };
    }
    match cipher {
        "AES-128-CBC" => open!(aes::Aes128, 16),
        "AES-192-CBC" => open!(aes::Aes192, 24),
        "AES-256-CBC" => open!(aes::Aes256, 32),
        _ => Err(odd()),
    }
}

/// `EVP_BytesToKey` with MD5 and one round; the salt is the first half of the initialisation vector.
fn stretched(passphrase: &[u8], iv: &[u8], length: usize) -> Vec<u8> {
    let mut key: Vec<u8> = Vec::new();
    let mut last: Vec<u8> = Vec::new();
    while key.len() < length {
        let mut hash = md5::Md5::new();
        hash.update(&last);
        hash.update(passphrase);
        hash.update(&iv[..8]);
        last = hash.finalize().to_vec();
        key.extend(&last);
    }
    key.truncate(length);
    key
}

/// Bytes from hexadecimal digits.
pub(crate) fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.trim().as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    digits.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}
