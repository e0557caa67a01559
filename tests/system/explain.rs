//! `muster explain var`: every place that sets a variable, in the order of precedence.

use std::path::Path;

use tests::programs::{expect, muster};

fn project() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |path: &str, text: &str| {
        let path = directory.path().join(path);
        std::fs::create_dir_all(path.parent().expect("it is below the project"))
            .expect("a directory");
        std::fs::write(path, text).expect("a file");
    };
    write("hosts", "[web]\nweb1 port=81\nweb2\n[web:vars]\nport=82\n");
    write("group_vars/web.yml", "port: 83\n");
    write("host_vars/web2.yml", "port: '{{ base + 4 }}'\nbase: 80\n");
    write("roles/web/defaults/main.yml", "port: 80\n");
    write("roles/web/tasks/main.yml", "- name: show\n  debug: {var: port}\n");
    write(
        "site.yml",
        "- name: Web servers\n  hosts: web\n  roles: [web]\n  tasks:\n  - name: with its own\n    ping:\n    vars: {port: 7}\n  \
         - name: choose\n    set_fact: {port: 9}\n",
    );
    directory
}

fn explain(project: &Path, words: &[&str], code: i32) -> String {
    let mut command = muster(&project.join("state"));
    command.current_dir(project).args(["explain", "var", "-i", "hosts"]).args(words);
    expect(&mut command, code)
}

#[test]
fn each_play_and_task_sees_its_own_chain() {
    let project = project();
    let text = explain(project.path(), &["port", "--host", "web1", "site.yml"], 0);
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let at = |text: &str| lines.iter().position(|line| line.starts_with(text)).expect(text);
    let first = at("port on web1, play \"Web servers\" (site.yml:1:3): 81");
    assert!(lines[first..].iter().any(|line| line.starts_with("wins  inventory, host")), "{text}");
    // The file of the group is beside the inventory and the playbook, and counts once.
    assert_eq!(
        lines.iter().filter(|line| line.contains("[group_vars/web.yml:1:7]")).count(),
        2,
        "{text}"
    );
    let own = at("port on web1, play \"Web servers\" (site.yml:1:3): 7");
    assert!(lines[own + 1].starts_with("seen by  with its own (site.yml:5:5)"), "{text}");
    assert!(lines[own + 2].starts_with("wins  vars of the task"), "{text}");
    at("set when it runs, by set_fact: choose (site.yml:8:5)");
}

#[test]
fn templates_come_to_values_and_programs_get_json() {
    let project = project();
    let text = explain(project.path(), &["port", "--host", "web2", "--json"], 0);
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON alone");
    let play = &json["plays"][0];
    assert_eq!(play["value"], 84);
    assert_eq!(play["set_by"][0]["written"], "{{ base + 4 }}");
    assert_eq!(play["set_by"][0]["at"], "host_vars/web2.yml:1:7");
}

#[test]
fn what_is_not_there_is_said_with_what_is_near() {
    let project = project();
    let text = explain(project.path(), &["prt", "--host", "web1"], 1);
    assert!(text.contains("not set") && text.contains("did you mean `port`?"), "{text}");
    let text = explain(project.path(), &["port", "--host", "web3"], 1);
    assert!(text.contains("no host web3") && text.contains("did you mean"), "{text}");
}
