//! `postgresql_ping`: whether a server answers.

use std::convert::Infallible;

use model::Args;
use serde_json::{Value, json};
use system::{Probe, System};

use super::login::Access;
use crate::arguments::arguments;
use crate::contract::{Check, Failure, Module};

arguments! {
    /// Tells whether a server of PostgreSQL answers. That it does not is no failure.
    pub struct PostgresqlPing {
        /// The database to log in to.
        pub login_db: String { aliases: ["db"], default: "postgres" },
        pub access: Access,
    }
}

impl Module for PostgresqlPing {
    type Change = Infallible;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Infallible>, Failure> {
        let told = self.access.open(host, &self.login_db).and_then(|mut session| {
            let rows = session.rows("SELECT version()");
            rows.map_err(super::login::failed("cannot ask for the version"))
        });
        let (is_available, version, message) = match told {
            Ok(rows) => {
                let raw = rows.into_iter().next().and_then(|row| row.into_iter().next().flatten());
                (true, version(&raw.unwrap_or_default()), String::new())
            }
            Err(failure) => (false, json!({}), failure.message),
        };
        result.insert("is_available".into(), is_available.into());
        result.insert("server_version".into(), version);
        result.insert("conn_err_msg".into(), message.into());
        Ok(Check::InSync)
    }

    fn apply(&self, change: Infallible, _: &dyn System, _: &mut Args) -> Result<(), Failure> {
        match change {}
    }
}

/// `PostgreSQL 15.8 (Debian 15.8-1) on x86_64-pc-linux-gnu`.
fn version(raw: &str) -> Value {
    let full = raw.split_whitespace().nth(1).unwrap_or_default();
    let mut numbers = full.split('.').map(|part| part.parse::<i64>().ok());
    let (major, minor) = (numbers.next().flatten(), numbers.next().flatten());
    json!({ "raw": raw, "full": full, "major": major, "minor": minor })
}
