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
use crate::settings::Settings;

/// A project that can be run.
pub(crate) struct Project {
    /// For the list of runs.
    pub(crate) title: String,
    pub(crate) content: Content,
    /// Its files, as long as the run may read them.
    pub(crate) directory: TempDir,
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
    let environment: BTreeMap<String, String> = request.environment.into_iter().collect();
    let settings = Settings::of_project(&environment, &base, root)?;
    let mut secrets = request.secrets;
    let mut take = |name| secrets.remove(name).map(Secret::new);
    let passwords = Passwords { connection: take("connection"), r#become: take("become") };
    // A list of hosts has a comma in it, also when there is only one.
    let everybody: String = agents.iter().map(|name| format!("{name},")).collect();
    let content = job.load(Surroundings {
        settings: &settings,
        passwords,
        base: &base,
        root,
        default_inventory: if agents.is_empty() { &[] } else { std::slice::from_ref(&everybody) },
    })?;
    Ok(Project { title: job.title(), content, directory })
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
