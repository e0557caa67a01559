//! Repositories inside of the copy.

use std::path::Path;

use system::{Probe, System};

use super::refs::Refs;
use super::{Git, run, succeeded};
use crate::contract::Failure;

impl Git {
    fn has_submodules(&self, host: &dyn Probe) -> Result<bool, Failure> {
        let Some(dest) = self.dest.as_ref().filter(|_| !self.bare) else { return Ok(false) };
        Ok(host.stat(&dest.join(".gitmodules"), true)?.is_some())
    }

    /// Whether some are not at the commits where they shall be.
    pub(super) fn has_stale_submodules(&self, host: &dyn Probe) -> Result<bool, Failure> {
        if !self.has_submodules(host)? {
            return Ok(false);
        }
        let output = host.query(&self.within(["submodule", "status", "--recursive"])?)?;
        let status = succeeded(&output, "")?;
        if !self.track_submodules {
            return Ok(status.lines().any(|line| line.starts_with(['-', '+', 'U'])));
        }
        if status.lines().any(|line| line.starts_with(['-', 'U'])) {
            return Ok(true);
        }
        let urls =
            host.query(&self.within(["config", "--get-regexp", r"^submodule\..*\.url$"])?)?;
        for line in urls.stdout_text().lines() {
            let Some((key, url)) = line.split_once(' ') else { continue };
            let name = key.trim_start_matches("submodule.").trim_end_matches(".url");
            if self.is_behind(name, url, host)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a submodule is not at the newest commit of its branch.
    fn is_behind(&self, name: &str, url: &str, host: &dyn Probe) -> Result<bool, Failure> {
        let of = |field: &str| -> Result<Option<String>, Failure> {
            let key = format!("submodule.{name}.{field}");
            let output = host.query(&self.within(["config", "-f", ".gitmodules", &key])?)?;
            Ok(output.is_success().then(|| output.stdout_text().trim().to_owned()))
        };
        let Some(path) = of("path")? else { return Ok(false) };
        let branch = of("branch")?.unwrap_or_else(|| "HEAD".to_owned());
        let mut head = self.within(["rev-parse", "HEAD"])?;
        head.directory = head.directory.map(|dest| dest.join(Path::new(&path)));
        let head = succeeded(&host.query(&head)?, "")?;
        let listed = host.query(&self.within(["ls-remote", "--symref", "--", url])?)?;
        let newest = Refs::parse(&succeeded(&listed, "")?).find(&branch).commit;
        Ok(newest.is_some_and(|newest| newest != head.trim()))
    }

    pub(super) fn update_submodules(&self, host: &dyn System) -> Result<(), Failure> {
        if !self.has_submodules(host)? {
            return Ok(());
        }
        run(host, &self.within(["submodule", "sync", "--recursive"])?)?;
        let mut update =
            self.within(["submodule", "update", "--init", "--recursive", "--force"])?;
        if self.track_submodules {
            update.args.push("--remote".to_owned());
        }
        run(host, &update)
    }
}
