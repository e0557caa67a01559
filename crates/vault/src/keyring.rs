//! The passwords of a run: which one opens what, and which one encrypts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::Secret;

use crate::{Envelope, Error};

/// A password with its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The vault id; several passwords may share one.
    pub id: String,
    /// The password.
    pub password: Secret<Vec<u8>>,
}

/// What was inside, and which password opened it.
#[derive(Debug, Clone)]
pub struct Opened<'k> {
    /// The content.
    pub plain: Secret<Vec<u8>>,
    /// The password that fitted.
    pub key: &'k Key,
    /// The id that the text names.
    pub id: Option<String>,
}

/// The passwords of a run.
#[derive(Debug, Default)]
pub struct Keyring {
    keys: Vec<Key>,
    /// Only passwords whose id is the one that the text names are tried.
    match_ids: bool,
    /// Values that were opened: a group's secret is opened once, not once a host.
    texts: Mutex<Texts>,
}

#[derive(Debug, Default)]
struct Texts {
    opened: HashMap<Arc<str>, Secret<Arc<str>>>,
    /// By the address of the opened text, which `opened` keeps alive.
    sealed: HashMap<usize, Arc<str>>,
}

impl Key {
    /// A password with its id.
    pub fn new(id: impl Into<String>, password: Vec<u8>) -> Self {
        Self { id: id.into(), password: Secret::new(password) }
    }
}

impl Keyring {
    /// Passwords in the order in which they are tried; `match_ids` forbids those with another id than a text names.
    pub fn new(keys: Vec<Key>, match_ids: bool) -> Self {
        Self { keys, match_ids, texts: Mutex::default() }
    }

    /// The passwords.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Opens an encrypted text or file. Passwords with the id that it names are tried first.
    pub fn open(&self, bytes: &[u8]) -> Result<Opened<'_>, Error> {
        if self.keys.is_empty() {
            return Err(if crate::is_encrypted(bytes) {
                Error::NoSecrets
            } else {
                Error::NotEncrypted
            });
        }
        let envelope = Envelope::parse(bytes)?;
        let named = |key: &&Key| envelope.id.as_ref() == Some(&key.id);
        let others = self.keys.iter().filter(|key| !named(key) && !self.must_match(&envelope));
        for key in self.keys.iter().filter(named).chain(others) {
            if let Some(plain) = envelope.open(key.password.reveal())? {
                return Ok(Opened { plain: Secret::new(plain), key, id: envelope.id });
            }
        }
        Err(Error::NoneFits)
    }

    fn must_match(&self, envelope: &Envelope) -> bool {
        self.match_ids && envelope.id.is_some()
    }

    /// The content of a file: opened if it is encrypted, as it is otherwise. Says whether it was.
    pub fn content(&self, bytes: Vec<u8>) -> Result<(Vec<u8>, bool), Error> {
        if !crate::is_encrypted(&bytes) {
            return Ok((bytes, false));
        }
        Ok((self.open(&bytes)?.plain.reveal().clone(), true))
    }

    /// Opens an encrypted value. The same text gives the same result without work.
    pub fn open_text(&self, sealed: &Arc<str>) -> Result<Arc<str>, Error> {
        if let Some(known) = self.texts().opened.get(sealed) {
            return Ok(known.reveal().clone());
        }
        let opened = self.open(sealed.as_bytes())?;
        let text = std::str::from_utf8(opened.plain.reveal()).map_err(|_| Error::NotText)?;
        let text: Arc<str> = text.into();
        self.remember(sealed.clone(), text.clone());
        Ok(text)
    }

    /// Notes that this text is what the other one hides.
    pub fn remember(&self, sealed: Arc<str>, opened: Arc<str>) {
        let mut texts = self.texts();
        // Two threads may have opened it at once: both results stay, so that no address is used again.
        let address = opened.as_ptr() as usize;
        if texts.opened.contains_key(&sealed) {
            let alias: Arc<str> = format!("{sealed}{address}").into();
            texts.opened.insert(alias, Secret::new(opened));
        } else {
            texts.opened.insert(sealed.clone(), Secret::new(opened));
        }
        texts.sealed.insert(address, sealed);
    }

    /// The encrypted text behind one that [`Keyring::open_text`] gave.
    pub fn sealed(&self, opened: &Arc<str>) -> Option<Arc<str>> {
        self.texts().sealed.get(&(opened.as_ptr() as usize)).cloned()
    }

    /// The password that encrypts: the only one, or the first with the wanted id.
    pub fn sealing_key(&self, wanted: Option<&str>) -> Result<&Key, Error> {
        let names = |mark: &str| -> Vec<String> {
            self.keys.iter().map(|key| format!("{mark}{}{mark}", key.id)).collect()
        };
        match (wanted, &*self.keys) {
            (_, []) => Err(Error::NoSecrets),
            (Some(wanted), keys) => keys.iter().find(|key| key.id == wanted).ok_or_else(|| {
                Error::UnknownId { wanted: wanted.to_owned(), known: names("'").join(", ") }
            }),
            (None, [key]) => Ok(key),
            (None, _) => Err(Error::Ambiguous(names("").join(","))),
        }
    }

    fn texts(&self) -> std::sync::MutexGuard<'_, Texts> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyring(keys: &[(&str, &str)], match_ids: bool) -> Keyring {
        let keys = keys.iter().map(|(id, password)| Key {
            id: (*id).to_owned(),
            password: Secret::new(password.as_bytes().to_vec()),
        });
        Keyring::new(keys.collect(), match_ids)
    }

    fn opened(keyring: &Keyring, sealed: &str) -> Result<String, Error> {
        let opened = keyring.open(sealed.as_bytes())?;
        let text = String::from_utf8(opened.plain.reveal().clone()).unwrap();
        Ok(format!("{text} by {}", opened.key.id))
    }

    #[test]
    fn the_named_password_is_tried_first_and_others_unless_forbidden() {
        let sealed = Envelope::seal(b"x", b"one", Some("a"), None);
        let all = [("b", "one"), ("a", "two"), ("a", "one")];
        assert_eq!(opened(&keyring(&all, false), &sealed).unwrap(), "x by a");
        assert_eq!(opened(&keyring(&all[..2], false), &sealed).unwrap(), "x by b");
        assert_eq!(opened(&keyring(&all[..2], true), &sealed), Err(Error::NoneFits));
        assert_eq!(opened(&keyring(&[], false), &sealed), Err(Error::NoSecrets));
        assert_eq!(opened(&keyring(&[("a", "no")], false), &sealed), Err(Error::NoneFits));
        let nameless = Envelope::seal(b"x", b"one", None, None);
        assert_eq!(opened(&keyring(&all[..1], true), &nameless).unwrap(), "x by b");
    }

    #[test]
    fn values_are_opened_once_and_remember_what_hid_them() {
        let keyring = keyring(&[("a", "one")], false);
        let sealed: Arc<str> = Envelope::seal("ä".as_bytes(), b"one", None, None).into();
        let first = keyring.open_text(&sealed).unwrap();
        let again = keyring.open_text(&sealed).unwrap();
        assert!(Arc::ptr_eq(&first, &again) && &*first == "ä");
        assert_eq!(keyring.sealed(&first), Some(sealed));
        assert_eq!(keyring.sealed(&Arc::from("ä")), None);
        let bytes = Envelope::seal(b"\xff", b"one", None, None);
        assert_eq!(keyring.open_text(&bytes.into()), Err(Error::NotText));
    }

    #[test]
    fn which_password_encrypts_must_be_clear() {
        let two = keyring(&[("a", "one"), ("b", "two")], false);
        assert_eq!(two.sealing_key(Some("b")).unwrap().id, "b");
        let text = |wanted| two.sealing_key(wanted).unwrap_err().to_string();
        assert!(text(None).starts_with("The vault-ids a,b are available to encrypt."));
        assert!(text(Some("c")).ends_with("-vault-id=c in the known vault-ids ['a', 'b']"));
        assert_eq!(keyring(&[("a", "one")], false).sealing_key(None).unwrap().id, "a");
        assert_eq!(keyring(&[], false).sealing_key(None), Err(Error::NoSecrets));
    }

    #[test]
    fn passwords_and_contents_are_not_printed() {
        let keyring = keyring(&[("a", "hunter2")], false);
        let sealed: Arc<str> = Envelope::seal(b"content7", b"hunter2", None, None).into();
        keyring.open_text(&sealed).unwrap();
        let shown = format!("{keyring:?} {:?}", keyring.open(sealed.as_bytes()));
        assert!(!shown.contains("hunter2") && !shown.contains("content7"), "{shown}");
        assert!(!shown.contains("104, 117"), "{shown}");
    }
}
