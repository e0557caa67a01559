//! `group_by`: groups made of what hosts have in common.

use model::{Args, HostName, Outcome};

use super::{Attempt, Call, Effect, Prepared};
use crate::state::read;

pub(super) fn run(call: &Call<'_>) -> Attempt<Prepared> {
    call.only_options(&["key", "parents"])?;
    let name = |text: &str| text.replace(' ', "-");
    let group = name(&call.required("key")?);
    let parents = match call.args.get("parents") {
        Some(value) => match value.as_list() {
            Some(list) => list.snapshot().iter().map(|parent| name(&parent.to_string())).collect(),
            None => vec![name(&value.to_string())],
        },
        None => vec!["all".to_owned()],
    };
    let mut result = Args::new();
    result.insert("add_group".into(), group.clone().into());
    result.insert("parent_groups".into(), parents.clone().into());
    let host = call.templar.variable("inventory_hostname")?.to_string();
    let changes = read(&call.world.inventory).is_ungrouped(&HostName::new(host), &group, &parents);
    let outcome = if changes { Outcome::changed(result) } else { Outcome::ok(result) };
    Ok(Prepared::Done(outcome, vec![Effect::GroupBy { group, parents }]))
}
