//! Every case of `trees.txt` and `errors.txt`: files in memory, and the tree that they give or what is said about them.
//! `UPDATE=1` rewrites the expected part.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use jinja::Value;
use language::{Action, Common, Item, Loader, Memory, Play, Role, Task, Unlocked, Vars};
use yaml::Style;

const ACTIONS: [&str; 21] = [
    "apt",
    "assert",
    "command",
    "copy",
    "debug",
    "fail",
    "file",
    "import_role",
    "import_tasks",
    "include_role",
    "include_tasks",
    "include_vars",
    "meta",
    "ping",
    "service",
    "set_fact",
    "shell",
    "template",
    "user",
    "add_host",
    "community.general.ini_file",
];

/// Files of a case, by name.
fn loader(files: &str) -> Loader {
    let files = files.split("--- ").skip(1).map(|file| {
        let (name, text) = file.split_once('\n').unwrap();
        (name.to_owned(), text.to_owned())
    });
    Loader::new(Arc::new(Unlocked::new(Memory::new(files), Arc::default())))
        .with_roles_path(vec!["/etc/roles".into()])
        .with_actions(ACTIONS)
        .with_extra_vars(Vars::from_iter([("extra".into(), Value::from("given"))]))
}

fn check(file: &str, outcome: impl Fn(&Loader) -> String) {
    let path = format!("{}/tests/{file}", env!("CARGO_MANIFEST_DIR"));
    let cases = std::fs::read_to_string(&path).unwrap();
    let mut actual = String::new();
    for case in cases.split("=== ").skip(1) {
        let (name, rest) = case.split_once('\n').unwrap();
        let (files, _) = rest.split_once(">>>\n").expect(name);
        let outcome = outcome(&loader(files));
        writeln!(actual, "=== {name}\n{files}>>>\n{}\n", outcome.trim_end()).unwrap();
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &actual).unwrap();
    } else {
        assert_eq!(actual, cases, "{file}");
    }
}

#[test]
fn good_playbooks_become_trees() {
    check("trees.txt", |loader| match loader.playbook(Path::new("site.yml")) {
        Err(error) => panic!("{}", error.render(Style::Plain)),
        Ok(playbook) => {
            let mut shown = String::new();
            playbook.plays.iter().for_each(|play| show_play(&mut shown, play));
            for warning in loader.take_warnings() {
                writeln!(shown, "{}", warning.render(Style::Plain)).unwrap();
            }
            shown
        }
    });
}

#[test]
fn bad_playbooks_are_explained() {
    check("errors.txt", |loader| match loader.playbook(Path::new("site.yml")) {
        Err(error) => error.render(Style::Plain),
        Ok(_) => panic!("accepted, with {:?}", loader.take_warnings()),
    });
}

fn show_play(out: &mut String, play: &Play) {
    write!(out, "play {}", list(&play.hosts)).unwrap();
    show_common(out, &play.common);
    field(out, "gather_facts", play.gather_facts.as_ref());
    fields(out, "serial", &play.serial);
    fields(out, "vars_files", &play.vars_files);
    out.push('\n');
    for (name, items) in [
        ("pre_tasks", &play.pre_tasks),
        ("tasks", &play.tasks),
        ("post_tasks", &play.post_tasks),
        ("handlers", &play.handlers),
    ] {
        if name == "tasks" {
            play.roles.iter().for_each(|role| show_role(out, role, 1));
        }
        show_items(out, name, items, 1);
    }
}

fn show_items(out: &mut String, name: &str, items: &[Item], depth: usize) {
    if items.is_empty() {
        return;
    }
    writeln!(out, "{}{name}:", "  ".repeat(depth)).unwrap();
    for item in items {
        match item {
            Item::Task(task) => show_task(out, task, depth + 1),
            Item::Role(role) => show_role(out, role, depth + 1),
            Item::Block(block) => {
                write!(out, "{}block", "  ".repeat(depth + 1)).unwrap();
                show_common(out, &block.common);
                out.push('\n');
                show_items(out, "body", &block.body, depth + 2);
                show_items(out, "rescue", &block.rescue, depth + 2);
                show_items(out, "always", &block.always, depth + 2);
            }
        }
    }
}

fn show_role(out: &mut String, role: &Role, depth: usize) {
    let indent = "  ".repeat(depth);
    write!(out, "{indent}role {} at {}", role.name, role.path.display()).unwrap();
    show_common(out, &role.common);
    vars(out, "params", &role.params);
    vars(out, "defaults", &role.defaults);
    vars(out, "role_vars", &role.vars);
    for (name, flag) in [("public", role.public), ("allow_duplicates", role.allow_duplicates)] {
        if flag {
            write!(out, " {name}").unwrap();
        }
    }
    out.push('\n');
    role.dependencies.iter().for_each(|dependency| show_role(out, dependency, depth + 1));
    show_items(out, "tasks", &role.tasks, depth + 1);
    show_items(out, "handlers", &role.handlers, depth + 1);
}

fn show_task(out: &mut String, task: &Task, depth: usize) {
    let Action { name, args, free_form, args_template, .. } = &task.action;
    write!(out, "{}{name}", "  ".repeat(depth)).unwrap();
    field(out, "free", free_form.as_ref());
    field(out, "more", args_template.as_ref());
    vars(out, "args", args);
    show_common(out, &task.common);
    field(out, "register", task.register.as_ref());
    if let Some(looped) = &task.r#loop {
        write!(out, " loop[{}]={}", looped.lookup.as_deref().unwrap_or(""), looped.value.repr())
            .unwrap();
    }
    field(out, "loop_var", task.loop_control.loop_var.as_ref());
    fields(out, "until", &task.until);
    field(out, "retries", task.retries.as_ref());
    fields(out, "changed_when", &task.changed_when);
    fields(out, "failed_when", &task.failed_when);
    fields(out, "listen", &task.listen);
    writeln!(out, " @{}", task.span).unwrap();
}

fn show_common(out: &mut String, common: &Common) {
    field(out, "name", common.name.as_ref());
    fields(out, "when", &common.when);
    fields(out, "tags", &common.tags);
    fields(out, "notify", &common.notify);
    fields(out, "environment", &common.environment);
    field(out, "become", common.r#become.as_ref());
    field(out, "remote_user", common.remote_user.as_ref());
    field(out, "delegate_to", common.delegate_to.as_ref());
    field(out, "ignore_errors", common.ignore_errors.as_ref());
    vars(out, "vars", &common.vars);
}

fn field(out: &mut String, name: &str, value: Option<&Value>) {
    if let Some(value) = value {
        write!(out, " {name}={}", value.repr()).unwrap();
    }
}

fn fields(out: &mut String, name: &str, values: &[Value]) {
    if !values.is_empty() {
        write!(out, " {name}={}", list(values)).unwrap();
    }
}

fn vars(out: &mut String, name: &str, vars: &Vars) {
    if !vars.is_empty() {
        let vars = vars.iter().map(|(name, value)| format!("{name}: {}", value.repr()));
        write!(out, " {name}={{{}}}", vars.collect::<Vec<_>>().join(", ")).unwrap();
    }
}

fn list(values: &[Value]) -> String {
    Value::list(values.to_vec()).repr()
}
