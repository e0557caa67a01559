//! `zypper`: packages of SUSE Linux.

use model::{Args, Diff};
use serde_json::json;
use system::{Command, Output, Probe, System};

use crate::arguments::{arguments, choices};
use crate::contract::{Change, Check, Failure, Module};
use crate::{diff, tool};

choices! {
    /// What is wanted of the packages.
    pub enum State {
        /// There, in any version.
        Present = "present",
        /// There, in the newest version.
        Latest = "latest",
        /// Not there.
        Absent = "absent",
        /// All of the host as the repositories have it.
        DistUpgrade = "dist-upgrade",
        /// There, in any version.
        Installed = "installed",
        /// Not there.
        Removed = "removed",
    }
}

choices! {
    /// Kinds of what zypper manages.
    pub enum Kind {
        /// Packages.
        Package = "package",
        /// Patches.
        Patch = "patch",
        /// Patterns.
        Pattern = "pattern",
        /// Products.
        Product = "product",
        /// Sources of packages.
        Srcpackage = "srcpackage",
        /// Applications.
        Application = "application",
    }
}

arguments! {
    /// Installs, upgrades and removes packages with zypper.
    pub struct Zypper {
        /// The packages, with a version (`foo>=1.2`) or without; `*` for all.
        pub name: Vec<String> { required, aliases: ["pkg"] },
        /// What is wanted of them.
        pub state: State { default: "present" },
        /// Of which kind they are.
        pub kind: Kind { named: "type", default: "package" },
        /// Options for zypper before the command.
        pub extra_args_precommand: Option<String>,
        /// Do not verify signatures of packages.
        pub disable_gpg_check: bool { default: false },
        /// Trust new keys of repositories.
        pub auto_import_keys: bool { default: false },
        /// Leave out what packages recommend.
        pub disable_recommends: bool { default: true },
        /// Let zypper break what it must.
        pub force: bool { default: false },
        /// Let zypper find a solution by itself.
        pub force_resolution: bool { default: false },
        /// Fetch the lists of packages first.
        pub update_cache: bool { default: false, aliases: ["refresh"] },
        /// Allow older versions.
        pub oldpackage: bool { default: false },
        /// Options for the command.
        pub extra_args: Option<String>,
        /// Allow packages of another vendor.
        pub allow_vendor_change: bool { default: false },
        /// Let packages overwrite files of others.
        pub replacefiles: bool { default: false },
        /// Remove what nothing needs any more.
        pub clean_deps: bool { default: false },
        /// Tell of errors with the message alone.
        pub simple_errors: bool { default: false },
        /// Say little.
        pub quiet: bool { default: true },
        /// Do not mind scripts that fail after the installation.
        pub skip_post_errors: bool { default: false },
    }
}

/// What zypper is to do.
pub(crate) struct Work {
    refresh: Option<Command>,
    command: Option<Command>,
    before: Vec<String>,
    after: Vec<String>,
}

impl Change for Work {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        Ok(vec![diff::state("zypper", json!(self.before), json!(self.after))])
    }
}

impl Module for Zypper {
    type Change = Work;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Work>, Failure> {
        let names = self.names()?;
        let is_all = names == ["*"];
        result.insert("name".into(), json!(names));
        result.insert("state".into(), self.state.as_str().into());
        let refresh = if self.update_cache { Some(self.plain(&["refresh"])?) } else { None };
        let mut work = Work { refresh, command: None, before: Vec::new(), after: Vec::new() };
        let names = match self.state {
            State::Present | State::Installed => self.missing(&names, host)?,
            State::Absent | State::Removed => self.there(&names, host)?,
            State::Latest | State::DistUpgrade => names,
        };
        if !names.is_empty() {
            let command = self.command(&names, is_all, false)?;
            let output = host.query(&self.command(&names, is_all, true)?)?;
            self.judge(&output)?;
            (work.before, work.after) = solvables(&output.stdout_text());
            if !work.before.is_empty() || !work.after.is_empty() {
                work.command = Some(command);
            }
        }
        Ok(match (&work.command, &work.refresh) {
            (Some(_), _) => Check::Drift(work),
            (None, Some(_)) => Check::Upkeep(work),
            (None, None) => Check::InSync,
        })
    }

    fn apply(&self, work: Work, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        if let Some(refresh) = &work.refresh {
            self.judge(&host.run(refresh)?)?;
        }
        if let Some(command) = &work.command {
            let output = host.run(command)?;
            self.judge(&output)?;
            result.insert("rc".into(), output.status.into());
            tool::show(result, &output);
        }
        Ok(())
    }
}

impl Zypper {
    fn names(&self) -> Result<Vec<String>, Failure> {
        let names: Vec<String> =
            self.name.iter().map(|name| name.trim().to_owned()).filter(|n| !n.is_empty()).collect();
        if let Some(odd) = names.iter().find(|name| name.starts_with("--")) {
            return Err(Failure::new(format!("`{odd}` is no package; options go to extra_args")));
        }
        if self.state == State::DistUpgrade && names != ["*"] {
            return Err(Failure::new("Can not dist-upgrade specific packages."));
        }
        if names.iter().any(|name| name == "*")
            && !matches!(self.state, State::Latest | State::DistUpgrade)
        {
            return Err(Failure::new("`*` goes with the states latest and dist-upgrade"));
        }
        Ok(names)
    }

    /// Those that are to be installed; a version is zypper's to compare.
    fn missing(&self, names: &[String], host: &dyn Probe) -> Result<Vec<String>, Failure> {
        let mut missing = Vec::new();
        for name in names {
            if has_version(name) || is_file(name) || !self.is_there(name, host)? {
                missing.push(name.clone());
            }
        }
        Ok(missing)
    }

    fn there(&self, names: &[String], host: &dyn Probe) -> Result<Vec<String>, Failure> {
        let mut there = Vec::new();
        for name in names {
            let plain = name.split(['<', '>', '=']).next().unwrap_or(name);
            if self.is_there(plain, host)? {
                there.push(name.clone());
            }
        }
        Ok(there)
    }

    fn is_there(&self, name: &str, host: &dyn Probe) -> Result<bool, Failure> {
        const NOTHING_FOUND: i32 = 104;
        let kind = self.kind.as_str();
        let words = [
            "--disable-repositories",
            "search",
            "--type",
            kind,
            "--match-exact",
            "--installed-only",
            "--",
            name,
        ];
        let output = host.query(&self.plain(&words)?)?;
        if output.status == NOTHING_FOUND {
            return Ok(false);
        }
        self.judge(&output)?;
        Ok(output.stdout_text().contains("<solvable "))
    }

    fn plain(&self, words: &[&str]) -> Result<Command, Failure> {
        let mut all: Vec<String> = ["--non-interactive", "--xmlout"].map(str::to_owned).to_vec();
        all.extend(self.quiet.then(|| "--quiet".to_owned()));
        all.extend(options(self.extra_args_precommand.as_deref())?);
        all.extend(self.auto_import_keys.then(|| "--gpg-auto-import-keys".to_owned()));
        all.extend(self.disable_gpg_check.then(|| "--no-gpg-checks".to_owned()));
        all.extend(words.iter().map(|word| (*word).to_owned()));
        let mut command = Command::new("zypper", all);
        command.environment.insert("LC_ALL".to_owned(), "C".to_owned());
        Ok(command)
    }

    fn command(&self, names: &[String], is_all: bool, is_trial: bool) -> Result<Command, Failure> {
        let removes = matches!(self.state, State::Absent | State::Removed);
        let verb = match self.state {
            State::DistUpgrade => "dist-upgrade",
            _ if removes => "remove",
            _ if is_all => "update",
            _ => "install",
        };
        let installs = !removes;
        let has_version = names.iter().any(|name| has_version(name));
        let flags = [
            (installs, "--auto-agree-with-licenses"),
            (installs && self.disable_recommends, "--no-recommends"),
            (installs && self.force, "--force"),
            (installs && self.replacefiles, "--replacefiles"),
            (installs && (self.oldpackage || has_version), "--oldpackage"),
            (self.force_resolution, "--force-resolution"),
            (verb == "dist-upgrade" && self.allow_vendor_change, "--allow-vendor-change"),
            (removes && self.clean_deps, "--clean-deps"),
            (is_trial, "--dry-run"),
        ];
        let mut words = vec![verb];
        if verb != "dist-upgrade" {
            words.extend(["--type", self.kind.as_str()]);
        }
        words.extend(flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| *flag));
        let mut command = self.plain(&words)?;
        command.args.extend(options(self.extra_args.as_deref())?);
        if !is_all {
            command.args.push("--".to_owned());
            command.args.extend(names.iter().cloned());
        }
        Ok(command)
    }

    /// Whether it went well: what it says of restarts and of repositories that were left out does not count.
    fn judge(&self, output: &Output) -> Result<(), Failure> {
        const GOOD: [i32; 4] = [0, 102, 103, 106];
        const SCRIPT_FAILED: i32 = 107;
        if !output.timed_out
            && (GOOD.contains(&output.status)
                || (self.skip_post_errors && output.status == SCRIPT_FAILED))
        {
            return Ok(());
        }
        let text = output.stdout_text();
        let errors = messages(&text);
        if errors.is_empty() {
            return Err(tool::failure(output, "Zypper run command failed: "));
        }
        let prefix = if self.simple_errors { "" } else { "Zypper run command failed: " };
        let failure = Failure::new(format!("{prefix}{}", errors.join("\n")));
        Err(failure
            .with("rc", output.status)
            .with("stdout", text)
            .with("stderr", output.stderr_text()))
    }
}

fn has_version(name: &str) -> bool {
    name.contains(['<', '>', '='])
}

fn is_file(name: &str) -> bool {
    let is_rpm = std::path::Path::new(name).extension().is_some_and(|end| end == "rpm");
    is_rpm || name.contains("://")
}

fn options(text: Option<&str>) -> Result<Vec<String>, Failure> {
    let text = text.unwrap_or_default();
    shlex::split(text)
        .ok_or_else(|| Failure::new(format!("a quote does not end in the options: {text}")))
}

/// What goes and what comes, by the summary of a trial: `<to-install><solvable name=... edition=.../>...`.
fn solvables(text: &str) -> (Vec<String>, Vec<String>) {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let mut section = "";
    for tag in text.split('<').skip(1) {
        if let Some(name) = tag.strip_prefix("to-") {
            section = name.split('>').next().unwrap_or_default();
        } else if tag.starts_with("/to-") {
            section = "";
        } else if tag.starts_with("solvable ") && !section.is_empty() {
            let name = attribute(tag, "name").unwrap_or_default();
            let shown = |key: &str| Some(format!("{name}-{}", attribute(tag, key)?));
            if section == "remove" {
                before.push(shown("edition").unwrap_or_else(|| name.to_owned()));
            } else {
                before.extend(shown("edition-old"));
                after.push(shown("edition").unwrap_or_else(|| name.to_owned()));
            }
        }
    }
    (before, after)
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split_once(&format!(" {name}=\""))?.1.split('"').next()
}

/// The errors among the messages.
fn messages(text: &str) -> Vec<String> {
    let errors = text.split("<message type=\"error\">").skip(1);
    const ENTITIES: [(&str, &str); 5] =
        [("&lt;", "<"), ("&gt;", ">"), ("&apos;", "'"), ("&quot;", "\""), ("&amp;", "&")];
    let unescaped = |text: &str| {
        ENTITIES.iter().fold(text.to_owned(), |text, (entity, letter)| text.replace(entity, letter))
    };
    errors.filter_map(|rest| rest.split("</message>").next()).map(unescaped).collect()
}
