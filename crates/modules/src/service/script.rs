//! Services that are scripts in /etc/init.d, under sysvinit or OpenRC.

use std::path::Path;

use system::{Command, Probe, System};

use crate::contract::Failure;
use crate::tool;

/// A service's script, with the programs that handle it.
pub(super) struct Script {
    name: String,
    is_openrc: bool,
}

/// Where a service starts.
pub(super) enum Levels<'a> {
    /// In the runlevel of this name, where runlevels have names; else in the usual ones.
    Named(&'a str),
    /// In these.
    Of(&'a [String]),
}

/// Words of a `status` that say that it does not run, whatever the exit status.
const STOPPED: &[&str] = &["not running", "is stopped", "stopped", "dead", "is down", "inactive"];

impl Script {
    /// The script of a service.
    pub(super) fn find(host: &dyn Probe, name: &str) -> Result<Self, Failure> {
        let exists = |path: &Path| host.stat(path, true).is_ok_and(|found| found.is_some());
        if !exists(&Path::new("/etc/init.d").join(name)) {
            return Err(Failure::new(format!("Could not find the requested service {name}: host")));
        }
        let is_openrc = facts::service_manager(host) == "openrc";
        Ok(Self { name: name.to_owned(), is_openrc })
    }

    fn command(&self, host: &dyn Probe, words: &[&str]) -> Command {
        let program = if self.is_openrc { "rc-service" } else { "service" };
        let words = [&[self.name.as_str()], words].concat();
        match tool::find(host, program) {
            Some(path) => Command::new(path.to_string_lossy(), words),
            None => Command::new(format!("/etc/init.d/{}", self.name), words[1..].to_vec()),
        }
    }

    pub(super) fn is_running(&self, host: &dyn Probe) -> Result<bool, Failure> {
        let output = host.query(&self.command(host, &["status"]))?;
        let said = output.stdout_text().to_lowercase();
        let says_stopped = STOPPED.iter().any(|word| said.contains(word));
        Ok(output.is_success() && !says_stopped)
    }

    pub(super) fn act(
        &self,
        host: &dyn System,
        word: &str,
        extra: &[String],
        may_fail: bool,
    ) -> Result<(), Failure> {
        let words: Vec<&str> =
            std::iter::once(word).chain(extra.iter().map(String::as_str)).collect();
        let output = host.run(&self.command(host, &words))?;
        if output.is_success() || may_fail {
            return Ok(());
        }
        Err(tool::failure(&output, &format!("Unable to {word} service {}: ", self.name)))
    }

    /// Whether it starts with the machine: a start link in one of the usual runlevels, or in how many of those asked for.
    pub(super) fn is_enabled(
        &self,
        host: &dyn Probe,
        levels: &Levels<'_>,
        wanted: bool,
    ) -> Result<bool, Failure> {
        let folder = |level: &String| format!("/etc/rc{level}.d");
        let folders: Vec<String> = match levels {
            Levels::Named(level) if self.is_openrc => vec![format!("/etc/runlevels/{level}")],
            Levels::Named(_) => {
                ["2", "3", "4", "5", "S"].map(|level| format!("/etc/rc{level}.d")).into()
            }
            Levels::Of(levels) => levels.iter().map(folder).collect(),
        };
        let mut starts = folders.iter().map(|folder| self.starts_in(host, Path::new(folder)));
        // All of the runlevels that were asked for, or one of the usual ones.
        match levels {
            Levels::Of(_) if wanted => starts.try_fold(true, |all, one| Ok(one? && all)),
            _ => starts.try_fold(false, |any, one| Ok(one? || any)),
        }
    }

    fn starts_in(&self, host: &dyn Probe, folder: &Path) -> Result<bool, Failure> {
        if host.stat(folder, true)?.is_none() {
            return Ok(false);
        }
        Ok(host.list(folder)?.iter().any(|name| {
            let name = name.to_string_lossy();
            name == self.name.as_str() || is_start_link(&name, &self.name)
        }))
    }

    pub(super) fn enable(
        &self,
        host: &dyn System,
        enable: bool,
        levels: &Levels<'_>,
    ) -> Result<(), Failure> {
        let name = self.name.as_str();
        let named = match levels {
            Levels::Named(level) => vec![*level],
            Levels::Of(levels) => levels.iter().map(String::as_str).collect(),
        };
        let of = if matches!(levels, Levels::Of(_)) { named.as_slice() } else { &[] };
        let joined = of.concat();
        let commands: Vec<(&str, Vec<&str>)> = if self.is_openrc {
            let word = if enable { "add" } else { "del" };
            named.iter().map(|level| ("rc-update", vec![word, name, level])).collect()
        } else if tool::find(host, "update-rc.d").is_some() {
            let word = if enable { "enable" } else { "disable" };
            let switch = [&[name, word], of].concat();
            vec![("update-rc.d", vec![name, "defaults"]), ("update-rc.d", switch)]
        } else {
            let word = if enable { "on" } else { "off" };
            let level = if of.is_empty() { vec![] } else { vec!["--level", joined.as_str()] };
            let switch = [level.as_slice(), &[name, word]].concat();
            vec![("chkconfig", vec!["--add", name]), ("chkconfig", switch)]
        };
        for (program, words) in commands {
            let command = Command::new(program, words);
            let output = host.run(&command)?;
            if !output.is_success() {
                let doing = if enable { "enable" } else { "disable" };
                return Err(tool::failure(&output, &format!("Unable to {doing} service {name}: ")));
            }
        }
        Ok(())
    }
}

/// `S20nginx` starts `nginx`.
fn is_start_link(link: &str, name: &str) -> bool {
    let rest = link.strip_prefix('S').and_then(|rest| rest.get(2..));
    rest == Some(name) && link[1..3].bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a process's command line contains a text.
pub(super) fn process_matches(host: &dyn Probe, pattern: &str) -> Result<bool, Failure> {
    const LIMIT: u64 = 1 << 20;
    let own = std::process::id().to_string();
    for name in host.list(Path::new("/proc"))? {
        let name = name.to_string_lossy();
        if !name.bytes().all(|byte| byte.is_ascii_digit()) || *name == own {
            continue;
        }
        // A process may end while it is looked at.
        let Ok(Some(line)) = host.read(&Path::new("/proc").join(&*name).join("cmdline"), LIMIT)
        else {
            continue;
        };
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(pattern) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    #[test]
    fn start_links_are_told_from_others() {
        use super::is_start_link;
        assert!(is_start_link("S20nginx", "nginx"));
        for other in ["K20nginx", "S20nginx2", "Sxxnginx", "S2", "nginx", "S2é"] {
            assert!(!is_start_link(other, "nginx"), "{other}");
        }
    }
}
