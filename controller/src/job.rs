//! A command that does something on hosts: a playbook, or one module. The same here and on a controller, whoever parsed it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use report::Reporter;

use crate::cli::{AdHocArgs, Call, Cli, Passwords, PlaybookArgs};
use crate::content::Content;
use crate::error::CliError;
use crate::settings::Settings;

/// What is to be done.
#[derive(Debug, Clone)]
pub(crate) enum Job {
    /// `muster playbook`.
    Playbook(Box<PlaybookArgs>),
    /// `muster run` and `muster ping`.
    AdHoc(Box<AdHocArgs>, Call),
}

/// What a job's arguments do not say.
pub(crate) struct Surroundings<'a> {
    /// From environment and configuration.
    pub(crate) settings: &'a Settings,
    /// Asked for before.
    pub(crate) passwords: Passwords,
    /// What relative paths are relative to; empty for the working directory.
    pub(crate) base: &'a Path,
    /// What absolute paths are below: the directory of an unpacked project. Empty on the person's own machine.
    pub(crate) root: &'a Path,
    /// The inventory when neither arguments nor settings name one.
    pub(crate) default_inventory: &'a [String],
}

impl<'a> Surroundings<'a> {
    /// This machine and its working directory.
    pub(crate) fn here(settings: &'a Settings, passwords: Passwords) -> Self {
        let (base, root) = (Path::new(""), Path::new(""));
        Self { settings, passwords, base, root, default_inventory: &[] }
    }

    /// Where a path of the command line is.
    pub(crate) fn place(&self, path: &Path) -> PathBuf {
        place(self.root, self.base, path)
    }
}

/// A path in a project: relative ones from `base`, absolute ones below `root`, if that is not empty.
pub(crate) fn place(root: &Path, base: &Path, path: &Path) -> PathBuf {
    match path.strip_prefix("/") {
        Ok(below) if !root.as_os_str().is_empty() => root.join(below),
        _ => base.join(path),
    }
}

impl Job {
    /// Reads the words of a command line after `muster`.
    pub(crate) fn parse(words: &[String]) -> Result<Self, CliError> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let cli = Cli::parse_words(&words)
            .map_err(|error| CliError::options(error.to_string().trim_end().to_owned()))?;
        cli.into_job().ok_or_else(|| CliError::options("this command does not run on hosts"))
    }

    /// Reads what the job is about: inventory, playbooks, variables.
    pub(crate) fn load(&self, around: Surroundings<'_>) -> Result<Content, CliError> {
        match self {
            Self::Playbook(args) => args.load(around),
            Self::AdHoc(args, call) => args.load(call, around),
        }
    }

    /// Asks the person for the passwords that the job wants.
    pub(crate) fn ask_passwords(&self, settings: &Settings) -> Result<Passwords, CliError> {
        match self {
            Self::Playbook(args) => Passwords::ask(args.flags(), settings),
            Self::AdHoc(args, _) => Passwords::ask(args.flags(), settings),
        }
    }

    /// Shows the job's events on this terminal.
    pub(crate) fn reporter(&self, settings: &Settings) -> Box<dyn Reporter> {
        match self {
            Self::Playbook(args) => args.reporter(settings),
            Self::AdHoc(args, _) => args.reporter(settings),
        }
    }

    /// The files and directories that it is about, as this machine names them. Some may not exist.
    pub(crate) fn project(&self, settings: &Settings) -> Vec<PathBuf> {
        let (flags, mut paths) = match self {
            Self::Playbook(args) => {
                let directories = args.playbooks.iter().map(|path| directory_of(path));
                (args.flags(), directories.collect::<Vec<_>>())
            }
            Self::AdHoc(args, _) => {
                (args.flags(), ["group_vars", "host_vars"].map(PathBuf::from).to_vec())
            }
        };
        let given = &flags.inventory.inventory;
        let sources = if given.is_empty() { &settings.inventory } else { given };
        for source in sources.iter().filter(|source| !source.contains(',')).map(Path::new) {
            paths.push(source.to_owned());
            if !source.is_dir() {
                let directory = directory_of(source);
                paths.extend(["group_vars", "host_vars"].map(|name| directory.join(name)));
            }
        }
        let named = flags.run.extra_vars.iter().chain(&flags.inventory.limit);
        paths.extend(named.filter_map(|text| text.trim().strip_prefix('@')).map(PathBuf::from));
        paths.extend(settings.config.clone());
        paths.extend(settings.roles_path.iter().cloned());
        paths
    }

    /// What it is, for a list of runs.
    pub(crate) fn title(&self) -> String {
        match self {
            Self::Playbook(args) => {
                let names = args.playbooks.iter().map(|path| path.display().to_string());
                names.collect::<Vec<_>>().join(" ")
            }
            Self::AdHoc(_, call) => format!("{} on {}", call.module, call.pattern),
        }
    }
}

fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Job, CliError> {
        Job::parse(&line.split(' ').map(ToOwned::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn jobs_are_told_from_other_commands() {
        assert_eq!(parse("playbook a.yml b.yml -C").unwrap().title(), "a.yml b.yml");
        assert_eq!(parse("ping web").unwrap().title(), "ping on web");
        assert_eq!(parse("run web -m setup").unwrap().title(), "setup on web");
        let text = |line| parse(line).unwrap_err().render(yaml::Style::Plain);
        assert_eq!(text("completion bash"), "this command does not run on hosts");
        assert!(text("playbook --nonsense").contains("--nonsense"));
    }

    #[test]
    fn paths_of_a_project_stay_in_it() {
        let at = |path: &str| place(Path::new("/p"), Path::new("/p/home/me"), Path::new(path));
        assert_eq!(at("site.yml"), Path::new("/p/home/me/site.yml"));
        assert_eq!(at("/etc/hosts"), Path::new("/p/etc/hosts"));
        let here = place(Path::new(""), Path::new(""), Path::new("/etc/hosts"));
        assert_eq!(here, Path::new("/etc/hosts"));
    }

    #[test]
    fn a_project_is_the_playbooks_directory_and_what_flags_name() {
        let settings =
            Settings::of_project(&[].into(), Path::new("/nowhere"), Path::new("/p")).unwrap();
        let job = parse("playbook x/site.yml -i hosts -i a,b -e @v.yml -e k=v -l @some").unwrap();
        let mut paths = job.project(&settings);
        paths.retain(|path| !settings.roles_path.contains(path));
        let expected = ["x", "hosts", "./group_vars", "./host_vars", "v.yml", "some"];
        assert_eq!(paths, expected.map(PathBuf::from));
    }
}
