//! The variables that a task sees on a host: the layers of everything, in Ansible's order of precedence.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use indexmap::{IndexMap, IndexSet};
use jinja::{Controller, Error, Marks, Object, Templar, Value};
use language::{Layer, Level, Scope};
use model::HostName;

use crate::state::{HostState, read};
use crate::walk::{Builder, Planned, PlayedRole};
use crate::world::{World, magic};

/// The layers that all hosts of a play share.
#[derive(Debug, Clone)]
pub(crate) struct PlayScope {
    /// `playbook_dir`.
    pub(crate) directory: PathBuf,
    /// The hosts that the play chose, in all its batches.
    pub(crate) hosts: Vec<HostName>,
    /// `groups`, `hostvars`, `ansible_play_hosts`...
    pub(crate) magic: Arc<Layer>,
    /// `ansible_play_role_names` and its like.
    pub(crate) role_names: Arc<Layer>,
    /// How many uses of roles these names come from.
    pub(crate) used_roles: usize,
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
        layers.push(self.task_magic(planned));
        layers.extend([
            state.magic.clone(),
            self.role_names.clone(),
            self.magic.clone(),
            world.extra.clone(),
        ]);
        layers.extend(planned.params.iter().cloned());
        layers.extend([state.set.clone(), state.included.clone()]);
        layers.extend(planned.vars.iter().cloned());
        layers.extend(role.iter().flat_map(|role| role.seen_vars()).cloned());
        layers.extend(self.roles.iter().rev().map(|role| role.vars.clone()));
        self.below_roles(state, &mut layers);
        layers.extend(role.iter().flat_map(|role| role.seen_defaults()).cloned());
        layers.extend(self.roles.iter().rev().map(|role| role.defaults.clone()));
        layers.push(connection(world, planned, state));
        Scope::new(layers).merging(world.options.merge_hashes)
    }

    /// What the play itself sees on a host: for `vars_files`, and for `hosts` and the like with no host at all.
    pub(crate) fn of_play(&self, world: &World, state: &HostState) -> Scope {
        let mut layers = vec![
            state.magic.clone(),
            self.role_names.clone(),
            self.magic.clone(),
            world.extra.clone(),
        ];
        layers.extend([state.set.clone(), state.included.clone()]);
        self.below_roles(state, &mut layers);
        Scope::new(layers).merging(world.options.merge_hashes)
    }

    /// The same, with what `vars_prompt` came to.
    pub(crate) fn with_prompted(&self, vars: language::Vars) -> Self {
        let prompted = Arc::new(Layer::new(Level::VarsPrompt, "vars_prompt", vars));
        Self { prompted, ..self.clone() }
    }

    /// `role_name`, `role_path`, `ansible_search_path` and their like.
    fn task_magic(&self, planned: &Planned) -> Arc<Layer> {
        let path = |path: &Path| Value::from(&*path.to_string_lossy());
        let mut vars = IndexMap::new();
        let search = TaskFiles::new(Some(planned), &self.directory);
        let search = Value::list(search.paths.iter().map(|root| path(&absolute(root))).collect());
        vars.insert("ansible_search_path".into(), search);
        let Some(played) = &planned.role else {
            return magic("task", vars);
        };
        let name = &played.role.name;
        vars.insert("ansible_role_name".into(), Value::from(&**name));
        vars.insert("role_path".into(), path(&absolute(&played.role.path)));
        vars.insert("role_name".into(), Value::from(played.role.short_name()));
        if let Some(collection) = &played.role.collection {
            vars.insert("ansible_collection_name".into(), Value::from(&**collection));
        }
        let parents: Vec<&PlayedRole> = played
            .lineage()
            .take_while(|role| !role.is_dependency)
            .filter_map(|role| role.parent.as_deref())
            .collect();
        if !parents.is_empty() {
            let names = parents.iter().map(|parent| Value::from(&*parent.role.name)).collect();
            let paths = parents.iter().map(|parent| path(&absolute(&parent.role.path))).collect();
            vars.insert("ansible_parent_role_names".into(), Value::list(names));
            vars.insert("ansible_parent_role_paths".into(), Value::list(paths));
        }
        magic("task", vars)
    }

    /// The names of the play's roles, as variables.
    pub(crate) fn name_roles(&mut self, builder: &Builder) {
        let names = |names: &mut dyn Iterator<Item = &Arc<str>>| {
            Value::list(names.map(|name| Value::from(&**name)).collect())
        };
        let all: IndexSet<&Arc<str>> = builder.used.iter().chain(&builder.dependent).collect();
        let vars = [
            ("ansible_play_role_names", names(&mut builder.used.iter())),
            ("role_names", names(&mut builder.used.iter())),
            ("ansible_dependent_role_names", names(&mut builder.dependent.iter())),
            ("ansible_role_names", names(&mut all.into_iter())),
        ];
        self.used_roles = builder.used.len();
        self.role_names = magic("roles", vars.map(|(name, list)| (name.into(), list)).into());
    }

    fn below_roles(&self, state: &HostState, layers: &mut Vec<Arc<Layer>>) {
        layers.extend(self.files.get(&state.name).into_iter().flatten().cloned());
        layers.extend([self.prompted.clone(), self.vars.clone(), state.fact_vars.clone()]);
        layers.extend(state.inventory.iter().cloned());
    }
}

/// What a task may know of the way to its host where no variable says it: `ansible_host`, and `ansible_user` if the play
/// or the command line names one.
fn connection(world: &World, planned: &Planned, state: &HostState) -> Arc<Layer> {
    let name = if state.is_implicit { "127.0.0.1" } else { state.name.as_str() };
    let mut vars: IndexMap<Arc<str>, Value> = IndexMap::new();
    for variable in ["ansible_host", "ansible_ssh_host"] {
        vars.insert(variable.into(), Value::from(name));
    }
    // A template may need the very variable.
    let written = planned.inherited(|common| common.remote_user.as_ref());
    let user = match written {
        Some(user) => Some(user.clone()).filter(|user| !user.is_template() && !user.is_none()),
        None => world.options.defaults.remote_user.as_deref().map(Value::from),
    };
    for variable in ["ansible_user", "ansible_ssh_user"] {
        vars.extend(user.clone().map(|user| (variable.into(), user)));
    }
    let password = world.options.defaults.password.as_ref();
    let hidden = |text: &String| Value::from(text.as_str()).marked(Marks::SECRET);
    vars.extend(password.map(|password| ("ansible_password".into(), hidden(password.reveal()))));
    magic("connection", vars)
}

/// A path of the content as variables name it: from the root, if the working directory is known.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
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
            // What lookups find is used elsewhere too: it must not depend on where this process is.
            let path = &std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            if !paths.iter().any(|known| known == path) {
                paths.push(path.to_owned());
            }
        };
        if let Some(planned) = planned {
            for played in planned.role.iter().flat_map(|played| played.lineage()) {
                add(&played.role.path);
            }
            if let Some(directory) = planned.task.file.parent() {
                add(directory);
            }
        }
        add(playbook);
        Self { paths }
    }

    /// The playbook's directory: it is searched last.
    pub(crate) fn playbook_directory(&self) -> &Path {
        self.paths.last().map_or(Path::new(""), PathBuf::as_path)
    }

    /// A path that is relative to the playbook's directory.
    pub(crate) fn beside_playbook(&self, path: &Path) -> PathBuf {
        self.playbook_directory().join(path)
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
        let vars = HostVarsOf {
            world: self.world.clone(),
            play: self.play.clone(),
            host: host.into(),
            delegation: None,
        };
        Some(Ok(Value::object(Arc::new(vars))))
    }

    fn keys(&self) -> Option<Vec<Value>> {
        let world = self.world.upgrade()?;
        let inventory = read(&world.inventory);
        Some(inventory.hosts().map(|host| Value::from(host.name.as_str())).collect())
    }
}

/// `ansible_delegated_vars`: under the name of the host that a task of `from` is delegated to, that host's variables.
pub(crate) fn delegated_vars(
    world: &Arc<World>,
    play: &PlayScope,
    from: &HostName,
    host: &HostName,
) -> Arc<Layer> {
    let name = Value::from(host.as_str());
    let delegation =
        Delegation { from: Value::from(from.as_str()), address: Value::from(host.as_str()) };
    let vars = if world.state(host.as_str()).is_some() {
        Value::object(Arc::new(HostVarsOf {
            world: Arc::downgrade(world),
            play: play.clone(),
            host: host.clone(),
            delegation: Some(delegation),
        }))
    } else {
        let known = [("inventory_hostname", delegation.from), (ADDRESS, delegation.address)];
        Value::dict(known.map(|(variable, value)| (variable.into(), value)).into_iter().collect())
    };
    let by_host = Value::dict([(name, vars)].into_iter().collect());
    let variable = Arc::from("ansible_delegated_vars");
    magic("delegation", IndexMap::from_iter([(variable, by_host)]))
}

const ADDRESS: &str = "ansible_host";

/// `hostvars[host]`.
struct HostVarsOf {
    world: Weak<World>,
    play: PlayScope,
    host: HostName,
    /// Seen from a task that is delegated to the host.
    delegation: Option<Delegation>,
}

/// What a delegated task sees otherwise than others of the host that it runs on.
struct Delegation {
    /// `inventory_hostname`: the host whose task it is.
    from: Value,
    /// `ansible_host` if no variable says it.
    address: Value,
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
        let delegation = self.delegation.as_ref();
        if let Some(delegation) = delegation.filter(|_| name == "inventory_hostname") {
            return Some(Ok(delegation.from.clone()));
        }
        let written = self.with_templar(|scope, templar| {
            jinja::Variables::get(scope, name).map(|_| templar.variable(name))
        })?;
        let address = delegation.filter(|_| name == ADDRESS).map(|it| Ok(it.address.clone()));
        written.or(address)
    }

    fn keys(&self) -> Option<Vec<Value>> {
        self.with_templar(|scope, _| {
            jinja::Variables::names(scope).iter().map(|name| Value::from(&**name)).collect()
        })
    }
}
