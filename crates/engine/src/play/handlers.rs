//! Notifications: which handlers a name or topic means.

use std::collections::BTreeSet;

use model::{EventKind, HostName};
use yaml::Diagnostic;

use super::Batch;
use crate::state::write;
use crate::walk::{Handler, Planned};

impl Batch<'_> {
    /// Marks the handlers of a name, or of a topic they listen to, for the host that notifies.
    pub(super) fn notify(
        &self,
        planned: &Planned,
        by: &HostName,
        name: &str,
    ) -> Result<(), Diagnostic> {
        let numbers = self.handlers_named(name, by);
        if numbers.is_empty() {
            let error = self.no_such_handler(planned, name, by);
            if self.world.options.missing_handler_warns {
                self.world.events.warn(error.message());
                return Ok(());
            }
            return Err(error);
        }
        write(&self.walkers[by].state).notified.extend(&numbers);
        self.world
            .events
            .send(EventKind::HandlerNotified { name: name.to_owned(), host: by.clone() });
        Ok(())
    }

    fn no_such_handler(&self, planned: &Planned, name: &str, host: &HostName) -> Diagnostic {
        let error = Diagnostic::error(format!(
            "The requested handler '{name}' was not found in either the main handlers list nor in the listening \
             handlers list"
        ))
        .at(&planned.task.span);
        let known: Vec<String> = self
            .builder
            .handlers
            .iter()
            .flat_map(|handler| self.handler_names(handler, host))
            .chain(self.builder.handlers.iter().flat_map(topics))
            .collect();
        match crate::actions::nearest(name, known.iter().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean '{near}'?")),
            None => error,
        }
    }

    /// All that listen; of those with the name, the first of the list that was loaded last.
    fn handlers_named(&self, wanted: &str, host: &HostName) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut named: Option<(usize, usize)> = None;
        for (number, handler) in self.builder.handlers.iter().enumerate() {
            let is_newer = named.is_none_or(|(list, _)| list < handler.list);
            if is_newer && self.handler_names(handler, host).iter().any(|name| name == wanted) {
                named = Some((handler.list, number));
            }
            if topics(handler).any(|topic| topic == wanted) {
                found.insert(number);
            }
        }
        found.extend(named.map(|(_, number)| number));
        found
    }

    /// `name`, `role : name`, and with the collection's name before it.
    fn handler_names(&self, handler: &Handler, host: &HostName) -> Vec<String> {
        let planned = &handler.leaf.task;
        let Some(name) = self.handler_name(planned, host) else { return Vec::new() };
        with_role(planned, &name).collect()
    }

    fn handler_name(&self, planned: &Planned, host: &HostName) -> Option<String> {
        let raw = planned.task.common.name.as_ref()?;
        if !raw.is_template() {
            return Some(raw.to_string());
        }
        match self.with_templar(planned, host, |templar| templar.resolve(raw)) {
            Ok(name) => Some(name.to_string()),
            Err(error) => {
                if planned.task.listen.is_empty() {
                    self.world.events.warn_once(&format!(
                        "Handler '{raw}' is unusable because it has no listen topics and the name could not be \
                         templated (host-specific variables are not supported in handler names). The error: {}",
                        error.message()
                    ));
                }
                None
            }
        }
    }
}

/// What a handler listens to, as written (never templates), and with its role's name before it.
fn topics(handler: &Handler) -> impl Iterator<Item = String> {
    let planned = &handler.leaf.task;
    planned.task.listen.iter().flat_map(|topic| with_role(planned, &topic.to_string()))
}

/// A name alone, and behind that of its role: `role : name`, `namespace.collection.role : name`.
fn with_role(planned: &Planned, name: &str) -> impl Iterator<Item = String> + use<> {
    let role = planned.role.as_ref().map(|played| &*played.role.name);
    let short = role.and_then(|role| Some(role.rsplit_once('.')?.1));
    let long = [role, short].into_iter().flatten().map(|role| format!("{role} : {name}"));
    let names: Vec<String> = long.chain([name.to_owned()]).collect();
    names.into_iter()
}
