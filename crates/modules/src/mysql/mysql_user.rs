//! `mysql_user`: users of MySQL and MariaDB, and what they may do.

mod grant;

use databases::mysql::{Session, is_native_hash, native_hash, text};
use model::{Args, Secret};
use serde_json::{Value, json};
use system::{Probe, System};

pub(crate) use grant::grants;
use grant::{Grants, Scope};

use super::login::{Access, Statements, failed, set_variables};
use crate::arguments::{Presence, arguments, choices, python_text};
use crate::contract::{Check, Failure, Module};

choices! {
    /// When a password is set.
    pub enum UpdatePassword {
        /// When it differs.
        Always = "always",
        /// For new users.
        OnCreate = "on_create",
        /// For users whose name is new: others of the name lend theirs.
        OnNewUsername = "on_new_username",
    }
}

choices! {
    /// When a password ends.
    pub enum PasswordExpire {
        /// As the server says.
        Default = "default",
        /// After some days.
        Interval = "interval",
        /// Never.
        Never = "never",
        /// Now.
        Now = "now",
    }
}

arguments! {
    /// Creates, changes and drops users of MySQL and MariaDB.
    pub struct MysqlUser {
        /// The user.
        pub name: String { aliases: ["user"] },
        /// Where it comes from: the part behind the `@`.
        pub host: String { default: "localhost" },
        /// All users of that name, wherever they come from.
        pub host_all: bool { default: false },
        /// Its password, or the hash of it if `encrypted`.
        pub password: Option<Secret<String>>,
        /// The password is a hash, as `mysql_native_password` keeps it.
        pub encrypted: bool { default: false },
        /// When the password is set.
        pub update_password: UpdatePassword { default: "always" },
        /// The plugin that it logs in with.
        pub plugin: Option<String>,
        /// What that plugin keeps.
        pub plugin_hash_string: Option<Secret<String>>,
        /// What that plugin makes it from.
        pub plugin_auth_string: Option<Secret<String>>,
        /// For hashes of some plugins: not supported.
        pub salt: Option<String>,
        /// What it may do: `db.table:PRIV,PRIV/...`, or a dictionary.
        pub r#priv: Option<Value> { named: "priv" },
        /// Leave what else it may do.
        pub append_privs: bool { default: false },
        /// Take these away, and leave the rest.
        pub subtract_privs: bool { default: false },
        /// Take columns' names as they are.
        pub column_case_sensitive: Option<bool>,
        /// Encryption that it must use.
        pub tls_requires: Option<Args>,
        /// Limits of its use.
        pub resource_limits: Option<Args>,
        /// When its password ends.
        pub password_expire: Option<PasswordExpire>,
        /// After how many days.
        pub password_expire_interval: Option<i64>,
        /// Whether it is locked.
        pub locked: Option<bool>,
        /// Comments of it: not supported.
        pub attributes: Option<Args>,
        /// Write it to the binary log.
        pub sql_log_bin: bool { default: true },
        /// Variables of the session.
        pub session_vars: Args,
        /// Try to log in as `root` without a password first.
        pub check_implicit_admin: bool { default: false },
        /// Log in to the database `mysql`.
        pub force_context: bool { default: false },
        /// Whether it shall be there.
        pub state: Presence { default: "present" },
        pub access: Access,
    }
    mutually_exclusive: [&["append_privs", "subtract_privs"]];
    required_if: [("password_expire", "interval", &["password_expire_interval"])];
}

impl Module for MysqlUser {
    type Change = Statements;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Statements>, Failure> {
        let wanted = self.privileges()?;
        self.validate()?;
        let mut session = self.session(host)?;
        let server = Server::of(&mut session)?;
        result.insert("user".into(), self.name.clone().into());
        result.insert("password_changed".into(), false.into());
        let hosts = self.hosts(&mut session)?;
        let mut statements =
            Statements { before: json!({}), after: json!({}), ..Statements::default() };
        let message = match (self.state, hosts.is_empty()) {
            (Presence::Absent, true) => "User doesn't exist",
            (Presence::Absent, false) => {
                for at in &hosts {
                    statements.add(format!("DROP USER {}", account(&self.name, at)));
                }
                statements.before = json!({ "user": self.name, "hosts": hosts });
                "User deleted"
            }
            (Presence::Present, true) => {
                if self.host_all {
                    return Err(Failure::new(
                        "host_all parameter cannot be used when adding a user",
                    ));
                }
                self.create(&mut session, &server, &mut statements, result)?;
                self.set_privileges(
                    &self.host,
                    wanted.as_ref(),
                    &Grants::default(),
                    &mut statements,
                );
                statements.after = json!({ "user": self.name, "hosts": [self.host] });
                "User added"
            }
            (Presence::Present, false) => {
                for at in &hosts {
                    self.update(
                        &mut session,
                        &server,
                        at,
                        wanted.as_ref(),
                        &mut statements,
                        result,
                    )?;
                }
                statements.after = json!({ "statements": statements.shown() });
                if statements.list.is_empty() { "User unchanged" } else { "User updated" }
            }
        };
        result.insert("msg".into(), message.into());
        Ok(if statements.list.is_empty() { Check::InSync } else { Check::Drift(statements) })
    }

    fn apply(&self, change: Statements, host: &dyn System, _: &mut Args) -> Result<(), Failure> {
        let mut session = self.session(host)?;
        change.apply(&mut session, host)
    }
}

/// `'user'@'host'`.
fn account(user: &str, host: &str) -> String {
    format!("{}@{}", text(user), text(host))
}

/// What a server can do.
struct Server {
    is_maria: bool,
}

impl Server {
    fn of(session: &mut Session) -> Result<Self, Failure> {
        let version = session.version().map_err(failed("cannot ask for the version"))?;
        Ok(Self { is_maria: version.to_lowercase().contains("mariadb") })
    }
}

impl MysqlUser {
    fn validate(&self) -> Result<(), Failure> {
        if self.encrypted
            && let Some(hash) = &self.password
            && !is_native_hash(hash.reveal())
        {
            return Err(Failure::new(
                "encrypted was specified however it does not appear to be a valid hash expecting: *SHA1(SHA1(your_password))",
            ));
        }
        let is_name =
            |plugin: &String| plugin.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if let Some(odd) = self.plugin.as_ref().filter(|plugin| !is_name(plugin)) {
            return Err(Failure::new(format!("plugin `{odd}` is no name of a plugin")));
        }
        if self.salt.is_some() || self.attributes.is_some() {
            return Err(Failure::new("salt and attributes are not supported"));
        }
        self.limits()?;
        self.requirements().map(drop)
    }

    fn session(&self, host: &dyn Probe) -> Result<Session, Failure> {
        let database = self.force_context.then_some("mysql");
        let mut session =
            self.access.open_admin(host, database, false, self.check_implicit_admin)?;
        if !self.sql_log_bin {
            session
                .execute("SET SQL_LOG_BIN=0")
                .map_err(failed("cannot switch the binary log off"))?;
        }
        set_variables(&mut session, &self.session_vars)?;
        Ok(session)
    }

    /// Where the user is there.
    fn hosts(&self, session: &mut Session) -> Result<Vec<String>, Failure> {
        let mut sql = format!("SELECT Host FROM mysql.user WHERE User = {}", text(&self.name));
        if !self.host_all {
            sql.push_str(&format!(" AND Host = {}", text(&self.host.to_lowercase())));
        }
        let rows = session.rows(&sql).map_err(failed("cannot look for the user"))?;
        Ok(rows.rows.iter().filter_map(|row| row.first()?.text()).collect())
    }

    /// How it logs in: the clause as it is sent, and as it is shown.
    fn identified(&self, server: &Server) -> Option<(String, String)> {
        const HIDDEN: &str = "'********'";
        let clause = |before: &str, secret: &str| {
            Some((format!("{before} {}", text(secret)), format!("{before} {HIDDEN}")))
        };
        if let Some(plugin) = &self.plugin {
            let with = format!("IDENTIFIED WITH {plugin}");
            return match (&self.plugin_hash_string, &self.plugin_auth_string) {
                (Some(hash), _) => clause(&format!("{with} AS"), hash.reveal()),
                (None, Some(auth))
                    if matches!(plugin.as_str(), "pam" | "auth_pam") || server.is_maria =>
                {
                    let is_native = plugin == "mysql_native_password";
                    let kept =
                        if is_native { native_hash(auth.reveal()) } else { auth.reveal().clone() };
                    clause(&format!("{with} AS"), &kept)
                }
                (None, Some(auth)) => clause(&format!("{with} BY"), auth.reveal()),
                (None, None) => Some((with.clone(), with)),
            };
        }
        let password = self.password.as_ref()?.reveal();
        let hash = if self.encrypted { password.clone() } else { native_hash(password) };
        match (server.is_maria, self.encrypted) {
            _ if password.is_empty() => clause("IDENTIFIED BY", ""),
            // The password itself is not even sent.
            (true, _) => clause("IDENTIFIED BY PASSWORD", &hash),
            (false, true) => clause("IDENTIFIED WITH mysql_native_password AS", &hash),
            (false, false) => clause("IDENTIFIED BY", password),
        }
    }

    fn create(
        &self,
        session: &mut Session,
        server: &Server,
        statements: &mut Statements,
        result: &mut Args,
    ) -> Result<(), Failure> {
        let user = account(&self.name, &self.host);
        let mut login = self.identified(server);
        if self.update_password == UpdatePassword::OnNewUsername
            && let Some(kept) = self.kept_by_namesake(session)?
        {
            login = Some((
                format!("IDENTIFIED WITH {} AS {}", kept.0, text(&kept.1)),
                format!("IDENTIFIED WITH {} AS '********'", kept.0),
            ));
        }
        let rest = format!("{}{}{}", self.requirements()?, self.limits()?, self.expiry());
        let lock = match self.locked {
            Some(true) => " ACCOUNT LOCK",
            _ => "",
        };
        let (sent, shown) = login.unwrap_or_default();
        let whole = |login: &str| {
            let login = if login.is_empty() { String::new() } else { format!(" {login}") };
            format!("CREATE USER {user}{login}{rest}{lock}")
        };
        result.insert("password_changed".into(), true.into());
        statements.list.push((Secret::new(whole(&sent)), whole(&shown)));
        Ok(())
    }

    /// How a user of the same name logs in.
    fn kept_by_namesake(&self, session: &mut Session) -> Result<Option<(String, String)>, Failure> {
        let sql = format!(
            "SELECT plugin, authentication_string FROM mysql.user WHERE User = {} LIMIT 1",
            text(&self.name)
        );
        let rows = session.rows(&sql).map_err(failed("cannot look for users of the name"))?;
        Ok(rows
            .rows
            .first()
            .and_then(|row| Some((row[0].text()?, row[1].text()?)))
            .filter(|(plugin, _)| !plugin.is_empty()))
    }

    fn update(
        &self,
        session: &mut Session,
        server: &Server,
        at: &str,
        wanted: Option<&Grants>,
        statements: &mut Statements,
        result: &mut Args,
    ) -> Result<(), Failure> {
        let user = account(&self.name, at);
        if self.update_password == UpdatePassword::Always
            && let Some((sent, shown)) = self.identified(server)
            && !self.logs_in_so(session, at)?
        {
            result.insert("password_changed".into(), true.into());
            let whole = |login: &str| format!("ALTER USER {user} {login}");
            statements.list.push((Secret::new(whole(&sent)), whole(&shown)));
        }
        let definition = definition(session, &user);
        let requirements = self.requirements()?;
        if self.tls_requires.is_some() && !has_clause(&definition, &requirements, "REQUIRE NONE") {
            statements.add(format!(
                "ALTER USER {user}{}",
                if requirements.is_empty() { " REQUIRE NONE" } else { &requirements }
            ));
        }
        let limits = self.limits()?;
        if self.resource_limits.is_some() && !self.has_limits(session, at)? {
            statements.add(format!("ALTER USER {user}{limits}"));
        }
        if self.password_expire.is_some() && !self.expires_so(&definition) {
            statements.add(format!("ALTER USER {user}{}", self.expiry()));
        }
        if let Some(locked) = self.locked
            && definition.contains("ACCOUNT LOCK") != locked
        {
            statements.add(format!(
                "ALTER USER {user} ACCOUNT {}",
                if locked { "LOCK" } else { "UNLOCK" }
            ));
        }
        if wanted.is_some() {
            let now = grants(session, &self.name, at)?;
            self.set_privileges(at, wanted, &now, statements);
        }
        Ok(())
    }

    /// Whether it logs in as it shall already.
    fn logs_in_so(&self, session: &mut Session, at: &str) -> Result<bool, Failure> {
        let condition = format!("User = {} AND Host = {}", text(&self.name), text(at));
        let sql = format!("SELECT plugin, authentication_string FROM mysql.user WHERE {condition}");
        let rows = session.rows(&sql).map_err(failed("cannot look how the user logs in"))?;
        let Some(row) = rows.rows.first() else { return Ok(false) };
        let (plugin, kept) = (row[0].text().unwrap_or_default(), row[1].text().unwrap_or_default());
        if let Some(wanted) = &self.plugin {
            let is_kept = match (&self.plugin_hash_string, &self.plugin_auth_string) {
                (Some(hash), _) => *hash.reveal() == kept,
                (None, Some(auth)) => *auth.reveal() == kept || native_hash(auth.reveal()) == kept,
                (None, None) => true,
            };
            return Ok(plugin == *wanted && is_kept);
        }
        let Some(password) = &self.password else { return Ok(true) };
        let password = password.reveal();
        Ok(match password.as_str() {
            "" => kept.is_empty() && !matches!(plugin.as_str(), "unix_socket" | "auth_socket"),
            hash if self.encrypted => kept.eq_ignore_ascii_case(hash),
            plain => kept == native_hash(plain),
        })
    }

    /// ` REQUIRE SSL`, or nothing.
    fn requirements(&self) -> Result<String, Failure> {
        let Some(given) = &self.tls_requires else { return Ok(String::new()) };
        let mut parts = Vec::new();
        for (key, value) in given {
            let word = key.to_uppercase();
            match word.as_str() {
                "SSL" | "X509" => parts.push(word),
                "SUBJECT" | "ISSUER" | "CIPHER" => {
                    parts.push(format!("{word} {}", text(&python_text(value))));
                }
                _ => {
                    return Err(Failure::new(format!(
                        "tls_requires: `{key}` is none of SSL, X509, SUBJECT, ISSUER, CIPHER"
                    )));
                }
            }
        }
        Ok(if parts.is_empty() {
            String::new()
        } else {
            format!(" REQUIRE {}", parts.join(" AND "))
        })
    }

    /// ` WITH MAX_QUERIES_PER_HOUR 1`, or nothing.
    fn limits(&self) -> Result<String, Failure> {
        let mut text = String::new();
        for (key, value) in self.resource_limits.iter().flatten() {
            column_of(key)?;
            let number = python_text(value).parse::<u64>().map_err(|_| {
                Failure::new(format!("resource_limits: {key} `{value}` is no number"))
            })?;
            let start = if text.is_empty() { " WITH" } else { "" };
            text.push_str(&format!("{start} {} {number}", key.to_uppercase()));
        }
        Ok(text)
    }

    fn has_limits(&self, session: &mut Session, at: &str) -> Result<bool, Failure> {
        for (key, value) in self.resource_limits.iter().flatten() {
            let sql = format!(
                "SELECT {} FROM mysql.user WHERE User = {} AND Host = {}",
                column_of(key)?,
                text(&self.name),
                text(at)
            );
            let rows = session.rows(&sql).map_err(failed("cannot look for limits of the user"))?;
            let now = rows.rows.first().and_then(|row| row[0].text()).unwrap_or_default();
            if now.parse::<f64>().ok() != python_text(value).parse::<f64>().ok() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn expiry(&self) -> String {
        match self.password_expire {
            None => String::new(),
            Some(PasswordExpire::Now) => " PASSWORD EXPIRE".to_owned(),
            Some(PasswordExpire::Never) => " PASSWORD EXPIRE NEVER".to_owned(),
            Some(PasswordExpire::Default) => " PASSWORD EXPIRE DEFAULT".to_owned(),
            Some(PasswordExpire::Interval) => {
                format!(
                    " PASSWORD EXPIRE INTERVAL {} DAY",
                    self.password_expire_interval.unwrap_or_default()
                )
            }
        }
    }

    fn expires_so(&self, definition: &str) -> bool {
        let expiry = self.expiry();
        match self.password_expire {
            None => true,
            // Servers say nothing of the usual.
            Some(PasswordExpire::Default) => {
                !definition.contains("PASSWORD EXPIRE") || definition.contains(expiry.trim())
            }
            Some(PasswordExpire::Now) => definition.split("PASSWORD EXPIRE").skip(1).any(|rest| {
                let word = rest.split_whitespace().next().unwrap_or_default();
                !matches!(word, "NEVER" | "DEFAULT" | "INTERVAL")
            }),
            Some(_) => definition.contains(expiry.trim()),
        }
    }

    /// What it shall be allowed to do; `None`: whatever it is.
    fn privileges(&self) -> Result<Option<Grants>, Failure> {
        let keeps_case = self.column_case_sensitive.unwrap_or(false);
        let text = match &self.r#priv {
            None => return Ok(None),
            Some(Value::Object(given)) => {
                let part = |(scope, list): (&String, &Value)| {
                    let list = match list {
                        Value::Array(words) => {
                            words.iter().map(python_text).collect::<Vec<_>>().join(",")
                        }
                        other => python_text(other),
                    };
                    format!("{scope}:{list}")
                };
                given.iter().map(part).collect::<Vec<_>>().join("/")
            }
            Some(Value::String(text)) => text.clone(),
            Some(_) => return Err(Failure::new("priv parameter must be str or dict")),
        };
        Grants::parse(&text, keeps_case).map(Some)
    }

    fn set_privileges(
        &self,
        at: &str,
        wanted: Option<&Grants>,
        now: &Grants,
        statements: &mut Statements,
    ) {
        let Some(wanted) = wanted else { return };
        let user = account(&self.name, at);
        let has = |scope: &Scope| now.0.get(scope).cloned().unwrap_or_default();
        if self.subtract_privs {
            for (scope, list) in &wanted.0 {
                let lost: Vec<String> =
                    list.iter().filter(|word| has(scope).contains(*word)).cloned().collect();
                statements_of("REVOKE", scope, lost, &user, "FROM", statements);
            }
            return;
        }
        if !self.append_privs {
            for (scope, list) in &now.0 {
                let keeps = wanted.0.get(scope).cloned().unwrap_or_default();
                let lost: Vec<String> = list
                    .iter()
                    .filter(|word| {
                        !keeps.contains(*word)
                            && *word != "USAGE"
                            && !grant::covers_all(&keeps, word)
                    })
                    .cloned()
                    .collect();
                statements_of("REVOKE", scope, lost, &user, "FROM", statements);
            }
        }
        for (scope, list) in &wanted.0 {
            let found = has(scope);
            let lacks: Vec<String> = list
                .iter()
                .filter(|word| {
                    !found.contains(*word)
                        && *word != "USAGE"
                        && !grant::covers_all(&found, word)
                        && !grant::is_all(&found, word, scope)
                })
                .cloned()
                .collect();
            statements_of("GRANT", scope, lacks, &user, "TO", statements);
        }
    }
}

/// One statement for a list of privileges; the right to grant is said apart.
fn statements_of(
    verb: &str,
    scope: &Scope,
    list: Vec<String>,
    user: &str,
    to: &str,
    statements: &mut Statements,
) {
    let (options, plain): (Vec<_>, Vec<_>) = list.into_iter().partition(|word| word == "GRANT");
    let on = scope.sql();
    let list = plain
        .iter()
        .map(|word| if word == "ALL" { "ALL PRIVILEGES" } else { word })
        .collect::<Vec<_>>()
        .join(", ");
    match (verb, plain.is_empty(), options.is_empty()) {
        (_, true, true) => {}
        ("GRANT", _, is_plain) => {
            let list = if plain.is_empty() { "USAGE" } else { list.as_str() };
            let option = if is_plain { "" } else { " WITH GRANT OPTION" };
            statements.add(format!("GRANT {list} ON {on} {to} {user}{option}"));
        }
        (_, is_empty, is_plain) => {
            if !is_plain {
                statements.add(format!("REVOKE GRANT OPTION ON {on} {to} {user}"));
            }
            if !is_empty {
                statements.add(format!("{verb} {list} ON {on} {to} {user}"));
            }
        }
    }
}

/// The column that keeps a limit.
fn column_of(limit: &str) -> Result<&'static str, Failure> {
    match limit.to_uppercase().as_str() {
        "MAX_QUERIES_PER_HOUR" => Ok("max_questions"),
        "MAX_UPDATES_PER_HOUR" => Ok("max_updates"),
        "MAX_CONNECTIONS_PER_HOUR" => Ok("max_connections"),
        "MAX_USER_CONNECTIONS" => Ok("max_user_connections"),
        "MAX_STATEMENT_TIME" => Ok("max_statement_time"),
        _ => Err(Failure::new(format!("resource_limits: `{limit}` is no limit of users"))),
    }
}

/// How the server would create the user; nothing from servers that do not tell.
fn definition(session: &mut Session, user: &str) -> String {
    let rows = session.rows(&format!("SHOW CREATE USER {user}"));
    rows.ok().and_then(|rows| rows.rows.first()?.first()?.text()).unwrap_or_default()
}

/// Whether a definition has a clause; without one, whether it has none.
fn has_clause(definition: &str, clause: &str, none: &str) -> bool {
    if clause.is_empty() {
        return !definition.contains("REQUIRE") || definition.contains(none);
    }
    let words = |text: &str| text.replace(" AND ", " ");
    words(definition).contains(words(clause).trim())
}
