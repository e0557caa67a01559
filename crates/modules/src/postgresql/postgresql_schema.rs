//! `postgresql_schema`: schemas of databases.

use databases::postgresql::{name, text};
use model::Args;
use serde_json::json;
use system::{Probe, System};

use super::login::{Access, Statements, failed};
use crate::arguments::{Presence, arguments};
use crate::contract::{Check, Failure, Module};

arguments! {
    /// Creates, changes and drops schemas of PostgreSQL.
    pub struct PostgresqlSchema {
        /// The schema.
        pub name: String { aliases: ["schema"] },
        /// The database.
        pub login_db: String { aliases: ["db", "database"], default: "postgres" },
        /// The role that shall own it.
        pub owner: String { default: "" },
        /// Its comment; an empty one removes it.
        pub comment: Option<String>,
        /// Drop what is in it, too.
        pub cascade_drop: bool { default: false },
        /// Whether it shall be there.
        pub state: Presence { default: "present" },
        pub access: Access,
    }
}

impl Module for PostgresqlSchema {
    type Change = Statements;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Statements>, Failure> {
        let mut session = self.access.open(host, &self.login_db)?;
        let sql = format!(
            "SELECT pg_get_userbyid(nspowner), obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = {}",
            text(&self.name)
        );
        let rows = session.rows(&sql).map_err(failed("cannot look for the schema"))?;
        let now = rows.into_iter().next();
        let at = |place: usize| now.as_ref().and_then(|row| row[place].clone()).unwrap_or_default();
        let mut statements = Statements::on(&self.login_db);
        let schema = name(&self.name);
        if self.state.is_present() {
            let is_owned = self.owner.is_empty() || at(0) == self.owner;
            if now.is_none() {
                let owner = if self.owner.is_empty() {
                    String::new()
                } else {
                    format!(" AUTHORIZATION {}", name(&self.owner))
                };
                statements.add(format!("CREATE SCHEMA {schema}{owner}"));
            } else if !is_owned {
                statements.add(format!("ALTER SCHEMA {schema} OWNER TO {}", name(&self.owner)));
            }
            if let Some(comment) = self.comment.as_ref().filter(|comment| **comment != at(1)) {
                let comment = if comment.is_empty() { "NULL".to_owned() } else { text(comment) };
                statements.add(format!("COMMENT ON SCHEMA {schema} IS {comment}"));
            }
            statements.after = json!({ "schema": self.name, "statements": statements.shown() });
        } else if now.is_some() {
            let cascade = if self.cascade_drop { " CASCADE" } else { "" };
            statements.add(format!("DROP SCHEMA {schema}{cascade}"));
        }
        if now.is_some() {
            statements.before = json!({ "schema": self.name, "owner": at(0) });
        }
        result.insert("schema".into(), self.name.clone().into());
        result.insert("queries".into(), json!(statements.shown()));
        Ok(if statements.list.is_empty() { Check::InSync } else { Check::Drift(statements) })
    }

    fn apply(&self, change: Statements, host: &dyn System, _: &mut Args) -> Result<(), Failure> {
        change.apply(&self.access, host)
    }
}
