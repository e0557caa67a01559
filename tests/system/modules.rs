//! `playbooks/every-module`: every native module at work on booted hosts without Python; the second run changes nothing.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use tests::fleet_or_skip;
use tests::programs::{expect, muster};
use tests::webserver::WebServer;

use crate::webapp::recap;

/// Modules that a Debian host without Python cannot show, or whole collections, and why. Each has its cases in `crates/modules`.
const ELSEWHERE: &[(&str, &str)] = &[
    ("ansible.builtin.dnf", "another family of systems"),
    ("ansible.builtin.dnf5", "another family of systems"),
    ("ansible.builtin.pip", "needs Python"),
    ("ansible.builtin.reboot", "a host of the fleet does not come back by itself"),
    ("ansible.builtin.rpm_key", "another family of systems"),
    ("ansible.builtin.yum", "another family of systems"),
    ("ansible.posix.firewalld", "needs firewalld, which is written in Python"),
    ("ansible.posix.seboolean", "needs SELinux"),
    ("ansible.posix.selinux", "needs SELinux"),
    ("community.docker.", "needs an engine and images"),
    ("community.general.apk", "another family of systems"),
    ("community.general.composer", "needs PHP"),
    ("community.general.lvg", "needs the device mapper"),
    ("community.general.lvol", "needs the device mapper"),
    ("community.general.modprobe", "a container loads no modules into the kernel"),
    ("community.general.npm", "needs Node"),
    ("community.general.pacman", "another family of systems"),
    ("community.general.seport", "needs SELinux"),
    ("community.general.ufw", "needs ufw, which is written in Python"),
    ("community.general.zypper", "another family of systems"),
    ("community.rabbitmq.", "needs RabbitMQ"),
    ("muster.internal.external_module", "no module of its own: what runs the others"),
];

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../playbooks/every-module")
}

#[test]
fn the_second_run_of_every_module_changes_nothing() -> Result<()> {
    let Some(fleet) = fleet_or_skip(2) else { return Ok(()) };
    for machine in &fleet.machines {
        assert!(!machine.sh("command -v python3")?.status.success(), "hosts need no Python");
    }
    let served = fleet.directory().join("served");
    fs::create_dir_all(&served)?;
    fs::write(served.join("whole.txt"), "served\n")?;
    let web = WebServer::start(fleet.gateway(), &served)?;
    let inventory = fleet.directory().join("hosts");
    fs::write(&inventory, fleet.inventory())?;
    let run = || {
        let mut command = muster(&fleet.directory().join("state"));
        let fetched = fleet.directory().join("fetched");
        command.arg("playbook").arg("-i").arg(&inventory);
        command.arg("-e").arg(format!("web={} fetched={}", web.url(""), fetched.display()));
        expect(command.arg(directory().join("site.yml")), 0)
    };
    let first = run();
    assert!(recap(&first).iter().all(|line| line.contains("failed=0")), "{first}");
    let second = run();
    assert!(recap(&second).iter().all(|line| line.contains("changed=0")), "{second}");
    Ok(())
}

#[test]
fn every_module_is_in_the_playbook() -> Result<()> {
    let mut used = String::new();
    let tasks = directory().join("tasks");
    for entry in fs::read_dir(&tasks)? {
        used.push_str(&fs::read_to_string(entry?.path())?);
    }
    used.push_str(&fs::read_to_string(directory().join("site.yml"))?);
    let state = tempfile::tempdir()?;
    let listed = expect(muster(state.path()).args(["doc", "-l"]), 0);
    let names = listed.lines().filter_map(|line| line.split_whitespace().next());
    let missing: Vec<&str> = names
        .filter(|name| name.matches('.').count() == 2)
        .filter(|name| !used.contains(&format!("{name}:")))
        .filter(|name| !ELSEWHERE.iter().any(|(known, _)| name.starts_with(known)))
        .collect();
    assert!(missing.is_empty(), "neither used nor excepted: {missing:?}");
    for (name, why) in ELSEWHERE {
        assert!(!used.contains(&format!("{name}:")), "{name} is used all the same ({why})");
    }
    Ok(())
}
