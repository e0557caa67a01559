//! The person's terminal: colours, width, passwords typed unseen, and the two streams.

use std::fs::File;
use std::io::{self, BufRead as _, IsTerminal as _, Write};

use std::process::{Command, Stdio};

use engine::{Answer, Question, Until};
use model::Secret;
use yaml::Style;

use crate::typing;

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

/// Whether a line at the bottom of the screen may say how a run stands: people see both outputs on a terminal that can
/// erase a line, and did not ask for silence.
pub(crate) fn can_show_progress() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var("TERM").map_or(true, |name| name == "dumb");
    is_output_seen() && io::stderr().is_terminal() && !is_dumb && !is_set("MUSTER_NO_PROGRESS")
}

/// Columns of the terminal.
pub(crate) fn width() -> usize {
    terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0))
}

/// Puts a line where the cursor is, without going on to the next one; what stood there is erased.
pub(crate) fn bottom_line(text: &str) {
    let mut out = io::stdout().lock();
    // Nobody sees it: nothing is lost.
    let _ = write!(out, "\r\x1b[K{text}").and_then(|()| out.flush());
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
    let question = Question { text: format!("{prompt}: "), until: Until::Enter, is_hidden: true };
    if File::open("/dev/tty").is_ok() {
        return match typing::ask(&question, || true)? {
            Answer::Text(typed) => Ok(Secret::new(typed)),
            _ => Err(io::ErrorKind::Interrupted.into()),
        };
    }
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Secret::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}
