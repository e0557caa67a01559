//! Names of collections that lead on, and those that lead nowhere.

use super::*;
use crate::Memory;

const RUNTIME: &str = "
requires_ansible: '>=2.15,<2.17'
plugin_routing:
  modules:
    old: {redirect: ansible.builtin.ping}
    older: {redirect: a.b.old, deprecation: {removal_version: 9.0.0, warning_text: Take old instead}}
    dated: {deprecation: {removal_date: '2031-01-01'}}
    dead: {tombstone: {removal_version: 1.0.0, warning_text: gone.}}
    round: {redirect: a.b.about}
    about: {redirect: a.b.round}
    short: {redirect: ping}
    away: {redirect: no.such.name}
  filter:
    old: {tombstone: {}}
  lookup: nonsense
action_groups:
  one: [m, ansible.builtin.ping]
  two: [{metadata: {extend_group: [one, a.b.two]}}, n]
  odd: [{metadata: {extend: 3}}]
  list: [{metadata: [x]}]
";

fn collections(text: &str) -> Collections {
    let first = "here/ansible_collections/a/b/meta/runtime.yml";
    let files = [(first, text), ("there/ansible_collections/a/b/meta/runtime.yml", "")];
    Collections::new(
        Arc::new(Memory::new(files)),
        &["here/ansible_collections".into(), "there".into()],
    )
}

fn names(trail: &Trail) -> Vec<&str> {
    trail.names.iter().map(|name| &**name).collect()
}

#[test]
fn names_are_followed() {
    let found = collections(RUNTIME);
    let trail = found.follow("modules", "a.b.older").unwrap();
    assert_eq!(names(&trail), ["a.b.older", "a.b.old", "ansible.builtin.ping"]);
    assert_eq!(
        trail.deprecations,
        [
            "a.b.older has been deprecated. Take old instead. This feature will be removed from collection 'a.b' \
          version 9.0.0."
        ]
    );
    let trail = found.follow("modules", "a.b.dated").unwrap();
    assert_eq!(
        trail.deprecations,
        [
            "a.b.dated has been deprecated. This feature will be removed from collection 'a.b' in a release after \
          2031-01-01."
        ]
    );
    for (kind, name) in
        [("modules", "a.b.m"), ("test", "a.b.old"), ("modules", "c.d.old"), ("lookup", "a.b.old")]
    {
        assert_eq!(names(&found.follow(kind, name).unwrap()), [name]);
    }
    assert_eq!(names(&found.follow("modules", "a.b.away").unwrap()), ["a.b.away", "no.such.name"]);
}

#[test]
fn names_that_lead_nowhere_say_why() {
    let found = collections(RUNTIME);
    for (kind, name, expected) in [
        (
            "modules",
            "a.b.dead",
            "The 'a.b.dead' module has been removed. gone. This feature was removed from collection 'a.b' version 1.0.0.",
        ),
        (
            "filter",
            "a.b.old",
            "The 'a.b.old' filter plugin has been removed. This feature was removed from collection 'a.b' in a future release.",
        ),
        (
            "modules",
            "a.b.round",
            "plugin redirect loop resolving a.b.round (path: ['a.b.round', 'a.b.about'])",
        ),
        (
            "modules",
            "a.b.short",
            "Collection a.b contains invalid redirect for a.b.short: ping. Redirects must use fully qualified collection names.",
        ),
    ] {
        assert_eq!(found.follow(kind, name).unwrap_err().message(), expected);
    }
}

#[test]
fn groups_hold_those_of_the_groups_they_extend() {
    let found = collections(RUNTIME);
    assert_eq!(found.group("a.b.one").unwrap().unwrap(), ["a.b.m", "ansible.builtin.ping"]);
    assert_eq!(
        found.group("a.b.two").unwrap().unwrap(),
        ["a.b.n", "a.b.m", "ansible.builtin.ping"]
    );
    assert_eq!(found.group("a.b.three").unwrap(), None);
    assert_eq!(found.group("c.d.one").unwrap(), Some(vec![]));
    found.group("a.b.odd").unwrap();
    found.group("a.b.list").unwrap();
    let told: Vec<_> =
        found.take_warnings().iter().map(|warning| warning.message().to_owned()).collect();
    assert_eq!(
        told,
        [
            "Collection a.b does not support Ansible version 2.19.0",
            "Invalid metadata was found for action_group a.b.odd while loading module_defaults. The metadata contains \
             unexpected keys: extend",
            "Invalid metadata was found for action_group a.b.list while loading module_defaults. The metadata is not a \
             dictionary. Got [x]",
        ]
    );
}

#[test]
fn versions_that_are_not_supported_may_be_refused() {
    let refuse = |text| {
        let found = collections(text).with_mismatch(VersionMismatch::Refuse);
        found.follow("modules", "a.b.m").map_err(|error| error.message().to_owned())
    };
    assert_eq!(
        refuse(RUNTIME).unwrap_err(),
        "Collection a.b does not support Ansible version 2.19.0"
    );
    assert!(refuse("requires_ansible: '>=2.9'").is_ok());
}

#[test]
fn broken_metadata_is_told_and_left() {
    let found = collections("plugin_routing: [unclosed");
    assert_eq!(names(&found.follow("modules", "a.b.old").unwrap()), ["a.b.old"]);
    let warnings = found.take_warnings();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].message().starts_with("the metadata of the collection a.b cannot be read"));
}

#[test]
fn full_names_have_three_parts() {
    assert_eq!(split("a.b.c.d"), Some(("a.b", "c.d")));
    for name in ["a", "a.b", "a.b.", "..c", "a/x.b.c", "{{ x }}.b.c"] {
        assert_eq!(split(name), None, "{name}");
    }
}
