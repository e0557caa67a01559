//! `reboot`: restarts the host and waits until it carries out steps again.

use std::time::{Duration, Instant};

use jinja::Value;
use model::{Args, Outcome, Verdict};
use serde_json::json;

use super::{Attempt, Call, Draft, Prepared, failure};
use crate::attributes::seconds;
use crate::link::{Connection, Unreachable};
use crate::talk::Way;

/// What was asked for.
struct Reboot {
    command: String,
    boot_id: String,
    test: String,
    connect: Duration,
    timeout: Duration,
    settle: Duration,
}

pub(super) fn run(call: &Call<'_>) -> Attempt<Prepared> {
    call.only_options(&[
        "boot_time_command",
        "connect_timeout",
        "msg",
        "post_reboot_delay",
        "pre_reboot_delay",
        "reboot_command",
        "reboot_timeout",
        "search_paths",
        "test_command",
    ])?;
    let time = |name: &str, default: u64| match call.args.get(name).filter(|v| !v.is_none()) {
        Some(value) => seconds(name, value),
        None => Ok(Duration::from_secs(default)),
    };
    let text = |name: &str, default: &str| call.text(name).unwrap_or_else(|| default.to_owned());
    let reboot = Reboot {
        command: command(call, time("pre_reboot_delay", 0)?)?,
        boot_id: text("boot_time_command", "cat /proc/sys/kernel/random/boot_id"),
        test: text("test_command", "whoami"),
        connect: time("connect_timeout", 10)?,
        timeout: time("reboot_timeout", 600)?,
        settle: time("post_reboot_delay", 0)?,
    };
    Ok(Prepared::Talk(Box::new(move |way| {
        Box::pin(async move {
            if matches!(way.target.connection, Connection::Local) {
                let message = "Running reboot with local connection would reboot the control node.";
                let result = Args::from_iter([
                    ("elapsed".into(), 0.into()),
                    ("rebooted".into(), false.into()),
                ]);
                let verdict = Verdict::Failed { message: message.to_owned() };
                return Ok((Outcome::new(verdict, result), Vec::new()));
            }
            if way.attributes.mode.check {
                let result = Args::from_iter([
                    ("elapsed".into(), 0.into()),
                    ("rebooted".into(), true.into()),
                ]);
                return Ok((Outcome::new(Verdict::Changed, result), Vec::new()));
            }
            Ok((reboot.carry_out(way).await?, Vec::new()))
        })
    })))
}

/// The command line that restarts the host; without one of the task's own, `shutdown` is looked for on the host.
fn command(call: &Call<'_>, delay: Duration) -> Attempt<String> {
    let quote = |text: &str| {
        shlex::try_quote(text).map(String::from).map_err(|error| failure(error.to_string()))
    };
    if let Some(command) = call.text("reboot_command") {
        return Ok(command);
    }
    let message = call.text("msg").unwrap_or_else(|| "Reboot initiated by Ansible".to_owned());
    let paths: Vec<String> = match call.args.get("search_paths").and_then(Value::as_list) {
        Some(list) => list.read().iter().map(ToString::to_string).collect(),
        None => ["/sbin", "/bin", "/usr/sbin", "/usr/bin", "/usr/local/sbin"]
            .map(str::to_owned)
            .to_vec(),
    };
    let paths = paths.iter().map(|path| quote(path)).collect::<Attempt<Vec<_>>>()?.join(" ");
    let (message, minutes) = (quote(&message)?, delay.as_secs() / 60);
    Ok(format!(
        "for folder in {paths}; do if [ -x \"$folder/shutdown\" ]; then exec \"$folder/shutdown\" -r {minutes} {message}; fi; done; \
         echo 'Unable to find command shutdown in the search paths' >&2; exit 127"
    ))
}

impl Reboot {
    async fn carry_out(&self, way: &Way<'_>) -> Result<Outcome, Unreachable> {
        let begun = Instant::now();
        let before = way.ask_once(shell(&self.boot_id)).await?;
        if before.is_failed() {
            return Ok(ended(begun, false, Some(told("boot_time_command failed", &before))));
        }
        let before = stdout(&before);
        // The host may be gone before it answers.
        if let Ok(outcome) = way.ask_once(shell(&self.command)).await {
            let was_ended = outcome.result.get("rc").and_then(serde_json::Value::as_i64) < Some(0);
            if outcome.is_failed() && !was_ended {
                return Ok(ended(begun, false, Some(told("Reboot command failed", &outcome))));
            }
        }
        tokio::time::sleep(self.settle).await;
        let boots = |outcome: &Outcome| !outcome.is_failed() && stdout(outcome) != before;
        if let Err(last) = self.until(way, &self.boot_id, boots).await {
            let message = format!("Timed out waiting for last boot time check: {last}");
            return Ok(ended(begun, false, Some(message)));
        }
        let works = |outcome: &Outcome| !outcome.is_failed();
        if let Err(last) = self.until(way, &self.test, works).await {
            let message = format!("Timed out waiting for post-reboot test command: {last}");
            return Ok(ended(begun, true, Some(message)));
        }
        Ok(ended(begun, true, None))
    }

    /// Asks until the answer is as wanted; else what came of the last try.
    async fn until(
        &self,
        way: &Way<'_>,
        line: &str,
        is_wanted: impl Fn(&Outcome) -> bool,
    ) -> Result<(), String> {
        let begun = Instant::now();
        let mut pause = Duration::from_secs(1);
        loop {
            let last = match tokio::time::timeout(self.connect, way.ask_once(shell(line))).await {
                Ok(Ok(outcome)) if is_wanted(&outcome) => return Ok(()),
                Ok(Ok(outcome)) => told("not yet", &outcome),
                Ok(Err(unreachable)) => unreachable.message,
                Err(_) => format!("no answer within {} s", self.connect.as_secs()),
            };
            if begun.elapsed() + pause >= self.timeout {
                return Err(last);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(12));
        }
    }
}

fn shell(line: &str) -> Draft {
    let args = json!({"_raw_params": line}).as_object().cloned().unwrap_or_default();
    Draft { module: "shell".to_owned(), args }
}

fn stdout(outcome: &Outcome) -> String {
    let text = outcome.result.get("stdout").and_then(serde_json::Value::as_str);
    text.unwrap_or_default().trim().to_owned()
}

/// What a command line said.
fn told(what: &str, outcome: &Outcome) -> String {
    let text = |key: &str| outcome.result.get(key).and_then(serde_json::Value::as_str);
    let said = [text("stderr"), text("stdout"), text("msg")];
    let said = said.into_iter().flatten().map(str::trim).find(|text| !text.is_empty());
    said.map_or_else(|| what.to_owned(), |said| format!("{what}: {said}"))
}

fn ended(begun: Instant, rebooted: bool, trouble: Option<String>) -> Outcome {
    let result = Args::from_iter([
        ("elapsed".to_owned(), begun.elapsed().as_secs().into()),
        ("rebooted".to_owned(), rebooted.into()),
    ]);
    let verdict = trouble.map_or(Verdict::Changed, |message| Verdict::Failed { message });
    Outcome::new(verdict, result)
}
