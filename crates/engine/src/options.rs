//! What the person who runs a playbook may choose: the flags of `ansible-playbook`, resolved.

use std::path::PathBuf;
use std::sync::Arc;

use jinja::Value;
use model::Secret;

use crate::fact_cache::FactCache;
use crate::person::Person;

/// The choices of a run. `Default` is a run without any flag.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--check`.
    pub check: bool,
    /// `--diff`.
    pub diff: bool,
    /// `--limit`.
    pub limit: Option<String>,
    /// `--tags`; empty means `all`.
    pub tags: Vec<String>,
    /// `--skip-tags`.
    pub skip_tags: Vec<String>,
    /// `--extra-vars`, in the order given, parsed.
    pub extra_vars: Vec<(String, Value)>,
    /// `--forks`: the most hosts that a task runs on at once. `None`: all of them.
    pub forks: Option<usize>,
    /// `--force-handlers`.
    pub force_handlers: bool,
    /// `ANSIBLE_ERROR_ON_MISSING_HANDLER=false`: a notification that nobody answers is only warned about.
    pub missing_handler_warns: bool,
    /// `ANSIBLE_ANY_ERRORS_FATAL`.
    pub any_errors_fatal: bool,
    /// `ANSIBLE_STRATEGY`: the strategy of plays that name none. `None`: `linear`.
    pub strategy: Option<String>,
    /// `ANSIBLE_TASK_TIMEOUT`, in seconds; 0 is no limit.
    pub task_timeout: u64,
    /// `--step`: a person is asked before each task.
    pub step: bool,
    /// `--start-at-task`.
    pub start_at_task: Option<String>,
    /// `-v` count.
    pub verbosity: u8,
    /// Gather facts where a play does not say (`gathering = implicit`).
    pub gather_facts: Gathering,
    /// `ANSIBLE_PYTHON_INTERPRETER`, when it names one: what runs modules in Python on hosts whose variables do not say.
    pub python_interpreter: Option<String>,
    /// `fact_caching = jsonfile`: where facts outlive the run.
    pub fact_cache: Option<FactCache>,
    /// `--flush-cache`: the facts of the inventory's hosts are forgotten first.
    pub flush_cache: bool,
    /// The configuration file that was read: `ansible_config_file`.
    pub config_file: Option<PathBuf>,
    /// Where the inventory comes from: `ansible_inventory_sources`.
    pub inventory_sources: Vec<String>,
    /// `hash_behaviour = merge`: dictionaries of one name are merged, not replaced.
    pub merge_hashes: bool,
    /// `private_role_vars`: a role's variables are seen by its own tasks alone.
    pub private_role_vars: bool,
    /// `private_role_vars = False` is written: roles that are included show their variables, too.
    pub includes_are_public: bool,
    /// `inject_facts_as_vars = False`: facts are seen in `ansible_facts` alone.
    pub facts_stay_inside: bool,
    /// `ANSIBLE_ENABLE_TASK_DEBUGGER`: the debugger begins when a task fails or a host does not answer.
    pub task_debugger: bool,
    /// `ANSIBLE_TASK_DEBUGGER_IGNORE_ERRORS=false`: the debugger begins for failures that are ignored, too.
    pub debug_ignored: bool,
    /// Who is asked while the run is under way. `None`: nobody is there.
    pub person: Option<Arc<dyn Person>>,
    /// Defaults for connections and privileges, below what plays and variables say.
    pub defaults: Defaults,
}

/// The `gathering` setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gathering {
    /// Each play gathers unless it says no.
    #[default]
    Implicit,
    /// No play gathers unless it says yes.
    Explicit,
    /// Each play gathers for hosts whose facts are not known.
    Smart,
}

/// Command line and configuration defaults; a play's keywords and a host's variables override them.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    /// `--connection`.
    pub connection: Option<String>,
    /// `--user`.
    pub remote_user: Option<String>,
    /// `--private-key`.
    pub private_key: Option<PathBuf>,
    /// `--ask-pass`.
    pub password: Option<Secret<String>>,
    /// `--timeout`, in seconds.
    pub timeout: Option<u64>,
    /// `--ssh-common-args` and `--ssh-extra-args`.
    pub ssh_args: String,
    /// `host_key_checking = False` turns it off.
    pub no_host_key_checking: bool,
    /// `--become`.
    pub r#become: bool,
    /// `--become-user`.
    pub become_user: Option<String>,
    /// `--become-method`.
    pub become_method: Option<String>,
    /// `ANSIBLE_BECOME_ALLOW_SAME_USER`: the method's program runs even where nothing asks for it.
    pub become_always: bool,
    /// `--ask-become-pass`.
    pub become_password: Option<Secret<String>>,
}
