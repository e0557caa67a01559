//! The filter `password_hash`: a password as `/etc/shadow` keeps it; the lookup `password` hashes with it too.

use bcrypt::Version;

use super::PLAIN;
use crate::args::Args;
use crate::environment::Environment;
use crate::error::Error;
use crate::eval::Scope;
use crate::filters::Random;
use crate::value::Value;
use crypt::ALPHABET;

/// bcrypt's alphabet, which is crypt's in another order.
const BCRYPT: &[u8; 64] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Rounds of SHA-crypt that are not written down.
const IMPLICIT_ROUNDS: u32 = 5000;

pub(super) fn register(environment: &mut Environment) {
    environment.filter("password_hash", PLAIN, password_hash);
}

fn password_hash(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let kind = args.text("hashtype")?.unwrap_or_else(|| "sha512".into());
    let salt = args.text("salt")?;
    let salt_size =
        args.int("salt_size").map_err(|_| Error::type_error("salt_size must be an integer"))?;
    let rounds = args.int("rounds")?;
    let ident = args.text("ident")?;
    args.finish()?;
    let secret = match (value.as_str(), value.as_bytes()) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (_, Some(bytes)) => bytes.to_vec(),
        _ => {
            let class = if value.is_none() { "None" } else { value.type_name() };
            return Err(Error::type_error(format!("secret must be unicode or bytes, not {class}")));
        }
    };
    let scheme = Scheme::parse(&kind)?;
    let salt = match salt.filter(|salt| !salt.is_empty()) {
        Some(salt) => salt,
        None => {
            scope.templar().mark_volatile();
            scheme.random_salt(salt_size)?
        }
    };
    scheme.hash(&secret, &salt, rounds, ident.as_deref()).map(Value::from)
}

/// A kind of hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// `$1$`
    Md5,
    /// `$5$`
    Sha256,
    /// `$6$`
    Sha512,
    /// `$2b$`
    Bcrypt,
}

impl Scheme {
    /// The scheme of that name, as Ansible or passlib calls it.
    pub(crate) fn parse(name: &str) -> Result<Self, Error> {
        Ok(match name {
            "md5" | "md5_crypt" => Self::Md5,
            "sha256" | "sha256_crypt" => Self::Sha256,
            "sha512" | "sha512_crypt" => Self::Sha512,
            "blowfish" | "bcrypt" => Self::Bcrypt,
            _ => {
                return Err(Error::value_error(format!(
                    "{name} is not in the list of supported passlib algorithms: md5, blowfish, sha256, sha512"
                )));
            }
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5_crypt",
            Self::Sha256 => "sha256_crypt",
            Self::Sha512 => "sha512_crypt",
            Self::Bcrypt => "bcrypt",
        }
    }

    /// The letters of its salt, at most.
    fn salt_size(self) -> usize {
        match self {
            Self::Md5 => 8,
            Self::Sha256 | Self::Sha512 => 16,
            Self::Bcrypt => 22,
        }
    }

    /// What tells the kind's variant, where there are some.
    pub(crate) fn ident(self) -> Option<String> {
        (self == Self::Bcrypt).then(|| "2b".into())
    }

    /// A salt nobody knows.
    pub(crate) fn random_salt(self, size: Option<i64>) -> Result<String, Error> {
        let size = match size {
            None => self.salt_size(),
            Some(size) => usize::try_from(size).unwrap_or(usize::MAX),
        };
        self.check_size(size)?;
        let mut random = Random::from_system();
        let mut salt: String =
            (0..size).map(|_| char::from(ALPHABET[random.below(64) as usize])).collect();
        if self == Self::Bcrypt {
            // 22 letters hold 132 bits, of which the last four must be zero.
            salt.pop();
            salt.push(char::from(b".Oeu"[random.below(4) as usize]));
        }
        Ok(salt)
    }

    fn check_size(self, size: usize) -> Result<(), Error> {
        let limit = self.salt_size();
        let sense = match self {
            Self::Bcrypt if size < limit => Some("small"),
            _ if size > limit => Some("large"),
            _ => None,
        };
        let sign = if self == Self::Bcrypt { "exactly" } else { "<=" };
        match sense {
            None => Ok(()),
            Some(sense) => Err(Error::value_error(format!(
                "Could not hash the secret: salt too {sense} ({} requires {sign} {limit} chars)",
                self.name()
            ))),
        }
    }

    /// The whole text: kind, rounds, salt and hash.
    pub(crate) fn hash(
        self,
        secret: &[u8],
        salt: &str,
        rounds: Option<i64>,
        ident: Option<&str>,
    ) -> Result<String, Error> {
        if !salt.bytes().all(|byte| ALPHABET.contains(&byte)) {
            return Err(Error::value_error(format!(
                "Could not hash the secret: invalid characters in {} salt",
                self.name()
            )));
        }
        self.check_size(salt.len())?;
        match self {
            Self::Md5 => Ok(format!("$1${salt}${}", crypt::md5(secret, salt.as_bytes(), "$1$"))),
            Self::Bcrypt => bcrypt_hash(secret, salt, rounds.unwrap_or(12), ident),
            Self::Sha256 => {
                let rounds = self.rounds(rounds.unwrap_or(535_000))?;
                let hash = crypt::sha256(secret, salt.as_bytes(), rounds);
                Ok(format!("$5${}{salt}${hash}", written(rounds)))
            }
            Self::Sha512 => {
                let rounds = self.rounds(rounds.unwrap_or(656_000))?;
                let hash = crypt::sha512(secret, salt.as_bytes(), rounds);
                Ok(format!("$6${}{salt}${hash}", written(rounds)))
            }
        }
    }

    fn rounds(self, rounds: i64) -> Result<u32, Error> {
        let name = self.name();
        match u32::try_from(rounds) {
            Ok(rounds @ 1000..=9_999_999) => Ok(rounds),
            _ if rounds < 1000 => Err(Error::value_error(format!(
                "Could not hash the secret: {name}: min_desired_rounds ({rounds}) is too low, must be at least 1000"
            ))),
            _ => Err(Error::value_error(format!(
                "Could not hash the secret: {name}: min_desired_rounds ({rounds}) is too high, must be at most 9999999"
            ))),
        }
    }
}

fn written(rounds: u32) -> String {
    if rounds == IMPLICIT_ROUNDS { String::new() } else { format!("rounds={rounds}$") }
}

fn bcrypt_hash(
    secret: &[u8],
    salt: &str,
    rounds: i64,
    ident: Option<&str>,
) -> Result<String, Error> {
    let failed = |why: String| Error::value_error(format!("Could not hash the secret: {why}"));
    let version = match ident.unwrap_or("2b").trim_matches('$') {
        "2a" => Version::TwoA,
        "2b" => Version::TwoB,
        "2y" => Version::TwoY,
        other => return Err(failed(format!("invalid bcrypt ident: '{other}'"))),
    };
    let cost = u32::try_from(rounds)
        .ok()
        .filter(|cost| (4..=31).contains(cost))
        .ok_or_else(|| failed(format!("bcrypt: rounds must be between 4 and 31, not {rounds}")))?;
    let mut bits: u128 = 0;
    for letter in salt.bytes() {
        let at = BCRYPT.iter().position(|known| *known == letter).unwrap_or(0);
        bits = bits << 6 | at as u128;
    }
    // 22 letters are 132 bits: the first four went over the top, the last four are padding.
    let first = BCRYPT.iter().position(|known| Some(known) == salt.as_bytes().first()).unwrap_or(0);
    let bits = bits >> 4 | (first as u128 >> 2) << 124;
    // bcrypt looks at 72 bytes and no further.
    let secret = &secret[..secret.len().min(72)];
    bcrypt::hash_with_salt(secret, cost, bits.to_be_bytes())
        .map(|parts| parts.format_for_version(version))
        .map_err(|error| failed(error.to_string()))
}
