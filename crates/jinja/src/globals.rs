//! Global functions.

use std::sync::Arc;

use crate::args::Args;
use crate::environment::{Environment, Function};
use crate::error::Error;
use crate::eval::Scope;
use crate::value::{Object, Value};

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

    fn text(&self) -> String {
        format!("<function {}>", self.name)
    }
}

pub(crate) fn function(name: &str, run: Function) -> Value {
    Value::object(Arc::new(Global { name: name.into(), run }))
}

pub(crate) fn register(_environment: &mut Environment) {}
