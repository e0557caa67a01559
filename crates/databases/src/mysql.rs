//! MySQL and MariaDB: a session of texts, the quoting of names and texts, and the oldest of their ways to keep passwords.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use mysql::consts::{ColumnFlags, ColumnType};
use mysql::prelude::Queryable as _;
use mysql::{Column, Conn, OptsBuilder, Value};
use sha1::{Digest as _, Sha1};

pub use crate::Secret;

/// The server or the way to it said no.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl From<mysql::Error> for Error {
    fn from(error: mysql::Error) -> Self {
        match error {
            mysql::Error::MySqlError(told) => {
                Self(format!("({}, \"{}\")", told.code, told.message))
            }
            other => Self(other.to_string()),
        }
    }
}

/// Where and as whom to log in.
#[derive(Debug, Clone, Default)]
pub struct Login {
    /// The server's socket; it goes before the host.
    pub socket: Option<PathBuf>,
    /// The host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The user.
    pub user: String,
    /// That user's password; never shown.
    pub password: Option<Secret>,
    /// The database.
    pub database: Option<String>,
    /// How long a connection may take.
    pub patience: Duration,
}

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// None.
    Null,
    /// A whole number.
    Number(i64),
    /// A number with a fraction.
    Float(f64),
    /// Anything else, as the server writes it.
    Text(String),
}

impl Cell {
    /// As a text.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Number(number) => Some(number.to_string()),
            Self::Float(number) => Some(number.to_string()),
            Self::Text(text) => Some(text.clone()),
        }
    }
}

/// What a statement brought.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
    /// How many rows it changed.
    pub affected: u64,
}

/// A session.
pub struct Session(Conn);

impl Session {
    /// Logs in. Backslashes escape in the session whatever the server's mode is: [`text`] relies on that.
    pub fn open(login: &Login) -> Result<Self, Error> {
        let options = OptsBuilder::new()
            .user(Some(&login.user))
            .pass(login.password.as_ref().map(|password| &password.0))
            .db_name(login.database.as_ref())
            .prefer_socket(false)
            .tcp_connect_timeout(Some(login.patience))
            .read_timeout(None);
        let options = match &login.socket {
            Some(socket) => options.socket(socket.to_str()),
            None => options.ip_or_hostname(Some(&login.host)).tcp_port(login.port),
        };
        let mut session = Self(Conn::new(options)?);
        session.execute(
            "SET SESSION sql_mode = REPLACE(@@SESSION.sql_mode, 'NO_BACKSLASH_ESCAPES', '')",
        )?;
        Ok(session)
    }

    /// Whether the server is a MariaDB, and its version.
    pub fn version(&mut self) -> Result<String, Error> {
        let rows = self.rows("SELECT VERSION()")?;
        Ok(rows.rows.first().and_then(|row| row.first()?.text()).unwrap_or_default())
    }

    /// What a statement brings whose names and texts are quoted.
    pub fn rows(&mut self, sql: &str) -> Result<Rows, Error> {
        let mut result = self.0.query_iter(sql)?;
        let mut told = Rows { affected: result.affected_rows(), ..Rows::default() };
        let columns: Vec<Column> = result.columns().as_ref().to_vec();
        told.columns = columns.iter().map(|column| column.name_str().into_owned()).collect();
        for row in result.by_ref() {
            let cells = row?.unwrap().into_iter().zip(&columns);
            told.rows.push(cells.map(|(value, column)| cell(value, column)).collect());
        }
        if !columns.is_empty() {
            told.affected = told.rows.len() as u64;
        }
        Ok(told)
    }

    /// Carries out a statement.
    pub fn execute(&mut self, sql: &str) -> Result<u64, Error> {
        Ok(self.rows(sql)?.affected)
    }
}

/// A value as the text protocol brings it: bytes, which the column tells the kind of.
fn cell(value: Value, column: &Column) -> Cell {
    use ColumnType::{
        MYSQL_TYPE_DOUBLE, MYSQL_TYPE_FLOAT, MYSQL_TYPE_INT24, MYSQL_TYPE_LONG,
        MYSQL_TYPE_LONGLONG, MYSQL_TYPE_SHORT, MYSQL_TYPE_TINY, MYSQL_TYPE_YEAR,
    };
    let Value::Bytes(bytes) = value else { return Cell::Null };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let whole = [
        MYSQL_TYPE_TINY,
        MYSQL_TYPE_SHORT,
        MYSQL_TYPE_INT24,
        MYSQL_TYPE_LONG,
        MYSQL_TYPE_LONGLONG,
        MYSQL_TYPE_YEAR,
    ];
    let is_zero_filled = column.flags().contains(ColumnFlags::ZEROFILL_FLAG);
    if whole.contains(&column.column_type()) && !is_zero_filled {
        return text.parse().map_or(Cell::Text(text), Cell::Number);
    }
    if [MYSQL_TYPE_DOUBLE, MYSQL_TYPE_FLOAT].contains(&column.column_type()) {
        return text.parse().map_or(Cell::Text(text), Cell::Float);
    }
    Cell::Text(text)
}

/// A name in a statement: whatever is in it, it stays one name.
pub fn name(text: &str) -> String {
    format!("`{}`", text.replace('\0', "").replace('`', "``"))
}

/// A text in a statement: whatever is in it, it stays one text.
pub fn text(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for letter in text.chars() {
        match letter {
            '\0' => quoted.push_str("\\0"),
            '\\' | '\'' => quoted.extend(['\\', letter]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\u{1a}' => quoted.push_str("\\Z"),
            other => quoted.push(other),
        }
    }
    quoted.push('\'');
    quoted
}

/// A password as the plugin `mysql_native_password` keeps it.
pub fn native_hash(password: &str) -> String {
    let digest = Sha1::digest(Sha1::digest(password.as_bytes()));
    digest.iter().fold(String::from("*"), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}

/// Whether a text is one as that plugin keeps it.
pub fn is_native_hash(text: &str) -> bool {
    text.strip_prefix('*')
        .is_some_and(|hex| hex.len() == 40 && hex.chars().all(|c| c.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_stays_one_word() {
        assert_eq!(name("a`; DROP TABLE x; --"), "`a``; DROP TABLE x; --`");
        assert_eq!(text("o'clock"), "'o\\'clock'");
        assert_eq!(text("\\' or 1\n"), "'\\\\\\' or 1\\n'");
    }

    #[test]
    fn a_native_hash() {
        let hash = native_hash("password");
        assert_eq!(hash, "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19");
        assert!(is_native_hash(&hash) && !is_native_hash("*24") && !is_native_hash("password"));
    }
}
