//! The ledger's files: one journal a plan, which begins with the plan itself, and the list of forgotten plans.
//!
//! ```text
//! STATE/plans/<plan id>        the plan, then its reports in order: `started` is the intent, `finished` the done
//! STATE/recent                 forgotten plans with the last number of each
//! STATE/quarantine/<plan id>   journals that cannot be read, for people
//! ```
//! Plans hold what their steps need, secrets included: everything here is for the owner only, and goes when the
//! controller has acknowledged the results.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::{DeployPlan, PlanId};
use prost::Message as _;
use proto::{Report, encode_plan, v1};

use super::journal::{Tail, parse, record};
use super::{RECENT_LIMIT, Recovered, Saved, Write};

/// More numbers than one journal ever holds.
const HIDDEN: u64 = 2_000_000;
/// Forgotten plans are written together, after so many at the latest.
const SWEEP: usize = 64;

/// The files of a state directory.
#[derive(Debug)]
pub(crate) struct Disk {
    directory: PathBuf,
    open: HashMap<PlanId, File>,
    forgotten: Vec<(PlanId, u64)>,
    /// The last sweep failed: the next one is tried when there is more to forget.
    is_stuck: bool,
}

impl Disk {
    /// Reads what is there. A directory that is missing and cannot be made is an error of the first plan, not of this.
    pub(crate) fn open(directory: &Path) -> io::Result<(Self, Recovered)> {
        let mut disk = Self {
            directory: directory.to_owned(),
            open: HashMap::new(),
            forgotten: Vec::new(),
            is_stuck: false,
        };
        let mut found = disk.read_recent()?;
        let entries = match fs::read_dir(disk.plans()) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => return Ok((disk, found)),
            Err(error) => return Err(error),
        };
        let mut ids = Vec::new();
        for entry in entries {
            match entry?.file_name().to_string_lossy().parse::<PlanId>() {
                Ok(id) => ids.push(id),
                Err(error) => tracing::warn!("ignoring a file among the plans: {error}"),
            }
        }
        // Ids of later plans sort after those of earlier ones.
        ids.sort_unstable();
        for id in ids {
            disk.read_plan(id, &mut found);
        }
        Ok((disk, found))
    }

    fn plans(&self) -> PathBuf {
        self.directory.join("plans")
    }

    fn read_plan(&mut self, id: PlanId, found: &mut Recovered) {
        let path = self.plans().join(id.to_string());
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) => return self.lose(id, error.to_string(), found),
        };
        let parsed = parse(&bytes);
        let Some((first, rest)) = parsed.records.split_first() else {
            if parsed.tail == Tail::Damaged {
                return self.lose(id, "its first record is damaged".to_owned(), found);
            }
            // It was being written when the agent stopped: nobody was told that it was taken, and nothing began.
            let _ = fs::remove_file(&path);
            return;
        };
        let plan = match read_plan_record(id, first) {
            Ok(plan) => plan,
            Err(reason) => return self.lose(id, reason, found),
        };
        let reports: Result<Vec<Report>, String> = rest.iter().map(|it| read_report(it)).collect();
        let (reports, damage) = match (reports, parsed.tail) {
            (Ok(reports), Tail::Clean) => (reports, None),
            (Ok(reports), Tail::Torn) => (reports, cut(&path, parsed.good as u64)),
            (Ok(reports), Tail::Damaged) => (reports, Some("a record is damaged".to_owned())),
            (Err(reason), _) => (Vec::new(), Some(reason)),
        };
        if damage.is_some() {
            self.put_aside(id, found);
        }
        found.plans.push(Saved { plan: Arc::new(plan), reports, damage });
    }

    fn lose(&mut self, id: PlanId, reason: String, found: &mut Recovered) {
        self.put_aside(id, found);
        found.lost.push((id, reason));
    }

    /// Moves a journal out of the way, and remembers that its plan was there.
    fn put_aside(&mut self, id: PlanId, found: &mut Recovered) {
        found.hidden += HIDDEN;
        self.forgotten.push((id, 0));
        let quarantine = self.directory.join("quarantine");
        let from = self.plans().join(id.to_string());
        let to = quarantine.join(id.to_string());
        tracing::error!("the journal {} is damaged; it is now {}", from.display(), to.display());
        let moved = make_directory(&quarantine).and_then(|()| fs::rename(&from, &to));
        if let Err(error) = moved.and_then(|()| self.sweep()) {
            tracing::error!("cannot put {} aside: {error}", from.display());
        }
    }

    fn read_recent(&self) -> io::Result<Recovered> {
        let path = self.directory.join("recent");
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Recovered::default());
            }
            Err(error) => return Err(error),
        };
        let parsed = parse(&bytes);
        let hidden = if parsed.tail == Tail::Damaged { HIDDEN } else { 0 };
        let entries: Vec<_> = parsed.records.iter().filter_map(|it| read_recent(it)).collect();
        let kept = &entries[entries.len().saturating_sub(RECENT_LIMIT)..];
        if entries.len() > 2 * RECENT_LIMIT || parsed.tail != Tail::Clean {
            let bytes: Vec<u8> = kept.iter().flat_map(|entry| recent_record(*entry)).collect();
            // The old list serves as well.
            if let Err(error) = replace(&path, &bytes) {
                tracing::warn!("cannot shorten {}: {error}", path.display());
            }
        }
        Ok(Recovered { recent: kept.to_vec(), hidden, ..Recovered::default() })
    }

    /// Makes a decision's write durable.
    pub(crate) fn write(&mut self, write: &Write) -> io::Result<()> {
        let reports = write.reports.iter().cloned().map(v1::Report::from);
        let mut bytes: Vec<u8> =
            reports.flat_map(|report| record(&report.encode_to_vec())).collect();
        let Some(plan) = &write.new else { return self.append(write.plan, &bytes) };
        let plan = encode_plan(plan).map_err(io::Error::other)?;
        bytes.splice(..0, record(&plan.encode_to_vec()));
        let created = self.create(write.plan, &bytes);
        if created.is_err() {
            self.open.remove(&write.plan);
            // What cannot be removed is taken up after the next start: it has an intent at most, and no step began.
            let _ = fs::remove_file(self.plans().join(write.plan.to_string()));
        }
        created
    }

    fn create(&mut self, plan: PlanId, bytes: &[u8]) -> io::Result<()> {
        let plans = self.plans();
        make_directory(&plans)?;
        let mut file =
            private().create_new(true).append(true).open(plans.join(plan.to_string()))?;
        file.write_all(bytes)?;
        file.sync_data()?;
        File::open(&plans)?.sync_all()?;
        self.open.insert(plan, file);
        Ok(())
    }

    fn append(&mut self, plan: PlanId, bytes: &[u8]) -> io::Result<()> {
        let path = self.plans().join(plan.to_string());
        let file = match self.open.entry(plan) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(OpenOptions::new().append(true).open(path)?)
            }
        };
        file.write_all(bytes)?;
        file.sync_data()
    }

    /// A plan is done with. Its file goes with the next sweep; until then it would only be told again.
    pub(crate) fn forget(&mut self, plan: PlanId, last: u64) {
        self.open.remove(&plan);
        self.forgotten.push((plan, last));
        self.is_stuck = false;
        if self.forgotten.len() >= SWEEP
            && let Err(error) = self.sweep()
        {
            tracing::warn!("cannot forget acknowledged plans: {error}");
        }
    }

    /// Whether there is something to sweep.
    pub(crate) fn is_dusty(&self) -> bool {
        !self.forgotten.is_empty() && !self.is_stuck
    }

    /// Remembers the ids of forgotten plans durably, then removes their files.
    pub(crate) fn sweep(&mut self) -> io::Result<()> {
        self.is_stuck = true;
        make_directory(&self.directory)?;
        let bytes: Vec<u8> =
            self.forgotten.iter().flat_map(|entry| recent_record(*entry)).collect();
        let mut file = private().create(true).append(true).open(self.directory.join("recent"))?;
        file.write_all(&bytes)?;
        file.sync_data()?;
        for (plan, _) in std::mem::take(&mut self.forgotten) {
            match fs::remove_file(self.plans().join(plan.to_string())) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.is_stuck = false;
        Ok(())
    }
}

/// There is nothing to read; whether something can be written is another question.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn read_plan_record(id: PlanId, bytes: &[u8]) -> Result<DeployPlan, String> {
    let wire = v1::Plan::decode(bytes).map_err(|error| error.to_string())?;
    let plan = DeployPlan::try_from(&wire).map_err(|error| error.chain())?;
    if plan.id == id { Ok(plan) } else { Err(format!("it holds the plan {}", plan.id)) }
}

fn read_report(bytes: &[u8]) -> Result<Report, String> {
    let wire = v1::Report::decode(bytes).map_err(|error| error.to_string())?;
    Report::try_from(wire).map_err(|error| error.chain())
}

fn recent_record((plan, last): (PlanId, u64)) -> Vec<u8> {
    record(format!("{plan} {last}").as_bytes())
}

fn read_recent(bytes: &[u8]) -> Option<(PlanId, u64)> {
    let (plan, last) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
    Some((plan.parse().ok()?, last.parse().ok()?))
}

/// Cuts off what was not written whole. The answer is why it cannot be done: then nothing may be appended either.
fn cut(path: &Path, length: u64) -> Option<String> {
    let cut = || {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(length)?;
        file.sync_all()
    };
    cut().err().map(|error: io::Error| format!("its torn end cannot be cut off: {error}"))
}

/// A directory for the owner only, with its parents.
pub(crate) fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Replaces a small file: always the old or the new version.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    make_directory(directory)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(directory)?.sync_all()
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::num::NonZeroU64;
    use std::os::unix::fs::PermissionsExt as _;

    use model::{Args, Mode, Outcome, Secret, Step, StepId, StepReport};
    use proto::ReportBody;

    use super::*;

    fn plan() -> Arc<DeployPlan> {
        let run_as = model::RunAs {
            password: Some(Secret::new("hunter2".to_owned())),
            ..model::RunAs::new("web", model::BecomeMethod::Sudo)
        };
        let step = Step {
            id: StepId(0),
            module: "copy".to_owned(),
            args: Args::from_iter([("z".to_owned(), 1.into()), ("a".to_owned(), 0.5.into())]),
            mode: Mode::default(),
            run_as: Some(run_as),
            environment: BTreeMap::new(),
            timeout: None,
            no_log: false,
        };
        let steps = vec![step.clone(), Step { id: StepId(1), ..step }];
        Arc::new(DeployPlan { id: PlanId::generate(), digest: None, steps, keep_going: false })
    }

    fn report(plan: &DeployPlan, seq: u64, body: ReportBody) -> Report {
        Report { seq: NonZeroU64::new(seq), plan: plan.id, body }
    }

    fn started(plan: &DeployPlan, seq: u64, step: u32) -> Report {
        report(plan, seq, ReportBody::Step(StepReport::Started(StepId(step))))
    }

    fn finished(plan: &DeployPlan, seq: u64, step: u32) -> Report {
        let outcome = Box::new(Outcome::changed(Args::from_iter([("rc".to_owned(), 0.into())])));
        report(plan, seq, ReportBody::Step(StepReport::Finished { step: StepId(step), outcome }))
    }

    /// A directory with one plan: step 0 is done, step 1 is intended.
    fn written() -> (tempfile::TempDir, Arc<DeployPlan>, PathBuf) {
        let directory = tempfile::tempdir().expect("made");
        let state = directory.path().join("state");
        let plan = plan();
        let (mut disk, _) = Disk::open(&state).expect("nothing is there");
        let reports = vec![started(&plan, 7, 0)];
        disk.write(&Write { plan: plan.id, new: Some(Arc::clone(&plan)), reports }).expect("new");
        let reports = vec![finished(&plan, 8, 0), started(&plan, 9, 1)];
        disk.write(&Write { plan: plan.id, new: None, reports }).expect("appended");
        let path = state.join("plans").join(plan.id.to_string());
        (directory, plan, path)
    }

    fn open(directory: &tempfile::TempDir) -> Recovered {
        Disk::open(&directory.path().join("state")).expect("readable").1
    }

    #[test]
    fn plans_and_reports_survive() {
        let (directory, plan, path) = written();
        let found = open(&directory);
        let [saved] = &found.plans[..] else { panic!("{found:?}") };
        assert_eq!((saved.plan.id, &saved.plan.steps), (plan.id, &plan.steps));
        let expected = [started(&plan, 7, 0), finished(&plan, 8, 0), started(&plan, 9, 1)];
        assert_eq!(saved.reports, expected);
        assert!(saved.damage.is_none() && saved.plan.digest.is_some());
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().expect("plans"))), (0o600, 0o700));
    }

    #[test]
    fn every_cut_leaves_what_was_whole() {
        let (directory, _, path) = written();
        let whole = fs::read(&path).expect("read");
        let mut counts = Vec::new();
        for cut in (0..=whole.len()).rev() {
            fs::write(&path, &whole[..cut]).expect("written");
            let found = open(&directory);
            assert!(found.lost.is_empty(), "cut at {cut}");
            counts.push(found.plans.first().map(|saved| saved.reports.len()));
            assert!(found.plans.iter().all(|saved| saved.damage.is_none()), "cut at {cut}");
            // What was torn has been cut off, so that appending is safe.
            assert!(fs::read(&path).map_or(0, |bytes| bytes.len()) <= cut);
        }
        assert!(counts.is_sorted_by(|a, b| a >= b), "{counts:?}");
        counts.dedup();
        assert_eq!(counts, [Some(3), Some(2), Some(1), Some(0), None]);
    }

    #[test]
    fn every_changed_byte_is_noticed_and_put_aside() {
        let (directory, plan, path) = written();
        let whole = fs::read(&path).expect("read");
        let state = directory.path().join("state");
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x11;
            fs::write(&path, &bytes).expect("written");
            let found = open(&directory);
            let told = found.plans.iter().find(|saved| saved.damage.is_none());
            // A change in the last record looks as if it had not been written whole.
            assert!(
                told.is_none_or(|saved| saved.reports.len() == 2),
                "changed at {at}: {found:?}"
            );
            assert_eq!(found.plans.len() + found.lost.len(), 1, "changed at {at}");
            if told.is_none() {
                assert!(state.join("quarantine").join(plan.id.to_string()).exists());
                assert!(!path.exists() && found.hidden > 0, "changed at {at}");
                let again = open(&directory);
                assert_eq!(again.recent.first().map(|entry| entry.0), Some(plan.id));
            }
            fs::remove_file(state.join("recent")).unwrap_or_default();
        }
    }

    #[test]
    fn forgotten_plans_are_remembered_by_name() {
        let (directory, plan, path) = written();
        let (mut disk, _) = Disk::open(&directory.path().join("state")).expect("readable");
        disk.forget(plan.id, 10);
        assert!(disk.is_dusty() && path.exists());
        disk.sweep().expect("swept");
        assert!(!disk.is_dusty() && !path.exists());
        let found = open(&directory);
        assert!(found.plans.is_empty());
        assert_eq!(found.recent, [(plan.id, 10)]);
    }

    #[test]
    fn the_list_of_forgotten_plans_stays_short() {
        let directory = tempfile::tempdir().expect("made");
        let entries = (0..3 * RECENT_LIMIT as u64).map(|last| (PlanId::generate(), last));
        let bytes: Vec<u8> = entries.flat_map(recent_record).collect();
        let path = directory.path().join("recent");
        fs::write(&path, &bytes).expect("written");
        let (_, found) = Disk::open(directory.path()).expect("readable");
        assert_eq!(found.recent.len(), RECENT_LIMIT);
        assert_eq!(found.recent.last().map(|entry| entry.1), Some(3 * RECENT_LIMIT as u64 - 1));
        assert!(fs::metadata(&path).expect("there").len() < bytes.len() as u64 / 2);
        fs::write(&path, &bytes[..bytes.len() - 3]).expect("written");
        let (_, found) = Disk::open(directory.path()).expect("a torn end is no trouble");
        assert_eq!(found.recent.len(), RECENT_LIMIT);
    }

    #[test]
    fn a_plan_that_cannot_be_written_leaves_nothing() {
        let directory = tempfile::tempdir().expect("made");
        fs::write(directory.path().join("plans"), "not a directory").expect("written");
        let (mut disk, found) = Disk::open(directory.path()).expect("nothing to read");
        assert!(found.plans.is_empty());
        let plan = plan();
        let write = Write { plan: plan.id, new: Some(plan), reports: vec![] };
        assert!(disk.write(&write).is_err());
    }
}
