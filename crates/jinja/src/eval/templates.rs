//! Templates that use others: include, import, extends and blocks.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use yaml::SourceFile;

use crate::args::Args;
use crate::ast::{Body, Node};
use crate::compile::{Mode, compile_with, compiled};
use crate::controller::SearchKind;
use crate::error::{Error, ErrorKind};
use crate::eval::{Frame, Module, Output, Scope, Unit};
use crate::templar::TemplateOptions;
use crate::value::{Object, Value};

/// The blocks of a chain of templates: for each name the youngest first.
#[derive(Default)]
pub(super) struct Blocks {
    names: RefCell<Vec<(Arc<str>, Vec<Layer>)>>,
    /// The parent that the template at work asked for.
    parent: RefCell<Option<Unit>>,
    /// Everything outside blocks is left out once a parent is known.
    depth: Cell<u32>,
}

#[derive(Clone)]
struct Layer {
    unit: Unit,
    module: Arc<Module>,
    body: Body,
}

impl Blocks {
    fn add(&self, unit: &Unit, module: &Arc<Module>) {
        let mut names = self.names.borrow_mut();
        for (name, body) in &unit.template.blocks {
            let layer = Layer { unit: unit.clone(), module: module.clone(), body: body.clone() };
            match names.iter_mut().find(|(known, _)| known == name) {
                Some((_, layers)) => layers.push(layer),
                None => names.push((name.clone(), vec![layer])),
            }
        }
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.names.borrow().iter().position(|(known, _)| **known == *name)
    }

    fn layer(&self, name: usize, layer: usize) -> Option<Layer> {
        self.names.borrow().get(name)?.1.get(layer).cloned()
    }
}

/// A template's top-level names as an object: `{% import 'x' as x %}`.
struct Imported {
    name: String,
    module: Arc<Module>,
}

impl Object for Imported {
    fn type_name(&self) -> &'static str {
        "TemplateModule"
    }

    fn get(&self, key: &Value) -> Option<Result<Value, Error>> {
        self.module.get(key.as_str()?).map(Ok)
    }

    fn text(&self) -> String {
        format!("<TemplateModule '{}'>", self.name)
    }

    fn is_true(&self) -> bool {
        true
    }
}

/// `super()`: the same block in the template that this one extends.
struct Super {
    name: usize,
    layer: usize,
}

impl Object for Super {
    fn type_name(&self) -> &'static str {
        "BlockReference"
    }

    fn call(&self, scope: &Scope<'_>, _args: Args) -> Result<Value, Error> {
        let mut output = Output::new(true);
        scope.run_layer(self.name, self.layer, &mut output)?;
        Ok(output.finish())
    }

    fn is_callable(&self) -> bool {
        true
    }
}

/// `self`: the blocks by name.
struct SelfReference(Vec<Arc<str>>);

impl Object for SelfReference {
    fn type_name(&self) -> &'static str {
        "TemplateReference"
    }

    fn get(&self, key: &Value) -> Option<Result<Value, Error>> {
        let name = self.0.iter().position(|name| key.as_str() == Some(name))?;
        Some(Ok(Value::object(Arc::new(Super { name, layer: 0 }))))
    }
}

impl Scope<'_> {
    /// Runs a whole template, with the parents it extends.
    pub(super) fn template(&self, output: &mut Output) -> Result<(), Error> {
        if self.unit.template.blocks.is_empty() && self.blocks.is_none() {
            // Without blocks of its own a template can still extend another; `extends` then needs the chain.
            if !extends_another(&self.unit.template.body) {
                self.statements(&self.unit.template.body, output)?;
                return Ok(());
            }
        }
        let blocks = Rc::new(Blocks::default());
        let mut unit = self.unit.clone();
        let mut module = self.module().clone();
        loop {
            blocks.add(&unit, &module);
            let scope = self.sibling(unit, module, &blocks);
            let names = blocks.names.borrow().iter().map(|(name, _)| name.clone()).collect();
            let reference = Value::object(Arc::new(SelfReference(names)));
            scope.module().set(&Arc::from("self"), reference);
            let mut own = Output::new(true);
            scope.statements(&scope.unit.template.body, &mut own)?;
            match blocks.parent.take() {
                Some(parent) => unit = parent,
                None => {
                    let text = own.finish();
                    return output.push(self, text);
                }
            }
            // Names that a child sets are seen in its parents' blocks.
            module = scope.module().clone();
        }
    }

    fn sibling(&self, unit: Unit, module: Arc<Module>, blocks: &Rc<Blocks>) -> Self {
        let mut scope = Self::new(self.run, unit);
        scope.module = module.into();
        scope.locals.borrow_mut().clone_from(&self.locals.borrow());
        scope.blocks = Some(blocks.clone());
        scope
    }

    pub(super) fn extends(&self, node: &Node) -> Result<(), Error> {
        let name = self.forced(node)?;
        let unit = self.load(&name).map_err(|error| error.at(|| self.place(node.extent)))?;
        let Some(blocks) = &self.blocks else {
            return Err(Error::syntax("a template can be extended at the top level only"));
        };
        blocks.depth.set(blocks.depth.get() + 1);
        if blocks.depth.get() > 20 {
            return Err(Error::new(ErrorKind::Recursion, "templates extend each other"));
        }
        *blocks.parent.borrow_mut() = Some(unit);
        Ok(())
    }

    pub(super) fn block(&self, name: &Arc<str>, output: &mut Output) -> Result<(), Error> {
        let Some(blocks) = &self.blocks else {
            return Err(Error::syntax(format_args!("block '{name}' is not at the top level")));
        };
        // A child's own rendering of its blocks is thrown away: its parent says where they go.
        if blocks.parent.borrow().is_some() {
            return Ok(());
        }
        match blocks.index(name) {
            Some(index) => self.run_layer(index, 0, output),
            None => Ok(()),
        }
    }

    fn run_layer(&self, name: usize, layer: usize, output: &mut Output) -> Result<(), Error> {
        let _depth = self.templar().enter(4)?;
        let blocks = self.blocks.as_ref().ok_or_else(|| Error::syntax("there is no block here"))?;
        let Some(found) = blocks.layer(name, layer) else {
            return Err(Error::from_undefined("super", "there is no parent block called"));
        };
        let scope = self.sibling(found.unit, found.module, blocks);
        let reference = Value::object(Arc::new(Super { name, layer: layer + 1 }));
        scope.framed(vec![(Arc::from("super"), reference)], || {
            scope.statements(&found.body, output).map(drop)
        })
    }

    pub(super) fn include(
        &self,
        node: &Node,
        ignore_missing: bool,
        output: &mut Output,
    ) -> Result<(), Error> {
        let name = self.forced(node)?;
        let unit = match self.load(&name) {
            Ok(unit) => unit,
            Err(error) if ignore_missing && *error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.at(|| self.place(node.extent))),
        };
        let _depth = self.templar().enter(4)?;
        let scope = Self::new(self.run, unit);
        // The included template sees every name of this one, and its own stay with it.
        let mut frames: Vec<Frame> = Vec::new();
        if let Some(module) = self.module.get() {
            frames.push(module.0.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone());
        }
        frames.extend(self.locals.borrow().iter().cloned());
        frames.push(Frame::new());
        *scope.locals.borrow_mut() = frames;
        let text = scope.run(true)?;
        output.push(self, text)
    }

    pub(super) fn import(&self, node: &Node) -> Result<Value, Error> {
        let name = self.forced(node)?;
        let unit = self.load(&name).map_err(|error| error.at(|| self.place(node.extent)))?;
        let _depth = self.templar().enter(4)?;
        let scope = Self::new(self.run, unit);
        scope.run(true)?;
        let module = scope.module().clone();
        Ok(Value::object(Arc::new(Imported { name: name.to_string(), module })))
    }

    pub(super) fn import_names(
        &self,
        node: &Node,
        names: &[(Arc<str>, Arc<str>)],
    ) -> Result<(), Error> {
        let imported = self.import(node)?;
        let module = imported.downcast::<Imported>().expect("import gives modules");
        for (name, alias) in names {
            let value = module.module.get(name).unwrap_or_else(|| {
                let known = module.module.names();
                let hint = crate::error::nearest(name, known.iter().map(AsRef::as_ref));
                Value::undefined_because(
                    name,
                    format!(
                        "the template '{}' does not export the requested name '{name}'{}",
                        module.name,
                        hint.map(|hint| format!(", {hint}")).unwrap_or_default()
                    ),
                )
            });
            self.set(alias, value);
        }
        Ok(())
    }

    /// Finds and parses a template: the first of several names that exists.
    fn load(&self, name: &Value) -> Result<Unit, Error> {
        let names = match name.sequence() {
            Some(names) => names,
            None => vec![name.clone()],
        };
        for name in &names {
            if let Some(unit) = self.load_one(&name.to_string())? {
                return Ok(unit);
            }
        }
        let listed = names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let searched = self.controller().search_path();
        let searched: Vec<String> =
            searched.iter().map(|path| path.display().to_string()).collect();
        Err(Error::new(
            ErrorKind::NotFound,
            format!("'{listed}' not found in search path: '{}'", searched.join("', '")),
        ))
    }

    fn load_one(&self, name: &str) -> Result<Option<Unit>, Error> {
        let beside = self.directory().map(|directory| directory.join(name));
        let Some(path) = beside
            .filter(|path| path.is_file())
            .or_else(|| self.controller().find(SearchKind::Templates, name))
        else {
            return Ok(None);
        };
        let options = match &self.unit.options {
            Some(options) => options.clone(),
            None => Rc::new(TemplateOptions::default()),
        };
        let file = self.read_source(&path)?;
        // The newline at a file's end belongs to the file, not to the place that includes it.
        let options = if options.keep_trailing_newline {
            Rc::new(TemplateOptions { keep_trailing_newline: false, ..(*options).clone() })
        } else {
            options
        };
        unit_of_file(&file, 0, &options).map(Some)
    }

    fn read_source(&self, path: &Path) -> Result<Arc<SourceFile>, Error> {
        let unreadable = |reason: String| {
            Error::new(
                ErrorKind::Lookup,
                format!("cannot read template '{}': {reason}", path.display()),
            )
        };
        let bytes = self.controller().read(path).map_err(|error| unreadable(error.to_string()))?;
        let opened = self.environment().vault().content(bytes);
        let (bytes, was_sealed) = opened.map_err(|error| unreadable(error.to_string()))?;
        let file = SourceFile::from_bytes(path, &bytes);
        let file = file.map_err(|error| unreadable(error.to_string()))?;
        Ok(if was_sealed { file.into_secret() } else { file })
    }
}

/// Parses a template file from an offset on; its errors have places in it.
pub(crate) fn unit_of_file(
    file: &Arc<SourceFile>,
    start: usize,
    options: &Rc<TemplateOptions>,
) -> Result<Unit, Error> {
    let written = file.text.get(start..).unwrap_or_default();
    let text: Arc<str> = if written.contains('\r') {
        written.replace("\r\n", "\n").replace('\r', "\n").into()
    } else if start == 0 {
        file.text.clone()
    } else {
        written.into()
    };
    let origin = Arc::new(file.span(start, file.text.len()));
    let template = if **options == TemplateOptions::default() {
        compiled(&text, Mode::File)
    } else if **options == TemplateOptions::included() {
        compiled(&text, Mode::Included)
    } else {
        compile_with(&text, options, Mode::File).map(Arc::new)
    };
    match template {
        Ok(template) => Ok(Unit { template, origin: Some(origin), options: Some(options.clone()) }),
        Err((error, extent)) => {
            Err(error.at(|| Some(crate::origin::locate(&origin, &text, extent.range()))))
        }
    }
}

fn extends_another(body: &Body) -> bool {
    body.iter().any(|statement| match statement {
        crate::ast::Stmt::Extends(_) => true,
        crate::ast::Stmt::If(branches, otherwise) => {
            branches.iter().any(|(_, body)| extends_another(body)) || extends_another(otherwise)
        }
        _ => false,
    })
}
