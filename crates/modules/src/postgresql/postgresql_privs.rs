//! `postgresql_privs`: what roles may do with what is in a database.
//!
//! Whether there is anything to do is found by doing it in a transaction that is taken back: the server alone knows what
//! its privileges come to.

use databases::postgresql::{Session, name, text};
use model::Args;
use serde_json::json;
use system::{Probe, System};

use super::login::{Access, Statements, failed};
use crate::arguments::{Presence, arguments, choices};
use crate::contract::{Check, Failure, Module, warn};

choices! {
    /// What privileges are of.
    pub enum Kind {
        /// Databases.
        Database = "database",
        /// What will be created.
        DefaultPrivs = "default_privs",
        /// Foreign data wrappers.
        ForeignDataWrapper = "foreign_data_wrapper",
        /// Foreign servers.
        ForeignServer = "foreign_server",
        /// Functions: `name(type, type)`, with `:` in the place of commas.
        Function = "function",
        /// Roles, whose members others become.
        Group = "group",
        /// Languages.
        Language = "language",
        /// Parameters of the server.
        Parameter = "parameter",
        /// Procedures, as functions.
        Procedure = "procedure",
        /// Schemas.
        Schema = "schema",
        /// Sequences.
        Sequence = "sequence",
        /// Tables and views.
        Table = "table",
        /// Tablespaces.
        Tablespace = "tablespace",
        /// Types.
        Type = "type",
    }
}

arguments! {
    /// Grants and revokes privileges on what is in databases of PostgreSQL.
    pub struct PostgresqlPrivs {
        /// The database.
        pub login_db: String { aliases: ["db", "database"] },
        /// Whether the privileges shall be there.
        pub state: Presence { default: "present" },
        /// Privileges, with commas. Of groups, there are none.
        pub privs: Option<String> { aliases: ["priv"] },
        /// What they are of.
        pub kind: Kind { named: "type", default: "table" },
        /// The objects, with commas; `ALL_IN_SCHEMA`; of `default_privs` the kinds of objects, or `ALL_DEFAULT`.
        pub objs: Option<String> { aliases: ["obj"] },
        /// The schema of tables, sequences, functions, procedures, types.
        pub schema: Option<String>,
        /// The roles, with commas; `PUBLIC`: all.
        pub roles: String { aliases: ["role"] },
        /// Roles whose new objects `default_privs` are of.
        pub target_roles: Option<String>,
        /// Whether the roles may grant them to others.
        pub grant_option: Option<bool> { aliases: ["admin_option"] },
        /// Fail if a role is not there.
        pub fail_on_role: bool { default: true },
        pub access: Access,
    }
}

impl Module for PostgresqlPrivs {
    type Change = Statements;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Statements>, Failure> {
        let privileges = self.privileges()?;
        let mut session = self.access.open(host, &self.login_db)?;
        let roles = self.known_roles(&mut session, result)?;
        let mut statements = Statements::on(&self.login_db);
        if roles.is_empty() {
            return Ok(Check::InSync);
        }
        for sql in self.sql(&privileges, &roles)? {
            statements.add(sql);
        }
        // Nothing of this outlives the session.
        let fail = failed("cannot look what would change");
        session.execute("BEGIN").map_err(&fail)?;
        let before = self.snapshot(&mut session)?;
        for (sql, shown) in &statements.list {
            session.execute(sql.reveal()).map_err(failed(&format!("cannot run `{shown}`")))?;
        }
        let after = self.snapshot(&mut session)?;
        session.execute("ROLLBACK").map_err(&fail)?;
        result.insert("queries".into(), json!(statements.shown()));
        let is_same = before == after;
        statements.before = json!(before);
        statements.after = json!(after);
        Ok(if is_same { Check::InSync } else { Check::Drift(statements) })
    }

    fn apply(&self, change: Statements, host: &dyn System, _: &mut Args) -> Result<(), Failure> {
        change.apply(&self.access, host)
    }
}

/// The words of a list with commas.
fn words(text: &str) -> Vec<String> {
    text.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
}

fn role_sql(role: &str) -> String {
    let upper = role.to_uppercase();
    match upper.as_str() {
        "PUBLIC" | "CURRENT_ROLE" | "CURRENT_USER" | "SESSION_USER" => upper,
        _ => name(role),
    }
}

impl PostgresqlPrivs {
    fn privileges(&self) -> Result<Vec<String>, Failure> {
        let list = words(self.privs.as_deref().unwrap_or_default());
        let list: Vec<String> = list.iter().map(|word| word.to_uppercase()).collect();
        match (self.kind, list.is_empty()) {
            (Kind::Group, false) => {
                return Err(Failure::new("Argument \"privs\" is not allowed for type \"group\"."));
            }
            (Kind::Group, true) | (_, false) => {}
            (_, true) if self.kind == Kind::DefaultPrivs && !self.state.is_present() => {}
            (_, true) => {
                return Err(Failure::new(format!(
                    "Argument \"privs\" is required for type \"{}\".",
                    self.kind.as_str()
                )));
            }
        }
        if self.objs.is_none() && self.kind != Kind::Database {
            return Err(Failure::new(format!(
                "Argument \"objs\" is required for type \"{}\".",
                self.kind.as_str()
            )));
        }
        let is_word =
            |word: &str| word.chars().all(|c| c.is_ascii_uppercase() || matches!(c, ' ' | '_'));
        match list.iter().find(|word| !is_word(word)) {
            Some(odd) => Err(Failure::new(format!("Invalid privileges specified: {odd}"))),
            None => Ok(list),
        }
    }

    fn known_roles(
        &self,
        session: &mut Session,
        result: &mut Args,
    ) -> Result<Vec<String>, Failure> {
        let mut known = Vec::new();
        for role in words(&self.roles) {
            let sql = format!("SELECT 1 FROM pg_roles WHERE rolname = {}", text(&role));
            let is_there = role_sql(&role) != name(&role)
                || !session.rows(&sql).map_err(failed("cannot look for roles"))?.is_empty();
            if is_there {
                known.push(role_sql(&role));
            } else if self.fail_on_role {
                return Err(Failure::new(format!("Role '{role}' does not exist")));
            } else {
                warn(result, format!("Role '{role}' does not exist, pass it"));
            }
        }
        Ok(known)
    }

    fn schema(&self) -> &str {
        self.schema.as_deref().unwrap_or("public")
    }

    /// The objects, as in a statement.
    fn objects(&self) -> Result<String, Failure> {
        let given = match (&self.objs, self.kind) {
            (None, _) => self.login_db.clone(),
            (Some(objects), _) => objects.clone(),
        };
        let plural = match self.kind {
            Kind::Table => Some("TABLES"),
            Kind::Sequence => Some("SEQUENCES"),
            Kind::Function => Some("FUNCTIONS"),
            Kind::Procedure => Some("PROCEDURES"),
            _ => None,
        };
        if given == "ALL_IN_SCHEMA" {
            let plural = plural.ok_or_else(|| {
                Failure::new("ALL_IN_SCHEMA is for tables, sequences, functions and procedures")
            })?;
            return Ok(format!("ALL {plural} IN SCHEMA {}", name(self.schema())));
        }
        let word = match self.kind {
            Kind::ForeignDataWrapper => "FOREIGN DATA WRAPPER",
            Kind::ForeignServer => "FOREIGN SERVER",
            other => other.as_str(),
        };
        let is_in_schema = plural.is_some() || self.kind == Kind::Type;
        let object = |text: &String| -> Result<String, Failure> {
            let (bare, arguments) = match text.split_once('(') {
                Some((bare, rest)) => (bare, Some(rest.trim_end_matches(')').replace(':', ","))),
                None => (text.as_str(), None),
            };
            let is_type =
                |c: char| c.is_alphanumeric() || matches!(c, ' ' | ',' | '_' | '[' | ']' | '.');
            if let Some(odd) = arguments.as_ref().filter(|text| !text.chars().all(is_type)) {
                return Err(Failure::new(format!("objs: `{odd}` are no types")));
            }
            let place =
                if is_in_schema { format!("{}.", name(self.schema())) } else { String::new() };
            let arguments = arguments.map(|list| format!("({list})")).unwrap_or_default();
            Ok(format!("{place}{}{arguments}", name(bare)))
        };
        let list = words(&given).iter().map(object).collect::<Result<Vec<_>, _>>()?;
        Ok(format!("{} {}", word.to_uppercase(), list.join(", ")))
    }

    /// What is said to the server.
    fn sql(&self, privileges: &[String], roles: &[String]) -> Result<Vec<String>, Failure> {
        let roles = roles.join(", ");
        let is_present = self.state.is_present();
        if self.kind == Kind::Group {
            let groups = words(self.objs.as_deref().unwrap_or_default());
            let groups = groups.iter().map(|group| name(group)).collect::<Vec<_>>().join(", ");
            return Ok(match (is_present, self.grant_option) {
                (false, _) => vec![format!("REVOKE {groups} FROM {roles}")],
                (true, Some(true)) => vec![format!("GRANT {groups} TO {roles} WITH ADMIN OPTION")],
                (true, Some(false)) => {
                    vec![
                        format!("GRANT {groups} TO {roles}"),
                        format!("REVOKE ADMIN OPTION FOR {groups} FROM {roles}"),
                    ]
                }
                (true, None) => vec![format!("GRANT {groups} TO {roles}")],
            });
        }
        let list = privileges.join(", ");
        if self.kind == Kind::DefaultPrivs {
            return self.default_sql(&list, &roles);
        }
        let objects = self.objects()?;
        Ok(match (is_present, self.grant_option) {
            (false, _) => vec![format!("REVOKE {list} ON {objects} FROM {roles}")],
            (true, Some(true)) => {
                vec![format!("GRANT {list} ON {objects} TO {roles} WITH GRANT OPTION")]
            }
            (true, Some(false)) => vec![
                format!("GRANT {list} ON {objects} TO {roles}"),
                format!("REVOKE GRANT OPTION FOR {list} ON {objects} FROM {roles}"),
            ],
            (true, None) => vec![format!("GRANT {list} ON {objects} TO {roles}")],
        })
    }

    fn default_sql(&self, list: &str, roles: &str) -> Result<Vec<String>, Failure> {
        const KINDS: [&str; 5] = ["TABLES", "SEQUENCES", "FUNCTIONS", "TYPES", "SCHEMAS"];
        let mut kinds = words(self.objs.as_deref().unwrap_or_default());
        kinds.iter_mut().for_each(|kind| *kind = kind.to_uppercase());
        if kinds == ["ALL_DEFAULT"] {
            kinds = KINDS[..4].iter().map(|kind| (*kind).to_owned()).collect();
        }
        if let Some(odd) = kinds.iter().find(|kind| !KINDS.contains(&kind.as_str())) {
            return Err(Failure::new(format!(
                "Invalid objs specified: {odd}; default_privs are of {}",
                KINDS.join(", ")
            )));
        }
        let mut head = "ALTER DEFAULT PRIVILEGES".to_owned();
        let targets = words(self.target_roles.as_deref().unwrap_or_default());
        if !targets.is_empty() {
            let targets: Vec<String> = targets.iter().map(|role| role_sql(role)).collect();
            head.push_str(&format!(" FOR ROLE {}", targets.join(", ")));
        }
        let list = if list.is_empty() { "ALL" } else { list };
        Ok(kinds
            .iter()
            .map(|kind| {
                let place = if kind == "SCHEMAS" {
                    String::new()
                } else {
                    format!(" IN SCHEMA {}", name(self.schema()))
                };
                let option =
                    if self.grant_option == Some(true) { " WITH GRANT OPTION" } else { "" };
                if self.state.is_present() {
                    format!("{head}{place} GRANT {list} ON {kind} TO {roles}{option}")
                } else {
                    format!("{head}{place} REVOKE {list} ON {kind} FROM {roles}")
                }
            })
            .collect())
    }

    /// Everything that privileges of this kind are kept in.
    fn snapshot(&self, session: &mut Session) -> Result<Vec<String>, Failure> {
        let (table, key, list, place) = match self.kind {
            Kind::Database => ("pg_database", "datname", "datacl", None),
            Kind::Schema => ("pg_namespace", "nspname", "nspacl", None),
            Kind::Language => ("pg_language", "lanname", "lanacl", None),
            Kind::Tablespace => ("pg_tablespace", "spcname", "spcacl", None),
            Kind::ForeignDataWrapper => ("pg_foreign_data_wrapper", "fdwname", "fdwacl", None),
            Kind::ForeignServer => ("pg_foreign_server", "srvname", "srvacl", None),
            Kind::Parameter => ("pg_parameter_acl", "parname", "paracl", None),
            Kind::Table | Kind::Sequence => ("pg_class", "relname", "relacl", Some("relnamespace")),
            Kind::Function | Kind::Procedure => (
                "pg_proc",
                "proname || '(' || pg_get_function_identity_arguments(oid) || ')'",
                "proacl",
                Some("pronamespace"),
            ),
            Kind::Type => ("pg_type", "typname", "typacl", Some("typnamespace")),
            Kind::DefaultPrivs => (
                "pg_default_acl",
                "defaclrole::regrole::text || defaclnamespace::text || defaclobjtype::text",
                "defaclacl",
                None,
            ),
            Kind::Group => {
                let sql = "SELECT roleid::regrole::text, member::regrole::text, admin_option::text FROM pg_auth_members ORDER BY 1, 2, 3";
                return Self::lines(session, sql);
            }
        };
        let condition = place.map(|column| {
            format!(
                " WHERE {column} = (SELECT oid FROM pg_namespace WHERE nspname = {})",
                text(self.schema())
            )
        });
        let sql = format!(
            "SELECT {key}, array_to_string(ARRAY(SELECT item::text FROM unnest({list}) AS item ORDER BY 1), ', ') FROM {table}{} ORDER BY 1",
            condition.unwrap_or_default()
        );
        Self::lines(session, &sql)
    }

    fn lines(session: &mut Session, sql: &str) -> Result<Vec<String>, Failure> {
        let rows = session.rows(sql).map_err(failed("cannot look for privileges"))?;
        let line =
            |row: Vec<Option<String>>| row.into_iter().flatten().collect::<Vec<_>>().join(": ");
        Ok(rows.into_iter().map(line).collect())
    }
}
