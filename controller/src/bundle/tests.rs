//! Bundles there and back, and hostile ones.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::*;

fn packed(paths: &[&Path]) -> (Vec<u8>, Vec<String>) {
    let mut packer = Packer::default();
    for path in paths {
        packer.add(path).unwrap();
    }
    let mut bytes = Vec::new();
    packer.write(&mut bytes).unwrap();
    (bytes, packer.warnings)
}

#[test]
fn a_project_arrives_as_it_is() {
    let from = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(from.path()).unwrap();
    fs::create_dir_all(root.join("roles/web/tasks")).unwrap();
    fs::create_dir_all(root.join(".git")).unwrap();
    fs::write(root.join("site.yml"), "- hosts: all\n").unwrap();
    fs::write(root.join("roles/web/tasks/main.yml"), "[]").unwrap();
    fs::write(root.join(".git/config"), "x").unwrap();
    fs::write(root.join("hosts.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(root.join("hosts.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("site.yml", root.join("link.yml")).unwrap();
    symlink("/etc/passwd", root.join("out")).unwrap();
    symlink("../../x", root.join("up")).unwrap();
    let (bytes, warnings) = packed(&[&root, &root.join("site.yml"), &root.join("missing")]);
    assert_eq!(warnings.len(), 2, "{warnings:?}");

    let to = tempfile::tempdir().unwrap();
    unpack(bytes.as_slice(), &to.path().join("p")).unwrap();
    let there = to.path().join("p").join(root.strip_prefix("/").unwrap());
    assert_eq!(fs::read_to_string(there.join("link.yml")).unwrap(), "- hosts: all\n");
    assert_eq!(fs::read_to_string(there.join("roles/web/tasks/main.yml")).unwrap(), "[]");
    assert!(!there.join(".git").exists() && !there.join("out").is_symlink());
    let mode = fs::metadata(there.join("hosts.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111);
}

fn archive(fill: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    fill(&mut builder);
    zstd::encode_all(builder.into_inner().unwrap().as_slice(), 0).unwrap()
}

/// A header whose names are written as they are: the library would refuse some.
fn header(kind: tar::EntryType, name: &str, link: &str, size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_cksum();
    header
}

#[test]
fn hostile_archives_are_refused() {
    use tar::EntryType as Kind;
    let outside = tempfile::tempdir().unwrap();
    for (kind, name, link, expected) in [
        (Kind::Regular, "../evil", "", "leads out of the project"),
        (Kind::Regular, "a/../../evil", "", "leads out of the project"),
        (Kind::Regular, "/evil", "", "leads out of the project"),
        (Kind::Symlink, "a", "../x", "a link out of the project"),
        (Kind::Symlink, "a/b", "/etc", "a link out of the project"),
        (Kind::Link, "a", "/etc/passwd", "neither a file nor a directory nor a link"),
        (Kind::Char, "a", "", "neither a file nor a directory nor a link"),
        (Kind::Fifo, "a", "", "neither a file nor a directory nor a link"),
    ] {
        let bytes = archive(|tar| tar.append(&header(kind, name, link, 0), &[][..]).unwrap());
        let error = unpack(bytes.as_slice(), &outside.path().join("p")).unwrap_err();
        assert!(error.to_string().contains(expected), "{name}: {error}");
    }
    assert!(!outside.path().join("evil").exists());
}

#[test]
fn nothing_is_written_through_a_link() {
    use tar::EntryType as Kind;
    let to = tempfile::tempdir().unwrap();
    let bytes = archive(|tar| {
        tar.append(&header(Kind::Symlink, "a", "b", 0), &[][..]).unwrap();
        tar.append(&header(Kind::Regular, "a/f", "", 1), &b"x"[..]).unwrap();
    });
    assert!(unpack(bytes.as_slice(), &to.path().join("p")).is_err());
    let twice = archive(|tar| {
        tar.append(&header(Kind::Regular, "f", "", 1), &b"x"[..]).unwrap();
        tar.append(&header(Kind::Regular, "f", "", 1), &b"y"[..]).unwrap();
    });
    assert!(unpack(twice.as_slice(), &to.path().join("q")).is_err());
}

#[test]
fn what_is_no_archive_is_said_to_be_damaged() {
    let to = tempfile::tempdir().unwrap();
    let error = unpack(&b"not zstd"[..], &to.path().join("p")).unwrap_err();
    assert_eq!(error.to_string(), "the bundle cannot be read");
    let bomb = archive(|tar| {
        let huge = header(tar::EntryType::Regular, "f", "", MAX_BYTES + 1);
        tar.append(&huge, std::io::empty()).unwrap();
    });
    let error = unpack(bomb.as_slice(), &to.path().join("p")).unwrap_err();
    assert!(error.to_string().contains("larger than a project may be"), "{error}");
}
