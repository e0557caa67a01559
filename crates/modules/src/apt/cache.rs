//! The lists of packages: how old they are, and fetching them.

use std::path::Path;
use std::time::{Duration, SystemTime};

use model::Args;
use system::{Command, Probe, System};

use super::Apt;
use super::command::quiet;
use crate::contract::Failure;
use crate::tool;

/// When the lists were fetched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Age(SystemTime);

impl Age {
    pub(super) fn read(host: &dyn Probe) -> Result<Self, Failure> {
        for path in ["/var/lib/apt/periodic/update-success-stamp", "/var/lib/apt/lists"] {
            if let Some(stat) = host.stat(Path::new(path), true)? {
                return Ok(Self(stat.modified));
            }
        }
        Ok(Self(SystemTime::UNIX_EPOCH))
    }

    /// Whether they are to be fetched: always when asked for, but for those younger than `cache_valid_time`.
    pub(super) fn needs_update(self, apt: &Apt, host: &dyn Probe) -> bool {
        let is_asked = apt.update_cache.unwrap_or(apt.cache_valid_time > 0);
        let age = host.now().duration_since(self.0).unwrap_or_default();
        is_asked && age >= Duration::from_secs(apt.cache_valid_time)
    }

    pub(super) fn tell(self, updated: bool, result: &mut Args) {
        let seconds = self.0.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        result.insert("cache_updated".to_owned(), updated.into());
        result.insert("cache_update_time".to_owned(), seconds.into());
    }
}

/// Whether packages lie in apt's cache.
pub(super) fn has_archives(host: &dyn Probe) -> Result<bool, Failure> {
    let folder = Path::new("/var/cache/apt/archives");
    if host.stat(folder, true)?.is_none() {
        return Ok(false);
    }
    Ok(host.list(folder)?.iter().any(|name| name.as_encoded_bytes().ends_with(b".deb")))
}

/// Fetches the lists, several times when a server or a lock is in the way.
pub(super) fn update(apt: &Apt, host: &dyn System) -> Result<(), Failure> {
    let timeout = format!("DPkg::Lock::Timeout={}", apt.lock_timeout);
    let args = ["-o", &timeout, "-o", "APT::Update::Error-Mode=any", "update"];
    let command = quiet(Command::new("apt-get", args));
    retry(apt.update_cache_retries, apt.update_cache_retry_max_delay, host, || {
        tool::run(host, &command).map(drop)
    })
}

/// Tries something several times, with pauses that grow up to a limit in seconds.
pub(crate) fn retry(
    tries: u32,
    max_delay: u64,
    host: &dyn System,
    mut attempt: impl FnMut() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let tries = tries.max(1);
    let mut count = 1;
    loop {
        match attempt() {
            Ok(()) => return Ok(()),
            Err(mut failure) if count >= tries => {
                failure.message =
                    format!("Failed to update apt cache after {tries} tries: {}", failure.message);
                return Err(failure);
            }
            Err(_) => {}
        }
        let pause = 2_u64.saturating_pow(count.min(16)).min(max_delay);
        host.sleep(Duration::from_secs(pause))?;
        count += 1;
    }
}
