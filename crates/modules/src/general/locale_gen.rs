//! `locale_gen`: locales that glibc has made, on Debian and Ubuntu.

use std::path::Path;

use model::{Args, Diff};
use system::{Command, Probe, System};

use crate::arguments::{Presence, arguments};
use crate::content::{Put, Target};
use crate::contract::{Change, Check, Failure, Module};
use crate::tool;

arguments! {
    /// Has locales made, or removed, by `locale-gen`.
    pub struct LocaleGen {
        /// The locales, e.g. `de_CH.UTF-8`.
        pub name: Vec<String> { required },
        /// Whether they are there.
        pub state: Presence { default: "present" },
    }
}

const LIMIT: u64 = 1 << 20;
const LIST: &str = "/etc/locale.gen";
const SUPPORTED: &str = "/usr/share/i18n/SUPPORTED";

/// The list of locales, if it changes; they are made in any case.
pub(crate) struct Work {
    put: Option<Put>,
}

impl Change for Work {
    fn diff(&self, host: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        self.put.iter().map(|put| put.diff(host)).collect()
    }
}

/// A name as `locale -a` writes it: `de_CH.UTF-8` is `de_CH.utf8` there.
fn plain(name: &str) -> String {
    let (name, modifier) = name.split_at(name.find('@').unwrap_or(name.len()));
    let Some((place, letters)) = name.split_once('.') else { return format!("{name}{modifier}") };
    let letters: String = letters.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{place}.{}{modifier}", letters.to_lowercase())
}

/// The locale that a line of the list names, as a comment or not.
fn named(line: &str) -> Option<&str> {
    let mut words = line.trim_start_matches(['#', ' ', '\t']).split_whitespace();
    let name = words.next()?;
    // A name and its letters; prose in the list's comments has more words.
    (words.next().is_some() && words.next().is_none()).then_some(name)
}

impl Module for LocaleGen {
    type Change = Work;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Work>, Failure> {
        result.insert("name".into(), self.name.clone().into());
        let target = Target::find(host, Path::new(LIST))?;
        if target.current.is_none() {
            return Err(Failure::new(format!(
                "{LIST} is missing. Is the package \"locales\" installed?"
            )));
        }
        result.insert("mechanism".into(), "glibc".into());
        let read = |path: &Path| -> Result<String, Failure> {
            let bytes = host.read(path, LIMIT)?.unwrap_or_default();
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let list = read(&target.path)?;
        let supported = read(Path::new(SUPPORTED))?;
        let known = |name: &&String| {
            list.lines().chain(supported.lines()).any(|line| named(line) == Some(name.as_str()))
        };
        let unknown: Vec<&str> =
            self.name.iter().filter(|name| !known(name)).map(String::as_str).collect();
        if !unknown.is_empty() {
            let names = unknown.join(", ");
            let text = "The following locales you have entered are not available on your system";
            return Err(Failure::new(format!("{text}: {names}")));
        }
        let made = tool::told(host, &Command::new("locale", ["-a"]))?;
        let is_made = |name: &String| made.lines().any(|line| plain(line.trim()) == plain(name));
        let is_wanted = self.state.is_present();
        let drifted: Vec<&String> =
            self.name.iter().filter(|name| is_made(name) != is_wanted).collect();
        if drifted.is_empty() {
            return Ok(Check::InSync);
        }
        let new = edited(&list, &supported, &drifted, is_wanted);
        let put = (new != list).then(|| Put::text(target.path, new));
        Ok(Check::Drift(Work { put }))
    }

    fn apply(&self, work: Work, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        if let Some(put) = work.put {
            put.apply(host, result)?;
        }
        tool::run(host, &Command::new("locale-gen", Vec::<String>::new())).map(drop)
    }
}

/// The list with the lines of locales made into comments, or out of them.
fn edited(list: &str, supported: &str, names: &[&String], is_wanted: bool) -> String {
    let mut new = String::new();
    let mut left: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    for line in list.lines() {
        let is_meant = named(line).is_some_and(|name| names.iter().any(|one| *one == name));
        let is_comment = line.trim_start().starts_with('#');
        if is_meant {
            left.retain(|name| named(line) != Some(name));
        }
        match (is_meant, is_wanted) {
            (true, true) if is_comment => new.push_str(line.trim_start_matches(['#', ' ', '\t'])),
            (true, false) if !is_comment => new.push_str(&format!("# {line}")),
            _ => new.push_str(line),
        }
        new.push('\n');
    }
    let is_new = |line: &&str| named(line).is_some_and(|name| left.contains(&name));
    for line in supported.lines().filter(|line| is_wanted && is_new(line)) {
        new.push_str(line);
        new.push('\n');
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_as_locale_writes_them() {
        for (name, told) in [
            ("de_CH.UTF-8", "de_CH.utf8"),
            ("de_DE.ISO-8859-15@euro", "de_DE.iso885915@euro"),
            ("ja_JP.EUC-JP", "ja_JP.eucjp"),
            ("en_US", "en_US"),
        ] {
            assert_eq!(plain(name), told);
        }
    }
}
