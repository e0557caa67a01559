//! `{% for %}` and what a body can ask `loop`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::args::Args;
use crate::ast::For;
use crate::error::Error;
use crate::eval::statement::Flow;
use crate::eval::{Frame, Output, Scope};
use crate::value::{Object, Value};

/// The object `loop` of one loop.
struct Loop {
    items: Vec<Value>,
    depth: usize,
    /// The loop itself, to be called with other items.
    recursive: Option<Arc<For>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    index: usize,
    last_changed: Option<Vec<Value>>,
}

impl Loop {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Object for Loop {
    fn type_name(&self) -> &'static str {
        "LoopContext"
    }

    fn get(&self, key: &Value) -> Option<Result<Value, Error>> {
        let (at, len) = (self.state().index, self.items.len());
        let neighbour = |at: Option<usize>, word: &str| match at.and_then(|at| self.items.get(at)) {
            Some(item) => item.clone(),
            None => Value::undefined_because(word, format!("there is no {word} item")),
        };
        Some(Ok(match key.as_str()? {
            "index" => (at + 1).into(),
            "index0" => at.into(),
            "revindex" => (len - at).into(),
            "revindex0" => (len - at - 1).into(),
            "first" => (at == 0).into(),
            "last" => (at + 1 == len).into(),
            "length" => len.into(),
            "depth" => (self.depth + 1).into(),
            "depth0" => self.depth.into(),
            "previtem" => neighbour(at.checked_sub(1), "previous"),
            "nextitem" => neighbour(Some(at + 1), "next"),
            _ => return None,
        }))
    }

    fn call(&self, scope: &Scope<'_>, mut args: Args) -> Result<Value, Error> {
        let Some(it) = &self.recursive else {
            return Err(Error::type_error(
                "The loop must have the 'recursive' marker to be called recursively.",
            ));
        };
        let items = scope.iterate(&args.required("iterable")?)?;
        let mut output = Output::new(true);
        scope.rounds(it, items, self.depth + 1, &mut output)?;
        Ok(output.finish())
    }

    fn call_method(&self, _scope: &Scope<'_>, name: &str, mut args: Args) -> Result<Value, Error> {
        match name {
            "cycle" => {
                let choices = args.rest();
                if choices.is_empty() {
                    return Err(Error::type_error("no items for cycling given"));
                }
                Ok(choices[self.state().index % choices.len()].clone())
            }
            "changed" => {
                let now = args.rest();
                let mut state = self.state();
                let changed = state.last_changed.as_ref() != Some(&now);
                state.last_changed = Some(now);
                Ok(changed.into())
            }
            _ => Err(Error::no_attribute(self.type_name(), &Value::from(name))),
        }
    }

    fn is_callable(&self) -> bool {
        true
    }

    fn text(&self) -> String {
        format!("<LoopContext {}/{}>", self.state().index + 1, self.items.len())
    }
}

impl Scope<'_> {
    pub(super) fn for_loop(&self, it: &Arc<For>, output: &mut Output) -> Result<(), Error> {
        let over = self.defined(&it.iter)?;
        let items = self.iterate(&over).map_err(|error| error.at(|| self.place(it.iter.extent)))?;
        self.rounds(it, items, 0, output)
    }

    fn rounds(
        &self,
        it: &Arc<For>,
        items: Vec<Value>,
        depth: usize,
        output: &mut Output,
    ) -> Result<(), Error> {
        let items = self.selected(it, items)?;
        if items.is_empty() {
            // `break` cannot stand in the `else` of its own loop; one of an outer loop is not passed on there.
            self.framed(Frame::new(), || self.statements(&it.otherwise, output))?;
            return Ok(());
        }
        let object = it.uses_loop.then(|| {
            Arc::new(Loop {
                items: items.clone(),
                depth,
                recursive: it.recursive.then(|| it.clone()),
                state: Mutex::default(),
            })
        });
        let loop_name: Arc<str> = Arc::from("loop");
        for (index, item) in items.into_iter().enumerate() {
            self.step()?;
            let mut frame = Frame::with_capacity(2);
            if let Some(object) = &object {
                object.state().index = index;
                frame.push((loop_name.clone(), Value::object(object.clone())));
            }
            let flow = self.framed(frame, || {
                self.assign(&it.target, item)?;
                self.statements(&it.body, output)
            })?;
            if flow == Flow::Break {
                break;
            }
        }
        Ok(())
    }

    /// The items for which the loop's own condition holds.
    fn selected(&self, it: &For, items: Vec<Value>) -> Result<Vec<Value>, Error> {
        let Some(filter) = &it.filter else { return Ok(items) };
        let mut selected = Vec::new();
        for item in items {
            self.step()?;
            let keep = self.framed(Frame::new(), || {
                self.assign(&it.target, item.clone())?;
                Ok(self.defined(filter)?.is_true())
            })?;
            if keep {
                selected.push(item);
            }
        }
        Ok(selected)
    }
}
