//! What a person is told about content that is wrong: the place, an excerpt, and what may have been meant.

use std::path::Path;

use tests::programs::{expect, muster};

/// Runs a playbook text against localhost; returns what is shown.
fn play(playbook: &str, code: i32) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("site.yml");
    std::fs::write(&path, playbook).expect("a playbook");
    let mut command = muster(&directory.path().join("state"));
    command.args(["playbook", "-i", "localhost,", "-c", "local"]).arg(&path);
    expect(&mut command, code).replace(&format!("{}/", directory.path().display()), "")
}

fn check(playbook: &str, code: i32, expected: &[&str]) {
    let shown = play(playbook, code);
    for part in expected {
        assert!(shown.contains(part), "expected {part:?} in:\n{shown}");
    }
}

#[test]
fn a_misspelt_module_is_named_with_its_place_and_the_right_spelling() {
    check(
        "- hosts: all\n  tasks:\n    - name: x\n      ansible.builtin.cpy:\n        dest: /tmp/x\n",
        4,
        &["site.yml:4:7", "ansible.builtin.cpy", "copy"],
    );
}

#[test]
fn a_misspelt_keyword_is_named_with_its_place() {
    check(
        "- hosts: all\n  tasks:\n    - ping:\n      regsiter: x\n",
        4,
        &["site.yml:4:7", "regsiter", "register"],
    );
    check("- hots: all\n  tasks: []\n", 4, &["site.yml:1:3", "hots", "hosts"]);
}

#[test]
fn bad_yaml_shows_the_line() {
    check("- hosts: all\n  tasks:\n    - debug: msg={{ x }}\n     - ping:\n", 4, &["site.yml:4"]);
    check("- hosts: all\n  vars:\n    x: {{ y }}\n", 4, &["site.yml:3", "quote"]);
}

#[test]
fn an_undefined_variable_shows_where_it_is_used() {
    let playbook = "- hosts: all\n  gather_facts: false\n  vars: { name: x }\n  tasks:\n    - debug:\n        msg: \"hello {{ nmae }}\"\n";
    check(playbook, 2, &["'nmae' is undefined", "site.yml:6", "FAILED!", "failed=1"]);
}

#[test]
fn wrong_arguments_are_explained_and_nothing_is_done() {
    let directory = tempfile::tempdir().expect("a directory");
    let target = directory.path().join("made");
    let playbook = format!(
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - file:\n        path: {0}\n        state: directry\n      ignore_errors: true\n    - file:\n        path: {0}\n        sate: directory\n",
        target.display()
    );
    check(&playbook, 2, &["directry", "directory", "sate", "state"]);
    assert!(!target.exists());
}

#[test]
fn a_hostile_archive_is_refused_whole() {
    let directory = tempfile::tempdir().expect("a directory");
    let archive = directory.path().join("evil.tar");
    write_archive(&archive, &[("good.txt", "good"), ("../escaped.txt", "evil")]);
    let dest = directory.path().join("dest");
    std::fs::create_dir(&dest).expect("a directory");
    let playbook = format!(
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - unarchive:\n        src: {}\n        dest: {}\n        remote_src: true\n",
        archive.display(),
        dest.display()
    );
    check(&playbook, 2, &["escaped.txt", "failed=1"]);
    assert!(!directory.path().join("escaped.txt").exists());
    assert_eq!(std::fs::read_dir(&dest).expect("dest").count(), 0, "nothing of it was unpacked");
}

fn write_archive(path: &Path, entries: &[(&str, &str)]) {
    let mut archive = tar::Builder::new(std::fs::File::create(path).expect("an archive"));
    for (name, text) in entries {
        let mut header = tar::Header::new_old();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append(&header, text.as_bytes()).expect("an entry");
    }
    archive.finish().expect("the end");
}

#[test]
fn a_wrong_checksum_leaves_nothing_behind() {
    let directory = tempfile::tempdir().expect("a directory");
    let served = directory.path().join("served");
    std::fs::create_dir(&served).expect("a directory");
    std::fs::write(served.join("file"), "content").expect("a file");
    let web = tests::webserver::WebServer::start([127, 0, 0, 1], &served).expect("a server");
    let dest = directory.path().join("dest");
    std::fs::create_dir(&dest).expect("a directory");
    let playbook = format!(
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - get_url:\n        url: {}\n        dest: {}/file\n        checksum: sha256:{}\n",
        web.url("file"),
        dest.display(),
        "0".repeat(64)
    );
    check(&playbook, 2, &["checksum", "failed=1"]);
    assert_eq!(std::fs::read_dir(&dest).expect("dest").count(), 0, "nothing was left");
}

#[test]
fn an_unreachable_host_does_not_stop_the_others() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("hosts"), "here ansible_connection=local\nthere ansible_host=127.0.0.1 ansible_port=1 ansible_connection=ssh\n").expect("an inventory");
    std::fs::write(directory.path().join("site.yml"), "- hosts: all\n  gather_facts: false\n  tasks:\n    - ping:\n    - debug: { msg: carried on }\n").expect("a playbook");
    let mut command = muster(&directory.path().join("state"));
    command
        .arg("playbook")
        .arg("-i")
        .arg(directory.path().join("hosts"))
        .arg(directory.path().join("site.yml"));
    let shown = expect(&mut command, 4);
    assert!(shown.contains("fatal: [there]: UNREACHABLE!"), "{shown}");
    assert!(shown.contains("carried on") && shown.contains("unreachable=1"), "{shown}");
}

/// A file system of a megabyte, unmounted on drop.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        let words = ["-t", "tmpfs", "-o", "size=1m", "tmpfs"];
        let status = std::process::Command::new("mount").args(words).arg(directory.path()).status();
        if !status.is_ok_and(|status| status.success()) {
            assert!(std::env::var_os("CI").is_none(), "CI must be able to mount a tmpfs");
            tests::tell("skipped: only root can mount a small disk");
            return None;
        }
        Some(Self(directory))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_leaves_the_old_file_and_the_other_hosts_carry_on() {
    let Some(disk) = SmallDisk::mount() else { return };
    let elsewhere = tempfile::tempdir().expect("a directory");
    let (full, other) = (disk.0.path(), elsewhere.path());
    std::fs::write(full.join("conf"), "old\n").expect("a file");
    let hosts = format!(
        "full place={}\nother place={}\n[all:vars]\nansible_connection=local\n",
        full.display(),
        other.display()
    );
    let (inventory, playbook) = (other.join("hosts"), other.join("site.yml"));
    std::fs::write(&inventory, hosts).expect("an inventory");
    let text = "- hosts: all\n  gather_facts: false\n  tasks:\n    - copy:\n        content: \"{{ 'x' * 3000000 }}\"\n        dest: \"{{ place }}/conf\"\n";
    std::fs::write(&playbook, text).expect("a playbook");
    let mut command = muster(&other.join("state"));
    let shown = expect(command.args(["playbook", "-i"]).arg(&inventory).arg(&playbook), 2);
    for part in ["[full]: FAILED!", "No space left on device", "changed: [other]"] {
        assert!(shown.contains(part), "expected {part:?} in:\n{shown}");
    }
    assert!(shown.contains(&full.join("conf").display().to_string()), "{shown}");
    assert_eq!(std::fs::read_to_string(full.join("conf")).expect("the old file"), "old\n");
    assert_eq!(std::fs::read_dir(full).expect("a directory").count(), 1, "no temporary file");
    assert_eq!(std::fs::metadata(other.join("conf")).expect("the new file").len(), 3_000_000);
}
