//! `meta`: tasks that change the play itself.

use model::{EventKind, HostName};
use yaml::Diagnostic;

use super::{Batch, BatchEnd, Place, Stand};
use crate::cursor::Cursor;
use crate::events::Announcement;
use crate::state::{HostState, write};
use crate::walk::Planned;

/// The forms of `meta`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meta {
    Noop,
    FlushHandlers,
    RefreshInventory,
    ClearFacts,
    ClearHostErrors,
    EndPlay,
    EndBatch,
    EndHost,
    EndRole,
    ResetConnection,
}

const FORMS: &[(&str, Meta)] = &[
    ("noop", Meta::Noop),
    ("flush_handlers", Meta::FlushHandlers),
    ("refresh_inventory", Meta::RefreshInventory),
    ("clear_facts", Meta::ClearFacts),
    ("clear_host_errors", Meta::ClearHostErrors),
    ("end_play", Meta::EndPlay),
    ("end_batch", Meta::EndBatch),
    ("end_host", Meta::EndHost),
    ("end_role", Meta::EndRole),
    ("reset_connection", Meta::ResetConnection),
];

impl Meta {
    /// Done once for the hosts of the play, and not for each of them.
    fn is_for_all(self) -> bool {
        matches!(
            self,
            Self::RefreshInventory
                | Self::ClearFacts
                | Self::ClearHostErrors
                | Self::EndPlay
                | Self::EndBatch
        )
    }

    fn ignores_when(self) -> bool {
        matches!(self, Self::Noop | Self::RefreshInventory | Self::ResetConnection)
    }

    /// What is said when it is done.
    fn done(self, host: &HostName) -> String {
        match self {
            Self::Noop => "noop".to_owned(),
            Self::FlushHandlers => format!("triggered running handlers for {host}"),
            Self::RefreshInventory => "inventory successfully refreshed".to_owned(),
            Self::ClearFacts => "facts cleared".to_owned(),
            Self::ClearHostErrors => "cleared host errors".to_owned(),
            Self::EndPlay => "ending play".to_owned(),
            Self::EndBatch => "ending batch".to_owned(),
            Self::EndHost => format!("ending play for {host}"),
            Self::EndRole => format!("ending role for {host}"),
            Self::ResetConnection => "reset connection".to_owned(),
        }
    }

    /// What is said when its conditions do not hold.
    fn passed_over(self, word: &str, host: &HostName) -> String {
        let instead = match self {
            Self::FlushHandlers => format!("not running handlers for {host}"),
            Self::ClearFacts => format!("not clearing facts and fact cache for {host}"),
            Self::ClearHostErrors => format!("not clearing host error state for {host}"),
            Self::EndPlay => "continuing play".to_owned(),
            Self::EndBatch => "continuing current batch".to_owned(),
            Self::EndRole => format!("continuing role for {host}"),
            _ => format!("continuing execution for {host}"),
        };
        format!("{word} conditional evaluated to False, {instead}")
    }
}

impl Batch<'_> {
    pub(super) fn meta(&mut self, leaf: &Place, hosts: &[usize]) -> Result<(), Diagnostic> {
        let planned = &leaf.task;
        let raw = planned.task.action.free_form.as_ref();
        let word = raw.map(ToString::to_string).unwrap_or_default().trim().to_owned();
        let meta = form(&word).map_err(|error| error.at(&planned.task.span))?;
        let from = match (planned.in_handlers, &planned.role) {
            (true, _) => Some("a handler"),
            (false, None) => Some("outside of a role"),
            (false, Some(_)) => None,
        };
        if let Some(from) = from.filter(|_| meta == Meta::EndRole) {
            let error = Diagnostic::error(format!("Cannot execute 'end_role' from {from}"));
            return Err(error.at(&planned.task.span));
        }
        let deciding = if meta.is_for_all() { &hosts[..1] } else { hosts };
        let mut taking = Vec::new();
        for number in deciding {
            let host = self.host(*number).clone();
            let holds = self.holds(meta, &word, planned, &host)?;
            self.tell(meta, &word, planned, &host, holds);
            if holds {
                taking.push(*number);
            }
        }
        for number in hosts {
            let walker = &mut self.walkers[*number];
            if let Some(handler) = planned.handler {
                write(&walker.state).notified.remove(&handler);
            }
            walker.cursor.advance();
            walker.begun = true;
        }
        if !taking.is_empty() {
            self.carry_out(meta, leaf, &taking)?;
        }
        Ok(())
    }

    fn holds(
        &self,
        meta: Meta,
        word: &str,
        planned: &Planned,
        host: &HostName,
    ) -> Result<bool, Diagnostic> {
        let mut conditions = planned.gathered(|c| &c.when).peekable();
        if meta.ignores_when() {
            if conditions.peek().is_some() {
                self.world
                    .events
                    .warn_once(&format!("{word} task does not support when conditional"));
            }
            return Ok(true);
        }
        self.with_templar(planned, host, |templar| {
            for condition in conditions {
                match templar.condition(condition) {
                    Ok(true) => {}
                    Ok(false) => return Ok(false),
                    Err(error) if error.is_unknown() => {
                        self.world
                            .events
                            .warn(format!("meta: {word} is left out: {}", error.message()));
                        return Ok(false);
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(true)
        })
        .map_err(|error: jinja::Error| Diagnostic::from(error).or_at(&planned.task.span))
    }

    /// Those that a file holds are shown; the flushes between the stages of a play are not.
    fn tell(&self, meta: Meta, word: &str, planned: &Planned, host: &HostName, holds: bool) {
        let implicit = planned.task.common.span.is_none();
        if !implicit {
            self.world.events.announce(&Announcement {
                name: self.task_name(planned, host),
                action: planned.task.action.written.to_string(),
                handler: planned.in_handlers,
                place: crate::events::place(&planned.task.span),
                check: self.world.options.check,
            });
        }
        let is_idle = || self.world.hosts.with(host, |state| state.notified.is_empty());
        let message = match (holds, meta) {
            (true, Meta::FlushHandlers) if is_idle() => {
                format!("No handler notifications for {host}")
            }
            (true, _) => meta.done(host),
            (false, _) => meta.passed_over(word, host),
        };
        self.world.events.send(EventKind::MetaFinished {
            host: host.clone(),
            word: word.to_owned(),
            message,
            skipped: !holds,
            implicit,
        });
    }

    fn carry_out(&mut self, meta: Meta, leaf: &Place, hosts: &[usize]) -> Result<(), Diagnostic> {
        match meta {
            Meta::Noop | Meta::ResetConnection => {}
            Meta::RefreshInventory => {
                let reloaded = self.world.reload_inventory();
                reloaded.map_err(|error| error.or_at(&leaf.task.task.span))?;
                self.publish_groups();
            }
            Meta::FlushHandlers => {
                if leaf.task.handler.is_some() {
                    let error = Diagnostic::error("flush_handlers cannot be used as a handler");
                    return Err(error.at(&leaf.task.task.span));
                }
                let block = self.builder.flush(&leaf.key);
                for number in hosts {
                    self.walkers[*number].cursor.insert(block.clone());
                }
            }
            Meta::EndPlay => self.end = BatchEnd::EndPlay,
            Meta::EndBatch => self.walkers.values_mut().for_each(|walker| walker.cursor.stop()),
            Meta::EndHost => {
                hosts.iter().for_each(|number| Cursor::stop(&mut self.walkers[*number].cursor));
            }
            Meta::EndRole => {
                for number in hosts {
                    self.walkers[*number].left_roles.extend(leaf.task.role.clone());
                }
            }
            Meta::ClearFacts => {
                for walker in self.walkers.values().filter(|walker| walker.stand != Stand::Parked) {
                    let mut state = write(&walker.state);
                    HostState::forget_facts(&mut state);
                    self.world.uncache(&state.name);
                }
            }
            Meta::ClearHostErrors => self.forgive(&leaf.key),
        }
        Ok(())
    }
}

fn form(word: &str) -> Result<Meta, Diagnostic> {
    if let Some((_, meta)) = FORMS.iter().find(|(name, _)| *name == word) {
        return Ok(*meta);
    }
    let error = Diagnostic::error(format!("invalid meta action requested: {word}"));
    Err(match crate::actions::nearest(word, FORMS.iter().map(|(name, _)| *name)) {
        Some(name) => error.hint(format!("did you mean `{name}`?")),
        None => error,
    })
}
