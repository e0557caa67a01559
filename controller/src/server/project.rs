//! What a caller wants to run: the words of a command line and a bundle of files, unpacked and read.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Component, Path};
use std::sync::Arc;

use links::BlobDirectory;
use model::{Digest, HostName, Secret};
use proto::v1::StartRunRequest;
use tempfile::TempDir;

use crate::bundle;
use crate::cli::Passwords;
use crate::content::Content;
use crate::error::CliError;
use crate::job::{Job, Surroundings};
use crate::passwords;
use crate::settings::Settings;

/// A project that can be run.
pub(crate) struct Project {
    /// For the list of runs.
    pub(crate) title: String,
    pub(crate) content: Content,
    pub(crate) names: FileNames,
    /// Its files, as long as the run may read them.
    pub(crate) directory: TempDir,
}

/// The names that the caller's machine has for the files of an unpacked project.
#[derive(Debug, Clone)]
pub(crate) struct FileNames {
    /// Before a path that the caller wrote relative to the working directory.
    base: String,
    /// Before an absolute one.
    root: String,
}

impl FileNames {
    fn new(base: &Path, root: &Path) -> Self {
        Self { base: format!("{}/", base.display()), root: format!("{}/", root.display()) }
    }

    /// Puts them into a text.
    pub(crate) fn restore(&self, text: &mut String) {
        if text.contains(&self.root) {
            *text = text.replace(&self.base, "").replace(&self.root, "/");
        }
    }
}

/// Unpacks and reads a project below `work`. Blocks: not for an async thread.
pub(crate) fn open(
    request: StartRunRequest,
    blobs: &Arc<BlobDirectory>,
    work: &Path,
    agents: &[HostName],
) -> Result<Project, CliError> {
    let job = Job::parse(&request.arguments)?;
    let directory = tempfile::Builder::new().prefix("run-").tempdir_in(work)?;
    let root = directory.path();
    if !request.bundle.is_empty() {
        let archive = blob(&request.bundle, blobs)?;
        bundle::unpack(archive, root).map_err(CliError::failed)?;
    }
    let inside = Path::new(&request.directory);
    if !inside.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        let message = format!("`{}` is not a directory inside the bundle", request.directory);
        return Err(CliError::options(message));
    }
    let base = root.join(inside);
    // The caller's working directory may hold nothing that was sent.
    fs::create_dir_all(&base)?;
    let names = FileNames::new(&base, root);
    let around = Place { environment: request.environment, secrets: request.secrets, agents };
    let content = around.read(&job, &base, root).map_err(|error| {
        let mut text = error.render(yaml::Style::Plain);
        names.restore(&mut text);
        CliError::new(error.kind(), text)
    })?;
    Ok(Project { title: job.title(), content, names, directory })
}

/// What a caller sends besides files and words.
struct Place<'a> {
    environment: BTreeMap<String, String>,
    secrets: BTreeMap<String, String>,
    agents: &'a [HostName],
}

impl Place<'_> {
    fn read(mut self, job: &Job, base: &Path, root: &Path) -> Result<Content, CliError> {
        let settings = Settings::of_project(&self.environment, base, root)?;
        let vault = passwords::receive(&self.secrets, &settings.vault);
        let mut take = |name| self.secrets.remove(name).map(Secret::new);
        let passwords =
            Passwords { connection: take("connection"), r#become: take("become"), vault };
        // A list of hosts has a comma in it, also when there is only one.
        let everybody: String = self.agents.iter().flat_map(|name| [name.as_str(), ","]).collect();
        let everybody = Some(everybody).filter(|names| !names.is_empty());
        job.load(Surroundings {
            settings: &settings,
            passwords,
            base,
            root,
            default_inventory: everybody.as_slice(),
        })
    }
}

fn blob(digest: &[u8], blobs: &BlobDirectory) -> Result<File, CliError> {
    let digest = digest
        .try_into()
        .map(Digest)
        .map_err(|_| CliError::options("`bundle` is not a SHA-256 digest (32 bytes)"))?;
    let path = blobs.find(digest).ok_or_else(|| {
        CliError::failed(format!("there is no blob {digest} here; upload it before the run"))
    })?;
    Ok(File::open(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_the_names_of_the_callers_machine() {
        let root = Path::new("/state/work/run-1");
        let names = FileNames::new(&root.join("home/me"), root);
        for (text, expected) in [
            ("/state/work/run-1/home/me/site.yml:3: no", "site.yml:3: no"),
            ("in /state/work/run-1/etc/hosts and more", "in /etc/hosts and more"),
            ("/etc/hosts", "/etc/hosts"),
        ] {
            let mut text = text.to_owned();
            names.restore(&mut text);
            assert_eq!(text, expected);
        }
    }
}
