//! The first words with a host: which machine it is, whether it has our agent, and the agent if not.
//!
//! ```text
//! host:        muster: host Linux x86_64
//! controller:  DIGEST SIZE
//! host:        muster: ready                          (the agent is there and starts)
//!          or  muster: need                           (the controller sends SIZE bytes, then `ready` follows)
//!          or  muster: fail WHAT ...                  (and it ends)
//! ```
//! What else the host prints (greetings of login scripts) is skipped.

use std::time::Duration;

use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
};
use tokio::time::timeout;

use super::program::Program;

/// Before each line of ours.
const MARK: &str = "muster: ";
/// A longer line is not ours.
const LINE_LIMIT: u64 = 64 << 10;
/// Lines that login scripts may print.
const NOISE_LIMIT: usize = 1000;
/// For the whole of the agent to arrive: 30 MB over a slow line.
const UPLOAD: Duration = Duration::from_mins(10);

/// What the host carries out: one line of POSIX shell without quotes of its own, backslashes and `!`, so that any login
/// shell passes it on unchanged. It looks in each place for the agent by its digest; else it takes the first place
/// where it may write and execute, and makes the file appear there whole or not at all.
pub(crate) const SCRIPT: &str = concat!(
    r#"say() { echo "muster: $*"; }; "#,
    r#"say host $(uname -s) $(uname -m); read -r hash size || exit 0; u=$(id -u); umask 022; "#,
    r#"sum() { if command -v sha256sum >/dev/null 2>&1; then sha256sum <"$1"; "#,
    r#"elif command -v openssl >/dev/null 2>&1; then openssl dgst -sha256 -r <"$1"; "#,
    r#"elif command -v shasum >/dev/null 2>&1; then shasum -a 256 <"$1"; else echo "$hash"; fi; }; "#,
    r#"same() { [ -f "$1" ] && [ $(($(wc -c <"$1"))) -eq "$size" ] && "#,
    r#"case "$(sum "$1")" in "$hash"*) ;; *) false;; esac; }; "#,
    r#"works() { said=$("$1" --version 2>&1); }; "#,
    r#"mine() { [ -d "$1" ] && [ -O "$1" ] && if [ -L "$1" ]; then false; fi; }; "#,
    r#"start() { say ready; exec "$1" --stdio; }; "#,
    r#"set -- "/var/tmp/muster-$u" "/tmp/muster-$u"; "#,
    r#"[ -n "${HOME:-}" ] && set -- "${XDG_CACHE_HOME:-$HOME/.cache}/muster" "$@"; "#,
    r#"for d in "$@"; do f="$d/agent-$hash"; mine "$d" && same "$f" && works "$f" && start "$f"; done; "#,
    r#"for d in "$@"; do mkdir -p "$d" 2>/dev/null; mine "$d" || continue; t="$d/.new-$hash-$$"; "#,
    r#"trap "rm -f $t" EXIT; { echo exit 0 >"$t"; } 2>/dev/null && chmod 755 "$t" && "$t" 2>/dev/null || "#,
    r#"{ rm -f "$t"; continue; }; "#,
    r#"say need; head -c "$size" >"$t" || { say fail write "$d"; exit 1; }; "#,
    r#"same "$t" || { say fail damaged; exit 1; }; chmod 755 "$t" && f="$d/agent-$hash" && mv -f "$t" "$f" || "#,
    r#"{ say fail write "$d"; exit 1; }; "#,
    r#"works "$f" && start "$f"; say fail run "$said"; exit 1; done; "#,
    r#"say fail place "$@"; exit 1"#
);

/// What a host is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    /// `uname -s`.
    pub(crate) system: String,
    /// `uname -m`.
    pub(crate) machine: String,
}

/// Waits for the host's first line. `None`: the connection ended.
pub(crate) async fn greeting(
    from: &mut (impl AsyncBufRead + Unpin),
) -> Result<Option<Machine>, String> {
    let Some(line) = next_line(from).await? else { return Ok(None) };
    match line.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["host", system, machine] => {
            Ok(Some(Machine { system: (*system).to_owned(), machine: (*machine).to_owned() }))
        }
        _ => Err(format!("the host began with `{line}`")),
    }
}

/// Sees to it that the agent is there and starts. `None`: the connection ended.
pub(crate) async fn deliver(
    program: &Program,
    from: &mut (impl AsyncBufRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
) -> Result<Option<()>, String> {
    let order = format!("{} {}\n", program.digest, program.bytes.len());
    // A connection that breaks is told by its end, with a better reason.
    let _ = to.write_all(order.as_bytes()).await;
    let _ = to.flush().await;
    let Some(mut line) = next_line(from).await? else { return Ok(None) };
    if line == "need" {
        tracing::info!(bytes = program.bytes.len(), "bringing the agent to the host");
        let upload = async {
            to.write_all(&program.bytes).await?;
            to.flush().await
        };
        let _ = timeout(UPLOAD, upload)
            .await
            .map_err(|_| format!("the agent did not arrive within {} s", UPLOAD.as_secs()))?;
        let Some(next) = next_line(from).await? else { return Ok(None) };
        line = next;
    }
    match line.split_once(' ').unwrap_or((&line, "")) {
        ("ready", _) => Ok(Some(())),
        ("fail", reason) => Err(explain(reason)),
        _ => Err(format!("the host answered `{line}`")),
    }
}

fn explain(reason: &str) -> String {
    match reason.split_once(' ').unwrap_or((reason, "")) {
        ("write", place) => format!("cannot write the agent to {place}: is its file system full?"),
        ("damaged", _) => "the agent did not arrive whole: is the file system full?".to_owned(),
        ("run", said) => format!("the agent does not run on the host: {said}"),
        ("place", places) => format!(
            "no place for the agent: none of {} can be written and allows programs (mount option noexec?)",
            places.replace(' ', ", ")
        ),
        _ => format!("the host said `{reason}`"),
    }
}

/// The next line of ours, without its mark.
async fn next_line(from: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<String>, String> {
    for _ in 0..NOISE_LIMIT {
        let mut line = Vec::new();
        let mut limited = (&mut *from).take(LINE_LIMIT);
        match limited.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return Ok(None),
            Ok(_) => {}
        }
        let line = String::from_utf8_lossy(&line);
        if let Some(ours) = line.trim_end().strip_prefix(MARK) {
            return Ok(Some(ours.to_owned()));
        }
    }
    Err("the host's login scripts print too much".to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::process::Stdio;

    use model::Digest;
    use tokio::io::BufReader;
    use tokio::process::Command;

    use super::*;

    const AGENT: &str = "#!/bin/sh\ncase $1 in --version) echo 1;; --stdio) echo it runs;; esac\n";

    /// Carries out the script on this machine, which has only this home to put an agent in.
    async fn visit(home: &Path, program: &Program) -> Result<String, String> {
        let mut process = Command::new("sh")
            .args(["-c", &format!("echo Welcome!; exec sh -c '{SCRIPT}'")])
            .env("HOME", home)
            .env_remove("XDG_CACHE_HOME")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh is there");
        let mut to = process.stdin.take().expect("piped");
        let mut from = BufReader::new(process.stdout.take().expect("piped"));
        let machine = greeting(&mut from).await?.expect("a greeting");
        assert_eq!(machine.system, "Linux");
        let delivered = deliver(program, &mut from, &mut to).await?;
        assert!(delivered.is_some(), "the connection ended");
        let mut rest = String::new();
        from.read_to_string(&mut rest).await.expect("read");
        Ok(rest)
    }

    fn program(text: &str) -> Program {
        Program { bytes: text.as_bytes().to_vec(), digest: Digest::of(text.as_bytes()) }
    }

    fn cached(home: &Path, program: &Program) -> std::path::PathBuf {
        home.join(format!(".cache/muster/agent-{}", program.digest))
    }

    #[tokio::test]
    async fn the_agent_is_brought_once() {
        let home = tempfile::tempdir().expect("made");
        let program = program(AGENT);
        assert_eq!(visit(home.path(), &program).await.as_deref(), Ok("it runs\n"));
        let path = cached(home.path(), &program);
        let first = fs::metadata(&path).expect("it is there").modified().expect("a time");
        assert_eq!(visit(home.path(), &program).await.as_deref(), Ok("it runs\n"));
        let second = fs::metadata(&path).expect("it is there").modified().expect("a time");
        assert_eq!(first, second, "it was brought twice");
        let names = fs::read_dir(path.parent().expect("a directory")).expect("read").count();
        assert_eq!(names, 1, "something was left behind");
    }

    #[tokio::test]
    async fn a_damaged_agent_is_replaced() {
        let home = tempfile::tempdir().expect("made");
        let program = program(AGENT);
        visit(home.path(), &program).await.expect("brought");
        let path = cached(home.path(), &program);
        fs::write(&path, AGENT.replace("it runs", "not us")).expect("written");
        assert_eq!(visit(home.path(), &program).await.as_deref(), Ok("it runs\n"));
        assert_eq!(fs::read(&path).expect("read"), program.bytes);
    }

    #[tokio::test]
    async fn an_agent_that_does_not_run_there_says_why() {
        let home = tempfile::tempdir().expect("made");
        let broken = program("#!/bin/sh\necho GLIBC_2.38 not found >&2; exit 1\n");
        let error = visit(home.path(), &broken).await.expect_err("it cannot run");
        assert_eq!(error, "the agent does not run on the host: GLIBC_2.38 not found");
    }

    #[tokio::test]
    async fn a_home_that_cannot_be_used_is_no_obstacle() {
        let home = tempfile::tempdir().expect("made");
        fs::write(home.path().join(".cache"), "not a directory").expect("written");
        let program =
            program(&AGENT.replace("it runs", &format!("it runs {}", home.path().display())));
        let answer = visit(home.path(), &program).await.expect("another place");
        assert!(answer.starts_with("it runs"), "{answer}");
        let name = format!("agent-{}", program.digest);
        let uid = nix::unistd::Uid::effective();
        let place = ["/var/tmp", "/tmp"].map(|place| format!("{place}/muster-{uid}/{name}"));
        let found = place.iter().find(|path| Path::new(path).exists()).expect("one of them");
        let mode = fs::metadata(found).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o755, "become workers are started from it");
        fs::remove_file(found).expect("removed");
    }

    #[test]
    fn the_script_passes_any_login_shell() {
        assert!(!SCRIPT.contains(['\'', '\\', '!', '\n']));
    }

    #[test]
    fn failures_are_explained() {
        for (reason, expected) in [
            ("write /root/.cache/muster", "/root/.cache/muster: is its file system full?"),
            ("damaged", "did not arrive whole"),
            ("place /a /b", "none of /a, /b can be written"),
        ] {
            assert!(explain(reason).contains(expected), "{}", explain(reason));
        }
    }
}
