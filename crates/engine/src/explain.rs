//! Where a variable comes from: everything that sets it on a host, as plays and their tasks see it. Nothing runs.

use std::path::PathBuf;
use std::sync::Arc;

use jinja::{Templar, Value};
use language::{Layer, Level, Play, Scope};
use model::HostName;
use yaml::{Diagnostic, Span};

use crate::cursor::{BlockNode, Node};
use crate::prompts;
use crate::run::{self, Run};
use crate::scope::{PlayScope, TaskFiles, absolute};
use crate::state::HostState;
use crate::walk::{Builder, Planned};
use crate::world::World;

/// What a variable is on a host.
#[derive(Debug, Clone, Default)]
pub struct Explanation {
    /// As each play sees it, in order; several of one play where its tasks see different things.
    pub views: Vec<View>,
    /// Tasks that set it when they run, and by what.
    pub later: Vec<(&'static str, Place)>,
    /// Includes whose tasks are known only when they run.
    pub includes: Vec<Place>,
    /// Every variable that is seen anywhere.
    pub names: Vec<Arc<str>>,
}

/// A task or a play, and where it is written.
#[derive(Debug, Clone)]
pub struct Place {
    /// What it is called, or its action.
    pub name: String,
    /// Where it is written.
    pub span: Span,
}

/// How tasks of a play see a variable.
#[derive(Debug, Clone)]
pub struct View {
    /// The play.
    pub play: Place,
    /// The tasks that see it so; none for a play without tasks.
    pub tasks: Vec<Place>,
    /// All that sets it, the one that wins first.
    pub candidates: Vec<Candidate>,
    /// What it comes to, with no task run yet. `None`: nothing sets it.
    pub value: Option<Result<Value, Diagnostic>>,
}

/// One place that sets a variable.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its rank in the order of precedence.
    pub level: Level,
    /// Where it is from: a file, a role, `play vars`...
    pub source: Arc<str>,
    /// As it is written; its origin says where.
    pub value: Value,
}

impl Run {
    /// Where a variable of a host comes from, before anything runs.
    ///
    /// Errors: plays that cannot be unfolded; a host that the inventory does not have is in no play.
    pub fn explain(self, host: &HostName, name: &str) -> Result<Explanation, Diagnostic> {
        let (world, playbooks) = self.into_world();
        let mut found = Explanation::default();
        for play in playbooks.iter().flat_map(|playbook| &playbook.plays) {
            let scope = run::play_scope(&world, play);
            let prompted = prompts::defaults(&prompts::prompts(&world, play, &scope)?);
            let scope = scope.with_prompted(prompted);
            let is_in = run::select_hosts(&world, play, &scope)?.contains(host);
            if is_in && world.state(host.as_str()).is_some() {
                Asked { world: &world, play, host, name }.explain(&scope, &mut found)?;
            }
        }
        found.names.sort_unstable();
        found.names.dedup();
        Ok(found)
    }
}

/// The question, for one play.
#[derive(Clone, Copy)]
struct Asked<'a> {
    world: &'a Arc<World>,
    play: &'a Arc<Play>,
    host: &'a HostName,
    name: &'a str,
}

impl Asked<'_> {
    fn explain(self, base: &PlayScope, found: &mut Explanation) -> Result<(), Diagnostic> {
        let Self { world, play, host, .. } = self;
        let hosts = [host.clone()];
        let mut scope = base.clone();
        run::load_vars_files(world, play, &mut scope, &hosts)?;
        let mut builder = Builder::new(world.options.private_role_vars);
        let root = run::root_block(world, play, &mut builder, Some(false), &hosts, false);
        scope.roles.clone_from(&builder.public);
        scope.name_roles(&builder);
        let mut tasks = Vec::new();
        leaves(&root, &mut tasks);
        tasks.extend(builder.handlers.iter().map(|handler| &handler.leaf.task));
        // What the engine adds itself stands at the play's own place.
        tasks.retain(|planned| planned.task.span != play.span);
        let name = run::play_name(world, play, base)?;
        let whole = Place { name, span: play.span.clone() };
        let seen = |planned: Option<&Planned>| {
            world.hosts.with(host, |state: &HostState| match planned {
                Some(planned) => scope.of_task(world, planned, state),
                None => scope.of_play(world, state),
            })
        };
        let mut views: Vec<View> = Vec::new();
        for planned in &tasks {
            let seen = seen(Some(planned));
            let candidates = self.candidates(&seen);
            let task = place(planned);
            match views.iter_mut().find(|view| same(&view.candidates, &candidates)) {
                Some(view) => view.tasks.push(task),
                None => views.push(self.view(&whole, Some(planned), &seen, candidates)),
            }
            found.names.extend(jinja::Variables::names(&seen));
            self.look_ahead(planned, found);
        }
        if tasks.is_empty() {
            let seen = seen(None);
            views.push(self.view(&whole, None, &seen, self.candidates(&seen)));
            found.names.extend(jinja::Variables::names(&seen));
        }
        found.views.extend(views);
        Ok(())
    }

    fn candidates(self, seen: &Scope) -> Vec<Candidate> {
        let candidate = |(layer, value): (&Layer, &Value)| Candidate {
            level: layer.level,
            source: layer.source.clone(),
            value: value.clone(),
        };
        let mut candidates: Vec<Candidate> = Vec::new();
        for candidate in seen.explain(self.name).map(candidate) {
            // One file can count twice: as a role's own and the play's, beside inventory and playbook.
            let place = written_at(&candidate);
            if place.is_none() || candidates.iter().all(|known| written_at(known) != place) {
                candidates.push(candidate);
            }
        }
        candidates
    }

    fn view(
        self,
        play: &Place,
        planned: Option<&Planned>,
        seen: &Scope,
        candidates: Vec<Candidate>,
    ) -> View {
        let files = TaskFiles::new(planned, &self.play.directory);
        let templar = Templar::new(&self.world.environment, seen, &files);
        let value =
            (!candidates.is_empty()).then(|| templar.variable(self.name).map_err(Diagnostic::from));
        let tasks = planned.iter().map(|planned| place(planned)).collect();
        View { play: play.clone(), tasks, candidates, value }
    }

    /// What a task would do to the variable when it runs.
    fn look_ahead(self, planned: &Planned, found: &mut Explanation) {
        let task = &planned.task;
        let is_name = |name: &Value| name.is_template() || name.as_str() == Some(self.name);
        let action = &*task.action.name;
        let args = &task.action.args;
        let how = match action {
            _ if task.register.as_ref().is_some_and(|name| name.as_str() == Some(self.name)) => {
                Some("register")
            }
            "set_fact" if args.contains_key(self.name) => Some("set_fact"),
            "include_vars" if args.get("name").is_none_or(is_name) => {
                Some("include_vars, if its files have it")
            }
            _ => None,
        };
        found.later.extend(how.map(|how| (how, place(planned))));
        if matches!(action, "include_tasks" | "include_role") {
            found.includes.push(place(planned));
        }
    }
}

fn place(planned: &Planned) -> Place {
    let task = &planned.task;
    let name = task.common.name.as_ref().map(ToString::to_string);
    let name = name.unwrap_or_else(|| task.action.written.to_string());
    let name = match &planned.role {
        Some(played) => format!("{} : {name}", played.role.name),
        None => name,
    };
    Place { name, span: task.span.clone() }
}

/// All tasks of a block, those that only run after a failure too.
fn leaves<'a>(block: &'a BlockNode<Planned>, found: &mut Vec<&'a Planned>) {
    for node in block.body.iter().chain(&block.rescue).chain(&block.always) {
        match node {
            Node::Leaf(leaf) => found.push(&leaf.task),
            Node::Block(block) => leaves(block, found),
        }
    }
}

/// The file and the byte where a candidate begins.
fn written_at(candidate: &Candidate) -> Option<(PathBuf, u32)> {
    candidate.value.origin().map(|span| (absolute(span.path()), span.start))
}

/// Whether two tasks see the same things set the variable.
fn same(one: &[Candidate], other: &[Candidate]) -> bool {
    let is_same = |(one, other): (&Candidate, &Candidate)| {
        one.level == other.level
            && one.source == other.source
            && written_at(one) == written_at(other)
            && one.value == other.value
    };
    one.len() == other.len() && one.iter().zip(other).all(is_same)
}
