//! What settings there are: `table.txt`, read. Knows nothing of what anybody has set.

use std::sync::OnceLock;

/// The table of settings.
const TABLE: &str = include_str!("table.txt");

/// A setting: its names, its type, and its value when nobody says.
#[derive(Debug)]
pub(crate) struct Definition {
    /// The kind and the name of the plugin that it is an option of.
    pub(crate) plugin: Option<(&'static str, &'static str)>,
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// As it would be written in `ansible.cfg`; `{{ANSIBLE_HOME}}` stands for that setting.
    pub(crate) default: Option<&'static str>,
    pub(crate) environment: Vec<&'static str>,
    /// Sections and keys.
    pub(crate) ini: Vec<(&'static str, &'static str)>,
    pub(crate) choices: Vec<&'static str>,
    /// Variables of plays that decide it.
    pub(crate) variables: Vec<&'static str>,
    pub(crate) effect: Effect,
}

/// What a setting's text is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Any,
    Bool,
    Int,
    Float,
    Text,
    List,
    Path,
    /// Directories with colons between.
    PathSpec,
    /// Files with commas between.
    PathList,
    Dict,
}

/// Whether setting it does something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Applied,
    /// It is about how Ansible is made, and has no meaning in Muster.
    Moot,
    /// It would have a meaning, and has no effect yet.
    Missing,
}

impl Kind {
    /// Ansible's word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Any | Self::Text => "string",
            Self::Bool => "boolean",
            Self::Int => "integer",
            Self::Float => "float",
            Self::List => "list",
            Self::Path => "path",
            Self::PathSpec => "pathspec",
            Self::PathList => "pathlist",
            Self::Dict => "dict",
        }
    }

    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "any" | "raw" => Self::Any,
            "bool" => Self::Bool,
            "int" => Self::Int,
            "float" => Self::Float,
            "string" => Self::Text,
            "list" => Self::List,
            "path" | "tmppath" => Self::Path,
            "pathspec" => Self::PathSpec,
            "pathlist" => Self::PathList,
            "dict" | "dictionary" => Self::Dict,
            _ => return None,
        })
    }
}

impl Effect {
    /// What a person is told.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Applied => "takes effect as in Ansible",
            Self::Moot => "has no meaning in Muster; accepted and ignored",
            Self::Missing => "has no effect in Muster yet",
        }
    }

    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "applied" => Self::Applied,
            "moot" => Self::Moot,
            "missing" => Self::Missing,
            _ => return None,
        })
    }
}

impl Definition {
    /// Whether it is one of Ansible's own tests or workings, which listings leave out.
    pub(crate) fn is_hidden(&self) -> bool {
        self.name.starts_with("_Z_TEST")
    }

    /// For messages: the name, and whose option it is.
    pub(crate) fn label(&self) -> String {
        match self.plugin {
            Some((kind, plugin)) => format!("'{}' for '{plugin}' {kind} plugin", self.name),
            None => format!("'{}'", self.name),
        }
    }
}

/// All settings: the general ones first, then the options of plugins.
pub(crate) fn definitions() -> &'static [Definition] {
    static ALL: OnceLock<Vec<Definition>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut plugin = None;
        let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
        lines
            .filter_map(|line| {
                match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                    Some(name) => {
                        plugin = name.split_once(' ');
                        None
                    }
                    None => Some(row(line, plugin).expect("a test reads every line of the table")),
                }
            })
            .collect()
    })
}

/// The general settings.
pub(crate) fn general() -> impl Iterator<Item = &'static Definition> {
    definitions().iter().filter(|definition| definition.plugin.is_none())
}

/// The setting of that name, general or of a plugin.
pub(crate) fn definition(plugin: Option<(&str, &str)>, name: &str) -> Option<&'static Definition> {
    definitions().iter().find(|known| known.plugin == plugin && known.name == name)
}

/// Every plugin that the table knows, also those without options.
pub(crate) fn plugins() -> impl Iterator<Item = (&'static str, &'static str)> {
    let heads = TABLE.lines().filter_map(|line| line.strip_prefix('[')?.strip_suffix(']'));
    heads.filter_map(|head| head.split_once(' '))
}

fn row(line: &'static str, plugin: Option<(&'static str, &'static str)>) -> Option<Definition> {
    let columns: Vec<&str> = line.split(" | ").collect();
    let [name, kind, default, environment, ini, choices, variables, effect] = columns[..] else {
        return None;
    };
    let words = |text: &'static str| -> Vec<&'static str> {
        text.split(' ').filter(|word| *word != "-").collect()
    };
    let ini =
        words(ini).into_iter().map(|word| word.split_once('.')).collect::<Option<Vec<_>>>()?;
    Some(Definition {
        plugin,
        name,
        kind: Kind::of(kind)?,
        default: (default != "-").then_some(if default == "\"\"" { "" } else { default }),
        environment: words(environment),
        ini,
        choices: words(choices),
        variables: words(variables),
        effect: Effect::of(effect)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_setting() {
        assert!(general().count() > 200);
        let forks = definition(None, "DEFAULT_FORKS").unwrap();
        assert_eq!((forks.kind, forks.default), (Kind::Int, Some("5")));
        assert_eq!(forks.ini, [("defaults", "forks")]);
        let user = definition(Some(("connection", "ssh")), "remote_user").unwrap();
        assert_eq!(user.label(), "'remote_user' for 'ssh' connection plugin");
        assert!(user.variables.contains(&"ansible_ssh_user"));
        assert!(plugins().any(|plugin| plugin == ("cache", "memory")));
    }

    #[test]
    fn names_are_unique() {
        let mut seen = std::collections::HashSet::new();
        for known in definitions() {
            assert!(seen.insert((known.plugin, known.name)), "{} is there twice", known.label());
        }
    }
}
