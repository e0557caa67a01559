//! Calling what the tables hold: filters, tests, lookups, functions and methods; their failures carry their names.

use std::sync::Arc;

use crate::args::Args;
use crate::ast::{Arg, Node};
use crate::environment::Entry;
use crate::error::{Error, ErrorKind};
use crate::eval::macros::MacroValue;
use crate::eval::{Scope, tainted};
use crate::methods;
use crate::value::{Marks, Repr, Value, has_template};

/// Whether a value is a text written inside a template, with a template in it.
fn is_embedded(value: &Value) -> bool {
    value.marks.has(Marks::TRUSTED)
        && !value.is_template()
        && value.as_str().is_some_and(has_template)
}

impl Scope<'_> {
    pub(super) fn filter_node(
        &self,
        input: Option<&Node>,
        name: &Arc<str>,
        args: &[Arg],
    ) -> Result<Value, Error> {
        let entry = self.environment().find_filter(name)?;
        let input = match input {
            Some(node) => self.input(node, entry)?,
            // The text of a filter block travels under a name that no template can write.
            None => self.variable(FILTER_BLOCK_INPUT)?,
        };
        let args = self.arguments(args)?;
        self.apply("filter", name, entry, input, args)
    }

    pub(super) fn test_node(
        &self,
        input: &Node,
        name: &Arc<str>,
        args: &[Arg],
    ) -> Result<Value, Error> {
        let entry = self.environment().find_test(name)?;
        let input = self.input(input, entry)?;
        let args = self.arguments(args)?;
        let result = self.apply("test", name, entry, input, args)?;
        Ok(Value::from(result.is_true()).marked(result.marks.without(Marks::SECRET)))
    }

    /// The input of a filter or test; encrypted text as it is, if it cannot be opened and the callee wants it.
    fn input(&self, node: &Node, entry: &Entry) -> Result<Value, Error> {
        match self.eval(node) {
            Err(error) if entry.traits.takes_sealed => match error.kind() {
                ErrorKind::Locked { sealed } => Ok(Value::sealed(sealed.clone(), None)),
                _ => Err(error),
            },
            other => other,
        }
    }

    fn apply(
        &self,
        kind: &str,
        name: &str,
        entry: &Entry,
        input: Value,
        args: Args,
    ) -> Result<Value, Error> {
        self.step()?;
        let traits = entry.traits;
        // A filter of something undefined is undefined: `missing | upper | default('x')`.
        if kind == "filter" && !traits.takes_undefined {
            let missing = std::iter::once(&input).chain(args.values()).find(|v| v.is_undefined());
            if let Some(missing) = missing {
                return Ok(missing.clone());
            }
        }
        let input = if traits.takes_sealed && input.as_sealed().is_some() {
            input
        } else {
            self.prepared(input, traits.takes_undefined, traits.lazy)?
        };
        let args = self.prepared_args(args, traits.takes_undefined, traits.lazy)?;
        let marks = args.values().fold(input.marks, |all, arg| all | arg.marks);
        let result = (entry.run)(self, input, args)
            .map_err(|error| named_failure(concealed(error, marks), kind, name))?;
        Ok(if traits.structural { result } else { tainted(result, marks) })
    }

    fn prepared(&self, value: Value, takes_undefined: bool, lazy: bool) -> Result<Value, Error> {
        match &value.repr {
            Repr::Undefined(_) if takes_undefined => Ok(value),
            Repr::Undefined(why) => Err(Error::undefined(why)),
            _ if lazy => Ok(value),
            _ => self.force(value),
        }
    }

    fn prepared_args(
        &self,
        mut args: Args,
        takes_undefined: bool,
        lazy: bool,
    ) -> Result<Args, Error> {
        for value in args.values_mut() {
            *value =
                self.prepared(std::mem::replace(value, Value::none()), takes_undefined, lazy)?;
        }
        Ok(args)
    }

    /// Applies a filter by name.
    pub fn call_filter(&self, name: &str, input: Value, args: Args) -> Result<Value, Error> {
        let entry = self.environment().find_filter(name)?;
        self.apply("filter", name, entry, input, args)
    }

    /// Applies a test by name.
    pub fn call_test(&self, name: &str, input: Value, args: Args) -> Result<bool, Error> {
        let entry = self.environment().find_test(name)?;
        self.apply("test", name, entry, input, args).map(|result| result.is_true())
    }

    /// Runs a lookup by name; gives its list of results. `errors` decides what a failure means: `None` is one that is
    /// to be ignored.
    pub fn call_lookup(&self, name: &str, terms: Value, mut args: Args) -> Result<Value, Error> {
        let entry = self.environment().find_lookup(name)?;
        self.templar().mark_volatile();
        let on_error = args.text("errors")?.unwrap_or_else(|| "strict".into());
        let terms = self.with_embedded(terms)?;
        for arg in args.values_mut() {
            *arg = self.with_embedded(std::mem::replace(arg, Value::none()))?;
        }
        let marks = args.values().fold(terms.marks, |all, arg| all | arg.marks);
        if let Some(items) = terms.sequence() {
            for item in items {
                self.prepared(item, false, true)?;
            }
        }
        let terms = self.force(terms)?;
        let args = self.prepared_args(args, entry.traits.takes_undefined, false)?.lenient();
        match (entry.run)(self, terms, args).map_err(|error| concealed(error, marks)) {
            Ok(result) => Ok(tainted(result, marks)),
            Err(error) if error.is_undefined() || error.is_unknown() || on_error == "strict" => {
                Err(named_failure(error, "lookup", name))
            }
            Err(error) => {
                if on_error == "warn" {
                    self.note(format!(
                        "An error occurred while running the lookup plugin '{name}': {error}"
                    ));
                }
                Ok(Value::none())
            }
        }
    }

    /// A lookup's term, or the list of all of them: a text of the template that holds a template is one.
    fn with_embedded(&self, value: Value) -> Result<Value, Error> {
        if !self.environment().allow_embedded_templates {
            return Ok(value);
        }
        if let Some(items) = value.as_list().filter(|list| list.read().iter().any(is_embedded)) {
            let items = items.snapshot().into_iter().map(|item| self.with_embedded(item));
            return items.collect::<Result<_, _>>().map(Value::list);
        }
        match value.as_arc_str().filter(|_| is_embedded(&value)) {
            Some(text) => self.embedded(&Value::trusted(text.clone(), value.origin().cloned())),
            None => Ok(value),
        }
    }

    /// Calls a callable value.
    pub fn call(&self, callee: &Value, args: Args) -> Result<Value, Error> {
        self.step()?;
        let Repr::Object(object) = &callee.repr else {
            return match &callee.repr {
                Repr::Undefined(why) => Err(Error::undefined(why)),
                _ => Err(Error::type_error(format!(
                    "'{}' object is not callable",
                    callee.type_name()
                ))),
            };
        };
        if callee.downcast::<MacroValue>().is_some() {
            return object.call(self, args);
        }
        let args = self.prepared_args(args, object.takes_undefined(), false)?;
        object.call(self, args)
    }

    /// Calls a method of a value; undefined if it has none of that name.
    pub fn call_method(&self, receiver: &Value, name: &str, args: Args) -> Result<Value, Error> {
        self.step()?;
        if let Repr::Object(object) = &receiver.repr {
            return object.call_method(self, name, args);
        }
        if !methods::exists(receiver, name) {
            let attribute = self.attribute(receiver, &Value::from(name))?;
            return if attribute.is_undefined() {
                Ok(attribute)
            } else {
                self.call(&attribute, args)
            };
        }
        let args = self.prepared_args(args, false, false)?;
        let marks = args.values().fold(receiver.marks, |all, arg| all | arg.marks);
        let result =
            methods::call(self, receiver, name, args).map_err(|error| concealed(error, marks))?;
        let from_container = receiver.as_list().is_some() || receiver.as_dict().is_some();
        Ok(if from_container { result } else { tainted(result, marks) })
    }
}

/// The name under which a filter block's text is handed to its filters.
pub(super) const FILTER_BLOCK_INPUT: &str = " filter input";

/// What goes wrong with a secret must not be told with it: messages quote what they are about.
fn concealed(error: Error, marks: Marks) -> Error {
    let is_secret = marks.any(Marks::SECRET | Marks::HOLDS_SECRET);
    match error.kind() {
        ErrorKind::Type | ErrorKind::Value | ErrorKind::Filter | ErrorKind::Lookup if is_secret => {
            Error::new(error.kind().clone(), "it cannot be done with this secret value")
        }
        _ => error,
    }
}

/// A failure of a plug-in says which one; what it only passes on stays as it is.
fn named_failure(error: Error, kind: &str, name: &str) -> Error {
    let own = match error.kind() {
        ErrorKind::Undefined { .. }
        | ErrorKind::Unknown
        | ErrorKind::Recursion
        | ErrorKind::Limit
        | ErrorKind::Syntax => false,
        _ => !error.message().contains(" plugin '"),
    };
    if !own {
        return error;
    }
    let name = name.strip_prefix("ansible.builtin.").unwrap_or(name);
    let full = if kind == "lookup" || name.contains('.') {
        name.to_owned()
    } else {
        format!("ansible.builtin.{name}")
    };
    error.prefixed(&format!("The {kind} plugin '{full}' failed: "))
}
