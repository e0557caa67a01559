//! `service` and `package`: the host's module finds out by itself what manages services or packages there; here, the
//! defaults that the play has for that manager's own module are added.

use jinja::Value;
use model::Args;
use serde_json::json;

use super::{Attempt, Call, Draft, Prepared, defaults_of, failure, module, single};

pub(super) fn service(call: &Call<'_>) -> Attempt<Prepared> {
    run(call, "service", "service_mgr", &["systemd", "sysvinit", "openrc"])
}

pub(super) fn package(call: &Call<'_>) -> Attempt<Prepared> {
    run(call, "package", "pkg_mgr", &["apt", "dnf", "dnf5", "yum"])
}

fn run(call: &Call<'_>, name: &'static str, fact: &str, managers: &[&str]) -> Attempt<Prepared> {
    let mut args = call.json_args()?;
    let given = match jinja::Variables::get(call.scope, &format!("ansible_{name}_use")) {
        Some(raw) => Some(call.templar.resolve(&raw)?.to_string()),
        None => call.text("use"),
    };
    let given = given.filter(|manager| manager != "auto");
    if let Some(manager) = &given {
        args.insert("use".into(), manager.clone().into());
        if name == "package" && !call.world.loader.has_action(manager) {
            let message =
                format!("Could not find a matching action for the \"{manager}\" package manager.");
            return Err(failure(message));
        }
    }
    let is_own = call.planned.task.common.delegate_to.is_none();
    let known = || {
        let facts = jinja::Variables::get(call.scope, "ansible_facts").filter(|_| is_own)?;
        facts.get(fact).as_ref().and_then(Value::as_str).map(str::to_owned)
    };
    if let Some(manager) = given.or_else(known) {
        let defaults = defaults_for(call, &manager)?;
        return Ok(module(over(defaults, args), name));
    }
    let mut by_manager = Vec::new();
    for manager in managers {
        let defaults = defaults_for(call, manager)?;
        if !defaults.is_empty() {
            by_manager.push(((*manager).to_owned(), defaults));
        }
    }
    if by_manager.is_empty() {
        return Ok(module(args, name));
    }
    let fact = format!("ansible_{fact}");
    Ok(Prepared::Talk(Box::new(move |way| {
        Box::pin(async move {
            let subset = json!({"gather_subset": ["!all", "min"], "filter": [&fact]});
            let subset = subset.as_object().cloned().unwrap_or_default();
            let found = way.ask_once(Draft { module: "setup".to_owned(), args: subset }).await?;
            let facts = found.result.get("ansible_facts");
            let manager = facts.and_then(|facts| facts.get(&fact)).and_then(|fact| fact.as_str());
            let defaults = by_manager.into_iter().find(|(name, _)| Some(name.as_str()) == manager);
            let args = over(defaults.map(|(_, defaults)| defaults).unwrap_or_default(), args);
            let outcome = way.ask_once(Draft { module: name.to_owned(), args }).await?;
            Ok(single(vec![outcome]))
        })
    })))
}

/// The play's defaults for a manager's own module, which may be written with a collection.
fn defaults_for(call: &Call<'_>, manager: &str) -> Attempt<Args> {
    let short = manager.rsplit('.').next().unwrap_or(manager);
    let names = [short, &format!("ansible.builtin.{short}"), &format!("ansible.legacy.{short}")];
    let defaults = defaults_of(call.planned, call.templar, &call.world.loader, &names)?;
    defaults.iter().map(|(name, value)| Ok((name.to_string(), value.to_json()?))).collect()
}

fn over(mut defaults: Args, args: Args) -> Args {
    defaults.extend(args);
    defaults
}
