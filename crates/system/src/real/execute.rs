//! Runs programs: in a process group of their own, with bounded output, to a deadline, without waiting for ever on
//! pipes that something left behind holds open.

mod bounded;
mod terminal;

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use model::OutputStream;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::{RealSystem, failed};
use crate::{Command, Error, Output, Probe, Result};
use bounded::Bounded;

/// How long a process group may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(3);
/// How long pipes are read on after the program itself has ended.
const AFTER_EXIT: Duration = Duration::from_secs(2);
/// How often the clock and the cancel flag are looked at.
const TICK: Duration = Duration::from_millis(20);

impl RealSystem {
    pub(super) fn execute(&self, command: &Command) -> Result<Output> {
        self.keep_going()?;
        let mut child = self.start(command)?;
        let input = command.stdin.as_ref().map_or(&[][..], |input| input.reveal());
        let mut run = Run {
            system: self,
            command,
            pipes: Pipes::of(&mut child, input)
                .map_err(|source| cannot_run(&command.program, source))?,
            until: command.timeout.map(|timeout| Instant::now() + timeout),
            output: Output::default(),
        };
        let status = run.watch(&mut child);
        // Whatever happened: nobody is left behind unreaped.
        let status = match status {
            Ok(status) => status,
            Err(error) => {
                let _ = killpg(group_of(&child), Signal::SIGKILL);
                let _ = child.wait();
                return Err(error);
            }
        };
        let Run { pipes, mut output, .. } = run;
        output.stdout = pipes.stdout.finish();
        output.stderr = pipes.stderr.finish();
        output.signal = status.signal();
        output.status = status.code().unwrap_or(128 + status.signal().unwrap_or(0));
        Ok(output)
    }

    fn start(&self, command: &Command) -> Result<Child> {
        let mut process = self.process(command)?;
        process
            .stdin(if command.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        prepare(&mut process, command.umask);
        spawn(&mut process).map_err(|source| cannot_run(&command.program, source))
    }

    /// The program with its words, directory and environment.
    fn process(&self, command: &Command) -> Result<std::process::Command> {
        // Where steps run may be closed to the user that this one runs as; what the step itself names is not passed over.
        let usual =
            self.context.directory.as_deref().filter(|place| self.access(place, libc::X_OK));
        let directory = command.directory.as_deref().or(usual).unwrap_or(Path::new("/"));
        if !directory.is_dir() {
            let reason = std::fs::metadata(directory).err().unwrap_or(Errno::ENOTDIR.into());
            return Err(failed("change to directory", directory)(reason));
        }
        let mut process = std::process::Command::new(&command.program);
        process
            .args(&command.args)
            .current_dir(directory)
            .envs(&self.context.environment)
            .envs(&command.environment);
        if !command.live {
            process.env("PATH", self.path_with_sbin());
        }
        Ok(process)
    }

    /// `PATH`, where modules also find the tools of administrators.
    fn path_with_sbin(&self) -> String {
        let mut path = self.variable("PATH").unwrap_or_default();
        for directory in
            ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        {
            if !path.split(':').any(|known| known == directory) {
                if !path.is_empty() {
                    path.push(':');
                }
                path.push_str(directory);
            }
        }
        path
    }
}

/// What is done in the child before the program takes over.
#[expect(
    unsafe_code,
    reason = "code between fork and exec; it makes two system calls and nothing else"
)]
fn prepare(process: &mut std::process::Command, umask: Option<u32>) {
    // SAFETY: `umask` and `close_range` are async-signal-safe, and nothing is allocated.
    unsafe {
        process.pre_exec(move || {
            if let Some(umask) = umask {
                libc::umask(umask as libc::mode_t);
            }
            // Descriptors that a library opened without CLOEXEC end at the exec. Old kernels without the call go on.
            libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
            Ok(())
        });
    }
}

/// Starts a program. One that was written a moment ago may still be open in a process that is just being forked.
fn spawn(process: &mut std::process::Command) -> io::Result<Child> {
    const TRIES: u32 = 5;
    for attempt in 1..TRIES {
        match process.spawn() {
            Err(error) if error.raw_os_error() == Some(Errno::ETXTBSY as i32) => {
                std::thread::sleep(TICK * attempt);
            }
            done => return done,
        }
    }
    process.spawn()
}

/// Says which of the reasons for `No such file or directory` it is.
fn cannot_run(program: &str, source: io::Error) -> Error {
    let source = match source.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT) if program.contains('/') && Path::new(program).exists() => {
            io::Error::new(
                io::ErrorKind::NotFound,
                "the interpreter in its first line is not there",
            )
        }
        Some(Errno::ENOEXEC) => io::Error::new(
            io::ErrorKind::InvalidInput,
            "exec format error: it is neither a program for this machine nor a script that begins with #!",
        ),
        _ => source,
    };
    Error::Run { program: program.to_owned(), source }
}

fn group_of(child: &Child) -> Pid {
    Pid::from_raw(child.id() as i32)
}

/// A program that runs.
struct Run<'a> {
    system: &'a RealSystem,
    command: &'a Command,
    pipes: Pipes<'a>,
    until: Option<Instant>,
    output: Output,
}

impl Run<'_> {
    /// Until it has ended, by itself or not.
    fn watch(&mut self, child: &mut Child) -> Result<ExitStatus> {
        let program = self.command.program.clone();
        let lost = |source| cannot_run(&program, source);
        let mut nap = Duration::from_millis(1);
        loop {
            if self.pipes.is_done() {
                std::thread::sleep(nap);
                nap = (nap * 2).min(TICK);
            } else {
                self.pump(TICK)?;
            }
            if let Some(status) = child.try_wait().map_err(lost)? {
                self.drain()?;
                return Ok(status);
            }
            if let Err(stopped) = self.system.keep_going() {
                self.end(child)?;
                return Err(stopped);
            }
            if self.until.is_some_and(|until| Instant::now() >= until) {
                self.output.timed_out = true;
                return self.end(child);
            }
        }
    }

    /// Reads what is left in the pipes, for a while.
    fn drain(&mut self) -> Result<()> {
        self.pipes.close_input();
        let until = Instant::now() + AFTER_EXIT;
        while !self.pipes.is_done() && Instant::now() < until && self.system.keep_going().is_ok() {
            self.pump(TICK)?;
        }
        Ok(())
    }

    /// SIGTERM, then SIGKILL, to the whole group.
    fn end(&mut self, child: &mut Child) -> Result<ExitStatus> {
        let group = group_of(child);
        let _ = killpg(group, Signal::SIGTERM);
        let until = Instant::now() + GRACE;
        let mut status = None;
        while status.is_none() && Instant::now() < until {
            self.pump(TICK)?;
            std::thread::sleep(Duration::from_millis(1));
            status = child.try_wait().ok().flatten();
        }
        // Also when the program itself has gone: its children may not have.
        let _ = killpg(group, Signal::SIGKILL);
        let status = match status {
            Some(status) => status,
            None => child.wait().map_err(|source| cannot_run(&self.command.program, source))?,
        };
        self.pump(Duration::ZERO)?;
        Ok(status)
    }

    fn pump(&mut self, timeout: Duration) -> Result<()> {
        let sink = self.system.context.output.as_ref().filter(|_| self.command.live);
        self.pipes
            .pump(timeout, |stream, bytes| {
                if let Some(sink) = sink {
                    sink(stream, bytes);
                }
            })
            .map_err(|source| cannot_run(&self.command.program, source))
    }
}

/// Our ends of the pipes.
struct Pipes<'a> {
    stdin: Option<std::process::ChildStdin>,
    input: &'a [u8],
    stdout_pipe: Option<std::process::ChildStdout>,
    stderr_pipe: Option<std::process::ChildStderr>,
    stdout: Bounded,
    stderr: Bounded,
}

impl<'a> Pipes<'a> {
    fn of(child: &mut Child, input: &'a [u8]) -> io::Result<Self> {
        let pipes = Self {
            stdin: child.stdin.take(),
            input,
            stdout_pipe: child.stdout.take(),
            stderr_pipe: child.stderr.take(),
            stdout: Bounded::default(),
            stderr: Bounded::default(),
        };
        if let Some(pipe) = &pipes.stdin {
            never_block(pipe)?;
        }
        if let Some(pipe) = &pipes.stdout_pipe {
            never_block(pipe)?;
        }
        if let Some(pipe) = &pipes.stderr_pipe {
            never_block(pipe)?;
        }
        Ok(pipes)
    }

    fn is_done(&self) -> bool {
        self.stdout_pipe.is_none() && self.stderr_pipe.is_none()
    }

    fn close_input(&mut self) {
        self.stdin = None;
    }

    /// Waits until something can be read or written, and does so.
    fn pump(
        &mut self,
        timeout: Duration,
        mut live: impl FnMut(OutputStream, &[u8]),
    ) -> io::Result<()> {
        let mut waiting = Vec::with_capacity(3);
        if let Some(pipe) = &self.stdout_pipe {
            waiting.push(PollFd::new(pipe.as_fd(), PollFlags::POLLIN));
        }
        if let Some(pipe) = &self.stderr_pipe {
            waiting.push(PollFd::new(pipe.as_fd(), PollFlags::POLLIN));
        }
        if let Some(pipe) = &self.stdin {
            waiting.push(PollFd::new(pipe.as_fd(), PollFlags::POLLOUT));
        }
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        match poll(&mut waiting, timeout) {
            Ok(0) | Err(Errno::EINTR) => return Ok(()),
            Ok(_) => {}
            Err(errno) => return Err(errno.into()),
        }
        if read_some(self.stdout_pipe.as_mut(), &mut self.stdout, |bytes| {
            live(OutputStream::Stdout, bytes);
        })? {
            self.stdout_pipe = None;
        }
        if read_some(self.stderr_pipe.as_mut(), &mut self.stderr, |bytes| {
            live(OutputStream::Stderr, bytes);
        })? {
            self.stderr_pipe = None;
        }
        self.write_some()
    }

    fn write_some(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.stdin else { return Ok(()) };
        if !self.input.is_empty() {
            match pipe.write(self.input) {
                Ok(count) => self.input = &self.input[count..],
                Err(error) if would_block(&error) => {}
                // It does not want to read more: its business.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.input = &[],
                Err(error) => return Err(error),
            }
        }
        if self.input.is_empty() {
            self.stdin = None;
        }
        Ok(())
    }
}

/// Reads what is there; true at the end.
fn read_some(
    pipe: Option<&mut impl Read>,
    kept: &mut Bounded,
    mut live: impl FnMut(&[u8]),
) -> io::Result<bool> {
    let Some(pipe) = pipe else { return Ok(false) };
    let mut buffer = [0; 16 * 1024];
    match pipe.read(&mut buffer) {
        Ok(0) => Ok(true),
        Ok(count) => {
            kept.add(&buffer[..count]);
            live(&buffer[..count]);
            Ok(false)
        }
        Err(error) if would_block(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn would_block(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn never_block(pipe: &(impl AsFd + AsRawFd)) -> io::Result<()> {
    fcntl(pipe.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(())
}
