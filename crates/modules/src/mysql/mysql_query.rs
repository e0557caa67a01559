//! `mysql_query`: statements for MySQL and MariaDB.

use databases::mysql;
use model::Args;
use serde_json::{Map, Value, json};
use system::{Probe, System};

use super::login::{Access, failed, set_variables, shown};
use crate::arguments::arguments;
use crate::contract::{Change, Check, Failure, Module};
use crate::statement;

arguments! {
    /// Runs statements on MySQL and MariaDB.
    pub struct MysqlQuery {
        /// A statement, or several.
        pub query: Value,
        /// Values for its `%s`.
        pub positional_args: Option<Vec<Value>>,
        /// Values for its `%(name)s`.
        pub named_args: Option<Args>,
        /// The database.
        pub login_db: Option<String>,
        /// All of them or none.
        pub single_transaction: bool { default: false },
        /// Variables of the session.
        pub session_vars: Args,
        pub access: Access,
    }
    mutually_exclusive: [&["positional_args", "named_args"]];
}

/// Statements that change nothing.
const QUESTIONS: [&str; 6] = ["SELECT", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "USE"];
/// Statements that change something, whatever the server counts.
const CHANGES: [&str; 8] =
    ["CREATE", "ALTER", "DROP", "RENAME", "TRUNCATE", "GRANT", "REVOKE", "SET"];

impl Module for MysqlQuery {
    type Change = Queries;

    fn check(&self, host: &dyn Probe, _: &mut Args) -> Result<Check<Queries>, Failure> {
        let list = self.statements()?;
        self.access.login(host, None, false)?;
        Ok(Check::CannotTell(Queries(list)))
    }

    fn apply(
        &self,
        Queries(list): Queries,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        let mut session = self.access.open(host, self.login_db.as_deref())?;
        set_variables(&mut session, &self.session_vars)?;
        let mut run = |sql: &str| session.rows(sql);
        if self.single_transaction {
            run("START TRANSACTION").map_err(failed("cannot begin a transaction"))?;
        }
        let mut is_changed = false;
        let (mut told, mut counts, mut times) = (Vec::new(), Vec::new(), Vec::new());
        for sql in &list {
            host.keep_going()?;
            let start = host.now();
            let rows = match run(sql) {
                Ok(rows) => rows,
                Err(error) => {
                    if self.single_transaction {
                        run("ROLLBACK").map_err(failed("cannot roll back"))?;
                    }
                    return Err(Failure::new(format!(
                        "Cannot execute SQL '{sql}' args [None]: {error}"
                    )));
                }
            };
            let took = host.now().duration_since(start).unwrap_or_default().as_millis();
            times.push(u64::try_from(took).unwrap_or(u64::MAX));
            let word = sql.split_whitespace().next().unwrap_or_default().to_uppercase();
            let is_question = QUESTIONS.contains(&word.as_str());
            is_changed |= !is_question && (rows.affected > 0 || CHANGES.contains(&word.as_str()));
            let row = |cells: &Vec<mysql::Cell>| -> Value {
                let pairs = rows.columns.iter().cloned().zip(cells.iter().map(shown));
                Value::Object(pairs.collect::<Map<_, _>>())
            };
            told.push(rows.rows.iter().map(row).collect::<Value>());
            counts.push(rows.affected);
        }
        if self.single_transaction {
            run("COMMIT").map_err(failed("cannot commit"))?;
        }
        result.insert("changed".into(), is_changed.into());
        result.insert("executed_queries".into(), json!(list));
        result.insert("query_result".into(), told.into());
        result.insert("rowcount".into(), json!(counts));
        result.insert("execution_time_ms".into(), json!(times));
        Ok(())
    }
}

/// Statements to be run.
pub(crate) struct Queries(Vec<String>);

impl Change for Queries {}

impl MysqlQuery {
    /// With their values, which are quoted.
    fn statements(&self) -> Result<Vec<String>, Failure> {
        let list = statement::list(&self.query)?;
        if self.positional_args.is_none() && self.named_args.is_none() {
            return Ok(list);
        }
        let positional = self.positional_args.as_deref().unwrap_or_default();
        let named = self.named_args.as_ref();
        list.iter().map(|sql| statement::fill(sql, positional, named, literal)).collect()
    }
}

/// A value in a statement.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => mysql::text(text),
        Value::Array(list) => {
            let list: Vec<String> = list.iter().map(literal).collect();
            format!("({})", list.join(","))
        }
        other @ Value::Object(_) => mysql::text(&other.to_string()),
    }
}
