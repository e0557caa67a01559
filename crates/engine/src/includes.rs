//! Reading what `include_tasks` and `include_role` asked for, and making nodes of it.

use std::path::Path;
use std::sync::Arc;

use jinja::Value;
use language::{Common, Place, RoleRequest, Vars};
use yaml::Diagnostic;

use crate::actions::{Include, Included};
use crate::cursor::{BlockNode, Key};
use crate::walk::{Builder, Context, Planned};
use crate::world::World;

/// More includes inside each other than any content has; tasks that include themselves end here.
const MAX_INCLUDES: usize = 250;

/// Reads an include and builds its nodes.
pub(crate) fn load(
    world: &World,
    builder: &mut Builder,
    playbook: &Path,
    including: &Planned,
    include: &Include,
    key: &Key,
) -> Result<BlockNode<Planned>, Diagnostic> {
    if including.includes >= MAX_INCLUDES {
        let message = format!(
            "{MAX_INCLUDES} includes inside each other: '{}' includes itself",
            include.what.name()
        );
        return Err(Diagnostic::error(message).at(&including.task.span));
    }
    let apply = include
        .apply
        .as_ref()
        .map(apply)
        .transpose()
        .map_err(|error| error.or_at(&including.task.span))?;
    let context = Context::of_include(including, apply, include.params.clone());
    let place = place(playbook, including);
    let span = &including.task.span;
    match &include.what {
        Included::Tasks(path) => {
            let items = world.loader.tasks(&path.to_string_lossy(), &place, Some(span))?;
            Ok(BlockNode::plain(builder.items(&items, &context, key)))
        }
        Included::Role(files) => {
            let request = RoleRequest {
                name: files.name.clone(),
                tasks_from: files.tasks_from.clone(),
                vars_from: files.vars_from.clone(),
                defaults_from: files.defaults_from.clone(),
                handlers_from: files.handlers_from.clone(),
                public: files.public,
                says_public: true,
                allow_duplicates: Some(files.allow_duplicates),
                rolespec_validate: Some(files.rolespec_validate),
                span: Some(span.clone()),
                ..RoleRequest::default()
            };
            let role = world.loader.role(&request, &place).map_err(|error| error.or_at(span))?;
            let mut given = including.task.common.vars.clone();
            given.extend(include.params.clone());
            Ok(builder.called_role(&role, &context, key, &given))
        }
    }
}

/// From where the names in an include are searched.
pub(crate) fn place(playbook: &Path, including: &Planned) -> Place {
    let mut place = Place::of_playbook(playbook);
    playbook.clone_into(&mut place.playbook_dir);
    place.role = including.role.as_ref().map(|played| played.role.path.clone());
    place.file.clone_from(&including.task.file);
    place.is_handler = including.handler.is_some();
    place.collections = including.task.collections.clone();
    place
}

/// The keywords of `apply`.
fn apply(value: &Value) -> Result<Arc<Common>, Diagnostic> {
    let Some(dict) = value.as_dict() else {
        return Err(Diagnostic::error("apply must be a dictionary of keywords"));
    };
    let mut common = Common::default();
    for (name, value) in dict.read().iter() {
        let list = || value.as_list().map_or_else(|| vec![value.clone()], jinja::List::snapshot);
        let one = Some(value.clone());
        match name.to_string().as_str() {
            "tags" => common.tags = list(),
            "when" => common.when = list(),
            "environment" => common.environment = list(),
            "module_defaults" => common.module_defaults = list(),
            "name" => common.name = one,
            "notify" => common.notify = list(),
            "vars" => common.vars = vars(value),
            "become" => common.r#become = one,
            "become_user" => common.become_user = one,
            "become_method" => common.become_method = one,
            "become_flags" => common.become_flags = one,
            "become_exe" => common.become_exe = one,
            "check_mode" => common.check_mode = one,
            "diff" => common.diff = one,
            "no_log" => common.no_log = one,
            "ignore_errors" => common.ignore_errors = one,
            "ignore_unreachable" => common.ignore_unreachable = one,
            "run_once" => common.run_once = one,
            "any_errors_fatal" => common.any_errors_fatal = one,
            "throttle" => common.throttle = one,
            "timeout" => common.timeout = one,
            "connection" => common.connection = one,
            "remote_user" => common.remote_user = one,
            "port" => common.port = one,
            "delegate_to" => common.delegate_to = one,
            "delegate_facts" => common.delegate_facts = one,
            "debugger" => common.debugger = one,
            "collections" => common.collections = one,
            other => {
                return Err(Diagnostic::error(format!(
                    "'{other}' is not a valid keyword for apply"
                )));
            }
        }
    }
    Ok(Arc::new(common))
}

fn vars(value: &Value) -> Vars {
    value
        .as_dict()
        .map(|dict| {
            dict.read()
                .iter()
                .map(|(name, value)| (Arc::from(name.to_string()), value.clone()))
                .collect()
        })
        .unwrap_or_default()
}
