//! Sources in, hosts, groups, variables and messages out. The expectations were observed on ansible-core 2.19, but for
//! the wording of errors.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::HostName;
use yaml::Diagnostic;

use super::{Format, GroupNames, Inventory, InventoryOptions, Listing, Printed, Programs, Sources};
use crate::{Memory, Vars};

/// What programs print for `--list` and for each host: a text, or what ends them.
#[derive(Default)]
struct Printing(BTreeMap<&'static str, Result<&'static [u8], &'static str>>);

impl Programs for Printing {
    fn is_program(&self, path: &Path) -> bool {
        path.extension().is_some_and(|it| it == "sh")
    }

    fn run(&self, _: &Path, arguments: &[&str]) -> Result<Printed, String> {
        let last = arguments.last().copied().unwrap_or_default();
        match self.0[last] {
            Ok(out) => Ok(Printed { code: Some(0), out: out.to_vec(), err: b"said\n".to_vec() }),
            Err("killed") => Ok(Printed::default()),
            Err(code) => match code.parse() {
                Ok(code) => {
                    Ok(Printed { code: Some(code), err: b"why".to_vec(), ..Printed::default() })
                }
                Err(_) => Err(code.to_owned()),
            },
        }
    }
}

fn load_with(
    files: &[(&str, &str)],
    names: &[&str],
    programs: Printing,
    options: InventoryOptions,
) -> Result<Inventory, Diagnostic> {
    let names = names.iter().map(ToString::to_string).collect();
    let files = Arc::new(Memory::new(files.iter().copied()));
    Inventory::load(&Arc::new(Sources {
        files,
        programs: Arc::new(programs),
        names,
        options,
        vault: Arc::default(),
    }))
}

fn load(files: &[(&str, &str)], names: &[&str]) -> Inventory {
    load_with(files, names, Printing::default(), InventoryOptions::default()).expect("loads")
}

fn strict() -> InventoryOptions {
    InventoryOptions { any_unparsed_is_failed: true, ..InventoryOptions::default() }
}

fn export() -> Listing {
    Listing { export: true, limit: None }
}

fn placed(error: &Diagnostic) -> String {
    match error.span() {
        Some(span) => format!("{}:{}: {}", span.line, span.column, error.message()),
        None => error.message().to_owned(),
    }
}

/// The inventory of one file, or what is wrong with it.
fn read(name: &str, text: &str) -> Result<Inventory, String> {
    load_with(&[(name, text)], &[name], Printing::default(), strict())
        .map_err(|error| placed(&error))
}

/// The groups with hosts or children, as `group: hosts > children`.
fn groups(inventory: &Inventory) -> String {
    let shown = inventory.groups().filter(|group| &*group.name != "all").filter_map(|group| {
        let hosts = group.hosts.iter().map(HostName::as_str).collect::<Vec<_>>().join(" ");
        let children = group.children.iter().map(|it| &**it).collect::<Vec<_>>().join(" ");
        match (hosts.is_empty(), children.is_empty()) {
            (true, true) => None,
            (false, true) => Some(format!("{}: {hosts}", group.name)),
            _ => Some(format!("{}: {hosts}> {children}", group.name)),
        }
    });
    shown.collect::<Vec<_>>().join("; ")
}

/// What a host sees, as `name=value`, sorted.
fn vars(inventory: &Inventory, host: &str) -> String {
    let shown = inventory.show_host(&host.into(), false, Format::Json).expect("JSON");
    let json: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    let mut vars = json
        .as_object()
        .expect("an object")
        .iter()
        .map(|(name, value)| {
            format!("{name}={}", value.as_str().map_or(value.to_string(), str::to_owned))
        })
        .collect::<Vec<_>>();
    vars.sort();
    vars.join(" ")
}

#[test]
fn ini_files() {
    for (text, expected) in [
        ("", ""),
        ("# c\n; c\n\n", ""),
        ("a\nb # c\n", "ungrouped: a b"),
        ("[web]\nw[01:03].x\n", "web: w01.x w02.x w03.x"),
        ("[web] # c\nw\n[ungrouped]\nu\n", "ungrouped: u; web: w"),
        ("u\n[web]\nu\n", "web: u"),
        ("[p:children]\nweb # c\n[web]\nw\n", "p: > web; web: w"),
        ("[a]\nh\n[b]\nh\n", "a: h; b: h"),
        ("[web]\n[2001:db8::1]:22\n2001:db8::2\n[a:b].x\n", "web: 2001:db8::1 2001:db8::2 a.x b.x"),
        ("[a:hosts]\nh\r\n", "a: h"),
        ("[a]\nh:abc\n", "a: h:abc"),
    ] {
        assert_eq!(groups(&read("hosts", text).expect(text)), expected, "{text}");
    }
}

#[test]
fn variables_of_ini_files() {
    for (text, expected) in [
        ("h a=1 b='x y' c=\"[1, 'z']\" d=0644", "a=1 b=x y c=[1,\"z\"] d=0644"),
        ("h:2222 a=b#c lost=1", "a=b ansible_port=2222"),
        ("h a='b#c' e= f=x=y", "a=b#c e= f=x=y"),
        ("h\n[g]\nh\n[g:vars]\nv = a # b\nw = 1 # b\nx=", "v=a # b w=1 x="),
        ("h:1\nh:2 x=2", "ansible_port=1 x=2"),
        ("h t='{{ x }}' n=None y=yes b=True", "b=true n=null t={{ x }} y=yes"),
    ] {
        assert_eq!(vars(&read("hosts", text).expect(text), "h"), expected, "{text}");
    }
}

#[test]
fn bad_ini_files_are_explained() {
    for (text, expected) in [
        ("[a:children]\nnope\n", "2:1: section [a:children] includes undefined group `nope`"),
        ("\n[a:vars]\nx=1\n", "2:1: section [a:vars] not valid for undefined group `a`"),
        ("[a:foo]\n", "1:1: section [a:foo] has unknown type: foo"),
        ("[a b]\nx\n", "1:1: invalid section entry: [a b]"),
        ("[]\n", "1:1: invalid section entry: []"),
        ("[a\nx\n", "1:1: invalid section entry: [a"),
        ("h t={{ x }}\n", "1:1: expected key=value host variable assignment, got: x"),
        ("h x\n", "1:1: expected key=value host variable assignment, got: x"),
        ("h \"x=1\n", "1:1: a quote or a backslash is not closed in this host definition"),
        ("[a]\n[a:vars]\nfoo\n", "3:1: expected key=value, got: foo"),
        (
            "[a:children]\nb\n[b:children]\n  a\n[a]\nh\n",
            "4:3: adding group `a` as child to `b` creates a recursive dependency loop",
        ),
        ("[a:children]\na\n", "2:1: group `a` cannot be its own child"),
        (
            "[a]\n[a:vars]\nansible_group_priority=x\n",
            "3:1: ansible_group_priority must be a whole number, not 'x'",
        ),
        (
            "[a]\nfoo:\n",
            "2:1: Invalid host pattern 'foo:' supplied, ending in ':' is not allowed, this character is reserved to provide a port.",
        ),
        (
            "[a]\n---\n",
            "2:1: Invalid host pattern '---' supplied, '---' is normally a sign this is a YAML file.",
        ),
        ("[a:children]\nb c\n[b]\n", "2:1: Expected group name, got: b c"),
        ("[a:children]\nb:vars\n[b]\n", "2:1: Expected group name, got: b:vars"),
        (
            "h[1:x]\n",
            "1:1: host range [1:x]: begin and end must both be numbers or both be letters",
        ),
        ("h[1:999999999]\n", "1:1: host range [1:999999999]: it names too many hosts"),
        ("h[1:9999][1:9999]\n", "1:1: a host range of more than 100000 hosts"),
    ] {
        assert_eq!(read("hosts", text).map(|it| groups(&it)), Err(expected.to_owned()), "{text}");
    }
}

#[test]
fn yaml_files() {
    for (text, expected) in [
        ("", ""),
        ("a: {hosts: {h1: , 'h[2:3]': }}", "a: h1 h2 h3"),
        ("a: {hosts: h1, children: b}", "a: h1> b"),
        (
            "all: {hosts: {h1: }, children: {b: {hosts: {h1: }}, c: {children: {b: }}}}",
            "b: h1; c: > b",
        ),
        ("all: {hosts: {h1: , h2: }, children: {b: {hosts: {h1: }}}}", "ungrouped: h2; b: h1"),
        ("a: []\nb: {hosts: {h: }, other: {}}", "b: h"),
        ("{\"a\": {\"hosts\": {\"h\": {\"x\": 1}}}}", "a: h"),
        ("[a]\nh\n", "a: h"),
    ] {
        assert_eq!(groups(&read("hosts.yml", text).expect(text)), expected, "{text}");
    }
    let inventory =
        read("hosts", "---\na:\n  hosts:\n    'h:22': {x: '{{ y }}'}\n  vars: {x: 1, y: 0o17}\n");
    assert_eq!(
        vars(&inventory.expect("YAML without an ending"), "h"),
        "ansible_port=22 x={{ y }} y=0o17"
    );
}

#[test]
fn bad_yaml_files_are_explained() {
    for (text, expected) in [
        ("- a\n", "1:1: an inventory must be a mapping of groups, not a list"),
        ("a:\n  hosts:\n  - h\n", "3:3: `hosts` of group a must be a mapping, not a list"),
        (
            "a:\n  hosts:\n    h: 3\n",
            "3:8: the variables of host h must be a mapping, not an integer",
        ),
        ("a:\n  children:\n  - b\n", "3:3: `children` of group a must be a mapping, not a list"),
        ("a:\n  vars: []\n", "2:9: `vars` of group a must be a mapping, not a list"),
        ("---\n", "2:1: Parsed empty YAML file"),
        ("1: {}\n", "1:1: the name of a group must be text, not an integer"),
        ("a: {children: {1: }}\n", "1:16: the name of a group must be text, not an integer"),
        ("a: {hosts: {1.5: }}\n", "1:13: Host pattern 1.5 must be a string"),
        ("a: {hosts: {'': }}\n", "1:13: Invalid empty host name provided"),
        (
            "a: {children: {b: {children: {a: }}}}\n",
            "1:31: adding group `a` as child to `b` creates a recursive dependency loop",
        ),
        (
            "plugin: aws_ec2\n",
            "1:9: inventory config '/hosts.yml' specifies unknown plugin 'aws_ec2'",
        ),
        (
            "plugin: script\n",
            "1:9: inventory source '/hosts.yml' could not be verified by inventory plugin 'script'",
        ),
        (
            "a: {vars: {ansible_group_priority: [1]}}\n",
            "1:12: ansible_group_priority must be a whole number, not [1]",
        ),
        (
            "a:\n  hosts:\n    x:y: 1\n",
            "3:10: the variables of host x:y must be a mapping, not an integer",
        ),
    ] {
        assert_eq!(
            read("/hosts.yml", text).map(|it| groups(&it)),
            Err(expected.to_owned()),
            "{text}"
        );
    }
}

#[test]
fn lists_of_hosts() {
    let inventory = load(&[], &["a, b:22,[::1]:33,,c[1:2],d:"]);
    assert_eq!(groups(&inventory), "ungrouped: a b ::1 c[1:2] d:");
    assert_eq!(vars(&inventory, "b"), "ansible_port=22");
    let advanced = || InventoryOptions {
        enabled: vec!["ansible.builtin.advanced_host_list".into()],
        ..strict()
    };
    for (list, expected) in [
        ("a[1:3:2]x:5,b", Ok("ungrouped: a1x a3x b")),
        ("::1,[::2]:22", Ok("ungrouped: ::1 ::2")),
        ("a[1:],[c:a]", Ok("ungrouped: a[1:] [c:a]")),
        (
            "a,b[1:j]",
            Err("1:3: host range [1:j]: begin and end must both be numbers or both be letters"),
        ),
        ("a,b\u{1b}[0m", Err("1:3: \"b\\u{1b}[0m\" is not a host name")),
        ("a[1:2]", Err("Completely failed to parse inventory source /")),
    ] {
        match (load_with(&[], &[list], Printing::default(), advanced()), expected) {
            (Ok(inventory), Ok(expected)) => assert_eq!(groups(&inventory), expected, "{list}"),
            (Err(error), Err(expected)) => {
                assert!(placed(&error).starts_with(expected), "{list}: {}", placed(&error));
            }
            (other, _) => panic!("{list}: {other:?}"),
        }
    }
}

#[test]
fn a_source_that_cannot_be_read_is_a_warning_and_nothing_of_it_is_kept() {
    let files = [("/good", "a\n"), ("/bad", "b\nc x\n")];
    let inventory = load(&files, &["/bad", "/good", "/none"]);
    assert_eq!(groups(&inventory), "ungrouped: a");
    let titles = inventory.warnings.iter().map(|it| it.lines().next().unwrap_or_default());
    assert_eq!(
        titles.collect::<Vec<_>>(),
        [
            "Failed to parse inventory with 'ini' plugin: expected key=value host variable assignment, got: x",
            "Unable to parse /bad as an inventory source",
            "Unable to parse /none as an inventory source: there is no such file (a list of hosts has a comma in it: `-i 'web1,'`)",
        ]
    );
    let empty = load(&files, &["/bad"]);
    assert_eq!(
        empty.warnings.last().map(String::as_str),
        Some("No inventory was parsed, only implicit localhost is available")
    );
}

#[test]
fn doubtful_names_are_told() {
    let inventory = load(&[("hosts", "[web-1]\nh 1x=2\n")], &["hosts"]);
    assert_eq!(vars(&inventory, "h"), "1x=2");
    assert_eq!(inventory.warnings.len(), 2, "{:?}", inventory.warnings);
    assert_eq!(
        inventory.warnings[0],
        "Invalid characters were found in group names but not replaced, use -vvvv to see details"
    );
    assert!(inventory.warnings[1].contains("inventory variable `1x` has an invalid name"));
    for (setting, name, warning) in [
        (GroupNames::Never, "1b-c", Some("but not replaced")),
        (GroupNames::Ignore, "1b-c", None),
        (GroupNames::Silently, "_b_c", None),
        (GroupNames::Always, "_b_c", Some("and automatically replaced")),
    ] {
        let options = InventoryOptions { group_names: setting, ..strict() };
        let text = "[a:children]\n1b-c\n[1b-c]\nh\n[1b-c:vars]\nx=1\n";
        let inventory =
            load_with(&[("hosts", text)], &["hosts"], Printing::default(), options).expect("good");
        assert_eq!(groups(&inventory), format!("a: > {name}; {name}: h"));
        assert_eq!(vars(&inventory, "h"), "x=1");
        let told = inventory.warnings.first();
        assert_eq!(told.is_some(), warning.is_some(), "{told:?}");
        assert!(told.is_none_or(|told| told.contains(warning.unwrap_or_default())), "{told:?}");
    }
}

#[test]
fn a_group_may_have_the_name_of_a_host() {
    let inventory = load(&[("hosts", "[h]\nh\n")], &["hosts"]);
    assert_eq!(inventory.warnings, ["Found both group and host with same name: h"]);
}

#[test]
fn directories() {
    let files = [
        ("d/a.ini", "h1\n"),
        ("d/b", "[g]\nh1 v=b\n"),
        ("d/c.cfg", "no1\n"),
        ("d/.hidden", "no2\n"),
        ("d/e.txt", "no3\n"),
        ("d/f~", "no4\n"),
        ("d/z.yml", "g: {hosts: {h3: }}\n"),
        ("d/sub/s", "[g]\nh2\n"),
        ("d/sub/group_vars/g", "not_read: 1\n"),
        ("d/group_vars/g.yml", "ignored: the directory of that name wins\n"),
        ("d/group_vars/g/x.yml", "v: x\ndeep: 0\n"),
        ("d/group_vars/g/y/deep", "deep: 1\n"),
        ("d/group_vars/g/no.ini", "no: 1\n"),
        ("d/group_vars/g/.no.yml", "no: 1\n"),
        ("d/group_vars/all", "all: 1\n"),
        ("d/host_vars/h2.json", "{\"v\": \"h\", \"bad-name\": 1}"),
        ("d/host_vars/unknown.yml", "- never: asked for\n"),
    ];
    let inventory = load(&files, &["d"]);
    assert_eq!(groups(&inventory), "g: h1 h2 h3");
    assert_eq!(vars(&inventory, "h1"), "all=1 deep=1 v=b");
    assert_eq!(vars(&inventory, "h2"), "all=1 bad-name=1 deep=1 v=h");
    assert!(inventory.directory().is_some_and(|it| it.is_absolute() && it.ends_with("d")));
    let source = inventory.source_of(&"h2".into()).expect("a file");
    assert!(source.ends_with("d/sub/s"), "{source:?}");
}

#[test]
fn a_bad_variable_file_matters_when_its_group_or_host_exists() {
    for (path, hosts) in
        [("host_vars/h.yml", "h"), ("group_vars/g.yml", "[g]\nh"), ("group_vars/all.yml", "h")]
    {
        let files = [("hosts", hosts), (path, "- x\n")];
        let error = load_with(&files, &["hosts"], Printing::default(), InventoryOptions::default());
        let error = error.expect_err(path);
        assert_eq!(error.message(), "a file of variables must hold a mapping, not a list");
    }
    let mut inventory = load(&[("hosts", "h"), ("group_vars/late.yml", "- x\n")], &["hosts"]);
    let late = inventory.group_host(&"h".into(), "late", &[]);
    assert!(late.is_err(), "the group exists now");
}

#[test]
fn precedence() {
    let files = [
        (
            "inv/hosts",
            "h\n[a]\nh\n[b]\nh\n[deep:children]\na\n[all:vars]\nv=all\n[a:vars]\nv=a\n[b:vars]\nv=b\n",
        ),
        ("inv/group_vars/all.yml", "v: inv_all\n"),
        ("inv/group_vars/a.yml", "v: inv_a\n"),
        ("inv/group_vars/deep.yml", "v: inv_deep\n"),
        ("inv/host_vars/h.yml", "v: inv_h\n"),
        ("play/group_vars/all.yml", "v: play_all\n"),
        ("play/group_vars/b.yml", "v: play_b\n"),
        ("play/host_vars/h.yml", "v: play_h\n"),
        ("other/hosts", "h v=host\n"),
        ("other/group_vars/deep.yml", "v: other_deep\n"),
    ];
    let mut inventory = load(&files, &["inv/hosts", "other/hosts"]);
    let memory = Memory::new(files);
    inventory.add_vars_directory(&memory, Path::new("play"), true).expect("reads");
    let layers = inventory.layers(&"h".into());
    let shown: Vec<String> =
        layers.iter().filter_map(|layer| layer.vars.get("v").map(ToString::to_string)).collect();
    assert_eq!(
        shown.join(" "),
        "play_h inv_h host play_b inv_a other_deep inv_deep play_all inv_all a b all",
        "`a` is deeper than `b`, which has no parent but `all`"
    );
    assert!(layers.windows(2).all(|pair| pair[0].level >= pair[1].level), "levels are in order");
}

#[test]
fn groups_of_one_depth_go_by_priority_then_name() {
    let text = "h\n[a]\nh\n[b]\nh\n[a:vars]\nv=a\n[b:vars]\nv=b\n";
    assert_eq!(vars(&read("hosts", text).expect("good"), "h"), "v=b");
    let text = format!("{text}[a:vars]\nansible_group_priority=10\n");
    let inventory = read("hosts", &text).expect("good");
    assert_eq!(vars(&inventory, "h"), "v=a", "and the priority itself is no variable of hosts");
    assert_eq!(inventory.to_json(&export())["a"]["vars"]["ansible_group_priority"], 10);
}

#[test]
fn localhost_is_always_there() {
    let files = [("hosts", "h"), ("group_vars/all", "a: 1"), ("host_vars/localhost", "b: 1")];
    let inventory = load(&files, &["hosts"]);
    assert_eq!(
        vars(&inventory, "localhost"),
        "a=1 ansible_connection=local ansible_python_interpreter={{ ansible_playbook_python }} b=1"
    );
    assert_eq!(
        vars(&inventory, "127.0.0.1"),
        "a=1 ansible_connection=local ansible_python_interpreter={{ ansible_playbook_python }}"
    );
    assert_eq!(inventory.group_names(&"localhost".into()).len(), 0);
    let named = load(&[("hosts", "localhost x=1")], &["hosts"]);
    assert_eq!(vars(&named, "localhost"), "x=1");
    assert_eq!(named.host("127.0.0.1").map(|host| host.name.as_str()), Some("localhost"));
    assert!(named.host("127.0.0.2").is_none());
}

fn program(
    printed: &[(&'static str, Result<&'static [u8], &'static str>)],
) -> Result<Inventory, String> {
    let programs = Printing(printed.iter().copied().collect());
    load_with(&[("inv.sh", "#!/bin/sh\n")], &["inv.sh"], programs, strict())
        .map_err(|error| error.message().to_owned())
}

#[test]
fn programs_print_inventories() {
    let whole = br#"{"web": {"hosts": ["w1", "w2"], "vars": {"v": "{{ x }}"}, "children": ["c"]},
        "c": ["c1"], "bare": {"x": "{{ y }}"},
        "_meta": {"hostvars": {"w1": {"a": [1], "u": {"__ansible_unsafe": "{{ z }}"}}}}}"#;
    let inventory = program(&[("--list", Ok(whole))]).expect("good");
    assert_eq!(groups(&inventory), "web: w1 w2> c; c: c1; bare: bare");
    let shown = vars(&inventory, "w1");
    assert_eq!(shown, "a=[1] u={\"__ansible_unsafe\":\"{{ z }}\"} v={{ x }}");
    assert_eq!(vars(&inventory, "bare"), "x={\"__ansible_unsafe\":\"{{ y }}\"}");
    let is_template = |host: &str, name: &str| {
        let layers = inventory.layers(&host.into());
        layers.iter().find_map(|layer| layer.vars.get(name)).is_some_and(jinja::Value::is_template)
    };
    assert!(is_template("w1", "v") && !is_template("w1", "u") && !is_template("bare", "x"));
    assert_eq!(inventory.errors, ["said"]);
    let asked = [
        ("--list", Ok(&br#"{"g": {"hosts": ["h", "i"], "children": "p"}}"#[..])),
        ("h", Ok(br#"{"a": 1}"#)),
        ("i", Ok(b"")),
    ];
    let inventory = program(&asked).expect("good");
    assert_eq!((vars(&inventory, "h"), groups(&inventory)), ("a=1".into(), "g: h i> p".into()));
}

#[test]
fn bad_programs_are_explained() {
    let decoder = "Unable to get JSON decoder for inventory script result:";
    for (printed, expected) in [
        (Err("3"), "Inventory script returned non-zero exit code 3."),
        (Err("killed"), "Inventory script was ended by a signal."),
        (
            Err("no such file"),
            "Failed to execute inventory script command 'inv.sh --list': no such file",
        ),
        (
            Ok(&b"a\xff"[..]),
            "Inventory script result contained characters that cannot be interpreted as UTF-8 (at byte 1).",
        ),
        (
            Ok(b"boo"),
            &*format!(
                "{decoder} Value could not be parsed as JSON: expected value at line 1 column 1."
            ),
        ),
        (Ok(b"[]"), &*format!("{decoder} Value is 'list' instead of 'dict'.")),
        (
            Ok(br#"{"_meta": 1}"#),
            &*format!("{decoder} Value contains '_meta' which is 'int' instead of 'dict'."),
        ),
        (
            Ok(br#"{"_meta": {"profile": 1.5}}"#),
            &*format!(
                "{decoder} Value contains '_meta.profile' which is 'float' instead of 'str'."
            ),
        ),
        (
            Ok(br#"{"_meta": {"profile": "inventory_x"}}"#),
            &*format!("{decoder} Unknown profile name 'inventory_x'."),
        ),
        (Ok(br#"{"_meta": {"profile": "x"}}"#), "Non-inventory profile 'x' is not allowed."),
        (
            Ok(br#"{"_meta": {"hostvars": 1}}"#),
            "Value contains '_meta.hostvars' which is 'int' instead of 'dict'.",
        ),
        (Ok(br#"{"g": "x"}"#), "Value contains 'g.hosts' which is 'str' instead of 'list'."),
        (Ok(br#"{"g": null}"#), "Value contains 'g.hosts' which is 'NoneType' instead of 'list'."),
        (
            Ok(br#"{"g": {"hosts": [{}]}}"#),
            "Invalid name supplied in `hosts` of group g, expected a string but got a dict for {}",
        ),
        (
            Ok(br#"{"g": {"vars": []}}"#),
            "Value contains 'g.vars' which is 'list' instead of 'dict'.",
        ),
        (Ok(br#"{"g": {"children": ["g"]}}"#), "group `g` cannot be its own child"),
        (
            Ok(br#"{"g": ["h"], "_meta": {"hostvars": {"h": []}}}"#),
            "Invalid data from file, expected dictionary and got a list for the variables of host h",
        ),
        (
            Ok(br#"{"__ansible_unsafe": 1, "g": {"vars": {"x": {"__ansible_unsafe": 1}}}}"#),
            "Value contains '__ansible_unsafe.hosts' which is 'int' instead of 'list'.",
        ),
        (
            Ok(br#"{"g": {"vars": {"x": {"__ansible_vault": 1}}}}"#),
            "Inventory script result could not be parsed as JSON: `__ansible_vault` must be a text, not 'int'",
        ),
    ] {
        let error = program(&[("--list", printed)]).map(|it| groups(&it));
        assert_eq!(error, Err(expected.to_owned()));
    }
}

#[test]
fn bad_answers_about_a_host_are_explained() {
    for (printed, expected) in [
        (Err("1"), "Inventory script returned non-zero exit code 1."),
        (
            Ok(&b"x"[..]),
            "Inventory script result for host 'h' could not be parsed as JSON: expected value at line 1 column 1",
        ),
    ] {
        let error = program(&[("--list", Ok(br#"{"g": ["h"]}"#)), ("h", printed)]);
        assert_eq!(error.map(|it| groups(&it)), Err(expected.to_owned()));
    }
}

#[test]
fn hosts_and_groups_can_be_added_while_running() {
    let mut inventory = load(&[("hosts", "u\n[a]\nh\n"), ("group_vars/new", "n: 1")], &["hosts"]);
    let vars_of_new = Vars::from([("x".into(), 1.into())]);
    inventory.add_host(&"h2".into(), &["new".into(), String::new()], vars_of_new).expect("good");
    inventory.group_host(&"u".into(), "new", &["p".into()]).expect("good");
    assert_eq!(groups(&inventory), "a: h; new: h2 u; p: > new");
    assert_eq!(vars(&inventory, "h2"), "n=1 x=1");
    assert_eq!(inventory.group_names(&"u".into()), ["new".into(), "p".into()]);
    assert!(inventory.group_host(&"u".into(), "p", &["new".into()]).is_err(), "a circle");
    assert!(inventory.add_host(&"".into(), &[], Vars::new()).is_err());
    assert!(inventory.group_host(&"u".into(), "a\nb", &[]).is_err());
}

#[test]
fn views() {
    let files = [
        ("hosts", "u\n[web]\nw x='{{ y }}'\n[p:children]\nweb\n[web:vars]\nv=1\n"),
        ("group_vars/web", "f: a\n"),
        ("host_vars/w", "h: b\n"),
    ];
    let inventory = load(&files, &["hosts"]);
    let meta = r#""profile":"inventory_legacy""#;
    assert_eq!(
        inventory.to_json(&Listing::default()).to_string(),
        format!(
            r#"{{"_meta":{{"hostvars":{{"w":{{"v":1,"f":"a","x":"{{{{ y }}}}","h":"b"}}}},{meta}}},"all":{{"children":["ungrouped","p"]}},"ungrouped":{{"hosts":["u"]}},"web":{{"hosts":["w"]}},"p":{{"children":["web"]}}}}"#
        )
    );
    assert_eq!(
        inventory.to_json(&export())["_meta"]["hostvars"].to_string(),
        r#"{"w":{"x":"{{ y }}","h":"b"}}"#
    );
    assert_eq!(inventory.to_json(&export())["web"]["vars"].to_string(), r#"{"v":1,"f":"a"}"#);
    assert_eq!(
        inventory.graph("all", false).as_deref(),
        Some("@all:\n  |--@ungrouped:\n  |  |--u\n  |--@p:\n  |  |--@web:\n  |  |  |--w\n")
    );
    assert_eq!(
        inventory.graph("web", true).as_deref(),
        Some(
            "@web:\n  |--w\n  |  |--{f = a}\n  |  |--{h = b}\n  |  |--{v = 1}\n  |  |--{x = {{ y }}}\n  |--{f = a}\n  |--{v = 1}\n"
        )
    );
    assert_eq!(inventory.graph("nope", false), None);
}

#[test]
fn ten_thousand_hosts_load_in_a_moment() {
    let host = |group, n| format!("h{group}-{n} a={n} b='x y'\n");
    let hosts = |group| (0..100).map(|n| host(group, n)).collect::<Vec<_>>().concat();
    let section = |n| format!("[g{n}]\n{}[g{n}:vars]\nv={n}\n", hosts(n));
    let sections: String = (0..100).map(section).collect::<Vec<_>>().concat();
    let children = (0..100).map(|n| format!("g{n}\n")).collect::<Vec<_>>().concat();
    let text = format!("{sections}[all_of_them:children]\n{children}");
    let begin = Instant::now();
    let inventory = load(&[("hosts", &text)], &["hosts"]);
    let layers: usize = inventory.hosts().map(|host| inventory.layers(&host.name).len()).sum();
    let chosen = inventory.select(&["all_of_them:!g1:&h*".into()], None).expect("good").hosts;
    assert_eq!((inventory.hosts().count(), layers, chosen.len()), (10_000, 20_000, 9_900));
    // An unoptimised build on a busy machine takes a few hundred milliseconds.
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}
