//! A run: playbooks, play after play, batch after batch. The entry point of the engine.

use std::sync::{Arc, RwLock};

use indexmap::IndexMap;
use jinja::{Environment, Templar, Value};
use language::{Inventory, Layer, Level, Loader, Play, Playbook};
use model::{EventKind, HostName, RunStatus};
use tokio::sync::mpsc;
use yaml::{Diagnostic, Style};

use crate::cursor::{BlockNode, Key, Node};
use crate::events::Events;
use crate::link::{BlobStore, Links};
use crate::options::{Gathering, Options};
use crate::play::{Batch, BatchEnd, Settings, Strategy, alive, play_flag};
use crate::scope::{HostVars, PlayScope, TaskFiles, absolute};
use crate::state::{HostState, Hosts, read};
use crate::synthetic;
use crate::walk::{Builder, Context};
use crate::world::{World, magic};

/// Everything that a run needs. [`Run::play`] carries it out.
pub struct Run {
    /// Loaded playbooks, in order.
    pub playbooks: Vec<Playbook>,
    /// Hosts and groups.
    pub inventory: Inventory,
    /// Flags.
    pub options: Options,
    /// Ways to hosts.
    pub links: Arc<dyn Links>,
    /// Where contents are left for hosts to fetch.
    pub blobs: Arc<dyn BlobStore>,
    /// Reads included tasks, roles and variable files.
    pub loader: Arc<Loader>,
    /// Filters, tests and lookups.
    pub environment: Environment,
    /// Where events go, in order.
    pub events: mpsc::UnboundedSender<EventKind>,
}

impl Run {
    /// Plays everything. Errors of the content are events too ([`EventKind::Aborted`]); the last event is always
    /// [`EventKind::RunFinished`].
    pub async fn play(self) -> RunStatus {
        let (world, playbooks) = self.into_world();
        if world.options.flush_cache {
            let hosts: Vec<HostName> =
                read(&world.inventory).hosts().map(|host| host.name.clone()).collect();
            hosts.iter().for_each(|host| world.uncache(host));
        }
        let paths = playbooks.iter().map(|playbook| playbook.path.display().to_string()).collect();
        world.events.send(EventKind::RunStarted { playbooks: paths, check: world.options.check });
        let end = play_all(&world, &playbooks).await;
        if let Err(diagnostic) = &end {
            world.events.send(EventKind::Aborted { message: diagnostic.render(Style::Plain) });
        }
        if let Some(name) = &*read(&world.start_at) {
            world.events.warn(format!(
                "No matching task \"{name}\" found. Note: --start-at-task can only follow static includes."
            ));
        }
        world.links.close().await;
        let recap = world.events.recap();
        let status = match (end, recap.exit_code()) {
            (Err(_), _) => RunStatus::Aborted,
            (Ok(BatchEnd::Quit), _) => RunStatus::Cancelled,
            (Ok(_), 0) => RunStatus::Succeeded,
            (Ok(_), _) => RunStatus::Failed,
        };
        if let Some(stats) = read(&world.stats).to_json() {
            world.events.send(EventKind::CustomStats { stats });
        }
        world.events.send(EventKind::RunFinished { recap, status });
        status
    }

    /// What the whole run shares, and what is to be played.
    pub(crate) fn into_world(self) -> (Arc<World>, Vec<Playbook>) {
        let Self { playbooks, inventory, options, links, blobs, loader, mut environment, events } =
            self;
        let mut extra: IndexMap<Arc<str>, Value> = IndexMap::new();
        for (name, value) in &options.extra_vars {
            let value = match extra.get(name.as_str()).filter(|_| options.merge_hashes) {
                Some(known) => language::merged(known, value),
                None => value.clone(),
            };
            extra.insert(name.as_str().into(), value);
        }
        let world = Arc::new_cyclic(|world| {
            crate::lookups::register(&mut environment, world);
            World {
                environment,
                extra: Arc::new(Layer::new(Level::ExtraVars, "extra vars", extra)),
                start_at: RwLock::new(options.start_at_task.clone()),
                options,
                inventory: RwLock::new(inventory),
                hosts: Hosts::default(),
                links,
                blobs,
                loader,
                packages: crate::python::Packages::default(),
                events: Events::new(events),
                stats: RwLock::default(),
            }
        });
        (world, playbooks)
    }
}

async fn play_all(world: &Arc<World>, playbooks: &[Playbook]) -> Result<BatchEnd, Diagnostic> {
    for playbook in playbooks {
        world.events.send(EventKind::PlaybookStarted {
            path: playbook.path.display().to_string(),
            plays: playbook.plays.len(),
        });
        for play in &playbook.plays {
            let end = play_one(world, play).await?;
            if matches!(end, BatchEnd::EndRun | BatchEnd::Quit) {
                return Ok(end);
            }
        }
    }
    Ok(BatchEnd::Done)
}

/// One play, batch after batch.
async fn play_one(world: &Arc<World>, play: &Arc<Play>) -> Result<BatchEnd, Diagnostic> {
    let scope = play_scope(world, play);
    let prompted = crate::prompts::ask(world, play, &scope).await?;
    let scope = scope.with_prompted(prompted);
    let name = play_name(world, play, &scope)?;
    let selected = select_hosts(world, play, &scope)?;
    let hosts = alive(world, &selected);
    if hosts.is_empty() {
        world.events.send(EventKind::NoHostsMatched { name });
        return Ok(BatchEnd::Done);
    }
    let batches = with_play_templar(world, play, &scope, |templar| batches(play, &hosts, templar))?;
    let check = with_play_templar(world, play, &scope, |templar| {
        play_flag(templar, "check_mode", play.common.check_mode.as_ref())
    })?
    .unwrap_or(world.options.check);
    for batch in batches {
        let batch = alive(world, &batch);
        if batch.is_empty() {
            continue;
        }
        world.events.send(EventKind::PlayStarted {
            name: name.clone(),
            hosts: batch.clone(),
            check,
        });
        match play_batch(world, play, &scope, &selected, &batch).await? {
            BatchEnd::Done => {}
            end => return Ok(end),
        }
    }
    Ok(BatchEnd::Done)
}

async fn play_batch(
    world: &Arc<World>,
    play: &Arc<Play>,
    base: &PlayScope,
    hosts: &[HostName],
    batch: &[HostName],
) -> Result<BatchEnd, Diagnostic> {
    let mut scope = base.clone();
    scope.hosts = hosts.to_vec();
    scope.magic = play_magic(world, play, base, hosts, batch);
    load_vars_files(world, play, &mut scope, batch)?;
    let mut builder = Builder::new(world.options.private_role_vars);
    let gather = with_play_templar(world, play, &scope, |templar| {
        play_flag(templar, "gather_facts", play.gather_facts.as_ref())
    })?;
    let settings = settings(world, play, &scope)?;
    let root = root_block(world, play, &mut builder, gather, batch, settings.force_handlers);
    scope.roles = builder.public.clone();
    scope.name_roles(&builder);
    for host in batch {
        world.hosts.change(host, |state| state.notified.clear());
    }
    Batch::new(world, play, scope, builder, &root, batch, settings).run().await
}

/// Facts, pre_tasks, roles, tasks, post_tasks, with handlers flushed between; with `force_handlers` also after a failure.
pub(crate) fn root_block(
    world: &World,
    play: &Arc<Play>,
    builder: &mut Builder,
    gather: Option<bool>,
    batch: &[HostName],
    force_handlers: bool,
) -> Arc<BlockNode<crate::walk::Planned>> {
    let context = Context::of_play(&play.common);
    let mut body = Vec::new();
    let mut number = 0;
    let mut next = || {
        number += 1;
        Key::root().child(number)
    };
    let wanted = gather.unwrap_or(match world.options.gather_facts {
        Gathering::Implicit => true,
        Gathering::Explicit => false,
        Gathering::Smart => {
            batch.iter().any(|host| world.hosts.with(host, |state| !state.gathered))
        }
    });
    if wanted {
        body.extend(builder.items(&[synthetic::gather(play)], &context, &next()));
    }
    let flush = [synthetic::flush(play)];
    let mut stage = |builder: &mut Builder, nodes: Vec<Node<_>>, key: Key| {
        let flush = builder.items(&flush, &context, &key);
        let mut stage = BlockNode::plain(nodes);
        if force_handlers {
            stage.always = flush;
        } else {
            stage.body.extend(flush);
        }
        body.push(Node::Block(Arc::new(stage)));
    };
    let pre = builder.items(&play.pre_tasks, &context, &next());
    stage(builder, pre, next());
    let mut main = Vec::new();
    for role in &play.roles {
        let key = next();
        main.push(Node::Block(Arc::new(builder.role(role, &context, &key))));
    }
    main.extend(builder.items(&play.tasks, &context, &next()));
    stage(builder, main, next());
    let post = builder.items(&play.post_tasks, &context, &next());
    stage(builder, post, next());
    // The play's own handlers stand behind those of its roles, so that they win by name.
    builder.handlers(&play.handlers, &context);
    Arc::new(BlockNode::plain(body))
}

/// The play's scope before its hosts are known and its prompts answered.
pub(crate) fn play_scope(world: &Arc<World>, play: &Arc<Play>) -> PlayScope {
    let mut scope = PlayScope {
        directory: play.directory.clone(),
        hosts: Vec::new(),
        magic: magic("play", IndexMap::new()),
        role_names: magic("roles", IndexMap::new()),
        used_roles: 0,
        vars: Arc::new(Layer::new(Level::PlayVars, "play vars", play.common.vars.clone())),
        prompted: Arc::new(Layer::new(Level::VarsPrompt, "vars_prompt", IndexMap::new())),
        files: IndexMap::new(),
        roles: Vec::new(),
    };
    scope.magic = play_magic(world, play, &scope, &[], &[]);
    scope
}

fn play_magic(
    world: &Arc<World>,
    play: &Play,
    scope: &PlayScope,
    hosts: &[HostName],
    batch: &[HostName],
) -> Arc<Layer> {
    let options = &world.options;
    let names = |hosts: &[HostName]| {
        Value::list(hosts.iter().map(|host| Value::from(host.as_str())).collect())
    };
    let texts = |texts: &[String]| {
        Value::list(texts.iter().map(|text| Value::from(text.as_str())).collect())
    };
    let mut vars: IndexMap<Arc<str>, Value> = IndexMap::new();
    let mut set = |name: &str, value: Value| vars.insert(name.into(), value);
    set("playbook_dir", path_value(&absolute(&play.directory)));
    set("groups", world.groups());
    set(
        "ansible_play_name",
        Value::from(
            play.common.name.as_ref().map(ToString::to_string).unwrap_or_default().as_str(),
        ),
    );
    set("ansible_play_hosts_all", names(hosts));
    set("ansible_play_hosts", names(&alive(world, hosts)));
    set("ansible_play_batch", names(batch));
    set("play_hosts", names(batch));
    set("ansible_check_mode", Value::from(options.check));
    set("ansible_diff_mode", Value::from(options.diff));
    set("ansible_verbosity", Value::from(i64::from(options.verbosity)));
    set("ansible_forks", Value::from(options.forks.unwrap_or(hosts.len().max(1)) as i64));
    set("ansible_limit", options.limit.as_deref().map_or_else(Value::none, Value::from));
    let all = ["all".to_owned()];
    set("ansible_run_tags", texts(if options.tags.is_empty() { &all } else { &options.tags }));
    set("ansible_skip_tags", texts(&options.skip_tags));
    set("ansible_version", version());
    let config = options.config_file.as_deref();
    set("ansible_config_file", config.map_or_else(Value::none, |path| path_value(&absolute(path))));
    set("ansible_inventory_sources", texts(&options.inventory_sources));
    set("inventory_dir", inventory_directory(world));
    set("ansible_playbook_python", path_value(&python()));
    let bare = PlayScope { magic: magic("play", vars.clone()), ..scope.clone() };
    vars.insert("hostvars".into(), HostVars::value(world, bare));
    magic("play", vars)
}

fn path_value(path: &std::path::Path) -> Value {
    Value::from(&*path.to_string_lossy())
}

fn inventory_directory(world: &World) -> Value {
    match read(&world.inventory).directory() {
        Some(directory) => Value::from(&*directory.to_string_lossy()),
        None => Value::none(),
    }
}

/// The Python of this machine, as a shell finds it: what content means by `ansible_playbook_python`.
fn python() -> std::path::PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|directory| directory.join("python3"));
    found.find(|file| file.is_file()).unwrap_or_else(|| "/usr/bin/python3".into())
}

/// The version of Ansible whose behaviour this is.
fn version() -> Value {
    Value::from_json(serde_json::json!({
        "full": "2.19.0", "string": "2.19.0", "major": 2, "minor": 19, "revision": 0
    }))
}

/// Evaluates with what the play sees without any host.
pub(crate) fn with_play_templar<T>(
    world: &World,
    play: &Play,
    scope: &PlayScope,
    look: impl FnOnce(&Templar<'_>) -> Result<T, Diagnostic>,
) -> Result<T, Diagnostic> {
    let nobody = HostState::new(HostName::from(""), Vec::new());
    let seen = scope.of_play(world, &nobody);
    let files = TaskFiles::new(None, &play.directory);
    look(&Templar::new(&world.environment, &seen, &files)).map_err(|error| error.or_at(&play.span))
}

pub(crate) fn play_name(
    world: &World,
    play: &Play,
    scope: &PlayScope,
) -> Result<String, Diagnostic> {
    let patterns = || play.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    with_play_templar(world, play, scope, |templar| {
        Ok(match &play.common.name {
            Some(raw) => templar.resolve(raw).unwrap_or_else(|_| raw.clone()).to_string(),
            None => patterns(),
        })
    })
}

pub(crate) fn select_hosts(
    world: &World,
    play: &Play,
    scope: &PlayScope,
) -> Result<Vec<HostName>, Diagnostic> {
    let (patterns, order) = with_play_templar(world, play, scope, |templar| {
        let mut patterns = Vec::new();
        for raw in &play.hosts {
            let value = templar.resolve(raw).map_err(Diagnostic::from)?;
            match value.as_list() {
                Some(list) => patterns.extend(list.snapshot().iter().map(ToString::to_string)),
                None => patterns.push(value.to_string()),
            }
        }
        let order = play
            .order
            .as_ref()
            .map(|raw| templar.resolve(raw))
            .transpose()
            .map_err(Diagnostic::from)?;
        Ok((patterns, order.filter(is_given).map(|order| order.to_string())))
    })?;
    let selection = read(&world.inventory)
        .select(&patterns, world.options.limit.as_deref())
        .map_err(|error| error.or_at(&play.span))?;
    for warning in selection.warnings {
        world.events.warn(warning);
    }
    let mut hosts = selection.hosts;
    match order.as_deref() {
        None | Some("inventory") => {}
        Some("reverse_inventory") => hosts.reverse(),
        Some("sorted") => hosts.sort(),
        Some("reverse_sorted") => hosts.sort_by(|a, b| b.cmp(a)),
        Some("shuffle") => shuffle(&mut hosts),
        Some(other) => {
            return Err(Diagnostic::error(format!(
                "order must be one of: inventory, reverse_inventory, sorted, reverse_sorted, shuffle, got: {other}"
            ))
            .at(&play.span));
        }
    }
    Ok(hosts)
}

/// By the hash of a random id and the name: random enough to spread load, and needs no generator.
fn shuffle(hosts: &mut [HostName]) {
    let seed = model::RunId::generate().to_string();
    hosts.sort_by_cached_key(|host| model::Digest::of(format!("{seed}{host}").as_bytes()));
}

/// The batches of `serial`: numbers and percentages, the last one repeated.
fn batches(
    play: &Play,
    hosts: &[HostName],
    templar: &Templar<'_>,
) -> Result<Vec<Vec<HostName>>, Diagnostic> {
    let mut sizes = Vec::new();
    for raw in &play.serial {
        let value = templar.resolve(raw).map_err(Diagnostic::from)?;
        let values = value.as_list().map_or_else(|| vec![value.clone()], jinja::List::snapshot);
        for value in values.into_iter().filter(is_given) {
            sizes.push(batch_size(&value, hosts.len()).ok_or_else(|| {
                Diagnostic::error(format!(
                    "serial must be a number or a percentage, got {}",
                    value.repr()
                ))
                .at(&play.span)
            })?);
        }
    }
    let mut rest = hosts;
    let mut batches = Vec::new();
    let mut sizes = sizes.into_iter().peekable();
    let mut size = hosts.len();
    while !rest.is_empty() {
        size = sizes.next().unwrap_or(size);
        let count = if size == 0 { rest.len() } else { size.min(rest.len()) };
        let (batch, others) = rest.split_at(count);
        batches.push(batch.to_vec());
        rest = others;
    }
    Ok(batches)
}

/// Whether a keyword says something: neither nothing nor `omit`.
fn is_given(value: &Value) -> bool {
    !value.is_none() && !value.is_omit()
}

fn batch_size(value: &Value, hosts: usize) -> Option<usize> {
    if let Some(number) = value.as_i64() {
        return Some(usize::try_from(number).unwrap_or(0));
    }
    let text = value.as_str()?.trim();
    match text.strip_suffix('%') {
        Some(percent) => {
            let percent: f64 = percent.trim().parse().ok()?;
            Some(((percent / 100.0 * hosts as f64) as usize).max(1))
        }
        None => text.parse().ok(),
    }
}

fn settings(world: &World, play: &Play, scope: &PlayScope) -> Result<Settings, Diagnostic> {
    with_play_templar(world, play, scope, |templar| {
        let flag = |name: &str, raw: &Option<Value>| play_flag(templar, name, raw.as_ref());
        let most = play.max_fail_percentage.as_ref().map(|raw| templar.resolve(raw)).transpose();
        let most = most.map_err(Diagnostic::from)?.filter(is_given);
        let (strategy, debug) = strategy(world, play, templar)?;
        Ok(Settings {
            strategy,
            debug,
            force_handlers: flag("force_handlers", &play.force_handlers)?
                .unwrap_or(world.options.force_handlers),
            max_fail_percentage: most
                .and_then(|value| value.as_f64().or_else(|| value.as_str()?.parse().ok())),
        })
    })
}

/// The strategy, and whether it is the one that debugs.
fn strategy(
    world: &World,
    play: &Play,
    templar: &Templar<'_>,
) -> Result<(Strategy, bool), Diagnostic> {
    let written = play.strategy.as_ref().map(|raw| templar.resolve(raw)).transpose();
    let written = written.map_err(Diagnostic::from)?.filter(is_given);
    let name = match written {
        Some(name) => name.to_string(),
        None => world.options.strategy.clone().unwrap_or_else(|| "linear".to_owned()),
    };
    match Strategy::by_name(&name) {
        Some((strategy, false)) => Ok((strategy, false)),
        Some((strategy, true)) if name.ends_with("debug") => Ok((strategy, true)),
        Some((strategy, true)) => {
            world.events.warn_once(&format!("The strategy '{name}' runs as 'linear'"));
            Ok((strategy, false))
        }
        None => Err(Diagnostic::error(format!("Invalid play strategy specified: {name}"))
            .at(&play.span)
            .hint("strategies: linear, free, host_pinned")),
    }
}

/// `vars_files`, for each host: a name may be a template over the host's variables, a list means the first that exists.
pub(crate) fn load_vars_files(
    world: &World,
    play: &Play,
    scope: &mut PlayScope,
    batch: &[HostName],
) -> Result<(), Diagnostic> {
    if play.vars_files.is_empty() {
        return Ok(());
    }
    let mut known: IndexMap<std::path::PathBuf, Arc<Layer>> = IndexMap::new();
    for host in batch {
        let mut layers = Vec::new();
        for raw in &play.vars_files {
            let seen = world.hosts.with(host, |state| scope.of_play(world, state));
            let files = TaskFiles::new(None, &play.directory);
            let templar = Templar::new(&world.environment, &seen, &files);
            let choices = raw.as_list().map_or_else(|| vec![raw.clone()], jinja::List::snapshot);
            let path = first_file(&choices, &templar, play)?;
            let layer = match known.get(&path) {
                Some(layer) => layer.clone(),
                None => {
                    let vars = world.loader.vars_file(&path)?;
                    let layer =
                        Arc::new(Layer::new(Level::VarsFiles, path.display().to_string(), vars));
                    known.insert(path, layer.clone());
                    layer
                }
            };
            layers.insert(0, layer);
            scope.files.insert(host.clone(), layers.clone());
        }
    }
    Ok(())
}

fn first_file(
    choices: &[Value],
    templar: &Templar<'_>,
    play: &Play,
) -> Result<std::path::PathBuf, Diagnostic> {
    let mut tried = Vec::new();
    for choice in choices {
        let name = templar
            .resolve(choice)
            .map_err(|error| Diagnostic::from(error).or_at(&play.span))?
            .to_string();
        for path in [play.directory.join("vars").join(&name), play.directory.join(&name)] {
            if path.is_file() {
                return Ok(path);
            }
        }
        tried.push(name);
    }
    Err(Diagnostic::error(format!("vars file {} was not found", tried.join(" or "))).at(&play.span))
}
