//! A whole entry, as files of passwords keep it: scheme, cost, salt and hash in one text; made, and verified.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::RngExt as _;
use sha1::{Digest as _, Sha1};

use crate::{ALPHABET, md5, sha256, sha512};

/// Cost of SHA-crypt where an entry says nothing.
const DEFAULT_ROUNDS: u32 = 5000;
/// Cost of new entries, as passlib has it.
const SHA256_ROUNDS: u32 = 535_000;
const SHA512_ROUNDS: u32 = 656_000;
const BCRYPT_COST: u32 = 12;
const SALT_SHORT: usize = 8;
const SALT_LONG: usize = 16;

/// A scheme of hashing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Apache's variant of MD5-crypt.
    Apr1,
    /// MD5-crypt.
    Md5,
    /// SHA-crypt with SHA-256.
    Sha256,
    /// SHA-crypt with SHA-512.
    Sha512,
    /// bcrypt.
    Bcrypt,
    /// SHA-1 without salt, as LDAP writes it.
    LdapSha1,
    /// The password itself.
    Plaintext,
}

/// A name that is no scheme's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown(pub String);

impl std::str::FromStr for Scheme {
    type Err = Unknown;

    fn from_str(name: &str) -> Result<Self, Unknown> {
        Ok(match name {
            "apr_md5_crypt" => Self::Apr1,
            "md5_crypt" => Self::Md5,
            "sha256_crypt" => Self::Sha256,
            "sha512_crypt" => Self::Sha512,
            "bcrypt" => Self::Bcrypt,
            "ldap_sha1" => Self::LdapSha1,
            "plaintext" => Self::Plaintext,
            other => return Err(Unknown(other.to_owned())),
        })
    }
}

impl Scheme {
    /// A new entry for a password, with a salt that nobody knows.
    pub fn hash(self, password: &str) -> String {
        let key = password.as_bytes();
        match self {
            Self::Apr1 => keyed_md5(key, "$apr1$", &salt(SALT_SHORT)),
            Self::Md5 => keyed_md5(key, "$1$", &salt(SALT_SHORT)),
            Self::Sha256 => {
                let salt = salt(SALT_LONG);
                let hash = sha256(key, salt.as_bytes(), SHA256_ROUNDS);
                format!("$5$rounds={SHA256_ROUNDS}${salt}${hash}")
            }
            Self::Sha512 => {
                let salt = salt(SALT_LONG);
                let hash = sha512(key, salt.as_bytes(), SHA512_ROUNDS);
                format!("$6$rounds={SHA512_ROUNDS}${salt}${hash}")
            }
            Self::Bcrypt => {
                let salt: [u8; 16] = rand::rng().random();
                let truncated = &key[..key.len().min(72)];
                bcrypt::hash_with_salt(truncated, BCRYPT_COST, salt)
                    .expect("the cost is one that bcrypt allows")
                    .format_for_version(bcrypt::Version::TwoB)
            }
            Self::LdapSha1 => format!("{{SHA}}{}", STANDARD.encode(Sha1::digest(key))),
            Self::Plaintext => password.to_owned(),
        }
    }
}

fn salt(size: usize) -> String {
    let mut random = rand::rng();
    (0..size).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])).collect()
}

fn keyed_md5(key: &[u8], magic: &str, salt: &str) -> String {
    format!("{magic}{salt}${}", md5(key, salt.as_bytes(), magic))
}

/// Whether an entry, of whichever scheme, is that of a password. Entries of unknown schemes are taken for passwords.
pub fn verify(password: &str, entry: &str) -> bool {
    let key = password.as_bytes();
    for magic in ["$apr1$", "$1$"] {
        if let Some((salt, _)) = entry.strip_prefix(magic).and_then(|rest| rest.split_once('$')) {
            return keyed_md5(key, magic, salt) == entry;
        }
    }
    for (magic, hash) in [("$5$", sha256 as fn(&[u8], &[u8], u32) -> String), ("$6$", sha512)] {
        let Some(rest) = entry.strip_prefix(magic) else { continue };
        let cost = rest.strip_prefix("rounds=").and_then(|rest| rest.split_once('$'));
        let (rounds, rest) = match cost {
            Some((rounds, rest)) => (rounds.parse().unwrap_or(DEFAULT_ROUNDS), rest),
            None => (DEFAULT_ROUNDS, rest),
        };
        // More than the scheme allows would take a day.
        return rounds < 1_000_000_000
            && rest
                .split_once('$')
                .is_some_and(|(salt, known)| hash(key, salt.as_bytes(), rounds) == known);
    }
    if entry.starts_with("$2") {
        return bcrypt::verify(&key[..key.len().min(72)], entry).unwrap_or(false);
    }
    if let Some(known) = entry.strip_prefix("{SHA}") {
        return STANDARD.encode(Sha1::digest(key)) == known;
    }
    entry == password
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_other_programs_are_verified() {
        for entry in
            ["$apr1$fICB1D/e$5Soi.pW.J76tETJPFvJYr/", "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "secret"]
        {
            assert!(verify("secret", entry), "{entry}");
            assert!(!verify("other", entry), "{entry}");
        }
        assert!(verify("p", "$1$H4KbhWzN$O.1MExudn0V7hBuS4DREY1"));
        let sha = "$5$rounds=535000$Q68nJZBma4mJ.4Gv$1dyJ2wCPscekjMJ9m8PbsQC9Yo1Wlbk0vJ2ou5scQXA";
        assert!(verify("p", sha));
        assert!(verify("p", "$2b$12$YxeNu4Nsm3nsrIhu80odD.vi0W5E3J7dhb0GebAR200no1vd5yiIq"));
        assert!(
            !verify("p", "$6$nothing")
                && !verify("p", "$2b$")
                && !verify("p", "$5$rounds=9999999999$a$b")
        );
    }

    #[test]
    fn new_entries_are_verified() {
        for name in ["apr_md5_crypt", "md5_crypt", "bcrypt", "ldap_sha1", "plaintext"] {
            let scheme: Scheme = name.parse().expect("known");
            let entry = scheme.hash("pass wörd");
            assert!(verify("pass wörd", &entry) && !verify("pass", &entry), "{name}: {entry}");
        }
        assert_ne!(Scheme::Apr1.hash("a"), Scheme::Apr1.hash("a"));
        assert_eq!("des".parse::<Scheme>(), Err(Unknown("des".into())));
    }
}
