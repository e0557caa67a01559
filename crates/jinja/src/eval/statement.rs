//! Statements.

use std::sync::Arc;

use crate::ast::{Body, Macro, Node, Stmt, Target};
use crate::error::{Error, ErrorKind};
use crate::eval::macros::MacroValue;
use crate::eval::plugins::FILTER_BLOCK_INPUT;
use crate::eval::{Frame, Output, Scope, deep_copy, tainted};
use crate::value::Value;

/// What comes after a statement.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// The next one.
    Next,
    /// The next round of the loop.
    Continue,
    /// What follows the loop.
    Break,
}

impl Scope<'_> {
    /// Runs statements; a jump out of them belongs to the loop around them.
    pub(super) fn statements(&self, body: &Body, output: &mut Output) -> Result<Flow, Error> {
        let _depth = self.templar().enter(1)?;
        for statement in body.iter() {
            self.step()?;
            let flow = self.statement(statement, output)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn statement(&self, statement: &Stmt, output: &mut Output) -> Result<Flow, Error> {
        match statement {
            Stmt::Text(text) => output.push_text(self, text)?,
            Stmt::Emit(node) => {
                let value = self.emitted(node)?;
                output.push(self, value)?;
            }
            Stmt::If(branches, otherwise) => return self.branches(branches, otherwise, output),
            Stmt::For(it) => self.for_loop(it, output)?,
            Stmt::Set(target, node) => {
                let value = self.eval(node)?;
                self.assign(target, value)?;
            }
            Stmt::SetBlock(target, filter, body) => {
                let captured = self.framed(Frame::new(), || self.capture(body))?;
                let value = match filter {
                    Some(filter) => self.filtered(filter, captured)?,
                    None => captured,
                };
                self.assign(target, value)?;
            }
            Stmt::FilterBlock(filter, body) => {
                let captured = self.framed(Frame::new(), || self.capture(body))?;
                let text = Value::from(captured.to_string());
                let value = self.filtered(filter, tainted(text, captured.marks()))?;
                output.push(self, value)?;
            }
            Stmt::With(assignments, body) => return self.with(assignments, body, output),
            Stmt::Do(node) => drop(self.eval(node)?),
            Stmt::Group(body) => return self.statements(body, output),
            Stmt::Macro(definition) => self.define_macro(definition),
            Stmt::CallBlock(call, definition) => {
                let value = self.call_block(call, definition)?;
                output.push(self, value)?;
            }
            Stmt::Block(name, extent) => {
                self.block(name, output).map_err(|error| error.at(|| self.place(*extent)))?;
            }
            Stmt::Extends(node) => self.extends(node)?,
            Stmt::Include(node, ignore_missing) => self.include(node, *ignore_missing, output)?,
            Stmt::Import(node, name) => {
                let module = self.import(node)?;
                self.set(name, module);
            }
            Stmt::FromImport(node, names) => self.import_names(node, names)?,
            Stmt::Continue => return Ok(Flow::Continue),
            Stmt::Break => return Ok(Flow::Break),
        }
        Ok(Flow::Next)
    }

    /// A value that is to be put out: defined and evaluated.
    fn emitted(&self, node: &Node) -> Result<Value, Error> {
        let value = self.forced(node)?;
        // Undefined parts of a list are an error here and not in the text.
        let value = crate::templar::finalized(value)
            .map_err(|error| error.at(|| self.place(node.extent)))?;
        // What is put out stays as it is now, whatever happens to the list afterwards.
        if self.unit.template.mutates { deep_copy(&value, 0) } else { Ok(value) }
    }

    fn branches(
        &self,
        branches: &[(Node, Body)],
        otherwise: &Body,
        output: &mut Output,
    ) -> Result<Flow, Error> {
        for (test, body) in branches {
            if self.defined(test)?.is_true() {
                return self.statements(body, output);
            }
        }
        self.statements(otherwise, output)
    }

    fn with(
        &self,
        assignments: &[(Target, Node)],
        body: &Body,
        output: &mut Output,
    ) -> Result<Flow, Error> {
        // All values are those outside the block: its names do not see each other.
        let values =
            assignments.iter().map(|(_, node)| self.eval(node)).collect::<Result<Vec<_>, _>>()?;
        self.framed(Frame::new(), || {
            for ((target, _), value) in assignments.iter().zip(values) {
                self.assign(target, value)?;
            }
            self.statements(body, output)
        })
    }

    /// Applies the filters of a block to its text.
    fn filtered(&self, filter: &Node, text: Value) -> Result<Value, Error> {
        let frame = vec![(Arc::from(FILTER_BLOCK_INPUT), text)];
        self.framed(frame, || self.forced(filter))
    }

    pub(super) fn assign(&self, target: &Target, value: Value) -> Result<(), Error> {
        match target {
            Target::Name(name) => self.set(name, value),
            Target::Attr(object, name, extent) => {
                let holder = self.variable(object)?;
                let assigned = match holder.as_object() {
                    Some(object) => object.set(name, value),
                    None => {
                        Err(Error::type_error("cannot assign attribute on non-namespace object"))
                    }
                };
                assigned.map_err(|error| error.at(|| self.place(*extent)))?;
            }
            Target::Tuple(targets, extent) => {
                let items = unpack(self, &value, targets.len())
                    .map_err(|e| e.at(|| self.place(*extent)))?;
                for (target, item) in targets.iter().zip(items) {
                    self.assign(target, item)?;
                }
            }
        }
        Ok(())
    }

    fn define_macro(&self, definition: &Arc<Macro>) {
        let value = MacroValue::define(self, definition);
        self.set(&definition.name, value);
    }

    fn call_block(&self, call: &Node, definition: &Arc<Macro>) -> Result<Value, Error> {
        let caller = MacroValue::define(self, definition);
        let crate::ast::Expr::Call(callee, args) = &call.expr else {
            return Err(Error::syntax("expected a call"));
        };
        let callee = self.defined(callee)?;
        let mut args = self.arguments(args)?;
        args.push_named("caller", caller);
        self.call(&callee, args).map_err(|error| error.at(|| self.place(call.extent)))
    }
}

/// As many elements as there are names, or Python's complaint.
pub(super) fn unpack(scope: &Scope<'_>, value: &Value, wanted: usize) -> Result<Vec<Value>, Error> {
    let value = scope.force(value.clone())?;
    let items = scope.iterate(&value).map_err(|error| match error.kind() {
        ErrorKind::Type => {
            Error::type_error(format!("cannot unpack non-iterable {} object", value.type_name()))
        }
        _ => error,
    })?;
    match items.len() {
        len if len < wanted => Err(Error::value_error(format!(
            "not enough values to unpack (expected {wanted}, got {len})"
        ))),
        len if len > wanted => {
            Err(Error::value_error(format!("too many values to unpack (expected {wanted})")))
        }
        _ => Ok(items),
    }
}
