//! Sources in, hosts, groups, variables and messages out. The expectations were observed on ansible-core 2.19, but for
//! the wording of errors.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use model::HostName;

use super::{Inventory, Programs};
use crate::{Memory, Vars};

/// Programs by path, with what they print for `--list` and for each host.
#[derive(Default)]
struct Printed(BTreeMap<&'static str, Result<&'static str, &'static str>>);

impl Programs for Printed {
    fn is_program(&self, path: &Path) -> bool {
        path.extension().is_some_and(|it| it == "sh")
    }

    fn list(&self, _: &Path) -> Result<String, String> {
        self.0["--list"].map(ToOwned::to_owned).map_err(ToOwned::to_owned)
    }

    fn host(&self, _: &Path, host: &str) -> Result<String, String> {
        self.0[host].map(ToOwned::to_owned).map_err(ToOwned::to_owned)
    }
}

fn load(files: &[(&str, &str)], sources: &[&str]) -> Inventory {
    let sources: Vec<String> = sources.iter().map(ToString::to_string).collect();
    let files = Memory::new(files.iter().copied());
    Inventory::load(&files, &Printed::default(), &sources, false).expect("loads")
}

/// The inventory of one file called `hosts`, or what is wrong with it.
fn read(name: &str, text: &str) -> Result<Inventory, String> {
    let files = Memory::new([(name, text)]);
    Inventory::load(&files, &Printed::default(), &[name.to_owned()], true).map_err(|error| {
        match error.span() {
            Some(span) => format!("{}:{}: {}", span.line, span.column, error.message()),
            None => error.message().to_owned(),
        }
    })
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
    let json = inventory.host_vars(&host.into());
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
        ("[a]\nfoo:\n", "2:1: `foo:` is not a host: nothing may end in `:`, it introduces a port"),
        (
            "h[1:x]\n",
            "1:1: host range [1:x]: begin and end must both be numbers or both be letters, in order",
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
        ("a:\n  vars: x\n", "2:9: `vars` of group a must be a mapping, not text"),
        (
            "a: {children: {b: {children: {a: }}}}\n",
            "1:31: adding group `a` as child to `b` creates a recursive dependency loop",
        ),
        ("plugin: aws_ec2\n", "1:1: inventory plugins are not supported"),
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
            read("hosts.yml", text).map(|it| groups(&it)),
            Err(expected.to_owned()),
            "{text}"
        );
    }
}

#[test]
fn lists_of_hosts() {
    let inventory = load(&[], &["a, b:22,[::1]:33,,c"]);
    assert_eq!(groups(&inventory), "ungrouped: a b ::1 c");
    assert_eq!(vars(&inventory, "b"), "ansible_port=22");
    let files = Memory::new([("x", "h")]);
    for (source, expected) in [
        ("nope", "nope does not exist"),
        ("a,b:", "`b:` is not a host: nothing may end in `:`, it introduces a port"),
        ("a,b\u{1b}[0m", "\"b\\u{1b}[0m\" is not a host name"),
    ] {
        let error = Inventory::load(&files, &Printed::default(), &[source.to_owned()], true);
        assert_eq!(error.expect_err(source).message(), expected);
    }
}

#[test]
fn a_source_that_cannot_be_read_is_a_warning_and_nothing_of_it_is_kept() {
    let files = [("good", "a\n"), ("bad", "b\nc x\n")];
    let inventory = load(&files, &["bad", "good", "none"]);
    assert_eq!(groups(&inventory), "ungrouped: a");
    let titles = inventory.warnings.iter().map(|it| it.lines().next().unwrap_or_default());
    assert_eq!(
        titles.collect::<Vec<_>>(),
        [
            "Unable to parse bad as an inventory source",
            "Unable to parse none as an inventory source"
        ]
    );
    let empty = load(&files, &["bad"]);
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
    assert!(inventory.warnings[0].contains("inventory variable `1x` has an invalid name"));
    assert_eq!(
        inventory.warnings[1],
        "Invalid characters were found in group names but not replaced: web-1"
    );
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
        let files = Memory::new([("hosts", hosts), (path, "- x\n")]);
        let error = Inventory::load(&files, &Printed::default(), &["hosts".to_owned()], false);
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
    assert_eq!(inventory.to_json(true)["a"]["vars"]["ansible_group_priority"], 10);
}

#[test]
fn localhost_is_always_there() {
    let files = [("hosts", "h"), ("group_vars/all", "a: 1"), ("host_vars/localhost", "b: 1")];
    let inventory = load(&files, &["hosts"]);
    assert_eq!(vars(&inventory, "localhost"), "a=1 ansible_connection=local b=1");
    assert_eq!(vars(&inventory, "127.0.0.1"), "a=1 ansible_connection=local");
    assert_eq!(inventory.group_names(&"localhost".into()).len(), 0);
    let named = load(&[("hosts", "localhost x=1")], &["hosts"]);
    assert_eq!(vars(&named, "localhost"), "x=1");
    assert_eq!(named.host("127.0.0.1").map(|host| host.name.as_str()), Some("localhost"));
    assert!(named.host("127.0.0.2").is_none());
}

fn program(
    printed: &[(&'static str, Result<&'static str, &'static str>)],
) -> Result<Inventory, String> {
    let files = Memory::new([("inv.sh", "")]);
    let programs = Printed(printed.iter().copied().collect());
    Inventory::load(&files, &programs, &["inv.sh".to_owned()], true)
        .map_err(|error| error.message().to_owned())
}

#[test]
fn programs_print_inventories() {
    let whole = r#"{"web": {"hosts": ["w1", "w2"], "vars": {"v": "{{ x }}"}, "children": ["c"]},
        "c": ["c1"], "bare": {"x": 1}, "_meta": {"hostvars": {"w1": {"a": [1]}}}}"#;
    let inventory = program(&[("--list", Ok(whole))]).expect("good");
    assert_eq!(groups(&inventory), "web: w1 w2> c; c: c1; bare: bare");
    assert_eq!(vars(&inventory, "w1"), "a=[1] v={{ x }}");
    let layers = inventory.layers(&"w1".into());
    assert!(layers.iter().any(|layer| layer.vars.get("v").is_some_and(jinja::Value::is_template)));
    let asked = [("--list", Ok(r#"{"g": ["h", "i"]}"#)), ("h", Ok(r#"{"a": 1}"#)), ("i", Ok(""))];
    assert_eq!(vars(&program(&asked).expect("good"), "h"), "a=1");
}

#[test]
fn bad_programs_are_explained() {
    for (printed, expected) in [
        (Err("exit status 3"), "failed: exit status 3"),
        (Ok("boo"), "printed no JSON: expected value at line 1 column 1"),
        (Ok("[]"), "printed a list, not a JSON object of groups"),
        (Ok(r#"{"g": "x"}"#), "printed a text for group g, not an object"),
        (Ok(r#"{"g": {"hosts": "x"}}"#), "printed a text for `hosts` of group g, not a list"),
        (Ok(r#"{"g": {"hosts": [{}]}}"#), "printed an object in `hosts` of group g, not a name"),
        (
            Ok(r#"{"g": {"vars": []}}"#),
            "printed a list for the variables of group g, not an object",
        ),
        (Ok(r#"{"_meta": {"hostvars": 1}}"#), "printed a number for _meta.hostvars, not an object"),
        (Ok(r#"{"g": {"children": ["g"]}}"#), "is wrong: group `g` cannot be its own child"),
    ] {
        let error = program(&[("--list", printed)]).map(|it| groups(&it));
        assert_eq!(error, Err(format!("inventory program inv.sh {expected}")));
    }
    let error =
        program(&[("--list", Ok(r#"{"g": ["h"]}"#)), ("h", Err("no"))]).map(|it| groups(&it));
    assert_eq!(error, Err("inventory program inv.sh failed for host h: no".to_owned()));
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
        inventory.to_json(false).to_string(),
        format!(
            r#"{{"_meta":{{"hostvars":{{"w":{{"v":1,"f":"a","x":"{{{{ y }}}}","h":"b"}}}},{meta}}},"all":{{"children":["ungrouped","p"]}},"ungrouped":{{"hosts":["u"]}},"web":{{"hosts":["w"]}},"p":{{"children":["web"]}}}}"#
        )
    );
    assert_eq!(
        inventory.to_json(true)["_meta"]["hostvars"].to_string(),
        r#"{"w":{"x":"{{ y }}","h":"b"}}"#
    );
    assert_eq!(inventory.to_json(true)["web"]["vars"].to_string(), r#"{"v":1,"f":"a"}"#);
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
