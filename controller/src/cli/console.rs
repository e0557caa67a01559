//! `muster console` and `ansible-console`: modules on hosts, one line after the other.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Args;

use super::GlobalArgs;
use super::adhoc::{self, AdHocArgs, Call};
use crate::error::CliError;
use crate::job::Job;
use crate::settings::Environment;
use crate::terminal;

/// `muster console`.
#[derive(Debug, Args)]
#[command(after_help = "Lines are `MODULE ARGUMENTS`, a shell command, or one of:
  cd PATTERN     the hosts that are meant          list           show them
  become yes|no  become_user USER                  remote_user USER
  check yes|no   diff yes|no     forks NUMBER      timeout SECONDS
  verbosity NUMBER               ! COMMAND         help, exit")]
pub(crate) struct ConsoleArgs {
    /// The hosts
    #[arg(value_name = "PATTERN", default_value = "all")]
    pattern: String,
    /// The directory whose roles/, group_vars/ and so on count
    #[arg(long, value_name = "DIRECTORY")]
    playbook_dir: Option<std::path::PathBuf>,
    /// End each task after so long
    #[arg(long, value_name = "SECONDS")]
    task_timeout: Option<u64>,
    #[command(flatten)]
    shared: AdHocArgs,
}

/// What a line asks for.
enum Wish {
    Nothing,
    Leave,
    Run(Call),
}

/// Reads lines until there are no more.
pub(crate) async fn console(
    global: &GlobalArgs,
    mut args: ConsoleArgs,
    environment: &Environment,
) -> Result<ExitCode, CliError> {
    while let Some(line) = next_line(&args.prompt())? {
        match args.read(line.trim())? {
            Wish::Nothing => {}
            Wish::Leave => break,
            Wish::Run(call) => {
                let job = Job::AdHoc(Box::new(args.shared.clone()), call);
                // What fails on a host, or cannot be said, must not end the conversation.
                if let Err(error) = adhoc::ad_hoc(global, job, environment).await {
                    error.report();
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl ConsoleArgs {
    fn prompt(&self) -> String {
        let user = self.shared.connection.user.as_deref().unwrap_or("me");
        let mark = if self.shared.escalation.r#become { '#' } else { '$' };
        format!("{user}@{}{mark} ", self.pattern)
    }

    fn call(&self, module: &str, arguments: &str) -> Wish {
        let mut call = Call::new(&*self.pattern, module, arguments);
        call.playbook_dir.clone_from(&self.playbook_dir);
        call.keywords.extend(self.task_timeout.map(|seconds| ("timeout", seconds)));
        Wish::Run(call)
    }

    fn read(&mut self, line: &str) -> Result<Wish, CliError> {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        let is_yes = matches!(rest.to_lowercase().as_str(), "yes" | "true" | "1" | "on" | "y");
        let some = || (!rest.is_empty()).then(|| rest.to_owned());
        match word {
            "" => {}
            _ if line.starts_with('#') => {}
            "exit" | "quit" | "EOF" => return Ok(Wish::Leave),
            "help" | "?" => {
                let mut help =
                    String::from("A line is `MODULE ARGUMENTS` or a shell command. Modules:\n");
                for name in super::doc::names() {
                    help += &format!("  {name}\n");
                }
                terminal::print(&help)?;
            }
            "cd" => self.pattern = some().unwrap_or_else(|| "all".to_owned()),
            "become" => self.shared.escalation.r#become = is_yes,
            "become_user" => self.shared.escalation.become_user = some(),
            "become_method" => self.shared.escalation.become_method = some(),
            "remote_user" => self.shared.connection.user = some(),
            "check" => self.shared.run.check = is_yes,
            "diff" => self.shared.run.diff = is_yes,
            "forks" => self.shared.run.forks = rest.parse().ok(),
            "timeout" => self.task_timeout = rest.parse().ok().filter(|seconds| *seconds > 0),
            "verbosity" => self.shared.run.verbose = rest.parse().unwrap_or_default(),
            "list" => {
                return Ok(self.call("debug", "msg={{ inventory_hostname }}"));
            }
            "!" | "shell" => return Ok(self.call("shell", rest)),
            _ if line.starts_with('!') => return Ok(self.call("shell", line[1..].trim())),
            _ if super::doc::names()
                .any(|name| name == word || format!("ansible.builtin.{name}") == word) =>
            {
                return Ok(self.call(word, rest));
            }
            _ => return Ok(self.call("shell", line)),
        }
        Ok(Wish::Nothing)
    }
}

/// The next line of standard input; on a terminal it is asked for.
fn next_line(prompt: &str) -> io::Result<Option<String>> {
    if io::stdin().is_terminal() {
        print(prompt)?;
    }
    let mut line = String::new();
    Ok((io::stdin().lock().read_line(&mut line)? > 0).then_some(line))
}

fn print(prompt: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(prompt.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ConsoleArgs,
    }

    #[test]
    fn lines_change_what_is_meant_or_run_something() {
        let mut args = Line::parse_from(["console", "web"]).args;
        let mut run = |line: &str| match args.read(line).unwrap() {
            Wish::Run(call) => Some((call.pattern, call.module, call.arguments)),
            Wish::Nothing | Wish::Leave => None,
        };
        let is = |pattern: &str, module: &str, arguments: &str| {
            Some((pattern.to_owned(), module.to_owned(), arguments.to_owned()))
        };
        assert_eq!(run("ping"), is("web", "ping", ""));
        assert_eq!(run("cd db"), None);
        assert_eq!(run("debug var=x"), is("db", "debug", "var=x"));
        assert_eq!(run("uptime -p"), is("db", "shell", "uptime -p"));
        assert_eq!(run("!ls /"), is("db", "shell", "ls /"));
        assert_eq!(run("# nothing"), None);
        assert_eq!(run("become yes"), None);
        assert!(args.shared.escalation.r#become);
        assert_eq!(args.prompt(), "me@db# ");
    }
}
