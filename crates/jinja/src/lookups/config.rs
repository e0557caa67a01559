//! The lookup `config`: values of settings. What settings there are is the [`Configuration`]'s business.

use super::{failed, option, terms_of};
use crate::args::Args;
use crate::error::{Error, ErrorKind};
use crate::eval::Scope;
use crate::value::Value;

/// The settings of a run, by name.
pub trait Configuration: Send + Sync {
    /// Whether there is a plugin of that kind and name.
    fn has_plugin(&self, kind: &str, name: &str) -> bool;

    /// The value of a setting and where it came from; `None` if there is no such setting. `variable` gives variables of
    /// the task, which decide some settings.
    fn setting(
        &self,
        plugin: Option<(&str, &str)>,
        name: &str,
        variable: &dyn Fn(&str) -> Option<Value>,
    ) -> Result<Option<(Value, String)>, String>;
}

pub(super) fn config(scope: &Scope<'_>, terms: Value, mut args: Args) -> Result<Value, Error> {
    let on_missing = option(&mut args, "on_missing").unwrap_or_else(|| "error".to_owned());
    let (kind, name) = (option(&mut args, "plugin_type"), option(&mut args, "plugin_name"));
    let show_origin = args.take_named("show_origin").is_some_and(|value| value.is_true());
    args.finish()?;
    if !matches!(on_missing.as_str(), "error" | "warn" | "skip") {
        return Err(failed(format!(
            "Invalid value '{on_missing}' for config 'on_missing' for 'config' lookup plugin. \
             Valid values are: error, warn, skip"
        )));
    }
    let plugin = match (&kind, &name) {
        (Some(kind), Some(name)) => Some((kind.as_str(), name.as_str())),
        (None, None) => None,
        _ => {
            return Err(failed(
                "Both plugin_type and plugin_name are required, cannot use one without the other.",
            ));
        }
    };
    let Some(set) = &scope.environment().configuration else {
        return Err(failed("there are no settings here"));
    };
    if let Some((kind, name)) = plugin
        && !set.has_plugin(kind, name.strip_prefix("ansible.builtin.").unwrap_or(name))
    {
        return Err(failed(format!("Unable to load {kind} plugin '{name}'.")));
    }
    let plugin =
        plugin.map(|(kind, name)| (kind, name.strip_prefix("ansible.builtin.").unwrap_or(name)));
    let variable = |name: &str| {
        let value = scope.variable(name).and_then(|value| scope.force(value)).ok()?;
        value.as_undefined().is_none().then_some(value)
    };
    let mut found = Vec::new();
    for term in terms_of(&terms) {
        let Some(wanted) = term.as_str() else {
            return Err(failed(format!(
                "Invalid setting identifier, {} is not text, it is {}.",
                term.repr(),
                term.type_name()
            )));
        };
        match set.setting(plugin, wanted, &variable).map_err(failed)? {
            Some((value, origin)) if show_origin => {
                found.push(Value::list(vec![value, Value::from(origin.as_str())]));
            }
            Some((value, _)) => found.push(value),
            None if on_missing == "error" => {
                let whose = plugin
                    .map(|(kind, name)| format!(" for '{name}' {kind} plugin"))
                    .unwrap_or_default();
                let message = format!("No config definition exists for '{wanted}'{whose}.");
                return Err(Error::new(ErrorKind::Lookup, message));
            }
            None => {}
        }
    }
    Ok(Value::list(found))
}
