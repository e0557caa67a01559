//! What a template file sees about itself: `template_path`, `ansible_managed` and their like.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use jiff::civil::DateTime as Civil;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::environment::Environment;
use crate::globals::DateTime;
use crate::templar::Variables;
use crate::value::Value;

/// The variables of a template file: its name as it was given, where it was found, and where its text goes (empty: nowhere).
/// An `ansible_managed` that is `seen` already stays what it is.
pub fn template_variables(
    environment: &Environment,
    seen: &dyn Variables,
    given: &str,
    path: &Path,
    dest: &str,
) -> Vec<(Arc<str>, Value)> {
    let full = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let full = full.to_string_lossy();
    let metadata = path.metadata().ok();
    let uid = metadata.as_ref().map(|metadata| owner(metadata.uid())).unwrap_or_default();
    let modified = metadata
        .and_then(|metadata| Timestamp::try_from(metadata.modified().ok()?).ok())
        .map_or_else(Zoned::now, |at| at.to_zoned(TimeZone::system()));
    let host = nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned();
    let managed = as_template(&managed(environment));
    let managed = if managed.contains('%') {
        jiff::fmt::strtime::format(&managed, &modified).unwrap_or(managed)
    } else {
        managed
    };
    let civil = |at: Civil| DateTime::value(at);
    let pairs = [
        ("ansible_managed", Value::trusted(managed, None)),
        ("template_host", Value::from(host)),
        ("template_path", Value::from(given)),
        ("template_fullpath", Value::from(&*full)),
        ("template_mtime", civil(modified.datetime())),
        ("template_uid", Value::from(uid)),
        ("template_run_date", civil(Zoned::now().datetime())),
        ("template_destpath", Value::from(dest)),
    ];
    pairs
        .into_iter()
        .filter(|(name, _)| *name != "ansible_managed" || seen.get(name).is_none())
        .map(|(name, value)| (name.into(), value))
        .collect()
}

/// The setting `ansible_managed`.
fn managed(environment: &Environment) -> String {
    let configuration = environment.configuration.as_ref();
    let setting =
        configuration.and_then(|all| all.setting(None, "DEFAULT_MANAGED_STR", &|_| None).ok()?);
    setting.map_or_else(|| "Ansible managed".to_owned(), |(value, _)| value.to_string())
}

/// The setting, a format of Python's, as a template: names of files, users and hosts are variables in it, so that nothing in
/// them is a format or a template.
fn as_template(format: &str) -> String {
    const PARTS: [(&str, &str); 5] = [
        ("{{", "{"),
        ("}}", "}"),
        ("{file}", "{{ template_path }}"),
        ("{uid}", "{{ template_uid }}"),
        ("{host}", "{{ template_host }}"),
    ];
    let (mut rest, mut template) = (format, String::new());
    while let Some(letter) = rest.chars().next() {
        let part = PARTS.iter().find(|(part, _)| rest.starts_with(part));
        let length = match part {
            Some((part, meaning)) => {
                template.push_str(meaning);
                part.len()
            }
            None => {
                template.push(letter);
                letter.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    template
}

/// A user's name, or the number if it has none.
fn owner(uid: u32) -> String {
    let user = nix::unistd::User::from_uid(uid.into()).ok().flatten();
    user.map_or_else(|| uid.to_string(), |user| user.name)
}

#[cfg(test)]
mod tests {
    use super::as_template;

    #[test]
    fn the_format_becomes_a_template() {
        let format = "{file} by {uid} on {host}: {{{{ 1 + 1 }}}} {{ 3 }}";
        let template =
            "{{ template_path }} by {{ template_uid }} on {{ template_host }}: {{ 1 + 1 }} { 3 }";
        assert_eq!(as_template(format), template);
    }
}
