//! The line at the bottom of a terminal that says how a long run stands: hosts done, the task at hand, the time it took.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use model::{EventKind, HostName};

/// Shorter runs need no such line.
const PATIENCE: Duration = Duration::from_secs(1);

/// How a run stands.
pub(crate) struct Progress {
    begun: Instant,
    /// Hosts of the play's batch.
    hosts: usize,
    task: Option<Task>,
}

struct Task {
    name: String,
    begun: Instant,
    done: HashSet<HostName>,
}

impl Progress {
    /// A run that begins now.
    pub(crate) fn new(now: Instant) -> Self {
        Self { begun: now, hosts: 0, task: None }
    }

    /// Takes an event in.
    pub(crate) fn see(&mut self, event: &EventKind, now: Instant) {
        match event {
            EventKind::PlayStarted { hosts, .. } => {
                self.hosts = hosts.len();
                self.task = None;
            }
            EventKind::TaskStarted { name, .. } => {
                self.task = Some(Task { name: name.clone(), begun: now, done: HashSet::new() });
            }
            EventKind::TaskFinished { result, .. } => self.end(&result.host),
            EventKind::HostUnreachable { host, .. } => self.end(host),
            EventKind::RunFinished { .. } => self.task = None,
            _ => {}
        }
    }

    fn end(&mut self, host: &HostName) {
        if let Some(task) = &mut self.task {
            task.done.insert(host.clone());
        }
    }

    /// The line, cut to a width; `None` while there is nothing to wait for.
    pub(crate) fn line(&self, now: Instant, width: usize) -> Option<String> {
        let whole = now.saturating_duration_since(self.begun);
        let task = self.task.as_ref().filter(|_| whole >= PATIENCE)?;
        let name: String = task.name.chars().filter(|char| !char.is_control()).collect();
        let line = format!(
            "{}/{} hosts  {}  {} in all  {name}",
            task.done.len(),
            self.hosts,
            clock(now.saturating_duration_since(task.begun)),
            clock(whole),
        );
        Some(line.chars().take(width.saturating_sub(1)).collect())
    }
}

/// Minutes and seconds.
fn clock(length: Duration) -> String {
    let seconds = length.as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_tells_how_it_stands() {
        let start = Instant::now();
        let mut progress = Progress::new(start);
        let hosts = vec!["a".into(), "b".into()];
        let play = EventKind::PlayStarted { name: "p".into(), hosts, check: false };
        progress.see(&play, start);
        let task = EventKind::TaskStarted {
            name: "Install \u{1b}[2Jnginx".into(),
            action: "apt".into(),
            handler: false,
            place: None,
            check: false,
        };
        progress.see(&task, start + Duration::from_mins(1));
        let gone =
            EventKind::HostUnreachable { host: "b".into(), message: "gone".into(), ignored: false };
        progress.see(&gone, start + Duration::from_secs(61));
        let now = start + Duration::from_secs(75);
        let line = progress.line(now, 80).unwrap();
        assert_eq!(line, "1/2 hosts  0:15  1:15 in all  Install [2Jnginx");
        assert_eq!(progress.line(now, 10).unwrap(), "1/2 hosts");
        assert_eq!(Progress::new(start).line(now, 80), None);
        assert_eq!(progress.line(start, 80), None, "a short run");
    }
}
