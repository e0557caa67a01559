//! A fleet of booted hosts: one cached Debian tree, an overlay and a network namespace for each host, systemd and sshd running.
//!
//! Needs root, `debootstrap`, `systemd-nspawn` and `ip`. Everything made here carries the fleet's number and is removed by
//! it on drop; nothing else is touched.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::tell;
use anyhow::{Context, Result, bail, ensure};
use nix::fcntl::{Flock, FlockArg};

/// Packages in the tree besides Debian's minimal base. No Python: managed hosts need none.
const PACKAGES: &str = "systemd,systemd-sysv,dbus,openssh-server,sudo,iproute2,ca-certificates,curl,procps,cron,iptables,\
    git,tzdata,acl,rsync,subversion,gnupg,mariadb-server,postgresql,make,locales,libcap2-bin,parted";
/// Of those packages, the services that a host starts only when a test says so.
const AT_REST: [&str; 3] = ["mariadb.service", "postgresql.service", "rsync.service"];
const MIRROR: &str = "http://deb.debian.org/debian";
const SUITE: &str = "bookworm";
const BOOT_LIMIT: Duration = Duration::from_secs(90);

/// Booted hosts on one private network; the first address, `.1`, is this machine's.
pub struct Fleet {
    number: u8,
    directory: PathBuf,
    /// The hosts, `host1`, `host2`, ...
    pub machines: Vec<Machine>,
    _lock: Flock<fs::File>,
}

/// One booted host.
pub struct Machine {
    /// Its host name.
    pub name: String,
    /// Its address on the fleet's network.
    pub address: Ipv4Addr,
    /// Its root directory as seen from here. Write to it only through [`Machine::exec`] while it runs.
    pub root: PathBuf,
    namespace: String,
    nspawn: Child,
    leader: u32,
}

/// Why booted hosts cannot be had here, or `None`.
pub fn missing() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("booted hosts need root".to_owned());
    }
    let absent: Vec<&str> = ["debootstrap", "systemd-nspawn", "ip", "nsenter", "ssh", "ssh-keygen"]
        .into_iter()
        .filter(|tool| !has_tool(tool))
        .collect();
    (!absent.is_empty()).then(|| {
        format!(
            "{} not found; apt-get install debootstrap systemd-container iproute2 openssh-client",
            absent.join(", ")
        )
    })
}

fn has_tool(tool: &str) -> bool {
    ["/usr/bin", "/usr/sbin", "/bin", "/sbin"].iter().any(|dir| Path::new(dir).join(tool).exists())
}

impl Fleet {
    /// Boots `count` hosts.
    pub fn up(count: usize) -> Result<Self> {
        let base = base_tree()?;
        let (number, lock) = free_number()?;
        let directory = PathBuf::from(format!("/var/tmp/muster-tests/fleet-{number}"));
        discard(number, &directory);
        fs::create_dir_all(&directory)?;
        run(Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", ""])
            .arg("-f")
            .arg(directory.join("key")))?;
        let bridge = bridge(number);
        ip(&["link", "add", &bridge, "type", "bridge"])?;
        ip(&["addr", "add", &format!("10.213.{number}.1/24"), "dev", &bridge])?;
        ip(&["link", "set", &bridge, "up"])?;
        let mut fleet = Self { number, directory, machines: Vec::new(), _lock: lock };
        for index in 1..=count {
            let machine = fleet.start(&base, index)?;
            fleet.machines.push(machine);
        }
        for machine in &mut fleet.machines {
            machine.wait_until_booted()?;
        }
        Ok(fleet)
    }

    /// This machine's address on the fleet's network.
    pub fn gateway(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 213, self.number, 1)
    }

    /// A directory for the test, removed with the fleet.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The private key that every host's root accepts.
    pub fn ssh_key(&self) -> PathBuf {
        self.directory.join("key")
    }

    /// An inventory of the hosts, reached over SSH as root.
    pub fn inventory(&self) -> String {
        let key = self.ssh_key();
        let hosts: Vec<String> = self
            .machines
            .iter()
            .map(|machine| format!("{} ansible_host={}", machine.name, machine.address))
            .collect();
        format!(
            "[fleet]\n{}\n\n[fleet:vars]\nansible_user=root\nansible_ssh_private_key_file={}\n\
             ansible_ssh_common_args=-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR\n",
            hosts.join("\n"),
            key.display()
        )
    }

    fn start(&self, base: &Path, index: usize) -> Result<Machine> {
        let name = format!("host{index}");
        let address = Ipv4Addr::new(10, 213, self.number, 10 + u8::try_from(index)?);
        let root = self.overlay(base, &name)?;
        self.furnish(&root, &name)?;
        let namespace = format!("mt{}h{index}", self.number);
        self.network(&namespace, index, address)?;
        let console = fs::File::create(self.directory.join(format!("{name}.console")))?;
        let nspawn = Command::new("systemd-nspawn")
            .args(["--boot", "--register=no", "--keep-unit", "--quiet", "--console=read-only"])
            .arg("--capability=CAP_NET_ADMIN")
            .arg(format!("--network-namespace-path=/run/netns/{namespace}"))
            .arg(format!("--hostname={name}"))
            .arg("-D")
            .arg(&root)
            .stdin(Stdio::null())
            .stderr(console.try_clone()?)
            .stdout(console)
            .spawn()
            .context("systemd-nspawn")?;
        Ok(Machine { name, address, root, namespace, nspawn, leader: 0 })
    }

    fn overlay(&self, base: &Path, name: &str) -> Result<PathBuf> {
        let dir = self.directory.join(name);
        let [upper, work, root] = ["upper", "work", "root"].map(|part| dir.join(part));
        for part in [&upper, &work, &root] {
            fs::create_dir_all(part)?;
        }
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            base.display(),
            upper.display(),
            work.display()
        );
        run(Command::new("mount").args(["-t", "overlay", "overlay", "-o", &options]).arg(&root))?;
        Ok(root)
    }

    fn furnish(&self, root: &Path, name: &str) -> Result<()> {
        fs::write(root.join("etc/hostname"), format!("{name}\n"))?;
        fs::write(root.join("etc/hosts"), format!("127.0.0.1 localhost\n127.0.1.1 {name}\n"))?;
        let ssh = root.join("root/.ssh");
        fs::create_dir_all(&ssh)?;
        fs::copy(self.directory.join("key.pub"), ssh.join("authorized_keys"))?;
        Ok(())
    }

    fn network(&self, namespace: &str, index: usize, address: Ipv4Addr) -> Result<()> {
        let port = format!("mtv{}h{index}", self.number);
        ip(&["netns", "add", namespace])?;
        ip(&["link", "add", &port, "type", "veth", "peer", "name", "host0", "netns", namespace])?;
        ip(&["link", "set", &port, "master", &bridge(self.number), "up"])?;
        ip(&["-n", namespace, "addr", "add", &format!("{address}/24"), "dev", "host0"])?;
        ip(&["-n", namespace, "link", "set", "host0", "up"])?;
        ip(&["-n", namespace, "link", "set", "lo", "up"])?;
        ip(&["-n", namespace, "route", "add", "default", "via", &self.gateway().to_string()])
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for machine in &mut self.machines {
            machine.power_off();
        }
        discard(self.number, &self.directory);
    }
}

impl Machine {
    /// Runs a command inside the host as root; fails when the command does.
    pub fn exec(&self, words: &[&str]) -> Result<String> {
        let output = self.command(words).output()?;
        ensure!(
            output.status.success(),
            "{}: `{}` failed: {}{}",
            self.name,
            words.join(" "),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs a shell line inside the host as root, whatever its exit status.
    pub fn sh(&self, line: &str) -> Result<Output> {
        Ok(self.command(&["sh", "-c", line]).output()?)
    }

    /// A command that will run inside the host as root.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["-t", &self.leader.to_string(), "-a", "--"])
            .args(words)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    /// Puts a file of this machine into the host.
    pub fn install(&self, from: &Path, to: &str, mode: u32) -> Result<()> {
        let mut child = self
            .command(&["sh", "-c", &format!("cat > '{to}' && chmod {mode:o} '{to}'")])
            .stdin(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().context("stdin")?;
        std::io::copy(&mut fs::File::open(from)?, &mut stdin)?;
        drop(stdin);
        ensure!(child.wait()?.success(), "cannot install {to} on {}", self.name);
        Ok(())
    }

    /// Cuts the host off the network, or joins it again.
    pub fn set_connected(&self, connected: bool) -> Result<()> {
        ip(&[
            "-n",
            &self.namespace,
            "link",
            "set",
            "host0",
            if connected { "up" } else { "down" },
        ])?;
        if connected {
            let gateway = Ipv4Addr::from_octets({
                let mut octets = self.address.octets();
                octets[3] = 1;
                octets
            });
            ip(&["-n", &self.namespace, "route", "add", "default", "via", &gateway.to_string()])?;
        }
        Ok(())
    }

    fn wait_until_booted(&mut self) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < BOOT_LIMIT {
            if let Some(leader) = first_child(self.nspawn.id()).filter(|pid| is_init(*pid)) {
                self.leader = leader;
                let state = self.command(&["systemctl", "is-system-running"]).output()?;
                if matches!(String::from_utf8_lossy(&state.stdout).trim(), "running" | "degraded") {
                    return Ok(());
                }
            }
            if let Some(status) = self.nspawn.try_wait()? {
                bail!("{} did not boot: systemd-nspawn ended with {status}", self.name);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("{} did not boot within {BOOT_LIMIT:?}", self.name)
    }

    /// Ends the host at once, as a power cut does.
    fn power_off(&mut self) {
        if let Some(leader) = first_child(self.nspawn.id()) {
            let leader = nix::unistd::Pid::from_raw(leader.cast_signed());
            let _ = nix::sys::signal::kill(leader, nix::sys::signal::Signal::SIGKILL);
        } else {
            let _ = self.nspawn.kill();
        }
        let _ = self.nspawn.wait();
    }
}

fn first_child(pid: u32) -> Option<u32> {
    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .ok()?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

/// The first child of systemd-nspawn is at first a helper in this machine's own namespaces.
fn is_init(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "systemd")
}

fn bridge(number: u8) -> String {
    format!("mtbr{number}")
}

/// Removes what a fleet of this number has left, also one whose process was killed.
fn discard(number: u8, directory: &Path) {
    for host in fs::read_dir(directory).into_iter().flatten().flatten() {
        let root = host.path().join("root");
        if root.exists() {
            let _ = Command::new("umount").arg("-l").arg(&root).stderr(Stdio::null()).status();
        }
    }
    let prefix = format!("mt{number}h");
    for namespace in fs::read_dir("/run/netns").into_iter().flatten().flatten() {
        if let Some(name) = namespace.file_name().to_str().filter(|name| name.starts_with(&prefix))
        {
            let _ = ip(&["netns", "del", name]);
        }
    }
    let _ =
        Command::new("ip").args(["link", "del", &bridge(number)]).stderr(Stdio::null()).status();
    let _ = fs::remove_dir_all(directory);
}

fn free_number() -> Result<(u8, Flock<fs::File>)> {
    fs::create_dir_all("/run/muster-tests")?;
    for number in 1..=250 {
        let file = fs::File::create(format!("/run/muster-tests/fleet-{number}.lock"))?;
        if let Ok(lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            return Ok((number, lock));
        }
    }
    bail!("250 fleets are up already")
}

/// The cached tree, made when it is missing.
fn base_tree() -> Result<PathBuf> {
    let cache = std::env::var_os("MUSTER_CACHE")
        .map_or_else(|| "/var/cache/muster-tests".into(), PathBuf::from);
    fs::create_dir_all(&cache)?;
    let tree =
        cache.join(format!("debian-{}", &model::Digest::of(PACKAGES.as_bytes()).to_string()[..12]));
    let lock = fs::File::create(cache.join("debian.lock"))?;
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| error)?;
    if !tree.exists() {
        tell(&format!("making the Debian tree {} (once, about a minute)", tree.display()));
        let fresh = cache.join("debian.fresh");
        let _ = fs::remove_dir_all(&fresh);
        // Packages would start their services while they are installed, here and not in a host.
        let policy = fresh.join("usr/sbin/policy-rc.d");
        fs::create_dir_all(fresh.join("usr/sbin"))?;
        fs::write(&policy, "#!/bin/sh\nexit 101\n")?;
        fs::set_permissions(&policy, fs::Permissions::from_mode(0o755))?;
        run(Command::new("debootstrap")
            .args(["--variant=minbase", &format!("--include={PACKAGES}"), SUITE])
            .arg(&fresh)
            .arg(MIRROR))?;
        let _ = fs::remove_file(&policy);
        run(Command::new("systemctl").arg("--root").arg(&fresh).arg("disable").args(AT_REST))?;
        fs::rename(&fresh, &tree)?;
    }
    Ok(tree)
}

fn ip(words: &[&str]) -> Result<()> {
    run(Command::new("ip").args(words))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
