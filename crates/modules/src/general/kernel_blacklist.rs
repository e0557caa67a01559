//! `kernel_blacklist`: modules that the kernel does not load by itself.

use std::path::PathBuf;

use model::{Args, Diff};
use serde_json::{Value, json};
use system::{Probe, System};

use crate::arguments::{Presence, arguments};
use crate::content::{Put, Target};
use crate::contract::{Change, Check, Failure, Module};
use crate::diff;

arguments! {
    /// Puts a module of the kernel on the list of those that are not loaded by themselves, or takes it off.
    pub struct KernelBlacklist {
        /// The module.
        pub name: String,
        /// The file with the list.
        pub blacklist_file: PathBuf { default: "/etc/modprobe.d/blacklist-ansible.conf" },
        /// Whether it is on the list.
        pub state: Presence { default: "present" },
    }
}

const LIMIT: u64 = 4 << 20;

/// The file with its new lines.
pub(crate) struct Listing {
    put: Put,
    before: Value,
    after: Value,
}

impl Change for Listing {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let side = |lines: &Value| json!({ "lines": lines });
        let name = self.put.path.display().to_string();
        Ok(vec![diff::state(&name, side(&self.before), side(&self.after))])
    }
}

impl Module for KernelBlacklist {
    type Change = Listing;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Listing>, Failure> {
        let name = self.name.as_str();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(Failure::new(format!("`{name}` is no name of a module")));
        }
        let target = Target::find(host, &self.blacklist_file)?;
        let shown = target.path.display();
        let bytes = host.read(&target.path, LIMIT)?.unwrap_or_default();
        let text = String::from_utf8(bytes)
            .map_err(|_| Failure::new(format!("{shown} is not text in UTF-8")))?;
        let is_mine = |line: &str| line.split_whitespace().eq(["blacklist", name].iter().copied());
        let before: Vec<&str> = text.lines().collect();
        let is_listed = before.iter().any(|line| is_mine(line));
        let is_wanted = self.state.is_present();
        let own = format!("blacklist {name}");
        let mut after = before.clone();
        if is_wanted && !is_listed {
            after.push(&own);
        } else if !is_wanted {
            after.retain(|line| !is_mine(line));
        }
        for (key, value) in [
            ("filename", Value::from(self.blacklist_file.to_string_lossy())),
            ("name", name.into()),
            ("state", self.state.as_str().into()),
            ("is_blacklisted", is_wanted.into()),
            ("lines", json!(after)),
        ] {
            result.insert(key.into(), value);
        }
        if is_listed == is_wanted {
            return Ok(Check::InSync);
        }
        let directory = system::parent_of(&target.path);
        if host.stat(directory, true)?.is_none() {
            let directory = directory.display();
            return Err(Failure::new(format!("there is no directory {directory} for the list")));
        }
        let text: String = after.iter().flat_map(|line| [*line, "\n"]).collect();
        let put = Put::text(target.path.clone(), text);
        Ok(Check::Drift(Listing { put, before: json!(before), after: json!(after) }))
    }

    fn apply(&self, listing: Listing, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        listing.put.apply(host, result).map(drop)
    }
}
