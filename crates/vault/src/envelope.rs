//! The outer form: a line that says what it is, and hexadecimal digits in lines of 80.

use std::fmt::Write as _;

use crate::{DEFAULT_ID, Error, cipher};

const MAGIC: &str = "$ANSIBLE_VAULT";
const CIPHER: &str = "AES256";
/// Letters in a line of the body.
const WIDTH: usize = 80;

/// Whether this is meant to be a vault: what begins as one and has no bytes that none has.
pub fn is_encrypted(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC.as_bytes()) && bytes.is_ascii()
}

/// An encrypted text, taken apart but not opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The id of the password, where the text names one (format 1.2).
    pub id: Option<String>,
    salt: Vec<u8>,
    checksum: Vec<u8>,
    content: Vec<u8>,
}

impl Envelope {
    /// Takes an encrypted text apart. Line ends of either sort and blanks at both ends of lines are forgiven.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let text = std::str::from_utf8(bytes).map_err(|_| Error::NotEncrypted)?;
        if !is_encrypted(bytes) {
            return Err(Error::NotEncrypted);
        }
        let mut lines = text.lines();
        let header = lines.next().unwrap_or_default().trim_end();
        let fields: Vec<&str> = header.split(';').map(str::trim).collect();
        let [MAGIC, version, cipher, rest @ ..] = &*fields else { return Err(Error::Header) };
        let id = match (*version, rest) {
            ("1.2", [id]) if !id.is_empty() => Some((*id).to_owned()),
            ("1.2", _) => return Err(Error::Header),
            ("1.1" | "1.0", _) => None,
            _ => return Err(Error::Version((*version).to_owned())),
        };
        if *cipher != CIPHER {
            return Err(Error::Cipher((*cipher).to_owned()));
        }
        if *version == "1.0" {
            return Err(Error::Version((*version).to_owned()));
        }
        let body = body(lines)?;
        let mut parts = body.splitn(3, |byte| *byte == b'\n');
        let mut part = |what: &'static str| {
            let digits = parts.next().filter(|digits| !digits.is_empty());
            unhex(digits.ok_or(Error::Truncated(what))?, what)
        };
        let (salt, checksum, content) = (part("salt")?, part("checksum")?, part("content")?);
        if checksum.len() != 32 {
            return Err(Error::Truncated("checksum"));
        }
        Ok(Self { id, salt, checksum, content })
    }

    /// Encrypts. The id is written unless it is the default one; the salt is only given where results must not vary.
    pub fn seal(plain: &[u8], password: &[u8], id: Option<&str>, salt: Option<&[u8]>) -> String {
        let salt = salt.map_or_else(random_salt, <[u8]>::to_vec);
        let (checksum, content) = cipher::encrypt(plain, password, &salt);
        let id = id.filter(|id| *id != DEFAULT_ID).map(ToOwned::to_owned);
        Self { id, salt, checksum, content }.to_text()
    }

    /// The content, if this password fits.
    pub fn open(&self, password: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        cipher::decrypt(&self.salt, &self.checksum, &self.content, password)
    }

    fn to_text(&self) -> String {
        let parts = [&self.salt, &self.checksum, &self.content].map(hex::encode);
        let body = hex::encode(parts.join("\n"));
        let mut text = match &self.id {
            Some(id) => format!("{MAGIC};1.2;{CIPHER};{id}\n"),
            None => format!("{MAGIC};1.1;{CIPHER}\n"),
        };
        for line in body.as_bytes().chunks(WIDTH) {
            let line = std::str::from_utf8(line).expect("hexadecimal digits are ASCII");
            writeln!(text, "{line}").expect("writing into a string cannot fail");
        }
        text
    }
}

/// The bytes behind the digits of all lines.
fn body<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<u8>, Error> {
    let mut digits = String::new();
    for (at, line) in lines.enumerate() {
        let line = line.trim();
        if line.bytes().any(|letter| !letter.is_ascii_hexdigit()) {
            // The header is line 1.
            return Err(Error::Digit(at + 2));
        }
        digits.push_str(line);
    }
    if !digits.len().is_multiple_of(2) {
        return Err(Error::OddLength);
    }
    Ok(hex::decode(digits).expect("only pairs of digits are left"))
}

fn unhex(digits: &[u8], what: &'static str) -> Result<Vec<u8>, Error> {
    hex::decode(digits).map_err(|_| Error::Truncated(what))
}

fn random_salt() -> Vec<u8> {
    let random = ring::rand::SystemRandom::new();
    let salt = ring::rand::generate::<[u8; 32]>(&random);
    salt.expect("the system has random numbers").expose().to_vec()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Made by ansible-core 2.19: password `pass`, salt `saltysalt`, content `abc`.
    const THEIRS: &str = "$ANSIBLE_VAULT;1.2;AES256;filter_default\n\
        3733363136633734373937333631366337340a373431323865353064366338636563313130636130\n\
        61656335313531646237343664323466626433623363633833363434386239343938623764616434\n\
        6530650a3536316339346330366533303737303835623739326434636337653236366163\n";

    #[test]
    fn texts_are_ansibles_byte_for_byte() {
        let ours = Envelope::seal(b"abc", b"pass", Some("filter_default"), Some(b"saltysalt"));
        assert_eq!(ours, THEIRS);
        let envelope = Envelope::parse(THEIRS.as_bytes()).unwrap();
        assert_eq!(envelope.id.as_deref(), Some("filter_default"));
        assert_eq!(envelope.open(b"pass").unwrap().as_deref(), Some(&b"abc"[..]));
        assert_eq!(envelope.open(b"wrong").unwrap(), None);
    }

    #[test]
    fn line_ends_and_blanks_are_forgiven() {
        for text in [
            THEIRS.replace('\n', "\r\n"),
            THEIRS.trim_end().to_owned(),
            format!("{THEIRS}\n\n"),
            THEIRS.replace('\n', "  \n  "),
            THEIRS.to_uppercase().replace("FILTER_DEFAULT", "filter_default"),
        ] {
            let envelope = Envelope::parse(text.as_bytes()).expect(&text);
            assert_eq!(envelope.open(b"pass").unwrap().as_deref(), Some(&b"abc"[..]), "{text}");
        }
    }

    #[test]
    fn what_is_broken_is_named() {
        let digits = "3733363136633734373937333631366337340a";
        for (text, expected) in [
            ("a: 1", Error::NotEncrypted),
            (" $ANSIBLE_VAULT;1.1;AES256\n", Error::NotEncrypted),
            ("$ANSIBLE_VAULT", Error::Header),
            ("$ANSIBLE_VAULT;\n", Error::Header),
            ("$ANSIBLE_VAULT;1.1\n6162\n", Error::Header),
            ("$ANSIBLE_VAULTS;1.1;AES256\n6162\n", Error::Header),
            ("$ANSIBLE_VAULT;1.2;AES256\n6162\n", Error::Header),
            ("$ANSIBLE_VAULT;9.9;AES256\n6162\n", Error::Version("9.9".to_owned())),
            ("$ANSIBLE_VAULT;1.0;AES\n6162\n", Error::Cipher("AES".to_owned())),
            ("$ANSIBLE_VAULT;1.1;ROT13\n6162\n", Error::Cipher("ROT13".to_owned())),
            ("$ANSIBLE_VAULT;1.1;AES256\n6162\n63zz\n", Error::Digit(3)),
            ("$ANSIBLE_VAULT;1.1;AES256\n616\n", Error::OddLength),
            ("$ANSIBLE_VAULT;1.1;AES256\n", Error::Truncated("salt")),
            (&*format!("$ANSIBLE_VAULT;1.1;AES256\n{digits}\n"), Error::Truncated("checksum")),
            (&*format!("$ANSIBLE_VAULT;1.1;AES256\n{digits}61\n"), Error::Truncated("checksum")),
        ] {
            assert_eq!(Envelope::parse(text.as_bytes()), Err(expected), "{text}");
        }
        assert_eq!(Envelope::parse(b"$ANSIBLE_VAULT;\xff"), Err(Error::NotEncrypted));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn whatever_is_sealed_is_opened(plain: Vec<u8>, password: Vec<u8>, id in "[a-z]{1,9}") {
            let text = Envelope::seal(&plain, &password, Some(&id), None);
            prop_assert!(text.lines().all(|line| line.len() <= 80));
            let envelope = Envelope::parse(text.as_bytes()).unwrap();
            prop_assert_eq!(envelope.id.clone(), Some(id).filter(|id| id != DEFAULT_ID));
            prop_assert_eq!(envelope.open(&password).unwrap(), Some(plain));
        }

        #[test]
        fn nothing_that_was_changed_is_opened(at in 0..400_usize, letter in "[0-9a-f]") {
            let text = Envelope::seal(b"content of some length", b"pass", None, Some(b"salt"));
            let start = text.find('\n').unwrap() + 1;
            let at = start + at % (text.len() - start);
            let mut changed = text.clone();
            changed.replace_range(at..=at, &letter);
            if changed != text && !text[at..].starts_with('\n') {
                let opened = Envelope::parse(changed.as_bytes()).and_then(|one| one.open(b"pass"));
                // The case of a digit is no change.
                let is_same = opened == Ok(Some(b"content of some length".to_vec()));
                prop_assert!(is_same || matches!(opened, Err(_) | Ok(None)), "{:?}", opened);
            }
        }

        #[test]
        fn nothing_makes_the_parser_panic(text in "(\\$ANSIBLE_VAULT;1\\.[12];AES256(;a)?\n)?[0-9a-f\n; ]{0,200}") {
            let _ = Envelope::parse(text.as_bytes());
        }
    }
}
