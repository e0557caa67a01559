//! The director: plays a play on a batch of hosts. The only writer of play state.
//!
//! A strategy decides who is ready for what; the director begins it as a round, takes in what tasks return, and moves
//! the hosts on.

mod debugger;
mod effects;
mod handlers;
mod includes;
mod meta;
mod round;
mod start;
mod step;
mod strategy;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, RwLock};

use indexmap::IndexMap;
use jinja::{Templar, Value};
use language::Play;
use model::HostName;
use tokio::task::JoinSet;
use yaml::Diagnostic;

use crate::attributes::{Keywords, to_bool};
use crate::cursor::{BlockNode, Cursor, Leaf};
use crate::scope::{PlayScope, TaskFiles};
use crate::state::{Fate, HostState, read};
use crate::tags;
use crate::task::TaskDone;
use crate::walk::{Builder, Planned, PlayedRole, RoleUse};
use crate::world::World;
use round::Round;
use start::Start;
pub(crate) use strategy::Strategy;
use strategy::View;

/// How a batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchEnd {
    /// Go on with the next batch or play.
    Done,
    /// `meta: end_play`, or so many hosts failed that the play stops.
    EndPlay,
    /// Every host of the batch failed, or too many: the run stops.
    EndRun,
    /// A person ended the run.
    Quit,
}

/// The play's own keywords, resolved once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    pub(crate) strategy: Strategy,
    /// The strategy `debug`: the debugger begins when a task fails.
    pub(crate) debug: bool,
    pub(crate) force_handlers: bool,
    pub(crate) max_fail_percentage: Option<f64>,
}

type Place = Arc<Leaf<Planned>>;

/// A play on a batch of hosts.
pub(crate) struct Batch<'a> {
    world: &'a Arc<World>,
    play: &'a Arc<Play>,
    scope: Arc<PlayScope>,
    builder: Builder,
    settings: Settings,
    walkers: IndexMap<HostName, Walker>,
    /// Hosts that wait for their next task, by number.
    idle: VecDeque<usize>,
    rounds: HashMap<usize, Round>,
    running: JoinSet<(usize, TaskDone)>,
    end: BatchEnd,
    /// How many times tasks were inserted: makes the keys of inserted tasks distinct.
    inserted: usize,
    /// How many rounds have begun.
    begun: usize,
    /// `--step`: a person is asked before each task.
    steps: bool,
}

/// One host on its way through the play.
struct Walker {
    cursor: Cursor<Planned>,
    state: Arc<RwLock<HostState>>,
    stand: Stand,
    /// `--start-at-task`.
    start: Start,
    /// It has begun a task.
    begun: bool,
    /// Uses of roles that `meta: end_role` left.
    left_roles: Vec<Arc<PlayedRole>>,
    /// Uses of roles of which a task ran, and none failed.
    gone_through: Vec<Arc<RoleUse>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    Idle,
    Busy,
    /// It did not answer; `meta: clear_host_errors` lets it go on.
    Parked,
    Ended,
}

impl Walker {
    fn fate(&self) -> Fate {
        read(&self.state).fate
    }

    /// A task ran, and was not skipped.
    fn note_run(&mut self, planned: &Planned) {
        for own in planned.role.iter().flat_map(|role| role.uses()) {
            if !self.gone_through.iter().any(|known| Arc::ptr_eq(known, own)) {
                self.gone_through.push(own.clone());
            }
        }
    }

    /// The task failed: the uses of roles that it belongs to may be tried again.
    fn fail(&mut self, planned: &Planned) {
        if let Some(role) = &planned.role {
            let of_role = |known: &Arc<RoleUse>| role.uses().any(|own| Arc::ptr_eq(known, own));
            self.gone_through.retain(|known| !of_role(known));
        }
        self.cursor.fail();
    }

    fn peek(&mut self, world: &World, scope: &PlayScope) -> Option<Place> {
        let Self { cursor, state, left_roles, gone_through, start, .. } = self;
        cursor.peek(|leaf| match leaf.task.handler {
            Some(number) => read(state).notified.contains(&number),
            None => {
                start.lets(leaf)
                    && !left_roles.iter().any(|role| leaf.task.is_within(role))
                    && !leaf.task.role.as_ref().is_some_and(|role| role.repeats(gone_through))
                    && is_chosen(world, scope, state, &leaf.task)
            }
        })
    }
}

impl<'a> Batch<'a> {
    pub(crate) fn new(
        world: &'a Arc<World>,
        play: &'a Arc<Play>,
        scope: PlayScope,
        builder: Builder,
        root: &Arc<BlockNode<Planned>>,
        hosts: &[HostName],
        settings: Settings,
    ) -> Self {
        let walker = |host: &HostName| {
            let state =
                world.hosts.get(host.as_str()).expect("the play chose hosts that are known");
            let cursor = Cursor::new(root.clone());
            let start = Start::find(world, &scope, &state, root);
            let stand = Stand::Idle;
            let walker = Walker {
                cursor,
                state,
                stand,
                start,
                begun: false,
                left_roles: Vec::new(),
                gone_through: Vec::new(),
            };
            (host.clone(), walker)
        };
        let walkers: IndexMap<HostName, Walker> = hosts.iter().map(walker).collect();
        let batch = Self {
            world,
            play,
            scope: Arc::new(scope),
            builder,
            settings,
            idle: (0..walkers.len()).collect(),
            walkers,
            rounds: HashMap::new(),
            running: JoinSet::new(),
            end: BatchEnd::Done,
            inserted: 0,
            begun: 0,
            steps: world.options.step,
        };
        batch.note_start();
        batch
    }

    /// Plays to the end.
    pub(crate) async fn run(mut self) -> Result<BatchEnd, Diagnostic> {
        self.start_ready().await?;
        while let Some(done) = self.running.join_next().await {
            self.take_joined(done).await?;
            while let Some(done) = self.running.try_join_next() {
                self.take_joined(done).await?;
            }
            self.start_ready().await?;
        }
        let all_failed = self.walkers.values().all(|walker| walker.fate() != Fate::Alive);
        Ok(if all_failed && !self.walkers.is_empty() && self.end != BatchEnd::Quit {
            BatchEnd::EndRun
        } else {
            self.end
        })
    }

    /// Begins whatever the strategy lets begin.
    async fn start_ready(&mut self) -> Result<(), Diagnostic> {
        while self.end == BatchEnd::Done {
            let candidates = self.candidates();
            let mut ready = Vec::with_capacity(candidates.len());
            let mut ended = false;
            for number in candidates {
                let walker = &mut self.walkers[number];
                match walker.peek(self.world, &self.scope) {
                    Some(leaf) => ready.push((number, leaf)),
                    None => {
                        walker.stand = Stand::Ended;
                        ended = true;
                    }
                }
            }
            let begun = self.begin_groups(ready).await?;
            self.idle.retain(|number| self.walkers[*number].stand == Stand::Idle);
            if !begun && !ended {
                break;
            }
        }
        Ok(())
    }

    async fn begin_groups(&mut self, mut ready: Vec<(usize, Place)>) -> Result<bool, Diagnostic> {
        // Results of one task come in the order of the hosts.
        if !self.settings.strategy.is_free() {
            ready.sort_unstable_by_key(|(number, _)| *number);
        }
        let mut begun = false;
        for group in self.settings.strategy.groups(ready.iter().map(|(_, leaf)| &leaf.key)) {
            let leaf = &ready[group[0]].1;
            let hosts = group.iter().map(|index| ready[*index].0).collect();
            begun |= self.begin(leaf, hosts).await?;
        }
        Ok(begun)
    }

    fn candidates(&self) -> Vec<usize> {
        let under_way = self
            .walkers
            .values()
            .filter(|walker| walker.begun && matches!(walker.stand, Stand::Idle | Stand::Busy));
        let strategy = self.settings.strategy;
        strategy.candidates(&View {
            idle: &self.idle,
            running: self.rounds.values().map(|round| round.running).sum(),
            forks: self.forks(),
            begun: &|number| self.walkers[number].begun,
            under_way: if strategy == Strategy::HostPinned { under_way.count() } else { 0 },
        })
    }

    fn forks(&self) -> usize {
        self.world.options.forks.unwrap_or(usize::MAX).max(1)
    }

    fn host(&self, number: usize) -> &HostName {
        self.walkers.get_index(number).expect("hosts are not removed from a batch").0
    }

    fn with_templar<T>(
        &self,
        planned: &Planned,
        host: &HostName,
        look: impl FnOnce(&Templar<'_>) -> T,
    ) -> T {
        with_templar(self.world, &self.scope, &self.walkers[host].state, planned, look)
    }

    fn flag(
        &self,
        planned: &Planned,
        host: &HostName,
        name: &str,
        pick: impl Fn(&language::Common) -> Option<&Value>,
    ) -> Option<bool> {
        planned.inherited(&pick)?;
        self.with_templar(planned, host, |templar| {
            let keywords = Keywords { planned, templar };
            keywords.flag(name, &pick).ok().flatten()
        })
    }

    fn own_name(&self, planned: &Planned, host: &HostName) -> Option<String> {
        let raw = planned.task.common.name.as_ref()?;
        if !raw.is_template() {
            return Some(raw.to_string());
        }
        let rendered = self.with_templar(planned, host, |templar| templar.resolve(raw));
        Some(rendered.map_or_else(|_| raw.to_string(), |name| name.to_string()))
    }

    /// As shown to people: `role : name`, or the action when the task has no name.
    fn task_name(&self, planned: &Planned, host: &HostName) -> String {
        let name = self.own_name(planned, host).unwrap_or_else(|| unnamed(planned));
        match &planned.role {
            Some(played) => format!("{} : {name}", played.role.name),
            None => name,
        }
    }

    /// Shows the play who is left: `ansible_play_hosts` and its like.
    fn publish_hosts(&mut self) {
        let world = self.world;
        let names = |hosts: Vec<HostName>| {
            Value::list(hosts.iter().map(|host| Value::from(host.as_str())).collect())
        };
        let batch: Vec<HostName> = self.walkers.keys().cloned().collect();
        let batch = names(alive(world, &batch));
        let scope = Arc::make_mut(&mut self.scope);
        let left = names(alive(world, &scope.hosts));
        let vars = &mut Arc::make_mut(&mut scope.magic).vars;
        vars.insert("ansible_play_hosts".into(), left);
        vars.insert("ansible_play_batch".into(), batch.clone());
        vars.insert("play_hosts".into(), batch);
    }

    /// Hosts or groups have come: `groups` says so, and so do warnings about their names.
    fn publish_groups(&mut self) {
        let groups = self.world.groups();
        let scope = Arc::make_mut(&mut self.scope);
        Arc::make_mut(&mut scope.magic).vars.insert("groups".into(), groups);
        let warnings = std::mem::take(&mut crate::state::write(&self.world.inventory).warnings);
        for warning in warnings {
            self.world.events.warn_once(&warning);
        }
    }
}

/// What stands for the name of a task without one: the action, for a role with the role's name as written.
fn unnamed(planned: &Planned) -> String {
    let action = &planned.task.action;
    let role = action.args.get("name").or_else(|| action.args.get("role"));
    match role.filter(|_| &*action.name == "include_role") {
        Some(role) => format!("{} : {role}", action.written),
        None => action.written.to_string(),
    }
}

fn with_templar<T>(
    world: &World,
    scope: &PlayScope,
    state: &RwLock<HostState>,
    planned: &Planned,
    look: impl FnOnce(&Templar<'_>) -> T,
) -> T {
    let seen = scope.of_task(world, planned, &read(state));
    let files = TaskFiles::new(Some(planned), &scope.directory);
    look(&Templar::new(&world.environment, &seen, &files))
}

/// Whether `--tags` and `--skip-tags` choose a task. Tags that cannot be rendered count as written.
fn is_chosen(
    world: &World,
    scope: &PlayScope,
    state: &RwLock<HostState>,
    planned: &Planned,
) -> bool {
    let options = &world.options;
    *planned.chosen.get_or_init(|| {
        let mut tags = BTreeSet::new();
        for raw in planned.gathered(|c| &c.tags) {
            let value = if raw.is_template() {
                with_templar(world, scope, state, planned, |templar| templar.resolve(raw))
                    .unwrap_or_else(|_| raw.clone())
            } else {
                raw.clone()
            };
            let parts = value.as_list().map_or_else(|| vec![value.clone()], jinja::List::snapshot);
            for part in parts {
                tags.extend(
                    part.to_string()
                        .split(',')
                        .map(|tag| tag.trim().to_owned())
                        .filter(|tag| !tag.is_empty()),
                );
            }
        }
        tags::chosen(&tags, &options.tags, &options.skip_tags)
    })
}

/// A keyword of the play itself.
pub(crate) fn play_flag(
    templar: &Templar<'_>,
    name: &str,
    raw: Option<&Value>,
) -> Result<Option<bool>, Diagnostic> {
    let value = raw.map(|raw| templar.resolve(raw)).transpose().map_err(Diagnostic::from)?;
    let value = value.filter(|value| !value.is_none() && !value.is_omit());
    value.map(|value| to_bool(name, &value)).transpose().map_err(Diagnostic::from)
}

/// The hosts of the run that have not failed, in the order of `hosts`.
pub(crate) fn alive(world: &World, hosts: &[HostName]) -> Vec<HostName> {
    let is_alive = |host: &&HostName| {
        world.state(host.as_str()).is_some_and(|state| read(&state).fate == Fate::Alive)
    };
    hosts.iter().filter(is_alive).cloned().collect()
}
