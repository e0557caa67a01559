//! `include_tasks` and `include_role`: says what is to be read; the director reads it and inserts it.

use std::path::PathBuf;

use indexmap::IndexSet;
use jinja::Value;
use language::Vars;
use model::{Args, Outcome};

use super::{Attempt, Call, Effect, Prepared, failure};

/// What an include asks for. Hosts that ask for the same walk it together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Include {
    pub(crate) what: Included,
    /// `apply`, as written.
    pub(crate) apply: Option<Value>,
    /// The loop's item as people see it.
    pub(crate) label: Option<serde_json::Value>,
    /// Variables of the loop's item.
    pub(crate) params: Vars,
}

/// What is included.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Included {
    Tasks(PathBuf),
    Role(Box<RoleFiles>),
}

/// Which role, and which of its files instead of `main`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoleFiles {
    pub(crate) name: String,
    pub(crate) tasks_from: Option<String>,
    pub(crate) vars_from: Option<String>,
    pub(crate) defaults_from: Option<String>,
    pub(crate) handlers_from: Option<String>,
    pub(crate) public: bool,
    pub(crate) allow_duplicates: bool,
    pub(crate) rolespec_validate: bool,
}

impl Included {
    /// As shown to people.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Tasks(path) => crate::scope::absolute(path).display().to_string(),
            Self::Role(files) => files.name.clone(),
        }
    }
}

pub(super) fn tasks(call: &Call<'_>) -> Attempt<Prepared> {
    call.only(&["file", "apply", "_raw_params"])?;
    let name = call.text("file").or(call.text("_raw_params"));
    let name = name
        .filter(|name| !name.is_empty())
        .ok_or_else(|| failure("No file specified for include_tasks"))?;
    let path = find(call, &name)?;
    let mut result = Args::new();
    result.insert("include".into(), name.into());
    Ok(done(call, result, Included::Tasks(path)))
}

/// Beside the including file, then in the role's `tasks/`, then beside the playbook.
fn find(call: &Call<'_>, name: &str) -> Attempt<PathBuf> {
    use jinja::Controller as _;
    let beside = call.planned.task.file.parent().map(|directory| directory.join(name));
    let others = call
        .files
        .search_path()
        .into_iter()
        .flat_map(|root| [root.join("tasks").join(name), root.join(name)]);
    let candidates: IndexSet<PathBuf> = beside.into_iter().chain(others).collect();
    candidates.iter().find(|path| path.is_file()).cloned().ok_or_else(|| {
        let places: Vec<String> =
            candidates.iter().map(|path| path.display().to_string()).collect();
        failure(format!(
            "Could not find or access '{name}'\nSearched in:\n\t{}",
            places.join("\n\t")
        ))
    })
}

pub(super) fn role(call: &Call<'_>) -> Attempt<Prepared> {
    call.only(&[
        "name",
        "role",
        "tasks_from",
        "vars_from",
        "defaults_from",
        "handlers_from",
        "public",
        "allow_duplicates",
        "apply",
        "rolespec_validate",
    ])?;
    let name = call
        .text("name")
        .or(call.text("role"))
        .ok_or_else(|| failure("'name' is a required field for include_role."))?;
    let place = crate::includes::place(call.files.playbook_directory(), call.planned);
    call.world.loader.find_role(&name, &place).map_err(|error| failure(error.message()))?;
    let files = RoleFiles {
        name: name.clone(),
        tasks_from: call.text("tasks_from"),
        vars_from: call.text("vars_from"),
        defaults_from: call.text("defaults_from"),
        handlers_from: call.text("handlers_from"),
        public: call.flag("public", call.world.options.includes_are_public)?,
        allow_duplicates: call.flag("allow_duplicates", true)?,
        rolespec_validate: call.flag("rolespec_validate", true)?,
    };
    let mut result = Args::new();
    result.insert("include_role".into(), name.into());
    Ok(done(call, result, Included::Role(Box::new(files))))
}

fn done(call: &Call<'_>, result: Args, what: Included) -> Prepared {
    let params = call.item.map(|item| item.vars.clone()).unwrap_or_default();
    let label = call.item.map(|item| item.label.clone());
    let apply = call.args.get("apply").cloned();
    let effect = Effect::Include(Box::new(Include { what, apply, label, params }));
    Prepared::Done(Outcome::ok(result), vec![effect])
}
