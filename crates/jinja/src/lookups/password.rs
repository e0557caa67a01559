//! The lookup `password`: a random password that is kept in a file, so that it is the same next time.

use std::io::Read as _;
use std::path::PathBuf;

use super::{failed, integer, option, terms_of};
use crate::args::Args;
use crate::error::Error;
use crate::eval::Scope;
use crate::filters::{Random, Scheme};
use crate::value::{Marks, Value};

const OPTIONS: [&str; 6] = ["length", "chars", "encrypt", "ident", "seed", "salt"];

pub(super) fn password(scope: &Scope<'_>, terms: Value, mut args: Args) -> Result<Value, Error> {
    let given: Vec<(&str, String)> = OPTIONS
        .iter()
        .filter_map(|name| {
            let value = args.take_named(name)?;
            let text = match value.sequence() {
                // A comma in a list's element is a comma of the password.
                Some(items) => items
                    .iter()
                    .map(|item| item.to_string().replace(',', ",,"))
                    .collect::<Vec<_>>()
                    .join(","),
                None => value.to_string(),
            };
            Some((*name, text))
        })
        .collect();
    option(&mut args, "wantlist");
    args.finish()?;
    let passwords = terms_of(&terms).into_iter().map(|term| {
        let mut request = Request {
            length: 20,
            chars: "ascii_letters,digits,.,:-_".into(),
            ..Request::default()
        };
        for (name, text) in &given {
            request.set(name, text)?;
        }
        let path = request.parse(&term.to_string())?;
        Ok(Value::from(request.password(scope, &path)?).marked(Marks::SECRET))
    });
    passwords.collect::<Result<_, Error>>().map(Value::list)
}

#[derive(Default)]
struct Request {
    length: usize,
    chars: String,
    seed: Option<String>,
    encrypt: Option<Scheme>,
    ident: Option<String>,
    salt: Option<String>,
}

/// A line of a password file: `PASSWORD salt=SALT ident=IDENT`.
#[derive(Clone, PartialEq, Eq)]
struct Stored {
    password: String,
    salt: Option<String>,
    ident: Option<String>,
}

impl Stored {
    fn parse(line: &str) -> Self {
        let (rest, ident) = match line.split_once(" ident=") {
            Some((rest, ident)) => (rest, Some(ident.to_owned())),
            None => (line, None),
        };
        let (password, salt) = match rest.split_once(" salt=") {
            Some((password, salt)) => (password, Some(salt.to_owned())),
            None => (rest, None),
        };
        Self { password: password.to_owned(), salt, ident }
    }

    fn line(&self) -> String {
        let mut line = self.password.clone();
        for (name, value) in [("salt", &self.salt), ("ident", &self.ident)] {
            if let Some(value) = value {
                line.push_str(&format!(" {name}={value}"));
            }
        }
        line + "\n"
    }
}

impl Request {
    fn set(&mut self, name: &str, text: &str) -> Result<(), Error> {
        match name {
            "length" => {
                let length = integer("password", "length", text)?;
                self.length = usize::try_from(length)
                    .ok()
                    .filter(|length| *length <= 65_536)
                    .ok_or_else(|| failed(format!("{length} is no length for a password")))?;
            }
            "chars" => text.clone_into(&mut self.chars),
            "seed" => self.seed = Some(text.to_owned()),
            "encrypt" if text.is_empty() || text == "None" => {}
            "encrypt" => self.encrypt = Some(Scheme::parse(text)?),
            "salt" => self.salt = Some(text.to_owned()),
            "ident" => self.ident = Some(text.to_owned()),
            _ => {
                return Err(failed(format!(
                    "Unrecognized parameter(s) given to password lookup: {name}"
                ))
                .hinted(crate::error::nearest(name, OPTIONS.into_iter())));
            }
        }
        Ok(())
    }

    /// The path and the options behind it: `creds/db length=15 chars=digits`.
    fn parse(&mut self, term: &str) -> Result<String, Error> {
        let mut path = Vec::new();
        for word in term.split(' ') {
            match word.split_once('=') {
                Some((name, text)) if OPTIONS.contains(&name) => self.set(name, text)?,
                Some((name, _)) if !path.is_empty() && !name.contains('/') => {
                    self.set(name, "")?;
                }
                _ => path.push(word),
            }
        }
        Ok(path.join(" "))
    }

    fn alphabet(&self) -> Vec<char> {
        if self.chars.is_empty() {
            let letters = ('a'..='z').chain('A'..='Z').chain('0'..='9').chain(".,:-_".chars());
            return letters.collect();
        }
        // Two commas are a comma among the letters.
        let (chars, comma) = match self.chars.split_once(",,") {
            Some((before, after)) => (format!("{before},{after}"), true),
            None => (self.chars.clone(), false),
        };
        let mut letters: Vec<char> = if comma { vec![','] } else { Vec::new() };
        for part in chars.split(',').filter(|part| !part.is_empty()) {
            match part {
                "ascii_letters" => letters.extend(('a'..='z').chain('A'..='Z')),
                "ascii_lowercase" => letters.extend('a'..='z'),
                "ascii_uppercase" => letters.extend('A'..='Z'),
                "digits" => letters.extend('0'..='9'),
                "hexdigits" => letters.extend(('0'..='9').chain('a'..='f').chain('A'..='F')),
                "octdigits" => letters.extend('0'..='7'),
                "punctuation" => letters.extend(('!'..='~').filter(char::is_ascii_punctuation)),
                other => letters.extend(other.chars()),
            }
        }
        letters
    }

    fn password(&self, scope: &Scope<'_>, path: &str) -> Result<String, Error> {
        let path = Self::file(scope, path);
        let keeps = path.as_os_str() != "/dev/null";
        let found = keeps.then(|| scope.controller().read(&path).ok()).flatten();
        let found = found
            .map(|content| Stored::parse(String::from_utf8_lossy(&content).trim_end_matches('\n')));
        let mut stored = match &found {
            Some(found) => found.clone(),
            None => Stored { password: self.generate()?, salt: None, ident: None },
        };
        if let Some(scheme) = self.encrypt {
            if stored.salt.is_none() {
                stored.salt = Some(match &self.salt {
                    Some(salt) => salt.clone(),
                    None => scheme.random_salt(None)?,
                });
            }
            stored.ident = stored.ident.or_else(|| self.ident.clone().or(scheme.ident()));
        }
        if keeps && found.as_ref() != Some(&stored) {
            let content = stored.line();
            scope.controller().write_private(&path, content.as_bytes()).map_err(|error| {
                failed(format!("cannot write the password file '{}': {error}", path.display()))
            })?;
        }
        match self.encrypt {
            Some(scheme) => scheme.hash(
                stored.password.as_bytes(),
                stored.salt.as_deref().unwrap_or_default(),
                None,
                stored.ident.as_deref(),
            ),
            None => Ok(stored.password),
        }
    }

    fn file(scope: &Scope<'_>, path: &str) -> PathBuf {
        let path = PathBuf::from(path);
        if path.is_absolute() {
            return path;
        }
        // Relative to the playbook, which is the last directory of the search path.
        let base = scope.controller().search_path().pop().unwrap_or_default();
        base.join(path)
    }

    fn generate(&self) -> Result<String, Error> {
        let letters = self.alphabet();
        if letters.is_empty() {
            return Err(failed("there are no characters to make a password of"));
        }
        if let Some(seed) = &self.seed {
            let mut random = Random::from_text(seed);
            let mut letter = || letters[random.below(letters.len() as u64) as usize];
            return Ok((0..self.length).map(|_| letter()).collect());
        }
        let mut source = std::fs::File::open("/dev/urandom")
            .map_err(|error| failed(format!("no source of randomness: {error}")))?;
        let mut password = String::with_capacity(self.length);
        let mut bytes = [0; 8];
        for _ in 0..self.length {
            source
                .read_exact(&mut bytes)
                .map_err(|error| failed(format!("no source of randomness: {error}")))?;
            let drawn = u64::from_le_bytes(bytes) % letters.len() as u64;
            password.push(letters[drawn as usize]);
        }
        Ok(password)
    }
}
