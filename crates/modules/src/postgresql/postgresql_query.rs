//! `postgresql_query`: statements for PostgreSQL.

use databases::postgresql::{Answer, Kind, Row, name, text};
use model::Args;
use serde_json::{Map, Value, json};
use system::{Probe, System};

use super::login::{Access, failed};
use crate::arguments::arguments;
use crate::contract::{Change, Check, Failure, Module};
use crate::statement;

arguments! {
    /// Runs statements on PostgreSQL.
    pub struct PostgresqlQuery {
        /// A statement, or several.
        pub query: Value,
        /// Values for its `%s`.
        pub positional_args: Option<Vec<Value>>,
        /// Values for its `%(name)s`.
        pub named_args: Option<Args>,
        /// The database.
        pub login_db: String { aliases: ["db"], default: "postgres" },
        /// Each by itself, for those that no transaction takes.
        pub autocommit: bool { default: false },
        /// The encoding of the session.
        pub encoding: Option<String>,
        /// Where names are looked for.
        pub search_path: Option<Vec<String>>,
        pub access: Access,
    }
    mutually_exclusive: [&["positional_args", "named_args"]];
}

/// Statements to be run.
pub(crate) struct Queries(Vec<String>);

impl Change for Queries {}

impl Module for PostgresqlQuery {
    type Change = Queries;

    fn check(&self, _: &dyn Probe, _: &mut Args) -> Result<Check<Queries>, Failure> {
        Ok(Check::CannotTell(Queries(self.statements()?)))
    }

    fn apply(
        &self,
        Queries(list): Queries,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        let mut session = self.access.open(host, &self.login_db)?;
        let mut set =
            |sql: String| session.execute(&sql).map_err(failed("cannot set up the session"));
        if let Some(encoding) = &self.encoding {
            set(format!("SET client_encoding = {}", text(encoding)))?;
        }
        if let Some(path) = &self.search_path {
            let path: Vec<String> = path.iter().map(|schema| name(schema.trim())).collect();
            set(format!("SET search_path TO {}", path.join(", ")))?;
        }
        if !self.autocommit {
            set("BEGIN".to_owned())?;
        }
        let mut is_changed = false;
        let (mut all, mut times) = (Vec::new(), Vec::new());
        let mut last = (String::new(), 0);
        for sql in &list {
            host.keep_going()?;
            let start = host.now();
            // A session that ends within a transaction takes it back.
            let doing = format!("Cannot execute SQL '{sql}' {}", self.shown_values());
            let answer = session.answer(sql).map_err(failed(doing.trim_end()))?;
            let took = host.now().duration_since(start).unwrap_or_default();
            times.push(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
            let status = status(sql, &answer);
            is_changed |= is_change(&status, answer.count);
            last = (status, answer.count);
            all.push(Value::Array(answer.rows.iter().map(|row| shown(row, &answer)).collect()));
        }
        if !self.autocommit {
            session.execute("COMMIT").map_err(failed("cannot commit"))?;
        }
        result.insert("changed".into(), is_changed.into());
        result.insert("query".into(), list.last().cloned().into());
        result.insert("query_list".into(), json!(list));
        result.insert("statusmessage".into(), last.0.into());
        result.insert("rowcount".into(), last.1.into());
        result.insert("query_result".into(), all.last().cloned().unwrap_or_default());
        result.insert("query_all_results".into(), all.into());
        result.insert("execution_time_ms".into(), json!(times));
        Ok(())
    }
}

impl PostgresqlQuery {
    fn shown_values(&self) -> String {
        match (&self.positional_args, &self.named_args) {
            (Some(list), _) => json!(list).to_string(),
            (_, Some(named)) => json!(named).to_string(),
            _ => String::new(),
        }
    }

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

/// A value in a statement; a list is an array.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(value) => text(value),
        Value::Array(list) if list.is_empty() => "'{}'".to_owned(),
        Value::Array(list) => {
            let list: Vec<String> = list.iter().map(literal).collect();
            format!("ARRAY[{}]", list.join(", "))
        }
        other @ Value::Object(_) => text(&other.to_string()),
    }
}

/// What the server would say of a statement, e.g. `INSERT 0 1`: the client library keeps only the number.
fn status(sql: &str, answer: &Answer) -> String {
    let mut words =
        sql.split(|c: char| c.is_whitespace() || c == ';').filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default().to_uppercase();
    let second = words.next().unwrap_or_default().to_uppercase();
    let count = answer.count;
    match first.as_str() {
        _ if !answer.columns.is_empty()
            && matches!(first.as_str(), "SELECT" | "WITH" | "VALUES" | "TABLE") =>
        {
            format!("SELECT {count}")
        }
        "INSERT" => format!("INSERT 0 {count}"),
        "UPDATE" | "DELETE" | "MERGE" | "COPY" | "FETCH" | "MOVE" => format!("{first} {count}"),
        "CREATE" | "ALTER" | "DROP" | "REFRESH" => format!("{first} {second}"),
        _ => first,
    }
}

fn is_change(status: &str, count: u64) -> bool {
    const QUESTIONS: [&str; 9] =
        ["SELECT", "SHOW", "EXPLAIN", "BEGIN", "COMMIT", "ROLLBACK", "FETCH", "DISCARD", "ANALYZE"];
    let word = status.split(' ').next().unwrap_or_default();
    match word {
        "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "COPY" => count > 0,
        other => !QUESTIONS.contains(&other),
    }
}

fn shown(row: &Row, answer: &Answer) -> Value {
    let value = |text: &Option<String>, kind: Kind| {
        let Some(text) = text else { return Value::Null };
        match kind {
            Kind::Bool => (text == "t").into(),
            // NaN and infinity are no numbers of JSON.
            Kind::Number | Kind::Json => {
                serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into())
            }
            Kind::Text => text.as_str().into(),
        }
    };
    let pairs = row.iter().zip(&answer.columns);
    Value::Object(
        pairs.map(|(text, (name, kind))| (name.clone(), value(text, *kind))).collect::<Map<_, _>>(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_told_as_the_server_tells_them() {
        let answer = |count| Answer { count, ..Answer::default() };
        for (sql, count, wanted, changes) in [
            ("insert into x", 1, "INSERT 0 1", true),
            ("UPDATE x", 0, "UPDATE 0", false),
            ("create  table x()", 0, "CREATE TABLE", true),
            ("SHOW all", 3, "SHOW", false),
            ("GRANT x", 0, "GRANT", true),
        ] {
            let status = status(sql, &answer(count));
            assert_eq!((status.as_str(), is_change(&status, count)), (wanted, changes), "{sql}");
        }
    }
}
