//! A private sshd on this machine, for one test.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use engine::link::{Connection, Target};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::sleep;

const SSHD: &str = "/usr/sbin/sshd";

/// A running sshd that lets one key in, as the user who runs the test.
pub(crate) struct Sshd {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) port: u16,
    _process: Child,
}

/// Why there can be none here.
pub(crate) fn missing() -> Option<&'static str> {
    if !Path::new(SSHD).exists() {
        return Some("sshd not found; apt-get install openssh-server");
    }
    (!nix::unistd::Uid::effective().is_root()).then_some("sshd needs root")
}

impl Sshd {
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for key in ["host", "user"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(path(key))
                .status()
                .await
                .unwrap();
            assert!(made.success());
        }
        // Where sshd puts its children; packages make it at boot.
        std::fs::create_dir_all("/run/sshd").unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
             UsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin yes\n\
             SetEnv XDG_CACHE_HOME={}\n",
            path("host").display(),
            path("user.pub").display(),
            path("cache").display()
        );
        std::fs::write(path("config"), settings).unwrap();
        let process = Command::new(SSHD)
            .args(["-D", "-e", "-f"])
            .arg(path("config"))
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
        Self { directory, port, _process: process }
    }

    /// This machine through it, with its host key known.
    pub(crate) fn target(&self) -> Target {
        let key = std::fs::read_to_string(self.directory.path().join("host.pub")).unwrap();
        let known = self.directory.path().join("known_hosts");
        std::fs::write(&known, format!("[127.0.0.1]:{} {key}", self.port)).unwrap();
        Target {
            host: "web01".into(),
            connection: Connection::Ssh,
            address: "127.0.0.1".to_owned(),
            port: Some(self.port),
            user: None,
            password: None,
            private_key: Some(self.directory.path().join("user")),
            // Nothing of the person who runs the test.
            ssh_args: [
                "-F",
                "none",
                "-o",
                &format!("UserKnownHostsFile={}", known.display()),
                "-o",
                "IdentitiesOnly=yes",
            ]
            .map(str::to_owned)
            .into(),
            host_key_checking: true,
            connect_timeout: Duration::from_secs(5),
            options: std::collections::BTreeMap::new(),
        }
    }

    /// The agents that were brought.
    pub(crate) fn brought(&self) -> Vec<PathBuf> {
        let found = std::fs::read_dir(self.directory.path().join("cache/muster"));
        found.map_or_else(|_| vec![], |found| found.map(|it| it.unwrap().path()).collect())
    }
}
