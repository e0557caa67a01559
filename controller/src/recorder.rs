//! From what happens to events: numbered, dated, counted; and on to reporters.

use std::io;
use std::process::ExitCode;

use jiff::Timestamp;
use model::{Event, EventKind, Recap, RunId, RunStatus};
use report::Reporter;

use crate::error::ErrorKind;
use crate::terminal;

/// Makes events of one run of what happens.
pub(crate) struct Recorder {
    run: RunId,
    last: u64,
    recap: Recap,
    status: RunStatus,
}

impl Recorder {
    /// Nothing has happened yet.
    pub(crate) fn new(run: RunId) -> Self {
        Self { run, last: 0, recap: Recap::default(), status: RunStatus::Running }
    }

    /// The next event.
    pub(crate) fn record(&mut self, kind: EventKind) -> Event {
        self.last += 1;
        self.recap.add(&kind);
        if let EventKind::RunFinished { recap, status } = &kind {
            self.recap = recap.clone();
            self.status = *status;
        }
        Event { run: self.run, seq: self.last, at: Timestamp::now(), kind }
    }

    /// The last event of a run that did not come to its own end; `None` if it did.
    pub(crate) fn close(&mut self, status: RunStatus) -> Option<Event> {
        if self.status != RunStatus::Running {
            return None;
        }
        let mut recap = self.recap.clone();
        recap.hosts.sort_keys();
        Some(self.record(EventKind::RunFinished { recap, status }))
    }

    /// How the run stands.
    pub(crate) fn status(&self) -> RunStatus {
        self.status
    }
}

/// Gives an event the names by which people know the files of an unpacked project.
pub(crate) fn shorten(kind: &mut EventKind, short: impl Fn(&mut String)) {
    match kind {
        EventKind::RunStarted { playbooks, .. } => playbooks.iter_mut().for_each(short),
        EventKind::TaskStarted { place: Some(place), .. } => short(&mut place.file),
        EventKind::TaskFinished { result, .. } | EventKind::ItemFinished { result, .. } => {
            for cause in &mut result.causes {
                short(&mut cause.message);
                cause.place.iter_mut().for_each(|place| short(&mut place.file));
            }
            result.place.iter_mut().for_each(|place| short(&mut place.file));
        }
        EventKind::Included { file, .. } => short(file),
        EventKind::Aborted { message } | EventKind::Warned { message } => short(message),
        _ => {}
    }
}

/// The exit code that the last event of a run means. `None`: it is not the last one.
pub(crate) fn exit_code(event: &EventKind) -> Option<u8> {
    let EventKind::RunFinished { recap, status } = event else { return None };
    Some(match status {
        RunStatus::Succeeded | RunStatus::Failed | RunStatus::Running => recap.exit_code(),
        RunStatus::Aborted | RunStatus::Interrupted => ErrorKind::Failed.exit_code(),
        RunStatus::Cancelled => ErrorKind::Interrupted.exit_code(),
    })
}

/// A reporter that is given up when its output cannot be written any more: a run does not fail for that.
pub(crate) struct Screen {
    reporter: Option<Box<dyn Reporter>>,
    code: u8,
}

impl Screen {
    pub(crate) fn new(reporter: Box<dyn Reporter>) -> Self {
        Self { reporter: Some(reporter), code: ErrorKind::Failed.exit_code() }
    }

    pub(crate) fn see(&mut self, event: &Event) {
        if let Some(code) = exit_code(&event.kind) {
            self.code = code;
        }
        if let Some(reporter) = &mut self.reporter
            && let Err(error) = reporter.see(event)
        {
            self.give_up(&error);
        }
    }

    /// Writes the rest, and gives the run's exit code.
    pub(crate) fn finish(mut self) -> ExitCode {
        if let Some(reporter) = self.reporter.take()
            && let Err(error) = reporter.finish()
        {
            self.give_up(&error);
        }
        ExitCode::from(self.code)
    }

    fn give_up(&mut self, error: &io::Error) {
        self.reporter = None;
        if error.kind() != io::ErrorKind::BrokenPipe {
            terminal::complain("WARNING", &format!("cannot write the output any more: {error}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_numbered_and_a_run_is_closed_once() {
        let mut recorder = Recorder::new(RunId::generate());
        let unreachable = EventKind::HostUnreachable {
            host: "web01".into(),
            message: "gone".into(),
            ignored: false,
        };
        assert_eq!(recorder.record(unreachable).seq, 1);
        let last = recorder.close(RunStatus::Cancelled).expect("it was running");
        assert_eq!(last.seq, 2);
        assert_eq!(exit_code(&last.kind), Some(99));
        let EventKind::RunFinished { recap, .. } = last.kind else { panic!("not the last") };
        assert_eq!(recap.hosts[&model::HostName::from("web01")].unreachable, 1);
        assert_eq!(recorder.close(RunStatus::Cancelled), None);
        assert_eq!(recorder.status(), RunStatus::Cancelled);
    }
}
