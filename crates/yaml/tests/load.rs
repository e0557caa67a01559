//! What a text becomes: scalars by PyYAML's table, the composer's rules, places, and the limits.

use std::fmt::Write;
use yaml::{Node, NodeValue, SourceFile, StrStyle, Tag, load_all, load_one};

fn load(text: &str) -> Node {
    load_one(&SourceFile::new("t.yml", text)).unwrap_or_else(|error| panic!("{error}")).0
}

fn refusal(text: &str) -> String {
    load_one(&SourceFile::new("t.yml", text)).expect_err("refused").to_string()
}

/// A tree in one line, for comparison.
fn show(node: &Node) -> String {
    match &node.value {
        NodeValue::Null => "null".to_owned(),
        NodeValue::Bool(value) => value.to_string(),
        NodeValue::Int(value) => value.to_string(),
        NodeValue::Float(value) => format!("{value:?}"),
        NodeValue::Str { text, .. } => format!("{text:?}"),
        NodeValue::BigInt(text) | NodeValue::Timestamp(text) => text.to_string(),
        NodeValue::Seq(items) => {
            format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", "))
        }
        NodeValue::Map(entries) => {
            let entries =
                entries.iter().map(|(key, value)| format!("{}: {}", show(key), show(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

/// `scalars.tsv`: plain scalar, PyYAML's type, PyYAML's value.
#[test]
fn plain_scalars_have_pyyamls_types() {
    for row in include_str!("scalars.tsv").lines() {
        let [text, kind, value] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("bad row: {row}")
        };
        let node = load(&format!("- {text}\n"));
        let node = &node.as_seq().unwrap()[0];
        let (actual_kind, actual) = match &node.value {
            NodeValue::Null => ("null", String::new()),
            NodeValue::Bool(value) => ("bool", value.to_string()),
            NodeValue::Int(value) => ("int", value.to_string()),
            NodeValue::BigInt(value) => ("int", value.to_string()),
            NodeValue::Float(actual) => {
                let expected: f64 = value.parse().unwrap();
                assert_eq!(actual.to_bits(), expected.to_bits(), "{row}");
                ("float", value.to_owned())
            }
            NodeValue::Timestamp(value) => ("time", value.to_string()),
            NodeValue::Str { text, .. } => ("str", text.to_string()),
            other => panic!("{row}: {other:?}"),
        };
        assert_eq!((actual_kind, actual.as_str()), (kind, value), "{row}");
    }
}

#[test]
fn trees_are_composed_as_pyyaml_composes_them() {
    for (text, expected) in [
        ("", "null"),
        ("a: [1, b]\n", r#"{"a": [1, "b"]}"#),
        ("\u{feff}a: 1\r\nb: |\r\n  x\r\n  y\r\n", r#"{"a": 1, "b": "x\ny\n"}"#),
        ("a: |\n  x\n  y", r#"{"a": "x\ny"}"#),
        ("a: |+\n  x\n\n", r#"{"a": "x\n\n"}"#),
        ("a: |+\n  x", r#"{"a": "x"}"#),
        ("a: |\n  x\n# end", r#"{"a": "x\n"}"#),
        ("a: |\n  x\n  ", r#"{"a": "x\n"}"#),
        ("a: >-\n  x\n  y\n\n  z\n", r#"{"a": "x y\nz"}"#),
        ("a: &x {p: 1}\nb: *x\n", r#"{"a": {"p": 1}, "b": {"p": 1}}"#),
        (
            "a: &x {p: 1, q: 2}\nb:\n  r: 3\n  <<: *x\n  q: 4\n",
            r#"{"a": {"p": 1, "q": 2}, "b": {"p": 1, "q": 4, "r": 3}}"#,
        ),
        ("<<: [{a: 1, c: 3}, {a: 2, b: 2}]\n", r#"{"a": 1, "b": 2, "c": 3}"#),
        ("'<<': {a: 1}\n", r#"{"<<": {"a": 1}}"#),
        ("a: 1\nb: 2\na: 3\n", r#"{"a": 3, "b": 2}"#),
        ("1: a\n1.0: b\ntrue: c\n", r#"{true: "c"}"#),
        (
            "a: !!str 12\nb: !!int '0x1F'\nc: !!float 1\nd: !!bool 'On'\ne: !!null x\n",
            r#"{"a": "12", "b": 31, "c": 1.0, "d": true, "e": null}"#,
        ),
        ("a: ! 12\nb: '12'\n", r#"{"a": 12, "b": "12"}"#),
        ("!!omap [a: 1, b: 2]\n", r#"[["a", 1], ["b", 2]]"#),
        ("!!set {a, b}\n", r#"["a", "b"]"#),
    ] {
        assert_eq!(show(&load(text)), expected, "{text}");
    }
}

#[test]
fn documents_are_told_apart_and_anchors_end_with_them() {
    let file = SourceFile::new("t.yml", "--- &a 1\n---\n- 2\n...\n");
    let loaded = load_all(&file).unwrap();
    assert_eq!(loaded.documents.iter().map(show).collect::<Vec<_>>(), ["1", "[2]"]);
    let file = SourceFile::new("t.yml", "--- &a 1\n--- *a\n");
    assert!(load_all(&file).unwrap_err().message().contains("no anchor `&a`"));
}

#[test]
fn a_key_that_stands_twice_is_a_warning_with_both_places() {
    let file = SourceFile::new("t.yml", "a: 1\nb: 2\na: 3\n");
    let warnings = load_all(&file).unwrap().warnings;
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].to_string(), "t.yml:3:1: Found duplicate mapping key 'a'");
    let text = "a: &x {p: 1}\nb:\n  <<: *x\n  p: 2\n";
    assert!(load_all(&SourceFile::new("t.yml", text)).unwrap().warnings.is_empty());
}

#[test]
fn values_know_their_place_style_and_mark() {
    let node = load("ä: 'x'\nkey: !unsafe \"{{ y }}\"\nv: !vault |\n  $ANSIBLE_VAULT;1.1\n");
    let entries = node.as_map().unwrap();
    let value = &entries[0].1;
    assert_eq!((value.span.line, value.span.column, value.span.text()), (1, 4, "'x'"));
    assert!(matches!(value.value, NodeValue::Str { style: StrStyle::Quoted, .. }));
    assert_eq!(entries[1].1.tag, Some(Tag::Unsafe));
    assert_eq!(entries[1].0.span.to_string(), "t.yml:2:1");
    assert_eq!(entries[2].1.tag, Some(Tag::Vault));
    assert_eq!(entries[2].1.as_str(), Some("$ANSIBLE_VAULT;1.1\n"));
}

#[test]
fn hostile_texts_are_refused_quickly() {
    let levels = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    load(&levels(100));
    assert!(refusal(&levels(102)).contains("nested more than 100 deep"));
    assert!(refusal(&"[".repeat(100_000)).contains("nested more than 100 deep"));
    assert!(refusal(&"- ".repeat(100_000)).contains("nested more than 100 deep"));
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..10 {
        let items = vec![format!("*a{}", n - 1); 10].join(", ");
        writeln!(bomb, "a{n}: &a{n} [{items}]").unwrap();
    }
    assert!(refusal(&bomb).contains("aliases expand to more than 500000 values"));
    let mut ladder = "a0: &a0 [x]\n".to_owned();
    for n in 1..200 {
        writeln!(ladder, "a{n}: &a{n} [*a{}]", n - 1).unwrap();
    }
    assert!(refusal(&ladder).contains("nested more than 100 deep"));
}

#[test]
fn bytes_that_are_not_text_are_refused_with_their_offset() {
    let error = SourceFile::from_bytes("t.yml", b"a: 1\nb: \xff\n").unwrap_err();
    assert_eq!(error.message(), "t.yml is not UTF-8 text: byte 0xff at offset 8, line 2");
    assert_eq!(
        refusal("a: 1\nb: x\0y\n"),
        "t.yml:2:5: the character U+0000 at byte 9 is not allowed in YAML"
    );
    assert!(refusal("a: \u{1b}[31m\n").contains("U+001B"));
}

#[test]
fn binary_is_the_text_of_its_bytes() {
    assert_eq!(show(&load("!!binary |\n  aGVs\n  bG8=\n")), "\"hello\"");
    let refusal = refusal("key: !!binary gICA");
    assert!(refusal.contains("is not one"), "{refusal}");
    assert!(refusal.contains("base64"), "{refusal}");
}
