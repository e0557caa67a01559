//! `async_status`: what became of a job that a task with `async` started.

use std::path::PathBuf;

use model::Args;
use serde_json::Value;
use system::{Probe, System};

use crate::arguments::{arguments, choices};
use crate::contract::{Check, Failure, Module};

/// Results of jobs are read up to this size.
const LIMIT: u64 = 64 << 20;

choices! {
    /// What is done with the result.
    pub enum Mode {
        /// It is told.
        Status = "status",
        /// It is removed.
        Cleanup = "cleanup",
    }
}

arguments! {
    /// Tells what became of a job in the background, or forgets it.
    pub struct AsyncStatus {
        /// `ansible_job_id` in the result of the task that started it.
        pub jid: String,
        /// What is done with its result.
        pub mode: Mode { default: "status" },
        /// Where jobs leave their results.
        pub _async_dir: String { default: "~/.ansible_async" },
    }
}

impl Module for AsyncStatus {
    type Change = ();

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<()>, Failure> {
        let path = self.path(host)?;
        let cleanup = matches!(self.mode, Mode::Cleanup);
        result.insert("ansible_job_id".into(), self.jid.clone().into());
        for name in ["started", "finished"] {
            result.insert(name.into(), (!cleanup).into());
        }
        for name in ["stdout", "stderr"] {
            result.insert(name.into(), "".into());
        }
        let shown = path.display().to_string();
        let Some(content) = host.read(&path, LIMIT)? else {
            if cleanup {
                return Ok(Check::InSync);
            }
            result.insert("results_file".into(), shown.into());
            return Err(Failure::new("could not find job"));
        };
        if cleanup {
            result.insert("erased".into(), shown.into());
            return Ok(Check::Upkeep(()));
        }
        result.insert("results_file".into(), shown.into());
        let told: Args = serde_json::from_slice(&content)
            .map_err(|error| Failure::new(format!("Could not parse job output: {error}")))?;
        let failed = told.get("failed") == Some(&Value::Bool(true));
        let message = told.get("msg").and_then(Value::as_str).unwrap_or_default().to_owned();
        result.extend(told);
        if failed { Err(Failure::new(message)) } else { Ok(Check::InSync) }
    }

    fn apply(&self, (): (), host: &dyn System, _: &mut Args) -> Result<(), Failure> {
        Ok(host.remove(&self.path(host)?)?)
    }
}

impl AsyncStatus {
    fn path(&self, host: &dyn Probe) -> Result<PathBuf, Failure> {
        if self.jid.is_empty() || self.jid.contains(['/', '\0']) || self.jid.starts_with('.') {
            return Err(Failure::new(format!("'{}' is not the id of a job", self.jid)));
        }
        let directory = match self._async_dir.strip_prefix("~/") {
            Some(rest) => {
                let home = host.user_by_id(host.own_uid())?.map(|account| account.home);
                home.unwrap_or_else(|| "/".into()).join(rest)
            }
            None => PathBuf::from(&self._async_dir),
        };
        Ok(directory.join(&self.jid))
    }
}
