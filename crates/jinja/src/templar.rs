//! Evaluation against a host's variables: lazy, recursive, cached, and with cycles found.

pub(crate) mod header;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use yaml::Span;

use crate::ast::{Extent, Stmt, Template};
use crate::compile::{Mode, compiled};
use crate::controller::Controller;
use crate::environment::Environment;
use crate::error::{Error, ErrorKind};
use crate::eval::{Run, Scope, Unit, culprit, unit_of_file};
use crate::globals::AllVariables;
use crate::origin::locate;
use crate::value::{MAX_DEPTH, Map, Marks, Reason, Undefined, Value};

/// The variables that an evaluation sees, as they were written: templates in them are evaluated when they are used.
pub trait Variables: Sync {
    /// The variable of that name.
    fn get(&self, name: &str) -> Option<Value>;

    /// All names.
    fn names(&self) -> Vec<Arc<str>>;
}

/// How a template file is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateOptions {
    /// Removes the newline behind a block.
    pub trim_blocks: bool,
    /// Removes the white space before a block on its line.
    pub lstrip_blocks: bool,
    /// Keeps the newline at the end of the file.
    pub keep_trailing_newline: bool,
    /// What a line ends with: `\n`, `\r\n` or `\r`.
    pub newline_sequence: String,
    /// `{{` and `}}`.
    pub variable: (String, String),
    /// `{%` and `%}`.
    pub block: (String, String),
    /// `{#` and `#}`.
    pub comment: (String, String),
    /// What a line begins with that is a statement; nothing: no line is.
    pub line_statement: String,
    /// What a line begins with that is a comment.
    pub line_comment: String,
}

impl TemplateOptions {
    /// Those of a file that another includes: the newline at its end is not part of it.
    pub(crate) fn included() -> Self {
        Self { keep_trailing_newline: false, ..Self::default() }
    }
}

impl Default for TemplateOptions {
    fn default() -> Self {
        let pair = |start: &str, end: &str| (start.to_owned(), end.to_owned());
        Self {
            trim_blocks: true,
            lstrip_blocks: false,
            keep_trailing_newline: true,
            newline_sequence: "\n".into(),
            variable: pair("{{", "}}"),
            block: pair("{%", "%}"),
            comment: pair("{#", "#}"),
            line_statement: String::new(),
            line_comment: String::new(),
        }
    }
}

/// Evaluates templates with one set of variables. Make one per host, task and item; it caches what it resolves.
pub struct Templar<'a> {
    environment: &'a Environment,
    pub(crate) variables: &'a dyn Variables,
    controller: &'a dyn Controller,
    /// Evaluated variables.
    cache: RefCell<HashMap<Arc<str>, Value>>,
    /// Evaluated containers, by the container's identity; each is kept, so that no other takes its number.
    containers: RefCell<HashMap<usize, (Value, Value)>>,
    /// The texts under evaluation, innermost last, with what they were read as.
    active: RefCell<Vec<(Arc<str>, String)>>,
    notes: RefCell<Vec<String>>,
    deprecations: RefCell<Vec<String>>,
    steps: Cell<u64>,
    deadline: Cell<Option<Instant>>,
    /// Counts what gives another result each time (lookups, `now()`): such values are not cached.
    volatile: Cell<u64>,
}

thread_local! {
    /// Nesting over all templars of a thread: one host's variables can need another's.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Variables of a templar under others that hide them.
pub(crate) struct Overlay<'a> {
    below: &'a dyn Variables,
    above: &'a Map,
}

impl<'a> Overlay<'a> {
    pub(crate) fn new(templar: &Templar<'a>, above: &'a Map) -> Self {
        Self { below: templar.variables, above }
    }
}

impl Variables for Overlay<'_> {
    fn get(&self, name: &str) -> Option<Value> {
        self.above.get(name).cloned().or_else(|| self.below.get(name))
    }

    fn names(&self) -> Vec<Arc<str>> {
        let mut names = self.below.names();
        names.extend(self.above.keys().filter_map(|name| name.as_arc_str().cloned()));
        names
    }
}

/// A level of nesting, left when it is dropped.
pub(crate) struct Level(u32);

impl Drop for Level {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get().saturating_sub(self.0));
    }
}

impl<'a> Templar<'a> {
    /// A templar without anything resolved yet.
    pub fn new(
        environment: &'a Environment,
        variables: &'a dyn Variables,
        controller: &'a dyn Controller,
    ) -> Self {
        Self {
            environment,
            variables,
            controller,
            cache: RefCell::default(),
            containers: RefCell::default(),
            active: RefCell::default(),
            notes: RefCell::default(),
            deprecations: RefCell::default(),
            steps: Cell::new(0),
            deadline: Cell::new(None),
            volatile: Cell::new(0),
        }
    }

    /// The tables of names.
    pub fn environment(&self) -> &'a Environment {
        self.environment
    }

    /// The controller's files and commands.
    pub fn controller(&self) -> &'a dyn Controller {
        self.controller
    }

    /// The names of all variables.
    pub fn names(&self) -> Vec<Arc<str>> {
        self.variables.names()
    }

    /// The value with every template in it evaluated, through and through. Omitted elements of lists and dicts are
    /// left out; a value that is the placeholder itself stays. Undefined parts are errors.
    pub fn resolve(&self, value: &Value) -> Result<Value, Error> {
        self.fresh();
        let value = self.resolved(value)?;
        if value.downcast::<AllVariables>().is_some() {
            let entries = self.entries_of_object(&value)?.unwrap_or_default();
            return self.resolve(&Value::dict(entries.into_iter().collect()));
        }
        finalized(value).map_err(in_rendering)
    }

    /// What a template gives, with the templates in that not evaluated yet: a list of conditions out of a variable.
    pub fn outermost(&self, value: &Value) -> Result<Value, Error> {
        self.fresh();
        match value.as_arc_str().filter(|_| value.is_template() && value.as_sealed().is_none()) {
            Some(text) => self.evaluate(text, value.origin(), Mode::Value),
            None => Ok(value.clone()),
        }
    }

    /// Like [`Templar::resolve`], but a value that needs something undefined is itself undefined and no error.
    pub fn resolve_or_undefined(&self, value: &Value) -> Result<Value, Error> {
        match self.resolve(value) {
            Err(error) if error.is_undefined() => Ok(undefined_by(error)),
            other => other,
        }
    }

    /// A variable, fully resolved; undefined if there is none or its template needs something undefined.
    pub fn variable(&self, name: &str) -> Result<Value, Error> {
        self.fresh();
        match self.variable_value(name)? {
            None => Ok(Value::undefined(name)),
            Some(value) if value.is_undefined() => Ok(value),
            Some(value) => self.resolve_or_undefined(&value),
        }
    }

    /// A condition (`when`, `failed_when`, `until`, `assert`): an expression without braces, or a boolean.
    pub fn condition(&self, condition: &Value) -> Result<bool, Error> {
        self.condition_value(condition).map(|result| result.is_true())
    }

    /// A condition's result as a boolean value.
    fn condition_value(&self, condition: &Value) -> Result<Value, Error> {
        self.fresh();
        let result = match condition.as_arc_str() {
            Some(text) => self.condition_text(condition, text)?,
            None => self.resolved(condition)?,
        };
        if result.as_bool().is_some() {
            return Ok(result);
        }
        if let Some(why) = result.as_undefined() {
            return Err(in_condition(Error::undefined(why)));
        }
        let truth = result.is_true();
        let message = format!(
            "Conditional result ({}) was derived from value of type '{}' at '{}'. Conditionals must have a boolean result.",
            Value::from(truth),
            result.type_name(),
            result
                .origin()
                .or(condition.origin())
                .map_or_else(|| "<unknown>".to_owned(), ToString::to_string),
        );
        if !self.environment.allow_broken_conditionals {
            let place = condition.origin().map(|origin| (**origin).clone());
            let hint = "Broken conditionals can be temporarily allowed with the `ALLOW_BROKEN_CONDITIONALS` \
                        configuration option.";
            let error = Error::new(ErrorKind::Condition, message).at(|| place);
            return Err(error.hinted(Some(hint.to_owned())));
        }
        self.note(message);
        Ok(Value::from(truth))
    }

    fn condition_text(&self, condition: &Value, text: &Arc<str>) -> Result<Value, Error> {
        let place = || condition.origin().map(|origin| (**origin).clone());
        if !condition.marks().has(Marks::TRUSTED) {
            let error = Error::new(
                ErrorKind::Condition,
                "Encountered untrusted template or expression. Templates and expressions must be defined by trusted \
                 sources such as playbooks or roles, not untrusted sources such as module results.",
            );
            return Err(error.at(place));
        }
        if text.trim().is_empty() {
            let error =
                Error::new(ErrorKind::Condition, "Empty conditional expressions are not allowed.");
            return Err(error.at(place));
        }
        if condition.is_template() && is_delimited(text) {
            self.deprecate(
                "Conditionals should not be surrounded by templating delimiters such as {{ }} or {% %}.",
            );
            let result = self.resolved(condition).map_err(in_condition)?;
            return self.condition_of_result(result);
        }
        self.evaluate(text, condition.origin(), Mode::Condition).map_err(in_condition)
    }

    /// What a condition in braces gave: a text is a condition once more, if it was written in a trusted source.
    fn condition_of_result(&self, result: Value) -> Result<Value, Error> {
        let Some(text) = result.as_arc_str() else { return Ok(result) };
        if !result.marks().has(Marks::TRUSTED) {
            let error =
                Error::new(ErrorKind::Condition, "Encountered untrusted template or expression.");
            let place = result.origin().map(|origin| (**origin).clone());
            return Err(error.at(|| place));
        }
        self.evaluate(text, result.origin(), Mode::Condition).map_err(in_condition)
    }

    /// An expression without braces, from a trusted source; undefined parts are errors.
    pub fn expression(&self, source: &str, origin: Option<Arc<Span>>) -> Result<Value, Error> {
        self.fresh();
        let value = self.evaluate(&source.into(), origin.as_ref(), Mode::Expression)?;
        self.resolve(&value)
    }

    /// An expression as `debug` shows it: what needs something undefined is replaced by a note about it.
    pub fn shown(&self, source: &str, origin: Option<Arc<Span>>) -> Result<Value, Error> {
        self.fresh();
        let mut replaced = 0;
        match self.evaluate(&source.into(), origin.as_ref(), Mode::Expression) {
            Ok(value) => self.shown_part(&value, &mut replaced, 0),
            Err(error) if error.is_undefined() => Ok(self.replaced(&error, &mut replaced)),
            Err(error) => Err(error),
        }
    }

    fn replaced(&self, error: &Error, count: &mut usize) -> Value {
        *count += 1;
        let text = format!("error {count} - {}", error.message());
        self.note(text.clone());
        Value::from(format!("<< {text} >>"))
    }

    fn shown_part(&self, value: &Value, count: &mut usize, depth: usize) -> Result<Value, Error> {
        if depth > MAX_DEPTH {
            return Err(Error::new(ErrorKind::Recursion, "a value is nested too deeply"));
        }
        if let Some(entries) = self.entries_of_object(value)? {
            let entries = entries.into_iter();
            let entries =
                entries.map(|(key, item)| Ok((key, self.shown_part(&item, count, depth + 1)?)));
            return Ok(Value::dict(entries.collect::<Result<_, Error>>()?));
        }
        let mut part = |part: &Value| self.shown_part(part, count, depth + 1);
        let shown = if let Some(items) = value.sequence() {
            Value::list(items.iter().map(part).collect::<Result<_, _>>()?)
        } else if let Some(dict) = value.as_dict() {
            let entries = dict.snapshot().into_iter();
            let entries = entries.map(|(key, item)| Ok((key, part(&item)?)));
            Value::dict(entries.collect::<Result<_, Error>>()?)
        } else {
            return match self.resolve(value) {
                Err(error) if error.is_undefined() => Ok(self.replaced(&error, count)),
                Ok(shown) if shown.is_omit() => {
                    self.note("A value could not be omitted: nothing stands in its place.");
                    Ok(Value::from("<<Omit>>"))
                }
                other => other,
            };
        };
        let own = value.marks().without(Marks::TEMPLATE | Marks::TRUSTED);
        Ok(shown.marked(own).with_origin(value.origin().cloned()))
    }

    /// What an object that acts as a dict holds: `vars`, `hostvars`.
    fn entries_of_object(&self, value: &Value) -> Result<Option<Vec<(Value, Value)>>, Error> {
        if value.downcast::<AllVariables>().is_some() {
            let names = self.names().into_iter();
            let entries = names.map(|name| {
                let found = self.variable_value(&name)?.unwrap_or_else(Value::none);
                Ok((Value::from(name), found))
            });
            return entries.collect::<Result<_, Error>>().map(Some);
        }
        let Some(object) = value.as_object() else { return Ok(None) };
        let Some(keys) = object.keys() else { return Ok(None) };
        let entries = keys.into_iter().filter_map(|key| {
            let found = object.get(&key)?;
            Some(found.map(|found| (key, found)))
        });
        entries.collect::<Result<_, Error>>().map(Some)
    }

    /// A lookup by name, as `with_NAME` calls it; templates in the terms are evaluated first. Gives a list.
    pub fn lookup(&self, name: &str, terms: Value) -> Result<Value, Error> {
        self.fresh();
        let terms = self.resolve(&terms)?;
        let run = Run::new(self);
        let template = compiled(&"".into(), Mode::Value).map_err(|(error, _)| error)?;
        let unit = Unit { template, origin: terms.origin().cloned(), options: None };
        let scope = Scope::new(&run, unit);
        let result = scope.call_lookup(name, terms, crate::Args::default())?;
        finalized(result)
    }

    /// The text of a whole template file (action `template`); a `#jinja2:` line in it overrides the options.
    pub fn render_template(
        &self,
        file: &Arc<yaml::SourceFile>,
        options: &TemplateOptions,
    ) -> Result<Value, Error> {
        let rendered = self.render_output(file, options, true)?;
        Ok(if rendered.is_none() { Value::from("") } else { rendered })
    }

    /// What a template file puts out, or `None` if it puts out nothing. `as_text`: it is text even if it is one value.
    pub(crate) fn render_output(
        &self,
        file: &Arc<yaml::SourceFile>,
        options: &TemplateOptions,
        as_text: bool,
    ) -> Result<Value, Error> {
        self.fresh();
        let (options, start) = header::overrides(file, options)?;
        let options = Rc::new(options);
        let unit = unit_of_file(file, start, &options)?;
        let _depth = self.enter(1)?;
        let run = Run::new(self);
        let template = unit.template.clone();
        let output = Scope::new(&run, unit).run_output(as_text).map_err(in_rendering)?;
        if output.is_untouched() {
            return Ok(Value::none());
        }
        let result = with_trailing_newlines(output.finish(), &template);
        if options.newline_sequence == "\n" {
            return Ok(result);
        }
        let text = result.to_string().replace('\n', &options.newline_sequence);
        Ok(Value::from(text).marked(result.marks()))
    }

    /// Things that the user should hear, collected since the last call.
    pub fn take_notes(&self) -> Vec<String> {
        self.notes.take()
    }

    /// What ansible-core will not do for ever, used since the last call.
    pub fn take_deprecations(&self) -> Vec<String> {
        self.deprecations.take()
    }

    pub(crate) fn note(&self, text: impl Into<String>) {
        collect(&self.notes, text.into());
    }

    fn deprecate(&self, text: &str) {
        collect(&self.deprecations, text.to_owned());
    }

    pub(crate) fn mark_volatile(&self) {
        self.volatile.set(self.volatile.get() + 1);
    }

    /// Starts the counters anew: the limits are for one call from outside.
    fn fresh(&self) {
        if self.active.borrow().is_empty() && DEPTH.get() == 0 {
            self.steps.set(0);
            self.deadline.set(None);
        }
    }

    /// Counts a step of work.
    pub(crate) fn step(&self) -> Result<(), Error> {
        let steps = self.steps.get() + 1;
        self.steps.set(steps);
        if steps > self.environment.limits.steps {
            return Err(Error::new(
                ErrorKind::Limit,
                format!("a template took more than {} steps", self.environment.limits.steps),
            ));
        }
        if steps.is_multiple_of(4096) {
            let now = Instant::now();
            match self.deadline.get() {
                None => self.deadline.set(Some(now + self.environment.limits.time)),
                Some(deadline) if now > deadline => {
                    return Err(Error::new(
                        ErrorKind::Limit,
                        format!("a template took longer than {:?}", self.environment.limits.time),
                    ));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Goes deeper by so much; an error where the stack would end.
    pub(crate) fn enter(&self, weight: u32) -> Result<Level, Error> {
        let depth = DEPTH.get() + weight;
        if depth > self.environment.limits.depth {
            return Err(Error::new(ErrorKind::Recursion, "maximum recursion depth exceeded"));
        }
        DEPTH.set(depth);
        Ok(Level(weight))
    }

    /// A variable as an expression sees it: its own template evaluated, those inside a container not yet.
    pub(crate) fn variable_value(&self, name: &str) -> Result<Option<Value>, Error> {
        let Some(raw) = self.cached(name).or_else(|| self.variables.get(name)) else {
            return Ok(None);
        };
        if !raw.is_template() || raw.as_str().is_none() {
            return Ok(Some(raw));
        }
        let volatile = self.volatile.get();
        let value = self.evaluated_text(raw, || name.to_owned())?;
        if volatile == self.volatile.get() {
            self.cache.borrow_mut().insert(name.into(), value.clone());
        }
        Ok(Some(value))
    }

    fn cached(&self, name: &str) -> Option<Value> {
        self.cache.borrow().get(name).cloned()
    }

    /// The value of a text that may be a template; undefined if the template needs something undefined.
    pub(crate) fn evaluated_text(
        &self,
        value: Value,
        label: impl FnOnce() -> String,
    ) -> Result<Value, Error> {
        match self.text(&value, label) {
            Err(error) if error.is_undefined() => Ok(undefined_by(error)),
            other => other,
        }
    }

    /// Evaluates a text if it is a template.
    fn text(&self, value: &Value, label: impl FnOnce() -> String) -> Result<Value, Error> {
        let Some(text) = value.as_arc_str().filter(|_| value.is_template()) else {
            return Ok(value.clone());
        };
        if value.marks().has(Marks::UNKNOWN) {
            return Err(Error::unknown(Some(text), value.origin()));
        }
        if let Some(sealed) = value.as_sealed() {
            return self.opened(value, sealed);
        }
        let is_active = self.active.borrow().iter().any(|(active, _)| Arc::ptr_eq(active, text));
        let label = label();
        if is_active {
            return Err(self.cycle(text, &label, value));
        }
        self.active.borrow_mut().push((text.clone(), label));
        let result = self.evaluate(text, value.origin(), Mode::Value);
        let label = self.active.borrow_mut().pop().map(|(_, label)| label).unwrap_or_default();
        let own = value.marks().without(Marks::TEMPLATE | Marks::TRUSTED);
        match result.and_then(|result| self.resolved(&result)) {
            Ok(result) => Ok(result.marked(own)),
            Err(error) if self.active.borrow().is_empty() && label.is_empty() => Err(error),
            Err(error) => {
                let place = value.origin().map(|origin| (**origin).clone());
                let text = if label.is_empty() {
                    "while evaluating this template".to_owned()
                } else {
                    format!("while evaluating {label}")
                };
                Err(error.noted(text, place))
            }
        }
    }

    /// What an encrypted text hides: data, never a template.
    fn opened(&self, value: &Value, sealed: &Arc<str>) -> Result<Value, Error> {
        let marks = value.marks().without(Marks::TEMPLATE | Marks::TRUSTED);
        match self.environment.vault().open_text(sealed) {
            Ok(text) => Ok(Value::from(text).marked(marks).with_origin(value.origin().cloned())),
            Err(error) => {
                let message = format!("Attempt to use undecryptable variable: {error}");
                let place = || value.origin().map(|origin| (**origin).clone());
                Err(Error::new(ErrorKind::Locked { sealed: sealed.clone() }, message).at(place))
            }
        }
    }

    fn cycle(&self, text: &Arc<str>, label: &str, value: &Value) -> Error {
        let active = self.active.borrow();
        let start = active.iter().position(|(known, _)| Arc::ptr_eq(known, text)).unwrap_or(0);
        let mut chain: Vec<&str> =
            active[start..].iter().map(|(_, label)| label.as_str()).collect();
        chain.push(label);
        let chain: Vec<&str> = chain.into_iter().filter(|label| !label.is_empty()).collect();
        let place = value.origin().map(|origin| (**origin).clone());
        Error::new(
            ErrorKind::Recursion,
            format!("Recursive loop detected in template: {}", chain.join(" -> ")),
        )
        .at(|| place)
    }

    fn evaluate(
        &self,
        text: &Arc<str>,
        origin: Option<&Arc<Span>>,
        mode: Mode,
    ) -> Result<Value, Error> {
        self.evaluate_at(text, origin, mode)
            .map_err(|error| error.inside(origin.map(|origin| &**origin)))
    }

    fn evaluate_at(
        &self,
        text: &Arc<str>,
        origin: Option<&Arc<Span>>,
        mode: Mode,
    ) -> Result<Value, Error> {
        let _depth = self.enter(3)?;
        let template = compiled(text, mode).map_err(|(error, extent)| {
            let place = || origin.map(|origin| locate(origin, text, extent.range()));
            error.at(place)
        })?;
        let run = Run::new(self);
        let unit = Unit { template: template.clone(), origin: origin.cloned(), options: None };
        let scope = Scope::new(&run, unit);
        let result = match (&*template.body, mode) {
            ([Stmt::Emit(node)], _) => scope.eval(node),
            _ => scope.run(false),
        }
        .map_err(in_rendering)?;
        if let Some(why) = result.as_undefined() {
            let extent = match &*template.body {
                [Stmt::Emit(node)] => culprit(node, why).extent,
                _ => Extent::default(),
            };
            let place = || origin.map(|origin| locate(origin, text, extent.range()));
            return Err(Error::undefined(why).at(place));
        }
        Ok(if mode == Mode::Value { with_trailing_newlines(result, &template) } else { result })
    }

    /// Every template inside evaluated. Containers are cached by their identity.
    pub(crate) fn resolved(&self, value: &Value) -> Result<Value, Error> {
        if !value.is_template() {
            return Ok(value.clone());
        }
        let _depth = self.enter(1)?;
        let id = match (value.as_list(), value.as_dict(), value.as_tuple()) {
            (Some(list), ..) => list.id(),
            (_, Some(dict), _) => dict.id(),
            (.., Some(items)) => {
                let items = items.iter().map(|item| self.resolved(item));
                return Ok(Value::tuple(items.collect::<Result<_, _>>()?));
            }
            _ => return self.text(value, String::new),
        };
        if let Some((_, known)) = self.containers.borrow().get(&id) {
            return Ok(known.clone());
        }
        let volatile = self.volatile.get();
        let result = self.resolved_container(value)?;
        if volatile == self.volatile.get() {
            self.containers.borrow_mut().insert(id, (value.clone(), result.clone()));
        }
        Ok(result)
    }

    fn resolved_container(&self, value: &Value) -> Result<Value, Error> {
        let result = if let Some(list) = value.as_list() {
            let items = list.snapshot();
            Value::list(items.iter().map(|item| self.resolved(item)).collect::<Result<_, _>>()?)
        } else {
            let entries = value.as_dict().map(crate::Dict::snapshot).unwrap_or_default();
            let entries =
                entries.iter().map(|(key, item)| Ok((self.resolved(key)?, self.resolved(item)?)));
            Value::dict(entries.collect::<Result<_, Error>>()?)
        };
        let own = value.marks().without(Marks::TEMPLATE | Marks::TRUSTED);
        Ok(result.marked(own).with_origin(value.origin().cloned()))
    }
}

fn collect(texts: &RefCell<Vec<String>>, text: String) {
    let mut texts = texts.borrow_mut();
    if !texts.contains(&text) && texts.len() < 100 {
        texts.push(text);
    }
}

/// ansible-core keeps the newlines at the end of a text, of which Jinja takes one away.
fn with_trailing_newlines(result: Value, template: &Template) -> Value {
    if template.trailing_newlines == 0 {
        return result;
    }
    let Some(text) = result.as_str() else { return result };
    let has = text.len() - text.trim_end_matches('\n').len();
    let missing = template.trailing_newlines.saturating_sub(has);
    if missing == 0 {
        return result;
    }
    let text = format!("{text}{}", "\n".repeat(missing));
    Value::from(text).marked(result.marks().without(Marks::TRUSTED))
}

fn undefined_by(error: Error) -> Value {
    let name = match error.kind() {
        ErrorKind::Undefined { name } => name.clone(),
        _ => "".into(),
    };
    Value::from(Undefined { name, reason: Reason::Inner(error) })
}

/// Whether a condition is written with braces all around.
fn is_delimited(text: &str) -> bool {
    let text = text.trim();
    [("{{", "}}"), ("{%", "%}")]
        .iter()
        .any(|(start, end)| text.strip_prefix(start).is_some_and(|rest| rest.ends_with(end)))
}

fn in_condition(error: Error) -> Error {
    if error.is_undefined() {
        error.prefixed("Error while evaluating conditional: ")
    } else {
        error
    }
}

/// A failure of an operator says that it happened while a template was rendered.
fn in_rendering(error: Error) -> Error {
    let own = matches!(
        error.kind(),
        ErrorKind::Type
            | ErrorKind::Value
            | ErrorKind::Limit
            | ErrorKind::NotFound
            | ErrorKind::Locked { .. }
    ) && !error.message().contains(" plugin '");
    if own { error.prefixed("Error rendering template: ") } else { error }
}

/// A result as it leaves the evaluation: nothing undefined in it, omitted elements left out, tuples as lists.
pub(crate) fn finalized(value: Value) -> Result<Value, Error> {
    match finalize(&value, 0)? {
        Some(changed) => Ok(changed),
        None => Ok(value),
    }
}

/// `None`: nothing had to change, and nothing is copied.
fn finalize(value: &Value, depth: usize) -> Result<Option<Value>, Error> {
    if depth > MAX_DEPTH {
        return Err(Error::new(ErrorKind::Recursion, "a value is nested too deeply"));
    }
    let changed = if let Some(why) = value.as_undefined() {
        return Err(Error::undefined(why));
    } else if let Some(list) = value.as_list() {
        finalize_items(&list.read(), depth)?.map(Value::list)
    } else if let Some(items) = value.as_tuple() {
        Some(Value::list(finalize_items(items, depth)?.unwrap_or_else(|| items.to_vec())))
    } else if let Some(dict) = value.as_dict() {
        finalize_entries(&dict.read(), depth)?.map(Value::dict)
    } else if let Some(object) = value.as_object().filter(|object| !object.is_storable()) {
        return Err(Error::type_error(format!(
            "Type '{}' is unsupported for variable storage.",
            object.type_name()
        )));
    } else {
        None
    };
    let own = value.marks().without(Marks::TEMPLATE | Marks::TRUSTED);
    Ok(changed.map(|changed| changed.marked(own).with_origin(value.origin().cloned())))
}

fn finalize_items(items: &[Value], depth: usize) -> Result<Option<Vec<Value>>, Error> {
    let mut copy: Option<Vec<Value>> = None;
    for (at, item) in items.iter().enumerate() {
        let changed = finalize(item, depth + 1)?;
        if copy.is_none() && (changed.is_some() || item.is_omit()) {
            copy = Some(items[..at].to_vec());
        }
        if let Some(copy) = &mut copy
            && !item.is_omit()
        {
            copy.push(changed.unwrap_or_else(|| item.clone()));
        }
    }
    Ok(copy)
}

fn finalize_entries(map: &Map, depth: usize) -> Result<Option<Map>, Error> {
    let mut copy: Option<Map> = None;
    for (at, (key, item)) in map.iter().enumerate() {
        let changed = finalize(item, depth + 1)?;
        if copy.is_none() && (changed.is_some() || item.is_omit()) {
            copy = Some(map.iter().take(at).map(|(k, v)| (k.clone(), v.clone())).collect());
        }
        if let Some(copy) = &mut copy
            && !item.is_omit()
        {
            copy.insert(key.clone(), changed.unwrap_or_else(|| item.clone()));
        }
    }
    Ok(copy)
}
