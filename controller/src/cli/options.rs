//! Flags that commands on hosts share, with Ansible's names, and what they and the settings make together.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use engine::{Defaults, FactCache, Options};
use model::Secret;
use vault::Keyring;

use crate::content::read_extra_vars;
use crate::error::{CliError, ErrorKind};
use crate::job::Surroundings;
use crate::settings::{Configuration, Settings};
use crate::{passwords, terminal};

/// Which hosts there are, and which of them are meant.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Hosts")]
pub(crate) struct InventoryArgs {
    /// A file or directory with hosts, or a list of hosts with a comma in it; may be given again
    #[arg(short, long = "inventory", visible_alias = "inventory-file", value_name = "SOURCE")]
    pub(crate) inventory: Vec<String>,
    /// Only these of the hosts
    #[arg(short, long, value_name = "PATTERN")]
    pub(crate) limit: Option<String>,
    /// Only list the hosts
    #[arg(long)]
    pub(crate) list_hosts: bool,
    /// Forget what is known of the hosts' facts
    #[arg(long)]
    pub(crate) flush_cache: bool,
}

/// How hosts are reached.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArgs {
    /// How hosts are reached when their variables do not say: ssh, local or agent
    #[arg(short, long, value_name = "CONNECTION")]
    pub(crate) connection: Option<String>,
    /// Log in as this user
    #[arg(short, long = "user", value_name = "USER")]
    pub(crate) user: Option<String>,
    /// Log in with this key
    #[arg(long = "private-key", visible_alias = "key-file", value_name = "FILE")]
    pub(crate) private_key: Option<PathBuf>,
    /// Ask for the password of the connection
    #[arg(short = 'k', long)]
    pub(crate) ask_pass: bool,
    /// Take the password of the connection from this file; a program prints it
    #[arg(
        long,
        visible_alias = "conn-pass-file",
        value_name = "FILE",
        conflicts_with = "ask_pass"
    )]
    pub(crate) connection_password_file: Option<PathBuf>,
    /// Wait so long for a connection
    #[arg(short = 'T', long, value_name = "SECONDS")]
    pub(crate) timeout: Option<u64>,
    /// Arguments for ssh
    #[arg(long, value_name = "ARGUMENTS", allow_hyphen_values = true)]
    pub(crate) ssh_common_args: Option<String>,
    /// More arguments for ssh
    #[arg(long, value_name = "ARGUMENTS", allow_hyphen_values = true)]
    pub(crate) ssh_extra_args: Option<String>,
    /// Taken for Ansible's sake: files travel with everything else
    #[arg(long, value_name = "ARGUMENTS", allow_hyphen_values = true, hide = true)]
    pub(crate) sftp_extra_args: Option<String>,
    /// Taken for Ansible's sake: files travel with everything else
    #[arg(long, value_name = "ARGUMENTS", allow_hyphen_values = true, hide = true)]
    pub(crate) scp_extra_args: Option<String>,
}

/// As whom things are done.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Privileges")]
pub(crate) struct BecomeArgs {
    /// Become another user for what is done
    #[arg(short, long = "become")]
    pub(crate) r#become: bool,
    /// Which user [default: root]
    #[arg(long, value_name = "USER")]
    pub(crate) become_user: Option<String>,
    /// By which way: sudo or su [default: sudo]
    #[arg(long, value_name = "METHOD")]
    pub(crate) become_method: Option<String>,
    /// Ask for the password of that way
    #[arg(short = 'K', long)]
    pub(crate) ask_become_pass: bool,
    /// Take that password from this file; a program prints it
    #[arg(
        long,
        visible_alias = "become-pass-file",
        value_name = "FILE",
        conflicts_with = "ask_become_pass"
    )]
    pub(crate) become_password_file: Option<PathBuf>,
}

/// Where the passwords of encrypted content come from.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Vault")]
pub(crate) struct VaultArgs {
    /// A vault identity: `LABEL@FILE`, `LABEL@prompt`, or a file; may be given again
    #[arg(long, value_name = "IDENTITY")]
    pub(crate) vault_id: Vec<String>,
    /// Ask for the vault's password
    #[arg(short = 'J', long, visible_alias = "ask-vault-pass")]
    pub(crate) ask_vault_password: bool,
    /// Take the vault's password from this file; a program prints it. May be given again
    #[arg(
        long,
        visible_alias = "vault-pass-file",
        value_name = "FILE",
        conflicts_with = "ask_vault_password"
    )]
    pub(crate) vault_password_file: Vec<PathBuf>,
}

/// How a run is done and shown.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Run")]
pub(crate) struct RunFlags {
    /// Set variables: `name=value`, a YAML or JSON mapping, or @FILE; may be given again
    #[arg(short, long = "extra-vars", value_name = "VARIABLES")]
    pub(crate) extra_vars: Vec<String>,
    /// Only say what would change
    #[arg(short = 'C', long)]
    pub(crate) check: bool,
    /// Show before and after of what changes
    #[arg(short = 'D', long)]
    pub(crate) diff: bool,
    /// The most hosts that a task runs on at once [default: all]
    #[arg(short, long, value_name = "NUMBER")]
    pub(crate) forks: Option<usize>,
    /// More directories with modules, before the usual ones; may be given again
    #[arg(short = 'M', long, value_name = "DIRECTORIES")]
    pub(crate) module_path: Vec<String>,
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
    /// Show more; up to -vvvvvv
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// The passwords that a run may need. Asked for, never an argument.
#[derive(Debug, Clone, Default)]
pub(crate) struct Passwords {
    pub(crate) connection: Option<Secret<String>>,
    pub(crate) r#become: Option<Secret<String>>,
    /// What opens encrypted content.
    pub(crate) vault: Arc<Keyring>,
}

impl Passwords {
    /// Those without which content cannot be read, let alone run.
    pub(crate) fn of_content(args: &VaultArgs, settings: &Settings) -> Result<Self, CliError> {
        Ok(Self { vault: passwords::keyring(args, &settings.vault)?, ..Self::default() })
    }

    /// Asks for those that flags and settings want.
    pub(crate) fn ask(flags: Flags<'_>, settings: &Settings) -> Result<Self, CliError> {
        let Flags { connection, escalation, run, .. } = flags;
        let vault = passwords::keyring(&run.vault, &settings.vault)?;
        let mut passwords = Self { vault, ..Self::default() };
        let file = connection.connection_password_file.as_ref().or(settings.password_file.as_ref());
        if connection.ask_pass || (settings.ask_pass && file.is_none()) {
            passwords.connection = Some(ask("SSH password")?);
        } else if let Some(path) = file {
            passwords.connection = Some(read_password(path)?);
        }
        let file =
            escalation.become_password_file.as_ref().or(settings.become_password_file.as_ref());
        if let Some(path) = file.filter(|_| !escalation.ask_become_pass) {
            passwords.r#become = Some(read_password(path)?);
            return Ok(passwords);
        }
        if escalation.ask_become_pass || settings.become_ask_pass {
            let default = passwords.connection.clone();
            let prompt = match default {
                Some(_) => "BECOME password[defaults to SSH password]",
                None => "BECOME password",
            };
            let typed = ask(prompt)?;
            passwords.r#become =
                Some(if typed.reveal().is_empty() { default.unwrap_or(typed) } else { typed });
        }
        Ok(passwords)
    }
}

/// The password in a file, or what the program of that name prints; `-` is standard input.
fn read_password(path: &Path) -> Result<Secret<String>, CliError> {
    use std::os::unix::fs::PermissionsExt as _;

    let failed = |error: &dyn std::fmt::Display| {
        CliError::failed(format!("cannot read the password file {}: {error}", path.display()))
    };
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_line(&mut text).map_err(|error| failed(&error))?;
        return Ok(Secret::new(text.trim().to_owned()));
    }
    let metadata = std::fs::metadata(path).map_err(|error| failed(&error))?;
    let text = if metadata.permissions().mode() & 0o111 == 0 {
        std::fs::read_to_string(path).map_err(|error| failed(&error))?
    } else {
        let program = std::path::absolute(path)?;
        let output =
            std::process::Command::new(program).output().map_err(|error| failed(&error))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(failed(&format!("the program ended with {}: {said}", output.status)));
        }
        String::from_utf8(output.stdout).map_err(|error| failed(&error))?
    };
    match text.trim() {
        "" => Err(failed(&"there is no password in it")),
        text => Ok(Secret::new(text.to_owned())),
    }
}

fn ask(prompt: &str) -> Result<Secret<String>, CliError> {
    terminal::ask_password(prompt).map_err(|error| {
        if error.kind() == std::io::ErrorKind::Interrupted {
            return CliError::new(ErrorKind::Interrupted, "interrupted by the person");
        }
        CliError::failed(format!("cannot ask for a password: {error}"))
    })
}

/// Flags that every run has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flags<'a> {
    pub(crate) run: &'a RunFlags,
    pub(crate) inventory: &'a InventoryArgs,
    pub(crate) connection: &'a ConnectionArgs,
    pub(crate) escalation: &'a BecomeArgs,
}

/// The engine's options: flags above settings. Relative files are found from the base.
pub(crate) fn engine_options(
    flags: Flags<'_>,
    around: &Surroundings<'_>,
) -> Result<Options, CliError> {
    let Flags { run, inventory, .. } = flags;
    let settings = around.settings;
    let set = &settings.configuration;
    if run.forks == Some(0) || settings.forks == Some(0) {
        return Err(CliError::options("the number of forks must be 1 or more"));
    }
    let (limit, extra_vars) = (
        inventory.limit.as_deref().map(|limit| read_limit(limit, around)).transpose()?,
        read_extra_vars(&run.extra_vars, &around.passwords.vault, |path| around.place(path))?,
    );
    Ok(Options {
        check: run.check,
        diff: run.diff || settings.diff,
        limit,
        extra_vars,
        forks: run.forks.or(settings.forks),
        force_handlers: settings.force_handlers,
        python_interpreter: set
            .text("INTERPRETER_PYTHON")?
            .filter(|set| !set.is_empty() && !set.starts_with("auto")),
        missing_handler_warns: !set.flag("ERROR_ON_MISSING_HANDLER")?,
        merge_hashes: set.text("DEFAULT_HASH_BEHAVIOUR")?.as_deref() == Some("merge"),
        private_role_vars: set.flag("DEFAULT_PRIVATE_ROLE_VARS")?,
        includes_are_public: set.is_set("DEFAULT_PRIVATE_ROLE_VARS")
            && !set.flag("DEFAULT_PRIVATE_ROLE_VARS")?,
        task_debugger: set.flag("ENABLE_TASK_DEBUGGER")?,
        debug_ignored: !set.flag("TASK_DEBUGGER_IGNORE_ERRORS")?,
        facts_stay_inside: !set.flag("INJECT_FACTS_AS_VARS")?,
        any_errors_fatal: set.flag("ANY_ERRORS_FATAL")?,
        strategy: set.text("DEFAULT_STRATEGY")?,
        task_timeout: set.number("TASK_TIMEOUT")?.unwrap_or(0),
        verbosity: run.verbose.max(settings.verbosity),
        gather_facts: settings.gathering,
        fact_cache: fact_cache(set)?,
        flush_cache: inventory.flush_cache,
        config_file: settings.config.clone(),
        inventory_sources: inventory.sources(around),
        defaults: defaults(flags, around),
        ..Options::default()
    })
}

/// `fact_caching` and its companions.
fn fact_cache(set: &Configuration) -> Result<Option<FactCache>, CliError> {
    let plugin = set.text("CACHE_PLUGIN")?.unwrap_or_default();
    match plugin.rsplit('.').next().unwrap_or_default() {
        "memory" => return Ok(None),
        "jsonfile" => {}
        _ => {
            let message = format!(
                "fact_caching = {plugin} is not supported: `memory` keeps facts for the run, `jsonfile` beyond it"
            );
            return Err(CliError::options(message));
        }
    }
    let Some(directory) = set.path("CACHE_PLUGIN_CONNECTION")? else {
        let message = "error, 'jsonfile' cache plugin requires the 'fact_caching_connection' config option to be set \
                       (to a writeable directory path)";
        return Err(CliError::options(message));
    };
    let timeout = set.number("CACHE_PLUGIN_TIMEOUT")?.filter(|seconds| *seconds > 0);
    let prefix = set.is_set("CACHE_PLUGIN_PREFIX").then(|| set.text("CACHE_PLUGIN_PREFIX"));
    Ok(Some(FactCache {
        directory,
        prefix: prefix.transpose()?.flatten().unwrap_or_default(),
        timeout: timeout.map(Duration::from_secs),
    }))
}

fn defaults(flags: Flags<'_>, around: &Surroundings<'_>) -> Defaults {
    let Flags { connection, escalation, .. } = flags;
    let Surroundings { settings, passwords, base, .. } = around;
    let of = |flag: &Option<String>, setting: &Option<String>| flag.clone().or(setting.clone());
    let common = of(&connection.ssh_common_args, &settings.ssh_common_args);
    let extra = of(&connection.ssh_extra_args, &settings.ssh_extra_args);
    let private_key = connection.private_key.as_ref().map(|key| base.join(key));
    Defaults {
        connection: of(&connection.connection, &settings.connection),
        remote_user: of(&connection.user, &settings.remote_user),
        private_key: private_key.or_else(|| settings.private_key.clone()),
        password: passwords.connection.clone(),
        timeout: connection.timeout.or(settings.timeout),
        ssh_args: [common, extra].into_iter().flatten().collect::<Vec<_>>().join(" "),
        no_host_key_checking: !settings.host_key_checking,
        r#become: escalation.r#become || settings.r#become,
        become_user: of(&escalation.become_user, &settings.become_user),
        become_method: of(&escalation.become_method, &settings.become_method),
        become_always: settings.configuration.flag("BECOME_ALLOW_SAME_USER").unwrap_or_default(),
        become_password: passwords.r#become.clone(),
    }
}

/// `--limit @FILE` names patterns, one a line; other patterns may stand beside it.
pub(crate) fn read_limit(limit: &str, around: &Surroundings<'_>) -> Result<String, CliError> {
    let mut patterns = Vec::new();
    for part in limit.split(',') {
        let Some(name) = part.trim().strip_prefix('@') else {
            patterns.push(part.to_owned());
            continue;
        };
        let path = around.place(Path::new(name));
        let shown = path.display();
        if !path.exists() {
            return Err(CliError::failed(format!("Unable to find limit file {shown}")));
        }
        if path.is_dir() {
            return Err(CliError::failed(format!(
                "Limit starting with \"@\" must be a file, not a directory: {shown}"
            )));
        }
        let text = std::fs::read_to_string(&path)
            .map_err(|error| CliError::failed(format!("cannot read {shown}: {error}")))?;
        patterns.extend(text.lines().map(|line| line.trim().to_owned()));
    }
    patterns.retain(|pattern| !pattern.trim().is_empty());
    Ok(patterns.join(","))
}

impl InventoryArgs {
    /// Sources as given, or as the settings say, or the default. Relative ones are found from the base.
    pub(crate) fn sources(&self, around: &Surroundings<'_>) -> Vec<String> {
        if self.inventory.is_empty() {
            let set = &around.settings.inventory;
            return if set.is_empty() { around.default_inventory.to_vec() } else { set.clone() };
        }
        let place = |name: &String| {
            if name.contains(',') {
                name.clone()
            } else {
                around.place(Path::new(name)).to_string_lossy().into_owned()
            }
        };
        self.inventory.iter().map(place).collect()
    }
}
