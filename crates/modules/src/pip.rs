//! `pip`: packages for Python, by the host's own pip.

mod requirement;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use model::Args;
use serde_json::Value;
use system::{Command, Output, Probe, System};

use crate::arguments::{arguments, choices};
use crate::contract::{Change, Check, Failure, Module};
use crate::tool;
use requirement::{Requirement, normal};

choices! {
    /// How the packages shall be.
    pub enum State {
        /// Not there.
        Absent = "absent",
        /// Installed again, with all that they need.
        Forcereinstall = "forcereinstall",
        /// The latest version.
        Latest = "latest",
        /// There.
        Present = "present",
    }
}

arguments! {
    /// Manages packages for Python with pip.
    pub struct Pip {
        /// The packages: names, names with versions, files or URLs.
        pub name: Vec<String>,
        /// The version, for a single name.
        pub version: Option<String>,
        /// A file of requirements instead of names.
        pub requirements: Option<String>,
        /// The virtual environment to work in; made when it is missing.
        pub virtualenv: Option<PathBuf>,
        /// The packages of the system are seen in a new virtual environment.
        pub virtualenv_site_packages: bool { default: false },
        /// What makes virtual environments: `virtualenv`, or `python3 -m venv`.
        pub virtualenv_command: String { default: "virtualenv" },
        /// The Python for a new virtual environment.
        pub virtualenv_python: Option<String>,
        /// How the packages shall be.
        pub state: State { default: "present" },
        /// More arguments for pip.
        pub extra_args: Option<String>,
        /// The names are directories of sources to be linked to.
        pub editable: bool { default: false },
        /// Where pip runs.
        pub chdir: Option<PathBuf>,
        /// The pip to use.
        pub executable: Option<PathBuf>,
        /// The umask for what is installed, in octal digits.
        pub umask: Option<String>,
        /// Also where the system's package manager owns the installation.
        pub break_system_packages: bool { default: false },
    }
    mutually_exclusive: [&["name", "requirements"], &["executable", "virtualenv"]];
    required_one_of: [&["name", "requirements"]];
}

/// What is to be run.
#[derive(Debug)]
pub(crate) struct Calls {
    /// Makes the virtual environment.
    environment: Option<Command>,
    pip: Option<Command>,
}

impl Change for Calls {}

impl Module for Pip {
    type Change = Calls;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Calls>, Failure> {
        let wanted = self.wanted()?;
        let umask = self.umask_bits()?;
        self.describe(result);
        let environment = self.missing_environment(host)?;
        let pip = self.program(host, environment.is_some())?;
        let is_settled = environment.is_none() && self.is_settled(host, &pip, &wanted)?;
        if is_settled {
            result.insert("cmd".into(), words(&self.call(&pip, &wanted, umask)?));
            return Ok(Check::InSync);
        }
        if matches!(self.state, State::Absent) && environment.is_some() {
            return Ok(Check::Drift(Calls { environment, pip: None }));
        }
        let call = self.call(&pip, &wanted, umask)?;
        result.insert("cmd".into(), words(&call));
        let calls = Calls { environment, pip: Some(call) };
        let named =
            self.requirements.is_none() && matches!(self.state, State::Present | State::Absent);
        Ok(if named { Check::Drift(calls) } else { Check::Act(calls) })
    }

    fn apply(&self, calls: Calls, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        let mut said = (String::new(), String::new());
        let is_new = calls.environment.is_some();
        let is_compared = !is_new && self.state != State::Absent && self.names_sources();
        let before = is_compared.then(|| self.installed_now(host).ok()).flatten();
        for command in [&calls.environment, &calls.pip].into_iter().flatten() {
            let output = host.run(command)?;
            said.0.push_str(&output.stdout_text());
            said.1.push_str(&output.stderr_text());
            if !output.is_success() && !is_nothing_to_remove(self.state, &output) {
                return Err(failed(command, &output));
            }
        }
        let changed = is_new
            || match (self.state, before) {
                (State::Absent, _) => said.0.contains("Successfully uninstalled"),
                (_, Some(before)) => Some(before) != self.installed_now(host).ok(),
                _ => said.0.contains("Successfully installed"),
            };
        if !changed {
            result.insert("changed".into(), false.into());
        }
        let lines = |text: &str| text.lines().map(Value::from).collect::<Vec<_>>();
        result.insert("stdout_lines".into(), lines(&said.0).into());
        result.insert("stderr_lines".into(), lines(&said.1).into());
        result.insert("stdout".into(), said.0.into());
        result.insert("stderr".into(), said.1.into());
        Ok(())
    }
}

impl Pip {
    /// Whether pip installs something of these anew each time, whether it is there or not.
    fn names_sources(&self) -> bool {
        const SCHEMES: [&str; 4] = ["git+", "hg+", "svn+", "bzr+"];
        let is_source = |name: &String| SCHEMES.iter().any(|scheme| name.contains(scheme));
        self.requirements.is_some() || self.name.iter().any(is_source)
    }

    fn installed_now(&self, host: &dyn System) -> Result<BTreeMap<String, String>, Failure> {
        let pip = self.program(host, false)?;
        self.installed(host, &pip)
    }

    fn describe(&self, result: &mut Args) {
        let text = |value: &Option<String>| value.clone().map_or(Value::Null, Value::from);
        result.insert("name".into(), self.name.clone().into());
        result.insert("version".into(), text(&self.version));
        result.insert("state".into(), self.state.as_str().into());
        result.insert("requirements".into(), text(&self.requirements));
        let environment = self.virtualenv.as_deref().map(crate::files::path_value);
        result.insert("virtualenv".into(), environment.unwrap_or_default());
    }

    /// The packages, each with the version that is wanted.
    fn wanted(&self) -> Result<Vec<Requirement>, Failure> {
        let mut names: Vec<String> = Vec::new();
        let parts = self.name.iter().flat_map(|name| name.split(','));
        for name in parts.map(str::trim).filter(|name| !name.is_empty()) {
            // `django>1,<2` has been taken for a list.
            match names.last_mut() {
                Some(last) if name.starts_with(['<', '>', '=', '!', '~']) => {
                    last.push(',');
                    last.push_str(name);
                }
                _ => names.push(name.to_owned()),
            }
        }
        if let Some(name) = names.iter().find(|name| name.starts_with('-')) {
            return Err(Failure::new(format!(
                "`{name}` is no package; options of pip go to extra_args"
            )));
        }
        let Some(version) = &self.version else {
            return Ok(names.iter().map(|name| Requirement::parse(name)).collect());
        };
        match (names.as_slice(), &self.state) {
            (_, State::Latest) => Err(Failure::new("version is incompatible with state=latest")),
            ([name], _) if Requirement::parse(name).is_plain() => {
                let first = version.trim_start().chars().next();
                let is_bare = first.is_some_and(char::is_alphanumeric);
                let operator = if is_bare { "==" } else { "" };
                Ok(vec![Requirement::parse(&format!("{name}{operator}{version}"))])
            }
            ([name], _) => Err(Failure::new(format!(
                "The 'version' argument conflicts with any version specifier provided along with a package name. \
                 Please keep the version specifier, but remove the 'version' argument: {name}"
            ))),
            _ => Err(Failure::new(
                "'version' argument is ambiguous when installing multiple package distributions. Please specify \
                 version restrictions next to each package in 'name' argument.",
            )),
        }
    }

    fn umask_bits(&self) -> Result<Option<u32>, Failure> {
        let bits = |text: &String| {
            u32::from_str_radix(text, 8)
                .ok()
                .filter(|bits| *bits <= 0o777)
                .ok_or_else(|| Failure::new("umask must be an octal integer"))
        };
        self.umask.as_ref().map(bits).transpose()
    }

    /// What makes the virtual environment, when it is not there.
    fn missing_environment(&self, host: &dyn Probe) -> Result<Option<Command>, Failure> {
        let Some(place) = &self.virtualenv else { return Ok(None) };
        if host.stat(&place.join("bin/activate"), true)?.is_some() {
            return Ok(None);
        }
        let mut parts = shlex::split(&self.virtualenv_command)
            .filter(|parts| !parts.is_empty())
            .ok_or_else(|| Failure::new("virtualenv_command names no program"))?
            .into_iter();
        let program = parts.next().expect("it was checked");
        let mut args: Vec<String> = parts.collect();
        let is_venv = args.iter().any(|arg| arg == "venv") || program.ends_with("pyvenv");
        if !program.contains('/') && tool::find(host, &program).is_none() {
            return Err(Failure::new(format!(
                "Failed to find required executable \"{program}\" in paths: {}",
                host.variable("PATH").unwrap_or_default()
            )));
        }
        if self.virtualenv_site_packages {
            args.push("--system-site-packages".into());
        }
        match (&self.virtualenv_python, is_venv) {
            (Some(_), true) => {
                return Err(Failure::new(
                    "virtualenv_python should not be used when using the venv module or pyvenv as virtualenv_command",
                ));
            }
            (Some(python), false) => args.push(format!("-p{python}")),
            (None, _) => {}
        }
        args.push(place.to_string_lossy().into_owned());
        let mut command = Command::new(program, args);
        command.directory = self.chdir.clone();
        Ok(Some(command))
    }

    /// The pip that is used, as words.
    fn program(&self, host: &dyn Probe, is_new: bool) -> Result<Vec<String>, Failure> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        if let Some(place) = &self.virtualenv {
            let found = ["pip3", "pip"].map(|name| place.join("bin").join(name));
            for path in &found {
                if is_new || host.stat(path, true)?.is_some() {
                    return Ok(vec![text(path)]);
                }
            }
            return Ok(vec![text(&place.join("bin/python")), "-m".into(), "pip".into()]);
        }
        if let Some(executable) = &self.executable {
            if executable.is_absolute() || tool::find(host, &text(executable)).is_some() {
                return Ok(vec![text(executable)]);
            }
            let name = executable.display();
            return Err(Failure::new(format!(
                "Unable to find any of {name} to use.  pip needs to be installed."
            )));
        }
        for name in ["pip3", "pip"] {
            if let Some(path) = tool::find(host, name) {
                return Ok(vec![text(&path)]);
            }
        }
        if let Some(python) = tool::find(host, "python3") {
            let words = vec![text(&python), "-m".into(), "pip".into()];
            if host.query(&command_of(&words, ["--version"]))?.is_success() {
                return Ok(words);
            }
        }
        Err(Failure::new("Unable to find any of pip3, pip to use.  pip needs to be installed."))
    }

    /// Whether looking at what is installed is enough to know that nothing is to be done.
    fn is_settled(
        &self,
        host: &dyn Probe,
        pip: &[String],
        wanted: &[Requirement],
    ) -> Result<bool, Failure> {
        let absent = matches!(self.state, State::Absent);
        let named = matches!(self.state, State::Present | State::Absent)
            && self.requirements.is_none()
            && !self.editable;
        if !named || wanted.iter().any(|wanted| wanted.name.is_none()) {
            return Ok(false);
        }
        let installed = self.installed(host, pip)?;
        let version_of =
            |wanted: &Requirement| installed.get(wanted.name.as_deref().unwrap_or_default());
        Ok(wanted.iter().all(|wanted| match version_of(wanted) {
            None => absent,
            Some(_) if absent => false,
            Some(version) => wanted.admits(version).unwrap_or(false),
        }))
    }

    fn installed(
        &self,
        host: &dyn Probe,
        pip: &[String],
    ) -> Result<BTreeMap<String, String>, Failure> {
        let mut command =
            command_of(pip, ["list", "--format=freeze", "--disable-pip-version-check"]);
        command.directory = self.chdir.clone().filter(|_| self.virtualenv.is_none());
        let output = host.query(&command)?;
        if !output.is_success() {
            return Err(failed(&command, &output));
        }
        let text = output.stdout_text();
        let lines = text.lines().filter_map(|line| line.split_once("=="));
        Ok(lines.map(|(name, version)| (normal(name), version.trim().to_owned())).collect())
    }

    fn call(
        &self,
        pip: &[String],
        wanted: &[Requirement],
        umask: Option<u32>,
    ) -> Result<Command, Failure> {
        let mut args: Vec<String> = match self.state {
            State::Present => vec!["install".into()],
            State::Absent => vec!["uninstall".into(), "-y".into()],
            State::Latest => vec!["install".into(), "-U".into()],
            State::Forcereinstall => {
                vec!["install".into(), "-U".into(), "--force-reinstall".into()]
            }
        };
        if let Some(extra) = &self.extra_args {
            args.extend(shlex::split(extra).ok_or_else(|| {
                Failure::new(format!("the quotes in extra_args do not match: {extra}"))
            })?);
        }
        for requirement in wanted {
            if self.editable && !matches!(self.state, State::Absent) {
                args.push("-e".into());
            }
            args.push(requirement.text.clone());
        }
        if let Some(file) = &self.requirements {
            args.extend(["-r".into(), file.clone()]);
        }
        let mut command = command_of(pip, args);
        command.directory = self.chdir.clone();
        command.umask = umask;
        if self.break_system_packages {
            command.environment.insert("PIP_BREAK_SYSTEM_PACKAGES".into(), "1".into());
        }
        Ok(command)
    }
}

fn command_of<S: Into<String>>(words: &[String], args: impl IntoIterator<Item = S>) -> Command {
    let (program, before) = words.split_first().expect("a program has a name");
    let args = before.iter().cloned().chain(args.into_iter().map(Into::into));
    Command::new(program.clone(), args)
}

fn words(command: &Command) -> Value {
    std::iter::once(&command.program).chain(&command.args).cloned().collect::<Vec<_>>().into()
}

/// Older versions of pip fail when there is nothing to remove.
fn is_nothing_to_remove(state: State, output: &Output) -> bool {
    matches!(state, State::Absent) && output.stderr_text().contains("not installed")
}

fn failed(command: &Command, output: &Output) -> Failure {
    let (stdout, stderr) = (output.stdout_text(), output.stderr_text());
    let said = [("stdout", &stdout), ("stderr", &stderr)];
    let said = said.iter().filter(|(_, text)| !text.is_empty());
    let message: String = said.map(|(name, text)| format!("\n:{name}: {text}")).collect();
    let message = message.trim_start().to_owned();
    Failure::new(if output.timed_out { "pip did not end in time".to_owned() } else { message })
        .with("cmd", words(command))
        .with("rc", output.status)
        .with("stdout", stdout)
        .with("stderr", stderr)
}
