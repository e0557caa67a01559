//! From the tree of a play to the nodes that hosts walk: keywords gathered along the way, roles unfolded, handlers numbered.
//!
//! Pure: what is decided here depends on the content alone, not on hosts.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use indexmap::IndexSet;
use jinja::Value;
use language::{Block, Common, Item, Layer, Level, Role, Task, Vars};

use crate::cursor::{BlockNode, Key, Leaf, Node};

/// A task as it is walked, with everything that it inherits.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) task: Arc<Task>,
    /// The keywords of the task, its blocks, includes, role and play: innermost first.
    pub(crate) chain: Vec<Arc<Common>>,
    pub(crate) role: Option<Arc<PlayedRole>>,
    /// Variables of the task and its blocks, innermost first.
    pub(crate) vars: Vec<Arc<Layer>>,
    /// Parameters of roles and includes, innermost first.
    pub(crate) params: Vec<Arc<Layer>>,
    /// Its number, for a handler.
    pub(crate) handler: Option<usize>,
    /// It is a handler, or a handler included it.
    pub(crate) in_handlers: bool,
    /// How many includes led here.
    pub(crate) includes: usize,
    /// Whether its tags are chosen, once that has been asked.
    pub(crate) chosen: OnceLock<bool>,
}

impl Planned {
    /// Whether it belongs to a use of a role, or to a role that this one brought in.
    pub(crate) fn is_within(&self, role: &Arc<PlayedRole>) -> bool {
        self.role
            .as_ref()
            .is_some_and(|own| Arc::ptr_eq(own, role) || own.parents.contains(&role.role.name))
    }

    /// The same, for another task in its place.
    pub(crate) fn with_task(&self, task: Arc<Task>) -> Self {
        Self {
            task,
            chain: self.chain.clone(),
            role: self.role.clone(),
            vars: self.vars.clone(),
            params: self.params.clone(),
            handler: self.handler,
            in_handlers: self.in_handlers,
            includes: self.includes,
            chosen: self.chosen.clone(),
        }
    }

    /// The value of a keyword: the innermost one that is written.
    pub(crate) fn inherited<'a, T>(
        &'a self,
        pick: impl Fn(&'a Common) -> Option<&'a T>,
    ) -> Option<&'a T> {
        self.chain.iter().find_map(|common| pick(common))
    }

    /// The values of a keyword that adds up, outermost first.
    pub(crate) fn gathered<'a>(
        &'a self,
        pick: impl Fn(&'a Common) -> &'a [Value] + 'a,
    ) -> impl Iterator<Item = &'a Value> {
        self.chain.iter().rev().flat_map(move |common| pick(common))
    }
}

/// A role in use, with its variables as layers.
#[derive(Debug)]
pub(crate) struct PlayedRole {
    pub(crate) role: Arc<Role>,
    pub(crate) defaults: Arc<Layer>,
    pub(crate) vars: Arc<Layer>,
    /// The roles that brought it in, nearest first.
    pub(crate) parents: Vec<Arc<str>>,
    /// The role that brought it in.
    pub(crate) parent: Option<Arc<Self>>,
    /// It is a dependency of its parent, which did not include or import it.
    pub(crate) is_dependency: bool,
    /// What makes it the same as another use.
    identity: Arc<RoleUse>,
    /// Variables of its dependencies, which it sees below its own.
    dependencies: Vec<(Arc<Layer>, Arc<Layer>)>,
}

/// What makes two uses of a role the same: a host goes through one of them, unless the role allows duplicates.
#[derive(Debug, PartialEq)]
pub(crate) struct RoleUse {
    role: PathBuf,
    /// Which of its files.
    from: [Option<String>; 4],
    /// A task includes or imports it.
    called: bool,
    params: Vars,
    vars: Vars,
    when: Vec<Value>,
    tags: Vec<Value>,
}

impl RoleUse {
    /// An entry of `roles:` or a dependency.
    fn listed(role: &Role) -> Arc<Self> {
        let common = &role.common;
        Arc::new(Self {
            role: role.path.clone(),
            from: role.from.clone(),
            called: false,
            params: role.params.clone(),
            vars: common.vars.clone(),
            when: common.when.clone(),
            tags: common.tags.clone(),
        })
    }

    /// An include or import, which gives it variables.
    fn called(role: &Role, given: &Vars) -> Arc<Self> {
        Arc::new(Self {
            role: role.path.clone(),
            from: role.from.clone(),
            called: true,
            params: Vars::new(),
            vars: given.clone(),
            when: Vec::new(),
            tags: Vec::new(),
        })
    }
}

impl PlayedRole {
    fn new(
        role: &Arc<Role>,
        parent: Option<&Arc<Self>>,
        is_dependency: bool,
        identity: Arc<RoleUse>,
    ) -> Self {
        let parents = parent
            .map(|parent| {
                std::iter::once(&parent.role.name).chain(&parent.parents).cloned().collect()
            })
            .unwrap_or_default();
        let mut dependencies = Vec::new();
        layers_of_dependencies(role, &mut dependencies);
        let (defaults, vars) = layers_of(role);
        Self {
            role: role.clone(),
            defaults,
            vars,
            parents,
            parent: parent.cloned(),
            is_dependency,
            identity,
            dependencies,
        }
    }

    /// The use of itself, and those of the roles that brought it in.
    pub(crate) fn uses(&self) -> impl Iterator<Item = &Arc<RoleUse>> {
        self.lineage().map(|played| &played.identity)
    }

    /// Whether another of these uses is the same as its own, or as that of a role that brought it in, and once is enough.
    pub(crate) fn repeats(&self, gone_through: &[Arc<RoleUse>]) -> bool {
        self.lineage().filter(|played| !played.role.allow_duplicates).any(|played| {
            let own = &played.identity;
            gone_through.iter().any(|known| known == own && !Arc::ptr_eq(known, own))
        })
    }

    /// The role and those that brought it in, nearest first.
    pub(crate) fn lineage(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |played| played.parent.as_deref())
    }

    /// The variables that its tasks see of roles: its own, its dependencies', those of the roles that brought it in.
    pub(crate) fn seen_vars(&self) -> impl Iterator<Item = &Arc<Layer>> {
        let dependencies = self.dependencies.iter().rev().map(|(_, vars)| vars);
        let others = self.lineage().skip(1).map(|played| &played.vars);
        std::iter::once(&self.vars).chain(dependencies).chain(others)
    }

    /// The same for defaults.
    pub(crate) fn seen_defaults(&self) -> impl Iterator<Item = &Arc<Layer>> {
        let dependencies = self.dependencies.iter().rev().map(|(defaults, _)| defaults);
        let others = self.lineage().skip(1).map(|played| &played.defaults);
        std::iter::once(&self.defaults).chain(dependencies).chain(others)
    }
}

/// Defaults and variables of a role.
fn layers_of(role: &Role) -> (Arc<Layer>, Arc<Layer>) {
    let layer = |level, what: &str, vars: &Vars| {
        Arc::new(Layer::new(level, format!("role {} {what}", role.name), vars.clone()))
    };
    (
        layer(Level::RoleDefaults, "defaults", &role.defaults),
        layer(Level::RoleVars, "vars", &role.vars),
    )
}

/// Those of its dependencies, deepest first: later ones win.
fn layers_of_dependencies(role: &Role, layers: &mut Vec<(Arc<Layer>, Arc<Layer>)>) {
    for dependency in &role.dependencies {
        layers_of_dependencies(dependency, layers);
        layers.push(layers_of(dependency));
    }
}

/// What the nodes of a list of items inherit.
#[derive(Debug, Clone, Default)]
pub(crate) struct Context {
    chain: Vec<Arc<Common>>,
    role: Option<Arc<PlayedRole>>,
    vars: Vec<Arc<Layer>>,
    params: Vec<Arc<Layer>>,
    in_handlers: bool,
    includes: usize,
}

impl Context {
    /// The context of a play's own tasks. The play's variables have a level of their own and are not in here.
    pub(crate) fn of_play(common: &Arc<Common>) -> Self {
        Self { chain: vec![common.clone()], ..Self::default() }
    }

    /// The context of what a task includes: all that the task itself inherits, `apply`, and the include's own variables.
    pub(crate) fn of_include(
        including: &Planned,
        apply: Option<Arc<Common>>,
        params: Vars,
    ) -> Self {
        // The include's own `when`, `tags` and loop decided about the include; they are not inherited.
        let mut context = Self {
            chain: including.chain[1..].to_vec(),
            role: including.role.clone(),
            vars: including.vars.clone(),
            params: including.params.clone(),
            in_handlers: including.in_handlers,
            includes: including.includes + 1,
        };
        if let Some(apply) = apply {
            context = context.inside(&apply, Level::BlockVars, "apply");
        }
        // Its `vars` are parameters: above facts that were set, unlike those of an import.
        let mut all = including.task.common.vars.clone();
        all.extend(params);
        context.with_params("include", all)
    }

    fn inside(&self, common: &Arc<Common>, level: Level, what: &str) -> Self {
        let mut inner = self.clone();
        inner.chain.insert(0, common.clone());
        if !common.vars.is_empty() {
            let source = common.span.as_ref().map_or_else(
                || what.to_owned(),
                |span| format!("{what} at {}:{}", span.file.path.display(), span.line),
            );
            inner.vars.insert(0, Arc::new(Layer::new(level, source, common.vars.clone())));
        }
        inner
    }

    fn with_params(mut self, what: &str, params: Vars) -> Self {
        if !params.is_empty() {
            self.params.insert(
                0,
                Arc::new(Layer::new(Level::IncludeParams, format!("{what} parameters"), params)),
            );
        }
        self
    }

    fn of_role(&self, role: &Arc<Role>, is_dependency: bool, identity: Arc<RoleUse>) -> Self {
        let played = PlayedRole::new(role, self.role.as_ref(), is_dependency, identity);
        let mut inner = self.inside(&role.common, Level::BlockVars, "role");
        inner.role = Some(Arc::new(played));
        inner.with_params(&format!("role {}", role.name), role.params.clone())
    }
}

/// A handler that tasks may notify.
#[derive(Debug)]
pub(crate) struct Handler {
    pub(crate) leaf: Arc<Leaf<Planned>>,
    /// The list of handlers that it stands in: of several with one name, those of the newest list are meant.
    pub(crate) list: usize,
}

/// Builds nodes; collects the handlers and roles that it comes across.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    /// Handlers in the order in which they run.
    pub(crate) handlers: Vec<Handler>,
    /// Roles whose variables the whole play sees.
    pub(crate) public: Vec<Arc<PlayedRole>>,
    /// Names of roles that the play uses itself, in the order of their use.
    pub(crate) used: Vec<Arc<str>>,
    /// Names of roles that others depend on.
    pub(crate) dependent: IndexSet<Arc<str>>,
    /// How many lists of handlers were added.
    lists: usize,
    /// Roles keep their variables to themselves (`private_role_vars`).
    private: bool,
}

impl Builder {
    /// A builder; `private`: roles keep their variables to themselves.
    pub(crate) fn new(private: bool) -> Self {
        Self { private, ..Self::default() }
    }

    /// The nodes of a list of tasks, blocks and imported roles.
    pub(crate) fn items(
        &mut self,
        items: &[Item],
        context: &Context,
        key: &Key,
    ) -> Vec<Node<Planned>> {
        items
            .iter()
            .enumerate()
            .map(|(index, item)| self.item(item, context, &key.child(index)))
            .collect()
    }

    fn item(&mut self, item: &Item, context: &Context, key: &Key) -> Node<Planned> {
        match item {
            Item::Task(task) => Node::Leaf(Arc::new(planned(task, context, key.clone(), None))),
            Item::Block(block) => Node::Block(Arc::new(self.block(block, context, key))),
            Item::Role(role) => {
                Node::Block(Arc::new(self.called_role(role, context, key, &role.common.vars)))
            }
        }
    }

    /// The nodes of a role that a task includes or imports, giving it variables.
    pub(crate) fn called_role(
        &mut self,
        role: &Arc<Role>,
        context: &Context,
        key: &Key,
        given: &Vars,
    ) -> BlockNode<Planned> {
        self.use_role(role, context, key, RoleUse::called(role, given))
    }

    fn block(&mut self, block: &Block, context: &Context, key: &Key) -> BlockNode<Planned> {
        let inner = context.inside(&block.common, Level::BlockVars, "block");
        BlockNode {
            body: self.items(&block.body, &inner, &key.child(0)),
            rescue: self.items(&block.rescue, &inner, &key.child(1)),
            always: self.items(&block.always, &inner, &key.child(2)),
        }
    }

    /// The nodes of a role of `roles:`: its dependencies, then its own tasks.
    pub(crate) fn role(
        &mut self,
        role: &Arc<Role>,
        context: &Context,
        key: &Key,
    ) -> BlockNode<Planned> {
        self.use_role(role, context, key, RoleUse::listed(role))
    }

    fn use_role(
        &mut self,
        role: &Arc<Role>,
        context: &Context,
        key: &Key,
        identity: Arc<RoleUse>,
    ) -> BlockNode<Planned> {
        self.used.push(role.name.clone());
        let inner = context.of_role(role, false, identity);
        let public = role.public && (role.says_public || !self.private);
        self.unfold(role, &inner, key, public)
    }

    fn unfold(
        &mut self,
        role: &Arc<Role>,
        inner: &Context,
        key: &Key,
        public: bool,
    ) -> BlockNode<Planned> {
        let mut body = Vec::new();
        for (index, dependency) in role.dependencies.iter().enumerate() {
            self.dependent.insert(dependency.name.clone());
            let inner = inner.of_role(dependency, true, RoleUse::listed(dependency));
            let block = self.unfold(dependency, &inner, &key.child(index), public);
            body.push(Node::Block(Arc::new(block)));
        }
        if public {
            self.public.push(inner.role.clone().expect("a role's context has it"));
        }
        self.handlers(&role.handlers, inner);
        let key = key.child(role.dependencies.len());
        body.extend(self.items(&role.tasks, inner, &key));
        BlockNode::plain(body)
    }

    /// Registers a list of handlers.
    pub(crate) fn handlers(&mut self, items: &[Item], context: &Context) {
        self.lists += 1;
        self.add_handlers(items, context);
    }

    /// A block of handlers counts as its tasks. A handler of a role that is used again is the same handler.
    fn add_handlers(&mut self, items: &[Item], context: &Context) {
        for item in items {
            match item {
                Item::Task(task) => {
                    let known = self.handlers.iter().position(|handler| {
                        let other = &handler.leaf.task;
                        other.role.is_some() && other.task.span == task.span
                    });
                    let number = known.unwrap_or(self.handlers.len());
                    let leaf = Arc::new(planned(task, context, Key::root(), Some(number)));
                    let handler = Handler { leaf, list: self.lists };
                    match known {
                        Some(number) => self.handlers[number] = handler,
                        None => self.handlers.push(handler),
                    }
                }
                Item::Block(block) => {
                    let inner = context.inside(&block.common, Level::BlockVars, "block");
                    self.add_handlers(&block.body, &inner);
                }
                Item::Role(role) => self
                    .handlers(&role.handlers, &context.of_role(role, false, RoleUse::listed(role))),
            }
        }
    }

    /// All handlers as a block that is walked after the leaf of that key.
    pub(crate) fn flush(&self, after: &Key) -> Arc<BlockNode<Planned>> {
        let leaf = |(index, handler): (usize, &Handler)| {
            let planned = &handler.leaf.task;
            Node::Leaf(Arc::new(Leaf {
                key: after.child(index),
                task: Planned { in_handlers: true, ..planned.with_task(planned.task.clone()) },
            }))
        };
        Arc::new(BlockNode::plain(self.handlers.iter().enumerate().map(leaf).collect()))
    }
}

fn planned(task: &Arc<Task>, context: &Context, key: Key, handler: Option<usize>) -> Leaf<Planned> {
    let own = context.inside(&task.common, Level::TaskVars, "task vars");
    Leaf {
        key,
        task: Planned {
            task: task.clone(),
            chain: own.chain,
            role: own.role,
            vars: own.vars,
            params: own.params,
            in_handlers: own.in_handlers || handler.is_some(),
            includes: own.includes,
            handler,
            chosen: OnceLock::new(),
        },
    }
}
