//! `mysql_info`: what a server says of itself.

use std::convert::Infallible;

use databases::mysql::{Rows, Session};
use model::Args;
use serde_json::{Map, Value, json};
use system::{Probe, System};

use super::login::{Access, failed, shown};
use crate::arguments::arguments;
use crate::contract::{Check, Failure, Module};

arguments! {
    /// Tells what MySQL and MariaDB say of themselves.
    pub struct MysqlInfo {
        /// Which parts are told: `version`, `databases`, `settings`, `global_status`, `users`, `users_info`, `engines`,
        /// `master_status`, `slave_status`, `slave_hosts`; `!PART`: all but that.
        pub filter: Option<Vec<String>>,
        /// What databases are told without: `db_size`, `db_table_count`.
        pub exclude_fields: Option<Vec<String>>,
        /// Tell empty databases, too.
        pub return_empty_dbs: bool { default: false },
        /// The database to log in to.
        pub login_db: Option<String>,
        pub access: Access,
    }
}

const PARTS: [&str; 10] = [
    "version",
    "databases",
    "settings",
    "global_status",
    "users",
    "users_info",
    "engines",
    "master_status",
    "slave_status",
    "slave_hosts",
];

impl Module for MysqlInfo {
    type Change = Infallible;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Infallible>, Failure> {
        let parts = self.parts()?;
        let mut session = self.access.open(host, self.login_db.as_deref())?;
        let full = session.version().map_err(failed("cannot ask for the version"))?;
        let is_maria = full.to_lowercase().contains("mariadb");
        result.insert("server_engine".into(), if is_maria { "MariaDB" } else { "MySQL" }.into());
        result.insert("connector_name".into(), "muster".into());
        result.insert("connector_version".into(), env!("CARGO_PKG_VERSION").into());
        for part in parts {
            let value = match part {
                "version" => version(&full),
                "databases" => self.databases(&mut session)?,
                "settings" => pairs(&ask(&mut session, "SHOW GLOBAL VARIABLES")?),
                "global_status" => pairs(&ask(&mut session, "SHOW GLOBAL STATUS")?),
                "users" => users(&ask(&mut session, "SELECT * FROM mysql.user")?),
                "users_info" => users_info(&mut session)?,
                "engines" => by_first(&ask(&mut session, "SHOW ENGINES")?),
                "master_status" => {
                    first(&any(&mut session, &["SHOW MASTER STATUS", "SHOW BINARY LOG STATUS"]))
                }
                "slave_status" => replicas(&any(
                    &mut session,
                    &["SHOW ALL SLAVES STATUS", "SHOW SLAVE STATUS", "SHOW REPLICA STATUS"],
                )),
                _ => by_first(&any(&mut session, &["SHOW SLAVE HOSTS", "SHOW REPLICAS"])),
            };
            result.insert(part.into(), value);
        }
        Ok(Check::InSync)
    }

    fn apply(&self, change: Infallible, _: &dyn System, _: &mut Args) -> Result<(), Failure> {
        match change {}
    }
}

impl MysqlInfo {
    fn parts(&self) -> Result<Vec<&'static str>, Failure> {
        let words: Vec<&str> = self.filter.iter().flatten().map(|word| word.trim()).collect();
        let bare = |word: &str| word.trim_start_matches('!').to_owned();
        if let Some(odd) = words.iter().find(|word| !PARTS.contains(&bare(word).as_str())) {
            return Err(Failure::new(format!(
                "filter element `{odd}` is not allowable, it must be one of: {}",
                PARTS.join(", ")
            )));
        }
        let wanted: Vec<_> = words.iter().filter(|word| !word.starts_with('!')).collect();
        let is_in = |part: &&str| {
            let is_left_out = words.iter().any(|word| word.strip_prefix('!') == Some(part));
            !is_left_out && (wanted.is_empty() || wanted.iter().any(|word| **word == *part))
        };
        Ok(PARTS.into_iter().filter(|part| is_in(part)).collect())
    }

    fn databases(&self, session: &mut Session) -> Result<Value, Failure> {
        let is_out = |field: &str| self.exclude_fields.iter().flatten().any(|out| out == field);
        let rows = ask(
            session,
            "SELECT table_schema, COUNT(*), CAST(SUM(data_length + index_length) AS SIGNED) FROM information_schema.tables GROUP BY table_schema",
        )?;
        let mut all = Map::new();
        for row in &rows.rows {
            let mut facts = json!({});
            if !is_out("db_size") {
                facts["size"] = shown(&row[2]);
            }
            if !is_out("db_table_count") {
                facts["tables"] = shown(&row[1]);
            }
            all.insert(row[0].text().unwrap_or_default(), facts);
        }
        if self.return_empty_dbs {
            for row in ask(session, "SHOW DATABASES")?.rows {
                let empty = if is_out("db_size") { json!({}) } else { json!({ "size": 0 }) };
                let empty = if is_out("db_table_count") {
                    empty
                } else {
                    json!({ "size": 0, "tables": 0 })
                };
                all.entry(row[0].text().unwrap_or_default()).or_insert(empty);
            }
        }
        Ok(Value::Object(all))
    }
}

fn ask(session: &mut Session, sql: &str) -> Result<Rows, Failure> {
    session.rows(sql).map_err(failed(&format!("Cannot execute query '{sql}'")))
}

/// The answer to the first of several spellings that the server knows, and may be asked.
fn any(session: &mut Session, list: &[&str]) -> Rows {
    list.iter().find_map(|sql| session.rows(sql).ok()).unwrap_or_default()
}

/// `10.11.6-MariaDB-log`.
fn version(full: &str) -> Value {
    let (numbers, suffix) = full.split_once('-').unwrap_or((full, ""));
    let mut numbers = numbers.split('.').map(|part| part.parse::<i64>().unwrap_or_default());
    let mut next = || numbers.next().unwrap_or_default();
    json!({ "full": full, "major": next(), "minor": next(), "release": next(), "suffix": suffix })
}

fn number(text: &str) -> Value {
    text.parse::<i64>().map_or_else(|_| text.into(), Value::from)
}

fn pairs(rows: &Rows) -> Value {
    let pair = |row: &Vec<databases::mysql::Cell>| {
        (row[0].text().unwrap_or_default(), number(&row[1].text().unwrap_or_default()))
    };
    Value::Object(rows.rows.iter().map(pair).collect())
}

fn rows(rows: &Rows) -> Vec<Map<String, Value>> {
    let row = |cells: &Vec<databases::mysql::Cell>| {
        rows.columns.iter().cloned().zip(cells.iter().map(shown)).collect()
    };
    rows.rows.iter().map(row).collect()
}

fn first(told: &Rows) -> Value {
    Value::Object(rows(told).into_iter().next().unwrap_or_default())
}

/// Rows by their first column, which they lose.
fn by_first(told: &Rows) -> Value {
    let mut all = Map::new();
    for (row, cells) in rows(told).into_iter().zip(&told.rows) {
        let key = told.columns.first().cloned().unwrap_or_default();
        let rest = row.into_iter().filter(|(name, _)| *name != key).collect();
        all.insert(cells[0].text().unwrap_or_default(), Value::Object(rest));
    }
    Value::Object(all)
}

fn users(told: &Rows) -> Value {
    let mut all = json!({});
    for row in rows(told) {
        let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (host, user) = (text("Host"), text("User"));
        // What they log in with is nobody's business.
        let is_public =
            |name: &str| !matches!(name, "Host" | "User" | "Password" | "authentication_string");
        let facts = row.into_iter().filter(|(name, _)| is_public(name)).collect();
        all[host][user] = Value::Object(facts);
    }
    all
}

fn users_info(session: &mut Session) -> Result<Value, Failure> {
    let mut all = Vec::new();
    for row in ask(session, "SELECT User, Host, plugin FROM mysql.user WHERE plugin <> ''")?.rows {
        let [user, host, plugin] = [0, 1, 2].map(|place| row[place].text().unwrap_or_default());
        let grants = super::mysql_user::grants(session, &user, &host)?;
        all.push(json!({ "name": user, "host": host, "plugin": plugin, "priv": grants.text() }));
    }
    Ok(all.into())
}

fn replicas(told: &Rows) -> Value {
    let mut all = json!({});
    for row in rows(told) {
        let text = |keys: [&str; 2]| {
            let value = keys.iter().find_map(|key| row.get(*key));
            value
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                .unwrap_or_default()
        };
        let host = text(["Master_Host", "Source_Host"]);
        let port = text(["Master_Port", "Source_Port"]);
        let user = text(["Master_User", "Source_User"]);
        all[host][port][user] = Value::Object(row.clone());
    }
    all
}
