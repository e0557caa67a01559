//! From what happens to events: numbered, dated, counted; and on to reporters.

use std::io;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use model::{Event, EventKind, Recap, RunId, RunStatus};
use report::Reporter;

use crate::error::ErrorKind;
use crate::progress::Progress;
use crate::terminal;

/// So often the line that says how a run stands is written anew.
const TICK: Duration = Duration::from_millis(500);

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

/// A reporter that is given up when its output cannot be written any more: a run does not fail for that. On a terminal, a
/// line below its output says how the run stands.
pub(crate) struct Screen {
    shown: Arc<Mutex<Shown>>,
    code: u8,
}

struct Shown {
    reporter: Option<Box<dyn Reporter>>,
    /// `None`: nobody sees the terminal.
    progress: Option<Progress>,
    /// A person is being asked: nothing else is written.
    asking: Arc<AtomicBool>,
    /// The line is on the screen.
    is_drawn: bool,
}

impl Screen {
    /// `asking` says when a person is being asked.
    pub(crate) fn new(reporter: Box<dyn Reporter>, asking: Arc<AtomicBool>) -> Self {
        let progress = terminal::can_show_progress().then(|| Progress::new(Instant::now()));
        let ticks = progress.is_some();
        let shown = Arc::new(Mutex::new(Shown {
            reporter: Some(reporter),
            progress,
            asking,
            is_drawn: false,
        }));
        if ticks {
            let screen = Arc::downgrade(&shown);
            std::thread::spawn(move || {
                while let Some(screen) = screen.upgrade() {
                    lock(&screen).draw();
                    drop(screen);
                    std::thread::sleep(TICK);
                }
            });
        }
        Self { shown, code: ErrorKind::Failed.exit_code() }
    }

    pub(crate) fn see(&mut self, event: &Event) {
        if let Some(code) = exit_code(&event.kind) {
            self.code = code;
        }
        lock(&self.shown).see(event);
    }

    /// Writes the rest, and gives the run's exit code.
    pub(crate) fn finish(self) -> ExitCode {
        let mut shown = lock(&self.shown);
        shown.erase();
        if let Some(reporter) = shown.reporter.take()
            && let Err(error) = reporter.finish()
        {
            shown.give_up(&error);
        }
        shown.progress = None;
        ExitCode::from(self.code)
    }
}

impl Shown {
    fn see(&mut self, event: &Event) {
        self.erase();
        if let Some(reporter) = &mut self.reporter
            && let Err(error) = reporter.see(event)
        {
            self.give_up(&error);
        }
        if let Some(progress) = &mut self.progress {
            progress.see(&event.kind, Instant::now());
        }
    }

    fn erase(&mut self) {
        if std::mem::take(&mut self.is_drawn) && !self.asking.load(Ordering::SeqCst) {
            terminal::bottom_line("");
        }
    }

    fn draw(&mut self) {
        let Some(progress) = &self.progress else { return };
        if !self.asking.load(Ordering::SeqCst)
            && let Some(line) = progress.line(Instant::now(), terminal::width())
        {
            terminal::bottom_line(&line);
            self.is_drawn = true;
        }
    }

    fn give_up(&mut self, error: &io::Error) {
        self.reporter = None;
        if error.kind() != io::ErrorKind::BrokenPipe {
            terminal::complain("WARNING", &format!("cannot write the output any more: {error}"));
        }
    }
}

fn lock(shown: &Mutex<Shown>) -> MutexGuard<'_, Shown> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
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
