//! Logging in, with what `~/.my.cnf` says, and statements that are shown without their passwords.

use std::path::{Path, PathBuf};
use std::time::Duration;

use databases::mysql::{self, Cell, Login, Session};
use model::{Args, Diff, Secret};
use serde_json::{Value, json};
use system::{FileKind, Probe};

use crate::arguments::{arguments, python_text};
use crate::contract::{Change, Failure};
use crate::diff;

arguments! {
    /// How modules log in to MySQL and MariaDB.
    pub struct Access {
        /// The user; else that of `config_file`, else the one that runs the task.
        pub login_user: Option<String>,
        /// That user's password; else that of `config_file`.
        pub login_password: Option<Secret<String>>,
        /// The server's host. `localhost` is its socket, where there is one.
        pub login_host: String { default: "localhost" },
        /// Its port.
        pub login_port: u16 { default: 3306 },
        /// Its socket.
        pub login_unix_socket: Option<PathBuf>,
        /// A file with the section `[client]`.
        pub config_file: Option<PathBuf> { default: "~/.my.cnf" },
        /// Seconds that a connection may take.
        pub connect_timeout: u64 { default: 30 },
        /// The authority of the server's certificate: not supported.
        pub ca_cert: Option<PathBuf> { aliases: ["ssl_ca"] },
        /// A certificate of one's own: not supported.
        pub client_cert: Option<PathBuf> { aliases: ["ssl_cert"] },
        /// The key of that: not supported.
        pub client_key: Option<PathBuf> { aliases: ["ssl_key"] },
        /// Accepted.
        pub check_hostname: Option<bool>,
    }
}

/// A failure of the server while something was being done.
pub(crate) fn failed(doing: &str) -> impl Fn(mysql::Error) -> Failure {
    move |error| Failure::new(format!("{doing}: {error}"))
}

/// What the section `[client]` of an option file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub user: Option<String>,
    pub password: Option<String>,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub socket: Option<PathBuf>,
}

impl Options {
    fn parse(text: &str) -> Self {
        let mut options = Self::default();
        let mut is_client = false;
        for line in text.lines().map(str::trim) {
            if let Some(section) = line.strip_prefix('[') {
                is_client = section.trim_end_matches(']') == "client";
                continue;
            }
            if !is_client || line.starts_with(['#', ';', '!']) {
                continue;
            }
            let Some((key, value)) = line.split_once('=') else { continue };
            let value = unquoted(value.trim());
            match key.trim().replace('_', "-").as_str() {
                "user" => options.user = Some(value),
                "password" => options.password = Some(value),
                "host" => options.host = Some(value),
                "port" => options.port = value.parse().ok(),
                "socket" => options.socket = Some(value.into()),
                _ => {}
            }
        }
        options
    }
}

/// A value of an option file: quotes hold it together; without them a `#` ends it.
fn unquoted(value: &str) -> String {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner.to_owned();
        }
    }
    value.split(" #").next().unwrap_or(value).trim().to_owned()
}

impl Access {
    /// What the option file says.
    pub(crate) fn options(&self, host: &dyn Probe) -> Result<Options, Failure> {
        const LIMIT: u64 = 1 << 20;
        let Some(path) = self.config_file.as_ref().filter(|path| path.as_os_str() != "") else {
            return Ok(Options::default());
        };
        let content = host.read(path, LIMIT)?.unwrap_or_default();
        Ok(Options::parse(&String::from_utf8_lossy(&content)))
    }

    /// Where and as whom. `overrides`: the file's host and port go before the usual ones.
    pub(crate) fn login(
        &self,
        host: &dyn Probe,
        database: Option<&str>,
        overrides: bool,
    ) -> Result<Login, Failure> {
        if self.ca_cert.is_some() || self.client_cert.is_some() || self.client_key.is_some() {
            return Err(Failure::new(
                "ca_cert, client_cert, client_key: encrypted connections are not supported yet; use the server's socket",
            ));
        }
        let options = self.options(host)?;
        let is_usual = self.login_host == "localhost" && self.login_port == 3306;
        let (mut at, mut port) = (self.login_host.clone(), self.login_port);
        if overrides && is_usual {
            at = options.host.unwrap_or(at);
            port = options.port.unwrap_or(port);
        }
        let socket = match self.login_unix_socket.clone().or(options.socket) {
            Some(socket) => Some(socket),
            None if at == "localhost" => known_socket(host)?,
            None => None,
        };
        let own = || host.user_by_id(host.own_uid()).ok().flatten().map(|account| account.name);
        let user = self.login_user.clone().or(options.user).or_else(own);
        let password = self.login_password.as_ref().map(|secret| secret.reveal().clone());
        Ok(Login {
            socket,
            host: if at == "localhost" { "127.0.0.1".to_owned() } else { at },
            port,
            user: user.unwrap_or_else(|| "root".to_owned()),
            password: password.or(options.password).map(mysql::Secret),
            database: database.map(str::to_owned),
            patience: Duration::from_secs(self.connect_timeout),
        })
    }

    /// Logs in.
    pub(crate) fn open(
        &self,
        host: &dyn Probe,
        database: Option<&str>,
    ) -> Result<Session, Failure> {
        let login = self.login(host, database, false)?;
        self.enter(&login)
    }

    /// Logs in; before that, as `root` without a password if `is_implicit`.
    pub(crate) fn open_admin(
        &self,
        host: &dyn Probe,
        database: Option<&str>,
        overrides: bool,
        is_implicit: bool,
    ) -> Result<Session, Failure> {
        let login = self.login(host, database, overrides)?;
        if is_implicit {
            let admin = Login { user: "root".to_owned(), password: None, ..login.clone() };
            if let Ok(session) = Session::open(&admin) {
                return Ok(session);
            }
        }
        self.enter(&login)
    }

    fn enter(&self, login: &Login) -> Result<Session, Failure> {
        let file = self.config_file.as_deref().unwrap_or(Path::new("~/.my.cnf")).display();
        Session::open(login).map_err(|error| {
            Failure::new(format!(
                "unable to connect to database, check login_user and login_password are correct or {file} has the credentials. Exception message: {error}"
            ))
        })
    }
}

/// Where servers put their sockets.
fn known_socket(host: &dyn Probe) -> Result<Option<PathBuf>, Failure> {
    const SOCKETS: [&str; 4] = [
        "/run/mysqld/mysqld.sock",
        "/var/run/mysqld/mysqld.sock",
        "/var/lib/mysql/mysql.sock",
        "/tmp/mysql.sock",
    ];
    for socket in SOCKETS.map(Path::new) {
        if host.stat(socket, true)?.is_some_and(|stat| stat.kind == FileKind::Socket) {
            return Ok(Some(socket.to_owned()));
        }
    }
    Ok(None)
}

/// Sets variables of the session.
pub(crate) fn set_variables(session: &mut Session, variables: &Args) -> Result<(), Failure> {
    for (key, value) in variables {
        let value = match value {
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => i32::from(*flag).to_string(),
            other => mysql::text(&python_text(other)),
        };
        let sql = format!("SET SESSION {} = {value}", mysql::name(key));
        session.execute(&sql).map_err(failed(&format!("cannot set the session variable {key}")))?;
    }
    Ok(())
}

/// A value of a row, for results.
pub(crate) fn shown(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Number(number) => (*number).into(),
        Cell::Float(number) => json!(number),
        Cell::Text(text) => text.clone().into(),
    }
}

/// Statements to be carried out, in order.
#[derive(Default)]
pub(crate) struct Statements {
    /// Each as it is sent, and as it is shown.
    pub list: Vec<(Secret<String>, String)>,
    /// What is there.
    pub before: Value,
    /// What shall be there.
    pub after: Value,
}

impl Change for Statements {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        Ok(vec![diff::state("mysql", self.before.clone(), self.after.clone())])
    }
}

impl Statements {
    /// One more, without secrets.
    pub(crate) fn add(&mut self, sql: String) {
        self.list.push((Secret::new(sql.clone()), sql));
    }

    /// What they show.
    pub(crate) fn shown(&self) -> Vec<String> {
        self.list.iter().map(|(_, shown)| shown.clone()).collect()
    }

    /// Carries them out.
    pub(crate) fn apply(self, session: &mut Session, host: &dyn Probe) -> Result<(), Failure> {
        self.list.iter().try_for_each(|(sql, shown)| {
            host.keep_going()?;
            session
                .execute(sql.reveal())
                .map(drop)
                .map_err(failed(&format!("cannot run `{shown}`")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_file() {
        let text = "[mysqld]\nuser=no\n[client]\n# c\nuser = me\npassword=\"a#b \"\nport=3307\nsocket='/s'\nhost=h # x\n[mysql]\nuser=x\n";
        let options = Options::parse(text);
        assert_eq!(options.user.as_deref(), Some("me"));
        assert_eq!(options.password.as_deref(), Some("a#b "));
        assert_eq!((options.port, options.host.as_deref()), (Some(3307), Some("h")));
        assert_eq!(options.socket.as_deref(), Some(Path::new("/s")));
        assert_eq!(Options::parse("user=x\n[client\n"), Options::default());
    }
}
