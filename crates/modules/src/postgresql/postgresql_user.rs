//! `postgresql_user`: roles of PostgreSQL.

use databases::postgresql::{self, Row, Session, name, text};
use model::{Args, Secret};
use serde_json::{Value, json};
use system::{Probe, System};

use super::login::{Access, Statements, failed};
use crate::arguments::{Presence, arguments};
use crate::contract::{Check, Failure, Module};

/// What a role may be allowed, and the columns that say it.
const FLAGS: [(&str, &str); 7] = [
    ("SUPERUSER", "rolsuper"),
    ("CREATEROLE", "rolcreaterole"),
    ("CREATEDB", "rolcreatedb"),
    ("INHERIT", "rolinherit"),
    ("LOGIN", "rolcanlogin"),
    ("REPLICATION", "rolreplication"),
    ("BYPASSRLS", "rolbypassrls"),
];

arguments! {
    /// Creates, changes and drops roles of PostgreSQL.
    pub struct PostgresqlUser {
        /// The role.
        pub name: String { aliases: ["user"] },
        /// Its password, in the clear or as the server keeps it.
        pub password: Option<Secret<String>>,
        /// The database to log in to.
        pub login_db: String { aliases: ["db"], default: "postgres" },
        /// Fail when it cannot be dropped.
        pub fail_on_user: bool { aliases: ["fail_on_role"], default: true },
        /// What it may do: `CREATEDB`, `NOSUPERUSER` and so on, with commas.
        pub role_attr_flags: String { default: "" },
        /// Accepted: passwords are never kept in the clear.
        pub encrypted: bool { default: true },
        /// When its password ends, as the server reads it.
        pub expires: Option<String>,
        /// Leave the password of a role that is there alone.
        pub no_password_changes: bool { default: false },
        /// How many connections it may have; `-1`: any number.
        pub conn_limit: Option<i64>,
        /// Its comment.
        pub comment: Option<String>,
        /// Its settings: not supported.
        pub configuration: Args,
        /// Not supported.
        pub reset_unspecified_configuration: bool { default: false },
        /// Not supported.
        pub quote_configuration_values: bool { default: true },
        /// Whether it shall be there.
        pub state: Presence { default: "present" },
        pub access: Access,
    }
}

impl Module for PostgresqlUser {
    type Change = Statements;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Statements>, Failure> {
        if !self.configuration.is_empty() || self.reset_unspecified_configuration {
            return Err(Failure::new("configuration is not supported; use postgresql_query"));
        }
        let flags = self.flags()?;
        let mut session = self.access.open(host, &self.login_db)?;
        let now = self.facts(&mut session)?;
        let mut statements = Statements::on(&self.login_db);
        result.insert("user".into(), self.name.clone().into());
        let role = name(&self.name);
        if self.state.is_present() {
            let (clauses, shown) = self.clauses(&mut session, now.as_ref(), &flags);
            let verb = if now.is_some() { "ALTER" } else { "CREATE" };
            if now.is_none() || !clauses.is_empty() {
                let with = |list: &[String]| match list {
                    [] => format!("{verb} USER {role}"),
                    list => format!("{verb} USER {role} WITH {}", list.join(" ")),
                };
                statements.list.push((Secret::new(with(&clauses)), with(&shown)));
            }
            if let Some(comment) = &self.comment
                && now.as_ref().and_then(|row| row[COMMENT].clone()).unwrap_or_default() != *comment
            {
                statements.add(format!("COMMENT ON ROLE {role} IS {}", text(comment)));
            }
            statements.after = json!({ "name": self.name, "changes": shown });
        } else if now.is_some() {
            statements.add(format!("DROP USER {role}"));
            statements.before = json!({ "name": self.name });
        }
        result.insert("queries".into(), json!(statements.shown()));
        Ok(if statements.list.is_empty() { Check::InSync } else { Check::Drift(statements) })
    }

    fn apply(
        &self,
        change: Statements,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        match change.apply(&self.access, host) {
            Err(failure) if !self.state.is_present() && !self.fail_on_user => {
                result.insert("user_removed".into(), false.into());
                result.insert("msg".into(), failure.message.into());
                result.insert("changed".into(), Value::Bool(false));
                Ok(())
            }
            other => other,
        }
    }
}

/// The columns behind the flags.
const LIMIT: usize = FLAGS.len();
const COMMENT: usize = LIMIT + 1;
const EXPIRES: usize = LIMIT + 2;

impl PostgresqlUser {
    /// The flags asked for: each with whether it is set.
    fn flags(&self) -> Result<Vec<(usize, bool)>, Failure> {
        let words = self.role_attr_flags.split(',').map(|word| word.trim().to_uppercase());
        words
            .filter(|word| !word.is_empty())
            .map(|word| {
                let find = |bare: &str| FLAGS.iter().position(|(flag, _)| *flag == bare);
                let found = find(&word).map(|place| (place, true));
                found
                    .or_else(|| word.strip_prefix("NO").and_then(find).map(|place| (place, false)))
                    .ok_or_else(|| {
                        Failure::new(format!("Invalid role_attr_flags specified: {word}"))
                    })
            })
            .collect()
    }

    fn facts(&self, session: &mut Session) -> Result<Option<Row>, Failure> {
        let columns = FLAGS.map(|(_, column)| column).join(", ");
        // Both times as numbers, so that one instant written in two ways is the same.
        let expires = match &self.expires {
            Some(time) => {
                format!("coalesce(rolvaliduntil, 'infinity') = {}::timestamptz", text(time))
            }
            None => "true".to_owned(),
        };
        let sql = format!(
            "SELECT {columns}, rolconnlimit, shobj_description(oid, 'pg_authid'), {expires} FROM pg_roles WHERE rolname = {}",
            text(&self.name)
        );
        let rows = session.rows(&sql).map_err(failed("cannot look for the role"))?;
        Ok(rows.into_iter().next())
    }

    /// What has to be said of the role: as it is sent, and as it is shown.
    fn clauses(
        &self,
        session: &mut Session,
        now: Option<&Row>,
        flags: &[(usize, bool)],
    ) -> (Vec<String>, Vec<String>) {
        let mut sent = Vec::new();
        let mut shown = Vec::new();
        if let Some(password) = self.password.as_ref()
            && self.is_new_password(session, now, password.reveal())
        {
            let plain = password.reveal();
            sent.push(match plain.as_str() {
                "" => "PASSWORD NULL".to_owned(),
                kept if postgresql::is_verifier(kept) => format!("PASSWORD {}", text(kept)),
                plain => format!("PASSWORD {}", text(&postgresql::verifier(plain))),
            });
            shown.push("PASSWORD '********'".to_owned());
        }
        let mut plain = Vec::new();
        if let Some(time) = &self.expires
            && now.is_none_or(|row| row[EXPIRES].as_deref() != Some("t"))
        {
            plain.push(format!("VALID UNTIL {}", text(time)));
        }
        if let Some(limit) = self.conn_limit
            && now.is_none_or(|row| row[LIMIT].as_deref() != Some(limit.to_string().as_str()))
        {
            plain.push(format!("CONNECTION LIMIT {limit}"));
        }
        for (place, is_set) in flags {
            let is_now = now.map(|row| row[*place].as_deref() == Some("t"));
            if is_now != Some(*is_set) {
                plain.push(format!("{}{}", if *is_set { "" } else { "NO" }, FLAGS[*place].0));
            }
        }
        sent.extend(plain.iter().cloned());
        shown.extend(plain);
        (sent, shown)
    }

    fn is_new_password(&self, session: &mut Session, now: Option<&Row>, wanted: &str) -> bool {
        if now.is_none() {
            return true;
        }
        if self.no_password_changes {
            return false;
        }
        let sql = format!("SELECT rolpassword FROM pg_authid WHERE rolname = {}", text(&self.name));
        // Only superusers see what is kept; for others it is set each time.
        let Ok(rows) = session.rows(&sql) else { return true };
        let kept = rows.into_iter().next().and_then(|row| row.into_iter().next().flatten());
        match kept {
            None => !wanted.is_empty(),
            Some(kept) if wanted.is_empty() => !kept.is_empty(),
            Some(kept) => postgresql::is_kept(&kept, wanted, &self.name) != Some(true),
        }
    }
}
