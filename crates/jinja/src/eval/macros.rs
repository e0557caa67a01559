//! Macros: definitions with the names around them, called like functions.

use std::sync::Arc;

use crate::args::Args;
use crate::ast::Macro;
use crate::error::{Error, ErrorKind};
use crate::eval::{Frame, Module, Scope};
use crate::value::{Object, Value};

/// A macro as a value. It keeps the text it stands in, its module and the local names where it was defined.
pub(crate) struct MacroValue {
    definition: Arc<Macro>,
    template: Arc<crate::ast::Template>,
    origin: Option<Arc<yaml::Span>>,
    /// The options of the template file; `None` in a value of a playbook.
    in_file: Option<crate::templar::TemplateOptions>,
    module: Arc<Module>,
    captured: Vec<Frame>,
}

impl MacroValue {
    pub(super) fn define(scope: &Scope<'_>, definition: &Arc<Macro>) -> Value {
        Value::object(Arc::new(Self {
            definition: definition.clone(),
            template: scope.unit.template.clone(),
            origin: scope.unit.origin.clone(),
            in_file: scope.unit.options.as_deref().cloned(),
            module: scope.module().clone(),
            captured: scope.locals.borrow().clone(),
        }))
    }

    fn bind(&self, scope: &Scope<'_>, mut args: Args) -> Result<Frame, Error> {
        let definition = &self.definition;
        let caller = args.take_named("caller");
        let mut frame = Frame::with_capacity(definition.parameters.len() + 3);
        for (name, default) in &definition.parameters {
            let value = match (args.take(name), default) {
                (Some(value), _) => value,
                (None, Some(default)) => scope.framed(frame.clone(), || scope.eval(default))?,
                (None, None) => {
                    Value::undefined_because(name, format!("parameter '{name}' was not provided"))
                }
            };
            frame.push((name.clone(), value));
        }
        if definition.takes_varargs {
            frame.push(("varargs".into(), Value::tuple(args.rest())));
        }
        if definition.takes_kwargs {
            let named = args.rest_named().into_iter();
            let map = named.map(|(name, value)| (Value::from(name), value)).collect();
            frame.push(("kwargs".into(), Value::dict(map)));
        }
        if let Some((name, _)) = args.rest_named().first() {
            return Err(Error::type_error(format!(
                "macro '{}' takes no keyword argument '{name}'",
                definition.name
            )));
        }
        if !args.is_empty() {
            return Err(Error::type_error(format!(
                "macro '{}' takes not more than {} argument(s)",
                definition.name,
                definition.parameters.len()
            )));
        }
        if let Some(caller) = caller {
            frame.push(("caller".into(), caller));
        }
        Ok(frame)
    }
}

impl Object for MacroValue {
    fn type_name(&self) -> &'static str {
        "Macro"
    }

    fn get(&self, key: &Value) -> Option<Result<Value, Error>> {
        let definition = &self.definition;
        Some(Ok(match key.as_str()? {
            "name" => definition.name.clone().into(),
            "arguments" => Value::tuple(
                definition.parameters.iter().map(|(name, _)| name.clone().into()).collect(),
            ),
            "catch_varargs" => definition.takes_varargs.into(),
            "catch_kwargs" => definition.takes_kwargs.into(),
            _ => return None,
        }))
    }

    fn call(&self, scope: &Scope<'_>, args: Args) -> Result<Value, Error> {
        let _depth = scope.templar().enter(4)?;
        let unit = super::Unit {
            template: self.template.clone(),
            origin: self.origin.clone(),
            options: self.in_file.clone().map(Into::into),
        };
        let inner = Scope::new(scope.run, unit);
        if inner.module.set(self.module.clone()).is_err() {
            return Err(Error::new(ErrorKind::Recursion, "a macro cannot be entered twice"));
        }
        inner.locals.borrow_mut().clone_from(&self.captured);
        let frame = self.bind(&inner, args)?;
        inner.framed(frame, || inner.capture(&self.definition.body))
    }

    fn is_callable(&self) -> bool {
        true
    }

    fn text(&self) -> String {
        format!("<Macro {}>", crate::value::repr_text(&self.definition.name))
    }
}
