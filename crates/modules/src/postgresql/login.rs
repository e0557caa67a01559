//! Logging in, and statements that are shown without their passwords.

use std::path::{Path, PathBuf};

use databases::postgresql::{self, Login, Session};
use model::{Args, Diff, Secret};
use serde_json::{Value, json};
use system::{FileKind, Probe};

use crate::arguments::{arguments, choices};
use crate::contract::{Change, Failure};
use crate::diff;

choices! {
    /// Whether the connection is encrypted.
    pub enum SslMode {
        /// Only if the server insists.
        Allow = "allow",
        /// Never.
        Disable = "disable",
        /// If the server can; not done so far.
        Prefer = "prefer",
        /// Always: not supported.
        Require = "require",
        /// Always, with a known certificate: not supported.
        VerifyCa = "verify-ca",
        /// The same, for this name: not supported.
        VerifyFull = "verify-full",
    }
}

arguments! {
    /// How modules log in to PostgreSQL.
    pub struct Access {
        /// The role to log in as.
        pub login_user: String { aliases: ["login"], default: "postgres" },
        /// Its password; without it `PGPASSWORD` and `~/.pgpass` are looked at.
        pub login_password: Option<Secret<String>>,
        /// The host; without it, the server's socket on this one.
        pub login_host: String { aliases: ["host"], default: "" },
        /// The directory of the server's socket.
        pub login_unix_socket: String { aliases: ["unix_socket"], default: "" },
        /// The server's port.
        pub login_port: u16 { aliases: ["port"], default: 5432 },
        /// Whether the connection is encrypted. Only without encryption so far.
        pub ssl_mode: SslMode { default: "prefer" },
        /// The authority of the server's certificate: not supported.
        pub ca_cert: Option<String> { aliases: ["ssl_rootcert"] },
        /// A certificate of one's own: not supported.
        pub ssl_cert: Option<PathBuf>,
        /// The key of that: not supported.
        pub ssl_key: Option<PathBuf>,
        /// More parameters of the connection: not supported.
        pub connect_params: Args,
        /// The role to take on after the login.
        pub session_role: Option<String>,
        /// Accepted: names are always quoted.
        pub trust_input: bool { default: true },
    }
}

/// A failure of the server while something was being done.
pub(crate) fn failed(doing: &str) -> impl Fn(postgresql::Error) -> Failure {
    move |error| Failure::new(format!("{doing}: {error}"))
}

impl Access {
    /// Logs in to a database.
    pub(crate) fn open(&self, host: &dyn Probe, database: &str) -> Result<Session, Failure> {
        if matches!(self.ssl_mode, SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull) {
            return Err(Failure::new(format!(
                "ssl_mode {}: encrypted connections are not supported yet; use the server's socket",
                self.ssl_mode.as_str()
            )));
        }
        if !self.connect_params.is_empty() {
            return Err(Failure::new("connect_params are not supported"));
        }
        let place = self.place(host)?;
        let password = match &self.login_password {
            Some(password) if !password.reveal().is_empty() => Some(password.reveal().clone()),
            _ => self.known_password(host, database)?,
        };
        let login = Login {
            host: place.clone(),
            port: self.login_port,
            user: self.login_user.clone(),
            password: password.map(postgresql::Secret),
            database: database.to_owned(),
        };
        let mut session = Session::open(&login)
            .map_err(failed(&format!("unable to connect to database {database} at {place}")))?;
        if let Some(role) = &self.session_role {
            let sql = format!("SET ROLE {}", postgresql::name(role));
            session.execute(&sql).map_err(failed("Could not switch role"))?;
        }
        Ok(session)
    }

    /// A host, or the directory of the socket.
    fn place(&self, host: &dyn Probe) -> Result<String, Failure> {
        const FOLDERS: [&str; 3] = ["/var/run/postgresql", "/run/postgresql", "/tmp"];
        for given in [&self.login_host, &self.login_unix_socket] {
            if !given.is_empty() {
                return Ok(given.clone());
            }
        }
        for folder in FOLDERS {
            let socket = Path::new(folder).join(format!(".s.PGSQL.{}", self.login_port));
            if host.stat(&socket, true)?.is_some_and(|stat| stat.kind == FileKind::Socket) {
                return Ok(folder.to_owned());
            }
        }
        Ok(FOLDERS[0].to_owned())
    }

    /// From the environment, or from a file that nobody else may read.
    fn known_password(&self, host: &dyn Probe, database: &str) -> Result<Option<String>, Failure> {
        const LIMIT: u64 = 1 << 20;
        if let Some(password) = host.variable("PGPASSWORD") {
            return Ok(Some(password));
        }
        let Some(account) = host.user_by_id(host.own_uid())? else { return Ok(None) };
        let path = account.home.join(".pgpass");
        let is_private = host.stat(&path, true)?.is_some_and(|stat| stat.mode % 0o100 == 0);
        if !is_private {
            return Ok(None);
        }
        let content = host.read(&path, LIMIT)?.unwrap_or_default();
        let name = if self.login_host.is_empty() { "localhost" } else { &self.login_host };
        let wanted = [name, &self.login_port.to_string(), database, &self.login_user];
        let text = String::from_utf8_lossy(&content).into_owned();
        Ok(text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
            let fields = fields(line);
            let is_it = fields.len() == 5
                && fields.iter().zip(wanted).all(|(field, wanted)| field == "*" || field == wanted);
            is_it.then(|| fields[4].clone())
        }))
    }
}

/// The five fields of a line of `.pgpass`, where a backslash takes the next letter as it is.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        let last = fields.len() - 1;
        match letter {
            '\\' => fields[last].extend(letters.next()),
            ':' if fields.len() < 5 => fields.push(String::new()),
            other => fields[last].push(other),
        }
    }
    fields
}

/// Statements to be carried out, in order.
pub(crate) struct Statements {
    /// The database to log in to.
    pub database: String,
    /// Each as it is sent, and as it is shown.
    pub list: Vec<(Secret<String>, String)>,
    /// What is there.
    pub before: Value,
    /// What shall be there.
    pub after: Value,
}

impl Change for Statements {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        Ok(vec![diff::state("postgresql", self.before.clone(), self.after.clone())])
    }
}

impl Statements {
    /// None yet.
    pub(crate) fn on(database: &str) -> Self {
        let (list, before, after) = (Vec::new(), json!({}), json!({}));
        Self { database: database.to_owned(), list, before, after }
    }

    /// One more, without secrets.
    pub(crate) fn add(&mut self, sql: String) {
        self.list.push((Secret::new(sql.clone()), sql));
    }

    /// What they show.
    pub(crate) fn shown(&self) -> Vec<String> {
        self.list.iter().map(|(_, shown)| shown.clone()).collect()
    }

    /// Carries them out.
    pub(crate) fn apply(self, access: &Access, host: &dyn Probe) -> Result<(), Failure> {
        let mut session = access.open(host, &self.database)?;
        self.list.iter().try_for_each(|(sql, shown)| {
            host.keep_going()?;
            session.execute(sql.reveal()).map_err(failed(&format!("cannot run `{shown}`")))
        })
    }
}
