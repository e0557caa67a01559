//! The evaluator: walks the tree, reads variables lazily, and hands marks on.
//!
//! A [`Scope`] is one template at work: its top-level names, its local frames, and the run it belongs to.

pub(crate) mod access;
mod expression;
mod loops;
mod macros;
mod operators;
mod output;
mod plugins;
mod statement;
mod templates;

use std::cell::{OnceCell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, PoisonError, RwLock};

use yaml::{SourceFile, Span};

pub(crate) use access::index;
pub(crate) use expression::culprit;
pub(crate) use operators::contains;
pub(crate) use output::Output;
pub(crate) use templates::unit_of_file;

use crate::ast::{Body, Extent, Template};
use crate::controller::Controller;
use crate::environment::Environment;
use crate::error::{Error, ErrorKind};
use crate::origin;
use crate::templar::{Templar, TemplateOptions};
use crate::value::{Marks, Value};
use templates::Blocks;

/// Names and values of one level: a loop's round, a macro's arguments.
pub(crate) type Frame = Vec<(Arc<str>, Value)>;

/// The top-level names of a template: what `{% set %}` and `{% macro %}` define and others may import.
#[derive(Default)]
pub(crate) struct Module(RwLock<Frame>);

impl Module {
    pub(crate) fn get(&self, name: &str) -> Option<Value> {
        find(&self.0.read().unwrap_or_else(PoisonError::into_inner), name)
    }

    fn set(&self, name: &Arc<str>, value: Value) {
        assign(&mut self.0.write().unwrap_or_else(PoisonError::into_inner), name, value);
    }

    fn names(&self) -> Vec<Arc<str>> {
        let frame = self.0.read().unwrap_or_else(PoisonError::into_inner);
        frame.iter().map(|(name, _)| name.clone()).collect()
    }

    fn clear(&self) {
        let frame = std::mem::take(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner));
        drop(frame);
    }
}

fn find(frame: &Frame, name: &str) -> Option<Value> {
    frame.iter().rev().find(|(known, _)| **known == *name).map(|(_, value)| value.clone())
}

fn assign(frame: &mut Frame, name: &Arc<str>, value: Value) {
    match frame.iter_mut().find(|(known, _)| known == name) {
        Some((_, slot)) => *slot = value,
        None => frame.push((name.clone(), value)),
    }
}

/// One evaluation from the outside: a value, a condition, a template file; with everything that these include.
pub(crate) struct Run<'a> {
    templar: &'a Templar<'a>,
    /// Copies of variables, for templates that change lists and dicts: the variables themselves stay as they are.
    thawed: RefCell<Frame>,
    /// Every module of the run: macros hold their module and modules their macros, so the end of the run parts them.
    modules: RefCell<Vec<Arc<Module>>>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(templar: &'a Templar<'a>) -> Self {
        Self { templar, thawed: RefCell::default(), modules: RefCell::default() }
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        for module in self.modules.take() {
            module.clear();
        }
    }
}

/// A template and where its text was written.
#[derive(Clone)]
pub(crate) struct Unit {
    pub(crate) template: Arc<Template>,
    pub(crate) origin: Option<Arc<Span>>,
    /// The options of a template file, which its includes share.
    pub(crate) options: Option<Rc<TemplateOptions>>,
}

/// What a filter, test, lookup or function sees of the evaluation that called it.
pub struct Scope<'a> {
    run: &'a Run<'a>,
    unit: Unit,
    module: OnceCell<Arc<Module>>,
    locals: RefCell<Vec<Frame>>,
    blocks: Option<Rc<Blocks>>,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(run: &'a Run<'a>, unit: Unit) -> Self {
        Self { run, unit, module: OnceCell::new(), locals: RefCell::default(), blocks: None }
    }

    /// The templar at work.
    pub fn templar(&self) -> &'a Templar<'a> {
        self.run.templar
    }

    /// The tables of names.
    pub fn environment(&self) -> &'a Environment {
        self.run.templar.environment()
    }

    /// The controller's files and commands.
    pub fn controller(&self) -> &'a dyn Controller {
        self.run.templar.controller()
    }

    /// Tells the user something once the evaluation is over: a deprecation, a warning.
    pub fn note(&self, text: impl Into<String>) {
        self.run.templar.note(text.into());
    }

    /// The directory of the template file at work, if it is one.
    pub(crate) fn directory(&self) -> Option<PathBuf> {
        self.unit.options.as_ref()?;
        self.file()?.path.parent().map(PathBuf::from)
    }

    fn file(&self) -> Option<&Arc<SourceFile>> {
        self.unit.origin.as_ref().map(|origin| &origin.file)
    }

    /// The place in the user's file.
    fn place(&self, extent: Extent) -> Option<Span> {
        let origin = self.unit.origin.as_ref()?;
        Some(origin::locate(origin, &self.unit.template.source, extent.range()))
    }

    fn module(&self) -> &Arc<Module> {
        self.module.get_or_init(|| {
            let module = Arc::<Module>::default();
            self.run.modules.borrow_mut().push(module.clone());
            module
        })
    }

    /// The value of a name: local, of the template, of the host, or global; undefined if there is none.
    pub fn variable(&self, name: &str) -> Result<Value, Error> {
        for frame in self.locals.borrow().iter().rev() {
            if let Some(value) = find(frame, name) {
                return Ok(value);
            }
        }
        if let Some(value) = self.module.get().and_then(|module| module.get(name)) {
            return Ok(value);
        }
        if self.unit.template.mutates {
            return self.thawed(name);
        }
        self.outer_variable(name)
    }

    fn outer_variable(&self, name: &str) -> Result<Value, Error> {
        if let Some(value) = self.run.templar.variable_value(name)? {
            return Ok(value);
        }
        Ok(match self.environment().find_global(name) {
            Some(global) => global.clone(),
            None => Value::undefined(name),
        })
    }

    /// The run's own copy of a variable that the template might change.
    fn thawed(&self, name: &str) -> Result<Value, Error> {
        if let Some(value) = find(&self.run.thawed.borrow(), name) {
            return Ok(value);
        }
        let value = self.outer_variable(name)?;
        if value.as_list().is_none() && value.as_dict().is_none() {
            return Ok(value);
        }
        let copy = deep_copy(&value, 0)?;
        self.run.thawed.borrow_mut().push((name.into(), copy.clone()));
        Ok(copy)
    }

    /// Sets a name: in the innermost frame, or at the template's top level.
    fn set(&self, name: &Arc<str>, value: Value) {
        match self.locals.borrow_mut().last_mut() {
            Some(frame) => assign(frame, name, value),
            None => self.module().set(name, value),
        }
    }

    /// Runs with a new frame, which is gone afterwards.
    fn framed<T>(&self, frame: Frame, run: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        self.locals.borrow_mut().push(frame);
        let result = run();
        self.locals.borrow_mut().pop();
        result
    }

    /// Counts a step of work; an error if the evaluation takes too many or too long.
    pub(crate) fn step(&self) -> Result<(), Error> {
        self.run.templar.step()
    }

    /// Checks the size of something that is about to be made.
    pub(crate) fn check_size(&self, size: usize) -> Result<(), Error> {
        let limit = self.environment().limits.output;
        if size > limit {
            return Err(Error::new(
                ErrorKind::Limit,
                format!("the result of a template is larger than {limit} bytes"),
            ));
        }
        Ok(())
    }

    /// Runs a body into an output of its own and gives what it made: its one value, or its text.
    fn capture(&self, body: &Body) -> Result<Value, Error> {
        let mut output = Output::new(false);
        self.statements(body, &mut output)?;
        Ok(output.finish())
    }

    /// Evaluates the whole template.
    pub(crate) fn run(&self, text_only: bool) -> Result<Value, Error> {
        self.run_output(text_only).map(Output::finish)
    }

    /// Evaluates the whole template; the output knows whether there was any.
    pub(crate) fn run_output(&self, text_only: bool) -> Result<Output, Error> {
        let mut output = Output::new(text_only);
        self.template(&mut output)?;
        Ok(output)
    }
}

/// A copy that shares no list and no dict with the original.
pub(crate) fn deep_copy(value: &Value, depth: usize) -> Result<Value, Error> {
    if depth > crate::value::MAX_DEPTH {
        return Err(Error::new(ErrorKind::Recursion, "a value is nested too deeply to copy"));
    }
    let copy = if let Some(list) = value.as_list() {
        let items = list.snapshot();
        Value::list(items.iter().map(|item| deep_copy(item, depth + 1)).collect::<Result<_, _>>()?)
    } else if let Some(dict) = value.as_dict() {
        let entries = dict.snapshot().into_iter();
        let entries = entries.map(|(key, item)| Ok((key, deep_copy(&item, depth + 1)?)));
        Value::dict(entries.collect::<Result<_, Error>>()?)
    } else {
        return Ok(value.clone());
    };
    Ok(copy.marked(value.marks()).with_origin(value.origin().cloned()))
}

/// Hands marks on to something computed: a scalar from any part of its input, a container only from the whole of it.
pub(crate) fn tainted(result: Value, from: Marks) -> Value {
    const TAINT: Marks = Marks::SECRET;
    if !from.any(TAINT | Marks::HOLDS_SECRET) {
        return result;
    }
    let marks = match result.kind() {
        crate::value::Kind::List | crate::value::Kind::Dict | crate::value::Kind::Tuple => {
            from.to_element()
        }
        // Whether something holds is no secret, and hiding every `True` would hide everything.
        crate::value::Kind::Bool | crate::value::Kind::None => {
            from.to_scalar().without(Marks::SECRET)
        }
        _ => from.to_scalar(),
    };
    result.marked(marks)
}
