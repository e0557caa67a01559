//! `copy`: the controller's half. Finds the content, names it by digest, and sends one step for each file and directory.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use jinja::{SearchKind, Value};
use model::{Args, Outcome, Verdict};

use super::{Attempt, Call, Draft, Effect, Prepared, failure, io_failure};

/// Contents up to this size travel inside the step; larger ones are fetched by the host when it needs them.
const INLINE: usize = 16 * 1024;

pub(super) fn run(call: &Call<'_>) -> Attempt<Prepared> {
    let mut args = call.json_args()?;
    let content = call.args.get("content").filter(|content| !content.is_none());
    let src = call.text("src").filter(|src| !src.is_empty());
    let dest = call.text("dest").filter(|dest| !dest.is_empty());
    if content.is_some() && call.args.contains_key("src") {
        return Err(failure("src and content are mutually exclusive"));
    }
    if content.is_some() && dest.as_ref().is_some_and(|dest| dest.ends_with('/')) {
        return Err(failure("can not use content with a dir as dest"));
    }
    if content.is_none() && src.is_none() {
        return Err(failure("src (or content) is required"));
    }
    if dest.is_none() {
        return Err(failure("dest is required"));
    }
    if let Some(content) = content {
        let text = content_text(content)?;
        args.shift_remove("content");
        add_content(call, &mut args, text.as_bytes())?;
        return Ok(super::module(args, "copy"));
    }
    let src = src.unwrap_or_default();
    if call.flag("remote_src", false)? {
        return Ok(super::module(args, "copy"));
    }
    let path = call.find(SearchKind::Files, &src)?;
    if path.is_dir() {
        return tree(call, &path, src.ends_with('/'));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    args.insert("_original_basename".into(), name.into());
    add_file(call, &mut args, &path)?;
    Ok(super::module(args, "copy"))
}

/// Text as it is; anything else as JSON, as Ansible does.
fn content_text(content: &Value) -> Attempt<String> {
    if content.as_dict().is_some() || content.as_list().is_some() {
        return Ok(content.to_json()?.to_string());
    }
    Ok(content.to_string())
}

/// Adds content to the arguments of a `copy` step: small text inside, the rest by digest.
pub(super) fn add_content(call: &Call<'_>, args: &mut Args, bytes: &[u8]) -> Attempt<()> {
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.len() <= INLINE => {
            args.insert("content".into(), text.into());
        }
        _ => {
            let digest = call
                .world
                .blobs
                .add(bytes)
                .map_err(|error| failure(format!("cannot keep the content: {error}")))?;
            args.insert("_blob".into(), digest.to_string().into());
            args.insert("_size".into(), bytes.len().into());
        }
    }
    Ok(())
}

/// Adds a file of the controller to the arguments of a `copy` step.
pub(super) fn add_file(call: &Call<'_>, args: &mut Args, path: &Path) -> Attempt<()> {
    if args.get("mode").and_then(|mode| mode.as_str()) == Some("preserve") {
        args.insert("mode".into(), mode_of(path)?.into());
    }
    let kept = if call.flag("decrypt", true)? && is_encrypted(path)? {
        let (content, _) = call.read(path)?;
        call.world.blobs.add(&content).map(|digest| (digest, content.len() as u64))
    } else {
        call.world.blobs.add_file(path)
    };
    let (digest, size) = kept.map_err(|error| io_failure("read", path, &error))?;
    args.insert("_blob".into(), digest.to_string().into());
    args.insert("_size".into(), size.into());
    Ok(())
}

/// Whether a file begins as a vault does; most are large, and none.
fn is_encrypted(path: &Path) -> Attempt<bool> {
    let mut start = Vec::new();
    let read = jinja::open_regular(path).and_then(|file| file.take(16).read_to_end(&mut start));
    read.map_err(|error| io_failure("read", path, &error))?;
    Ok(vault::is_encrypted(&start))
}

/// The permission bits of a file, as `mode` takes them.
pub(super) fn mode_of(path: &Path) -> Attempt<String> {
    let metadata = std::fs::metadata(path).map_err(|error| io_failure("stat", path, &error))?;
    Ok(format!("{:04o}", metadata.permissions().mode() & 0o7777))
}

/// A directory: one `file` step for each directory in it, one `copy` step for each file.
fn tree(call: &Call<'_>, root: &Path, contents_only: bool) -> Attempt<Prepared> {
    let dest = PathBuf::from(call.required("dest")?);
    let name = root.file_name().filter(|_| !contents_only);
    let base = name.map_or_else(|| dest.clone(), |name| dest.join(name));
    let mut tree = Tree {
        call,
        follow: call.flag("local_follow", true)?,
        above: Vec::new(),
        drafts: Vec::new(),
    };
    tree.add(root, &base)?;
    let (drafts, shown) = (tree.drafts, dest.display().to_string());
    Ok(Prepared::Steps(drafts, Box::new(move |outcomes| join(outcomes, &shown))))
}

/// A directory of the controller that is walked.
struct Tree<'a> {
    call: &'a Call<'a>,
    /// What links lead to is copied, not the links.
    follow: bool,
    /// The directories that the walk is in, as they really are.
    above: Vec<PathBuf>,
    drafts: Vec<Draft>,
}

impl Tree<'_> {
    fn add(&mut self, from: &Path, to: &Path) -> Attempt<()> {
        let mut directory: Args = self.call.json_args()?;
        directory.retain(|name, _| matches!(name.as_str(), "owner" | "group" | "directory_mode"));
        if let Some(mode) = directory.shift_remove("directory_mode") {
            directory.insert("mode".into(), mode);
        }
        directory.insert("path".into(), to.to_string_lossy().into());
        directory.insert("state".into(), "directory".into());
        self.drafts.push(Draft { module: "file".into(), args: directory });
        let entries =
            std::fs::read_dir(from).map_err(|error| io_failure("read directory", from, &error))?;
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        // Files go before directories, as Ansible walks.
        paths.sort_by_cached_key(|path| (path.is_dir(), path.clone()));
        self.above.push(real(from)?);
        for path in paths {
            let target = to.join(path.file_name().unwrap_or_default());
            if self.stays_link(&path)? {
                self.add_link(&path, &target)?;
            } else if path.is_dir() {
                self.add(&path, &target)?;
            } else {
                let mut args = self.call.json_args()?;
                args.retain(|name, _| name != "directory_mode");
                args.insert("dest".into(), target.to_string_lossy().into());
                args.insert("_makes_parents".into(), true.into());
                add_file(self.call, &mut args, &path)?;
                self.drafts.push(Draft { module: "copy".into(), args });
            }
        }
        self.above.pop();
        Ok(())
    }

    /// A link is copied as one when that is wanted, when it leads nowhere, and when it leads back to where the walk is.
    fn stays_link(&self, path: &Path) -> Attempt<bool> {
        if !path.is_symlink() {
            return Ok(false);
        }
        Ok(!self.follow || !path.exists() || self.above.contains(&real(path)?))
    }

    fn add_link(&mut self, path: &Path, to: &Path) -> Attempt<()> {
        let leads_to =
            std::fs::read_link(path).map_err(|error| io_failure("read link", path, &error))?;
        let mut args: Args = self.call.json_args()?;
        args.retain(|name, _| matches!(name.as_str(), "owner" | "group"));
        args.insert("path".into(), to.to_string_lossy().into());
        args.insert("src".into(), leads_to.to_string_lossy().into());
        args.insert("state".into(), "link".into());
        args.insert("follow".into(), false.into());
        // It may lead nowhere, or to what comes later.
        args.insert("force".into(), true.into());
        self.drafts.push(Draft { module: "file".into(), args });
        Ok(())
    }
}

fn real(path: &Path) -> Attempt<PathBuf> {
    path.canonicalize().map_err(|error| io_failure("resolve", path, &error))
}

/// One outcome for the whole directory: the first failure, else changed when any part changed.
fn join(outcomes: Vec<Outcome>, dest: &str) -> (Outcome, Vec<Effect>) {
    let changed = outcomes.iter().any(Outcome::is_changed);
    let diff = outcomes.iter().flat_map(|outcome| outcome.diff.clone()).collect();
    let warnings = outcomes.iter().flat_map(|outcome| outcome.warnings.clone()).collect();
    let verdict = outcomes
        .iter()
        .find(|outcome| outcome.is_failed())
        .map_or(if changed { Verdict::Changed } else { Verdict::Ok }, |failed| {
            failed.verdict.clone()
        });
    let mut result = Args::new();
    result.insert("dest".into(), dest.into());
    (Outcome { verdict, result, diff, warnings }, Vec::new())
}
