//! Background jobs (`async`): a step in a process of its own that outlives this one. What came of it is a file, which the
//! module `async_status` reads.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use model::{Args, Digest, Outcome, Step};
use nix::unistd::{Uid, User, getpid, setsid};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use system::BlobSource;

use crate::attempt::{Runner, attempt};
use crate::frame::{self, Order, PlainStep};
use crate::{Cancel, Manner, python};

/// The module that starts a job: `module` with `args`, for at most `limit` seconds, its result in `directory`.
pub(crate) const MODULE: &str = "async_wrapper";

#[derive(Deserialize)]
struct Wanted {
    module: String,
    args: Args,
    limit: u64,
    directory: String,
}

/// Where a job leaves its result, and under which name.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    id: String,
    file: PathBuf,
}

/// Starts the job that a step describes, and does not wait for it.
pub(crate) fn start(step: &Step, blobs: &dyn BlobSource) -> Outcome {
    let wanted = Value::Object(step.args.clone());
    match serde_json::from_value(wanted) {
        Ok(wanted) => try_start(step, wanted, blobs).map_or_else(
            |error| Outcome::failed(format!("cannot start a job: {error}")),
            Outcome::changed,
        ),
        Err(error) => Outcome::failed(format!("{MODULE}: {error}")),
    }
}

fn try_start(step: &Step, wanted: Wanted, blobs: &dyn BlobSource) -> io::Result<Args> {
    let (blob, content) = carried(&wanted.args, blobs)?;
    let directory = expand_home(&wanted.directory);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
    let id = new_id();
    let job = Job { file: directory.join(&id), id: id.clone() };
    let file = job.file.display().to_string();
    save(&job, status(&job, false))?;
    let mut args = wanted.args;
    if wanted.module == python::MODULE {
        args.insert(python::KEEP_STDERR.into(), true.into());
    }
    let inner = Step {
        id: step.id,
        module: wanted.module,
        args,
        mode: step.mode,
        run_as: None,
        environment: step.environment.clone(),
        timeout: Some(Duration::from_secs(wanted.limit)),
        no_log: step.no_log,
    };
    let mut child = Command::new("/proc/self/exe")
        .arg(crate::WORKER)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut orders = child.stdin.take().expect("its standard input is a pipe");
    let order = Order::Keep { step: Box::new(PlainStep::from(&inner)), job, blob };
    frame::write(&mut orders, &order, &content)?;
    drop(orders);
    std::thread::spawn(move || child.wait());
    let mut result = Args::new();
    result.insert("ansible_job_id".into(), id.into());
    result.insert("started".into(), true.into());
    result.insert("finished".into(), false.into());
    result.insert("results_file".into(), file.into());
    Ok(result)
}

/// The content that a step will ask for: a job has no way back to the controller, so it takes it along.
fn carried(args: &Args, blobs: &dyn BlobSource) -> io::Result<(Option<Digest>, Vec<u8>)> {
    let mut content = Vec::new();
    let Some(named) = args.get("_blob") else { return Ok((None, content)) };
    let digest: Digest = serde_json::from_value(named.clone())?;
    blobs.open(digest).map_err(io::Error::other)?.read_to_end(&mut content)?;
    Ok((Some(digest), content))
}

/// The other end: carries the job out, in a session of its own so that nothing that ends with its starter ends it.
pub(crate) fn keep(
    step: &Step,
    job: &Job,
    (blob, content): (Option<Digest>, Vec<u8>),
    runner: &Arc<Runner>,
) -> ExitCode {
    // A process that leads its group already has left its starter's session.
    let _ = setsid();
    let blobs: Arc<dyn BlobSource> = Arc::new(Carried { blob, content });
    let ignore = |_, _| {};
    let outcome = attempt(runner, step, Manner::New, &blobs, &Cancel::default(), &ignore);
    let mut result = outcome.to_args();
    if outcome.is_failed() && result.contains_key("timedout") {
        result = Args::new();
        result.insert("failed".into(), true.into());
        result.insert("changed".into(), false.into());
        result.insert("msg".into(), "Timeout exceeded".into());
        result.insert("child_pid".into(), getpid().as_raw().into());
    }
    result.extend(status(job, true));
    match save(job, result) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn status(job: &Job, finished: bool) -> Args {
    let mut status = Args::new();
    status.insert("ansible_job_id".into(), job.id.clone().into());
    status.insert("started".into(), true.into());
    status.insert("finished".into(), finished.into());
    status
}

/// The file is the old or the new one, never a part.
fn save(job: &Job, result: Args) -> io::Result<()> {
    let part = job.file.with_extension("tmp");
    let open = fs::File::options().write(true).create_new(true).mode(0o600).open(&part)?;
    serde_json::to_writer(&open, &Value::Object(result))?;
    open.sync_all()?;
    fs::rename(&part, &job.file)
}

/// As Ansible's look: a `j`, digits, and a process's number.
fn new_id() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    let random = RandomState::new().hash_one(std::time::SystemTime::now());
    format!("j{}.{}", random % 1_000_000_000_000, getpid())
}

fn expand_home(path: &str) -> PathBuf {
    let home = || User::from_uid(Uid::effective()).ok().flatten().map(|user| user.dir);
    match path.strip_prefix("~/") {
        Some(rest) => home().unwrap_or_else(|| Path::new("/").to_owned()).join(rest),
        None => PathBuf::from(path),
    }
}

/// What the job took along.
struct Carried {
    blob: Option<Digest>,
    content: Vec<u8>,
}

impl BlobSource for Carried {
    fn open(&self, digest: Digest) -> system::Result<Box<dyn io::Read + Send>> {
        if self.blob == Some(digest) {
            return Ok(Box::new(io::Cursor::new(self.content.clone())));
        }
        Err(system::Error::Refused(
            "a job in the background has no way to contents of the controller".to_owned(),
        ))
    }
}
