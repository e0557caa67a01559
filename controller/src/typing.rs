//! What a person types at a terminal, key by key: lines with or without an echo, single keys, waiting with Ctrl-C.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use engine::{Answer, Question, Until};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{self, LocalFlags, SetArg, Termios};

/// So often a wait looks whether it is still wanted.
const GLANCE: Duration = Duration::from_millis(50);

const INTERRUPT: u8 = 0x03;
const END: u8 = 0x04;
const KILL: u8 = 0x15;

/// Asks at the terminal of this process. `is_wanted` turns false when nobody needs the answer any more.
///
/// Errors: there is no terminal, or it cannot be read.
pub(crate) fn ask(question: &Question, is_wanted: impl Fn() -> bool) -> io::Result<Answer> {
    let file = File::options().read(true).write(true).open("/dev/tty")?;
    // Before the question is shown: an answer may come at once.
    let mut terminal = Terminal::unedited(file)?;
    terminal.show(&question.text)?;
    let end = match question.until {
        Until::Over(length) => Some(Instant::now() + length),
        _ => None,
    };
    let mut typed = Typed::default();
    while is_wanted() {
        let left = end.map_or(GLANCE, |end| end.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            terminal.show("\n")?;
            return Ok(Answer::TimeOver);
        }
        let Some(byte) = terminal.byte(left.min(GLANCE))? else { continue };
        match (byte, question.until) {
            (INTERRUPT, _) => {
                terminal.show("\n")?;
                return Ok(Answer::Interrupted);
            }
            (_, Until::Over(_)) => {}
            (byte, Until::Key) => return Ok(Answer::Text(char::from(byte).to_string())),
            (b'\r' | b'\n' | END, _) => {
                terminal.show("\n")?;
                return typed.text().map(Answer::Text);
            }
            (byte, _) => {
                let echo = typed.take(byte);
                if !question.is_hidden {
                    terminal.write(&echo)?;
                }
            }
        }
    }
    Ok(Answer::Nobody)
}

/// A terminal that neither shows nor edits what is typed, and gives Ctrl-C as a character. Dropped, it is as it was.
struct Terminal {
    file: File,
    before: Termios,
}

impl Terminal {
    fn unedited(file: File) -> io::Result<Self> {
        let before = termios::tcgetattr(&file)?;
        let mut unedited = before.clone();
        unedited.local_flags.remove(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG);
        termios::tcsetattr(&file, SetArg::TCSANOW, &unedited)?;
        Ok(Self { file, before })
    }

    fn show(&mut self, text: &str) -> io::Result<()> {
        self.write(text.as_bytes())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.file.flush()
    }

    /// The next byte, if one comes in time. The end of the input is as Ctrl-D.
    fn byte(&mut self, patience: Duration) -> io::Result<Option<u8>> {
        let millis = u16::try_from(patience.as_millis().max(1)).unwrap_or(u16::MAX);
        let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, PollTimeout::from(millis))? == 0 {
            return Ok(None);
        }
        let mut byte = [0];
        let count = self.file.read(&mut byte)?;
        Ok(Some(if count == 0 { END } else { byte[0] }))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = termios::tcsetattr(&self.file, SetArg::TCSADRAIN, &self.before);
    }
}

/// A line as it is typed, with what backspace and Ctrl-U take back.
#[derive(Default)]
struct Typed(Vec<u8>);

impl Typed {
    /// Takes a byte; gives what shows it.
    fn take(&mut self, byte: u8) -> Vec<u8> {
        match byte {
            KILL => {
                let characters = String::from_utf8_lossy(&self.0).chars().count();
                self.0.clear();
                b"\x08 \x08".repeat(characters)
            }
            0x08 | 0x7f if self.0.is_empty() => Vec::new(),
            0x08 | 0x7f => {
                // A character may have several bytes.
                while self.0.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
                b"\x08 \x08".to_vec()
            }
            byte => {
                self.0.push(byte);
                if byte.is_ascii_control() { Vec::new() } else { vec![byte] }
            }
        }
    }

    fn text(self) -> io::Result<String> {
        String::from_utf8(self.0).map_err(|_| io::Error::other("what was typed is not UTF-8 text"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_can_be_corrected() {
        let typed = |text: &str| {
            let mut typed = Typed::default();
            text.bytes().for_each(|byte| drop(typed.take(byte)));
            typed.text().unwrap()
        };
        assert_eq!(typed("secret"), "secret");
        assert_eq!(typed("se\u{7f}ä\u{8}cret"), "scret");
        assert_eq!(typed("wrong\u{15}right"), "right");
        assert_eq!(typed("\u{7f}x"), "x");
    }

    #[test]
    fn what_is_shown_goes_with_what_is_kept() {
        let mut typed = Typed::default();
        let shown: Vec<u8> =
            "ab\u{7f}\u{1b}\u{15}".bytes().flat_map(|byte| typed.take(byte)).collect();
        assert_eq!(shown, b"ab\x08 \x08\x08 \x08\x08 \x08");
    }
}
