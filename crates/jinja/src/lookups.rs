//! Lookups: what `lookup()`, `query()` and `with_NAME` call. Each gets the list of its terms and returns a list.

mod config;
mod files;
mod lists;
mod password;
mod tables;
mod variables;

pub use config::Configuration;
pub(crate) use files::glob;

use crate::args::Args;
use crate::environment::Environment;
use crate::error::{Error, ErrorKind};
use crate::value::Value;

pub(crate) fn register(environment: &mut Environment) {
    lists::register(environment);
    files::register(environment);
    variables::register(environment);
    tables::register(environment);
    environment.lookup("password", password::password);
    environment.lookup("config", config::config);
}

/// The terms of a lookup: a list as it is, anything else as the only one.
fn terms_of(terms: &Value) -> Vec<Value> {
    terms.sequence().unwrap_or_else(|| vec![terms.clone()])
}

fn failed(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Lookup, message)
}

/// A number of a lookup's options.
fn integer(lookup: &str, option: &str, text: &str) -> Result<i128, Error> {
    crate::filters::parse_int(text, 10).ok_or_else(|| {
        failed(format!(
            "Config '{option}' for '{lookup}' lookup plugin from 'Direct' has an invalid value: Invalid value provided for 'integer': '{text}'"
        ))
    })
}

/// A named option's text.
fn option(args: &mut Args, name: &str) -> Option<String> {
    args.take_named(name).filter(|value| !value.is_none()).map(|value| value.to_string())
}
