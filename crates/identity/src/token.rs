//! Join tokens: the one secret that a new host brings, good once and for a short time.
//!
//! `muster1.<authority's fingerprint>.<id>.<seed>`, each part base64url. The fingerprint lets the agent check the
//! controller before it proves anything. The seed makes an Ed25519 key: the controller keeps only the public half, so
//! neither its database nor a listener on the wire can use the token.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jiff::Timestamp;
use model::{Digest, HostName, ParseIdError, Secret};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

/// The first part of a token: its kind and version.
const PREFIX: &str = "muster1";

/// What a proof is about, so that no other signature can be taken for one.
const CONTEXT: &[u8] = b"muster-enrol-v1";

/// Names a token; not secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenId(pub [u8; 16]);

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for TokenId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| ParseIdError {
            text: text.to_owned(),
            expected: "a token id (32 hexadecimal digits)",
        })?;
        Ok(Self(bytes))
    }
}

/// The public half of a token: all that the controller keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenKey(pub [u8; 32]);

/// A proof that was not made with the token, or not for this request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the proof does not fit the token")]
pub struct BadProof;

impl TokenKey {
    /// Whether a proof was made with the token for this certificate request.
    pub fn verify(&self, id: TokenId, csr: &[u8], proof: &[u8]) -> Result<(), BadProof> {
        UnparsedPublicKey::new(&ED25519, self.0)
            .verify(&statement(id, csr), proof)
            .map_err(|_| BadProof)
    }
}

/// A join token, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinToken {
    /// The fingerprint of the controller's authority.
    pub authority: Digest,
    /// Its name.
    pub id: TokenId,
    seed: Secret<[u8; 32]>,
}

impl JoinToken {
    /// A new token for the hosts of an authority.
    pub fn generate(authority: Digest) -> Self {
        let (mut id, mut seed) = ([0; 16], [0; 32]);
        let random = SystemRandom::new();
        random.fill(&mut id).expect("the system has random bytes");
        random.fill(&mut seed).expect("the system has random bytes");
        Self { authority, id: TokenId(id), seed: Secret::new(seed) }
    }

    /// The text to give to a host. Whoever has it can join.
    pub fn reveal(&self) -> String {
        let [authority, id, seed] = [&self.authority.0[..], &self.id.0[..], self.seed.reveal()]
            .map(|part| BASE64.encode(part));
        format!("{PREFIX}.{authority}.{id}.{seed}")
    }

    /// The public half, for the controller to keep.
    pub fn key(&self) -> TokenKey {
        let key = self.key_pair();
        TokenKey(key.public_key().as_ref().try_into().expect("Ed25519 keys have 32 bytes"))
    }

    /// Proves the token for a certificate request.
    pub fn prove(&self, csr: &[u8]) -> Vec<u8> {
        self.key_pair().sign(&statement(self.id, csr)).as_ref().to_vec()
    }

    fn key_pair(&self) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(self.seed.reveal()).expect("any 32 bytes are a seed")
    }
}

fn statement(id: TokenId, csr: &[u8]) -> Vec<u8> {
    [CONTEXT, &id.0, &Digest::of(csr).0].concat()
}

/// A text that is not a join token. Says nothing of the text: it may be a mistyped secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseTokenError {
    /// It does not begin as one.
    #[error("not a join token: it should begin with `{PREFIX}.`")]
    Prefix,
    /// It has another number of parts.
    #[error("not a whole join token: it should have four parts with dots between; was it cut?")]
    Parts,
    /// A part is damaged.
    #[error("the join token is damaged: its {0} is not {1} bytes in base64url; was it cut?")]
    Part(&'static str, usize),
}

impl FromStr for JoinToken {
    type Err = ParseTokenError;

    fn from_str(text: &str) -> Result<Self, ParseTokenError> {
        let text = text.trim();
        let rest = text
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.strip_prefix('.'))
            .ok_or(ParseTokenError::Prefix)?;
        let parts: Vec<&str> = rest.split('.').collect();
        let [authority, id, seed] = parts.as_slice() else { return Err(ParseTokenError::Parts) };
        Ok(Self {
            authority: Digest(part("fingerprint", authority)?),
            id: TokenId(part("id", id)?),
            seed: Secret::new(part("secret", seed)?),
        })
    }
}

fn part<const N: usize>(name: &'static str, text: &str) -> Result<[u8; N], ParseTokenError> {
    let damaged = ParseTokenError::Part(name, N);
    let bytes = BASE64.decode(text).map_err(|_| damaged)?;
    bytes.try_into().map_err(|_| damaged)
}

/// What the controller remembers of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// Its name.
    pub id: TokenId,
    /// Its public half.
    pub key: TokenKey,
    /// The only name that its host may have.
    pub name: Option<HostName>,
    /// When it ends.
    pub ends: Timestamp,
    /// It has been used.
    pub is_used: bool,
    /// It was taken away.
    pub is_revoked: bool,
}

/// Why a token is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// No such token, or a proof that does not fit: the two are not told apart to strangers.
    #[error("the join token is not known here, or the proof does not fit it")]
    Unknown,
    /// Its time is over.
    #[error("the join token ended at {0}; make a new one with `muster token create`")]
    Expired(Timestamp),
    /// It has been used.
    #[error("the join token has been used already; make a new one with `muster token create`")]
    Used,
    /// It was taken away.
    #[error("the join token was revoked")]
    Revoked,
    /// It is for a host of another name.
    #[error("the join token is for a host named `{expected}`, not `{asked}`")]
    Name {
        /// As recorded.
        expected: HostName,
        /// As asked.
        asked: HostName,
    },
}

impl TokenRecord {
    /// Judges a request. Whether the token is still unused must be checked again in the transaction that burns it.
    pub fn judge(
        &self,
        csr: &[u8],
        proof: &[u8],
        name: &HostName,
        now: Timestamp,
    ) -> Result<(), TokenError> {
        self.key.verify(self.id, csr, proof).map_err(|BadProof| TokenError::Unknown)?;
        if self.is_revoked {
            return Err(TokenError::Revoked);
        }
        if self.is_used {
            return Err(TokenError::Used);
        }
        if now >= self.ends {
            return Err(TokenError::Expired(self.ends));
        }
        match &self.name {
            Some(expected) if expected != name => {
                Err(TokenError::Name { expected: expected.clone(), asked: name.clone() })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> JoinToken {
        JoinToken::generate(Digest::of(b"authority"))
    }

    #[test]
    fn tokens_survive_their_text_form_and_are_not_shown() {
        let token = token();
        let text = token.reveal();
        assert_eq!(format!(" {text}\n").parse(), Ok(token.clone()));
        let seed = text.rsplit('.').next().unwrap();
        assert!(!format!("{token:?}").contains(seed));
    }

    #[test]
    fn damaged_tokens_are_refused() {
        let text = token().reveal();
        let check = |text: &str, expected: &str| {
            assert_eq!(text.parse::<JoinToken>().unwrap_err().to_string(), expected);
        };
        check("", "not a join token: it should begin with `muster1.`");
        check("muster2.a.b.c", "not a join token: it should begin with `muster1.`");
        let parts =
            "not a whole join token: it should have four parts with dots between; was it cut?";
        check("muster1.a", parts);
        check(&format!("{text}.x"), parts);
        check(
            &text[..text.len() - 1],
            "the join token is damaged: its secret is not 32 bytes in base64url; was it cut?",
        );
        check(
            "muster1.!.b.c",
            "the join token is damaged: its fingerprint is not 32 bytes in base64url; was it cut?",
        );
    }

    #[test]
    fn a_proof_fits_one_token_and_one_request() {
        let (token, other) = (token(), token());
        let proof = token.prove(b"csr");
        assert_eq!(token.key().verify(token.id, b"csr", &proof), Ok(()));
        assert_eq!(token.key().verify(token.id, b"another", &proof), Err(BadProof));
        assert_eq!(token.key().verify(other.id, b"csr", &proof), Err(BadProof));
        assert_eq!(other.key().verify(token.id, b"csr", &proof), Err(BadProof));
        assert_eq!(token.key().verify(token.id, b"csr", &proof[1..]), Err(BadProof));
    }

    #[test]
    fn tokens_are_judged() {
        let token = token();
        let now = Timestamp::from_second(1_000_000).unwrap();
        let good = TokenRecord {
            id: token.id,
            key: token.key(),
            name: Some("web01".into()),
            ends: Timestamp::from_second(1_000_060).unwrap(),
            is_used: false,
            is_revoked: false,
        };
        let proof = token.prove(b"csr");
        let judge = |record: &TokenRecord| record.judge(b"csr", &proof, &"web01".into(), now);
        assert_eq!(judge(&good), Ok(()));
        let used = TokenRecord { is_used: true, ..good.clone() };
        assert_eq!(judge(&used), Err(TokenError::Used));
        let revoked = TokenRecord { is_revoked: true, ..good.clone() };
        assert_eq!(judge(&revoked), Err(TokenError::Revoked));
        let over = TokenRecord { ends: now, ..good.clone() };
        assert_eq!(judge(&over), Err(TokenError::Expired(now)));
        let named = TokenRecord { name: Some("db01".into()), ..good.clone() };
        assert_eq!(
            judge(&named).unwrap_err().to_string(),
            "the join token is for a host named `db01`, not `web01`"
        );
        // Without a proof nobody learns what became of a token.
        let proof = [0; 64];
        let stranger = used.judge(b"csr", &proof, &"web01".into(), now);
        assert_eq!(stranger, Err(TokenError::Unknown));
    }
}
