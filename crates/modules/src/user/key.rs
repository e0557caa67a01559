//! An SSH key for an account. It is made in a private directory and put in place from there, so that nothing in the
//! account's home can lead it astray; the passphrase goes through the environment of `ssh-keygen`.

use std::path::{Path, PathBuf};

use model::{Args, Secret};
use system::{Account, Attributes, Command, Probe, System, WriteFile};

use super::User;
use crate::contract::Failure;
use crate::tool;

/// Of a key file.
const LIMIT: u64 = 1 << 20;
const PASSPHRASE: &str = "MUSTER_SSH_KEY_PASSPHRASE";

/// Where the key is to be.
fn path(user: &User, account: &Account) -> PathBuf {
    let home = user.home.as_deref().unwrap_or(&account.home);
    match &user.ssh_key_file {
        Some(file) => home.join(file),
        None => home.join(format!(".ssh/id_{}", user.ssh_key_type)),
    }
}

fn public_path(private: &Path) -> PathBuf {
    let mut name = private.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

pub(super) fn is_needed(user: &User, account: &Account, host: &dyn Probe) -> Result<bool, Failure> {
    if !user.generate_ssh_key {
        return Ok(false);
    }
    let path = path(user, account);
    let is_needed = user.force || host.stat(&path, true)?.is_none();
    if is_needed {
        keep_public_key(user, &path, host)?;
    }
    Ok(is_needed)
}

/// What lies where the public key goes is overwritten only with `force`.
fn keep_public_key(user: &User, path: &Path, host: &dyn Probe) -> Result<(), Failure> {
    let public = public_path(path);
    if user.force || host.stat(&public, false)?.is_none() {
        return Ok(());
    }
    let public = public.display();
    Err(Failure::new(format!(
        "Public key {public} exists, but there is no private key; use force to overwrite it"
    )))
}

/// Makes the key.
pub(super) fn generate(user: &User, account: &Account, host: &dyn System) -> Result<(), Failure> {
    let path = path(user, account);
    keep_public_key(user, &path, host)?;
    let folder = path
        .parent()
        .ok_or_else(|| Failure::new(format!("ssh_key_file {} has no directory", path.display())))?;
    let made = host.scratch()?.join("key");
    let command = keygen(user, &made, host)?;
    tool::run(host, &command)?;
    let owner =
        Attributes { uid: Some(account.uid), gid: Some(account.gid), ..Attributes::default() };
    if host.stat(folder, true)?.is_none() {
        host.make_directory(folder, Attributes { mode: Some(0o700), ..owner.clone() })?;
    }
    for (from, to, mode) in
        [(public_path(&made), public_path(&path), 0o644), (made.clone(), path.clone(), 0o600)]
    {
        let bytes = host
            .read(&from, LIMIT)?
            .ok_or_else(|| Failure::new("ssh-keygen succeeded, but made no key"))?;
        let attributes = Attributes { mode: Some(mode), ..owner.clone() };
        let content = &mut bytes.as_slice();
        host.write(WriteFile { path: &to, content, attributes, validate: None, in_place: false })?;
        host.remove(&from)?;
    }
    Ok(())
}

fn keygen(user: &User, made: &Path, host: &dyn System) -> Result<Command, Failure> {
    let comment = user.ssh_key_comment.clone().unwrap_or_else(|| {
        let name = nix::unistd::gethostname().unwrap_or_default();
        format!("ansible-generated on {}", name.to_string_lossy())
    });
    let mut args = vec!["-q", "-t", &user.ssh_key_type, "-C", &comment]
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>();
    if let Some(bits) = user.ssh_key_bits.filter(|bits| *bits > 0) {
        args.extend(["-b".to_owned(), bits.to_string()]);
    }
    args.extend(["-f".to_owned(), made.to_string_lossy().into_owned()]);
    let mut environment = std::collections::BTreeMap::new();
    match &user.ssh_key_passphrase {
        None => args.extend(["-N".to_owned(), String::new()]),
        Some(passphrase) => {
            environment = ask_through_environment(passphrase, host)?;
        }
    }
    let mut command = Command::new("ssh-keygen", args);
    command.environment = environment;
    Ok(command)
}

/// `ssh-keygen` asks this little program for the passphrase, which finds it in its environment.
fn ask_through_environment(
    passphrase: &Secret<String>,
    host: &dyn System,
) -> Result<std::collections::BTreeMap<String, String>, Failure> {
    let program = host.scratch()?.join("ask");
    let script = format!("#!/bin/sh\nprintf '%s\\n' \"${PASSPHRASE}\"\n");
    host.write(WriteFile {
        path: &program,
        content: &mut script.as_bytes(),
        attributes: Attributes { mode: Some(0o700), ..Attributes::default() },
        validate: None,
        in_place: false,
    })?;
    Ok([
        ("SSH_ASKPASS", program.to_string_lossy().into_owned()),
        ("SSH_ASKPASS_REQUIRE", "force".to_owned()),
        ("DISPLAY", ":0".to_owned()),
        (PASSPHRASE, passphrase.reveal().clone()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect())
}

/// Puts the key that is there into the result.
pub(super) fn tell(
    user: &User,
    account: &Account,
    host: &dyn Probe,
    result: &mut Args,
) -> Result<(), Failure> {
    let path = path(user, account);
    let file = path.to_string_lossy().into_owned();
    let public = host.read(&public_path(&path), LIMIT)?.unwrap_or_default();
    let public = String::from_utf8_lossy(&public).trim().to_owned();
    let command = Command::new("ssh-keygen", ["-l", "-f", &file]);
    let fingerprint = host.query(&command)?;
    let fingerprint = if fingerprint.is_success() {
        fingerprint.stdout_text().trim().to_owned()
    } else {
        fingerprint.stderr_text().trim().to_owned()
    };
    result.insert("ssh_key_file".to_owned(), file.into());
    result.insert("ssh_public_key".to_owned(), public.into());
    result.insert("ssh_fingerprint".to_owned(), fingerprint.into());
    Ok(())
}
