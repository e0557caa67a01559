//! `command` and `shell`: programs of the user's own choice.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use model::{Args, Secret};
use serde_json::Value;
use system::{Command as Program, Error, FileKind, Output, Probe, System};

use crate::arguments::{arguments, expand_home, expand_variables};
use crate::contract::{Check, Failure, Module, warn};
use crate::glob::glob;

arguments! {
    /// Runs a program. Its words are its words: no shell sees them.
    pub struct Command {
        /// The command line.
        pub raw_params: Option<String> { named: "_raw_params" },
        /// The same.
        pub cmd: Option<String>,
        /// The program and its arguments as a list.
        pub argv: Vec<String>,
        /// Where it runs.
        pub chdir: Option<PathBuf>,
        /// Do nothing when this path (it may have wildcards) is there.
        pub creates: Option<PathBuf>,
        /// Do nothing when this path (it may have wildcards) is not there.
        pub removes: Option<PathBuf>,
        /// What it reads on standard input.
        pub stdin: Option<String>,
        /// End that with a line end.
        pub stdin_add_newline: bool { default: true },
        /// Take line ends off the end of what it prints.
        pub strip_empty_ends: bool { default: true },
        /// Replace `$VARIABLE` and `~` in its words (`command` only).
        pub expand_argument_vars: bool { default: true },
        /// The shell (`shell` only).
        pub executable: Option<PathBuf>,
        /// Set by the `shell` action.
        pub uses_shell: bool { named: "_uses_shell", default: false },
    }
}

arguments! {
    /// Runs a command line through a shell, with pipes, redirections and variables.
    pub struct Shell {
        pub command: Command,
    }
}

impl Module for Command {
    type Change = Program;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Program>, Failure> {
        self.look(host, self.uses_shell, result)
    }

    fn apply(&self, program: Program, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        self.execute(&program, host, result)
    }
}

impl Module for Shell {
    type Change = Program;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Program>, Failure> {
        if !self.command.expand_argument_vars {
            // The shell expands what it likes.
            let message = "Unsupported parameters for (shell) module: expand_argument_vars";
            return Err(Failure::new(message));
        }
        self.command.look(host, true, result)
    }

    fn apply(&self, program: Program, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        self.command.execute(&program, host, result)
    }
}

impl crate::contract::Change for Program {}

impl Command {
    fn look(
        &self,
        host: &dyn Probe,
        uses_shell: bool,
        result: &mut Args,
    ) -> Result<Check<Program>, Failure> {
        let program = self.program(host, uses_shell, result)?;
        describe_output(&Output::default(), self.strip_empty_ends, result);
        let condition = [(&self.creates, true), (&self.removes, false)];
        for (path, is_reason_to_skip) in condition {
            let Some(path) = path else { continue };
            let is_there = !glob(host, &self.within(path))?.is_empty();
            if is_there == is_reason_to_skip {
                let verb = if is_there { "exists" } else { "does not exist" };
                let stdout = format!("skipped, since {} {verb}", path.display());
                let message = format!("Did not run command since '{}' {verb}", path.display());
                result.insert("rc".into(), 0.into());
                result.insert("stdout_lines".into(), vec![Value::from(stdout.as_str())].into());
                result.insert("stdout".into(), stdout.into());
                result.insert("msg".into(), message.into());
                return Ok(Check::InSync);
            }
        }
        result.insert("rc".into(), 0.into());
        result.insert("msg".into(), "Command would have run if not in check mode".into());
        if self.creates.is_some() || self.removes.is_some() {
            Ok(Check::Drift(program))
        } else {
            Ok(Check::CannotTell(program))
        }
    }

    fn program(
        &self,
        host: &dyn Probe,
        uses_shell: bool,
        result: &mut Args,
    ) -> Result<Program, Failure> {
        let line = self.raw_params.as_ref().or(self.cmd.as_ref()).filter(|line| !line.is_empty());
        let mut program = match (line, self.argv.is_empty()) {
            (None, true) => {
                let message = "one of the following is required: _raw_params, cmd, argv";
                return Err(Failure::new(message).with("rc", 256));
            }
            (Some(_), false) => {
                return Err(Failure::new(
                    "parameters are mutually exclusive: _raw_params|cmd|argv",
                )
                .with("rc", 256));
            }
            (Some(line), true) if uses_shell => {
                result.insert("cmd".into(), line.clone().into());
                let shell = self.executable.clone().unwrap_or_else(|| "/bin/sh".into());
                Program::new(shell.to_string_lossy(), ["-c", line])
            }
            (line, _) => self.words(host, line, result)?,
        };
        if let Some(directory) = &self.chdir {
            let is_directory =
                host.stat(directory, true)?.is_some_and(|stat| stat.kind == FileKind::Directory);
            if !is_directory {
                return Err(Failure::new(format!(
                    "Unable to change directory before execution: {} is not a directory",
                    directory.display()
                ))
                .with("cmd", result.get("cmd").cloned().unwrap_or_default()));
            }
            program.directory = Some(directory.clone());
        }
        program.stdin = self.stdin.clone().map(|mut text| {
            if self.stdin_add_newline {
                text.push('\n');
            }
            Secret::new(text.into_bytes())
        });
        program.live = true;
        Ok(program)
    }

    /// The words of a program that no shell sees.
    fn words(
        &self,
        host: &dyn Probe,
        line: Option<&String>,
        result: &mut Args,
    ) -> Result<Program, Failure> {
        if let Some(executable) = &self.executable {
            warn(
                result,
                format!(
                    "As of Ansible 2.4, the parameter 'executable' is no longer supported with the 'command' module. Not using '{}'.",
                    executable.display()
                ),
            );
        }
        let mut words = match line {
            None => self.argv.clone(),
            Some(line) => shlex::split(line).ok_or_else(|| Failure::new("No closing quotation"))?,
        };
        if self.expand_argument_vars {
            for word in &mut words {
                *word = expand_home(&expand_variables(word, host), host);
            }
        }
        result.insert("cmd".into(), words.clone().into());
        let mut words = words.into_iter();
        match words.next().filter(|program| !program.is_empty()) {
            Some(program) => Ok(Program::new(program, words)),
            None => Err(Failure::new("no command given").with("rc", 256)),
        }
    }

    fn within(&self, path: &Path) -> PathBuf {
        self.chdir.as_deref().unwrap_or(Path::new("/")).join(path)
    }

    fn execute(
        &self,
        program: &Program,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        result.remove("msg");
        let start = host.now();
        let answer = host.run(program);
        let end = host.now();
        describe_times(start, end, result);
        conclude(answer, self.strip_empty_ends, result)?;
        result.insert("msg".into(), "".into());
        Ok(())
    }
}

/// A program that could not be started.
pub(crate) fn cannot_run(program: &str, source: &std::io::Error) -> Failure {
    let reason = match source.raw_os_error() {
        Some(number) => {
            let text = source.to_string();
            let text = text.split(" (os error").next().unwrap_or_default().to_owned();
            format!("[Errno {number}] {text}")
        }
        None => source.to_string(),
    };
    let code = match source.kind() {
        std::io::ErrorKind::NotFound => 2,
        std::io::ErrorKind::InvalidInput => 8,
        _ => source.raw_os_error().unwrap_or(257),
    };
    Failure::new(format!("Error executing command: {reason}: {program}"))
        .with("rc", code)
        .with("cmd", program)
}

/// The end of every module that runs what the user chose: what it printed and its status, which must be 0.
pub(crate) fn conclude(
    answer: system::Result<Output>,
    strip: bool,
    result: &mut Args,
) -> Result<(), Failure> {
    let output = match answer {
        Ok(output) => output,
        Err(Error::Run { program, source }) => return Err(cannot_run(&program, &source)),
        Err(other) => return Err(other.into()),
    };
    describe_output(&output, strip, result);
    if [&output.stdout, &output.stderr].iter().any(|bytes| std::str::from_utf8(bytes).is_err()) {
        warn(result, "The output has bytes that are not UTF-8; each was replaced by `\u{fffd}`");
    }
    let status = output.signal.map_or(output.status, |signal| -signal);
    result.insert("rc".into(), status.into());
    if status == 0 {
        return Ok(());
    }
    Err(Failure::new("non-zero return code").with("changed", true))
}

/// Puts when a program ran into a result.
pub(crate) fn describe_times(start: SystemTime, end: SystemTime, result: &mut Args) {
    let text = |time: SystemTime| {
        let time = jiff::Timestamp::try_from(time).unwrap_or_default();
        time.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S%.6f").to_string()
    };
    let took = end.duration_since(start).unwrap_or_default();
    let seconds = took.as_secs();
    let delta = format!(
        "{}:{:02}:{:02}.{:06}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        took.subsec_micros()
    );
    result.insert("start".into(), text(start).into());
    result.insert("end".into(), text(end).into());
    result.insert("delta".into(), delta.into());
}

/// Puts what a program printed into a result, also by lines.
pub(crate) fn describe_output(output: &Output, strip: bool, result: &mut Args) {
    for (name, text) in [("stdout", output.stdout_text()), ("stderr", output.stderr_text())] {
        let text = if strip { text.trim_end_matches(['\r', '\n']) } else { &text };
        let lines: Vec<Value> = text.lines().map(Value::from).collect();
        result.insert(name.into(), text.into());
        result.insert(format!("{name}_lines"), lines.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_that_is_no_text_is_told_of() {
        for (bytes, text, warnings) in [(&b"a\xffb"[..], "a\u{fffd}b", 1), (b"ab", "ab", 0)] {
            let mut result = Args::new();
            let output = Output { stdout: bytes.to_vec(), ..Output::default() };
            conclude(Ok(output), true, &mut result).expect("status 0");
            assert_eq!(result["stdout"], text);
            let told = result.get("warnings").and_then(Value::as_array).map_or(0, Vec::len);
            assert_eq!(told, warnings);
        }
    }
}
