//! PostgreSQL: a session of texts, the quoting of names and texts, and its ways to keep passwords.

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Digest as _;
use postgres::config::SslMode;
use postgres::{Client, Config, NoTls, SimpleQueryMessage};
use sha2::Sha256;

pub use crate::Secret;

/// The server or the way to it said no.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl From<postgres::Error> for Error {
    fn from(error: postgres::Error) -> Self {
        let told = match (error.as_db_error(), std::error::Error::source(&error)) {
            (Some(told), _) => told.message().to_owned(),
            (None, Some(cause)) => format!("{error}: {cause}"),
            (None, None) => error.to_string(),
        };
        Self(told)
    }
}

/// Where and as whom to log in.
#[derive(Debug, Clone, Default)]
pub struct Login {
    /// A host, or a directory with the server's socket.
    pub host: String,
    /// The port; it is in the socket's name, too.
    pub port: u16,
    /// The role.
    pub user: String,
    /// Its password; never shown.
    pub password: Option<Secret>,
    /// The database.
    pub database: String,
}

/// A row: texts, as the server writes values.
pub type Row = Vec<Option<String>>;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `t` or `f`.
    Bool,
    /// A number.
    Number,
    /// JSON.
    Json,
    /// Anything else.
    Text,
}

impl Kind {
    fn of(column: &postgres::types::Type) -> Self {
        use postgres::types::Type;
        match *column {
            Type::BOOL => Self::Bool,
            Type::INT2 | Type::INT4 | Type::INT8 | Type::OID | Type::FLOAT4 | Type::FLOAT8 => {
                Self::Number
            }
            Type::JSON | Type::JSONB => Self::Json,
            _ => Self::Text,
        }
    }
}

/// What a statement brought.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// Its columns.
    pub columns: Vec<(String, Kind)>,
    /// Its rows.
    pub rows: Vec<Row>,
    /// How many rows it brought or changed.
    pub count: u64,
}

/// A session.
pub struct Session(Client);

impl Session {
    /// Logs in.
    pub fn open(login: &Login) -> Result<Self, Error> {
        const PATIENCE: Duration = Duration::from_secs(30);
        let mut config = Config::new();
        config
            .host(&login.host)
            .port(login.port)
            .user(&login.user)
            .dbname(&login.database)
            .connect_timeout(PATIENCE)
            .ssl_mode(SslMode::Disable);
        if let Some(password) = &login.password {
            config.password(&password.0);
        }
        Ok(Self(config.connect(NoTls)?))
    }

    /// The rows of a statement whose names and texts are quoted.
    pub fn rows(&mut self, sql: &str) -> Result<Vec<Row>, Error> {
        let messages = self.0.simple_query(sql)?;
        Ok(messages
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => {
                    Some((0..row.len()).map(|place| row.get(place).map(str::to_owned)).collect())
                }
                _ => None,
            })
            .collect())
    }

    /// What a statement brings, with what is known of its columns, and how many rows it brought or changed.
    pub fn answer(&mut self, sql: &str) -> Result<Answer, Error> {
        // Only one statement alone can be described, and asking for more would end a transaction.
        let kinds: Vec<Kind> = if is_surely_one(sql) {
            let statement = self.0.prepare(sql)?;
            statement.columns().iter().map(|column| Kind::of(column.type_())).collect()
        } else {
            Vec::new()
        };
        let mut answer = Answer::default();
        for message in self.0.simple_query(sql)? {
            match message {
                SimpleQueryMessage::RowDescription(columns) => {
                    answer.rows.clear();
                    answer.columns = columns
                        .iter()
                        .enumerate()
                        .map(|(place, column)| {
                            let kind = kinds.get(place).copied().unwrap_or(Kind::Text);
                            (column.name().to_owned(), kind)
                        })
                        .collect();
                }
                SimpleQueryMessage::Row(row) => answer
                    .rows
                    .push((0..row.len()).map(|place| row.get(place).map(str::to_owned)).collect()),
                SimpleQueryMessage::CommandComplete(count) => answer.count = count,
                _ => {}
            }
        }
        Ok(answer)
    }

    /// Carries out a statement.
    pub fn execute(&mut self, sql: &str) -> Result<(), Error> {
        Ok(self.0.batch_execute(sql)?)
    }
}

/// Whether this is one statement, as far as that is told without reading SQL: what has a semicolon outside of plain
/// quotes may be several.
fn is_surely_one(sql: &str) -> bool {
    let sql = sql.trim_end().trim_end_matches(';');
    if !sql.contains(';') {
        return true;
    }
    if sql.contains(['\\', '$']) {
        return false;
    }
    let mut quote = None;
    sql.chars().all(|letter| {
        match quote {
            Some(open) if open == letter => quote = None,
            None if matches!(letter, '\'' | '"') => quote = Some(letter),
            _ => {}
        }
        letter != ';' || quote.is_some()
    })
}

/// A name in a statement: whatever is in it, it stays one name.
pub fn name(text: &str) -> String {
    format!("\"{}\"", text.replace('\0', "").replace('"', "\"\""))
}

/// A text in a statement: whatever is in it, it stays one text.
pub fn text(text: &str) -> String {
    let quoted = text.replace('\0', "").replace('\'', "''");
    if quoted.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

/// Whether a text is a password as servers keep it, and no password itself.
pub fn is_verifier(password: &str) -> bool {
    let is_hex = |rest: &str| rest.len() == 32 && rest.chars().all(|c| c.is_ascii_hexdigit());
    password.starts_with("SCRAM-SHA-256$") || password.strip_prefix("md5").is_some_and(is_hex)
}

/// Whether the server keeps this password for a role. `None`: it keeps it in a way that is not known.
pub fn is_kept(kept: &str, password: &str, role: &str) -> Option<bool> {
    if is_verifier(password) {
        return Some(kept == password);
    }
    if kept.starts_with("md5") {
        return Some(kept == md5_verifier(password, role));
    }
    let (rounds, rest) = kept.strip_prefix("SCRAM-SHA-256$")?.split_once(':')?;
    let (salt, _) = rest.split_once('$')?;
    let salt_bytes = STANDARD.decode(salt).ok()?;
    Some(kept == scram_verifier(password, &salt_bytes, rounds.parse().ok()?))
}

/// A password as servers from version 10 on keep it. It is sent in this form, so that no log has it in the clear.
pub fn verifier(password: &str) -> String {
    const ROUNDS: u32 = 4096;
    scram_verifier(password, &rand::random::<[u8; 16]>(), ROUNDS)
}

/// The same with a given salt (RFC 5802).
fn scram_verifier(password: &str, salt: &[u8], rounds: u32) -> String {
    let mut salted = [0u8; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), salt, rounds, &mut salted);
    let keyed = |words: &[u8]| {
        let mut mac = Hmac::<Sha256>::new_from_slice(&salted).expect("any length is a key");
        mac.update(words);
        mac.finalize().into_bytes()
    };
    let stored = STANDARD.encode(Sha256::digest(keyed(b"Client Key")));
    let server = STANDARD.encode(keyed(b"Server Key"));
    format!("SCRAM-SHA-256${rounds}:{}${stored}:{server}", STANDARD.encode(salt))
}

fn md5_verifier(password: &str, role: &str) -> String {
    let digest = md5::Md5::digest(format!("{password}{role}"));
    digest.iter().fold(String::from("md5"), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_stays_one_word() {
        assert_eq!(name("a\"; DROP TABLE x; --"), "\"a\"\"; DROP TABLE x; --\"");
        assert_eq!(text("o'clock"), "'o''clock'");
        assert_eq!(text("\\' or 1"), "E'\\\\'' or 1'");
    }

    #[test]
    fn one_statement_is_told_from_several() {
        for (sql, wanted) in [
            ("SELECT 1;", true),
            ("SELECT ';', 'it''s; x'", true),
            ("SELECT \";\"", true),
            ("SELECT 1; SELECT 2", false),
            ("SELECT E'\\';'; SELECT 2", false),
            ("DO $$ BEGIN; END $$", false),
        ] {
            assert_eq!(is_surely_one(sql), wanted, "{sql}");
        }
    }

    #[test]
    fn a_kept_password_is_known_again() {
        let kept = scram_verifier("s3cret", b"0123456789abcdef", 4096);
        assert_eq!(is_kept(&kept, "s3cret", "x"), Some(true));
        assert_eq!(is_kept(&kept, "other", "x"), Some(false));
        assert_eq!(is_kept(&kept, &kept, "x"), Some(true));
        let old = md5_verifier("s3cret", "x");
        assert_eq!(is_kept(&old, "s3cret", "x"), Some(true));
        assert_eq!(is_kept(&old, "s3cret", "y"), Some(false));
        assert!(is_verifier(&old) && is_verifier(&kept) && !is_verifier("md5"));
        assert_eq!(is_kept("plain", "plain", "x"), None);
    }
}
