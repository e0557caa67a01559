//! `--list-hosts`, `--list-tasks`, `--list-tags` and `--syntax-check`: the content without a run, in Ansible's layout.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use jinja::Value;
use language::{Common, Item, Level, Place, Play, Role, Task};

use crate::content::Content;
use crate::error::CliError;

/// What is to be listed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct What {
    pub(crate) hosts: bool,
    pub(crate) tasks: bool,
    pub(crate) tags: bool,
}

/// The listing of all playbooks.
pub(crate) fn listing(content: &Content, what: What) -> Result<String, CliError> {
    let mut out = String::new();
    for playbook in &content.playbooks {
        let _ = writeln!(out, "\nplaybook: {}", shown(&playbook.path).display());
        for (number, play) in playbook.plays.iter().enumerate() {
            list_play(&mut out, content, number + 1, play, what)?;
        }
    }
    Ok(out)
}

fn list_play(
    out: &mut String,
    content: &Content,
    number: usize,
    play: &Play,
    what: What,
) -> Result<(), CliError> {
    let patterns: Vec<String> = play.hosts.iter().flat_map(texts).collect();
    let pattern = patterns.join(",");
    let name = play.common.name.as_ref().map_or(pattern.clone(), ToString::to_string);
    let place = Place::of_playbook(&play.span.file.path).knowing(
        Level::PlayVars,
        "play vars",
        &play.common.vars,
    );
    let mut tasks = Tasks { content, place, found: Vec::new() };
    let tags = tasks.tags_of(&play.common, &BTreeSet::new());
    let _ = write!(out, "\n  play #{number} ({pattern}): {name}\tTAGS: [{}]\n", join(&tags));
    if what.hosts {
        let limit = content.options.limit.as_deref();
        let chosen = content.inventory.select(&patterns, limit)?;
        let quoted: Vec<_> = patterns.iter().map(|pattern| format!("'{pattern}'")).collect();
        let _ = writeln!(out, "    pattern: [{}]", quoted.join(", "));
        let _ = writeln!(out, "    hosts ({}):", chosen.hosts.len());
        for host in chosen.hosts {
            let _ = writeln!(out, "      {host}");
        }
    }
    if !what.tasks && !what.tags {
        return Ok(());
    }
    tasks.items(&play.pre_tasks, &tags, None);
    play.roles.iter().for_each(|role| tasks.role(role, &tags));
    tasks.items(&play.tasks, &tags, None);
    tasks.items(&play.post_tasks, &tags, None);
    if what.tasks {
        out.push_str("    tasks:\n");
        for (name, tags) in &tasks.found {
            let _ = writeln!(out, "      {name}\tTAGS: [{}]", join(tags));
        }
    }
    if what.tags {
        let all: BTreeSet<String> = tasks.found.into_iter().flat_map(|(_, tags)| tags).collect();
        let _ = writeln!(out, "      TASK TAGS: [{}]", join(&all));
    }
    Ok(())
}

/// Tasks with their tags, in the order in which they would run.
struct Tasks<'a> {
    content: &'a Content,
    place: Place,
    found: Vec<(String, BTreeSet<String>)>,
}

impl Tasks<'_> {
    fn items(&mut self, items: &[Item], outer: &BTreeSet<String>, role: Option<&str>) {
        for item in items {
            match item {
                Item::Task(task) => self.task(task, outer, role),
                Item::Role(role) => self.role(role, outer),
                Item::Block(block) => {
                    let tags = self.tags_of(&block.common, outer);
                    for part in [&block.body, &block.rescue, &block.always] {
                        self.items(part, &tags, role);
                    }
                }
            }
        }
    }

    fn role(&mut self, role: &Role, outer: &BTreeSet<String>) {
        let tags = self.tags_of(&role.common, outer);
        role.dependencies.iter().for_each(|dependency| self.role(dependency, &tags));
        self.items(&role.tasks, &tags, Some(&role.name));
    }

    fn task(&mut self, task: &Task, outer: &BTreeSet<String>, role: Option<&str>) {
        let tags = self.tags_of(&task.common, outer);
        let options = &self.content.options;
        let is_chosen = engine::chosen_by_tags(&tags, &options.tags, &options.skip_tags);
        if !is_chosen {
            return;
        }
        let name = match (&task.common.name, role) {
            (Some(name), Some(role)) => format!("{role} : {name}"),
            (Some(name), None) => name.to_string(),
            (None, _) => task.action.written.to_string(),
        };
        self.found.push((name, tags));
    }

    /// The tags of a thing and of what it stands in; templates are shown as written where hosts decide.
    fn tags_of(&self, common: &Common, outer: &BTreeSet<String>) -> BTreeSet<String> {
        let known = |tag: &Value| {
            self.content.loader.resolve(tag, &self.place).unwrap_or_else(|_| tag.clone())
        };
        let own = common.tags.iter().map(known).flat_map(|tag| texts(&tag));
        let own = own
            .flat_map(|text| text.split(',').map(|tag| tag.trim().to_owned()).collect::<Vec<_>>());
        outer.iter().cloned().chain(own).filter(|tag| !tag.is_empty()).collect()
    }
}

/// A text, or the texts of a list.
fn texts(value: &Value) -> Vec<String> {
    match value.as_list() {
        Some(list) => list.snapshot().iter().map(ToString::to_string).collect(),
        None => vec![value.to_string()],
    }
}

fn join(tags: &BTreeSet<String>) -> String {
    tags.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
/// A playbook's path as it was given, if that was below the working directory.
pub(crate) fn shown(path: &Path) -> &Path {
    let here = std::env::current_dir();
    here.ok().and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path)
}
