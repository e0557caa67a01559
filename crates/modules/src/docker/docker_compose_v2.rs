//! `docker_compose_v2`: projects of Docker Compose, through Docker's own program and its dry runs.

use std::path::{Path, PathBuf};

use model::{Args, Diff, Secret};
use serde_json::{Value, json};
use system::{Command, Output, Probe, System};

use crate::arguments::{arguments, choices, python_text};
use crate::contract::{Change, Check, Failure, Module};
use crate::{diff, tool};

choices! {
    /// What shall become of the project.
    pub enum ProjectState {
        /// It shall not be there.
        Absent = "absent",
        /// It shall run.
        Present = "present",
        /// It is restarted.
        Restarted = "restarted",
        /// It shall be there and not run.
        Stopped = "stopped",
    }
}

choices! {
    /// When images are built.
    pub enum BuildWhen {
        /// Each time.
        Always = "always",
        /// Never.
        Never = "never",
        /// As the project says.
        Policy = "policy",
    }
}

choices! {
    /// When images are pulled.
    pub enum PullWhen {
        /// Each time.
        Always = "always",
        /// When they are not here.
        Missing = "missing",
        /// Never.
        Never = "never",
        /// As the project says.
        Policy = "policy",
    }
}

choices! {
    /// When containers are made anew.
    pub enum RecreateWhen {
        /// Each time.
        Always = "always",
        /// When they differ.
        Auto = "auto",
        /// Never.
        Never = "never",
    }
}

choices! {
    /// Which images are removed with the project.
    pub enum RemoveImages {
        /// All.
        All = "all",
        /// Those without a name of their own.
        Local = "local",
    }
}

arguments! {
    /// Starts, stops and removes projects of Docker Compose.
    pub struct DockerComposeV2 {
        /// The directory of the project.
        pub project_src: Option<PathBuf>,
        /// Its name; else that of the directory.
        pub project_name: Option<String>,
        /// Its files, from that directory.
        pub files: Option<Vec<String>>,
        /// The project itself, in place of files.
        pub definition: Option<Args>,
        /// Files with variables.
        pub env_files: Option<Vec<String>>,
        /// The profiles whose services count.
        pub profiles: Option<Vec<String>>,
        /// Fail if no file is in the directory.
        pub check_files_existing: bool { default: true },
        /// What shall become of it.
        pub state: ProjectState { default: "present" },
        /// Only these services.
        pub services: Option<Vec<String>>,
        /// With the services that they need.
        pub dependencies: bool { default: true },
        /// When images are pulled.
        pub pull: PullWhen { default: "policy" },
        /// When images are built.
        pub build: BuildWhen { default: "policy" },
        /// When containers are made anew.
        pub recreate: RecreateWhen { default: "auto" },
        /// Remove images with the project.
        pub remove_images: Option<RemoveImages>,
        /// Remove volumes with the project.
        pub remove_volumes: bool { default: false },
        /// Remove containers of services that are no longer in it.
        pub remove_orphans: bool { default: false },
        /// Do not keep volumes without names.
        pub renew_anon_volumes: bool { default: false },
        /// How many containers services have.
        pub scale: Option<Args>,
        /// Seconds that containers get to stop.
        pub timeout: Option<i64>,
        /// Wait until services are running or healthy.
        pub wait: bool { default: false },
        /// At most so many seconds.
        pub wait_timeout: Option<i64>,
        /// Answer questions with yes.
        pub assume_yes: bool { default: false },
        /// A build alone is no change.
        pub ignore_build_events: bool { default: true },
        /// Docker's program.
        pub docker_cli: Option<PathBuf>,
        /// The context that it uses.
        pub cli_context: Option<String>,
        pub connection: CliConnection,
    }
    mutually_exclusive: [&["definition", "project_src"], &["definition", "files"]];
    required_one_of: [&["definition", "project_src"]];
}

arguments! {
    /// How Docker's program reaches the engine.
    pub struct CliConnection {
        /// The engine: `unix://PATH` or `tcp://HOST:PORT`.
        pub docker_host: Option<String> { aliases: ["docker_url"] },
        /// The version of the API.
        pub api_version: Option<String> { aliases: ["docker_api_version"] },
        /// Encrypt, without looking at the server's certificate.
        pub tls: bool { default: false },
        /// Encrypt, and check the server's certificate.
        pub validate_certs: bool { aliases: ["tls_verify"], default: false },
        /// The authority of the server's certificate.
        pub ca_path: Option<PathBuf> { aliases: ["ca_cert", "tls_ca_cert", "cacert_path"] },
        /// A certificate of one's own.
        pub client_cert: Option<PathBuf> { aliases: ["tls_client_cert", "cert_path"] },
        /// The key of that.
        pub client_key: Option<PathBuf> { aliases: ["tls_client_key", "key_path"] },
        /// The name in the server's certificate.
        pub tls_hostname: Option<String>,
    }
    mutually_exclusive: [&["docker_host", "cli_context"]];
}

/// One thing that Compose did or would do.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Event {
    what: String,
    id: String,
    status: String,
}

/// Commands of Compose, with what they would do.
pub(crate) struct Commands {
    list: Vec<Vec<String>>,
    events: Vec<Event>,
}

impl Change for Commands {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        Ok(vec![diff::state("compose", json!({}), json!({ "actions": actions(&self.events) }))])
    }
}

fn actions(events: &[Event]) -> Value {
    let action =
        |event: &Event| json!({ "what": event.what, "id": event.id, "status": event.status });
    events.iter().map(action).collect()
}

impl Module for DockerComposeV2 {
    type Change = Commands;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Commands>, Failure> {
        self.validate(host)?;
        let list = self.verbs();
        let mut events = Vec::new();
        for words in &list {
            let mut dry = words.clone();
            dry.insert(0, "--dry-run".to_owned());
            let output = host.query(&self.command(dry))?;
            must_succeed(&output, words)?;
            events.extend(self.changes(&output));
        }
        result.insert("actions".into(), actions(&events));
        if self.state == ProjectState::Restarted && !events.is_empty() {
            return Ok(Check::Act(Commands { list, events }));
        }
        if events.is_empty() {
            self.describe(host, result)?;
            return Ok(Check::InSync);
        }
        let each_time = self.recreate == RecreateWhen::Always
            || self.build == BuildWhen::Always
            || self.pull == PullWhen::Always;
        let commands = Commands { list, events };
        Ok(if each_time { Check::Act(commands) } else { Check::Drift(commands) })
    }

    fn apply(
        &self,
        commands: Commands,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        let mut events = Vec::new();
        for words in commands.list {
            host.keep_going()?;
            let output = host.run(&self.command(words.clone()))?;
            tool::show(result, &output);
            result.insert("rc".into(), output.status.into());
            must_succeed(&output, &words)?;
            events.extend(self.changes(&output));
        }
        // What is pulled or built in any case need not have been new.
        result.insert("changed".into(), (!events.is_empty()).into());
        result.insert("actions".into(), actions(&events));
        self.describe(host, result)
    }
}

impl DockerComposeV2 {
    fn validate(&self, host: &dyn Probe) -> Result<(), Failure> {
        const FILES: [&str; 4] =
            ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];
        if self.definition.is_some() && self.project_name.is_none() {
            return Err(Failure::new(
                "definition is there but project_name is missing: it is required then",
            ));
        }
        let words = self.services.iter().flatten().chain(self.profiles.iter().flatten());
        if let Some(odd) =
            words.chain(&self.project_name).find(|word| word.is_empty() || word.starts_with('-'))
        {
            return Err(Failure::new(format!("`{odd}` is no name that Compose knows")));
        }
        let Some(folder) = &self.project_src else { return Ok(()) };
        if host.stat(folder, true)?.is_none() {
            return Err(Failure::new(format!("\"{}\" is not a directory", folder.display())));
        }
        if self.files.is_none() && self.check_files_existing {
            for name in FILES {
                if host.stat(&folder.join(name), true)?.is_some() {
                    return Ok(());
                }
            }
            return Err(Failure::new(format!(
                "\"{}\" does not contain compose.yaml, compose.yml, docker-compose.yaml, or docker-compose.yml",
                folder.display()
            )));
        }
        for name in self.files.iter().flatten() {
            if host.stat(&folder.join(name), true)?.is_none() {
                return Err(Failure::new(format!(
                    "Cannot find Compose file \"{name}\" relative to project directory \"{}\"",
                    folder.display()
                )));
            }
        }
        Ok(())
    }

    /// Docker's program with the words of every call, and a verb with its own.
    fn command(&self, words: Vec<String>) -> Command {
        let mut all = Vec::new();
        let mut option = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                all.extend([name.to_owned(), value]);
            }
        };
        let text =
            |path: &Option<PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned());
        let connection = &self.connection;
        option("--context", self.cli_context.clone());
        option("--host", connection.docker_host.clone());
        option("--tlscacert", text(&connection.ca_path));
        option("--tlscert", text(&connection.client_cert));
        option("--tlskey", text(&connection.client_key));
        if connection.validate_certs {
            all.push("--tlsverify".to_owned());
        } else if connection.tls {
            all.push("--tls".to_owned());
        }
        all.extend(["compose", "--ansi", "never", "--progress", "plain"].map(str::to_owned));
        let mut option = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                all.extend([name.to_owned(), value]);
            }
        };
        option("--project-directory", text(&self.project_src));
        option("--project-name", self.project_name.clone());
        for name in self.files.iter().flatten() {
            let path = self.project_src.as_deref().unwrap_or(Path::new("")).join(name);
            option("--file", Some(path.to_string_lossy().into_owned()));
        }
        if self.definition.is_some() {
            option("--file", Some("-".to_owned()));
        }
        self.profiles.iter().flatten().for_each(|name| option("--profile", Some(name.clone())));
        self.env_files.iter().flatten().for_each(|name| option("--env-file", Some(name.clone())));
        all.extend(words);
        let program = text(&self.docker_cli).unwrap_or_else(|| "docker".to_owned());
        let mut command = Command::new(program, all);
        command.directory.clone_from(&self.project_src);
        // JSON is YAML.
        command.stdin = self
            .definition
            .as_ref()
            .map(|project| Secret::new(json!(project).to_string().into_bytes()));
        if let Some(version) = &connection.api_version {
            command.environment.insert("DOCKER_API_VERSION".into(), version.clone());
        }
        command
    }

    /// What Compose is to do, in its words.
    fn verbs(&self) -> Vec<Vec<String>> {
        let services = || {
            let list = self.services.iter().flatten().cloned();
            std::iter::once("--".to_owned()).chain(list)
        };
        let patience = || self.timeout.iter().flat_map(|t| ["--timeout".to_owned(), t.to_string()]);
        let flag = |is_set: bool, name: &str| is_set.then(|| name.to_owned());
        match self.state {
            ProjectState::Present => vec![self.up(false)],
            ProjectState::Stopped => {
                let stop = std::iter::once("stop".to_owned()).chain(patience()).chain(services());
                vec![self.up(true), stop.collect()]
            }
            ProjectState::Restarted => {
                let mut words = vec!["restart".to_owned()];
                words.extend(flag(!self.dependencies, "--no-deps"));
                words.extend(patience());
                words.extend(services());
                vec![words]
            }
            ProjectState::Absent => {
                let mut words = vec!["down".to_owned()];
                words.extend(flag(self.remove_orphans, "--remove-orphans"));
                if let Some(images) = self.remove_images {
                    words.extend(["--rmi".to_owned(), images.as_str().to_owned()]);
                }
                words.extend(flag(self.remove_volumes, "--volumes"));
                words.extend(patience());
                words.extend(services());
                vec![words]
            }
        }
    }

    fn up(&self, is_stopped: bool) -> Vec<String> {
        let mut words: Vec<String> =
            ["up", "--detach", "--no-color", "--quiet-pull"].map(str::to_owned).to_vec();
        let mut option = |name: &str, value: Option<String>| {
            words.push(name.to_owned());
            words.extend(value);
        };
        if self.pull != PullWhen::Policy {
            option("--pull", Some(self.pull.as_str().to_owned()));
        }
        for (is_set, name) in [
            (self.remove_orphans, "--remove-orphans"),
            (self.recreate == RecreateWhen::Always, "--force-recreate"),
            (self.recreate == RecreateWhen::Never, "--no-recreate"),
            (!self.dependencies, "--no-deps"),
            (self.renew_anon_volumes, "--renew-anon-volumes"),
            (self.build == BuildWhen::Always, "--build"),
            (self.build == BuildWhen::Never, "--no-build"),
            (self.assume_yes, "--yes"),
            (is_stopped, "--no-start"),
            (self.wait && !is_stopped, "--wait"),
        ] {
            if is_set {
                option(name, None);
            }
        }
        for (name, count) in self.scale.iter().flatten() {
            option("--scale", Some(format!("{name}={}", python_text(count))));
        }
        if let Some(seconds) = self.wait_timeout.filter(|_| self.wait && !is_stopped) {
            option("--wait-timeout", Some(seconds.to_string()));
        }
        if let Some(seconds) = self.timeout {
            option("--timeout", Some(seconds.to_string()));
        }
        words.push("--".to_owned());
        words.extend(self.services.iter().flatten().cloned());
        words
    }

    /// What changed, in the order in which it was told.
    fn changes(&self, output: &Output) -> Vec<Event> {
        let text = output.stderr_text();
        let mut events: Vec<Event> = text.lines().filter_map(event).collect();
        if self.ignore_build_events {
            events.retain(|event| event.status != "Building");
        }
        events.dedup();
        events
    }

    /// The project's containers and images.
    fn describe(&self, host: &dyn Probe, result: &mut Args) -> Result<(), Failure> {
        let words =
            |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let table = [
            ("containers", words(&["ps", "--format", "json", "--all", "--no-trunc"])),
            ("images", words(&["images", "--format", "json"])),
        ];
        for (key, words) in table {
            let output = host.query(&self.command(words.clone()))?;
            must_succeed(&output, &words)?;
            // One list, or a line for each, as the version likes.
            let values = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
            let mut list = Vec::new();
            for value in values.map_while(Result::ok) {
                match value {
                    Value::Array(items) => list.extend(items),
                    other => list.push(other),
                }
            }
            result.insert(key.into(), list.into());
        }
        Ok(())
    }
}

fn must_succeed(output: &Output, words: &[String]) -> Result<(), Failure> {
    if output.is_success() {
        return Ok(());
    }
    let verb = words.first().map(String::as_str).unwrap_or_default();
    Err(tool::failure(output, &format!("docker compose {verb}: ")))
}

/// A line of progress that tells of a change: ` Container web-1  Creating`.
fn event(line: &str) -> Option<Event> {
    const CHANGES: [&str; 10] = [
        "Creating",
        "Starting",
        "Restarting",
        "Stopping",
        "Killing",
        "Removing",
        "Recreate",
        "Recreating",
        "Pulling",
        "Building",
    ];
    let line = line.trim().strip_prefix("DRY-RUN MODE -").unwrap_or(line).trim();
    let mut words = line.split_whitespace();
    let (first, last) = (words.next()?, line.split_whitespace().next_back()?);
    if !CHANGES.contains(&last) {
        return None;
    }
    let (what, id) = match first {
        "Container" | "Network" | "Volume" | "Image" | "Service" => (first, words.next()?),
        // ` web Pulling`.
        other if matches!(last, "Pulling" | "Building") => ("Service", other),
        _ => return None,
    };
    let status = if last == "Recreate" { "Recreating" } else { last };
    let id = id.trim_matches('"');
    Some(Event { what: what.to_lowercase(), id: id.to_owned(), status: status.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_progress() {
        let read = |line: &str| {
            event(line).map(|event| format!("{} {} {}", event.what, event.id, event.status))
        };
        for (line, wanted) in [
            (" Container web-1  Creating", Some("container web-1 Creating")),
            (" DRY-RUN MODE -  Container web-1  Recreate ", Some("container web-1 Recreating")),
            (" Network \"p_default\"  Removing", Some("network p_default Removing")),
            (" web Pulling ", Some("service web Pulling")),
            (" Container web-1  Created", None),
            (" Container web-1  Running", None),
            ("time=\"x\" level=warning msg=\"Creating\"", None),
            ("", None),
        ] {
            assert_eq!(read(line).as_deref(), wanted, "{line}");
        }
    }
}
