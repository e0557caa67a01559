//! The last result of each host, as a document of its own (`tree`).

use std::io;

use model::{Event, EventKind};
use serde_json::Value;

use crate::result::shown;
use crate::text::{Layout, json};
use crate::{Options, Reporter};

/// Keeps a document: its name and its text.
pub type Keep = Box<dyn FnMut(&str, &str) -> io::Result<()> + Send>;

/// Keeps each host's last result under the host's name.
pub struct Tree {
    keep: Keep,
}

impl Tree {
    /// Documents go to `keep`.
    pub fn new(keep: Keep) -> Self {
        Self { keep }
    }
}

impl Reporter for Tree {
    fn see(&mut self, event: &Event) -> io::Result<()> {
        match &event.kind {
            EventKind::TaskFinished { result, .. } if !result.outcome.is_skipped() => {
                let args = Value::Object(shown(result, false, &Options::default()));
                (self.keep)(result.host.as_str(), &json(&args, Layout::Line))
            }
            EventKind::HostUnreachable { host, message, .. } => {
                let result =
                    serde_json::json!({ "changed": false, "msg": message, "unreachable": true });
                (self.keep)(host.as_str(), &json(&result, Layout::Line))
            }
            _ => Ok(()),
        }
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}
