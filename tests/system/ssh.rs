//! The same playbook over SSH, with no agent installed, gives the same recap.

use anyhow::Result;
use tests::controller::Controller;
use tests::fleet_or_skip;
use tests::programs::{expect, muster};

use crate::webapp::{Deployment, health, recap};

#[test]
fn ssh_and_agents_give_the_same_recap() -> Result<()> {
    let Some(fleet) = fleet_or_skip(2) else { return Ok(()) };
    let addresses: Vec<String> = fleet
        .machines
        .iter()
        .map(|machine| format!("{} ansible_host={}", machine.name, machine.address))
        .collect();
    let over_ssh = Deployment::new(&fleet, "")?;
    std::fs::write(&over_ssh.inventory, fleet.inventory().replace("[fleet", "[webservers"))?;
    assert_eq!(addresses.len(), 2);
    let flags = over_ssh.release("2.0.0")?;
    let state = fleet.directory().join("embedded");
    let first = expect(&mut over_ssh.playbook(muster(&state), &flags), 0);
    assert_eq!(health(&fleet, 1)?, "{\"version\": \"2.0.0\"}");
    let second = expect(&mut over_ssh.playbook(muster(&state), &flags), 0);
    assert!(recap(&second).iter().all(|line| line.contains("changed=0")), "{second}");

    // The hosts as they were, and the same run through resident agents.
    for machine in &fleet.machines {
        machine.exec(&["sh", "-c", "systemctl disable --now webapp; rm -rf /opt/webapp /etc/webapp /etc/systemd/system/webapp.service; userdel webapp"])?;
        assert!(
            !machine.sh("ps -eo args | grep -e '[-]-stdio'")?.status.success(),
            "nothing stays behind"
        );
    }
    let controller = Controller::start(fleet.directory(), fleet.gateway())?;
    for machine in &fleet.machines {
        controller.enrol(machine)?;
    }
    std::fs::write(&over_ssh.inventory, "[webservers]\nhost1\nhost2\n")?;
    let through_agents = expect(&mut over_ssh.playbook(controller.muster(), &flags), 0);
    assert_eq!(recap(&through_agents), recap(&first));
    Ok(())
}
