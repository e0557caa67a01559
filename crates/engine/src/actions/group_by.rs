//! `group_by`: groups made of what hosts have in common.

use model::{Args, Outcome};

use super::{Attempt, Call, Effect, Prepared};

pub(super) fn run(call: &Call<'_>) -> Attempt<Prepared> {
    call.only(&["key", "parents"])?;
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
    Ok(Prepared::Done(Outcome::ok(result), vec![Effect::GroupBy { group, parents }]))
}
