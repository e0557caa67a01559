//! The tree of a playbook: plays, roles, blocks and tasks, typed, with every keyword that Ansible knows.
//!
//! Keyword values that may be templates stay raw [`Value`]s (trusted text with its origin); the engine resolves them for
//! each host. Structure is decided here, values are not.

use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;
use jinja::Value;
use yaml::Span;

/// Raw variables by name, in the order written.
pub type Vars = IndexMap<Arc<str>, Value>;

/// A playbook file.
#[derive(Debug, Clone)]
pub struct Playbook {
    /// Its path as given.
    pub path: PathBuf,
    /// Plays in order; `import_playbook` has been expanded.
    pub plays: Vec<Arc<Play>>,
}

/// The keywords that plays, roles, blocks and tasks share. `None`: not written here.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the fields are Ansible's keywords, documented there")]
pub struct Common {
    /// Where it is written.
    pub span: Option<Span>,
    pub name: Option<Value>,
    /// Conditions; all must hold.
    pub when: Vec<Value>,
    pub tags: Vec<Value>,
    pub vars: Vars,
    /// Each a dict or a template that gives one; later ones win.
    pub environment: Vec<Value>,
    pub r#become: Option<Value>,
    pub become_user: Option<Value>,
    pub become_method: Option<Value>,
    pub become_flags: Option<Value>,
    pub become_exe: Option<Value>,
    pub check_mode: Option<Value>,
    pub diff: Option<Value>,
    pub no_log: Option<Value>,
    pub ignore_errors: Option<Value>,
    pub ignore_unreachable: Option<Value>,
    pub run_once: Option<Value>,
    pub any_errors_fatal: Option<Value>,
    pub throttle: Option<Value>,
    pub timeout: Option<Value>,
    pub connection: Option<Value>,
    pub remote_user: Option<Value>,
    pub port: Option<Value>,
    pub debugger: Option<Value>,
    pub module_defaults: Vec<Value>,
    pub collections: Option<Value>,
    /// On blocks and tasks.
    pub delegate_to: Option<Value>,
    /// On blocks and tasks.
    pub delegate_facts: Option<Value>,
    /// On blocks, tasks and handlers: notified when it (or a task inside) changes something.
    pub notify: Vec<Value>,
}

/// A play.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the fields are Ansible's keywords, documented there")]
pub struct Play {
    pub common: Arc<Common>,
    pub span: Span,
    /// The directory of the playbook file that holds it: `playbook_dir`.
    pub directory: PathBuf,
    /// Host patterns.
    pub hosts: Vec<Value>,
    pub gather_facts: Option<Value>,
    pub gather_subset: Option<Value>,
    pub gather_timeout: Option<Value>,
    pub fact_path: Option<Value>,
    pub vars_files: Vec<Value>,
    pub vars_prompt: Vec<Value>,
    pub strategy: Option<Value>,
    pub serial: Vec<Value>,
    pub order: Option<Value>,
    pub max_fail_percentage: Option<Value>,
    pub force_handlers: Option<Value>,
    pub validate_argspec: Option<Value>,
    pub pre_tasks: Vec<Item>,
    pub roles: Vec<Arc<Role>>,
    pub tasks: Vec<Item>,
    pub post_tasks: Vec<Item>,
    pub handlers: Vec<Item>,
}

/// A role as loaded for one use (`roles:`, `import_role`, `include_role`).
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the fields are the parts of a role")]
pub struct Role {
    /// The name as written, e.g. `nginx` or `geerlingguy.docker`; the full one if a collection brings it.
    pub name: Arc<str>,
    /// The collection that brings it.
    pub collection: Option<Arc<str>>,
    /// The role's directory.
    pub path: PathBuf,
    /// Keywords written beside the role's name (`when`, `tags`, `become`, `vars`...).
    pub common: Arc<Common>,
    /// Parameters: the keys beside the name that are no keywords.
    pub params: Vars,
    pub defaults: Vars,
    pub vars: Vars,
    /// Roles of `meta/main.yml`, loaded, to be played before this one.
    pub dependencies: Vec<Arc<Role>>,
    pub allow_duplicates: bool,
    pub tasks: Vec<Item>,
    pub handlers: Vec<Item>,
    /// Its variables and defaults are seen by the rest of the play.
    pub public: bool,
    /// That is written where it is used, and outweighs `private_role_vars`.
    pub says_public: bool,
    /// `tasks_from`, `vars_from`, `defaults_from` and `handlers_from`.
    pub from: [Option<String>; 4],
}

impl Role {
    /// The name without that of its collection.
    pub fn short_name(&self) -> &str {
        let prefix = self.collection.as_deref().and_then(|it| self.name.strip_prefix(it));
        prefix.and_then(|rest| rest.strip_prefix('.')).unwrap_or(&self.name)
    }
}

impl Action {
    /// The name that finds its file.
    pub fn full(&self) -> &str {
        self.trail.last().unwrap_or(&self.written)
    }
}

/// A block or a task.
#[derive(Debug, Clone)]
pub enum Item {
    /// A block.
    Block(Arc<Block>),
    /// A task or handler.
    Task(Arc<Task>),
    /// A role played here: `import_role`, expanded at load. `common` of the importing task is the role's.
    Role(Arc<Role>),
}

/// A block.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the fields are Ansible's keywords, documented there")]
pub struct Block {
    pub common: Arc<Common>,
    pub body: Vec<Item>,
    pub rescue: Vec<Item>,
    pub always: Vec<Item>,
}

/// A task or handler.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the fields are Ansible's keywords, documented there")]
pub struct Task {
    pub common: Arc<Common>,
    pub span: Span,
    /// The file that holds it; its directory is searched first for files and includes.
    pub file: PathBuf,
    pub action: Action,
    /// The collections in which short names of what it includes are searched.
    pub collections: Arc<[Arc<str>]>,
    pub register: Option<Value>,
    pub r#loop: Option<Loop>,
    pub loop_control: LoopControl,
    pub until: Vec<Value>,
    pub retries: Option<Value>,
    pub delay: Option<Value>,
    pub changed_when: Vec<Value>,
    pub failed_when: Vec<Value>,
    pub r#async: Option<Value>,
    pub poll: Option<Value>,
    /// On handlers: other names it answers to.
    pub listen: Vec<Value>,
}

/// What a task does.
#[derive(Debug, Clone)]
pub struct Action {
    /// The canonical name: short for ansible.builtin (`copy`), full for other collections (`ansible.posix.sysctl`).
    pub name: Arc<str>,
    /// The name as written.
    pub written: Arc<str>,
    /// The full names that led to it: as written or found in a collection, then each that it was moved to. The last one
    /// finds its file.
    pub trail: Vec<Arc<str>>,
    /// Where the name is written.
    pub span: Span,
    /// The arguments: those of the mapping or of `key=value` text, with `args:` below them.
    pub args: Vars,
    /// Free text: the command line of `command`, `shell`, `raw`, `script`; the file of `include_tasks`; the word of
    /// `meta`. Also a template that gives all arguments (`module: "{{ args }}"`).
    pub free_form: Option<Value>,
    /// `args: "{{ template }}"`: more arguments, below the written ones.
    pub args_template: Option<Value>,
}

/// `loop` or `with_NAME`.
#[derive(Debug, Clone)]
pub struct Loop {
    /// The lookup's name for `with_NAME`; `None` for `loop`.
    pub lookup: Option<Arc<str>>,
    /// Its value.
    pub value: Value,
    /// Where it is written.
    pub span: Span,
}

/// `loop_control`.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the fields are Ansible's keywords, documented there")]
pub struct LoopControl {
    pub loop_var: Option<Value>,
    pub index_var: Option<Value>,
    pub label: Option<Value>,
    pub pause: Option<Value>,
    pub extended: Option<Value>,
    pub extended_allitems: Option<Value>,
    pub break_when: Vec<Value>,
}
