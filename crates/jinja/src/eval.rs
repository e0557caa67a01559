//! The evaluator.

use crate::args::Args;
use crate::error::Error;
use crate::value::Value;

/// What a filter, test, lookup or function sees of the evaluation that called it.
pub struct Scope<'a>(std::marker::PhantomData<&'a ()>);

impl Scope<'_> {
    /// Calls a callable value.
    pub fn call(&self, callee: &Value, _args: Args) -> Result<Value, Error> {
        Err(Error::type_error(format!("'{}' object is not callable", callee.type_name())))
    }
}
