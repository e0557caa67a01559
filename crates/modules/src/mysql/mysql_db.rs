//! `mysql_db`: databases of MySQL and MariaDB, with their dumps.

mod dump;

use std::path::PathBuf;

use databases::mysql::{Session, name, text};
use model::Args;
use serde_json::json;
use system::{Probe, System};

use super::login::{Access, Statements, failed};
use crate::arguments::{arguments, choices};
use crate::contract::{Change, Check, Failure, Module};

choices! {
    /// What shall become of the databases.
    pub enum DbState {
        /// They shall not be there.
        Absent = "absent",
        /// They are written to a file.
        Dump = "dump",
        /// They are read from a file.
        Import = "import",
        /// They shall be there.
        Present = "present",
    }
}

arguments! {
    /// Creates, drops, dumps and imports databases of MySQL and MariaDB.
    pub struct MysqlDb {
        /// The databases; `all` for dumps and imports.
        pub name: Vec<String> { aliases: ["db"], required },
        /// What shall become of them.
        pub state: DbState { default: "present" },
        /// The character set of new ones.
        pub encoding: String { default: "" },
        /// The order of letters of new ones.
        pub collation: String { default: "" },
        /// The file of a dump: `.sql`, or with `.gz`, `.bz2`, `.xz`, `.zst` behind that.
        pub target: Option<PathBuf>,
        /// Dump in one transaction.
        pub single_transaction: bool { default: false },
        /// Dump large tables row by row.
        pub quick: bool { default: true },
        /// Lock no tables while dumping.
        pub skip_lock_tables: bool { default: false },
        /// Leave these tables out: `db.table`.
        pub ignore_tables: Vec<String>,
        /// Dump binary columns as hexadecimal digits.
        pub hex_blob: bool { default: false },
        /// Go on after errors.
        pub force: bool { default: false },
        /// Say where the binary log stands: 1 as a statement, 2 as a comment.
        pub master_data: i64 { default: 0 },
        /// More words for the program that dumps.
        pub dump_extra_args: Option<String>,
        /// Where the programs run.
        pub chdir: Option<PathBuf>,
        /// Write it to the binary log.
        pub sql_log_bin: bool { default: true },
        /// Try to log in as `root` without a password first.
        pub check_implicit_admin: bool { default: false },
        /// The host and port of `config_file` go before the usual ones.
        pub config_overrides_defaults: bool { default: false },
        /// Accepted: the programs get what the module found and read nothing else.
        pub restrict_config_file: bool { default: false },
        /// Accepted: no shell is involved.
        pub use_shell: bool { default: false },
        /// Accepted: no shell is involved.
        pub unsafe_login_password: bool { default: false },
        /// Accepted: no shell is involved.
        pub pipefail: bool { default: false },
        pub access: Access,
    }
    required_if: [("state", "dump", &["target"]), ("state", "import", &["target"])];
}

/// What is to be done.
pub(crate) enum DbChange {
    Statements(Statements),
    Dump,
    /// First, databases that are not there are created.
    Import(Statements),
}

impl Change for DbChange {
    fn diff(&self, host: &dyn Probe) -> Result<Vec<model::Diff>, Failure> {
        match self {
            Self::Statements(statements) => statements.diff(host),
            Self::Dump | Self::Import(_) => Ok(Vec::new()),
        }
    }
}

impl Module for MysqlDb {
    type Change = DbChange;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<DbChange>, Failure> {
        self.validate(host)?;
        result.insert("db".into(), self.name.join(" ").into());
        result.insert("db_list".into(), json!(self.name));
        let mut session = self.session(host)?;
        let mut statements =
            Statements { before: json!({}), after: json!({}), ..Statements::default() };
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for database in self.name.iter().filter(|name| !self.is_all(name)) {
            let is_there = exists(&mut session, database)?;
            let shall = self.state != DbState::Absent;
            if is_there {
                before.push(database.clone());
            }
            if shall {
                after.push(database.clone());
            }
            match (self.state, is_there) {
                (DbState::Absent, true) => {
                    statements.add(format!("DROP DATABASE {}", name(database)));
                }
                (DbState::Present | DbState::Import, false) => {
                    statements.add(self.create(database));
                }
                (DbState::Dump, false) => {
                    return Err(Failure::new(format!(
                        "Cannot dump database(s) '{database}' - not found"
                    )));
                }
                _ => {}
            }
        }
        statements.before = json!({ "databases": before });
        statements.after = json!({ "databases": after });
        result.insert("executed_commands".into(), json!(statements.shown()));
        Ok(match self.state {
            DbState::Dump => Check::Act(DbChange::Dump),
            DbState::Import => Check::Act(DbChange::Import(statements)),
            _ if statements.list.is_empty() => Check::InSync,
            _ => Check::Drift(DbChange::Statements(statements)),
        })
    }

    fn apply(&self, change: DbChange, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        match change {
            DbChange::Statements(statements) => statements.apply(&mut self.session(host)?, host),
            DbChange::Dump => self.dump(host, result),
            DbChange::Import(statements) => {
                statements.apply(&mut self.session(host)?, host)?;
                self.import(host, result)
            }
        }
    }
}

impl MysqlDb {
    fn is_all(&self, name: &str) -> bool {
        name == "all" && matches!(self.state, DbState::Dump | DbState::Import)
    }

    fn validate(&self, host: &dyn Probe) -> Result<(), Failure> {
        if self.name.is_empty() || self.name.iter().any(String::is_empty) {
            return Err(Failure::new("name: a database has a name"));
        }
        if self.name.iter().any(|name| name == "all")
            && matches!(self.state, DbState::Present | DbState::Absent)
        {
            return Err(Failure::new(format!(
                "name=all is not allowed unless state equals import, or dump (it is {})",
                self.state.as_str()
            )));
        }
        if self.state == DbState::Import && self.name.len() > 1 {
            return Err(Failure::new("Multiple databases are not supported when state=import"));
        }
        let is_word = |word: &str| word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        for (option, value) in [("encoding", &self.encoding), ("collation", &self.collation)] {
            if !is_word(value) {
                return Err(Failure::new(format!("{option} `{value}` is none that servers know")));
            }
        }
        if self.state == DbState::Import
            && let Some(target) = &self.target
            && host.stat(target, true)?.is_none()
        {
            return Err(Failure::new(format!(
                "target {} does not exist on the host",
                target.display()
            )));
        }
        Ok(())
    }

    fn session(&self, host: &dyn Probe) -> Result<Session, Failure> {
        let mut session = self.access.open_admin(
            host,
            None,
            self.config_overrides_defaults,
            self.check_implicit_admin,
        )?;
        if !self.sql_log_bin {
            session
                .execute("SET SQL_LOG_BIN=0")
                .map_err(failed("cannot switch the binary log off"))?;
        }
        Ok(session)
    }

    fn create(&self, database: &str) -> String {
        let mut sql = format!("CREATE DATABASE {}", name(database));
        if !self.encoding.is_empty() {
            sql.push_str(&format!(" CHARACTER SET {}", text(&self.encoding)));
        }
        if !self.collation.is_empty() {
            sql.push_str(&format!(" COLLATE {}", text(&self.collation)));
        }
        sql
    }
}

fn exists(session: &mut Session, database: &str) -> Result<bool, Failure> {
    let sql =
        format!("SELECT 1 FROM information_schema.schemata WHERE schema_name = {}", text(database));
    let rows = session.rows(&sql).map_err(failed("cannot look for the database"))?;
    Ok(!rows.rows.is_empty())
}
