//! Runs a program on a terminal of its own, for those that ask a person.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::openpty;
use nix::sys::signal::{Signal, killpg};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use nix::unistd::setsid;

use super::{
    AFTER_EXIT, Bounded, GRACE, TICK, cannot_run, group_of, never_block, spawn, would_block,
};
use crate::real::RealSystem;
use crate::{Command, Dialogue, Output, Probe, Reply, Result};

impl RealSystem {
    /// See [`crate::System::converse`].
    pub(in crate::real) fn talk(
        &self,
        command: &Command,
        echo: bool,
        dialogue: &mut Dialogue<'_>,
    ) -> Result<Output> {
        self.keep_going()?;
        let lost = |source| cannot_run(&command.program, source);
        let (mut child, terminal) = self.start_on_terminal(command, echo)?;
        let mut talk = Talk { terminal, typed: Vec::new(), heard: Bounded::default() };
        let ended = talk.until_end(self, &mut child, dialogue).map_err(lost);
        // Whatever happened: nobody is left behind.
        let status = match ended {
            Ok(Some(status)) => status,
            _ => end(&mut child).map_err(lost)?,
        };
        let stopped = matches!(ended, Ok(None));
        ended?;
        self.keep_going()?;
        Ok(Output {
            status: status.code().unwrap_or(128 + status.signal().unwrap_or(0)),
            signal: status.signal(),
            timed_out: stopped,
            stdout: talk.heard.finish(),
            stderr: Vec::new(),
        })
    }

    fn start_on_terminal(&self, command: &Command, echo: bool) -> Result<(Child, File)> {
        let lost = |source: io::Error| cannot_run(&command.program, source);
        let pty = openpty(None, None).map_err(|errno| lost(errno.into()))?;
        let mut settings = tcgetattr(&pty.slave).map_err(|errno| lost(errno.into()))?;
        settings.local_flags.set(LocalFlags::ECHO, echo);
        tcsetattr(&pty.slave, SetArg::TCSANOW, &settings).map_err(|errno| lost(errno.into()))?;
        let mut process = self.process(command)?;
        process
            .stdin(pty.slave.try_clone().map_err(lost)?)
            .stdout(pty.slave.try_clone().map_err(lost)?)
            .stderr(pty.slave);
        on_own_terminal(&mut process);
        let child = spawn(&mut process).map_err(lost)?;
        // Our copies of its end close with it: then the end of its output is seen.
        drop(process);
        let master = File::from(pty.master);
        never_block(&master).map_err(lost)?;
        Ok((child, master))
    }
}

/// The terminal becomes that of a new session.
#[expect(
    unsafe_code,
    reason = "code between fork and exec; it makes three system calls and nothing else"
)]
fn on_own_terminal(process: &mut std::process::Command) {
    // SAFETY: `setsid`, `ioctl` and `close_range` are async-signal-safe, and nothing is allocated.
    unsafe {
        process.pre_exec(|| {
            setsid()?;
            if libc::ioctl(0, libc::TIOCSCTTY, 0) != 0 {
                return Err(io::Error::last_os_error());
            }
            libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
            Ok(())
        });
    }
}

/// Our end of the terminal.
struct Talk {
    terminal: File,
    /// Not yet taken by the program.
    typed: Vec<u8>,
    heard: Bounded,
}

impl Talk {
    /// Until it ends by itself; `None`: it was stopped, or the step was.
    fn until_end(
        &mut self,
        system: &RealSystem,
        child: &mut Child,
        dialogue: &mut Dialogue<'_>,
    ) -> io::Result<Option<ExitStatus>> {
        let mut ended: Option<(ExitStatus, Instant)> = None;
        loop {
            if system.keep_going().is_err() {
                return Ok(None);
            }
            let mut piece = [0; 16 * 1024];
            let count = self.hear(&mut piece)?;
            let heard = &piece[..count.unwrap_or(0)];
            self.heard.add(heard);
            match dialogue(heard) {
                Reply::Wait => {}
                Reply::Type(text) => self.typed.extend_from_slice(text.reveal()),
                Reply::Stop => return Ok(None),
            }
            self.type_some()?;
            match ended {
                // What it printed last may still be on its way, but not for ever: a child may hold the terminal.
                Some((status, since))
                    if count.is_none() || heard.is_empty() || since.elapsed() > AFTER_EXIT =>
                {
                    return Ok(Some(status));
                }
                Some(_) => {}
                None => {
                    ended = child.try_wait()?.map(|status| (status, Instant::now()));
                    if count.is_none() && ended.is_none() {
                        std::thread::sleep(TICK);
                    }
                }
            }
        }
    }

    /// Waits a moment for output; `None`: nobody has the other end open.
    fn hear(&mut self, piece: &mut [u8]) -> io::Result<Option<usize>> {
        let mut waiting = [PollFd::new(self.terminal.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(TICK).unwrap_or(PollTimeout::ZERO);
        match poll(&mut waiting, timeout) {
            Ok(0) | Err(nix::errno::Errno::EINTR) => return Ok(Some(0)),
            Ok(_) => {}
            Err(errno) => return Err(errno.into()),
        }
        match self.terminal.read(piece) {
            Ok(0) => Ok(None),
            Ok(count) => Ok(Some(count)),
            Err(error) if would_block(&error) => Ok(Some(0)),
            // That is how Linux says that the other end is closed.
            Err(error) if error.raw_os_error() == Some(libc::EIO) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn type_some(&mut self) -> io::Result<()> {
        if self.typed.is_empty() {
            return Ok(());
        }
        match self.terminal.write(&self.typed) {
            Ok(count) => drop(self.typed.drain(..count)),
            Err(error) if would_block(&error) || error.raw_os_error() == Some(libc::EIO) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// SIGHUP as when a terminal is closed, then SIGKILL.
fn end(child: &mut Child) -> io::Result<ExitStatus> {
    let group = group_of(child);
    let _ = killpg(group, Signal::SIGHUP);
    let until = Instant::now() + GRACE;
    while Instant::now() < until {
        if let Some(status) = child.try_wait()? {
            let _ = killpg(group, Signal::SIGKILL);
            return Ok(status);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let _ = killpg(group, Signal::SIGKILL);
    child.wait()
}
