//! What the controller's own part costs: its start, and reading a large inventory.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Result;
use tests::programs;

/// Hosts of the large inventory, in groups of a hundred.
const HOSTS: usize = 10_000;

/// Prints what the smallest playbook takes, and what reading a large inventory takes.
pub(super) fn run(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory)?;
    let playbook = directory.join("small.yml");
    fs::write(
        &playbook,
        "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - debug: { msg: hello }\n",
    )?;
    let state = directory.join("state");
    let seconds = super::median(programs::muster(&state).arg("playbook").arg(&playbook))?;
    println!("smallest playbook {:6.1} ms from start to end", seconds * 1e3);
    write_inventory(directory)?;
    let inventory = directory.join("hosts");
    let mut muster = programs::muster(&state);
    muster.arg("playbook").arg("-i").arg(inventory).arg("--list-hosts").arg(&playbook);
    println!(
        "inventory         {:6.3} s for {HOSTS} hosts with variables",
        super::median(&mut muster)?
    );
    Ok(())
}

/// Groups of a hundred hosts with a file of variables each, and one for every tenth host.
fn write_inventory(directory: &Path) -> Result<()> {
    let [groups, hosts] = ["group_vars", "host_vars"].map(|name| directory.join(name));
    fs::create_dir_all(&groups)?;
    fs::create_dir_all(&hosts)?;
    let mut text = String::new();
    for number in 0..HOSTS {
        if number % 100 == 0 {
            let group = format!("rack{}", number / 100);
            let _ = writeln!(text, "[{group}]");
            fs::write(
                groups.join(group),
                "packages: [a, b, c]\nport: 8080\nnested: { a: { b: c } }\n",
            )?;
        }
        let _ = writeln!(text, "host{number} ansible_host=10.0.0.1 number={number}");
        if number % 10 == 0 {
            fs::write(hosts.join(format!("host{number}.yml")), "role: web\nweight: 3\n")?;
        }
    }
    fs::write(directory.join("hosts"), text)?;
    Ok(())
}
