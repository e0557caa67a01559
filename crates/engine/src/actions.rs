//! Actions: tasks, or the half of a task, that run on the controller. Each turns arguments into an outcome, or into steps.
//!
//! An action writes nothing but files of the controller that it was told to; what should change in the play is returned.

mod add_host;
mod argument_spec;
mod assemble;
mod assert;
mod async_status;
mod backend;
mod copy;
mod debug;
mod external;
mod fail;
mod fetch;
mod group_by;
mod include;
mod include_vars;
mod pause;
mod reboot;
mod script;
mod set_fact;
mod set_stats;
mod synchronize;
mod template;
mod unarchive;
mod uri;
mod wait_for_connection;

use std::sync::Arc;

use jinja::{Error, ErrorKind, Templar, Value};
use language::{Loader, Scope, Vars, canonical_action};
use model::{Args, HostName, Outcome};

use crate::loops::LoopItem;
use crate::scope::TaskFiles;
use crate::talk::Talk;
use crate::walk::Planned;
use crate::world::World;

/// A task at the moment when its arguments are known.
pub(crate) struct Call<'a> {
    pub(crate) world: &'a World,
    pub(crate) planned: &'a Planned,
    pub(crate) scope: &'a Scope,
    pub(crate) templar: &'a Templar<'a>,
    pub(crate) files: &'a TaskFiles,
    pub(crate) item: Option<&'a LoopItem>,
    /// What earlier items of the loop want changed in the play.
    pub(crate) earlier: &'a [Effect],
    /// Rendered; omitted arguments are gone.
    pub(crate) args: Vars,
}

/// A module call that still lacks the task's attributes.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) module: String,
    pub(crate) args: Args,
}

/// Makes one outcome of those of an action's steps.
pub(crate) type Join = Box<dyn FnOnce(Vec<Outcome>) -> (Outcome, Vec<Effect>) + Send>;

/// What an action leads to.
pub(crate) enum Prepared {
    /// It is done.
    Done(Outcome, Vec<Effect>),
    /// These steps carry it out.
    Steps(Vec<Draft>, Join),
    /// This asks the host, and asks on as it answers.
    Talk(Talk),
}

/// What a task wants changed in the play; the director does it.
#[derive(Debug, Clone)]
pub(crate) enum Effect {
    /// Facts that a module returned.
    Facts(Args),
    /// `set_fact`.
    SetFact(String, Value),
    /// `include_vars`.
    IncludeVar(String, Value),
    /// `add_host`.
    AddHost { name: HostName, groups: Vec<String>, vars: Vars },
    /// `group_by`.
    GroupBy { group: String, parents: Vec<String> },
    /// `set_stats`.
    Stats(Stats),
    /// `include_tasks` and `include_role`.
    Include(Box<Include>),
}

pub(crate) use include::{Include, Included};
pub(crate) use set_stats::Stats;

pub(crate) use external::choose_interpreters;

/// An entry of a result that says that it must not be shown.
pub(crate) const HIDDEN: &str = "_ansible_no_log";

type Attempt<T> = Result<T, Error>;
type Action = fn(&Call<'_>) -> Attempt<Prepared>;

/// The table of actions.
const ACTIONS: &[(&str, Action)] = &[
    ("add_host", add_host::run),
    ("assemble", assemble::run),
    ("assert", assert::run),
    ("async_status", async_status::run),
    ("copy", copy::run),
    ("debug", debug::run),
    ("fail", fail::run),
    ("fetch", fetch::run),
    ("group_by", group_by::run),
    ("include_role", include::role),
    ("include_tasks", include::tasks),
    ("include_vars", include_vars::run),
    ("package", backend::package),
    ("pause", pause::run),
    ("reboot", reboot::run),
    ("script", script::run),
    ("service", backend::service),
    ("set_fact", set_fact::run),
    ("set_stats", set_stats::run),
    ("ansible.posix.synchronize", synchronize::run),
    ("template", template::run),
    ("unarchive", unarchive::run),
    ("uri", uri::run),
    ("wait_for_connection", wait_for_connection::run),
    ("validate_argument_spec", argument_spec::run),
];

/// The names of all tasks that the controller carries out itself.
pub fn names() -> impl Iterator<Item = &'static str> {
    ACTIONS.iter().map(|(name, _)| *name).chain(["meta"])
}

/// Whether the controller carries out a task of that name, or a part of it.
pub(crate) fn is_action(name: &str) -> bool {
    names().any(|action| action == name)
}

/// Whether the controller's part of a task is to prepare one step, which can be a job, and go with those of other items.
pub(crate) fn only_prepares(name: &str) -> bool {
    matches!(name, "package" | "service" | "uri")
}

/// Whether a task runs once for all hosts without saying so.
pub(crate) fn runs_once(name: &str) -> bool {
    name == "pause"
}

/// Whether the free text of a task is one argument, and not a template that gives all of them.
fn takes_text(action: &str) -> bool {
    matches!(
        action,
        "command" | "shell" | "raw" | "script" | "include_vars" | "include_tasks" | "meta"
    )
}

/// The arguments of a task, rendered. `assert` and `debug` keep their expressions as text.
pub(crate) fn arguments(
    planned: &Planned,
    templar: &Templar<'_>,
    loader: &Loader,
) -> Attempt<Vars> {
    finalized(planned, templar, loader).map_err(|error| {
        let action = &planned.task.action;
        let collection = if action.name.contains('.') { "" } else { "ansible.builtin." };
        error.purpose(
            format!("Finalization of task args for '{collection}{}' failed", action.name),
            Some(action.span.clone()),
        )
    })
}

fn finalized(planned: &Planned, templar: &Templar<'_>, loader: &Loader) -> Attempt<Vars> {
    let action = &planned.task.action;
    let mut args = module_defaults(planned, templar, loader)?;
    if let Some(raw) = &action.args_template {
        args.extend(dict(&templar.resolve(raw)?, "args")?);
    }
    match &action.free_form {
        Some(raw) if takes_text(&action.name) => {
            args.insert("_raw_params".into(), argument("_raw_params", raw, templar)?);
        }
        Some(raw) => args.extend(dict(&templar.resolve(raw)?, &action.written)?),
        None => {}
    }
    for (name, raw) in &action.args {
        let is_expression = matches!((&*action.name, &**name), ("assert", "that"));
        let value = if is_expression { raw.clone() } else { argument(name, raw, templar)? };
        if !value.is_omit() {
            args.insert(name.clone(), value);
        }
    }
    if let Some(name) = args.keys().find(|name| name.starts_with("_ansible_")) {
        return Err(failure(format!(
            "Argument '{name}': the prefix '_ansible_' is reserved for internal use only."
        )));
    }
    Ok(args)
}

fn argument(name: &str, raw: &Value, templar: &Templar<'_>) -> Attempt<Value> {
    templar.resolve(raw).map_err(|error| {
        let place = raw.origin().map(|origin| (**origin).clone());
        error.purpose(format!("Error while resolving value for '{name}'"), place)
    })
}

fn module_defaults(planned: &Planned, templar: &Templar<'_>, loader: &Loader) -> Attempt<Vars> {
    let action = &planned.task.action;
    let long = format!("ansible.builtin.{}", action.name);
    let legacy = format!("ansible.legacy.{}", action.name);
    let mut names: Vec<&str> = action.trail.iter().map(|name| &**name).collect();
    names.extend([&*action.written, &*action.name]);
    if !action.name.contains('.') {
        names.push(&legacy);
        if !action.full().starts_with("ansible.legacy.") {
            names.push(&long);
        }
    }
    defaults_of(planned, templar, loader, &names)
}

/// The play's defaults for a module: those of groups that one of its names is in, below those of its names. What is
/// written further inside takes the place of the same entry further outside.
fn defaults_of(
    planned: &Planned,
    templar: &Templar<'_>,
    loader: &Loader,
    names: &[&str],
) -> Attempt<Vars> {
    let mut entries = Vars::new();
    for raw in planned.gathered(|common| &common.module_defaults) {
        entries.extend(dict(&templar.resolve(raw)?, "module_defaults")?);
    }
    let mut args = Vars::new();
    for (key, defaults) in &entries {
        let Some(group) = key.strip_prefix("group/") else { continue };
        let members = loader.action_group(group).map_err(|error| failure(error.message()))?;
        let members = members.ok_or_else(|| {
            let collection = if group.contains('.') { "" } else { "ansible.builtin." };
            failure(format!(
                "Error loading module_defaults: could not resolve the module_defaults group {collection}{group}"
            ))
        })?;
        if members.iter().any(|member| names.contains(&canonical_action(member))) {
            args.extend(dict(defaults, "module_defaults")?);
        }
    }
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        if let Some(found) = entries.get(*name).filter(|_| !seen.contains(name)) {
            args.extend(dict(found, "module_defaults")?);
            seen.push(name);
        }
    }
    Ok(args)
}

fn dict(value: &Value, what: &str) -> Attempt<Vars> {
    match value.as_dict() {
        Some(dict) => Ok(dict
            .read()
            .iter()
            .filter(|(_, value)| !value.is_omit())
            .map(|(name, value)| (Arc::from(name.to_string()), value.clone()))
            .collect()),
        None if value.is_none() || value.is_omit() => Ok(Vars::new()),
        None => Err(Error::new(
            ErrorKind::Type,
            format!(
                "the arguments of {what} must be a dictionary, got {} ({})",
                value.repr(),
                value.type_name()
            ),
        )),
    }
}

/// Carries out the controller's part of a task.
pub(crate) fn prepare(call: &Call<'_>) -> Attempt<Prepared> {
    let name = &*call.planned.task.action.name;
    match ACTIONS.iter().find(|(action, _)| *action == name) {
        Some((_, action)) => action(call),
        None => match call.world.loader.module_file(call.planned.task.action.full()) {
            Some(path) => external::run(call, &path),
            None => Ok(module(call.json_args()?, name)),
        },
    }
}

/// One step of a module, whose facts are learnt.
pub(crate) fn module(args: Args, module: &str) -> Prepared {
    let draft = Draft { module: module.to_owned(), args };
    Prepared::Steps(vec![draft], Box::new(single))
}

pub(crate) fn single(outcomes: Vec<Outcome>) -> (Outcome, Vec<Effect>) {
    let outcome =
        outcomes.into_iter().next().unwrap_or_else(|| Outcome::failed("the step gave no result"));
    let facts = outcome.result.get("ansible_facts").and_then(|facts| facts.as_object());
    let effects = facts.map(|facts| Effect::Facts(facts.clone())).into_iter().collect();
    (outcome, effects)
}

impl Call<'_> {
    /// The arguments as a module gets them.
    pub(crate) fn json_args(&self) -> Attempt<Args> {
        self.args.iter().map(|(name, value)| Ok((name.to_string(), value.to_json()?))).collect()
    }

    /// A text argument.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.args.get(name).filter(|value| !value.is_none()).map(ToString::to_string)
    }

    /// A boolean argument.
    pub(crate) fn flag(&self, name: &str, default: bool) -> Attempt<bool> {
        self.args.get(name).map_or(Ok(default), |value| crate::attributes::to_bool(name, value))
    }

    /// A text argument that must be there.
    pub(crate) fn required(&self, name: &str) -> Attempt<String> {
        self.text(name).ok_or_else(|| failure(format!("missing required arguments: {name}")))
    }

    /// An error for arguments that the action does not know.
    pub(crate) fn only(&self, known: &[&str]) -> Attempt<()> {
        let Some((unknown, hint)) = self.unknown(known) else { return Ok(()) };
        Err(failure(format!(
            "Unsupported parameters for ({}) module: {unknown}. Supported parameters include: {}.{hint}",
            self.planned.task.action.written,
            known.join(", ")
        )))
    }

    /// The same, in the words of Ansible's older actions.
    pub(crate) fn only_options(&self, known: &[&str]) -> Attempt<()> {
        let Some((unknown, hint)) = self.unknown(known) else { return Ok(()) };
        let action = &self.planned.task.action.written;
        let hint = if hint.is_empty() { hint } else { format!(".{hint}") };
        Err(failure(format!("Invalid options for {action}: {unknown}{hint}")))
    }

    /// The arguments that are not among these, and what may have been meant.
    fn unknown(&self, known: &[&str]) -> Option<(String, String)> {
        let unknown: Vec<&str> =
            self.args.keys().map(|name| &**name).filter(|name| !known.contains(name)).collect();
        let nearest = unknown.iter().find_map(|name| nearest(name, known.iter().copied()));
        let hint = nearest.map_or(String::new(), |name| format!(" Did you mean `{name}`?"));
        (!unknown.is_empty()).then(|| (unknown.join(", "), hint))
    }

    /// The content of a file of the controller, opened if it is encrypted; whether it was.
    pub(crate) fn read(&self, path: &std::path::Path) -> Attempt<(Vec<u8>, bool)> {
        let bytes = jinja::read_regular(path).map_err(|error| io_failure("read", path, &error))?;
        self.world.environment.vault().content(bytes).map_err(|error| {
            failure(match error {
                vault::Error::NoSecrets => format!(
                    "A vault password or secret must be specified to decrypt {}",
                    path.display()
                ),
                other => format!("{other} File: {}", path.display()),
            })
        })
    }

    /// The file that a name means, searched as Ansible does.
    pub(crate) fn find(&self, kind: jinja::SearchKind, name: &str) -> Attempt<std::path::PathBuf> {
        use jinja::Controller as _;
        self.files.find(kind, name).ok_or_else(|| {
            let places: Vec<String> = self
                .files
                .candidates(kind, name)
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            failure(format!(
                "Could not find or access '{name}'\nSearched in:\n\t{}",
                places.join("\n\t")
            ))
        })
    }
}

/// The name nearest to a misspelt one.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

pub(crate) fn failure(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Value, message)
}

/// An error of the controller's files.
pub(crate) fn io_failure(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Error {
    failure(format!("cannot {doing} {}: {error}", path.display()))
}
