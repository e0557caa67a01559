//! `docker_container_exec`: runs a command in a container.

use model::Args;
use serde_json::{Value, json};
use system::{Probe, System};

use super::engine::{Connection, output};
use crate::arguments::arguments;
use crate::contract::{Check, Failure, Module};
use crate::http::url::form_encoded;

arguments! {
    /// Runs a command in a container that runs.
    pub struct DockerContainerExec {
        /// The container.
        pub container: String,
        /// The command, as words.
        pub argv: Option<Vec<String>>,
        /// The command, split as a shell would.
        pub command: Option<String>,
        /// Where it runs.
        pub chdir: Option<String>,
        /// Who runs it.
        pub user: Option<String>,
        /// Variables of its environment: texts.
        pub env: Option<Args>,
        /// What it reads.
        pub stdin: Option<String>,
        /// With a line end behind that.
        pub stdin_add_newline: bool { default: true },
        /// Do not wait for it.
        pub detach: bool { default: false },
        /// Without line ends at the end of what it wrote.
        pub strip_empty_ends: bool { default: true },
        /// Give it a terminal.
        pub tty: bool { default: false },
        pub connection: Connection,
    }
    mutually_exclusive: [&["argv", "command"]];
    required_one_of: [&["argv", "command"]];
}

impl Module for DockerContainerExec {
    type Change = ();

    fn check(&self, host: &dyn Probe, _: &mut Args) -> Result<Check<()>, Failure> {
        self.body()?;
        self.connection.engine(host)?;
        Ok(Check::CannotTell(()))
    }

    fn apply(&self, (): (), host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        let worker = self.connection.worker(host)?;
        let doing = format!("Could not execute the command in container {}", self.container);
        let path = format!("/containers/{}/exec", form_encoded(&self.container));
        let told = worker.post(&doing, &path, Some(&self.body()?))?;
        let id = told["Id"].as_str().unwrap_or_default();
        let path = format!("/exec/{id}/start");
        let start = json!({ "Detach": self.detach, "Tty": self.tty });
        if self.detach {
            worker.post(&doing, &path, Some(&start))?;
            result.insert("exec_id".into(), id.into());
            return Ok(());
        }
        let bytes = match &self.stdin {
            None => worker.post_with(&doing, &path, Vec::new(), Some(&start))?,
            Some(text) => {
                let end = if self.stdin_add_newline { "\n" } else { "" };
                worker.converse(&doing, &path, &start, format!("{text}{end}").as_bytes())?
            }
        };
        let (out, err) = output(&bytes, self.tty);
        let strip = |text: String| {
            let ends: &[char] = if self.strip_empty_ends { &['\r', '\n'] } else { &[] };
            text.trim_end_matches(ends).to_owned()
        };
        let state = worker.get(&format!("/exec/{id}/json"))?;
        result.insert("stdout".into(), strip(out).into());
        result.insert("stderr".into(), strip(err).into());
        result.insert("rc".into(), state["ExitCode"].as_i64().unwrap_or_default().into());
        Ok(())
    }
}

impl DockerContainerExec {
    fn body(&self) -> Result<Value, Failure> {
        let words = match (&self.argv, &self.command) {
            (Some(words), _) => words.clone(),
            (None, command) => {
                let text = command.as_deref().unwrap_or_default();
                shlex::split(text).ok_or_else(|| {
                    Failure::new(format!("command `{text}`: a quote is not closed"))
                })?
            }
        };
        if words.is_empty() {
            return Err(Failure::new("the command is empty"));
        }
        if self.detach && self.stdin.is_some() {
            return Err(Failure::new("If detach=true, stdin cannot be provided."));
        }
        let mut environment = Vec::new();
        for (key, value) in self.env.iter().flatten() {
            let Value::String(text) = value else {
                return Err(Failure::new(format!(
                    "Non-string value found for env option. Ambiguous env options must be wrapped in quotes to avoid them being interpreted when directly specified in YAML, or explicitly converted to strings when the option is templated. Key: {key}"
                )));
            };
            environment.push(format!("{key}={text}"));
        }
        let mut body = json!({
            "AttachStdin": self.stdin.is_some(),
            "AttachStdout": true,
            "AttachStderr": true,
            "Tty": self.tty,
            "Cmd": words,
        });
        if !environment.is_empty() {
            body["Env"] = environment.into();
        }
        if let Some(user) = &self.user {
            body["User"] = user.clone().into();
        }
        if let Some(directory) = &self.chdir {
            body["WorkingDir"] = directory.clone().into();
        }
        Ok(body)
    }
}
