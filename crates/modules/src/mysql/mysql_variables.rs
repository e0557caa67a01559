//! `mysql_variables`: settings of a server that runs.

use databases::mysql::{self, name};
use model::Args;
use serde_json::json;
use system::{Probe, System};

use super::login::{Access, Statements, failed};
use crate::arguments::{arguments, choices};
use crate::contract::{Check, Failure, Module};

choices! {
    /// How long a setting lasts.
    pub enum SettingMode {
        /// Until the server stops.
        Global = "global",
        /// For ever.
        Persist = "persist",
        /// For ever, from the next start on.
        PersistOnly = "persist_only",
    }
}

arguments! {
    /// Asks for global variables of MySQL and MariaDB, and sets them.
    pub struct MysqlVariables {
        /// The variable.
        pub variable: String,
        /// Its value; without it, the variable is only told.
        pub value: Option<String>,
        /// How long it lasts.
        pub mode: SettingMode { default: "global" },
        pub access: Access,
    }
}

impl Module for MysqlVariables {
    type Change = Statements;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Statements>, Failure> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$');
        if self.variable.is_empty() || !self.variable.chars().all(is_word) {
            return Err(Failure::new(format!("invalid variable name \"{}\"", self.variable)));
        }
        let mut session = self.access.open(host, None)?;
        let table = match self.mode {
            SettingMode::PersistOnly => "performance_schema.persisted_variables",
            _ => "",
        };
        let sql = if table.is_empty() {
            format!("SHOW GLOBAL VARIABLES WHERE Variable_name = {}", mysql::text(&self.variable))
        } else {
            format!(
                "SELECT variable_name, variable_value FROM {table} WHERE variable_name = {}",
                mysql::text(&self.variable)
            )
        };
        let found = session.rows(&sql).map_err(failed("Cannot get the variable"))?;
        let now = found.rows.first().and_then(|row| row.get(1)?.text());
        let Some(wanted) = &self.value else {
            let Some(now) = now else {
                return Err(Failure::new(format!("Variable not available \"{}\"", self.variable)));
            };
            result.insert("msg".into(), json!([[self.variable, now]]));
            return Ok(Check::InSync);
        };
        if now.is_none() && self.mode != SettingMode::PersistOnly {
            return Err(Failure::new(format!("Variable not available \"{}\"", self.variable)));
        }
        if now.as_deref().is_some_and(|now| is_same(now, wanted)) {
            result.insert("msg".into(), "Variable is already set to requested value.".into());
            return Ok(Check::InSync);
        }
        let scope = self.mode.as_str().to_uppercase();
        let mut statements = Statements::default();
        statements.add(format!("SET {scope} {} = {}", name(&self.variable), literal(wanted)));
        statements.before = json!({ &self.variable: now });
        statements.after = json!({ &self.variable: wanted });
        result.insert("queries".into(), json!(statements.shown()));
        result.insert(
            "msg".into(),
            format!("Variable change succeeded prev_value={}", now.unwrap_or_default()).into(),
        );
        Ok(Check::Drift(statements))
    }

    fn apply(&self, change: Statements, host: &dyn System, _: &mut Args) -> Result<(), Failure> {
        let mut session = self.access.open(host, None)?;
        change.apply(&mut session, host)
    }
}

/// A number as it is, anything else as a text.
fn literal(value: &str) -> String {
    let is_number =
        value.parse::<i64>().is_ok() || (value.contains('.') && value.parse::<f64>().is_ok());
    if is_number { value.to_owned() } else { mysql::text(value) }
}

/// Servers show switches as ON and OFF, and numbers in their own way.
fn is_same(now: &str, wanted: &str) -> bool {
    let switch = |text: &str| match text.to_uppercase().as_str() {
        "ON" | "1" | "TRUE" => Some(true),
        "OFF" | "0" | "FALSE" => Some(false),
        _ => None,
    };
    let number = |text: &str| text.parse::<f64>().ok();
    now == wanted
        || switch(now).is_some_and(|now| switch(wanted) == Some(now))
        || number(now).is_some_and(|now| number(wanted) == Some(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_as_servers_write_them() {
        for (now, wanted, expected) in [
            ("ON", "1", true),
            ("OFF", "off", true),
            ("ON", "0", false),
            ("10.000000", "10", true),
            ("utf8mb4", "utf8mb4", true),
            ("utf8mb4", "latin1", false),
        ] {
            assert_eq!(is_same(now, wanted), expected, "{now} {wanted}");
        }
        assert_eq!(literal("1"), "1");
        assert_eq!(literal("1; DROP"), "'1; DROP'");
    }
}
