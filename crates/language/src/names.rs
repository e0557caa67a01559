//! The names of the language: keywords by what they may stand on, actions with a meaning for the tree, and the spelling
//! that was meant.

/// What a mapping in a playbook is; decides which keywords it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    Play,
    /// An entry of `roles:` or of a role's dependencies.
    Role,
    Block,
    Task,
    Handler,
    /// `include_tasks` and `include_role`: they carry no keywords but their own.
    Include,
    /// The mapping of `import_playbook`.
    Import,
}

impl On {
    /// With its article, for messages.
    pub(crate) fn article(self) -> &'static str {
        match self {
            Self::Play => "a play",
            Self::Role => "a role",
            Self::Block => "a block",
            Self::Task => "a task",
            Self::Handler => "a handler",
            Self::Include => "an include",
            Self::Import => "an import_playbook",
        }
    }

    /// As Ansible calls it.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Play => "Play",
            Self::Role => "RoleInclude",
            Self::Block => "Block",
            Self::Task => "Task",
            Self::Handler => "Handler",
            Self::Include => "TaskInclude",
            Self::Import => "PlaybookInclude",
        }
    }

    /// Whether it may have that keyword.
    pub(crate) fn admits(self, keyword: &str) -> bool {
        self.keywords().any(|known| known == keyword)
    }

    /// Every keyword that it may have.
    pub(crate) fn keywords(self) -> impl Iterator<Item = &'static str> {
        let sets: &[&[&str]] = match self {
            Self::Play => &[BASE, &["tags", "collections"], PLAY],
            Self::Role => &[BASE, &["role", "name"], PLACED, DELEGATED],
            Self::Block => &[BASE, PLACED, DELEGATED, &["block", "rescue", "always", "notify"]],
            Self::Task => &[BASE, PLACED, DELEGATED, TASK],
            Self::Handler => &[BASE, PLACED, DELEGATED, TASK, &["listen"]],
            Self::Include => &[INCLUDE],
            Self::Import => &[&["name", "vars", "tags", "when"]],
        };
        sets.iter().flat_map(|set| set.iter().copied())
    }
}

const BASE: &[&str] = &[
    "name",
    "connection",
    "port",
    "remote_user",
    "vars",
    "module_defaults",
    "environment",
    "no_log",
    "run_once",
    "ignore_errors",
    "ignore_unreachable",
    "check_mode",
    "diff",
    "any_errors_fatal",
    "throttle",
    "timeout",
    "debugger",
    "become",
    "become_method",
    "become_user",
    "become_flags",
    "become_exe",
];

/// Keywords of what stands inside a play.
const PLACED: &[&str] = &["when", "tags", "collections"];

const DELEGATED: &[&str] = &["delegate_to", "delegate_facts"];

const PLAY: &[&str] = &[
    "hosts",
    "gather_facts",
    "gather_subset",
    "gather_timeout",
    "fact_path",
    "vars_files",
    "vars_prompt",
    "roles",
    "handlers",
    "pre_tasks",
    "tasks",
    "post_tasks",
    "force_handlers",
    "max_fail_percentage",
    "serial",
    "strategy",
    "order",
    "validate_argspec",
    "user",
];

const TASK: &[&str] = &[
    "action",
    "local_action",
    "args",
    "async",
    "changed_when",
    "delay",
    "failed_when",
    "loop",
    "loop_control",
    "notify",
    "poll",
    "register",
    "retries",
    "until",
];

const INCLUDE: &[&str] = &[
    "action",
    "args",
    "collections",
    "debugger",
    "ignore_errors",
    "loop",
    "loop_control",
    "name",
    "no_log",
    "register",
    "run_once",
    "tags",
    "timeout",
    "vars",
    "when",
    // What a handler answers to.
    "listen",
];

/// Modules whose argument is a command line, from which only a few options are taken.
pub(crate) const COMMANDS: &[&str] = &[
    "command",
    "shell",
    "raw",
    "script",
    "win_command",
    "win_shell",
    "ansible.windows.win_command",
    "ansible.windows.win_shell",
];

/// Actions that take free text without being commands.
pub(crate) const FREE_FORM: &[&str] = &[
    "include_vars",
    "include_tasks",
    "include_role",
    "import_tasks",
    "import_role",
    "add_host",
    "group_by",
    "set_fact",
    "meta",
];

/// The canonical name of an action: short for what ansible-core brings, as written for everything else.
pub fn canonical_action(name: &str) -> &str {
    name.strip_prefix("ansible.builtin.")
        .or_else(|| name.strip_prefix("ansible.legacy."))
        .unwrap_or(name)
}

/// Whether a key of a task is a keyword, and no action.
pub fn is_task_keyword(name: &str) -> bool {
    [On::Task, On::Handler, On::Block].iter().any(|on| on.admits(name)) || name.starts_with("with_")
}

/// Whether an action changes the tree, or the play's own state.
pub fn is_directive(name: &str) -> bool {
    FREE_FORM.contains(&name)
}

/// The known name that a misspelt one is nearest to, if any is near.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::osa_distance(name, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance > 0 && *distance <= 1 + name.len().min(candidate.len()) / 4
        })
        .min_by(|(distance, one), (other_distance, other)| {
            let unlikeness = |candidate| 1.0 - strsim::jaro_winkler(name, candidate);
            distance.cmp(other_distance).then(unlikeness(one).total_cmp(&unlikeness(other)))
        })
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_core_are_short() {
        for (written, canonical) in [
            ("copy", "copy"),
            ("ansible.builtin.copy", "copy"),
            ("ansible.legacy.shell", "shell"),
            ("ansible.posix.sysctl", "ansible.posix.sysctl"),
        ] {
            assert_eq!(canonical_action(written), canonical);
        }
    }

    #[test]
    fn the_nearest_name_is_near() {
        let near = |name| nearest(name, On::Task.keywords());
        assert_eq!(near("regsiter"), Some("register"));
        assert_eq!(near("becom"), Some("become"));
        assert_eq!(near("whn"), Some("when"));
        assert_eq!(nearest("taks", ["tags", "tasks"]), Some("tasks"));
        assert_eq!(near("x"), None);
        assert_eq!(near("template"), None);
    }
}
