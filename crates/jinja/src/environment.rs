//! The tables of names: filters, tests, globals and lookups. Built once, shared by every evaluation.

use std::collections::HashMap;
use std::sync::Arc;

use vault::Keyring;

use crate::args::Args;
use crate::error::{Error, ErrorKind, nearest};
use crate::eval::Scope;
use crate::limits::Limits;
use crate::lookups::Configuration;
use crate::value::Value;
use crate::{filters, globals, lookups, tests};

/// A filter, test or lookup: a function of a value and arguments.
pub type Operation =
    Arc<dyn Fn(&Scope<'_>, Value, Args) -> Result<Value, Error> + Send + Sync + 'static>;

/// A global function.
pub type Function = Arc<dyn Fn(&Scope<'_>, Args) -> Result<Value, Error> + Send + Sync + 'static>;

/// What an operation does with undefined and unevaluated input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traits {
    /// It can be given something undefined; otherwise using it on something undefined is an error.
    pub takes_undefined: bool,
    /// It evaluates only the elements that it looks at; otherwise all templates in its input are evaluated first.
    pub lazy: bool,
    /// It can be given something encrypted that no password opens; otherwise that is an error.
    pub takes_sealed: bool,
    /// Its result consists of its input's elements, each with its own marks.
    pub structural: bool,
}

#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) run: Operation,
    pub(crate) traits: Traits,
}

/// The tables of names, and the bounds of an evaluation.
#[derive(Clone)]
pub struct Environment {
    filters: HashMap<Arc<str>, Entry>,
    tests: HashMap<Arc<str>, Entry>,
    lookups: HashMap<Arc<str>, Entry>,
    globals: HashMap<Arc<str>, Value>,
    /// The settings that the lookup `config` reads.
    pub configuration: Option<Arc<dyn Configuration>>,
    /// The bounds of one evaluation.
    pub limits: Limits,
    vault: Arc<Keyring>,
    /// Accept conditions whose result is not a boolean (`ALLOW_BROKEN_CONDITIONALS`).
    pub allow_broken_conditionals: bool,
    /// Evaluate templates in the texts of conditions and of lookups' terms (`ALLOW_EMBEDDED_TEMPLATES`).
    pub allow_embedded_templates: bool,
}

impl Default for Environment {
    fn default() -> Self {
        Self::new()
    }
}

impl Environment {
    /// Everything that Jinja2 and ansible-core bring.
    pub fn new() -> Self {
        let mut environment = Self {
            filters: HashMap::new(),
            tests: HashMap::new(),
            lookups: HashMap::new(),
            globals: HashMap::new(),
            configuration: None,
            vault: Arc::default(),
            limits: Limits::default(),
            allow_broken_conditionals: false,
            allow_embedded_templates: true,
        };
        filters::register(&mut environment);
        tests::register(&mut environment);
        lookups::register(&mut environment);
        globals::register(&mut environment);
        environment
    }

    /// The same tables, with passwords that open what is encrypted.
    pub fn with_vault(self, vault: Arc<Keyring>) -> Self {
        Self { vault, ..self }
    }

    /// The passwords that open what is encrypted.
    pub fn vault(&self) -> &Arc<Keyring> {
        &self.vault
    }

    /// Adds or replaces a filter: `f(scope, value, arguments)`.
    pub fn filter(
        &mut self,
        name: &str,
        traits: Traits,
        run: impl Fn(&Scope<'_>, Value, Args) -> Result<Value, Error> + Send + Sync + 'static,
    ) {
        self.filters.insert(name.into(), Entry { run: Arc::new(run), traits });
    }

    /// Adds or replaces a test: the result's truth counts.
    pub fn test(
        &mut self,
        name: &str,
        traits: Traits,
        run: impl Fn(&Scope<'_>, Value, Args) -> Result<Value, Error> + Send + Sync + 'static,
    ) {
        self.tests.insert(name.into(), Entry { run: Arc::new(run), traits });
    }

    /// Adds or replaces a lookup: it gets the list of its terms and its named options, and returns a list.
    pub fn lookup(
        &mut self,
        name: &str,
        run: impl Fn(&Scope<'_>, Value, Args) -> Result<Value, Error> + Send + Sync + 'static,
    ) {
        self.lookups.insert(name.into(), Entry { run: Arc::new(run), traits: Traits::default() });
    }

    /// Adds a lookup whose options may be undefined.
    pub(crate) fn lookup_with_undefined(
        &mut self,
        name: &str,
        run: impl Fn(&Scope<'_>, Value, Args) -> Result<Value, Error> + Send + Sync + 'static,
    ) {
        let traits = Traits { takes_undefined: true, ..Traits::default() };
        self.lookups.insert(name.into(), Entry { run: Arc::new(run), traits });
    }

    /// Adds or replaces a global variable.
    pub fn global(&mut self, name: &str, value: Value) {
        self.globals.insert(name.into(), value);
    }

    /// Adds or replaces a global function.
    pub fn function(
        &mut self,
        name: &str,
        run: impl Fn(&Scope<'_>, Args) -> Result<Value, Error> + Send + Sync + 'static,
    ) {
        self.globals.insert(name.into(), globals::function(name, Arc::new(run)));
    }

    /// Whether there is a lookup of that name: `with_X` asks.
    pub fn has_lookup(&self, name: &str) -> bool {
        self.lookups.contains_key(short(name))
    }

    pub(crate) fn find_global(&self, name: &str) -> Option<&Value> {
        self.globals.get(name)
    }

    pub(crate) fn find_filter(&self, name: &str) -> Result<&Entry, Error> {
        find(&self.filters, name, |hint| {
            Error::syntax(format_args!("No filter named '{name}'.")).hinted(hint)
        })
    }

    pub(crate) fn find_test(&self, name: &str) -> Result<&Entry, Error> {
        find(&self.tests, name, |hint| {
            Error::syntax(format_args!("No test named '{name}'.")).hinted(hint)
        })
    }

    pub(crate) fn find_lookup(&self, name: &str) -> Result<&Entry, Error> {
        find(&self.lookups, name, |hint| {
            Error::new(ErrorKind::Lookup, format!("The lookup plugin '{name}' was not found"))
                .hinted(hint)
        })
    }
}

fn find<'t>(
    table: &'t HashMap<Arc<str>, Entry>,
    name: &str,
    missing: impl FnOnce(Option<String>) -> Error,
) -> Result<&'t Entry, Error> {
    table
        .get(name)
        .or_else(|| table.get(short(name)))
        .ok_or_else(|| missing(nearest(short(name), table.keys().map(AsRef::as_ref))))
}

/// The name without ansible-core's own collection.
fn short(name: &str) -> &str {
    name.strip_prefix("ansible.builtin.")
        .or_else(|| name.strip_prefix("ansible.legacy."))
        .unwrap_or(name)
}
