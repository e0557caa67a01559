//! Finds the tasks of a project in its files: playbooks, and lists of tasks in `tasks` and `handlers`.

use std::path::{Path, PathBuf};

use language::{canonical_action, is_task_keyword};
use yaml::{Node, SourceFile, Style};

use crate::error::CliError;

/// Directories without content of the project itself.
const LEFT_OUT: &[&str] = &["node_modules", "venv", "__pycache__", "site-packages"];
/// Deeper than any project, and the end of circles of links.
const DEPTH_LIMIT: usize = 40;

/// A task.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) action: String,
    /// The role that its file belongs to.
    pub(super) role: Option<String>,
}

/// What there is in a project.
#[derive(Debug, Default)]
pub(super) struct Project {
    pub(super) tasks: Vec<Found>,
    /// Directories of modules, and of what they import.
    pub(super) libraries: Vec<PathBuf>,
    pub(super) module_utils: Vec<PathBuf>,
    /// Directories that hold `ansible_collections`.
    pub(super) collections: Vec<PathBuf>,
    /// Files that cannot be read.
    pub(super) problems: Vec<String>,
}

impl Project {
    /// Reads a directory with all below it, or one file.
    pub(super) fn read(path: &Path) -> Result<Self, CliError> {
        let mut project = Self::default();
        if path.is_dir() {
            project.directory(path, 0).map_err(|error| {
                CliError::failed(format!("cannot read {}: {error}", path.display()))
            })?;
        } else {
            project.file(path, true);
        }
        Ok(project)
    }

    fn directory(&mut self, path: &Path, depth: usize) -> std::io::Result<()> {
        let mut entries = std::fs::read_dir(path)?.collect::<std::io::Result<Vec<_>>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if name.starts_with('.') || LEFT_OUT.contains(&&*name) {
                continue;
            }
            // Links would count what they lead to twice.
            let kind = entry.file_type()?;
            if kind.is_dir() {
                match &*name {
                    "library" => self.libraries.push(path.clone()),
                    "modules" if path.parent().is_some_and(|above| above.ends_with("plugins")) => {
                        self.libraries.push(path.clone());
                    }
                    "module_utils" => self.module_utils.push(path.clone()),
                    "ansible_collections" => {
                        self.collections.extend(path.parent().map(Path::to_owned));
                    }
                    _ => {}
                }
                if depth < DEPTH_LIMIT {
                    self.directory(&path, depth + 1)?;
                }
            } else if kind.is_file()
                && path.extension().is_some_and(|ending| ending == "yml" || ending == "yaml")
            {
                self.file(&path, is_in_tasks(&path));
            }
        }
        Ok(())
    }

    /// Takes in a file; one that is `of_tasks` must be a list of tasks or plays, another may be anything.
    fn file(&mut self, path: &Path, of_tasks: bool) {
        let shown = path.display().to_string();
        let text = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => return self.problems.push(format!("cannot read {shown}: {error}")),
        };
        let read = SourceFile::from_bytes(path, &text);
        let loaded = match read.and_then(|source| yaml::load_all(&source)) {
            Ok(loaded) => loaded,
            // Variables, templates of YAML and test data are not looked into.
            Err(_) if !of_tasks => return,
            Err(problem) => return self.problems.push(problem.render(Style::Plain)),
        };
        let Some(entries) = loaded.documents.first().and_then(Node::as_seq) else { return };
        let is_play = |entry: &Node| {
            ["hosts", "import_playbook", "ansible.builtin.import_playbook"]
                .iter()
                .any(|key| entry.get(key).is_some())
        };
        let role = of_tasks.then(|| role_of(path)).flatten();
        for entry in entries {
            if is_play(entry) {
                for section in ["pre_tasks", "tasks", "post_tasks", "handlers"] {
                    self.tasks_of(entry.get(section), &shown, role.as_ref());
                }
            } else if of_tasks {
                self.task(entry, &shown, role.as_ref());
            }
        }
    }

    fn tasks_of(&mut self, list: Option<&Node>, file: &str, role: Option<&String>) {
        for entry in list.and_then(Node::as_seq).unwrap_or_default() {
            self.task(entry, file, role);
        }
    }

    fn task(&mut self, entry: &Node, file: &str, role: Option<&String>) {
        if entry.get("block").is_some() {
            for section in ["block", "rescue", "always"] {
                self.tasks_of(entry.get(section), file, role);
            }
            return;
        }
        for (key, value) in entry.as_map().unwrap_or_default() {
            let Some(name) = key.as_str() else { continue };
            let old_style = matches!(name, "action" | "local_action");
            if is_task_keyword(name) && !old_style {
                continue;
            }
            let action = if old_style { module_of(value) } else { Some(name) };
            let Some(action) = action else { continue };
            self.tasks.push(Found {
                file: file.to_owned(),
                line: key.span.line,
                action: shortened(action).to_owned(),
                role: role.cloned(),
            });
            return;
        }
    }
}

/// The module that `action: NAME key=value` or `action: {module: NAME}` names.
fn module_of(value: &Node) -> Option<&str> {
    let text = value.as_str().or_else(|| value.get("module")?.as_str())?;
    text.split_whitespace().next()
}

/// The short name of what is Ansible's own.
fn shortened(action: &str) -> &str {
    if action.starts_with("ansible.builtin.") { canonical_action(action) } else { action }
}

fn is_in_tasks(path: &Path) -> bool {
    let directories = path.parent().into_iter().flat_map(Path::iter);
    let mut directories = directories.filter_map(|part| part.to_str());
    directories.any(|part| part == "tasks" || part == "handlers")
}

/// The directory above `tasks` or `handlers`.
fn role_of(path: &Path) -> Option<String> {
    let above =
        path.ancestors().find(|above| above.ends_with("tasks") || above.ends_with("handlers"))?;
    let role = above.parent()?;
    let is_role = ["tasks", "defaults", "meta"].iter().any(|part| role.join(part).is_dir());
    is_role.then(|| role.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lay(root: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().expect("it has one")).expect("made");
            std::fs::write(path, text).expect("written");
        }
    }

    fn actions(project: &Project) -> Vec<(u32, &str)> {
        project.tasks.iter().map(|found| (found.line, &*found.action)).collect()
    }

    #[test]
    fn every_task_is_found_once_in_every_form() {
        let home = tempfile::tempdir().expect("made");
        let tasks = "- name: a\n  when: x\n  ansible.builtin.copy: {src: a}\n- block:\n  - action: dnf name=x\n  rescue:\n\
                     \x20 - local_action: {module: debug}\n- a.b.c:\n- with_items: [1]\n  ping:\n- name: nothing\n";
        lay(
            home.path(),
            &[
                ("roles/r/tasks/main.yml", tasks),
                ("roles/r/defaults/main.yml", "- name: x\n  copy: no task\n"),
                (
                    "site.yml",
                    "- hosts: all\n  tasks:\n  - ping:\n  handlers:\n  - shell: x\n- import_playbook: y\n",
                ),
                (".git/tasks/main.yml", "- ping:\n"),
            ],
        );
        let project = Project::read(home.path()).expect("read");
        let wanted = [(3, "copy"), (5, "dnf"), (7, "debug"), (8, "a.b.c"), (10, "ping")];
        assert_eq!(actions(&project)[..5], wanted);
        assert_eq!(actions(&project)[5..], [(3, "ping"), (5, "shell")]);
        assert!(project.tasks[0].role.as_deref().is_some_and(|role| role.ends_with("roles/r")));
        assert_eq!(project.tasks[5].role, None);
        assert!(project.problems.is_empty());
    }

    #[test]
    fn broken_lists_of_tasks_are_told_and_other_files_left_alone() {
        let home = tempfile::tempdir().expect("made");
        lay(
            home.path(),
            &[
                ("tasks/broken.yml", "- ping:\n  - [\n"),
                ("tasks/binary.yml", "\u{0}"),
                ("templates/x.yml", "{{ a }}: [\n"),
                ("tasks/scalar.yml", "just text\n"),
                ("tasks/odd.yml", "- 1\n- [ping]\n- {block: 1}\n- {1: 2}\n"),
            ],
        );
        let project = Project::read(home.path()).expect("read");
        assert_eq!(project.problems.len(), 2, "{:#?}", project.problems);
        assert!(project.problems.iter().any(|problem| problem.contains("broken.yml:2")));
        assert_eq!(actions(&project), []);
    }
}
