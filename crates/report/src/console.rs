//! The console: what `ansible-playbook` prints, letter for letter where that is possible.

use std::io::{self, Write};

use model::{
    Event, EventKind, HostName, HostRecap, HostResult, Item, JobState, OutputStream, Place, Recap,
    RunStatus, Verdict,
};

use crate::screen::{Screen, Tone};
use crate::text::harmless;
use crate::{Options, Reporter, diff, failure, result};

/// Writes a run the way Ansible's `default` callback does.
pub struct Console {
    screen: Screen,
    options: Options,
    /// The last play whose banner was written.
    play: Option<String>,
    task: Option<Task>,
    /// What `set_stats` collected, by host.
    stats: Option<serde_json::Value>,
    /// The run is in check mode.
    check: bool,
}

/// The task whose results are being written.
struct Task {
    name: String,
    place: Option<Place>,
    banner: String,
    is_announced: bool,
}

impl Console {
    /// Results go to `out`, warnings and errors to `err`.
    pub fn new(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>, options: Options) -> Self {
        Self {
            screen: Screen::new(out, err, &options),
            options,
            play: None,
            task: None,
            check: false,
            stats: None,
        }
    }

    /// ` [CHECK MODE]`, for a banner.
    fn marker(&self, check: bool) -> &'static str {
        if check && self.options.check_markers { " [CHECK MODE]" } else { "" }
    }

    fn start_play(&mut self, name: &str, check: bool) -> io::Result<()> {
        self.task = None;
        self.play = Some(name.to_owned());
        self.screen.banner(&format!("PLAY [{name}]{}", self.marker(check)))
    }

    fn start_task(
        &mut self,
        name: &str,
        handler: bool,
        place: Option<&Place>,
        check: bool,
    ) -> io::Result<()> {
        let kind = if handler { "RUNNING HANDLER" } else { "TASK" };
        self.task = Some(Task {
            name: name.to_owned(),
            place: place.cloned(),
            banner: format!("{kind} [{name}]{}", self.marker(check)),
            is_announced: false,
        });
        // When results may be hidden, a task is announced with the first that is not.
        if self.options.display_skipped && self.options.display_ok {
            self.announce()?;
        }
        Ok(())
    }

    fn announce(&mut self) -> io::Result<()> {
        let Some(task) = self.task.as_mut().filter(|task| !task.is_announced) else {
            return Ok(());
        };
        task.is_announced = true;
        self.screen.banner(&task.banner)?;
        if self.options.verbosity >= 2
            && let Some(Place { file, line, .. }) = &task.place
        {
            self.screen.line(&format!("task path: {}:{line}", harmless(file)), Tone::Verbose)?;
        }
        Ok(())
    }

    /// Announces the task of a result; with the `free` strategy, results of several tasks mix.
    fn announce_for(&mut self, result: &HostResult) -> io::Result<()> {
        let is_current = self.task.as_ref().is_some_and(|task| {
            task.name == result.task && (task.place.is_none() || task.place == result.place)
        });
        if !is_current {
            self.start_task(&result.task, false, result.place.as_ref(), false)?;
        }
        self.announce()
    }

    fn item_finished(&mut self, result: &HostResult, item: &Item) -> io::Result<()> {
        let host = result::host_label(result);
        let label = result::item(&item.label, result.no_log);
        let (head, tone) = match &result.outcome.verdict {
            Verdict::Failed { message } | Verdict::Unknown { message } => {
                self.announce_for(result)?;
                self.explain(result, message)?;
                let word = if result.outcome.is_unknown() { "unknown" } else { "failed" };
                let dump = result::dump(result, false, &self.options);
                return self.fail_line(&format!("{word}: [{host}] {label} => {dump}"), Tone::Error);
            }
            Verdict::Skipped { .. } if !self.options.display_skipped => return Ok(()),
            Verdict::Skipped { reason } if result::is_unknown(result) => {
                (format!("unknown: [{host}] => {label}: {}", harmless(reason)), Tone::Skipped)
            }
            Verdict::Skipped { .. } => (format!("skipping: [{host}] => {label} "), Tone::Skipped),
            _ if result.outcome.is_changed() => {
                (format!("changed: [{host}] => {label}"), Tone::Changed)
            }
            _ if !self.options.display_ok => return Ok(()),
            _ => (format!("ok: [{host}] => {label}"), Tone::Ok),
        };
        self.announce_for(result)?;
        self.show_diff(result)?;
        self.finish_line(head, result, false, tone)
    }

    fn task_finished(&mut self, result: &HostResult, looped: bool) -> io::Result<()> {
        let host = result::host_label(result);
        let (head, tone) = match &result.outcome.verdict {
            Verdict::Failed { message } | Verdict::Unknown { message } => {
                return self.task_failed(result, message, looped);
            }
            Verdict::Skipped { .. } if !self.options.display_skipped => return Ok(()),
            Verdict::Skipped { reason } if result::is_unknown(result) => {
                (format!("unknown: [{host}]: {}", harmless(reason)), Tone::Skipped)
            }
            Verdict::Skipped { .. } => (format!("skipping: [{host}]"), Tone::Skipped),
            // The items, or the tasks that it brought in, speak for it.
            _ if looped || speaks_otherwise(result) => return Ok(()),
            _ if result.outcome.is_changed() => (format!("changed: [{host}]"), Tone::Changed),
            _ if !self.options.display_ok => return Ok(()),
            _ => (format!("ok: [{host}]"), Tone::Ok),
        };
        self.announce_for(result)?;
        self.show_diff(result)?;
        self.finish_line(head, result, looped, tone)
    }

    fn task_failed(&mut self, result: &HostResult, message: &str, looped: bool) -> io::Result<()> {
        self.announce_for(result)?;
        // Of the items of `debug` nothing is kept that could speak for them.
        if !looped || result::says_its_own(result) {
            if !looped {
                self.explain(result, message)?;
            }
            let word = if result.outcome.is_unknown() { "UNKNOWN" } else { "FAILED" };
            let host = result::host_label(result);
            let dump = result::dump(result, looped, &self.options);
            self.fail_line(&format!("fatal: [{host}]: {word}! => {dump}"), Tone::Error)?;
        }
        if result.ignored { self.screen.line("...ignoring", Tone::Skipped) } else { Ok(()) }
    }

    fn explain(&mut self, result: &HostResult, message: &str) -> io::Result<()> {
        self.warn_of(result)?;
        if let Some(Place { file, line, .. }) = &result.place
            && self.options.path_on_failure
            && self.options.verbosity < 2
        {
            let path = format!("task path: {}:{line}", harmless(file));
            self.fail_line(&path, Tone::Error)?;
        }
        let text = failure::failure(result, message, &self.options);
        self.screen.task_error(&text, self.options.failed_to_stderr)
    }

    /// A line about a failure: where failures are to go.
    fn fail_line(&mut self, text: &str, tone: Tone) -> io::Result<()> {
        if self.options.failed_to_stderr {
            self.screen.error_line(text, tone)
        } else {
            self.screen.line(text, tone)
        }
    }

    fn warn_of(&mut self, result: &HostResult) -> io::Result<()> {
        if result.no_log {
            return Ok(());
        }
        result.outcome.warnings.iter().try_for_each(|warning| self.screen.warning(warning))?;
        let told = result.outcome.result.get("deprecations").and_then(|list| list.as_array());
        for deprecation in told.into_iter().flatten().filter(|_| self.options.deprecations) {
            let message = deprecation.get("msg").and_then(|text| text.as_str());
            message.map_or(Ok(()), |message| self.screen.deprecation(message))?;
        }
        Ok(())
    }

    fn show_diff(&mut self, result: &HostResult) -> io::Result<()> {
        self.warn_of(result)?;
        let is_shown = self.options.show_diff && result.outcome.is_changed() && !result.no_log;
        if !is_shown || result.outcome.diff.is_empty() {
            return Ok(());
        }
        match diff::render(&result.outcome.diff, &self.screen) {
            text if text.is_empty() => Ok(()),
            text => self.screen.line(&text, Tone::Plain),
        }
    }

    fn finish_line(
        &mut self,
        mut head: String,
        result: &HostResult,
        looped: bool,
        tone: Tone,
    ) -> io::Result<()> {
        let is_shown = match result.outcome.verdict {
            Verdict::Skipped { .. } => self.options.verbosity > 0,
            _ => result::is_shown(result, &self.options),
        };
        if is_shown {
            head.push_str(" => ");
            head.push_str(&result::dump(result, looped, &self.options));
        }
        self.screen.line(&head, tone)
    }

    fn unreachable(&mut self, host: &HostName, message: &str, ignored: bool) -> io::Result<()> {
        self.announce()?;
        let host = harmless(host.as_str());
        let message = format!("Task failed: {}", message.trim_start_matches("Task failed: "));
        let place = self.task.as_ref().and_then(|task| task.place.as_ref());
        let origin = place.map(|place| format!("\n{}", failure::origin(place, &self.options)));
        let told = format!("{}{}", harmless(&message), origin.unwrap_or_default());
        self.screen.task_error(&told, self.options.failed_to_stderr)?;
        let result = serde_json::json!({"changed": false, "msg": message, "unreachable": true});
        let layout = if self.options.verbosity >= 3 {
            crate::text::Layout::Pretty
        } else {
            crate::text::Layout::Line
        };
        let dump = crate::text::json(&result, layout);
        let line = format!("fatal: [{host}]: UNREACHABLE! => {dump}");
        self.fail_line(&line, Tone::Unreachable)?;
        if ignored { self.screen.line("...ignoring", Tone::Skipped) } else { Ok(()) }
    }

    /// `meta` has no result: what it did is said with `-vv`, that it was passed over always.
    fn meta_finished(
        &mut self,
        host: &HostName,
        word: &str,
        message: &str,
        skipped: bool,
        implicit: bool,
    ) -> io::Result<()> {
        if implicit {
            if self.options.debug && !skipped {
                self.screen.line(&harmless(&format!("META: {message}")), Tone::Verbose)?;
            }
            return Ok(());
        }
        self.announce()?;
        if self.options.verbosity >= 2 {
            self.screen.line(&harmless(&format!("META: {message}")), Tone::Verbose)?;
        }
        if skipped {
            let mut line = format!("skipping: [{}]", harmless(host.as_str()));
            if self.options.verbosity > 0 {
                let result = serde_json::json!({ "msg": word, "skip_reason": message });
                line += &format!(" => {}", crate::text::json(&result, crate::text::Layout::Line));
            }
            self.screen.line(&line, Tone::Skipped)?;
        }
        Ok(())
    }

    fn output(&mut self, host: &HostName, stream: OutputStream, text: &str) -> io::Result<()> {
        let is_told = stream == OutputStream::Agent;
        if self.options.verbosity < if is_told { 3 } else { 1 } {
            return Ok(());
        }
        self.announce()?;
        let host = harmless(host.as_str());
        text.lines().try_for_each(|line| {
            let line = harmless(line);
            let line =
                if is_told { format!("<{host}> {line}") } else { format!("{host} | {line}") };
            self.screen.line(&line, Tone::Debug)
        })
    }

    fn run_started(&mut self, check: bool) -> io::Result<()> {
        self.check = check;
        if check && self.options.check_markers {
            self.screen.banner("DRY RUN")?;
        }
        Ok(())
    }

    fn included(&mut self, file: &str, hosts: &[HostName], item: Option<&Item>) -> io::Result<()> {
        self.announce()?;
        let hosts = hosts.iter().map(HostName::as_str).collect::<Vec<_>>().join(", ");
        let item = item.map(|item| format!(" => {}", result::item(&item.label, false)));
        let item = item.unwrap_or_default();
        let text = format!("included: {} for {}{item}", harmless(file), harmless(&hosts));
        self.screen.line(&text, Tone::Skipped)
    }

    fn run_finished(&mut self, recap: &Recap, status: RunStatus) -> io::Result<()> {
        if status == RunStatus::Cancelled {
            self.screen.error("User interrupted execution")?;
        }
        if status == RunStatus::Aborted && self.play.is_none() {
            return self.screen.flush();
        }
        self.screen.banner("PLAY RECAP")?;
        let mut hosts = recap.hosts.iter().collect::<Vec<_>>();
        hosts.sort_by_key(|(name, _)| *name);
        for (name, counts) in hosts {
            let line = self.recap_line(name, counts);
            self.screen.line(&line, Tone::Plain)?;
        }
        self.screen.line("", Tone::Plain)?;
        self.custom_stats()?;
        if self.check && self.options.check_markers {
            self.screen.banner("DRY RUN")?;
        }
        self.screen.flush()
    }

    /// What `set_stats` collected: a line a host, then one for the run.
    fn custom_stats(&mut self) -> io::Result<()> {
        let Some(serde_json::Value::Object(mut hosts)) =
            self.stats.take().filter(|_| self.options.show_custom_stats)
        else {
            return Ok(());
        };
        self.screen.banner("CUSTOM STATS: ")?;
        let run = hosts.shift_remove("_run");
        hosts.sort_keys();
        let lines = hosts.into_iter().chain(run.map(|stats| ("RUN".to_owned(), stats)));
        for (host, stats) in lines {
            // As Python indents by one, without the line breaks.
            let pretty = crate::text::json(&stats, crate::text::Layout::Pretty);
            let stats: String = pretty.lines().map(|line| line.replacen("    ", " ", 9)).collect();
            self.screen.line(&format!("\t{}: {stats}", harmless(&host)), Tone::Plain)?;
        }
        self.screen.line("", Tone::Plain)
    }

    fn recap_line(&self, name: &HostName, counts: &HostRecap) -> String {
        let name = harmless(name.as_str());
        let tone = if counts.failed + counts.unreachable > 0 {
            Tone::Error
        } else if counts.changed > 0 {
            Tone::Changed
        } else {
            Tone::Ok
        };
        // Ansible pads a coloured name to 37, the escapes counted in: that is 26 that are seen.
        let pad = 26_usize.saturating_sub(name.chars().count());
        let mut line = format!("{}{:pad$} :", self.screen.paint(&name, tone), "");
        let columns = [
            ("ok", counts.ok, Tone::Ok),
            ("changed", counts.changed, Tone::Changed),
            ("unreachable", counts.unreachable, Tone::Unreachable),
            ("failed", counts.failed, Tone::Error),
            ("skipped", counts.skipped, Tone::Skipped),
            ("rescued", counts.rescued, Tone::Ok),
            ("ignored", counts.ignored, Tone::Warning),
        ];
        for (label, count, tone) in columns {
            let tone = if count > 0 { tone } else { Tone::Plain };
            line.push(' ');
            line.push_str(&self.screen.paint(&format!("{label}={count:<4}"), tone));
        }
        line
    }
}

/// Tasks that bring in others and say nothing of themselves.
fn speaks_otherwise(result: &HostResult) -> bool {
    matches!(result::short(&result.action), "include_tasks" | "include_role" | "meta")
}

impl Reporter for Console {
    fn see(&mut self, event: &Event) -> io::Result<()> {
        match &event.kind {
            EventKind::RunStarted { check, .. } => self.run_started(*check)?,
            EventKind::PlayStarted { name, check, .. } => self.start_play(name, *check)?,
            EventKind::PlaybookStarted { path, plays } if self.options.verbosity >= 2 => {
                let name = path.rsplit('/').next().unwrap_or(path);
                self.screen.banner(&harmless(&format!("PLAYBOOK: {name}")))?;
                self.screen.line(&harmless(&format!("{plays} plays in {path}")), Tone::Plain)?;
            }
            EventKind::JobPolled { host, job, state } => {
                self.announce()?;
                let (word, rest, tone) = match state {
                    JobState::Running => ("POLL", " started=True finished=False", Tone::Debug),
                    JobState::Done => ("OK", "", Tone::Debug),
                    JobState::Failed => ("FAILED", "", Tone::Error),
                };
                let text = format!("ASYNC {word} on {host}: jid={job}{rest}");
                self.screen.line(&harmless(&text), tone)?;
            }
            EventKind::NoHostsMatched { name } => {
                if self.play.as_deref() != Some(name) || self.task.is_some() {
                    self.start_play(name, self.check)?;
                }
                self.screen.line("skipping: no hosts matched", Tone::Skipped)?;
            }
            EventKind::TaskStarted { name, handler, place, check, .. } => {
                self.start_task(name, *handler, place.as_ref(), *check)?;
            }
            EventKind::Output { host, stream, text } => self.output(host, *stream, text)?,
            EventKind::ItemFinished { result, item } => self.item_finished(result, item)?,
            EventKind::Retried { host, name, left } => {
                self.announce()?;
                let text = format!("FAILED - RETRYING: [{host}]: {name} ({left} retries left).");
                self.screen.line(&harmless(&text), Tone::Debug)?;
            }
            EventKind::TaskFinished { result, looped } => self.task_finished(result, *looped)?,
            EventKind::HostUnreachable { host, message, ignored } => {
                self.unreachable(host, message, *ignored)?;
            }
            EventKind::Included { file, hosts, item } => {
                self.included(file, hosts, item.as_ref())?;
            }
            EventKind::HandlerNotified { name, host } if self.options.verbosity > 1 => {
                let text = format!("NOTIFIED HANDLER {name} for {host}");
                self.screen.line(&harmless(&text), Tone::Verbose)?;
            }
            EventKind::MetaFinished { host, word, message, skipped, implicit } => {
                self.meta_finished(host, word, message, *skipped, *implicit)?;
            }
            EventKind::CustomStats { stats } => self.stats = Some(stats.clone()),
            EventKind::NoHostsLeft => self.screen.banner("NO MORE HOSTS LEFT")?,
            EventKind::Warned { message } => self.screen.warning(message)?,
            EventKind::Aborted { message } => self.screen.error(message)?,
            EventKind::RunFinished { recap, status } => self.run_finished(recap, *status)?,
            EventKind::PlaybookStarted { .. }
            | EventKind::HostsForgiven { .. }
            | EventKind::HandlerNotified { .. }
            | EventKind::FactsLearned { .. } => {}
        }
        self.screen.flush()
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.screen.flush()
    }
}
