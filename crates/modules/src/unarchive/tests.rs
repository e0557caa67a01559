//! Real archives on the real system: what is unpacked, what is refused, and that a second run changes nothing.

use std::io::{Cursor, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;

use model::{Mode, Outcome, Step, StepId, Verdict};
use serde_json::{Value, json};
use system::RealSystem;
use tar::EntryType;

/// A line of a tar archive: type, name, link target, content.
type Line<'a> = (EntryType, &'a str, &'a str, &'a [u8]);

const FILE: EntryType = EntryType::Regular;
const LINK: EntryType = EntryType::Symlink;
const HARD: EntryType = EntryType::Link;
const DIR: EntryType = EntryType::Directory;

/// Written by hand: the crate's own builder refuses the names that matter here.
fn tar(lines: &[Line<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (kind, name, target, content) in lines {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(if *kind == DIR { 0o755 } else { 0o4640 });
        header.set_mtime(1_000_000);
        let fields = header.as_gnu_mut().expect("a GNU header");
        fields.name[..name.len()].copy_from_slice(name.as_bytes());
        fields.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        builder.append(&header, *content).expect("in memory");
    }
    builder.into_inner().expect("in memory")
}

struct Bench {
    root: tempfile::TempDir,
}

impl Bench {
    fn of(archive: &[u8]) -> Self {
        let root = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(root.path().join("d")).expect("made");
        std::fs::write(root.path().join("secret"), "secret").expect("written");
        let bench = Self { root };
        bench.pack(archive);
        bench
    }

    fn pack(&self, archive: &[u8]) {
        std::fs::write(self.root.path().join("archive"), archive).expect("written");
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().join("d").join(name)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.at(name)).unwrap_or_else(|error| format!("{name}: {error}"))
    }

    fn step(&self, more: &Value, check: bool) -> Outcome {
        let mut args = json!({
            "src": self.root.path().join("archive"), "dest": self.at(""), "remote_src": true,
        });
        let args = args.as_object_mut().expect("an object");
        args.extend(more.as_object().expect("an object").clone());
        let step = Step {
            id: StepId(0),
            module: "unarchive".into(),
            args: args.clone(),
            mode: Mode { check, diff: false },
            run_as: None,
            environment: std::collections::BTreeMap::new(),
            timeout: None,
            no_log: false,
        };
        crate::run(&step, &RealSystem::default())
    }

    /// Check mode says it, the first run does it, the second finds nothing to do.
    fn converges(&self, more: &Value) {
        assert_eq!(self.step(more, true).verdict, Verdict::Changed, "check");
        assert_eq!(self.step(more, false).verdict, Verdict::Changed, "first");
        assert_eq!(self.step(more, false).verdict, Verdict::Ok, "second");
    }

    /// Refused, with this in the message, and what is in the destination stays as it was.
    fn refuses(&self, more: &Value, why: &str) {
        let names = || {
            let mut names: Vec<_> = std::fs::read_dir(self.at(""))
                .expect("readable")
                .map(|entry| entry.expect("readable").file_name())
                .collect();
            names.sort();
            names
        };
        let before = names();
        let verdict = self.step(more, false).verdict;
        let told = matches!(&verdict, Verdict::Failed { message } if message.contains(why));
        assert!(told, "wanted `{why}`, got {verdict:?}, there is {:?}", names());
        assert_eq!(names(), before, "{verdict:?}");
    }
}

fn sample() -> Vec<u8> {
    tar(&[
        (DIR, "./", "", b""),
        (DIR, "a/", "", b""),
        (FILE, "a/f", "", b"hello\n"),
        (FILE, "b/implied", "", b"there\n"),
        (LINK, "a/l", "../b/implied", b""),
        (HARD, "h", "a/f", b""),
    ])
}

fn packed<W: std::io::Write>(mut writer: W, finish: impl FnOnce(W) -> Vec<u8>) -> Vec<u8> {
    writer.write_all(&sample()).expect("in memory");
    finish(writer)
}

#[test]
fn every_tar_format_unpacks_and_the_second_run_changes_nothing() {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let bzip = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    let xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    let zstd = zstd::Encoder::new(Vec::new(), 1).expect("an encoder");
    for (archive, handler) in [
        (sample(), "TarArchive"),
        (packed(gzip, |done| done.finish().expect("done")), "TgzArchive"),
        (packed(bzip, |done| done.finish().expect("done")), "TarBzipArchive"),
        (packed(xz, |done| done.finish().expect("done")), "TarXzArchive"),
        (packed(zstd, |done| done.finish().expect("done")), "TarZstdArchive"),
    ] {
        let bench = Bench::of(&archive);
        bench.converges(&json!({}));
        let outcome = bench.step(&json!({"list_files": true}), false);
        assert_eq!(outcome.result["handler"], handler);
        assert_eq!(outcome.result["state"], "directory");
        assert_eq!(outcome.result["files"], json!(["a", "a/f", "b/implied", "a/l", "h"]));
        assert_eq!((bench.text("a/l").as_str(), bench.text("h").as_str()), ("there\n", "hello\n"));
        let meta = std::fs::metadata(bench.at("a/f")).expect("there");
        // Setuid is dropped.
        assert_eq!((meta.permissions().mode() & 0o7777, meta.mtime()), (0o640, 1_000_000));
    }
}

#[test]
fn zip_unpacks_and_the_second_run_changes_nothing() {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o750);
    zip.add_directory("a", options).expect("added");
    zip.start_file("a/f", options).expect("added");
    zip.write_all(b"hello\n").expect("written");
    zip.add_symlink("l", "a/f", options).expect("added");
    let archive = zip.finish().expect("finished").into_inner();
    let bench = Bench::of(&archive);
    bench.converges(&json!({}));
    assert_eq!(bench.text("l"), "hello\n");
    Bench::of(&archive[..archive.len() - 30]).refuses(&json!({}), "the archive is damaged");
}

#[test]
fn an_archive_that_would_leave_its_destination_is_refused_whole() {
    let good: Line<'_> = (FILE, "good", "", b"x");
    for (lines, why) in [
        (vec![(FILE, "../x", "", &b""[..])], "leads out"),
        (vec![(FILE, "/abs", "", b"")], "leads out"),
        (vec![(LINK, "l", "/etc", b"")], "leads out"),
        (vec![(LINK, "l", "good", b""), (FILE, "l/x", "", b"")], "through a symbolic link"),
        (vec![(HARD, "h", "../secret", b"")], "leads out"),
        (vec![(EntryType::Char, "c", "", b"")], "special file"),
        (vec![(EntryType::Fifo, "c", "", b"")], "special file"),
        // A symbolic link makes the `..` after it mean another directory than it seems to.
        (vec![(LINK, "a/b/up", "../..", b""), (LINK, "l", "a/b/up/../secret", b"")], "`..`"),
        // A second name of a relative link means another file.
        (vec![(LINK, "a/b/l", "../../secret", b""), (HARD, "h", "a/b/l", b"")], "symbolic link"),
        (vec![(FILE, "x/f", "", b""), (LINK, "x", "good", b"")], "different things"),
        (vec![(FILE, "x", "", b""), (FILE, "x/f", "", b"")], "different things"),
    ] {
        let mut lines = lines;
        lines.insert(0, good);
        Bench::of(&tar(&lines)).refuses(&json!({}), why);
    }
}

#[test]
fn what_is_left_of_names_is_checked_after_stripping() {
    let strip = json!({"extra_opts": ["--strip-components=1"]});
    Bench::of(&tar(&[(FILE, "p/good", "", b"x"), (LINK, "p/l", "../secret", b"")]))
        .refuses(&strip, "leads out");
    Bench::of(&tar(&[(LINK, "p/l", "good", b""), (FILE, "q/l/x", "", b"")]))
        .refuses(&strip, "through a symbolic link");
    let bench = Bench::of(&tar(&[(FILE, "p/f", "", b"x"), (HARD, "p/h", "p/f", b"")]));
    bench.converges(&strip);
    assert_eq!(bench.text("h"), "x");
}

#[test]
fn hard_links_do_not_lead_through_what_is_on_the_host() {
    let bench = Bench::of(&tar(&[(FILE, "good", "", b"x"), (HARD, "h", "out/secret", b"")]));
    std::os::unix::fs::symlink(bench.root.path(), bench.at("out")).expect("linked");
    bench.refuses(&json!({}), "symbolic link");
}

#[test]
fn damaged_and_absurd_archives_are_errors_before_anything_is_written() {
    let whole = sample();
    Bench::of(&whole[..whole.len() - 1024 - 700]).refuses(&json!({}), "the archive is damaged");
    let big = tar(&[(FILE, "first", "", b"x"), (FILE, "big", "", &vec![7; 100_000])]);
    Bench::of(&big[..60_000]).refuses(&json!({}), "the archive is damaged");
    let mut header = tar::Header::new_gnu();
    header.set_path("late").expect("short");
    header.set_size(0);
    header.set_mode(0o644);
    header.set_mtime(u64::MAX);
    header.set_cksum();
    let mut builder = tar::Builder::new(Vec::new());
    builder.append(&header, &b""[..]).expect("in memory");
    let late = builder.into_inner().expect("in memory");
    Bench::of(&late).refuses(&json!({}), "time");
}

#[test]
fn hard_links_and_names_given_twice_converge() {
    let bench = Bench::of(&sample());
    bench.converges(&json!({}));
    bench.pack(&tar(&[(FILE, "a/f", "", b"newer\n"), (HARD, "h", "a/f", b"")]));
    bench.converges(&json!({}));
    assert_eq!(bench.text("h"), "newer\n");
    let bench = Bench::of(&tar(&[(FILE, "f", "", b"old"), (FILE, "f", "", b"new")]));
    bench.converges(&json!({}));
    assert_eq!(bench.text("f"), "new");
}

#[test]
fn files_are_chosen_kept_and_left_alone() {
    let bench = Bench::of(&sample());
    bench.converges(&json!({"include": ["b/*"], "mode": "0600"}));
    assert!(!bench.at("a").exists());
    let inode = || std::fs::metadata(bench.at("b/implied")).expect("there").ino();
    let before = inode();
    bench.converges(&json!({"exclude": ["h"]}));
    assert!(!bench.at("h").exists());
    std::fs::write(bench.at("b/implied"), "mine").expect("written");
    assert_eq!(
        bench.step(&json!({"keep_newer": true, "include": ["b/*"]}), false).verdict,
        Verdict::Ok
    );
    assert_eq!((bench.text("b/implied").as_str(), inode() == before), ("mine", false));
}

#[test]
fn a_conflict_with_the_host_is_told_before_anything_is_written() {
    let bench = Bench::of(&tar(&[(FILE, "good", "", b"x"), (DIR, "a/", "", b"")]));
    std::fs::write(bench.at("a"), "a file").expect("written");
    bench.refuses(&json!({}), "in its place");
}
