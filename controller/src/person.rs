//! The person at this terminal, for questions that a run asks while it is under way.

use std::io::{self, BufRead as _, Write as _};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

/// A reporter that takes longer than this to show what has happened does not hold up a question.
const PATIENCE: Duration = Duration::from_secs(5);

/// Standard input and output.
#[derive(Debug)]
pub(crate) struct Typist {
    /// How many events have been shown.
    shown: watch::Receiver<u64>,
    /// How many of them came before the run's own.
    earlier: u64,
}

impl Typist {
    pub(crate) fn new(shown: watch::Receiver<u64>, earlier: u64) -> Self {
        Self { shown, earlier }
    }
}

#[async_trait]
impl engine::Person for Typist {
    async fn ask(&self, text: &str, after: u64) -> Option<String> {
        let mut shown = self.shown.clone();
        let expected = self.earlier + after;
        // Late or never: the question is asked all the same.
        let _ = timeout(PATIENCE, shown.wait_for(|shown| *shown >= expected)).await;
        let (answer, answered) = oneshot::channel();
        let text = text.to_owned();
        // A thread of its own: an interrupted run must not wait for someone to type.
        std::thread::spawn(move || answer.send(read_answer(&text).ok().flatten()));
        answered.await.ok().flatten()
    }
}

/// `None` at the end of the input.
fn read_answer(text: &str) -> io::Result<Option<String>> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    drop(out);
    let mut line = String::new();
    let length = io::stdin().lock().read_line(&mut line)?;
    Ok((length > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
}
