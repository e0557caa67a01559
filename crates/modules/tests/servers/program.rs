//! Servers, started for a test and stopped with it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use model::Args;
use serde_json::json;

/// A server that runs.
pub(crate) struct Server {
    child: Child,
    directory: tempfile::TempDir,
    /// Arguments of every call that does not say them.
    pub login: Args,
    /// The calls' environment: where the server's programs are.
    pub environment: BTreeMap<String, String>,
}

impl Server {
    /// `$DIR` is the server's directory, which calls may write to.
    pub(crate) fn fill(&self, text: &str) -> String {
        text.replace("$DIR", &self.directory.path().to_string_lossy())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to stop.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Programs of packages, wherever they are.
struct Programs {
    /// Where the packages are unpacked; `/`: they are installed.
    root: PathBuf,
    folders: Vec<PathBuf>,
}

impl Programs {
    /// Those on this machine, or else unpacked from Debian's packages.
    fn find(server: &str, packages: &[&str], folders: &[&str]) -> Option<Self> {
        let at = |root: &Path| {
            let folders: Vec<PathBuf> =
                folders.iter().flat_map(|folder| versions(&root.join(folder))).collect();
            let programs = Self { root: root.to_owned(), folders };
            programs.path(server).map(|_| programs)
        };
        let unpacked = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("server-{server}"));
        if let Some(found) = at(Path::new("/")).or_else(|| at(&unpacked)) {
            return Some(found);
        }
        if let Err(reason) = unpack(packages, &unpacked) {
            let mut stderr = std::io::stderr();
            let _ =
                writeln!(stderr, "SKIPPED: no {server} on this machine, and no packages: {reason}");
            return None;
        }
        Some(at(&unpacked).unwrap_or_else(|| panic!("{packages:?} have no {server}")))
    }

    fn path(&self, program: &str) -> Option<PathBuf> {
        self.folders.iter().map(|folder| folder.join(program)).find(|path| path.is_file())
    }

    /// A program with its libraries, as a user that servers run as.
    fn command(&self, program: &str) -> Command {
        let path = self.path(program).unwrap_or_else(|| panic!("there is no {program}"));
        let mut command = Command::new(path);
        command.stdin(Stdio::null()).stdout(Stdio::null()).envs(self.environment());
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    fn environment(&self) -> BTreeMap<String, String> {
        let own = std::env::var("PATH").unwrap_or_default();
        let folders = self.folders.iter().map(|folder| folder.to_string_lossy().into_owned());
        let path = folders.chain([own]).collect::<Vec<_>>().join(":");
        let mut environment = BTreeMap::from([("PATH".to_owned(), path)]);
        if self.root != Path::new("/") {
            let libraries =
                ["usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "lib/x86_64-linux-gnu"];
            let libraries =
                libraries.map(|folder| self.root.join(folder).to_string_lossy().into_owned());
            environment.insert("LD_LIBRARY_PATH".to_owned(), libraries.join(":"));
        }
        environment
    }

    fn share(&self, folder: &str) -> PathBuf {
        self.root.join("usr").join(folder)
    }
}

const NOBODY: u32 = 65534;

fn is_root() -> bool {
    nix::unistd::Uid::effective().is_root()
}

/// The folders that a path with a `*` for a version stands for.
fn versions(pattern: &Path) -> Vec<PathBuf> {
    let text = pattern.to_string_lossy();
    let Some((before, after)) = text.split_once("/*/") else { return vec![pattern.to_owned()] };
    let entries = std::fs::read_dir(before).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.path().join(after)).collect()
}

/// Fetches packages with what they need and is not installed, and unpacks them.
fn unpack(packages: &[&str], into: &Path) -> Result<(), String> {
    let run = |command: &mut Command| -> Result<String, String> {
        let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(format!("{command:?}: {said}"))
        }
    };
    let archives = tempfile::tempdir().map_err(|error| error.to_string())?;
    let list = || {
        run(Command::new("apt-get")
            .args(["install", "--print-uris", "-qq", "--no-install-recommends"])
            .args(packages))
    };
    let uris =
        list().or_else(|_| run(Command::new("apt-get").arg("update")).and_then(|_| list()))?;
    // 'http://.../mariadb-server-core_10_amd64.deb' mariadb-server-core_10_amd64.deb 123 SHA256:...
    let names = uris.lines().filter_map(|line| line.split_whitespace().nth(1)?.split('_').next());
    run(Command::new("apt-get").arg("download").args(names).current_dir(archives.path()))?;
    for entry in std::fs::read_dir(archives.path()).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.extension().is_some_and(|ending| ending == "deb") {
            run(Command::new("dpkg").arg("-x").arg(&path).arg(into))?;
        }
    }
    Ok(())
}

/// A directory that the server's user may write to.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    if is_root() {
        std::os::unix::fs::chown(directory.path(), Some(NOBODY), Some(NOBODY)).expect("given away");
    }
    directory
}

fn must(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_mins(1);

/// `PostgreSQL` listens before it answers; `pg_ctl` looks for this word, too.
fn await_word(word: &str, file: &Path) {
    let begun = Instant::now();
    while !std::fs::read_to_string(file).is_ok_and(|text| text.contains(word)) {
        assert!(begun.elapsed() < PATIENCE, "{} never says `{word}`", file.display());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until a server listens.
fn await_socket(socket: &Path, child: &mut Child) {
    let begun = Instant::now();
    while std::os::unix::net::UnixStream::connect(socket).is_err() {
        if let Ok(Some(status)) = child.try_wait() {
            panic!("the server ended: {status}");
        }
        assert!(begun.elapsed() < PATIENCE, "nobody listens at {}", socket.display());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A `MariaDB` whose `admin` has a password, and whose own user needs none.
pub(crate) fn mariadb() -> Option<Server> {
    let packages = ["mariadb-server-core", "mariadb-client"];
    let programs = Programs::find("mariadbd", &packages, &["usr/sbin", "usr/bin"])?;
    let directory = directory();
    let at = |name: &str| directory.path().join(name);
    let option = |name: &str, path: PathBuf| format!("--{name}={}", path.display());
    std::fs::write(at("init.sql"), "CREATE USER admin@localhost IDENTIFIED BY 's3cret-word';\nGRANT ALL ON *.* TO admin@localhost WITH GRANT OPTION;\n").expect("written");
    must(
        programs
            .command("mariadb-install-db")
            .args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"])
            .arg(option("basedir", programs.root.join("usr")))
            .arg(option("datadir", at("data"))),
    );
    let mut child = programs
        .command("mariadbd")
        .args([
            "--no-defaults",
            "--skip-networking",
            "--innodb-buffer-pool-size=16M",
            "--plugin-maturity=unknown",
        ])
        .arg(option("basedir", programs.root.join("usr")))
        .arg(option("lc-messages-dir", programs.share("share/mysql")))
        .arg(option("datadir", at("data")))
        .arg(option("socket", at("s.sock")))
        .arg(option("pid-file", at("pid")))
        .arg(option("init-file", at("init.sql")))
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    await_socket(&at("s.sock"), &mut child);
    let login = json!({
        "login_unix_socket": at("s.sock"),
        "login_user": "admin",
        "login_password": "s3cret-word",
        "config_file": at("my.cnf"),
    });
    let environment = programs.environment();
    Some(Server { child, login: object(login), environment, directory })
}

/// A `PostgreSQL` that asks `postgres` for no password, and others for theirs.
pub(crate) fn postgresql() -> Option<Server> {
    let programs = Programs::find("postgres", &["postgresql"], &["usr/lib/postgresql/*/bin"])?;
    let directory = directory();
    let at = |name: &str| directory.path().join(name);
    must(
        programs
            .command("initdb")
            .args(["-U", "postgres", "-A", "trust", "-N", "-D"])
            .arg(at("data")),
    );
    std::fs::write(
        at("data/pg_hba.conf"),
        "local all postgres trust\nlocal all all scram-sha-256\n",
    )
    .expect("written");
    let mut child = programs
        .command("postgres")
        .arg("-D")
        .arg(at("data"))
        .args(["-c", "listen_addresses=", "-c", "fsync=off", "-k"])
        .arg(directory.path())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    await_socket(&at(".s.PGSQL.5432"), &mut child);
    await_word("ready", &at("data/postmaster.pid"));
    let login = json!({ "login_unix_socket": directory.path() });
    let environment = programs.environment();
    Some(Server { child, login: object(login), environment, directory })
}

fn object(value: serde_json::Value) -> Args {
    match value {
        serde_json::Value::Object(object) => object,
        _ => unreachable!("it is one"),
    }
}
