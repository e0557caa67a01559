//! `wait_for_connection`: waits until the host can be reached.

use std::time::{Duration, Instant};

use model::{Args, Outcome, Verdict};

use super::{Attempt, Call, Draft, Prepared};
use crate::attributes::seconds;
use crate::talk::Way;

/// How long, and how often.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// Before the first try.
    pub(super) delay: Duration,
    /// For one try.
    pub(super) connect: Duration,
    /// Between two tries.
    pub(super) sleep: Duration,
    /// For all of them.
    pub(super) timeout: Duration,
}

pub(super) fn run(call: &Call<'_>) -> Attempt<Prepared> {
    call.only_options(&["connect_timeout", "delay", "sleep", "timeout"])?;
    let time = |name: &str, default: u64| match call.args.get(name).filter(|v| !v.is_none()) {
        Some(value) => seconds(name, value),
        None => Ok(Duration::from_secs(default)),
    };
    let patience = Patience {
        delay: time("delay", 0)?,
        connect: time("connect_timeout", 5)?,
        sleep: time("sleep", 1)?,
        timeout: time("timeout", 600)?,
    };
    Ok(Prepared::Talk(Box::new(move |way| {
        Box::pin(async move {
            if way.attributes.mode.check {
                return Ok((Outcome::skipped("check mode"), Vec::new()));
            }
            let begun = Instant::now();
            let answer = patience.wait(way, begun).await;
            let elapsed = begun.elapsed().as_secs();
            let result = Args::from_iter([("elapsed".to_owned(), elapsed.into())]);
            let verdict = match answer {
                Ok(()) => Verdict::Ok,
                Err(last) => Verdict::Failed {
                    message: format!("timed out waiting for ping module test: {last}"),
                },
            };
            Ok((Outcome::new(verdict, result), Vec::new()))
        })
    })))
}

impl Patience {
    /// Until the host answers; else what the last try said.
    pub(super) async fn wait(self, way: &Way<'_>, begun: Instant) -> Result<(), String> {
        tokio::time::sleep(self.delay).await;
        loop {
            let ping = Draft { module: "ping".to_owned(), args: Args::new() };
            let last = match tokio::time::timeout(self.connect, way.ask_once(ping)).await {
                Ok(Ok(outcome)) if !outcome.is_failed() => return Ok(()),
                Ok(Ok(outcome)) => format!("{:?}", outcome.verdict),
                Ok(Err(unreachable)) => unreachable.message,
                Err(_) => format!("no answer within {} s", self.connect.as_secs()),
            };
            if begun.elapsed() + self.sleep >= self.timeout {
                return Err(last);
            }
            tokio::time::sleep(self.sleep).await;
        }
    }
}
