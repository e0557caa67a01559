//! How long things took: the whole run, its tasks, its roles (`timer`, `profile_tasks`, `profile_roles`).

use std::io::{self, Write};

use indexmap::IndexMap;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use model::{Event, EventKind};

use crate::Reporter;
use crate::text::harmless;

/// Columns of a line.
const WIDTH: usize = 79;

/// Tasks that are shown at most.
const MOST: usize = 20;

/// Says at the end how long the run took.
pub struct Timer {
    out: Box<dyn Write + Send>,
    began: Option<Timestamp>,
}

impl Timer {
    /// Writes to `out`.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out, began: None }
    }
}

impl Reporter for Timer {
    fn see(&mut self, event: &Event) -> io::Result<()> {
        let began = *self.began.get_or_insert(event.at);
        if matches!(event.kind, EventKind::RunFinished { .. }) {
            let seconds = event.at.duration_since(began).as_secs();
            let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
            let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
            writeln!(
                self.out,
                "Playbook run took {days} days, {hours} hours, {minutes} minutes, {seconds} seconds"
            )?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.out.flush()
    }
}

/// What is summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sum {
    /// Each task.
    Tasks,
    /// The tasks of each role.
    Roles,
}

/// Says with every task how long the one before it took, and at the end which took longest.
pub struct Profile {
    out: Box<dyn Write + Send>,
    sum: Sum,
    zone: TimeZone,
    began: Option<Timestamp>,
    current: Option<(String, Timestamp)>,
    took: IndexMap<String, SignedDuration>,
    /// Tasks of one name are told apart.
    number: usize,
}

impl Profile {
    /// Writes to `out`; moments are those of `zone`.
    pub fn new(out: Box<dyn Write + Send>, sum: Sum, zone: TimeZone) -> Self {
        Self { out, sum, zone, began: None, current: None, took: IndexMap::new(), number: 0 }
    }

    /// Ends the current task; gives its time.
    fn end_task(&mut self, at: Timestamp) -> SignedDuration {
        let Some((key, began)) = self.current.take() else { return SignedDuration::ZERO };
        let took = at.duration_since(began);
        *self.took.entry(key).or_default() += took;
        took
    }

    fn start_task(&mut self, name: &str, at: Timestamp) -> io::Result<()> {
        let last = self.end_task(at);
        self.moment(at, last)?;
        self.number += 1;
        let key = match self.sum {
            // The number goes before the name, and is not shown.
            Sum::Tasks => format!("{}\n{name}", self.number),
            Sum::Roles => name.split_once(" : ").map_or("(play)", |(role, _)| role).to_owned(),
        };
        self.current = Some((key, at));
        Ok(())
    }

    /// `Monday 01 January 2024  10:00:00 +0000 (0:00:01.234)       0:00:05.678 ****`
    fn moment(&mut self, at: Timestamp, last: SignedDuration) -> io::Result<()> {
        let began = *self.began.get_or_insert(at);
        let date = at.to_zoned(self.zone.clone()).strftime("%A %d %B %Y  %H:%M:%S %z").to_string();
        let text = format!("{date} ({})       {} ", clock(last), clock(at.duration_since(began)));
        writeln!(self.out, "{text:*<WIDTH$} ")
    }

    fn summary(&mut self, at: Timestamp) -> io::Result<()> {
        let last = self.end_task(at);
        self.moment(at, last)?;
        writeln!(self.out, "{}", "=".repeat(WIDTH + 1))?;
        let mut took: Vec<_> = std::mem::take(&mut self.took).into_iter().collect();
        let total: SignedDuration = took.iter().map(|(_, took)| *took).sum();
        took.sort_by_key(|(_, took)| std::cmp::Reverse(*took));
        if self.sum == Sum::Tasks {
            took.truncate(MOST);
        } else {
            took.push(("total".to_owned(), total));
        }
        for (key, took) in &took {
            let name = key.split_once('\n').map_or(key.as_str(), |(_, name)| name);
            if self.sum == Sum::Roles && key == "total" {
                writeln!(self.out, "{}", "~".repeat(WIDTH + 1))?;
            }
            let name = format!("{} ", harmless(name));
            let took = format!(" {:.2}s", took.as_secs_f64());
            writeln!(self.out, "{name:-<70}{took:->9}")?;
        }
        Ok(())
    }
}

impl Reporter for Profile {
    fn see(&mut self, event: &Event) -> io::Result<()> {
        self.began.get_or_insert(event.at);
        match &event.kind {
            EventKind::TaskStarted { name, .. } => self.start_task(name, event.at)?,
            EventKind::RunFinished { .. } => self.summary(event.at)?,
            _ => return Ok(()),
        }
        self.out.flush()
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.out.flush()
    }
}

/// `0:01:02.345`
fn clock(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    format!(
        "{}:{:02}:{:02}.{:03}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        duration.subsec_millis()
    )
}
