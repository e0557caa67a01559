//! The person at this terminal, for questions that a run asks while it is under way.

use std::io::{self, BufRead as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use engine::{Answer, Question, Until};
use nix::unistd;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use crate::{terminal, typing};

/// A reporter that takes longer than this to show what has happened does not hold up a question.
const PATIENCE: Duration = Duration::from_secs(5);

/// Standard input and output.
#[derive(Debug)]
pub(crate) struct Typist {
    /// How many events have been shown.
    shown: watch::Receiver<u64>,
    /// How many of them came before the run's own.
    earlier: u64,
    /// A question is open.
    asking: Arc<AtomicBool>,
}

impl Typist {
    /// `shown` counts the events that were shown, `earlier` those before the run's own; `asking` tells of open questions.
    pub(crate) fn new(shown: watch::Receiver<u64>, earlier: u64, asking: Arc<AtomicBool>) -> Self {
        Self { shown, earlier, asking }
    }
}

#[async_trait]
impl engine::Person for Typist {
    fn is_there(&self) -> bool {
        terminal::is_typing() && unistd::tcgetpgrp(io::stdin()) == Ok(unistd::getpgrp())
    }

    async fn ask(&self, question: Question, after: u64) -> Answer {
        let mut shown = self.shown.clone();
        let expected = self.earlier + after;
        // Late or never: the question is asked all the same.
        let _ = timeout(PATIENCE, shown.wait_for(|shown| *shown >= expected)).await;
        self.asking.store(true, Ordering::SeqCst);
        if terminal::can_show_progress() {
            terminal::bottom_line("");
        }
        let (answer, answered) = oneshot::channel();
        if question.until == Until::Line {
            // A thread of its own: an interrupted run must not wait for someone to type.
            std::thread::spawn(move || answer.send(read_line(&question.text)));
        } else {
            // Not left behind when the program ends: the terminal must be as it was before.
            tokio::task::spawn_blocking(move || {
                let given = typing::ask(&question, || !answer.is_closed());
                answer.send(given.unwrap_or(Answer::Nobody))
            });
        }
        let given = answered.await.unwrap_or(Answer::Nobody);
        self.asking.store(false, Ordering::SeqCst);
        given
    }
}

fn read_line(text: &str) -> Answer {
    let read = || -> io::Result<String> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
        drop(out);
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        Ok(line)
    };
    match read() {
        Ok(line) if !line.is_empty() => {
            Answer::Text(line.trim_end_matches(['\r', '\n']).to_owned())
        }
        _ => Answer::Nobody,
    }
}
