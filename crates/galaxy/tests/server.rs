//! Collections from a Galaxy server: one on the loopback interface, good and bad.

#[path = "server/fake.rs"]
mod fake;

use std::cell::RefCell;
use std::path::Path;

use fake::Fake;
use galaxy::{Collections, How, Talk, Wanted, find_collections};

#[derive(Default)]
struct Lines(RefCell<Vec<String>>);

impl Talk for Lines {
    fn say(&self, line: &str) {
        self.0.borrow_mut().push(line.to_owned());
    }

    fn warn(&self, line: &str) {
        self.say(line);
    }
}

/// Installs words below a directory; what was said, or the error.
fn install(fakes: &[&Fake], words: &[&str], root: &Path, how: How) -> Result<String, String> {
    let servers: Vec<_> = fakes.iter().map(|fake| fake.client()).collect();
    let talk = Lines::default();
    let wanted = words.iter().map(|word| Wanted::of_word(word)).collect::<Result<Vec<_>, _>>();
    let wanted = wanted.map_err(|error| error.to_string())?;
    Collections { servers: &servers, root, talk: &talk }
        .install(&wanted, how)
        .map_err(|error| error.to_string())?;
    Ok(talk.0.into_inner().join("\n"))
}

fn installed(root: &Path) -> Vec<String> {
    find_collections(root).iter().map(|found| format!("{}:{}", found.name, found.version)).collect()
}

#[test]
fn the_newest_versions_that_go_together_are_installed_once() {
    let fake = Fake::start();
    for version in ["1.0.0", "1.5.0", "2.0.0", "3.0.0-rc1"] {
        fake.publish("ns.base", version, &[]);
    }
    fake.publish("ns.app", "1.0.0", &[("ns.base", ">=1.0.0,<2.0.0")]);
    fake.publish("ns.app", "1.1.0", &[("ns.base", ">=1.0.0,<2.0.0")]);
    fake.publish("ns.other", "1.0.0", &[("ns.base", "*"), ("ns.app", "1.0.0")]);
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    let said = install(&[&fake], &["ns.app"], root, How::default()).unwrap();
    assert_eq!(installed(root), ["ns.app:1.1.0", "ns.base:1.5.0"]);
    assert!(said.contains("ns.base:1.5.0 was installed successfully"), "{said}");
    let said = install(&[&fake], &["ns.app"], root, How::default()).unwrap();
    assert!(said.contains("Nothing to do."), "{said}");
    let said = install(&[&fake], &["ns.other"], root, How::default()).unwrap();
    assert_eq!(installed(root), ["ns.app:1.0.0", "ns.base:1.5.0", "ns.other:1.0.0"]);
    assert!(said.contains("'ns.base:1.5.0' is already installed, skipping."), "{said}");
    let how = How { upgrade: true, ..How::default() };
    install(&[&fake], &["ns.base"], root, how).unwrap();
    assert!(installed(root).contains(&"ns.base:2.0.0".to_owned()));
    let how = How { pre: true, upgrade: true, ..How::default() };
    install(&[&fake], &["ns.base"], root, how).unwrap();
    assert!(installed(root).contains(&"ns.base:3.0.0-rc1".to_owned()));
}

#[test]
fn ranges_without_a_version_are_explained() {
    let fake = Fake::start();
    fake.publish("ns.base", "1.0.0", &[]);
    fake.publish("ns.app", "1.0.0", &[("ns.base", ">=2.0.0")]);
    let place = tempfile::tempdir().unwrap();
    for (word, parts) in [
        ("ns.app", &["ns.app depends on ns.base >=2.0.0", "cannot be had"][..]),
        ("ns.base:>=5.0.0", &["ns.base >=5.0.0"][..]),
        ("ns.none", &["ns.none"][..]),
    ] {
        let error = install(&[&fake], &[word], place.path(), How::default()).unwrap_err();
        assert!(parts.iter().all(|part| error.contains(part)), "{word}: {error}");
    }
    let how = How { no_deps: true, ..How::default() };
    install(&[&fake], &["ns.app"], place.path(), how).unwrap();
    assert_eq!(installed(place.path()), ["ns.app:1.0.0"]);
}

#[test]
fn the_first_server_that_knows_a_name_gives_it_and_no_other_sees_its_token() {
    let (first, second) = (Fake::start(), Fake::start());
    first.publish("ns.base", "1.0.0", &[]);
    second.publish("ns.base", "9.0.0", &[]);
    second.publish("ns.app", "1.0.0", &[("ns.base", "*")]);
    second.archives_of(&first);
    let place = tempfile::tempdir().unwrap();
    install(&[&first, &second], &["ns.app"], place.path(), How::default()).unwrap();
    assert_eq!(installed(place.path()), ["ns.app:1.0.0", "ns.base:1.0.0"]);
    for (own, other) in [(&first, &second), (&second, &first)] {
        let tokens = own.tokens();
        assert!(tokens.iter().any(|token| token.contains(&own.token())));
        assert!(!tokens.iter().any(|token| token.contains(&other.token())), "{tokens:?}");
    }
}

#[test]
fn archives_directories_and_repositories_bring_what_they_depend_on() {
    let fake = Fake::start();
    fake.publish("ns.base", "1.0.0", &[]);
    let place = tempfile::tempdir().unwrap();
    let source = fake::source(place.path(), "ns.mine", "0.1.0", &[("ns.base", "*")]);
    let git = |words: &[&str]| {
        let words = ["-c", "user.name=t", "-c", "user.email=t@t"].iter().chain(words);
        let done = std::process::Command::new("git").args(words).current_dir(&source).output();
        assert!(done.expect("git runs").status.success());
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "first"]);
    let words = [
        source.display().to_string(),
        format!("git+file://{},main", source.display()),
        galaxy::build(&source, place.path(), false).unwrap().archive.display().to_string(),
    ];
    for (number, word) in words.iter().enumerate() {
        let root = place.path().join(number.to_string());
        install(&[&fake], &[word], &root, How::default()).unwrap();
        assert_eq!(installed(&root), ["ns.base:1.0.0", "ns.mine:0.1.0"], "{word}");
    }
}

#[test]
fn what_is_downloaded_installs_without_a_network() {
    let fake = Fake::start();
    fake.publish("ns.base", "1.0.0", &[]);
    fake.publish("ns.app", "1.0.0", &[("ns.base", "*")]);
    let place = tempfile::tempdir().unwrap();
    let into = place.path().join("down");
    let servers = [fake.client()];
    let talk = Lines::default();
    Collections { servers: &servers, root: place.path(), talk: &talk }
        .download(&[Wanted::of_word("ns.app").unwrap()], How::default(), &into)
        .unwrap();
    let entries = galaxy::collections_of(&into.join("requirements.yml")).unwrap();
    let wanted: Vec<_> =
        entries.iter().map(|entry| Wanted::of_entry(entry, &into).unwrap()).collect();
    let root = place.path().join("root");
    Collections { servers: &[], root: &root, talk: &talk }
        .install(&wanted, How::default())
        .unwrap();
    assert_eq!(installed(&root), ["ns.app:1.0.0", "ns.base:1.0.0"]);
}

#[test]
fn servers_that_lie_are_not_believed() {
    let place = tempfile::tempdir().unwrap();
    for (path, answer, expected) in [
        ("/api/", "not JSON", "no JSON"),
        ("/api/", r#"{"available_versions": {"v2": "v2/"}}"#, "and not v3"),
        ("/api/", "{}", "no 'available_versions'"),
        (
            "/api/v3/collections/ns/base/versions/",
            r#"{"data": [], "links": {"next": "/api/v3/collections/ns/base/versions/?limit=100"}}"#,
            "has no end",
        ),
        ("/api/v3/collections/ns/base/versions/1.0.0/", "{}", "is not complete"),
        (
            "/api/v3/collections/ns/base/versions/1.0.0/",
            r#"{"download_url": "/x", "artifact": {"sha256": "00"}, "metadata": {"dependencies": {"../x": "*"}}}"#,
            "no name of a collection",
        ),
        ("/files/ns-base-1.0.0.tar.gz", "not the archive", "Mismatch artifact hash"),
    ] {
        let fake = Fake::start();
        fake.publish("ns.base", "1.0.0", &[]);
        fake.answer(path, answer.as_bytes());
        let error = install(&[&fake], &["ns.base"], place.path(), How::default()).unwrap_err();
        assert!(error.contains(expected), "{path}: {error}");
        assert!(installed(place.path()).is_empty());
    }
    // An archive of something else, of which the server tells the truth.
    let fake = Fake::start();
    fake.publish("ns.base", "1.0.0", &[]);
    fake.publish("ns.evil", "1.0.0", &[]);
    fake.mix_up("ns.base", "ns.evil", "1.0.0");
    let error = install(&[&fake], &["ns.base"], place.path(), How::default()).unwrap_err();
    assert!(error.contains("was asked for ns.base:1.0.0 and gave ns.evil:1.0.0"), "{error}");
}
