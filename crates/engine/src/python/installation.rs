//! Where this controller has ansible-core, if anywhere: its `module_utils` go along with modules that import them. It is
//! looked for where Python keeps packages; no Python is started for that.

use std::fs;
use std::path::{Path, PathBuf};

/// An ansible-core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Installation {
    /// The directory with the packages `ansible` and perhaps `ansible_collections`.
    pub(super) packages: PathBuf,
    pub(super) version: String,
}

/// What tells where to look.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    pub(super) path: Vec<PathBuf>,
    pub(super) python_path: Vec<PathBuf>,
    pub(super) virtual_env: Option<PathBuf>,
    pub(super) home: Option<PathBuf>,
    /// The root of the system's own places; `/` but in tests.
    pub(super) root: PathBuf,
}

impl Surroundings {
    /// Those of this process.
    pub(super) fn of_process() -> Self {
        let list = |name: &str| {
            std::env::var_os(name)
                .map(|value| std::env::split_paths(&value).collect())
                .unwrap_or_default()
        };
        let path = |name: &str| std::env::var_os(name).map(PathBuf::from);
        Self {
            path: list("PATH"),
            python_path: list("PYTHONPATH"),
            virtual_env: path("VIRTUAL_ENV"),
            home: path("HOME"),
            root: "/".into(),
        }
    }

    /// The ansible-core that a person's own commands would use.
    pub(super) fn find(&self) -> Option<Installation> {
        self.places().find_map(|packages| {
            let is_one = packages.join("ansible/module_utils/basic.py").is_file();
            is_one.then(|| Installation { version: version(&packages), packages })
        })
    }

    fn places(&self) -> impl Iterator<Item = PathBuf> + '_ {
        let interpreters = self.path.iter().flat_map(|directory| {
            ["ansible-playbook", "ansible"]
                .into_iter()
                .filter_map(|name| python_of(&directory.join(name)))
        });
        let pythons = self.path.iter().map(|directory| directory.join("python3"));
        let prefixes = interpreters.chain(pythons.filter(|python| python.exists()));
        let by_program = prefixes.filter_map(|python| Some(python.parent()?.parent()?.to_owned()));
        let below_home = self.home.iter().flat_map(|home| {
            let tools = [".local/pipx/venvs", ".local/share/pipx/venvs", ".local/share/uv/tools"];
            let environments = tools.map(|tool| home.join(tool));
            let named = environments.into_iter().flat_map(|tool| children(&tool, "ansible"));
            std::iter::once(home.join(".local")).chain(named)
        });
        let system = [self.root.join("usr/local"), self.root.join("usr")];
        let prefixes =
            self.virtual_env.iter().cloned().chain(by_program).chain(below_home).chain(system);
        self.python_path.iter().cloned().chain(prefixes.flat_map(|prefix| packages_of(&prefix)))
    }
}

/// The interpreter that a script names in its first line.
fn python_of(script: &Path) -> Option<PathBuf> {
    use std::io::Read as _;
    const LINE: u64 = 1024;
    let mut start = Vec::new();
    fs::File::open(script).ok()?.take(LINE).read_to_end(&mut start).ok()?;
    let start = String::from_utf8_lossy(&start);
    let program =
        PathBuf::from(start.lines().next()?.strip_prefix("#!")?.split_whitespace().next()?);
    let name = program.file_name()?.to_string_lossy().into_owned();
    name.starts_with("python").then_some(program)
}

/// Where the Pythons below a prefix keep packages.
fn packages_of(prefix: &Path) -> Vec<PathBuf> {
    let versions = children(&prefix.join("lib"), "python3");
    versions
        .into_iter()
        .flat_map(|python| ["site-packages", "dist-packages"].map(|name| python.join(name)))
        .collect()
}

/// The entries of a directory whose names begin so, the last first.
fn children(directory: &Path, start: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(start))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found.reverse();
    found
}

fn version(packages: &Path) -> String {
    let text = fs::read_to_string(packages.join("ansible/release.py")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("__version__"));
    let quoted = line.map(|rest| rest.trim_matches(|c: char| " ='\"".contains(c)).to_owned());
    quoted.unwrap_or_else(|| super::VERSION.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_by_the_script_that_would_run() {
        let home = tempfile::tempdir().expect("made");
        let root = home.path();
        let packages = root.join("venv/lib/python3.11/site-packages");
        fs::create_dir_all(packages.join("ansible/module_utils")).expect("made");
        fs::write(packages.join("ansible/module_utils/basic.py"), "").expect("written");
        fs::write(packages.join("ansible/release.py"), "__version__ = '2.17.3'\n")
            .expect("written");
        fs::create_dir_all(root.join("bin")).expect("made");
        let script = format!("#!{}/venv/bin/python3 -I\nimport x\n", root.display());
        fs::write(root.join("bin/ansible-playbook"), script).expect("written");
        let bare = Surroundings { root: root.join("none"), ..Surroundings::default() };
        assert_eq!(bare.find(), None);
        let found = Installation { packages, version: "2.17.3".to_owned() };
        let by_script = Surroundings { path: vec![root.join("bin")], ..bare };
        assert_eq!(by_script.find(), Some(found.clone()));
        let by_environment = Surroundings {
            virtual_env: Some(root.join("venv")),
            root: root.join("none"),
            ..Surroundings::default()
        };
        assert_eq!(by_environment.find(), Some(found));
    }

    #[test]
    fn our_own_command_of_that_name_leads_nowhere() {
        let home = tempfile::tempdir().expect("made");
        fs::write(home.path().join("ansible-playbook"), b"\x7fELF\0\xff").expect("written");
        fs::write(home.path().join("ansible"), "#!/bin/sh\nexec muster\n").expect("written");
        for name in ["ansible-playbook", "ansible", "none"] {
            assert_eq!(python_of(&home.path().join(name)), None);
        }
    }
}
