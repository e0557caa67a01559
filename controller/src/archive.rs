//! The memory of runs in this process: `muster runs` shows them like those of a controller.

use std::path::PathBuf;

use jiff::Timestamp;
use model::{Event, EventKind, RunId, RunStatus};
use store::Store;

use crate::error::chain;
use crate::terminal;

/// Events that are kept of a run; of a longer one, the rest is not.
const MAX_EVENTS: usize = 100_000;

/// Collects a run, and keeps it when it is over: a run waits for no disk, and does not fail for one.
pub(crate) struct Archive {
    title: String,
    directory: PathBuf,
    run: RunId,
    events: Vec<Event>,
}

impl Archive {
    /// For one run. `directory` is that of the state.
    pub(crate) fn new(title: &str, directory: PathBuf) -> Self {
        let title = title.to_owned();
        Self { title, directory, run: RunId::generate(), events: Vec::new() }
    }

    pub(crate) fn run(&self) -> RunId {
        self.run
    }

    pub(crate) fn add(&mut self, event: Event) {
        let is_output = matches!(event.kind, EventKind::Output { .. });
        let is_last = matches!(event.kind, EventKind::RunFinished { .. });
        if is_last || (!is_output && self.events.len() < MAX_EVENTS) {
            self.events.push(event);
        }
    }

    /// Writes the run and the facts that it learnt.
    pub(crate) async fn keep(self) {
        let directory = self.directory.clone();
        if let Err(error) = self.write().await {
            let place = directory.display();
            terminal::complain(
                "WARNING",
                &format!("this run was not recorded in {place}: {}", chain(&error)),
            );
        }
    }

    async fn write(self) -> store::Result<()> {
        let Some((first, last)) = self.events.first().zip(self.events.last()) else {
            return Ok(());
        };
        let status = match &last.kind {
            EventKind::RunFinished { status, .. } => *status,
            _ => RunStatus::Cancelled,
        };
        let store = Store::open(&self.directory).await?;
        let run = store::Run {
            id: self.run,
            title: self.title,
            caller: caller(),
            status,
            started: first.at,
            ended: None,
        };
        store.start_run(&run).await?;
        store.append_events(&self.events).await?;
        for event in &self.events {
            if let EventKind::FactsLearned { host, facts } = &event.kind
                && let Some(facts) = facts.as_object()
            {
                store.learn_facts(host, facts, event.at).await?;
            }
        }
        let ended = self.events.last().map_or_else(Timestamp::now, |last| last.at);
        store.end_run(self.run, status, ended).await?;
        store.close().await;
        Ok(())
    }
}

/// Who starts a run, for people: user@host.
pub(crate) fn caller() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::Uid::current()).ok().flatten();
    let user = user.map_or_else(|| nix::unistd::Uid::current().to_string(), |user| user.name);
    let host = nix::unistd::gethostname().unwrap_or_default();
    format!("{user}@{}", host.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::Recorder;

    #[tokio::test]
    async fn a_run_is_kept_with_its_facts() {
        let directory = tempfile::tempdir().unwrap();
        let mut archive = Archive::new("site.yml", directory.path().to_owned());
        let mut recorder = Recorder::new(archive.run());
        let facts = serde_json::json!({"distribution": "Debian"});
        let learnt = EventKind::FactsLearned { host: "web01".into(), facts };
        archive.add(recorder.record(learnt));
        archive.add(recorder.close(RunStatus::Succeeded).unwrap());
        let id = archive.run();
        archive.keep().await;
        let store = Store::open(directory.path()).await.unwrap();
        let run = store.run(id).await.unwrap().unwrap();
        assert_eq!((run.title.as_str(), run.status), ("site.yml", RunStatus::Succeeded));
        assert_eq!(store.events(id, 0, 10).await.unwrap().len(), 2);
        let facts = store.facts(&"web01".into()).await.unwrap().unwrap();
        assert_eq!(facts.facts["distribution"], "Debian");
    }
}
