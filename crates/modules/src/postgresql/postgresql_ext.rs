//! `postgresql_ext`: extensions of databases.

use databases::postgresql::{name, text};
use model::Args;
use serde_json::json;
use system::{Probe, System};

use super::login::{Access, Statements, failed};
use crate::arguments::{Presence, arguments};
use crate::contract::{Check, Failure, Module};

arguments! {
    /// Adds extensions to databases of PostgreSQL, updates and removes them.
    pub struct PostgresqlExt {
        /// The extension.
        pub name: String { aliases: ["ext"] },
        /// The database.
        pub login_db: String { aliases: ["db"] },
        /// The schema of a new one.
        pub schema: Option<String>,
        /// Its version; `latest`: the newest that the server has.
        pub version: Option<String>,
        /// Its comment; an empty one removes it.
        pub comment: Option<String>,
        /// With what it needs, or with what needs it.
        pub cascade: bool { default: false },
        /// Whether it shall be there.
        pub state: Presence { default: "present" },
        pub access: Access,
    }
}

impl Module for PostgresqlExt {
    type Change = Statements;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Statements>, Failure> {
        let mut session = self.access.open(host, &self.login_db)?;
        let sql = format!(
            "SELECT a.default_version, e.extversion, obj_description(e.oid, 'pg_extension') FROM pg_available_extensions a \
             LEFT JOIN pg_extension e ON e.extname = a.name WHERE a.name = {}",
            text(&self.name)
        );
        let rows = session.rows(&sql).map_err(failed("cannot look for the extension"))?;
        let row = rows.into_iter().next();
        let at = |place: usize| row.as_ref().and_then(|row| row[place].clone());
        let (newest, now, comment) = (at(0), at(1), at(2));
        let mut statements = Statements::on(&self.login_db);
        let extension = name(&self.name);
        let cascade = if self.cascade { " CASCADE" } else { "" };
        let version = match self.version.as_deref() {
            Some("latest") => newest.clone(),
            other => other.map(str::to_owned),
        };
        let mut after = now.clone();
        match (self.state, &now) {
            (Presence::Absent, None) => {}
            (Presence::Absent, Some(_)) => {
                statements.add(format!("DROP EXTENSION {extension}{cascade}"));
                after = None;
            }
            (Presence::Present, None) => {
                let schema =
                    self.schema.as_ref().map(|schema| format!(" WITH SCHEMA {}", name(schema)));
                let wanted = version.as_ref().map(|version| format!(" VERSION {}", text(version)));
                let parts = schema.unwrap_or_default() + &wanted.unwrap_or_default();
                statements.add(format!("CREATE EXTENSION {extension}{parts}{cascade}"));
                after = version.or(newest);
            }
            (Presence::Present, Some(now)) => {
                if let Some(version) = version.filter(|version| version != now) {
                    statements
                        .add(format!("ALTER EXTENSION {extension} UPDATE TO {}", text(&version)));
                    after = Some(version);
                }
            }
        }
        if let Some(wanted) = self.comment.as_ref().filter(|_| self.state.is_present())
            && comment.unwrap_or_default() != *wanted
        {
            let wanted = if wanted.is_empty() { "NULL".to_owned() } else { text(wanted) };
            statements.add(format!("COMMENT ON EXTENSION {extension} IS {wanted}"));
        }
        statements.before = json!({ "version": now });
        statements.after = json!({ "version": after });
        result.insert("prev_version".into(), now.unwrap_or_default().into());
        result.insert("version".into(), after.unwrap_or_default().into());
        result.insert("queries".into(), json!(statements.shown()));
        Ok(if statements.list.is_empty() { Check::InSync } else { Check::Drift(statements) })
    }

    fn apply(&self, change: Statements, host: &dyn System, _: &mut Args) -> Result<(), Failure> {
        change.apply(&self.access, host)
    }
}
