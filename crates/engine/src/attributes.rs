//! A task's keywords, resolved for one host (and one item of a loop): where it runs, as whom, and how.

use std::collections::BTreeMap;
use std::time::Duration;

use jinja::{Error, ErrorKind, Templar, Value};
use language::Common;
use model::{BecomeMethod, HostName, Mode, RunAs, Secret};

use crate::link::{Connection, Target};
use crate::options::Options;
use crate::walk::Planned;

/// How a task runs on a host.
#[derive(Debug, Clone)]
pub(crate) struct Attributes {
    pub(crate) mode: Mode,
    pub(crate) run_as: Option<RunAs>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) timeout: Option<Duration>,
}

/// What becomes of failures.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tolerance {
    pub(crate) no_log: bool,
    pub(crate) ignore_errors: bool,
    pub(crate) ignore_unreachable: bool,
}

/// Reads keywords of a task with a host's variables.
pub(crate) struct Keywords<'a> {
    pub(crate) planned: &'a Planned,
    pub(crate) templar: &'a Templar<'a>,
}

impl<'a> Keywords<'a> {
    /// A keyword that is set, as `parse` reads it.
    fn read<T>(
        &self,
        name: &str,
        pick: impl Fn(&'a Common) -> Option<&'a Value>,
        parse: impl FnOnce(&Value) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let mut parse = Some(parse);
        for raw in self.planned.chain.iter().filter_map(|common| pick(common)) {
            let place = || raw.origin().map(|origin| (**origin).clone());
            let failed = |error: Error| {
                error.at(place).purpose(format!("Error processing keyword '{name}'"), place())
            };
            let value = self.templar.resolve(raw).map_err(failed)?;
            // What is omitted is as if it were not written: what is around it counts.
            if value.is_omit() {
                continue;
            }
            let parse = parse.take().filter(|_| !value.is_none());
            return parse.map(|parse| parse(&value)).transpose().map_err(failed);
        }
        Ok(None)
    }

    fn value(
        &self,
        name: &str,
        pick: impl Fn(&'a Common) -> Option<&'a Value>,
    ) -> Result<Option<Value>, Error> {
        self.read(name, pick, |value| Ok(value.clone()))
    }

    pub(crate) fn flag(
        &self,
        name: &str,
        pick: impl Fn(&'a Common) -> Option<&'a Value>,
    ) -> Result<Option<bool>, Error> {
        self.read(name, pick, |value| to_bool(name, value))
    }

    fn text(
        &self,
        name: &str,
        pick: impl Fn(&'a Common) -> Option<&'a Value>,
    ) -> Result<Option<String>, Error> {
        self.read(name, pick, |value| Ok(value.to_string()))
    }

    /// A connection variable of the host, e.g. `ansible_host`.
    fn variable(&self, name: &str) -> Result<Option<Value>, Error> {
        let value = self.templar.variable(name)?;
        Ok((!value.is_undefined() && !value.is_none() && !value.is_omit()).then_some(value))
    }

    fn any_variable(&self, names: &[&str]) -> Result<Option<Value>, Error> {
        for name in names {
            if let Some(value) = self.variable(name)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    fn variable_text(&self, names: &[&str]) -> Result<Option<String>, Error> {
        Ok(self.any_variable(names)?.map(|value| value.to_string()))
    }

    pub(crate) fn tolerance(&self) -> Result<Tolerance, Error> {
        Ok(Tolerance {
            no_log: self.flag("no_log", |c| c.no_log.as_ref())?.unwrap_or(false),
            ignore_errors: self
                .flag("ignore_errors", |c| c.ignore_errors.as_ref())?
                .unwrap_or(false),
            ignore_unreachable: self
                .flag("ignore_unreachable", |c| c.ignore_unreachable.as_ref())?
                .unwrap_or(false),
        })
    }

    /// `ansible_async_dir`: where jobs leave their results.
    pub(crate) fn async_directory(&self) -> Result<String, Error> {
        let directory = match self.variable_text(&["ansible_async_dir"])? {
            Some(directory) => Some(directory),
            None => self.environment()?.remove("ANSIBLE_ASYNC_DIR"),
        };
        Ok(directory.unwrap_or_else(|| "~/.ansible_async".to_owned()))
    }

    pub(crate) fn delegate_to(&self) -> Result<Option<HostName>, Error> {
        let Some(raw) = self.planned.inherited(|c| c.delegate_to.as_ref()) else { return Ok(None) };
        let value = self.templar.resolve(raw)?;
        let is_set = !value.is_omit() && !value.is_none();
        Ok(is_set.then(|| HostName::new(value.to_string())))
    }

    /// An error if `check_mode` or `diff` is no boolean: for tasks that have no use for them, too.
    pub(crate) fn check_modes(&self) -> Result<(), Error> {
        self.flag("check_mode", |c| c.check_mode.as_ref())?;
        self.flag("diff", |c| c.diff.as_ref()).map(drop)
    }

    /// `there`: the keywords as the host sees them that the task is delegated to; privileges are those of that host.
    pub(crate) fn attributes(
        &self,
        options: &Options,
        there: &Keywords<'_>,
    ) -> Result<Attributes, Error> {
        let mode = Mode {
            check: self.flag("check_mode", |c| c.check_mode.as_ref())?.unwrap_or(options.check),
            diff: self.flag("diff", |c| c.diff.as_ref())?.unwrap_or(options.diff),
        };
        let timeout = self
            .read("timeout", |c| c.timeout.as_ref(), timeout)?
            .unwrap_or(Duration::from_secs(options.task_timeout));
        Ok(Attributes {
            mode,
            run_as: there.run_as(options)?,
            environment: self.environment()?,
            timeout: Some(timeout).filter(|timeout| !timeout.is_zero()),
        })
    }

    /// What is no dictionary is left out, as are entries that are omitted.
    fn environment(&self) -> Result<BTreeMap<String, String>, Error> {
        let mut environment = BTreeMap::new();
        // A play's environment may be made of the facts that its first task is about to gather.
        let gathers = &*self.planned.task.action.written == "gather_facts";
        for raw in self.planned.gathered(|c| &c.environment) {
            let value = match self.templar.resolve(raw) {
                Err(error) if gathers && error.is_undefined() => self.known_parts(raw),
                Err(error) => {
                    let place = raw.origin().map(|origin| (**origin).clone());
                    return Err(error.purpose("Error processing keyword 'environment'", place));
                }
                Ok(value) => value,
            };
            let parts = value.as_list().map_or_else(|| vec![value.clone()], jinja::List::snapshot);
            for part in parts {
                let Some(dict) = part.as_dict() else { continue };
                let entries = dict.read();
                let given = entries.iter().filter(|(_, value)| !value.is_omit());
                environment
                    .extend(given.map(|(name, value)| (name.to_string(), value.to_string())));
            }
        }
        Ok(environment)
    }

    /// Of a dictionary, the entries that can be known already.
    fn known_parts(&self, raw: &Value) -> Value {
        let entries = raw.as_dict().map(jinja::Dict::snapshot).unwrap_or_default();
        let known = entries.into_iter().filter_map(|(name, value)| {
            let value = self.templar.resolve(&value).ok()?;
            Some((name, value))
        });
        Value::dict(known.collect())
    }

    /// Variables win over keywords, keywords over the command line.
    fn run_as(&self, options: &Options) -> Result<Option<RunAs>, Error> {
        let wanted = match self.variable("ansible_become")? {
            Some(value) => to_bool("ansible_become", &value)?,
            None => {
                self.flag("become", |c| c.r#become.as_ref())?.unwrap_or(options.defaults.r#become)
            }
        };
        if !wanted {
            return Ok(None);
        }
        let method = self
            .variable_text(&["ansible_become_method"])?
            .or(self.text("become_method", |c| c.become_method.as_ref())?)
            .or(options.defaults.become_method.clone());
        let method = method_by_name(method.as_deref())?;
        let own = |what: &str| match method {
            BecomeMethod::Sudo => format!("ansible_sudo_{what}"),
            BecomeMethod::Su => format!("ansible_su_{what}"),
        };
        let user = self
            .variable_text(&["ansible_become_user", &own("user")])?
            .or(self.text("become_user", |c| c.become_user.as_ref())?)
            .or(options.defaults.become_user.clone())
            .unwrap_or_else(|| "root".to_owned());
        let exe = self
            .variable_text(&["ansible_become_exe", &own("exe")])?
            .or(self.text("become_exe", |c| c.become_exe.as_ref())?);
        let exe = exe.or_else(|| options.defaults.become_always.then(|| own_program(method)));
        let flags = self
            .variable_text(&["ansible_become_flags", &own("flags")])?
            .or(self.text("become_flags", |c| c.become_flags.as_ref())?);
        let flags = flags.map(|text| words("become_flags", &text)).transpose()?;
        let password = self
            .variable_text(&["ansible_become_password", "ansible_become_pass", &own("pass")])?
            .map(Secret::new)
            .or(options.defaults.become_password.clone());
        let chdir = self.variable_text(&["ansible_sudo_chdir"])?;
        let prompts = self.texts("ansible_su_prompt_l10n")?;
        let patience = self
            .any_variable(&["ansible_local_become_success_timeout", "ansible_ssh_timeout"])?
            .map(|value| timeout(&value))
            .transpose()?;
        let chdir = chdir.filter(|_| method == BecomeMethod::Sudo);
        Ok(Some(RunAs { user, method, exe, flags, password, chdir, prompts, patience }))
    }

    /// A variable that is a list of texts, or several in one with commas between them.
    fn texts(&self, name: &str) -> Result<Vec<String>, Error> {
        let value = self.variable(name)?;
        Ok(match value.as_ref().map(|value| (value.as_list(), value)) {
            None => Vec::new(),
            Some((Some(list), _)) => list.snapshot().iter().map(ToString::to_string).collect(),
            Some((None, text)) => {
                text.to_string().split(',').map(|one| one.trim().to_owned()).collect()
            }
        })
    }

    /// Where a host is. Both variables say its name where nobody set them.
    fn address(&self, host: &HostName) -> Result<String, Error> {
        let mut addresses = Vec::new();
        for name in ["ansible_host", "ansible_ssh_host"] {
            addresses.extend(self.variable_text(&[name])?);
        }
        let said = addresses.into_iter().find(|address| address != host.as_str());
        Ok(said.unwrap_or_else(|| host.to_string()))
    }

    /// Where a host is, and how it is reached. `default` is what a host without `ansible_connection` takes.
    pub(crate) fn target(
        &self,
        host: &HostName,
        options: &Options,
        default: Connection,
    ) -> Result<Target, Error> {
        let defaults = &options.defaults;
        let connection = self
            .variable_text(&["ansible_connection"])?
            .or(self.text("connection", |c| c.connection.as_ref())?)
            .or(defaults.connection.clone());
        let connection = connection_by_name(connection.as_deref(), default)?;
        let port = match self
            .any_variable(&["ansible_port", "ansible_ssh_port"])?
            .or(self.value("port", |c| c.port.as_ref())?)
        {
            Some(value) => Some(port_number(&value)?),
            None => None,
        };
        let user = self
            .variable_text(&["ansible_user", "ansible_ssh_user"])?
            .or(self.text("remote_user", |c| c.remote_user.as_ref())?)
            .or(defaults.remote_user.clone());
        let mut ssh_args = words("ssh arguments", &defaults.ssh_args)?;
        for name in ["ansible_ssh_common_args", "ansible_ssh_extra_args"] {
            if let Some(text) = self.variable_text(&[name])? {
                ssh_args.extend(words(name, &text)?);
            }
        }
        let checking = self
            .any_variable(&["ansible_host_key_checking", "ansible_ssh_host_key_checking"])?
            .map(|value| to_bool("ansible_host_key_checking", &value))
            .transpose()?
            .unwrap_or(!defaults.no_host_key_checking);
        Ok(Target {
            host: host.clone(),
            connection,
            address: self.address(host)?,
            port,
            user,
            password: self
                .variable_text(&["ansible_password", "ansible_ssh_pass", "ansible_ssh_password"])?
                .map(Secret::new)
                .or(defaults.password.clone()),
            private_key: self
                .variable_text(&["ansible_ssh_private_key_file", "ansible_private_key_file"])?
                .map(|path| jinja::expand_home(&path, std::env::var("HOME").ok()))
                .or(defaults.private_key.clone()),
            ssh_args,
            host_key_checking: checking,
            connect_timeout: match self.any_variable(&["ansible_ssh_timeout", "ansible_timeout"])? {
                Some(value) => timeout(&value)?,
                None => Duration::from_secs(defaults.timeout.unwrap_or(10)),
            },
            options: BTreeMap::new(),
        })
    }
}

fn wrong(name: &str, expected: &str, value: &Value) -> Error {
    Error::new(
        ErrorKind::Value,
        format!("{name} must be {expected}, got {} ({})", value.repr(), value.type_name()),
    )
}

/// Ansible's lenient booleans.
pub(crate) fn to_bool(name: &str, value: &Value) -> Result<bool, Error> {
    if let Some(flag) = value.as_bool() {
        return Ok(flag);
    }
    match value.to_string().to_lowercase().as_str() {
        "yes" | "on" | "1" | "true" | "t" | "y" | "1.0" => Ok(true),
        "no" | "off" | "0" | "false" | "f" | "n" | "0.0" => Ok(false),
        _ => Err(Error::new(
            ErrorKind::Value,
            format!(
                "the field '{name}' has an invalid value: The value {} could not be converted to 'bool'.",
                value.repr()
            ),
        )),
    }
}

/// A number of seconds, possibly as text.
pub(crate) fn seconds(name: &str, value: &Value) -> Result<Duration, Error> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
    number
        .filter(|number| number.is_finite() && *number >= 0.0)
        .map(Duration::from_secs_f64)
        .ok_or_else(|| wrong(name, "a number of seconds", value))
}

/// `timeout`: whole seconds.
fn timeout(value: &Value) -> Result<Duration, Error> {
    let number = value.as_i64().or_else(|| value.as_str()?.trim().parse().ok());
    let number = number.ok_or_else(|| wrong("timeout", "a number of seconds", value))?;
    match u64::try_from(number).ok().filter(|number| *number <= 100_000_000) {
        Some(number) => Ok(Duration::from_secs(number)),
        None => Err(Error::new(
            ErrorKind::Value,
            format!("Timeout {number} is invalid, it must be between 0 and 100000000."),
        )),
    }
}

/// A count, possibly as text.
pub(crate) fn count(name: &str, value: &Value) -> Result<u32, Error> {
    value
        .as_i64()
        .or_else(|| value.as_str()?.trim().parse().ok())
        .and_then(|number| u32::try_from(number).ok())
        .ok_or_else(|| wrong(name, "a number that is not negative", value))
}

fn port_number(value: &Value) -> Result<u16, Error> {
    count("ansible_port", value)
        .ok()
        .and_then(|number| u16::try_from(number).ok())
        .filter(|port| *port > 0)
        .ok_or_else(|| wrong("ansible_port", "a port number", value))
}

fn words(name: &str, text: &str) -> Result<Vec<String>, Error> {
    shlex::split(text).ok_or_else(|| {
        Error::new(ErrorKind::Value, format!("{name} has an unbalanced quote: {text}"))
    })
}

fn own_program(method: BecomeMethod) -> String {
    match method {
        BecomeMethod::Sudo => "sudo".to_owned(),
        BecomeMethod::Su => "su".to_owned(),
    }
}

fn method_by_name(name: Option<&str>) -> Result<BecomeMethod, Error> {
    match name.map_or("sudo", short) {
        "sudo" => Ok(BecomeMethod::Sudo),
        "su" => Ok(BecomeMethod::Su),
        other => Err(Error::new(
            ErrorKind::Value,
            format!("become_method must be one of: sudo, su, got: {other}"),
        )),
    }
}

fn connection_by_name(name: Option<&str>, default: Connection) -> Result<Connection, Error> {
    match name.map(short) {
        None | Some("smart") => Ok(default),
        Some("local") => Ok(Connection::Local),
        Some("ssh" | "paramiko" | "paramiko_ssh") => Ok(Connection::Ssh),
        Some("agent" | "muster") => Ok(Connection::Agent),
        Some(other) => Err(Error::new(
            ErrorKind::Value,
            format!("ansible_connection must be one of: agent, ssh, local, smart, got: {other}"),
        )),
    }
}

fn short(name: &str) -> &str {
    name.strip_prefix("ansible.builtin.")
        .or_else(|| name.strip_prefix("ansible.legacy."))
        .unwrap_or(name)
}
