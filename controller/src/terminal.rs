//! The person's terminal: colours, width, passwords typed unseen, and the two streams.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read as _, Write};

use std::process::{Command, Stdio};

use model::Secret;
use nix::sys::termios::{self, LocalFlags, SetArg};
use yaml::Style;

/// Whether standard output takes colours: a terminal, unless the environment says otherwise.
pub(crate) fn has_colours(is_terminal: bool) -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_true = |name: &str| {
        std::env::var(name)
            .is_ok_and(|value| matches!(value.to_lowercase().as_str(), "1" | "true" | "yes" | "on"))
    };
    is_true("ANSIBLE_FORCE_COLOR")
        || (is_terminal && !is_set("NO_COLOR") && !is_true("ANSIBLE_NOCOLOR"))
}

/// How diagnostics are drawn on standard error.
pub(crate) fn error_style() -> Style {
    if has_colours(io::stderr().is_terminal()) { Style::Colour } else { Style::Plain }
}

/// Says something on standard error; nobody listening is no error.
pub(crate) fn complain(kind: &str, text: &str) {
    let _ = writeln!(io::stderr(), "[{kind}]: {text}");
}

/// Writes data to standard output.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// What reporters show, and how.
pub(crate) fn report_options(verbosity: u8, show_diff: bool) -> report::Options {
    let is_terminal = io::stdout().is_terminal();
    report::Options {
        verbosity,
        colour: has_colours(is_terminal),
        width: terminal_size::terminal_size().filter(|_| is_terminal).map(|(width, _)| width.0),
        errors_seen: io::stderr().is_terminal(),
        show_diff,
        read_source: |path| std::fs::read_to_string(path).ok(),
        ..report::Options::default()
    }
}

/// Whether a person sees what is written to standard output.
pub(crate) fn is_output_seen() -> bool {
    io::stdout().is_terminal()
}

/// Whether a person types what is read from standard input.
pub(crate) fn is_typing() -> bool {
    io::stdin().is_terminal()
}

/// Says something to the person beside the output; nobody listening is no error.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Asks for a line that everybody may see.
pub(crate) fn ask(prompt: &str) -> io::Result<String> {
    write!(io::stderr(), "{prompt}")?;
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Shows a text: with the person's pager on a terminal, else as it is. The pager gets it through a pipe, never as a file.
pub(crate) fn page(text: &[u8], environment: &crate::settings::Environment) -> io::Result<()> {
    let set = environment.get("PAGER").map(String::as_str);
    let pager = shlex::split(set.unwrap_or("less")).filter(|words| !words.is_empty());
    if let Some(words) = pager.filter(|_| is_output_seen()) {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::piped());
        if !environment.contains_key("LESS") {
            command.env("LESS", "FRSX");
        }
        if let Ok(mut child) = command.spawn() {
            if let Some(mut input) = child.stdin.take() {
                // Whoever leaves the pager early has seen enough.
                let _ = input.write_all(text);
            }
            child.wait()?;
            return Ok(());
        }
    }
    let mut out = io::stdout().lock();
    out.write_all(text)?;
    out.flush()
}

/// Asks for a password on the terminal, or takes a line of standard input when there is none.
pub(crate) fn ask_password(prompt: &str) -> io::Result<Secret<String>> {
    let Ok(mut terminal) = File::options().read(true).write(true).open("/dev/tty") else {
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        return Ok(Secret::new(line.trim_end_matches(['\r', '\n']).to_owned()));
    };
    write!(terminal, "{prompt}: ")?;
    terminal.flush()?;
    let visible = termios::tcgetattr(&terminal)?;
    let mut hidden = visible.clone();
    // Ctrl-C comes as a character too, so that the terminal is not left without its echo.
    hidden.local_flags.remove(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG);
    termios::tcsetattr(&terminal, SetArg::TCSAFLUSH, &hidden)?;
    let typed = read_typed(BufReader::new(&terminal).bytes());
    termios::tcsetattr(&terminal, SetArg::TCSAFLUSH, &visible)?;
    writeln!(terminal)?;
    typed.map(Secret::new)
}

/// What a person types until Enter, with what backspace and Ctrl-U take back.
fn read_typed(bytes: impl Iterator<Item = io::Result<u8>>) -> io::Result<String> {
    const INTERRUPT: u8 = 0x03;
    const END: u8 = 0x04;
    const KILL: u8 = 0x15;
    let mut typed = Vec::new();
    for byte in bytes {
        match byte? {
            b'\r' | b'\n' | END => break,
            INTERRUPT => return Err(io::ErrorKind::Interrupted.into()),
            KILL => typed.clear(),
            0x08 | 0x7f => {
                // A character may have several bytes.
                while typed.pop().is_some_and(|byte: u8| byte & 0xc0 == 0x80) {}
            }
            byte => typed.push(byte),
        }
    }
    String::from_utf8(typed).map_err(|_| io::Error::other("the password is not UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_can_be_corrected_and_interrupted() {
        let typed = |text: &str| read_typed(text.bytes().map(Ok));
        assert_eq!(typed("secret\nrest").unwrap(), "secret");
        assert_eq!(typed("se\u{7f}ä\u{8}cret\r").unwrap(), "scret");
        assert_eq!(typed("wrong\u{15}right\n").unwrap(), "right");
        assert_eq!(typed("x\u{3}").unwrap_err().kind(), io::ErrorKind::Interrupted);
    }
}
