//! A job on its way to a controller: project, command line, environment and secrets.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::Path;

use model::Digest;
use proto::v1::{PutBlobRequest, RunKind, StartRunRequest};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{Remote, refused};
use crate::archive;
use crate::bundle::Packer;
use crate::cli::{self, Passwords};
use crate::error::CliError;
use crate::job::Job;
use crate::passwords as keys;
use crate::settings::{Environment, Settings};
use crate::terminal;

/// Bytes of a piece of an upload.
const PIECE: usize = 256 << 10;

/// Of the environment, a controller gets what begins with these...
const SENT: [&str; 2] = ["ANSIBLE_", "MUSTER_"];

/// ... but for what is about this machine.
const KEPT: [&str; 5] =
    ["MUSTER_STATE_DIR", "MUSTER_CONTROLLER", "MUSTER_IDENTITY", "MUSTER_LOG", "ANSIBLE_CONFIG"];

impl Remote {
    /// Uploads the job's project, and says what is to be run.
    pub(super) async fn request(
        &mut self,
        job: &Job,
        settings: &Settings,
        passwords: Passwords,
        environment: &Environment,
    ) -> Result<StartRunRequest, CliError> {
        if let Job::Playbook(args) = job
            && let Some(path) = args.playbooks.iter().find(|path| !path.is_file())
        {
            let path = path.display();
            return Err(CliError::failed(format!("the playbook: {path} could not be found")));
        }
        let archive = pack(job, settings)?;
        let bundle = self.upload(archive).await?;
        let directory = std::env::current_dir()?;
        let directory = directory.strip_prefix("/").unwrap_or(&directory);
        let secret =
            |secret: Option<model::Secret<String>>| secret.map(|secret| secret.reveal().clone());
        let secrets =
            [("connection", secret(passwords.connection)), ("become", secret(passwords.r#become))];
        Ok(StartRunRequest {
            kind: match job {
                Job::Playbook(_) => RunKind::Playbook,
                Job::AdHoc(..) => RunKind::AdHoc,
            }
            .into(),
            arguments: cli::words()
                .into_iter()
                .map(|word| word.to_string_lossy().into_owned())
                .collect(),
            bundle: bundle.0.to_vec(),
            directory: directory.to_string_lossy().into_owned(),
            environment: sent(environment, settings),
            secrets: secrets
                .into_iter()
                .filter_map(|(name, secret)| Some((name.to_owned(), secret?)))
                .chain(keys::send(&passwords.vault))
                .collect(),
            caller: archive::caller(),
        })
    }

    async fn upload(&mut self, mut archive: File) -> Result<Digest, CliError> {
        let (digest, size) = measure(&mut archive)?;
        let (pieces, stream) = mpsc::channel(4);
        let reading = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
            let mut is_first = true;
            loop {
                let mut data = Vec::with_capacity(PIECE);
                (&mut archive).take(PIECE as u64).read_to_end(&mut data)?;
                if data.is_empty() && !is_first {
                    return Ok(());
                }
                let (digest, size) =
                    if is_first { (digest.0.to_vec(), size) } else { (Vec::new(), 0) };
                is_first = false;
                // The controller does not want more: its answer says why.
                if pieces.blocking_send(PutBlobRequest { digest, size, data }).is_err() {
                    return Ok(());
                }
            }
        });
        self.client
            .put_blob(ReceiverStream::new(stream))
            .await
            .map_err(|status| refused(&status))?;
        reading.await.map_err(CliError::failed)??;
        Ok(digest)
    }
}

/// Digest and size of a file; it is at its beginning afterwards.
fn measure(archive: &mut File) -> std::io::Result<(Digest, u64)> {
    archive.rewind()?;
    let (mut hash, mut size) = (Sha256::new(), 0);
    let mut piece = vec![0; PIECE];
    loop {
        let length = archive.read(&mut piece)?;
        if length == 0 {
            break;
        }
        hash.update(&piece[..length]);
        size += length as u64;
    }
    archive.rewind()?;
    Ok((Digest(hash.finalize().into()), size))
}

/// Packs the project into a file that has no name.
fn pack(job: &Job, settings: &Settings) -> Result<File, CliError> {
    let mut packer = Packer::default();
    // The working directory exists on the other side too, whatever is in it.
    for path in job.project(settings) {
        packer.add(&path).map_err(CliError::failed)?;
    }
    for warning in &packer.warnings {
        terminal::complain("WARNING", warning);
    }
    let mut file = tempfile::tempfile()?;
    packer.write(&mut file).map_err(CliError::failed)?;
    Ok(file)
}

/// The variables that a controller gets, with what this machine's configuration adds.
fn sent(environment: &Environment, settings: &Settings) -> BTreeMap<String, String> {
    let mut sent: BTreeMap<String, String> = environment
        .iter()
        .filter(|(name, _)| SENT.iter().any(|prefix| name.starts_with(prefix)))
        .filter(|(name, _)| !KEPT.contains(&name.as_str()) && !name.contains("PASS"))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if let Some(config) = &settings.config {
        sent.insert("ANSIBLE_CONFIG".to_owned(), absolute(config));
    }
    if !settings.inventory.is_empty() {
        let sources = settings.inventory.iter().map(|source| {
            if source.contains(',') { source.clone() } else { absolute(Path::new(source)) }
        });
        sent.insert("MUSTER_INVENTORY".to_owned(), sources.collect::<Vec<_>>().join(","));
    }
    sent
}

/// As the bundle names it: without links in its directories.
fn absolute(path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    path.to_string_lossy().into_owned()
}
