//! Global names: functions that every template can call, and the placeholder `omit`.

mod helpers;
mod time;

use std::sync::Arc;

pub(crate) use time::{DateTime, at_epoch, strftime, strptime};

use crate::args::Args;
use crate::environment::{Environment, Function};
use crate::error::{Error, ErrorKind};
use crate::eval::Scope;
use crate::methods;
use crate::value::{Map, Object, Reason, Undefined, Value};

/// A function that templates can call.
struct Global {
    name: Arc<str>,
    run: Function,
}

impl Object for Global {
    fn type_name(&self) -> &'static str {
        "function"
    }

    fn call(&self, scope: &Scope<'_>, args: Args) -> Result<Value, Error> {
        (self.run)(scope, args)
    }

    fn is_callable(&self) -> bool {
        true
    }

    /// A lookup decides itself which of its options may be.
    fn takes_undefined(&self) -> bool {
        ["lookup", "query", "q"].contains(&&*self.name)
    }

    fn text(&self) -> String {
        format!("<function {}>", self.name)
    }
}

/// A function as a value.
pub(crate) fn function(name: &str, run: Function) -> Value {
    Value::object(Arc::new(Global { name: name.into(), run }))
}

/// `vars`: all variables by name. The evaluator reads them, since it knows the host.
pub(crate) struct AllVariables;

impl Object for AllVariables {
    fn type_name(&self) -> &'static str {
        "dict"
    }

    fn is_true(&self) -> bool {
        true
    }

    fn call_method(&self, scope: &Scope<'_>, name: &str, mut args: Args) -> Result<Value, Error> {
        let this = Value::object(Arc::new(Self));
        match name {
            "get" => {
                let key = args.required("key")?;
                let found = scope.item(&this, &key)?;
                let default = args.take("default").unwrap_or_else(Value::none);
                Ok(if found.is_undefined() { default } else { found })
            }
            "keys" => Ok(Value::list(scope.iterate(&this)?)),
            "items" => {
                let names = scope.iterate(&this)?.into_iter();
                let entries = names.map(|name| {
                    let value = scope.item(&this, &name)?;
                    Ok(Value::tuple(vec![name, value]))
                });
                entries.collect::<Result<_, Error>>().map(Value::list)
            }
            _ => Err(Error::no_attribute("dict", &Value::from(name))),
        }
    }
}

pub(crate) fn register(environment: &mut Environment) {
    environment.global("omit", Value::omit());
    environment.global("vars", Value::object(Arc::new(AllVariables)));
    environment.function("range", range);
    environment.function("dict", dict);
    environment.function("undef", undef);
    environment.function("lookup", |scope, args| lookup(scope, args, false));
    environment.function("query", |scope, args| lookup(scope, args, true));
    environment.function("q", |scope, args| lookup(scope, args, true));
    environment.function("now", time::now);
    environment.function("namespace", helpers::namespace);
    environment.function("cycler", helpers::cycler);
    environment.function("joiner", helpers::joiner);
    environment.function("lipsum", |_, _| {
        Err(Error::type_error("'lipsum' makes filler text for web pages; there is none here"))
    });
}

fn range(scope: &Scope<'_>, mut args: Args) -> Result<Value, Error> {
    let first = args.int("start")?.unwrap_or(0);
    let (start, stop) = match args.int("stop")? {
        Some(stop) => (first, stop),
        None => (0, first),
    };
    let step = args.int("step")?.unwrap_or(1);
    args.finish()?;
    if step == 0 {
        return Err(Error::value_error("range() arg 3 must not be zero"));
    }
    let len = (i128::from(stop) - i128::from(start)).max(0) * i128::from(step > 0)
        + (i128::from(start) - i128::from(stop)).max(0) * i128::from(step < 0);
    let len = len / i128::from(step.unsigned_abs());
    scope.check_size(usize::try_from(len).unwrap_or(usize::MAX).saturating_mul(40))?;
    let mut items = Vec::new();
    let mut at = start;
    while if step > 0 { at < stop } else { at > stop } {
        items.push(Value::from(at));
        match at.checked_add(step) {
            Some(next) => at = next,
            None => break,
        }
    }
    Ok(Value::list(items))
}

fn dict(scope: &Scope<'_>, mut args: Args) -> Result<Value, Error> {
    let mut map = match args.next_positional() {
        Some(value) => methods::pairs(scope, &value)?,
        None => Map::new(),
    };
    map.extend(args.rest_named().into_iter().map(|(name, value)| (Value::from(name), value)));
    args.finish()?;
    Ok(Value::dict(map))
}

fn undef(_scope: &Scope<'_>, mut args: Args) -> Result<Value, Error> {
    let hint = args.text("hint")?;
    args.finish()?;
    let hint = hint.unwrap_or_else(|| crate::value::MANDATORY.into());
    Ok(Value::from(Undefined { name: "undef".into(), reason: Reason::Because(hint.into()) }))
}

fn lookup(scope: &Scope<'_>, mut args: Args, wants_list: bool) -> Result<Value, Error> {
    let name = args.next_positional().ok_or_else(|| {
        Error::new(
            ErrorKind::Type,
            "_lookup() missing 1 required positional argument: 'plugin_name'",
        )
    })?;
    let name = name.to_string();
    let wants_list = args.take_named("wantlist").map_or(wants_list, |flag| flag.is_true());
    let terms = Value::list(args.rest());
    let found = scope.call_lookup(&name, terms, args)?;
    if found.is_none() {
        return Ok(if wants_list { Value::list(Vec::new()) } else { found });
    }
    if wants_list {
        return Ok(found);
    }
    let items = found.sequence().unwrap_or_else(|| vec![found.clone()]);
    let taint = found.marks().to_element();
    Ok(match items.as_slice() {
        [] => Value::list(Vec::new()),
        [only] => only.clone().marked(taint),
        _ if items.iter().all(|item| item.as_str().is_some()) => {
            let marks = items.iter().fold(taint, |all, item| all | item.marks());
            let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            crate::eval::tainted(Value::from(texts.join(",")), marks)
        }
        _ => found,
    })
}
