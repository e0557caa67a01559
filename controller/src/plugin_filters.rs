//! `plugin_filters_cfg`: a YAML file with modules that this controller does not run.

use std::collections::BTreeSet;
use std::path::Path;

use language::{Files, Source as _};
use yaml::{Diagnostic, Node};

use crate::error::CliError;
use crate::settings::Configuration;
use crate::terminal;

const DEFAULT: &str = "/etc/ansible/plugin_filters.yml";

/// The short names of the rejected modules.
pub(crate) fn rejected(set: &Configuration) -> Result<BTreeSet<String>, CliError> {
    let named = set.path("PLUGIN_FILTERS_CFG")?;
    let path = named.clone().unwrap_or_else(|| DEFAULT.into());
    if !path.exists() {
        if named.is_some() {
            let message =
                format!("The plugin filter file, {} does not exist. Skipping.", path.display());
            terminal::complain("WARNING", &message);
        }
        return Ok(BTreeSet::new());
    }
    let names = read(&path)?;
    if names.contains("stat") {
        return Err(CliError::failed(format!(
            "The stat module was specified in the module reject list file, {}, but Ansible will not function without \
             the stat module.  Please remove stat from the reject list.",
            path.display()
        )));
    }
    Ok(names)
}

fn read(path: &Path) -> Result<BTreeSet<String>, Diagnostic> {
    let (node, _) = yaml::load_one(&Files.read(path)?)?;
    let version = node.get("filter_version").map(|version| version.span.text().to_owned());
    if version.as_deref().map(|version| version.trim_matches(['\'', '"'])) != Some("1.0") {
        return Err(
            Diagnostic::error("a file of plugin filters says `filter_version: 1.0`").at(&node.span)
        );
    }
    let list = node.get("module_rejectlist").or_else(|| node.get("module_blacklist"));
    let Some(items) = list.filter(|list| !list.is_null()) else { return Ok(BTreeSet::new()) };
    let Some(items) = items.as_seq() else {
        return Err(Diagnostic::error("`module_rejectlist` is a list of names").at(&items.span));
    };
    let name = |item: &Node| match item.as_str() {
        Some(name) => Ok(name.trim_start_matches("ansible.builtin.").to_owned()),
        None => Err(Diagnostic::error("the name of a module is text").at(&item.span)),
    };
    items.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(text: &str) -> Result<Vec<String>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let names = read(file.path()).map_err(|error| error.message().to_owned())?;
        Ok(names.into_iter().collect())
    }

    #[test]
    fn names_are_read_and_mistakes_are_named() {
        let text = "filter_version: '1.0'\nmodule_rejectlist: [ansible.builtin.copy, pause]\n";
        assert_eq!(outcome(text), Ok(vec!["copy".to_owned(), "pause".to_owned()]));
        assert_eq!(outcome("filter_version: 1.0\nmodule_blacklist:\n"), Ok(Vec::new()));
        assert!(outcome("module_rejectlist: [copy]\n").unwrap_err().contains("filter_version"));
        let wrong = outcome("filter_version: 1.0\nmodule_rejectlist: copy\n").unwrap_err();
        assert!(wrong.contains("is a list"), "{wrong}");
    }
}
