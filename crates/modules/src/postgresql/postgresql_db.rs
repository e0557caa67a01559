//! `postgresql_db`: databases of PostgreSQL.

use std::path::PathBuf;

use databases::postgresql::{name, text};
use model::Args;
use serde_json::{Value, json};
use system::{Probe, System};

use super::login::{Access, Statements, failed};
use crate::arguments::{arguments, choices};
use crate::contract::{Check, Failure, Module};

choices! {
    /// What shall become of the database.
    pub enum DbState {
        /// It shall not be there.
        Absent = "absent",
        /// Not supported: use `pg_dump`.
        Dump = "dump",
        /// It shall be there.
        Present = "present",
        /// It shall have another name.
        Rename = "rename",
        /// Not supported: use `pg_restore` or `psql`.
        Restore = "restore",
    }
}

arguments! {
    /// Creates, changes, renames and drops databases of PostgreSQL.
    pub struct PostgresqlDb {
        /// The database.
        pub name: String { aliases: ["db"] },
        /// The role that shall own it.
        pub owner: String { default: "" },
        /// The template of a new one.
        pub template: String { default: "" },
        /// Its encoding, which cannot be changed.
        pub encoding: String { default: "" },
        /// Its order of letters, which cannot be changed.
        pub lc_collate: String { default: "" },
        /// Its kinds of letters, which cannot be changed.
        pub lc_ctype: String { default: "" },
        /// The provider of a new one's locale: `libc` or `icu`.
        pub locale_provider: String { default: "" },
        /// The ICU locale of a new one.
        pub icu_locale: String { default: "" },
        /// What shall become of it.
        pub state: DbState { default: "present" },
        /// Its new name.
        pub target: String { default: "" },
        /// For dumps: not supported.
        pub target_opts: String { default: "" },
        /// For dumps: not supported.
        pub dump_extra_args: Option<String>,
        /// The database to log in to.
        pub maintenance_db: String { default: "postgres" },
        /// How many connections it takes; `-1`: any number.
        pub conn_limit: String { default: "" },
        /// Its tablespace.
        pub tablespace: PathBuf { default: "" },
        /// Its comment.
        pub comment: Option<String>,
        /// End its connections before it is dropped.
        pub force: bool { default: false },
        pub access: Access,
    }
    required_if: [("state", "rename", &["target"])];
}

impl Module for PostgresqlDb {
    type Change = Statements;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Statements>, Failure> {
        if matches!(self.state, DbState::Dump | DbState::Restore) {
            return Err(Failure::new(format!(
                "state {} is not supported; use `command` with pg_dump, pg_restore or psql",
                self.state.as_str()
            )));
        }
        if !self.conn_limit.is_empty() && self.conn_limit.parse::<i32>().is_err() {
            return Err(Failure::new(format!("conn_limit `{}` is no number", self.conn_limit)));
        }
        let mut statements = Statements::on(&self.maintenance_db);
        let now = self.facts(host, &self.name)?;
        statements.before = now.clone().map_or(json!({}), Value::Object);
        match (self.state, &now) {
            (DbState::Absent, None) => {}
            (DbState::Absent, Some(_)) => {
                let force = if self.force { " WITH (FORCE)" } else { "" };
                statements.add(format!("DROP DATABASE {}{force}", name(&self.name)));
            }
            (DbState::Rename, _) => self.rename(host, now.is_some(), &mut statements)?,
            (_, None) => self.create(&mut statements),
            (_, Some(now)) => self.alter(now, &mut statements)?,
        }
        result.insert("executed_commands".into(), json!(statements.shown()));
        if statements.list.is_empty() {
            return Ok(Check::InSync);
        }
        if self.state == DbState::Present {
            statements.after = Value::Object(self.wanted(now.unwrap_or_default()));
        }
        Ok(Check::Drift(statements))
    }

    fn apply(&self, change: Statements, host: &dyn System, _: &mut Args) -> Result<(), Failure> {
        change.apply(&self.access, host)
    }
}

impl PostgresqlDb {
    fn facts(&self, host: &dyn Probe, database: &str) -> Result<Option<Args>, Failure> {
        const KEYS: [&str; 8] = [
            "name",
            "owner",
            "encoding",
            "lc_collate",
            "lc_ctype",
            "conn_limit",
            "tablespace",
            "comment",
        ];
        let sql = format!(
            "SELECT d.datname, pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding), d.datcollate, d.datctype, \
             d.datconnlimit, t.spcname, shobj_description(d.oid, 'pg_database') FROM pg_database d \
             JOIN pg_tablespace t ON t.oid = d.dattablespace WHERE d.datname = {}",
            text(database)
        );
        let mut session = self.access.open(host, &self.maintenance_db)?;
        let rows = session.rows(&sql).map_err(failed("cannot look for the database"))?;
        Ok(rows.into_iter().next().map(|row| {
            let pairs = KEYS.iter().zip(row);
            pairs.map(|(key, value)| ((*key).to_owned(), json!(value))).collect()
        }))
    }

    fn tablespace(&self) -> String {
        self.tablespace.to_string_lossy().into_owned()
    }

    fn create(&self, statements: &mut Statements) {
        let mut sql = format!("CREATE DATABASE {}", name(&self.name));
        let parts = [
            ("OWNER", &self.owner, name as fn(&str) -> String),
            ("TEMPLATE", &self.template, name),
            ("ENCODING", &self.encoding, text),
            ("LOCALE_PROVIDER", &self.locale_provider, name),
            ("ICU_LOCALE", &self.icu_locale, text),
            ("LC_COLLATE", &self.lc_collate, text),
            ("LC_CTYPE", &self.lc_ctype, text),
            ("TABLESPACE", &self.tablespace(), name),
        ];
        for (word, value, quoted) in parts {
            if !value.is_empty() {
                sql.push_str(&format!(" {word} {}", quoted(value)));
            }
        }
        if !self.conn_limit.is_empty() {
            sql.push_str(&format!(" CONNECTION LIMIT {}", self.conn_limit));
        }
        statements.add(sql);
        if let Some(comment) = self.comment.as_ref().filter(|comment| !comment.is_empty()) {
            statements.add(self.comment_sql(comment));
        }
    }

    fn comment_sql(&self, comment: &str) -> String {
        format!("COMMENT ON DATABASE {} IS {}", name(&self.name), text(comment))
    }

    fn alter(&self, now: &Args, statements: &mut Statements) -> Result<(), Failure> {
        let has = |key: &str| now.get(key).and_then(Value::as_str).unwrap_or_default();
        let plain = |encoding: &str| {
            encoding.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
        };
        let fixed = [
            ("encoding", "database encoding", "encoding", &self.encoding),
            ("lc_collate", "LC_COLLATE", "LC_COLLATE", &self.lc_collate),
            ("lc_ctype", "LC_CTYPE", "LC_CTYPE", &self.lc_ctype),
        ];
        for (key, what, word, wanted) in fixed {
            let is_same = match key {
                "encoding" => plain(wanted).replace("unicode", "utf8") == plain(has(key)),
                _ => wanted == has(key),
            };
            if !wanted.is_empty() && !is_same {
                return Err(Failure::new(format!(
                    "Changing {what} is not supported. Current {word}: {}",
                    has(key)
                )));
            }
        }
        let alter = format!("ALTER DATABASE {}", name(&self.name));
        if !self.owner.is_empty() && self.owner != has("owner") {
            statements.add(format!("{alter} OWNER TO {}", name(&self.owner)));
        }
        if !self.conn_limit.is_empty() && self.conn_limit != has("conn_limit") {
            statements.add(format!("{alter} CONNECTION LIMIT {}", self.conn_limit));
        }
        let tablespace = self.tablespace();
        if !tablespace.is_empty() && tablespace != has("tablespace") {
            statements.add(format!("{alter} SET TABLESPACE {}", name(&tablespace)));
        }
        if let Some(comment) = self.comment.as_ref().filter(|comment| *comment != has("comment")) {
            statements.add(self.comment_sql(comment));
        }
        Ok(())
    }

    fn rename(
        &self,
        host: &dyn Probe,
        is_there: bool,
        statements: &mut Statements,
    ) -> Result<(), Failure> {
        let has_target = self.facts(host, &self.target)?.is_some();
        match (is_there, has_target) {
            (false, false) => Err(Failure::new(format!(
                "Source and target databases do not exist: `{}`, `{}`",
                self.name, self.target
            ))),
            (true, true) => Err(Failure::new(format!(
                "Both the source and the target databases exist: `{}`, `{}`",
                self.name, self.target
            ))),
            (false, true) => Ok(()),
            (true, false) => {
                let (from, to) = (name(&self.name), name(&self.target));
                statements.add(format!("ALTER DATABASE {from} RENAME TO {to}"));
                Ok(())
            }
        }
    }

    /// What is there, with what is asked for laid over it.
    fn wanted(&self, mut now: Args) -> Args {
        let asked = [
            ("name", &self.name),
            ("owner", &self.owner),
            ("encoding", &self.encoding),
            ("lc_collate", &self.lc_collate),
            ("lc_ctype", &self.lc_ctype),
            ("conn_limit", &self.conn_limit),
        ];
        for (key, value) in asked {
            if !value.is_empty() {
                now.insert(key.to_owned(), value.clone().into());
            }
        }
        now
    }
}
