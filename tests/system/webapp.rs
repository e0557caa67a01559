//! `playbooks/webapp` on three booted hosts through resident agents: install, again, check, upgrade.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::Result;
use tests::controller::Controller;
use tests::fleet::Fleet;
use tests::fleet_or_skip;
use tests::programs::{self, expect};
use tests::webserver::WebServer;

/// The application's releases, an inventory, and the playbook that deploys them.
pub(crate) struct Deployment {
    pub(crate) inventory: PathBuf,
    releases: PathBuf,
    web: WebServer,
}

impl Deployment {
    pub(crate) fn new(fleet: &Fleet, extra: &str) -> Result<Self> {
        let releases = fleet.directory().join("releases");
        std::fs::create_dir_all(&releases)?;
        let web = WebServer::start(fleet.gateway(), &releases)?;
        let inventory = fleet.directory().join("hosts");
        let names: Vec<String> =
            fleet.machines.iter().map(|machine| machine.name.clone()).collect();
        std::fs::write(&inventory, format!("[webservers]\n{}\n{extra}", names.join("\n")))?;
        Ok(Self { inventory, releases, web })
    }

    /// Packs a release and returns the flags that deploy it.
    pub(crate) fn release(&self, version: &str) -> Result<Vec<String>> {
        let path = self.releases.join(format!("webapp-{version}.tar.gz"));
        let file = std::fs::File::create(&path)?;
        let mut archive =
            tar::Builder::new(flate2::write::GzEncoder::new(file, flate2::Compression::fast()));
        archive.append_path_with_name(programs::directory().join("webapp"), "bin/webapp")?;
        let mut header = tar::Header::new_gnu();
        let text = format!("{version}\n");
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, "VERSION", text.as_bytes())?;
        archive.into_inner()?.finish()?;
        let digest = model::Digest::of(&std::fs::read(&path)?);
        let url = self.web.url("");
        let vars = [
            format!("webapp_version={version}"),
            format!("webapp_base_url={}", url.trim_end_matches('/')),
            format!("webapp_sha256={digest}"),
        ];
        Ok(vars.into_iter().flat_map(|var| ["-e".to_owned(), var]).collect())
    }

    /// `muster playbook` for this deployment.
    pub(crate) fn playbook(&self, mut muster: Command, flags: &[String]) -> Command {
        let site = Path::new(env!("CARGO_MANIFEST_DIR")).join("../playbooks/webapp/site.yml");
        muster.arg("playbook").arg("-i").arg(&self.inventory).args(flags).arg(site);
        muster
    }
}

/// What a host's application answers.
pub(crate) fn health(fleet: &Fleet, index: usize) -> Result<String> {
    fleet.machines[index].exec(&["curl", "-sS", "http://127.0.0.1:8080/health"])
}

/// The recap's counts of a host, e.g. `changed`.
pub(crate) fn count(output: &str, host: &str, what: &str) -> u32 {
    let recap = output.split("PLAY RECAP").nth(1).expect("a recap");
    let line = recap
        .lines()
        .find(|line| line.split_whitespace().next() == Some(host))
        .expect("the host's line");
    let word = line
        .split_whitespace()
        .find_map(|word| word.strip_prefix(&format!("{what}=")))
        .expect("the count");
    word.parse().expect("a number")
}

/// The recap, with the spaces of its columns folded.
pub(crate) fn recap(output: &str) -> Vec<String> {
    let recap = output.split("PLAY RECAP").nth(1).expect("a recap");
    let fold = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    recap.lines().skip(1).map(fold).filter(|line| !line.is_empty()).collect()
}

#[test]
fn webapp_is_installed_checked_and_upgraded_through_agents() -> Result<()> {
    let Some(fleet) = fleet_or_skip(3) else { return Ok(()) };
    let controller = Controller::start(fleet.directory(), fleet.gateway())?;
    for machine in &fleet.machines {
        controller.enrol(machine)?;
    }
    let deployment = Deployment::new(&fleet, "")?;
    let old = deployment.release("1.0.0")?;
    let hosts = ["host1", "host2", "host3"];

    let start = Instant::now();
    let first = expect(&mut deployment.playbook(controller.muster(), &old), 0);
    eprintln!("first webapp run: {:.2} s", start.elapsed().as_secs_f64());
    for (index, host) in hosts.into_iter().enumerate() {
        assert!(count(&first, host, "changed") >= 8, "{first}");
        assert_eq!(health(&fleet, index)?, "{\"version\": \"1.0.0\"}");
    }
    let greeting = fleet.machines[1].exec(&["curl", "-sS", "http://127.0.0.1:8080/"])?;
    assert_eq!(greeting, "Hello from host2 (1.0.0)\n");

    let start = Instant::now();
    let second = expect(&mut deployment.playbook(controller.muster(), &old), 0);
    eprintln!("second webapp run: {:.2} s", start.elapsed().as_secs_f64());
    for host in hosts {
        assert_eq!(count(&second, host, "changed"), 0, "{second}");
    }

    let new = deployment.release("1.1.0")?;
    let mut flags = new.clone();
    flags.extend(["-e", "webapp_greeting=Welcome", "--check", "--diff"].map(ToOwned::to_owned));
    let before = fleet.machines[0].exec(&[
        "sh",
        "-c",
        "find /opt/webapp /etc/webapp | sort; cat /etc/webapp/webapp.conf",
    ])?;
    let checked = expect(&mut deployment.playbook(controller.muster(), &flags), 0);
    assert!(checked.contains("+greeting = Welcome"), "{checked}");
    assert!(checked.contains("-greeting = Hello from host1"), "{checked}");
    assert!(count(&checked, "host1", "changed") > 0, "{checked}");
    let after = fleet.machines[0].exec(&[
        "sh",
        "-c",
        "find /opt/webapp /etc/webapp | sort; cat /etc/webapp/webapp.conf",
    ])?;
    assert_eq!(before, after, "check mode changes nothing");
    assert_eq!(health(&fleet, 0)?, "{\"version\": \"1.0.0\"}");

    let upgraded = expect(&mut deployment.playbook(controller.muster(), &new), 0);
    assert!(upgraded.contains("RUNNING HANDLER [webapp : Restart webapp]"), "{upgraded}");
    for (index, _) in hosts.iter().enumerate() {
        assert_eq!(health(&fleet, index)?, "{\"version\": \"1.1.0\"}");
        let link = fleet.machines[index].exec(&["readlink", "/opt/webapp/current"])?;
        assert_eq!(link.trim(), "/opt/webapp/releases/1.1.0");
    }

    let facts = expect(controller.muster().args(["facts", "host2"]), 0);
    let facts: serde_json::Value = serde_json::from_str(&facts)?;
    let hostname = facts.get("ansible_hostname").or_else(|| facts.get("hostname"));
    assert_eq!(hostname.and_then(|name| name.as_str()), Some("host2"), "{facts}");
    Ok(())
}
