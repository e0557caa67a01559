//! The variables that a task sees on a host: the layers of everything, in Ansible's order of precedence.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use indexmap::IndexMap;
use jinja::{Controller, Error, Object, Templar, Value};
use language::{Layer, Level, Scope};
use model::HostName;

use crate::state::HostState;
use crate::walk::{Planned, PlayedRole};
use crate::world::World;

/// The layers that all hosts of a play share.
#[derive(Debug, Clone)]
pub(crate) struct PlayScope {
    /// `playbook_dir`.
    pub(crate) directory: PathBuf,
    /// The hosts that the play chose, in all its batches.
    pub(crate) hosts: Vec<HostName>,
    /// `groups`, `hostvars`, `ansible_play_hosts`...
    pub(crate) magic: Arc<Layer>,
    /// `vars`.
    pub(crate) vars: Arc<Layer>,
    /// `vars_prompt`.
    pub(crate) prompted: Arc<Layer>,
    /// `vars_files` of each host, the last file first.
    pub(crate) files: IndexMap<HostName, Vec<Arc<Layer>>>,
    /// Roles whose variables the whole play sees, in the order of their use.
    pub(crate) roles: Vec<Arc<PlayedRole>>,
}

impl PlayScope {
    /// What a task sees on a host.
    pub(crate) fn of_task(&self, world: &World, planned: &Planned, state: &HostState) -> Scope {
        let role = planned.role.as_ref();
        let mut layers = Vec::with_capacity(24);
        layers.push(task_magic(planned));
        layers.extend([state.magic.clone(), self.magic.clone(), world.extra.clone()]);
        layers.extend(planned.params.iter().cloned());
        layers.extend([state.set.clone(), state.included.clone()]);
        layers.extend(planned.vars.iter().cloned());
        layers.extend(role.map(|role| role.vars.clone()));
        layers.extend(self.roles.iter().rev().map(|role| role.vars.clone()));
        self.below_roles(state, &mut layers);
        layers.extend(role.map(|role| role.defaults.clone()));
        layers.extend(self.roles.iter().rev().map(|role| role.defaults.clone()));
        Scope::new(layers)
    }

    /// What the play itself sees on a host: for `vars_files`, and for `hosts` and the like with no host at all.
    pub(crate) fn of_play(&self, world: &World, state: &HostState) -> Scope {
        let mut layers = vec![state.magic.clone(), self.magic.clone(), world.extra.clone()];
        layers.extend([state.set.clone(), state.included.clone()]);
        self.below_roles(state, &mut layers);
        Scope::new(layers)
    }

    fn below_roles(&self, state: &HostState, layers: &mut Vec<Arc<Layer>>) {
        layers.extend(self.files.get(&state.name).into_iter().flatten().cloned());
        layers.extend([self.prompted.clone(), self.vars.clone(), state.fact_vars.clone()]);
        layers.extend(state.inventory.iter().cloned());
    }
}

/// `role_name`, `role_path` and their like.
fn task_magic(planned: &Planned) -> Arc<Layer> {
    let mut vars = IndexMap::new();
    if let Some(played) = &planned.role {
        let names = |names: &[Arc<str>]| {
            Value::list(names.iter().map(|name| Value::from(&**name)).collect())
        };
        vars.insert("role_name".into(), Value::from(&*played.role.name));
        vars.insert("role_path".into(), Value::from(&*played.role.path.to_string_lossy()));
        vars.insert("ansible_role_name".into(), Value::from(&*played.role.name));
        vars.insert("ansible_parent_role_names".into(), names(&played.parents));
        vars.insert("ansible_parent_role_paths".into(), Value::list(Vec::new()));
    }
    Arc::new(Layer::new(Level::Magic, "task", vars))
}

/// The controller's side of lookups in a task: where relative files are searched.
#[derive(Debug, Clone)]
pub(crate) struct TaskFiles {
    paths: Vec<PathBuf>,
}

impl TaskFiles {
    /// The role, the directory of the task's file, the playbook.
    pub(crate) fn new(planned: Option<&Planned>, playbook: &Path) -> Self {
        let mut paths: Vec<PathBuf> = Vec::new();
        let mut add = |path: &Path| {
            if !paths.iter().any(|known| known == path) {
                paths.push(path.to_owned());
            }
        };
        if let Some(planned) = planned {
            if let Some(played) = &planned.role {
                add(&played.role.path);
            }
            if let Some(directory) = planned.task.file.parent() {
                add(directory);
            }
        }
        add(playbook);
        Self { paths }
    }

    /// A path that is relative to the playbook's directory.
    pub(crate) fn beside_playbook(&self, path: &Path) -> PathBuf {
        self.paths.last().map_or_else(|| path.to_owned(), |playbook| playbook.join(path))
    }
}

impl Controller for TaskFiles {
    fn search_path(&self) -> Vec<PathBuf> {
        self.paths.clone()
    }

    fn write_private(&self, path: &Path, content: &[u8]) -> std::io::Result<()> {
        jinja::Disk::default().write_private(path, content)
    }
}

/// `hostvars`: the variables of every host, each evaluated when it is asked for and with that host's own variables.
pub(crate) struct HostVars {
    world: Weak<World>,
    play: PlayScope,
}

impl HostVars {
    pub(crate) fn value(world: &Arc<World>, play: PlayScope) -> Value {
        Value::object(Arc::new(Self { world: Arc::downgrade(world), play }))
    }
}

impl Object for HostVars {
    fn type_name(&self) -> &'static str {
        "HostVars"
    }

    fn get(&self, key: &Value) -> Option<Result<Value, Error>> {
        let world = self.world.upgrade()?;
        let host = key.as_str()?;
        world.state(host)?;
        let vars =
            HostVarsOf { world: self.world.clone(), play: self.play.clone(), host: host.into() };
        Some(Ok(Value::object(Arc::new(vars))))
    }

    fn keys(&self) -> Option<Vec<Value>> {
        let names = self.world.upgrade()?.hosts.names();
        Some(names.iter().map(|name| Value::from(name.as_str())).collect())
    }
}

/// `hostvars[host]`.
struct HostVarsOf {
    world: Weak<World>,
    play: PlayScope,
    host: HostName,
}

impl HostVarsOf {
    fn with_templar<T>(&self, look: impl FnOnce(&Scope, &Templar<'_>) -> T) -> Option<T> {
        let world = self.world.upgrade()?;
        let scope = world.hosts.with(&self.host, |state| self.play.of_play(&world, state));
        let files = TaskFiles::new(None, &self.play.directory);
        Some(look(&scope, &Templar::new(&world.environment, &scope, &files)))
    }
}

impl Object for HostVarsOf {
    fn type_name(&self) -> &'static str {
        "HostVarsVars"
    }

    fn get(&self, key: &Value) -> Option<Result<Value, Error>> {
        let name = key.as_str()?;
        self.with_templar(|scope, templar| {
            jinja::Variables::get(scope, name).map(|_| templar.variable(name))
        })?
    }

    fn keys(&self) -> Option<Vec<Value>> {
        self.with_templar(|scope, _| {
            jinja::Variables::names(scope).iter().map(|name| Value::from(&**name)).collect()
        })
    }
}
