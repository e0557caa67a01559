//! Starts a become worker: forks, goes one of the ways to the other user, and waits until the worker says that it is there.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use model::{Args, BecomeMethod, Outcome, Verdict};
use nix::pty::openpty;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::{User, getgrouplist, setgid, setgroups, setsid, setuid};

use crate::conversation::{Conversation, Next, remember};
use crate::escalation::{Ask, shell_quoted};
use crate::frame::READY;
use crate::program::{Program, Shelter};

/// How long `sudo` or `su` may take, the mail to the administrator and a slow directory server included.
const PATIENCE: Duration = Duration::from_secs(30);
/// What may come before a worker's first frame.
const NOISE_LIMIT: usize = 64 << 10;
/// As sudo, a worker keeps only this much of our environment.
const KEPT_VARIABLES: [&str; 5] = ["PATH", "LANG", "LANGUAGE", "TZ", "TERM"];
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why there is no worker: a message for people.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It cannot be started, or the password is wrong.
    Failed(String),
    /// The way to the other user did not end in time: as for a host that does not answer, later may be better.
    Silent(String),
}

impl From<String> for Refusal {
    fn from(message: String) -> Self {
        Self::Failed(message)
    }
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Failed(message) => Self::failed(message),
            Refusal::Silent(message) => {
                let result = Args::from_iter([("unreachable".to_owned(), true.into())]);
                Self::new(Verdict::Failed { message }, result)
            }
        }
    }
}

/// A worker that is ready for orders.
pub(crate) struct Launched {
    pub(crate) child: Child,
    pub(crate) orders: Box<dyn Write + Send>,
    pub(crate) news: Box<dyn BufRead + Send>,
    /// The end of what it printed besides its frames.
    pub(crate) chatter: Arc<Mutex<String>>,
}

/// Root becomes another user without asking anyone.
pub(crate) fn direct(
    program: &Program,
    user: &User,
    chdir: Option<&str>,
) -> Result<Launched, Refusal> {
    let failed = |error| format!("cannot become `{}`: {error}", user.name);
    let name = CString::new(user.name.as_str()).map_err(|_| failed(nix::Error::EINVAL))?;
    // Before the fork: the user database must not be asked after it.
    let groups = getgrouplist(&name, user.gid).map_err(failed)?;
    let (uid, gid) = (user.uid, user.gid);

    let path = program.for_direct();
    let mut command = Command::new(&path);
    command.args(&program.args).env_clear().envs(kept_environment());
    command.env("HOME", &user.dir).env("SHELL", &user.shell);
    command.env("USER", &user.name).env("LOGNAME", &user.name);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    start_in(&mut command, chdir)?;
    #[expect(unsafe_code, reason = "between fork and exec: four system calls, no allocation")]
    unsafe {
        command.pre_exec(move || {
            setsid()?;
            setgroups(&groups)?;
            setgid(gid)?;
            setuid(uid)?;
            Ok(())
        });
    }
    let mut child = command
        .spawn()
        .map_err(|error| format!("cannot start {} as `{}`: {error}", path.display(), user.name))?;
    let orders: Box<dyn Write + Send> = Box::new(child.stdin.take().expect("piped"));
    let talk = Talk::start(&mut child, None);
    talk.wait(child, orders, None, &user.name)
}

/// A command line as a shell would take it.
fn shown(line: &[OsString]) -> String {
    let words = line.iter().map(|word| word.to_string_lossy());
    let quoted = words.map(|word| {
        let is_plain = |c: char| c.is_alphanumeric() || "-_./=:@%+,".contains(c);
        if !word.is_empty() && word.chars().all(is_plain) {
            word.into_owned()
        } else {
            shell_quoted(&word)
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// `sudo` or `su` starts the worker; its command line is told first.
pub(crate) fn ask(
    program: &Program,
    shelter: &Shelter,
    ask: &Ask,
    user: &str,
    tell: &dyn Fn(&str),
) -> Result<Launched, Refusal> {
    let path = program
        .for_others(shelter)
        .map_err(|error| format!("cannot start a worker as `{user}`: {error}"))?;
    let line = ask.command_line(&path, &program.args);
    tell(&shown(&line));
    let (first, rest) = line.split_first().expect("a program");
    let mut command = Command::new(first);
    command.args(rest).stdout(Stdio::piped());
    start_in(&mut command, ask.chdir.as_deref())?;
    let started = match ask.method {
        BecomeMethod::Sudo => start_on_pipes(command),
        BecomeMethod::Su => start_on_terminal(command),
    };
    let (mut child, orders, terminal) = started.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!(
            "cannot become `{user}`: the program `{}` is not installed on this host",
            ask.program()
        ),
        _ => format!("cannot run `{}`: {error}", ask.program()),
    })?;
    let talk = Talk::start(&mut child, terminal);
    talk.wait(child, orders, Some(ask), user)
}

/// Looks before the start, whose error would not tell a missing directory from a missing program.
fn start_in(command: &mut Command, directory: Option<&str>) -> Result<(), String> {
    let Some(directory) = directory else { return Ok(()) };
    std::fs::read_dir(directory).map_err(|error| format!("cannot cd to {directory}: {error}"))?;
    command.current_dir(directory);
    Ok(())
}

fn kept_environment() -> impl Iterator<Item = (OsString, OsString)> {
    let is_kept = |name: &OsStr| {
        KEPT_VARIABLES.iter().any(|kept| name == *kept)
            || name.as_encoded_bytes().starts_with(b"LC_")
    };
    std::iter::once(("PATH".into(), DEFAULT_PATH.into()))
        .chain(std::env::vars_os().filter(move |(name, _)| is_kept(name)))
}

type Started = (Child, Box<dyn Write + Send>, Option<File>);

fn start_on_pipes(mut command: Command) -> io::Result<Started> {
    command.stdin(Stdio::piped()).stderr(Stdio::piped());
    in_own_session(&mut command);
    let mut child = command.spawn()?;
    let orders = child.stdin.take().expect("piped");
    Ok((child, Box::new(orders), None))
}

/// `su` reads the password from a terminal only. The terminal is raw, so that frames pass through it afterwards.
fn start_on_terminal(mut command: Command) -> io::Result<Started> {
    let pty = openpty(None, None)?;
    let mut settings = tcgetattr(&pty.slave)?;
    cfmakeraw(&mut settings);
    tcsetattr(&pty.slave, SetArg::TCSANOW, &settings)?;
    command.stdin(pty.slave.try_clone()?).stderr(pty.slave);
    in_own_session(&mut command);
    let child = command.spawn()?;
    let master = File::from(pty.master);
    Ok((child, Box::new(master.try_clone()?), Some(master)))
}

/// Away from the person's terminal: neither its Ctrl-C nor its job control is the worker's business.
fn in_own_session(command: &mut Command) {
    #[expect(unsafe_code, reason = "between fork and exec: one system call")]
    unsafe {
        command.pre_exec(|| {
            setsid()?;
            Ok(())
        });
    }
}

enum Heard {
    Text(String),
    Ready(Box<dyn BufRead + Send>),
    /// Standard output is closed, and no worker was there.
    Closed,
}

/// Listens to both outputs of a program that is about to become a worker.
struct Talk {
    heard: mpsc::Receiver<Heard>,
    chatter: Arc<Mutex<String>>,
}

impl Talk {
    fn start(child: &mut Child, terminal: Option<File>) -> Self {
        let (sender, heard) = mpsc::channel();
        let chatter = Arc::new(Mutex::new(String::new()));
        let stdout = child.stdout.take().expect("piped");
        let stderr: Box<dyn Read + Send> = match terminal {
            Some(terminal) => Box::new(terminal),
            None => Box::new(child.stderr.take().expect("piped")),
        };
        let for_text = (sender.clone(), Arc::clone(&chatter));
        std::thread::spawn(move || listen_for_text(stderr, &for_text.0, &for_text.1));
        std::thread::spawn(move || listen_for_ready(stdout, &sender));
        Self { heard, chatter }
    }

    fn wait(
        self,
        mut child: Child,
        mut orders: Box<dyn Write + Send>,
        ask: Option<&Ask>,
        user: &str,
    ) -> Result<Launched, Refusal> {
        let mut conversation = ask.map(Conversation::new);
        let patience = ask.and_then(|ask| ask.patience).unwrap_or(PATIENCE);
        let end = Instant::now() + patience;
        let problem = loop {
            match self.heard.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(Heard::Ready(news)) => {
                    return Ok(Launched { child, orders, news, chatter: self.chatter });
                }
                Ok(Heard::Text(text)) => match conversation.as_mut().map(|it| it.hear(&text)) {
                    Some(Next::GivePassword) => {
                        if let Err(error) = give_password(&mut orders, ask) {
                            break format!("cannot give the password: {error}").into();
                        }
                    }
                    Some(Next::GiveUp(message)) => break message.into(),
                    Some(Next::Listen) | None => {}
                },
                Ok(Heard::Closed) => {
                    self.drain(conversation.as_mut());
                    let status = end_of(&mut child);
                    break match &conversation {
                        Some(conversation) => conversation.ended(&status),
                        None => self.failed_start(user, &status),
                    }
                    .into();
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    break Refusal::Silent(match &conversation {
                        Some(conversation) => conversation.out_of_time(patience.as_secs()),
                        None => format!("the worker for `{user}` did not start in time"),
                    });
                }
            }
        };
        drop(orders);
        // `sudo` runs as root: that we may not kill it is no surprise, and it ends when its input is closed.
        let _ = child.kill();
        std::thread::spawn(move || child.wait());
        Err(problem)
    }

    /// What is still on its way when the program has closed its output.
    fn drain(&self, mut conversation: Option<&mut Conversation<'_>>) {
        while let Ok(heard) = self.heard.recv_timeout(Duration::from_millis(300)) {
            if let (Heard::Text(text), Some(conversation)) = (heard, conversation.as_deref_mut()) {
                conversation.hear(&text);
            }
        }
    }

    fn failed_start(&self, user: &str, status: &str) -> String {
        let said = self.chatter.lock().unwrap_or_else(PoisonError::into_inner);
        format!("the worker for `{user}` ended with {status} before it was ready: {}", said.trim())
    }
}

fn give_password(orders: &mut dyn Write, ask: Option<&Ask>) -> io::Result<()> {
    let Some(password) = ask.and_then(|ask| ask.password.as_ref()) else { return Ok(()) };
    // PAM flushes the terminal's input just after it has printed its prompt.
    std::thread::sleep(Duration::from_millis(50));
    orders.write_all(format!("{}\n", password.reveal()).as_bytes())?;
    orders.flush()
}

/// Waits a moment for a program that has closed its output.
fn end_of(child: &mut Child) -> String {
    for _ in 0..50 {
        match child.try_wait() {
            Ok(Some(status)) => return status.to_string(),
            Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            Err(error) => return error.to_string(),
        }
    }
    "its output closed".to_owned()
}

fn listen_for_text(mut from: impl Read, to: &mpsc::Sender<Heard>, chatter: &Mutex<String>) {
    let mut buffer = [0; 4096];
    // A terminal whose other end is closed answers with an error, not with an end.
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        remember(&mut chatter.lock().unwrap_or_else(PoisonError::into_inner), &text);
        // Nobody listens any more once the worker is there.
        let _ = to.send(Heard::Text(text));
    }
}

fn listen_for_ready(from: impl Read + Send + 'static, to: &mpsc::Sender<Heard>) {
    let mut reader = BufReader::with_capacity(64 << 10, from);
    let heard = match skip_to_ready(&mut reader) {
        Ok(true) => Heard::Ready(Box::new(reader)),
        Ok(false) | Err(_) => Heard::Closed,
    };
    let _ = to.send(heard);
}

/// Reads up to and including [`READY`]; `false` when it does not come.
fn skip_to_ready(reader: &mut impl BufRead) -> io::Result<bool> {
    let mut seen = 0;
    let mut skipped = 0;
    while seen < READY.len() {
        let mut byte = [0];
        if reader.read(&mut byte)? == 0 || skipped > NOISE_LIMIT {
            return Ok(false);
        }
        // The mark's first byte stands nowhere else in it, so a mismatch can only begin anew at this byte.
        seen = match byte[0] {
            it if it == READY[seen] => seen + 1,
            it => usize::from(it == READY[0]),
        };
        skipped += 1;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_before_the_mark_is_skipped() {
        for (noise, expected) in
            [("", true), ("Last login: today\n\0muster\0", true), ("\0\0", true)]
        {
            let bytes = [noise.as_bytes(), READY, b"rest"].concat();
            let mut reader = bytes.as_slice();
            assert_eq!(skip_to_ready(&mut reader).expect("read"), expected);
            assert_eq!(reader, b"rest");
        }
        assert!(!skip_to_ready(&mut &b"nothing of it"[..]).expect("read"));
        assert!(!skip_to_ready(&mut vec![b'x'; 1 << 20].as_slice()).expect("read"));
    }
}
