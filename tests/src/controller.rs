//! A controller under test: `muster serve` with a state directory of its own, and agents enrolled with it.

use std::net::{IpAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::fleet::Machine;
use crate::programs;

const READY_LIMIT: Duration = Duration::from_secs(30);

/// `muster serve`, ended on drop.
pub struct Controller {
    /// Its state directory.
    pub state: PathBuf,
    /// Where it listens.
    pub address: String,
    log: PathBuf,
    process: Option<Child>,
}

impl Controller {
    /// Starts a controller that listens on a free port of an address.
    pub fn start(directory: &Path, address: impl Into<IpAddr>) -> Result<Self> {
        let address = address.into();
        let port = TcpListener::bind((address, 0))?.local_addr()?.port();
        let mut controller = Self {
            state: directory.join("controller"),
            address: format!("{address}:{port}"),
            log: directory.join("controller.log"),
            process: None,
        };
        controller.restart()?;
        Ok(controller)
    }

    /// Starts it again, after [`Controller::kill`].
    pub fn restart(&mut self) -> Result<()> {
        let log = std::fs::File::options().create(true).append(true).open(&self.log)?;
        let child = self
            .command()
            .args(["serve", "--listen", &self.address])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.process = Some(child);
        let start = Instant::now();
        while TcpStream::connect(&self.address).is_err() {
            ensure!(
                start.elapsed() < READY_LIMIT,
                "the controller does not listen:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// `muster` as the operator of this controller.
    pub fn muster(&self) -> Command {
        let mut command = self.command();
        command.env("MUSTER_CONTROLLER", &self.address);
        command
    }

    fn command(&self) -> Command {
        programs::muster(&self.state)
    }

    /// A new join token.
    pub fn token(&self) -> Result<String> {
        let output = self.muster().args(["token", "create"]).output()?;
        ensure!(output.status.success(), "{}", programs::text(&output));
        let text = String::from_utf8(output.stdout)?;
        let token = text.split_whitespace().find(|word| word.starts_with("muster1."));
        Ok(token.context("`muster token create` prints a token")?.to_owned())
    }

    /// Installs the agent on a host, enrols it under the host's name, and starts it as a service.
    pub fn enrol(&self, machine: &Machine) -> Result<()> {
        machine.install(
            &programs::directory().join("muster-agent"),
            "/usr/bin/muster-agent",
            0o755,
        )?;
        let token = self.token()?;
        machine.exec(&[
            "muster-agent",
            "enroll",
            "--controller",
            &self.address,
            "--token",
            &token,
            "--name",
            &machine.name,
        ])?;
        machine.exec(&[
            "sh",
            "-c",
            "muster-agent unit > /etc/systemd/system/muster-agent.service",
        ])?;
        machine.exec(&["systemctl", "enable", "--now", "muster-agent"])?;
        self.wait_until(&format!("{} is connected", machine.name), || {
            let output = self.muster().args(["ping", &machine.name]).output()?;
            Ok(output.status.success())
        })
    }

    /// Waits for something to become true.
    pub fn wait_until(&self, what: &str, mut check: impl FnMut() -> Result<bool>) -> Result<()> {
        let start = Instant::now();
        while !check()? {
            ensure!(
                start.elapsed() < READY_LIMIT,
                "not within {READY_LIMIT:?}: {what}\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        self.kill();
    }
}
