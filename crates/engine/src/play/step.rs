//! `--step`: a person says of each task whether it runs.

use model::HostName;

use super::{Batch, BatchEnd};
use crate::person::{Answer, Question};
use crate::walk::Planned;

impl Batch<'_> {
    /// Whether a task may begin: always, unless a person is to be asked. Nobody to ask ends the run.
    pub(super) async fn may_step(&mut self, planned: &Planned, host: &HostName) -> bool {
        if !self.steps || &*planned.task.action.name == "meta" {
            return true;
        }
        let Some(person) = self.world.options.person.clone() else {
            self.world.events.warn_once("--step has nobody to ask; the run ends here");
            self.end = BatchEnd::Quit;
            return false;
        };
        let name = self.task_name(planned, host);
        let question = format!("Perform task: TASK: {name} (N)o/(y)es/(c)ontinue: ");
        match person.ask(Question::line(question), self.world.events.sent()).await {
            Answer::Text(word) => match word.trim().to_lowercase().as_str() {
                "y" | "yes" => true,
                "c" | "continue" => {
                    self.steps = false;
                    true
                }
                _ => false,
            },
            Answer::Interrupted | Answer::TimeOver | Answer::Nobody => {
                self.end = BatchEnd::Quit;
                false
            }
        }
    }
}
